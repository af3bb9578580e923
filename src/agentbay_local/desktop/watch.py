"""Watching a screen: what changes on it, how large it is, what was copied; by a connection of its own.

The connection is apart from that of the tools, so that nobody who looks waits for somebody who types.
"""

from __future__ import annotations

import asyncio
import contextlib
import struct
from typing import Final, Self

from attrs import frozen

from agentbay_local.desktop import parts, xproto
from agentbay_local.desktop.picture import NoPicture, encoded
from agentbay_local.desktop.xlink import MOST_BYTES, XLink, XRefused, XSilent, value
from agentbay_local.desktop.xproto import HEADER, XFault, request, unpack, words
from agentbay_local.sandbox.contract import Sandbox
from agentbay_local.undo import closing_on_failure

__all__ = ["Area", "Watch"]

CONFIGURE_NOTIFY, SELECTION_NOTIFY = 22, 31
STRUCTURE: Final = 1 << 17
"""Event mask: the root changes its size."""
EVENTS: Final = 1 << 11
"""Of the values of a window's attributes: the mask of the events that are wanted."""
BOUNDING_BOX: Final = 2
"""Level of damage: a rectangle around all of it, told again whenever it grows."""
NEW_OWNER: Final = 1
CLIPBOARD, TEXT, HERE = "CLIPBOARD", "UTF8_STRING", "AGENTBAY_COPIED"
COPY_S: Final = 2.0
"""How long the program that has copied something may take to hand it over."""
FROM_ANYWHERE: Final = 0x80


@frozen
class Area:
    """A rectangle in pixels, from the upper left corner of the screen."""

    x: int
    y: int
    width: int
    height: int

    def joined(self, other: Area | None) -> Area:
        """The smallest one around both."""
        if other is None:
            return self
        x, y = min(self.x, other.x), min(self.y, other.y)
        right = max(self.x + self.width, other.x + other.width)
        bottom = max(self.y + self.height, other.y + other.height)
        return Area(x, y, right - x, bottom - y)

    def within(self, width: int, height: int) -> Area:
        """The part of it that is on a screen of that size."""
        x, y = min(max(self.x, 0), width), min(max(self.y, 0), height)
        right, bottom = min(max(self.x + self.width, x), width), min(max(self.y + self.height, y), height)
        return Area(x, y, right - x, bottom - y)

    def __bool__(self) -> bool:
        return self.width > 0 and self.height > 0


