"""The windows of a desktop, by the conventions that window managers share (ICCCM, EWMH)."""

from __future__ import annotations

import contextlib
from typing import Final

from attrs import frozen

from agentbay_local.desktop import xproto
from agentbay_local.desktop.patience import until
from agentbay_local.desktop.xlink import XLink, XRefused
from agentbay_local.desktop.xproto import client_message, read_words, unpack

__all__ = ["NoWindow", "Window", "Windows"]

PERSON: Final = 2
"""As the source of a request: a pager, which the window manager obeys like a person."""
REMOVE, ADD = 0, 1
NOWHERE: Final = (0, 1)
"""The focus is with nobody, or with the root."""
ICONIC: Final = 3
WIDTH_AND_HEIGHT: Final = 0b1100 << 8 | PERSON << 12
RECONFIGURE: Final = 1
EFFECT_S: Final = 1.0
"""How long an effect is waited for; some requests have none, and a program may ask whether to save first."""
DEAF_S: Final = 0.02
LOOK_S: Final = 0.004
LONGEST_TITLE: Final = 4096
"""Bytes."""
MOST: Final = 1000
"""Windows of one desktop; whoever opens more wants to be in the way."""
MAXIMIZED: Final = ("_NET_WM_STATE_MAXIMIZED_VERT", "_NET_WM_STATE_MAXIMIZED_HORZ")
FULLSCREEN: Final = "_NET_WM_STATE_FULLSCREEN"
EXTENTS: Final = "_NET_FRAME_EXTENTS"
HIDDEN: Final = "_NET_WM_STATE_HIDDEN"
NAMES: Final = ("_NET_WM_NAME", "_NET_WM_VISIBLE_NAME", "WM_NAME")


class NoWindow(Exception):
    """There is no such window; the message is for users."""


@frozen
class Window:
    """A window: its place is that of the upper left corner of its content, its size without the frame, in pixels."""

    id: int
    title: str
    x: int
    y: int
    width: int
    height: int
    pid: int | None


