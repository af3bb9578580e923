"""Sandboxes that wait ready for an image, with its interpreter started. Those without one wait in the engine."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from typing import Final

from agentbay_local.images.image import Image
from agentbay_local.sandbox.contract import SandboxError
from agentbay_local.service.images import PRESTARTED, Gallery
from agentbay_local.tools import Box
from agentbay_local.tools.box import MakeBox

__all__ = ["Warm"]

LULL_S: Final = 0.3
"""Seconds that a refill waits: the first calls of the session just opened need the processor more."""
PAUSE_AFTER_FAILURE_S: Final = 5.0

log = logging.getLogger("agentbay_local")


class Warm:
    """At most so many ready boxes for each image that has an interpreter, from when the image is first asked for."""

    def __init__(self, gallery: Gallery, make: MakeBox, most: int) -> None:
        self._gallery = gallery
        self._make = make
        self._most = most
        self._ready: dict[Image, deque[Box]] = {}
        self._wanted = asyncio.Event()

    async def open(self, image: Image) -> Box:
        """A box of an image, out of the ready ones if there is one. Raises SandboxError and OSError."""
        if image.name in PRESTARTED and self._most:
            ready = self._ready.setdefault(image, deque())
            self._wanted.set()
            while ready:
                box = ready.popleft()
                if not box.sandbox.closed.is_set():
                    return box
        return await self._box(image)

    async def _box(self, image: Image) -> Box:
        return self._make(await self._gallery.sandbox(image), image.family, dict(image.env))

    async def keep(self) -> None:
        """Fills up again and again, one after the other."""
        while True:
            await self._wanted.wait()
            self._wanted.clear()
            for image, ready in list(self._ready.items()):
                await self._fill(image, ready)

    async def _fill(self, image: Image, ready: deque[Box]) -> None:
        while len(ready) < self._most:
            await asyncio.sleep(LULL_S)
            try:
                box = await self._box(image)
            except (SandboxError, OSError) as error:
                log.warning("no session of %s could be made ready: %s", image.name, error)
                await asyncio.sleep(PAUSE_AFTER_FAILURE_S)
                continue
            await box.prestart()
            ready.append(box)

    async def close(self) -> None:
        """Ends those that wait."""
        waiting = [box for ready in self._ready.values() for box in ready]
        self._ready.clear()
        await asyncio.gather(*(box.close() for box in waiting))
