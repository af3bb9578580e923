"""Steps back: what was begun is ended again if what follows does not come to its end, whatever the reason."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

__all__ = ["closing_on_failure", "on_failure"]


@contextlib.contextmanager
def on_failure(action: Callable[[], object]) -> Iterator[None]:
    """Call `action` if the block is left by an exception."""
    with contextlib.ExitStack() as undo:
        undo.callback(action)
        yield
        undo.pop_all()


@contextlib.asynccontextmanager
async def closing_on_failure(close: Callable[[], Awaitable[None]]) -> AsyncIterator[None]:
    """Await `close` if the block is left by an exception, cancellation included."""
    async with contextlib.AsyncExitStack() as undo:
        undo.push_async_callback(close)
        yield
        undo.pop_all()
