"""The view of a browser: the page that is shown, its tabs and dialogs, and the viewers' mouse and keyboard."""

from __future__ import annotations

import asyncio
import base64
import binascii
import contextlib
import time
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any, Final

from agentbay_local.browser.cdp import Cdp
from agentbay_local.browser.faults import BrowserFault, BrowserGone, PageFault
from agentbay_local.browser.options import CDP_PORT
from agentbay_local.browser.page import Page
from agentbay_local.browser.pages import page_of
from agentbay_local.desktop.watch import Area
from agentbay_local.page.view_deeds import OF_BROWSER, OF_SHOWN, ON_PAGE
from agentbay_local.page.view_jpeg import jpeg_size
from agentbay_local.page.view_pace import Pace
from agentbay_local.page.view_viewer import Frame, Viewer
from agentbay_local.tools import Box

if TYPE_CHECKING:
    from agentbay_local.page.view_room import Room

__all__ = ["BrowserKind", "BrowserView"]

Json = dict[str, Any]
MOST_TABS: Final = 100
LONGEST_TITLE: Final = 200
LONGEST_ADDRESS: Final = 2000
LONGEST_WORDS: Final = 2000
LARGEST_SIDE: Final = 16_384
LARGEST_PICTURE: Final = 12 << 20
"""Characters of one in base64."""
MOST_PIXELS: Final = 16 << 20
MOST_ASIDE: Final = 50
"""Calls whose answers have not come."""
PATIENCE: Final = 20.0
CASTS, CAST_S = 25, 0.2
"""How often pictures are asked for, and the pause between."""
LAST_S: Final = 0.5
"""For last calls before the connection ends."""
TURN_S: Final = 5.0
"""How long input waits for a page that is being turned to."""
TITLES_S, NAMINGS = 1.0, 15
"""Between two questions for titles, while something changes; and how often they are asked for after that."""
CAST: Final = {"format": "jpeg", "quality": 75, "maxWidth": 2560, "maxHeight": 2560}


class BrowserKind:
    """Sessions with a browser."""

    name = "browser"

    def running(self, box: Box) -> bool:
        return box.browser.running

    def source(self, room: Room) -> BrowserView:
        return BrowserView(room)

    async def start(self, box: Box) -> None:
        await box.browser.endpoint()


