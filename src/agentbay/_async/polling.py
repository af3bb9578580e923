"""Looking again and again until something is done."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from agentbay._deadline import Deadline
from agentbay._pairs import async_sleep

__all__ = ["AsyncTicks"]

FIRST = 0.02
GROWTH = 1.6


class AsyncTicks:
    """Paces the looks at something slow: the first at once, then after pauses that grow to `interval` seconds.

    The last look is at the deadline.
    """

    def __init__(self, deadline: Deadline, interval: float, pause: Callable[[float], Any] | None = None) -> None:
        self._deadline = deadline
        self._interval = interval
        self._sleep = pause or async_sleep
        self._pause: float | None = None

    async def tick(self) -> bool:
        """Wait for the next look. False means that the deadline has passed and the last look was taken."""
        if self._pause is None:
            self._pause = min(FIRST, self._interval)
            return True
        if self._deadline.passed:
            return False
        await self._sleep(self._deadline.limit(self._pause))
        self._pause = min(self._interval, self._pause * GROWTH)
        return True
