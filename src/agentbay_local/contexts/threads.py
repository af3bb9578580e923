"""Blocking work off the event loop. It has ended when the caller goes on, also when the caller is cancelled."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable
from concurrent.futures import Executor
from typing import Any, TypeVar, TypeVarTuple

__all__ = ["ended", "in_thread", "stoppable"]

Ts = TypeVarTuple("Ts")
T = TypeVar("T")


async def in_thread(executor: Executor | None, work: Callable[[*Ts], T], *args: *Ts) -> T:
    """Runs `work` in a thread. A cancelled caller waits for it all the same: it may be using a descriptor or a file."""
    return await _ended(executor, threading.Event(), work, *args)


async def stoppable(executor: Executor | None, work: Callable[[threading.Event, *Ts], T], *args: *Ts) -> T:
    """Runs long work in a thread. It gets an event that is set when the caller is cancelled, and must end then."""
    stop = threading.Event()
    return await _ended(executor, stop, work, stop, *args)


async def _ended(executor: Executor | None, stop: threading.Event, work: Callable[[*Ts], T], *args: *Ts) -> T:
    future = asyncio.get_running_loop().run_in_executor(executor, work, *args)
    try:
        return await asyncio.shield(future)
    except asyncio.CancelledError:
        stop.set()
        await ended(future)
        raise


async def ended(future: asyncio.Future[Any]) -> None:
    """Waits for the end of something, whatever that is, and however often the caller is cancelled meanwhile."""
    while not future.done():
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.wait([future])
    if not future.cancelled():
        # Looked at, so that nobody complains that it was not.
        future.exception()
