"""How a person's hand moves a mouse and types: not at once, and never twice the same."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator
from typing import Any, Final

__all__ = ["Hand"]

Json = dict[str, Any]
STEP: Final = 60.0
"""Pixels from one place on the way to the next."""
MOST: Final = 25
BEND: Final = 0.15
"""How far off the straight line a way goes, by its length."""
MOVE_S: Final = (0.006, 0.018)
KEY_S: Final = (0.04, 0.14)


class Hand:
    """One that knows where it has left the mouse."""

    def __init__(self) -> None:
        self._at = (random.uniform(100, 400), random.uniform(100, 300))

    def way(self, point: Json) -> Iterator[tuple[Json, float]]:
        """Places on the way to a point, and the seconds to stay at each; it is then there."""
        (x0, y0), (x1, y1) = self._at, (float(point["x"]), float(point["y"]))
        self._at = (x1, y1)
        far = math.hypot(x1 - x0, y1 - y0)
        bend = random.uniform(-BEND, BEND)
        for number in range(1, count := min(MOST, int(far / STEP) + 2)):
            share = (1 - math.cos(math.pi * number / count)) / 2  # begins and ends slowly
            aside = bend * math.sin(math.pi * share)
            x, y = x0 + (x1 - x0) * share + (y1 - y0) * aside, y0 + (y1 - y0) * share - (x1 - x0) * aside
            yield {"x": max(x, 0.0), "y": max(y, 0.0)}, random.uniform(*MOVE_S)

    def pause(self) -> float:
        """Seconds between two keys."""
        return random.uniform(*KEY_S)