class Watch:
    """One who watches. `news` is set when one of the other three has changed."""

    def __init__(self, link: XLink) -> None:
        self.news = asyncio.Event()
        self.damaged: Area | None = None
        """What has changed since `take`; always nothing where `tells` is false."""
        self.size = (0, 0)
        """Width and height of the screen."""
        self.copied = False
        """Whether something was copied since `clipboard`."""
        self.tells = False
        """Whether the X server tells what changes; otherwise one has to look."""
        self._link = link
        self._window, self._damage = link.setup.first_id, link.setup.first_id + 1
        self._damage_event = self._copy_event = 0
        self._handed: asyncio.Future[int] | None = None
        link.on_event = self._heard

    @classmethod
    async def begun(cls, sandbox: Sandbox) -> Self:
        """Begin. Raises XGone, XFault, XSilent, OSError, and SandboxError; there must be a desktop."""
        link = await XLink.over(await sandbox.dial_path(parts.SOCKET))
        watch = cls(link)
        async with closing_on_failure(link.close):
            await watch._begin()
        return watch

    @property
    def alive(self) -> bool:
        return self._link.alive

    @property
    def everything(self) -> Area:
        return Area(0, 0, *self.size)

    async def close(self) -> None:
        await self._link.close()

    async def _begin(self) -> None:
        link, root = self._link, self._link.setup.root
        await link.do(xproto.create_window(self._window, root), request(2, words(root, EVENTS, STRUCTURE)))
        await self.measure()
        major, self._damage_event = await link.numbers("DAMAGE")
        if major:
            await link.ask(request(major, words(1, 1)))
            await link.do(request(major, words(self._damage, root, BOUNDING_BOX), 1))
            self.tells, self.damaged = True, self.everything
        major, self._copy_event = await link.numbers("XFIXES")
        if major:
            await link.ask(request(major, words(5, 0)))
            [clipboard] = await link.atoms(CLIPBOARD)
            await link.do(request(major, words(self._window, clipboard, NEW_OWNER), 2))

    async def measure(self) -> None:
        """Ask how large the screen is. Errors as in `XLink.ask`."""
        [place] = await self._link.ask(xproto.get_geometry(self._link.setup.root))
        width, height = unpack("HH", place, 16)
        self.size = (width, height)

    # --- What comes ---------------------------------------------------------------------------------------------------

    def _heard(self, event: bytes) -> None:
        kind = event[0] & ~FROM_ANYWHERE
        if self.tells and kind == self._damage_event:
            self.damaged = Area(*unpack("HHHH", event, 16)).joined(self.damaged)
        elif kind == CONFIGURE_NOTIFY and unpack("I", event, 8)[0] == self._link.setup.root:
            width, height = unpack("HH", event, 20)
            self.size = (width, height)
        elif self._copy_event and kind == self._copy_event:
            self.copied = unpack("I", event, 8)[0] != 0
        elif kind == SELECTION_NOTIFY and self._handed is not None and not self._handed.done():
            self._handed.set_result(unpack("I", event, 20)[0])
            return
        else:
            return
        self.news.set()

    # --- What is looked at --------------------------------------------------------------------------------------------

    async def take(self) -> Area | None:
        """What has changed since the last time; from now on new changes are told. Errors as in `XLink.ask`."""
        found, self.damaged = self.damaged, None
        if found is not None:
            major = await self._link.extension("DAMAGE")
            await self._link.do(request(major, words(self._damage, 0, 0), 3))
        return found

    async def pixels(self, area: Area) -> bytes:
        """Four bytes for each pixel: blue, green, red, unused. Errors as in `XLink.ask`.

        Raises:
            NoPicture: the screen is too large, or the area is not on it any more.
        """
        width, height = self.size
        if 4 * width * height > MOST_BYTES:
            raise NoPicture(f"the screen of {width} x {height} pixels is too large to be shown: make it smaller")
        try:
            [image] = await self._link.ask(
                xproto.get_image(self._link.setup.root, area.width, area.height, area.x, area.y)
            )
        except XRefused:
            await self.measure()
            raise NoPicture("the screen has changed its size") from None
        if len(image) - HEADER < 4 * area.width * area.height:
            raise XFault("the X server sent a picture of another size")
        return image[HEADER : HEADER + 4 * area.width * area.height]

    @staticmethod
    async def jpeg(area: Area, pixels: bytes) -> bytes:
        """Pixels as a file."""
        return await asyncio.to_thread(encoded, "jpeg", (area.width, area.height), pixels)

    # --- What was copied ----------------------------------------------------------------------------------------------

    async def clipboard(self) -> str:
        """The text that was copied last; empty if it is none, too long, or not handed over."""
        self.copied = False
        selection, kind, name = await self._link.atoms(CLIPBOARD, TEXT, HERE)
        self._handed = asyncio.get_running_loop().create_future()
        asked = struct.pack("<IIIII", self._window, selection, kind, name, 0)
        with contextlib.suppress(TimeoutError, XRefused, XSilent):
            await self._link.do(request(24, asked))
            async with asyncio.timeout(COPY_S):
                given = await self._handed
            return await self._text(given, kind) if given else ""
        return ""

    async def _text(self, name: int, kind: int) -> str:
        [reply] = await self._link.ask(xproto.get_property(self._window, name))
        await self._link.do(xproto.delete_property(self._window, name))
        given, left = unpack("II", reply, 8)
        return value(reply).decode(errors="replace") if given == kind and not left else ""
