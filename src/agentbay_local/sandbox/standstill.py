"""A sandbox in which nothing runs: all its processes stopped, and exactly those let go on."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

from agentbay_local.sandbox import pids
from agentbay_local.sandbox.contract import SandboxError

__all__ = ["Standstill"]


class Standstill:
    """The pauses of one sandbox. `first` is its first process."""

    def __init__(self) -> None:
        self._stopped: list[pids.Proc] | None = None
        self._turn = asyncio.Lock()

    async def begin(self, first: int) -> None:
        """Stop everything, unless that is done. Raises SandboxError."""
        async with self._turn:
            if self._stopped is not None:
                return
            work = asyncio.ensure_future(asyncio.to_thread(pids.stop, first))
            try:
                self._stopped = await asyncio.shield(work)
            except asyncio.CancelledError:
                await done(work)
                if not work.cancelled() and work.exception() is None:
                    pids.proceed(work.result())
                raise
            except pids.NotQuiet as error:
                raise SandboxError("the sandbox could not be paused: its programs kept waking each other") from error

    async def end(self) -> None:
        """Let go on what was stopped."""
        async with self._turn:
            stopped, self._stopped = self._stopped, None
            pids.proceed(stopped or [])

    @contextlib.asynccontextmanager
    async def attended(self, first: int) -> AsyncIterator[None]:
        """Let the first process alone go on within the block, with what we start by it. Raises SandboxError."""
        async with self._turn:
            if self._stopped is None:
                raise SandboxError("the sandbox is not paused")
            pids.proceed(each for each in self._stopped if each.pid == first)
            try:
                yield
            finally:
                work = asyncio.ensure_future(asyncio.to_thread(still, first))
                await done(work)
                self._stopped = [*work.result(), *(each for each in self._stopped if each.pid != first)]


def still(first: int) -> list[pids.Proc]:
    """Stop what was let go on."""
    try:
        return pids.stop(first)
    except pids.NotQuiet:  # nothing can cause that here but a sandbox that somebody else lets go on
        return []


async def done(work: asyncio.Future[list[pids.Proc]]) -> None:
    """Wait for the end of something, however often the caller is cancelled meanwhile."""
    while not work.done():
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.wait([work])
