"""The view of a desktop: pictures of what has changed, and the viewers' mouse and keyboard."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, Final

from agentbay_local.desktop import NoPicture, UnknownKey
from agentbay_local.desktop import Screen as Desk
from agentbay_local.desktop.keys import SHIFT, key_symbol
from agentbay_local.desktop.watch import Watch
from agentbay_local.desktop.xlink import XGone
from agentbay_local.page.view_pace import Pace
from agentbay_local.page.view_viewer import Frame, Viewer
from agentbay_local.tools import Box
from agentbay_local.tools.screen import screen

if TYPE_CHECKING:
    from agentbay_local.page.view_room import Room

__all__ = ["DesktopKind", "DesktopView"]

Json = dict[str, Any]
COMPARED_S: Final = 0.25
"""Between two looks at the whole screen, where the X server does not tell what changes."""
NOTCH: Final = 53.0
"""Pixels that clients report for one notch of a wheel, about."""
MOST_NOTCHES: Final = 30
"""That are turned at once."""
MOST_HELD: Final = 30
"""Keys that one viewer holds down."""
PLACED: Final = {"ControlRight": 0xFFE4, "AltRight": 0xFFEA, "MetaRight": 0xFFEC}
"""Keys that there are twice, by the names of their places; the right Shift is taken for the left one."""
NAMED: Final = {"Shift": SHIFT, "AltGraph": 0xFE03, "OS": 0xFFEB}


class DesktopKind:
    """Sessions with a mouse and windows."""

    name = "desktop"

    def running(self, box: Box) -> bool:
        return box.desktop.running

    def source(self, room: Room) -> DesktopView:
        return DesktopView(room)

    async def start(self, box: Box) -> None:
        await box.desktop.renew()
        async with screen(box):
            return


class DesktopView:
    """A desktop that runs, and is looked at."""

    def __init__(self, room: Room) -> None:
        self._room = room
        self._box = room.session.box
        self._watch: Watch | None = None
        self._pace = Pace()
        self._size = (0, 0)
        self._copying: asyncio.Task[None] | None = None
        self._seen = b""
        self._compared = 0.0

    async def close(self) -> None:
        if self._copying is not None:
            self._copying.cancel()
            await asyncio.gather(self._copying, return_exceptions=True)
        if self._watch is not None:
            await self._watch.close()

    def look(self) -> None:
        """Wakes `run` up when the connection has ended, or the screen has to be compared."""
        if self._watch is not None and not (self._watch.alive and self._watch.tells):
            self._room.stir()

    # --- Pictures -----------------------------------------------------------------------------------------------------

    async def run(self) -> None:
        watch = self._watch = await Watch.begun(self._box.sandbox)
        watch.news = self._room.news
        self._room.begun()
        self._room.dirty(watch.everything)
        while True:
            await watch.news.wait()
            watch.news.clear()
            if not watch.alive:
                raise XGone
            self._notice(watch)
            await self._compare(watch)
            if self._room.waiting():
                await self._pace.turn()
                with self._pace.making():
                    await self._show(watch)

    def _notice(self, watch: Watch) -> None:
        """Takes in what the watch has heard."""
        if watch.size != self._size:
            self._size = watch.size
            self._room.tell("size", width=watch.size[0], height=watch.size[1])
            self._room.dirty(watch.everything)
        if watch.damaged is not None:
            self._room.dirty(watch.damaged)
        if watch.copied and (self._copying is None or self._copying.done()):
            self._copying = asyncio.create_task(self._copy(watch))
        watch.news.clear()

    async def _copy(self, watch: Watch) -> None:
        """Offers the viewers what somebody has copied."""
        if text := await watch.clipboard():
            self._room.tell("clipboard", text=text)

    async def _compare(self, watch: Watch) -> None:
        """Looks whether something has changed, if the server does not tell."""
        now = time.monotonic()
        if watch.tells or now < self._compared + COMPARED_S:
            return
        self._compared, seen = now, self._seen
        self._seen = await watch.pixels(watch.everything)
        if self._seen != seen:
            self._room.dirty(watch.everything)

    async def _show(self, watch: Watch) -> None:
        """Makes one picture of all that the viewers who wait have not seen."""
        if (found := await watch.take()) is not None:
            self._room.dirty(found)
        viewers, around = self._room.waiting(), None
        for viewer in viewers:
            around = viewer.dirty.joined(around) if viewer.dirty else around
            viewer.dirty = None
        size = watch.size
        if around is None or not (area := around.within(*size)):
            return
        try:
            data = await watch.jpeg(area, await watch.pixels(area))
        except NoPicture as none:
            self._room.tell("notice", text=str(none))
            return
        self._room.show(viewers, Frame(area, size, data))

    # --- Input --------------------------------------------------------------------------------------------------------

    async def act(self, viewer: Viewer, told: Json) -> None:
        work = ACTS.get(told["type"])
        if work is None or not self._box.desktop.running:
            return
        async with self._box.desktop.using() as desk:
            await work(self, viewer, desk, told)

    def _place(self, told: Json) -> tuple[int, int]:
        """Where something is, on the screen as it is now."""
        width, height = self._size
        return max(0, min(int(told["x"]), width - 1)), max(0, min(int(told["y"]), height - 1))

    async def _pointer(self, viewer: Viewer, desk: Desk, told: Json) -> None:
        x, y = self._place(told)
        action, button, held = told["action"], told["button"], viewer.held.buttons
        if action == "move" or button == "none":
            await desk.pointer.move(x, y)
        elif action == "down":
            held[button] = (x, y)
            await desk.pointer.hold(x, y, button, down=True)
        elif held.pop(button, None):
            await desk.pointer.hold(x, y, button, down=False)

    async def _wheel(self, viewer: Viewer, desk: Desk, told: Json) -> None:
        x, y = self._place(told)
        left = viewer.held.wheel
        for axis, name, less, more in ((0, "dx", "left", "right"), (1, "dy", "up", "down")):
            left[axis] += told[name] / NOTCH
            notches = int(left[axis])
            left[axis] -= notches
            if notches:
                await desk.pointer.scroll(x, y, more if notches > 0 else less, min(abs(notches), MOST_NOTCHES))

    async def _key(self, viewer: Viewer, desk: Desk, told: Json) -> None:
        """A key that is held repeats by itself."""
        name, held = told["code"] or told["key"], viewer.held.keys
        if told["action"] == "up":
            if name in held:
                await desk.keyboard.up([held.pop(name)])
        elif not told["repeat"] and name not in held and (symbol := symbol_of(told["key"], told["code"])):
            if len(held) >= MOST_HELD:
                raise UnknownKey("more keys are held than a keyboard has room for")
            held[name] = await desk.keyboard.down(symbol)

    async def _text(self, viewer: Viewer, desk: Desk, told: Json) -> None:
        await self._release(viewer, desk, told)
        await desk.keyboard.type(told["text"])

    async def _release(self, viewer: Viewer, desk: Desk, _: Json) -> None:
        held = viewer.held
        keys, buttons = list(held.keys.values()), dict(held.buttons)
        held.keys.clear()
        held.buttons.clear()
        if keys:
            await desk.keyboard.up(keys[::-1])
        for button, place in buttons.items():
            await desk.pointer.hold(*place, button, down=False)


ACTS: Final[dict[str, Callable[[DesktopView, Viewer, Desk, Json], Awaitable[None]]]] = {
    "pointer": DesktopView._pointer,
    "wheel": DesktopView._wheel,
    "key": DesktopView._key,
    "text": DesktopView._text,
    "release": DesktopView._release,
}


def symbol_of(key: str, code: str) -> int:
    """The symbol of a key as browsers name it; 0 for keys that no keyboard here has."""
    try:
        return PLACED.get(code) or NAMED.get(key) or key_symbol(key)
    except UnknownKey:
        return 0
