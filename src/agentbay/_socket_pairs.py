"""What the WebSocket channel needs and the colours do not share, side by side: a box for what comes, and who reads."""

from __future__ import annotations

import asyncio
import os
import queue
import threading
import time
import weakref
from collections import deque
from collections.abc import Callable, Coroutine
from typing import Any, Generic, Protocol, TypeVar

__all__ = ["AsyncInbox", "AsyncWorker", "Inbox", "Worker", "async_wait_for", "tell_when_forked", "wait_for"]

T = TypeVar("T")

SLICE = 0.1


# --- A box: things are put in without waiting, and taken out in their order -------------------------------------------


class AsyncInbox(Generic[T]):
    """Filled and emptied in one event loop."""

    def __init__(self) -> None:
        self._things: deque[T] = deque()
        self._filled = asyncio.Event()

    def put(self, thing: T) -> None:
        """Add a thing."""
        self._things.append(thing)
        self._filled.set()

    def take(self) -> T | None:
        """The oldest thing; None when there is none."""
        return self._things.popleft() if self._things else None

    async def get(self, seconds: float | None = None) -> T:
        """Wait for the oldest thing, at most so many seconds; raises TimeoutError."""
        async with asyncio.timeout(seconds):
            while not self._things:
                self._filled.clear()
                await self._filled.wait()
        return self._things.popleft()


class Inbox(Generic[T]):
    """Filled and emptied by any threads."""

    def __init__(self) -> None:
        self._things: queue.SimpleQueue[T] = queue.SimpleQueue()

    def put(self, thing: T) -> None:
        """Add a thing."""
        self._things.put(thing)

    def take(self) -> T | None:
        """The oldest thing; None when there is none."""
        try:
            return self._things.get_nowait()
        except queue.Empty:
            return None

    def get(self, seconds: float | None = None) -> T:
        """Wait for the oldest thing, at most so many seconds; raises TimeoutError."""
        try:
            return self._things.get(timeout=seconds)
        except queue.Empty:
            raise TimeoutError("nothing came in time") from None


# --- An event of another thread ---------------------------------------------------------------------------------------


async def async_wait_for(event: threading.Event, seconds: float) -> bool:
    """Wait until the event is set, at most so many seconds; tells whether it is."""
    ends = time.monotonic() + seconds
    while not event.is_set() and (left := ends - time.monotonic()) > 0:  # noqa: ASYNC110
        await asyncio.sleep(min(left, SLICE))  # it cannot wake an event loop
    return event.is_set()


def wait_for(event: threading.Event, seconds: float) -> bool:
    """Wait until the event is set, at most so many seconds; tells whether it is."""
    return event.wait(seconds)


# --- A fork of the process --------------------------------------------------------------------------------------------


class Forkable(Protocol):
    """Something that a forked child must not go on with."""

    def forked(self) -> None:
        """This is the child. Must not wait, nor fail."""


_forkables: weakref.WeakSet[Forkable] = weakref.WeakSet()


def tell_when_forked(thing: Forkable) -> None:
    """Have a thing told in each child that is forked, for as long as there is the thing."""
    _forkables.add(thing)


def _tell_forked() -> None:
    for thing in list(_forkables):
        thing.forked()


if hasattr(os, "register_at_fork"):  # pragma: no branch  (only Windows has it not)
    os.register_at_fork(after_in_child=_tell_forked)


# --- The one who reads ------------------------------------------------------------------------------------------------


class Closable(Protocol):
    """A connection that another thread may close."""

    def close(self) -> object:
        """Close it."""


class AsyncWorker:
    """A task that works until it is done or stopped."""

    def __init__(self, work: Callable[[AsyncWorker], Coroutine[Any, Any, None]]) -> None:
        self._work = work

    def start(self) -> None:
        """Begin."""
        self._task = asyncio.create_task(self._work(self), name="agentbay-socket")

    async def pause(self, seconds: float) -> None:
        """Let time pass."""
        await asyncio.sleep(seconds)

    async def stop(self, connection: object) -> None:
        """End the work; returns when nothing of it is left."""
        del connection
        self._task.cancel()
        await asyncio.wait([self._task])

    def inside(self) -> bool:
        """Whether the caller is the worker, so that waiting for it would never end."""
        return asyncio.current_task() is self._task


class Worker:
    """A thread that works until it is done or stopped."""

    def __init__(self, work: Callable[[Worker], None]) -> None:
        self._thread = threading.Thread(target=work, args=(self,), name="agentbay-socket", daemon=True)
        self._stopped = threading.Event()

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def pause(self, seconds: float) -> None:
        """Let time pass; returns at once when the worker is to stop."""
        self._stopped.wait(seconds)

    def stop(self, connection: Closable | None) -> None:
        """End the work, of which closing the connection is a part; returns when nothing of it is left."""
        self._stopped.set()
        if connection is not None:
            connection.close()
        if not self.inside():
            self._thread.join()

    def inside(self) -> bool:
        """Whether the caller is the worker, so that waiting for it would never end."""
        return threading.current_thread() is self._thread
