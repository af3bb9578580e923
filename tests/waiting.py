"""Waiting in both colours for something that another thread or task brings about."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

STEP = 0.01
STEPS = 1500


async def async_until(condition: Callable[[], object]) -> None:
    """Waits until the condition holds; the event loop goes on meanwhile."""
    for _ in range(STEPS):
        if condition():
            return
        await asyncio.sleep(STEP)
    raise AssertionError("it never came")


def until(condition: Callable[[], object]) -> None:
    """Waits until the condition holds."""
    for _ in range(STEPS):
        if condition():
            return
        time.sleep(STEP)
    raise AssertionError("it never came")
