"""How often pictures are made: as the viewers can take them, and never so that they take much of the machine."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

__all__ = ["Pace"]

SHORTEST_S: Final = 1 / 15
SHARE: Final = 2.0
"""A picture that took long to make is followed by a rest of as much again."""


class Pace:
    """The time between two pictures."""

    def __init__(self) -> None:
        self._next = 0.0

    async def turn(self) -> None:
        """Waits until the next one may be made."""
        if (left := self._next - time.monotonic()) > 0:
            await asyncio.sleep(left)

    @contextmanager
    def making(self) -> Iterator[None]:
        """One is being made."""
        began = time.monotonic()
        try:
            yield
        finally:
            took = time.monotonic() - began
            self._next = began + max(SHORTEST_S, SHARE * took)
