"""Waiting for what nobody announces, but not for ever."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable

__all__ = ["until"]


async def until(condition: Callable[[], Awaitable[bool]], seconds: float, pause: float) -> bool:
    """Look again and again; whether it came true in time."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            while not await condition():  # noqa: ASYNC110  (nobody sets an event)
                await asyncio.sleep(pause)
            return True
    return False
