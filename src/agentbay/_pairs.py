"""All that differs by colour, side by side: the asynchronous one first, its synchronous twin below.

The generator drops the prefix `async_` or `Async`, so that `await async_sleep(1)` becomes `sleep(1)`.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections import deque
from collections.abc import Callable, Coroutine, Iterable
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from typing import Any, ParamSpec, TypeVar

from agentbay.errors import EventLoopError

__all__ = [
    "AsyncCaller",
    "AsyncHome",
    "AsyncLock",
    "Caller",
    "Home",
    "Lock",
    "async_blocking",
    "async_each",
    "async_sleep",
    "blocking",
    "each",
    "sleep",
]

P = ParamSpec("P")
R = TypeVar("R")
T = TypeVar("T")


async_sleep = asyncio.sleep
sleep = time.sleep

AsyncLock = asyncio.Lock
Lock = threading.Lock


# --- The place a client belongs to: an event loop; threads may share a synchronous one --------------------------------


class AsyncHome:
    """The event loop in which a client was first used."""

    def __init__(self) -> None:
        self._loop: object | None = None

    def check(self) -> None:
        """Raise EventLoopError in any other loop."""
        here = asyncio.get_running_loop()
        if self._loop is None:
            self._loop = here
        elif self._loop is not here:
            raise EventLoopError("This client belongs to another event loop; make one client for each loop.")


class Home:
    """Nowhere in particular: any thread may call."""

    def check(self) -> None:
        """Everybody is welcome."""


# --- A function that blocks -------------------------------------------------------------------------------------------


async def async_blocking(function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
    """Run a function that blocks without holding up the event loop."""
    return await asyncio.to_thread(function, *args, **kwargs)


def blocking(function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
    """Run a function that blocks."""
    return function(*args, **kwargs)


# --- A function for each of many items, some at a time ----------------------------------------------------------------


async def async_each(function: Callable[[T], Coroutine[Any, Any, object]], items: Iterable[T], limit: int) -> None:
    """Call the function for each item, at most `limit` at a time; the first exception ends it all and is raised."""
    waiting = iter([*items])

    async def work() -> None:
        for item in waiting:
            await function(item)

    try:
        async with asyncio.TaskGroup() as group:
            for _ in range(limit):
                group.create_task(work())
    except BaseExceptionGroup as several:
        first = several.exceptions[0]
        raise first from first.__cause__


def each(function: Callable[[T], object], items: Iterable[T], limit: int) -> None:
    """Call the function for each item, in at most `limit` threads; the first exception ends it all and is raised."""
    waiting = iter([*items])

    def work() -> None:
        for item in waiting:
            function(item)

    with ThreadPoolExecutor(limit, "agentbay-each") as pool:
        done = [pool.submit(work) for _ in range(limit)]
        try:
            wait(done, return_when=FIRST_EXCEPTION)
        finally:
            # Whatever ended the wait, the threads find nothing more to do.
            deque(waiting, 0)
    for future in done:
        future.result()


# --- Calls into a client from a thread of ours ------------------------------------------------------------------------


class AsyncCaller:
    """Lets another thread call an asynchronous function of the event loop in which this was made."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()

    def call(self, function: Callable[[], Coroutine[Any, Any, R]], stopped: threading.Event) -> R | None:
        """Wait for the function's result; None when `stopped` is set or the loop ends before there is one."""
        if stopped.is_set():
            return None
        coroutine = function()
        try:
            future = asyncio.run_coroutine_threadsafe(coroutine, self._loop)
        except RuntimeError:  # the loop is closed
            coroutine.close()
            return None
        while not wait([future], 0.05).done:
            if stopped.is_set() or self._loop.is_closed():
                future.cancel()
                return None
        return None if future.cancelled() else future.result()


class Caller:
    """Lets another thread call a function of a synchronous client."""

    def call(self, function: Callable[[], R], stopped: threading.Event) -> R | None:
        """The function's result; None when `stopped` is already set."""
        return None if stopped.is_set() else function()