class Windows:
    """The windows that a window manager manages."""

    def __init__(self, link: XLink) -> None:
        self._link = link
        self._root = link.setup.root
        self._probe = 0

    async def ready(self) -> None:
        """Wait until there is a window manager, and it does what it is asked to.

        One that has only announced itself is deaf for a while, and programs that meet it then wait for seconds.
        """

        async def announced() -> bool:
            return bool((await self._link.properties(self._root, "_NET_SUPPORTING_WM_CHECK"))[0])

        while not await until(announced, DEAF_S, LOOK_S):
            pass
        if not self._probe:
            await self._link.do(xproto.create_window(self._link.setup.first_id, self._root))
            self._probe = self._link.setup.first_id
        while not await self._answered(DEAF_S):
            pass

    async def _answered(self, patience: float = EFFECT_S) -> bool:
        """Ask the window manager something; when it answers, it has done all that it was asked before."""
        [extents] = await self._link.atoms(EXTENTS)
        await self._link.do(xproto.delete_property(self._probe, extents))
        await self._tell(self._probe, "_NET_REQUEST_FRAME_EXTENTS")

        async def there() -> bool:
            return bool((await self._link.properties(self._probe, EXTENTS))[0])

        return await until(there, patience, LOOK_S)

    async def _settled(self) -> None:
        """Wait until what the window manager was asked to do is done. Raises NoWindow when it does not do it."""
        if not await self._answered():
            raise NoWindow("The window manager does not answer; should it have ended, the next call starts it again")

    # --- What there is ------------------------------------------------------------------------------------------------

    async def every(self) -> list[Window]:
        """All windows, oldest first. Raises NoWindow when there are too many to tell."""
        await self._answered()
        known = await self.ids()
        if len(known) > MOST:
            raise NoWindow(f"There are {len(known)} windows, and at most {MOST} can be listed: stop their program")
        found = []
        for each in known:
            with contextlib.suppress(XRefused):  # it has closed just now
                found.append(await self._window(each))
        return found

    async def active(self) -> Window:
        """The one that has the focus. Raises NoWindow."""
        await self._answered()
        [told] = await self._link.properties(self._root, "_NET_ACTIVE_WINDOW")
        window = next(iter(read_words(told)), 0)
        if not window:
            raise NoWindow("No window has the focus")
        try:
            return await self._window(window)
        except XRefused:
            raise NoWindow("No window has the focus") from None

    async def ids(self) -> list[int]:
        """The numbers of all windows."""
        [told] = await self._link.properties(self._root, "_NET_CLIENT_LIST")
        return list(read_words(told))

    async def _window(self, window: int) -> Window:
        place, corner = await self._link.ask(xproto.get_geometry(window), xproto.translate(window, self._root))
        names = await self._link.properties(window, *NAMES, most=LONGEST_TITLE)
        width, height = unpack("HH", place, 16)
        x, y = unpack("hh", corner, 12)
        return Window(window, title(*names), x, y, width, height, await self.pid(window))

    async def pid(self, window: int) -> int | None:
        """The process whose window it is, by the word of the server, or else of the program itself."""
        if major := await self._link.extension("X-Resource"):
            [reply] = await self._link.ask(xproto.client_pid(major, window))
            count = unpack("I", reply, 8)[0]
            if count and (pid := unpack("I", reply, 32 + 12)[0]):
                return pid
        [told] = await self._link.properties(window, "_NET_WM_PID")
        return next(iter(read_words(told)), None)

    async def working_pid(self) -> int | None:
        """The process that has the keyboard; None when nobody has."""
        [reply] = await self._link.ask(xproto.get_input_focus())
        focus = unpack("I", reply, 8)[0]
        try:
            return await self.pid(focus) if focus not in (*NOWHERE, self._root) else None
        except XRefused:
            return None

    # --- What is done to them -----------------------------------------------------------------------------------------

    async def activate(self, window: int) -> None:
        """To the front, with the focus. Raises NoWindow, as all that follow."""
        await self._known(window)
        await self._tell(window, "_NET_ACTIVE_WINDOW", PERSON)
        await self._settled()
        await until(lambda: self._is_active(window), EFFECT_S, LOOK_S)

    async def close(self, window: int) -> None:
        """As if a person had clicked it away; the program may ask back."""
        await self._known(window)
        await self._tell(window, "_NET_CLOSE_WINDOW", 0, PERSON)
        await self._settled()

        async def gone() -> bool:
            return window not in await self.ids()

        await until(gone, EFFECT_S, LOOK_S)

    async def maximize(self, window: int) -> None:
        await self._known(window)
        await self._state(window, ADD, *MAXIMIZED)

    async def minimize(self, window: int) -> None:
        await self._known(window)
        await self._tell(window, "WM_CHANGE_STATE", ICONIC)
        await self._settled()

        async def away() -> bool:
            return await self._has(window, HIDDEN) and not await self._is_active(window)

        await until(away, EFFECT_S, LOOK_S)

    async def fullscreen(self, window: int) -> None:
        await self._known(window)
        await self._state(window, ADD, FULLSCREEN)

    async def restore(self, window: int) -> None:
        """Neither minimised nor maximised nor over the whole screen."""
        await self._known(window)
        if await self._has(window, HIDDEN):
            await self.activate(window)
        await self._plain(window)

    async def resize(self, window: int, width: int, height: int) -> None:
        await self._known(window)
        await self._plain(window)
        await self._tell(window, "_NET_MOVERESIZE_WINDOW", WIDTH_AND_HEIGHT, 0, 0, width, height)
        await self._settled()

    async def reconfigure_manager(self) -> None:
        """Let Openbox read its settings anew."""
        await self._tell(self._root, "_OB_CONTROL", RECONFIGURE)
        await self._settled()

    async def _plain(self, window: int) -> None:
        await self._state(window, REMOVE, *MAXIMIZED)
        await self._state(window, REMOVE, FULLSCREEN)

    async def _state(self, window: int, change: int, *names: str) -> None:
        await self._tell(window, "_NET_WM_STATE", change, *await self._link.atoms(*names))
        await self._settled()

    async def _has(self, window: int, state: str) -> bool:
        [told] = await self._link.properties(window, "_NET_WM_STATE")
        return (await self._link.atoms(state))[0] in read_words(told)

    async def _is_active(self, window: int) -> bool:
        [told] = await self._link.properties(self._root, "_NET_ACTIVE_WINDOW")
        return window in read_words(told)

    async def _tell(self, window: int, kind: str, *values: int) -> None:
        [atom] = await self._link.atoms(kind)
        await self._link.do(client_message(self._root, window, atom, *values))

    async def _known(self, window: int) -> None:
        if window not in await self.ids():
            raise NoWindow(f"There is no window with the id {window}: list_root_windows tells those that there are")


def title(modern: bytes, shown: bytes, old: bytes) -> str:
    """The text of a title bar: as the program says, or as the window manager reads what older programs say."""
    if named := modern or shown:
        return named[:LONGEST_TITLE].decode(errors="replace").rstrip("\0")
    return old[:LONGEST_TITLE].decode("latin-1").rstrip("\0")