class BrowserView:
    """A browser that runs, and is looked at. What it tells comes from inside, and is measured first."""

    def __init__(self, room: Room) -> None:
        self._room = room
        self.box = room.session.box
        self._cdp: Cdp | None = None
        self.tabs: dict[str, Json] = {}
        self._wanted = self.target = self.session = ""
        self.there = asyncio.Event()
        """Set while the page that is wanted can be worked."""
        self.led = 0
        """How often the tools had gone to another page when it last went along, or led them itself."""
        self._picture: tuple[str, int, int] | None = None
        self._unanswered: int | None = None
        self._pace = Pace()
        self.dialog = False
        self.crashed = False
        self._naming = 0
        """How often titles are still to be asked for."""
        self._named_at = 0.0
        self._aside: set[asyncio.Task[None]] = set()

    async def close(self) -> None:
        if self._aside:  # what was asked for just before the end
            await asyncio.wait(self._aside, timeout=LAST_S)
        for task in list(self._aside):
            task.cancel()
        await asyncio.gather(*self._aside, return_exceptions=True)
        await self._refuse()
        if self._cdp is not None:
            await self._cdp.close()

    def look(self) -> None:
        """Goes along when the tools go to another page."""
        pages = self.box.browser.pages
        if pages is not None and pages.turns != self.led:
            self.led = pages.turns
            self.turn(pages.current)
        if self._cdp is not None and self._cdp.closed:
            self._room.stir()
        if self._naming and time.monotonic() > self._named_at + TITLES_S and len(self._aside) < MOST_ASIDE:
            self._naming, self._named_at = self._naming - 1, time.monotonic()
            self.beside(self._name())

    # --- Pictures -----------------------------------------------------------------------------------------------------

    async def run(self) -> None:
        cdp = self._cdp = await Cdp.open(self.box.sandbox, CDP_PORT, self.box.browser.path)
        cdp.listeners.append(self._heard)
        await cdp.call("Target.setDiscoverTargets", {"discover": True})
        self.turn(self.box.browser.pages.current if self.box.browser.pages else "")
        self._room.begun()
        while True:
            await self._room.news.wait()
            self._room.news.clear()
            if cdp.closed:
                raise BrowserGone("the browser has ended")
            if self._wanted != self.target:
                await self._attach(cdp)
            if self._room.waiting() and self._picture:
                await self._pace.turn()
                with self._pace.making():
                    await self._show()

    async def _attach(self, cdp: Cdp) -> None:
        """Goes to the page that is wanted."""
        await self._refuse()
        session, self.session, self._picture, self._unanswered = self.session, "", None, None
        self.dialog = self.crashed = False
        self._room.tell("dialog", kind="")
        if session:
            self.do("Target.detachFromTarget", {"sessionId": session}, alone=False)
        self.target = target = self._wanted
        self._tell_tabs()
        if not target:
            return
        try:
            self.session = str(
                (await cdp.call("Target.attachToTarget", {"targetId": target, "flatten": True}))["sessionId"]
            )
        except (PageFault, KeyError):  # it has closed meanwhile
            self._gone({"targetId": target}, "")
            return
        self.there.set()
        self._listen()
        if (page := self.known()) is not None and page.dialog is not None:
            self._asked(page.dialog, "")

    def _listen(self) -> None:
        """Has the page tell what it does, and send pictures; after a crash it does so only when asked anew."""
        for method in ("Inspector.enable", "Page.enable", "Page.stopScreencast", "Page.bringToFront"):
            self.do(method, {})
        self.beside(self._cast(self.session))

    async def _cast(self, session: str) -> None:
        """Asks for pictures; a page that is being replaced by the next one has none."""
        for _ in range(CASTS):
            with contextlib.suppress(PageFault):
                await self.call("Page.startScreencast", CAST, session)
                return
            if session != self.session:
                return
            await asyncio.sleep(CAST_S)

    async def _show(self) -> None:
        viewers, picture = self._room.waiting(), self._picture
        if picture is None:
            return
        self._naming = NAMINGS
        for viewer in viewers:
            viewer.dirty = None
        text, width, height = picture
        if data := _decoded(text):
            self._room.show(viewers, Frame(Area(0, 0, width, height), (width, height), data))
        number, self._unanswered = self._unanswered, None
        if number is not None:
            self.do("Page.screencastFrameAck", {"sessionId": number})

    # --- What the browser tells ---------------------------------------------------------------------------------------

    def _heard(self, method: str, params: Json, session: str) -> None:
        if (take := HEARD.get(method)) and (not session or session == self.session):
            take(self, params, session)

    def _came(self, params: Json, _: str) -> None:
        info = params["targetInfo"]
        target = page_of(info)
        new = target not in self.tabs
        if not target or (new and len(self.tabs) >= MOST_TABS):
            return
        title, url = _text(info, "title", LONGEST_TITLE), _text(info, "url", LONGEST_ADDRESS)
        self.tabs[target] = {"id": target, "title": title, "url": url}
        if new:
            self.turn(target)
        self._tell_tabs()

    def _changed(self, params: Json, session: str) -> None:
        if page_of(params["targetInfo"]) in self.tabs:
            self._came(params, session)

    def _gone(self, params: Json, _: str) -> None:
        target = params["targetId"]
        if self.tabs.pop(target, None) is None:
            return
        if target == self._wanted:
            self._wanted = next(reversed(self.tabs), "")
            self.there.clear()
            self._room.stir()
        self._tell_tabs()

    def _framed(self, params: Json, session: str) -> None:
        if not session:
            return
        data, about, number = params["data"], params["metadata"], params["sessionId"]
        sides = [float(about[side]) for side in ("deviceWidth", "deviceHeight")]
        fit = isinstance(data, str) and len(data) <= LARGEST_PICTURE and isinstance(number, int)
        if not fit or not all(1 <= side <= LARGEST_SIDE for side in sides) or sides[0] * sides[1] > MOST_PIXELS:
            return
        width, height = map(round, sides)
        self._picture, self._unanswered = (data, width, height), number
        self._room.tell("size", width=width, height=height)
        self._room.dirty(Area(0, 0, width, height))

    def _asked(self, params: Json, _: str) -> None:
        self.dialog = True
        message, text = _text(params, "message", LONGEST_WORDS), _text(params, "defaultPrompt", LONGEST_WORDS)
        self._room.tell("dialog", kind=_text(params, "type", 20) or "alert", message=message, text=text)

    def _answered(self, _: Json, __: str) -> None:
        self.dialog = False
        self._naming = NAMINGS
        self._room.tell("dialog", kind="")

    def _crash(self, _: Json, __: str) -> None:
        self.crashed = True
        self._tell_tabs()

    def _healed(self, _: Json, __: str) -> None:
        self.crashed = False
        self._tell_tabs()
        if len(self._aside) < MOST_ASIDE:
            self._listen()

    def _loaded(self, _: Json, __: str) -> None:
        self._naming = NAMINGS

    async def _name(self) -> None:
        """Asks for the titles of pages, which browsers tell of late or never."""
        infos = (await self.call("Target.getTargets", {}, "")).get("targetInfos")
        for info in infos if isinstance(infos, list) else []:
            if page_of(info) in self.tabs:
                self._came({"targetInfo": info}, "")

    def turn(self, target: str) -> None:
        if target in self.tabs and target != self._wanted:
            self._wanted = target
            self.there.clear()
            self._room.stir()

    def _tell_tabs(self) -> None:
        tabs = list(self.tabs.values())
        self._room.tell("tabs", tabs=tabs, shown=self._wanted, crashed=self.crashed)

    # --- What is asked of the browser ---------------------------------------------------------------------------------

    def do(self, method: str, params: Json, *, alone: bool = True) -> None:
        """Asks for something whose answer nobody waits for; of the page, or else of the browser."""
        self.beside(self.call(method, params, self.session if alone else ""))

    async def call(self, method: str, params: Json, session: str, timeout: float = PATIENCE) -> Json:
        if self._cdp is None:
            raise BrowserGone("the browser has ended")
        return await self._cdp.call(method, params, session=session, timeout=timeout)

    def beside(self, work: Coroutine[Any, Any, Any], viewer: Viewer | None = None) -> None:
        async def done() -> None:
            try:
                await work
            except BrowserFault as fault:
                if viewer is not None and not self.dialog:
                    viewer.tell("notice", text=str(fault)[:500])

        task = asyncio.create_task(done())
        self._aside.add(task)
        task.add_done_callback(self._aside.discard)

    async def act(self, viewer: Viewer, told: Json) -> None:
        if len(self._aside) >= MOST_ASIDE:
            await asyncio.wait(self._aside, timeout=PATIENCE, return_when=asyncio.FIRST_COMPLETED)
        if self._wanted and told["type"] not in OF_BROWSER:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self.there.wait(), TURN_S)
        held_up = self.dialog or self.crashed or not self.session
        if told["type"] in OF_BROWSER or told["type"] in OF_SHOWN:
            await (OF_BROWSER | OF_SHOWN)[told["type"]](self, viewer, told)
        elif told["type"] in ON_PAGE and not held_up:
            self._naming = NAMINGS
            await ON_PAGE[told["type"]](self, viewer, told)

    def known(self) -> Page | None:
        """What is shown, as the tools see it, if they have worked on it: they can answer a dialog that they know of."""
        pages = self.box.browser.pages
        return None if pages is None else pages.attached(self.target)

    async def _refuse(self) -> None:
        """A dialog that only the viewers know of must not hold the page up when they have left."""
        page = self.known()
        if self.dialog and (page is None or page.dialog is None):
            with contextlib.suppress(BrowserFault):
                answer = {"accept": False}
                await self.call("Page.handleJavaScriptDialog", answer, self.session, timeout=LAST_S)


HEARD: Final[dict[str, Callable[[BrowserView, Json, str], None]]] = {
    "Target.targetCreated": BrowserView._came,
    "Target.targetInfoChanged": BrowserView._changed,
    "Target.targetDestroyed": BrowserView._gone,
    "Page.screencastFrame": BrowserView._framed,
    "Page.frameStoppedLoading": BrowserView._loaded,
    "Page.javascriptDialogOpening": BrowserView._asked,
    "Page.javascriptDialogClosed": BrowserView._answered,
    "Inspector.targetCrashed": BrowserView._crash,
    "Inspector.targetReloadedAfterCrash": BrowserView._healed,
}


def _text(told: Json, name: str, longest: int) -> str:
    """The beginning of a text that comes from inside; empty for what is none."""
    found = told.get(name)
    return found[:longest] if isinstance(found, str) else ""


def _decoded(text: str) -> bytes:
    """A picture that viewers can decode without harm; nothing otherwise."""
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return b""
    width, height = jpeg_size(data)
    return data if 0 < width * height <= MOST_PIXELS else b""
