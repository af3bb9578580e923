"""All who look at one screen of a session: nothing is done for them that none of them sees."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator
from typing import Any, Final, Protocol

from agentbay_local.browser.faults import BrowserFault
from agentbay_local.browser.installed import BrowserMissing
from agentbay_local.desktop import AppFailed, NoDesktop, NoPicture, OffScreen, UnknownKey, XRefused, XSilent
from agentbay_local.desktop.watch import Area
from agentbay_local.desktop.xlink import XGone
from agentbay_local.desktop.xproto import XFault
from agentbay_local.logs import say
from agentbay_local.page.view_viewer import BUG, GOING_AWAY, Frame, Viewer
from agentbay_local.sandbox.contract import SandboxError
from agentbay_local.service.session import Session, State
from agentbay_local.tools import Box
from agentbay_local.tools.faults import ToolFailure

__all__ = ["FAULTS", "LOOK_S", "Kind", "Room", "Source"]

Json = dict[str, Any]
LOOK_S: Final = 0.25
"""Between two looks at the state of the session; nobody announces it."""
AGAIN_S: Final = 1.0
"""After a screen could not be shown."""
LAST_ACT_S: Final = 5.0
"""For letting go of what somebody held who has left."""
FAULTS: Final = (
    AppFailed, BrowserFault, BrowserMissing, NoDesktop, NoPicture, OffScreen, OSError, SandboxError, ToolFailure,
    UnknownKey, XFault, XGone, XRefused, XSilent,
)  # fmt: skip
"""What may go wrong inside; their words are for people."""
LASTING: Final = ("state", "size", "tabs", "dialog")
"""Facts that also those are told who come later."""


class Source(Protocol):
    """A screen that runs, and is looked at."""

    async def run(self) -> None:
        """Shows the viewers of its room what they have not seen, until it ends or fails."""
        ...

    async def act(self, viewer: Viewer, told: Json) -> None:
        """Does what a viewer asks for."""
        ...

    def look(self) -> None:
        """Is called a few times each second."""
        ...

    async def close(self) -> None: ...


class Kind(Protocol):
    """A kind of screen."""

    name: str

    def running(self, box: Box) -> bool: ...

    def source(self, room: Room) -> Source: ...

    async def start(self, box: Box) -> None:
        """Starts it, unless it runs. Raises one of FAULTS."""
        ...


class Room:
    """The viewers of one screen, and the work that is done while there are any."""

    def __init__(self, session: Session, kind: Kind, offers: tuple[str, ...]) -> None:
        self.session = session
        self.viewers: set[Viewer] = set()
        self.news = asyncio.Event()
        """Set when there may be something to show, or somebody who can be shown it."""
        self._kind, self._offers = kind, offers
        self._facts: dict[str, Json] = {}
        self._source: Source | None = None
        self._message = ""
        self._starting = False
        self._work: asyncio.Task[None] | None = None

    # --- Viewers ------------------------------------------------------------------------------------------------------

    @contextlib.contextmanager
    def joined(self, viewer: Viewer) -> Iterator[None]:
        """While somebody looks."""
        self.viewers.add(viewer)
        viewer.dirty = Area(0, 0, 0xFFFF, 0xFFFF)
        viewer.tell("hello", of=self._kind.name, offers=self._offers)
        for name, facts in self._facts.items():
            viewer.tell(name, **facts)
        if self._work is None or self._work.done():
            self._work = asyncio.create_task(self._run())
        self.stir()
        say("view opened", session=self.session.id, owner=self.session.owner, of=self._kind.name)
        try:
            yield
        finally:
            self.viewers.discard(viewer)
            say("view closed", session=self.session.id, of=self._kind.name)

    async def left(self, viewer: Viewer) -> None:
        """Lets go of what somebody held who has left; the last one ends the work."""
        if self._source is not None and (viewer.held.keys or viewer.held.buttons):
            with contextlib.suppress(*FAULTS, TimeoutError):
                async with asyncio.timeout(LAST_ACT_S):
                    await self._source.act(viewer, {"type": "release"})
        if not self.viewers and self._work is not None:
            work, self._work = self._work, None
            work.cancel()
            [outcome] = await asyncio.gather(work, return_exceptions=True)
            if isinstance(outcome, Exception):
                raise outcome

    def stir(self) -> None:
        """There may be something to do."""
        self.news.set()

    def begun(self) -> None:
        """The screen is there."""
        self._state("on")

    def tell(self, name: str, /, **facts: Any) -> None:
        """Tells all viewers; what they know already is not said again, if it is something that lasts."""
        if self._facts.get(name) == facts:
            return
        if name in LASTING:
            self._facts[name] = facts
        for viewer in self.viewers:
            viewer.tell(name, **facts)

    def dirty(self, area: Area) -> None:
        """Something has changed."""
        for viewer in self.viewers:
            viewer.dirty = area.joined(viewer.dirty)
        self.stir()

    def waiting(self) -> list[Viewer]:
        """Those who can be shown something that they have not seen."""
        return [each for each in self.viewers if each.ready and each.dirty]

    @staticmethod
    def show(viewers: list[Viewer], frame: Frame) -> None:
        for viewer in viewers:
            viewer.show(frame)

    # --- Input --------------------------------------------------------------------------------------------------------

    async def act(self, viewer: Viewer, told: Json) -> None:
        """Does what a viewer asks for, if that can be done now."""
        if self.session.state is not State.RUNNING:
            return
        try:
            with self.session.in_use():
                if told["type"] == "start":
                    await self._start()
                elif self._source is not None:
                    await self._source.act(viewer, told)
        except FAULTS as fault:
            viewer.tell("notice", text=_words(fault))

    async def _start(self) -> None:
        if self._kind.running(self.session.box):
            return
        self._starting, self._message = True, ""
        self._state("starting")
        try:
            await self._kind.start(self.session.box)
        except FAULTS as fault:
            self._message = _words(fault)
            self._state("off", self._message)
        finally:
            self._starting = False

    # --- Work ---------------------------------------------------------------------------------------------------------

    async def _run(self) -> None:
        how = (BUG, "something went wrong in the server; its log says what")
        try:
            await self._follow()
            how = (GOING_AWAY, f"the session has ended: {self.session.end_reason}")
        finally:
            await asyncio.gather(*(each.close(*how) for each in list(self.viewers)))

    async def _follow(self) -> None:
        while self.session.live:
            if self.session.state is not State.RUNNING:
                self._state("hibernated" if self.session.asleep else "paused")
            elif self._kind.running(self.session.box):
                await self._shown()
            elif not self._starting:
                self._state("off", self._message)
            await asyncio.sleep(LOOK_S)

    async def _shown(self) -> None:
        """Shows the screen as long as it can be shown."""
        self._message, box = "", self.session.box
        source = self._source = self._kind.source(self)
        work = asyncio.create_task(source.run())
        try:
            while self.session.state is State.RUNNING and not work.done():
                await asyncio.wait([work], timeout=LOOK_S)
                source.look()
            if work.done():
                work.result()
        except FAULTS as fault:
            self._message = _words(fault)
        finally:
            self._source = None
            work.cancel()
            await asyncio.gather(work, return_exceptions=True)
            await source.close()
            self._forget()
        if self._message and self.session.live:
            await self._failed(box)

    async def _failed(self, box: Box) -> None:
        """Tells what goes wrong with a screen that is there; one that is not, now or a little later, has ended."""
        if self._kind.running(box):
            self._state("failed", self._message)
            await asyncio.sleep(AGAIN_S)
        self._message = f"The {self._kind.name} has ended"

    def _forget(self) -> None:
        """The screen is gone; what comes instead is new to everybody."""
        for name in ("size", "tabs", "dialog"):
            self._facts.pop(name, None)
        for viewer in self.viewers:
            viewer.held.keys.clear()
            viewer.held.buttons.clear()
            viewer.dirty = Area(0, 0, 0xFFFF, 0xFFFF)

    def _state(self, state: str, message: str = "") -> None:
        self.tell("state", state=state, message=message)


def _words(fault: BaseException) -> str:
    text = str(fault) or "it does not answer"
    return text[:1].upper() + text[1:500]
