"""The mouse."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Final

from agentbay_local.desktop import xproto
from agentbay_local.desktop.xlink import XLink
from agentbay_local.desktop.xproto import BUTTON_PRESS, BUTTON_RELEASE, MOTION, unpack

__all__ = ["OffScreen", "Pointer"]

BUTTONS: Final = {"left": (1, 1), "middle": (2, 1), "right": (3, 1), "double_left": (1, 2)}
"""Number of the button, and how often it is pressed."""
WHEEL: Final = {"up": 4, "down": 5, "left": 6, "right": 7}
DRAG_STEPS: Final = 12
STEP_S: Final = 0.008
"""Between the steps of a drag, for programs take a single leap for none."""


class OffScreen(Exception):
    """A place is not on the screen; the message is for users."""


class Pointer:
    """The mouse of one X server. Places are in pixels from the upper left corner."""

    def __init__(self, link: XLink) -> None:
        self._link = link

    async def position(self) -> tuple[int, int]:
        """Where it is."""
        [reply] = await self._link.ask(xproto.query_pointer(self._link.setup.root))
        x, y = unpack("hh", reply, 16)
        return x, y

    async def size(self) -> tuple[int, int]:
        """Width and height of the screen, which programs may change."""
        [reply] = await self._link.ask(xproto.get_geometry(self._link.setup.root))
        width, height = unpack("HH", reply, 16)
        return width, height

    async def move(self, x: int, y: int) -> None:
        """Raises OffScreen."""
        await self._check(x=x, y=y)
        await self._play([self._motion(x, y)])

    async def click(self, x: int, y: int, button: str) -> None:
        """Click at a place. Raises OffScreen."""
        await self._check(x=x, y=y)
        number, times = BUTTONS[button]
        await self._play([self._motion(x, y), *times * [*self._click(number)]])

    async def hold(self, x: int, y: int, button: str, *, down: bool) -> None:
        """Press a button at a place and leave it down, or release it there. Raises OffScreen."""
        await self._check(x=x, y=y)
        number, _ = BUTTONS[button]
        await self._play([self._motion(x, y), (BUTTON_PRESS if down else BUTTON_RELEASE, number, 0, 0)])

    async def scroll(self, x: int, y: int, direction: str, amount: int) -> None:
        """Turn the wheel by some steps. Raises OffScreen."""
        await self._check(x=x, y=y)
        await self._play([self._motion(x, y), *amount * [*self._click(WHEEL[direction])]])

    async def drag(self, start: tuple[int, int], end: tuple[int, int], button: str) -> None:
        """Press at one place, release at another; the button does not stay down, whatever happens. Raises OffScreen."""
        await self._check(from_x=start[0], from_y=start[1], to_x=end[0], to_y=end[1])
        number, _ = BUTTONS[button]
        await self._play([self._motion(*start)])
        try:
            await self._play([(BUTTON_PRESS, number, 0, 0)])
            for x, y in between(start, end):
                await asyncio.sleep(STEP_S)
                await self._play([self._motion(x, y)])
        finally:
            await self._play([(BUTTON_RELEASE, number, 0, 0)])

    @staticmethod
    def _motion(x: int, y: int) -> tuple[int, int, int, int]:
        return MOTION, 0, x, y

    @staticmethod
    def _click(number: int) -> Iterator[tuple[int, int, int, int]]:
        yield BUTTON_PRESS, number, 0, 0
        yield BUTTON_RELEASE, number, 0, 0

    async def _play(self, events: list[tuple[int, int, int, int]]) -> None:
        major, root = await self._link.extension("XTEST"), self._link.setup.root
        await self._link.do(*(xproto.fake_input(major, kind, detail, root, x, y) for kind, detail, x, y in events))

    async def _check(self, **places: int) -> None:
        width, height = await self.size()
        for name, place in places.items():
            most = (width if name.endswith("x") else height) - 1
            if not 0 <= place <= most:
                text = f"{name} must be from 0 to {most} (the screen is {width} x {height} pixels), got {place}"
                raise OffScreen(text)


def between(start: tuple[int, int], end: tuple[int, int]) -> Iterator[tuple[int, int]]:
    """The places of a drag, the last one twice, so that its program sees the pointer rest."""
    for step in range(1, DRAG_STEPS + 1):
        yield tuple(a + (b - a) * step // DRAG_STEPS for a, b in zip(start, end, strict=True))  # type: ignore[misc]
    yield end
