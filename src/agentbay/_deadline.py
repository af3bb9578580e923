"""A moment that turns into a time-out."""

from __future__ import annotations

import math
import time
from collections.abc import Callable

from attrs import frozen

from agentbay._value import Value

__all__ = ["Deadline", "now", "stopwatch"]

now = time.time
"""Seconds since the epoch."""


def stopwatch() -> Callable[[], float]:
    """Start to measure; the function that comes back tells the seconds since."""
    started = time.monotonic()
    return lambda: time.monotonic() - started


@frozen(eq=False, repr=False)
class Deadline(Value):
    """A moment on the monotonic clock by which work must be done."""

    moment: float

    @classmethod
    def after(cls, seconds: float | None) -> Deadline:
        """Make the deadline that is `seconds` from now; None means there is none."""
        return cls(math.inf if seconds is None else time.monotonic() + seconds)

    def left(self) -> float:
        """Seconds until the deadline, never below 0."""
        return max(0.0, self.moment - time.monotonic())

    def patience(self) -> float | None:
        """Seconds until the deadline; None when there is none."""
        return None if self.moment == math.inf else self.left()

    def sooner(self, seconds: float) -> Deadline:
        """Make the deadline that is `seconds` from now, unless this one comes first."""
        return Deadline(min(self.moment, time.monotonic() + seconds))

    @property
    def passed(self) -> bool:
        """Whether the moment lies behind us."""
        return time.monotonic() >= self.moment

    def limit(self, seconds: float) -> float:
        """Shorten `seconds` so that it does not reach beyond the deadline."""
        return min(seconds, self.left())
