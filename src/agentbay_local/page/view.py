"""The door to a live view of a session's desktop or browser: pictures out, mouse and keyboard in."""

from __future__ import annotations

import asyncio
from typing import Final

from aiohttp import web

from agentbay_local.page.tickets import allowed, protocols
from agentbay_local.page.view_browser import BrowserKind
from agentbay_local.page.view_desktop import DesktopKind
from agentbay_local.page.view_room import Kind, Room
from agentbay_local.page.view_viewer import POLICY, Viewer
from agentbay_local.service.browsing import WITH_BROWSER
from agentbay_local.service.core import Service
from agentbay_local.service.refusals import ServiceRefusal, bad
from agentbay_local.service.session import Session
from agentbay_local.tools.screen import DESKTOP

__all__ = ["ViewDoor"]

LARGEST_MESSAGE: Final = 256 << 10
MOST_VIEWERS: Final = 20
HEARTBEAT_S: Final = 20.0
LAST_WORDS: Final = 2.0
KINDS: Final[dict[str, Kind]] = {"desktop": DesktopKind(), "browser": BrowserKind()}
IMAGES: Final = {"desktop": frozenset(DESKTOP), "browser": WITH_BROWSER}


class ViewDoor:
    """Lets those in who have the code of a session's page, and keeps what viewers of one screen share."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._rooms: dict[tuple[str, str], Room] = {}

    def routes(self) -> list[web.RouteDef]:
        return [web.get("/session/{session}/view", self.view)]

    async def view(self, request: web.Request) -> web.StreamResponse:
        """One viewer, from beginning to end."""
        session = allowed(self._service, request)
        offers = offered(session)
        of = request.query.get("of") or usual(session, offers)
        if offers and of not in offers:
            raise bad("of", f"must be one of {', '.join(offers)}")
        room = self._rooms.get((session.id, of))
        if room is not None and len(room.viewers) >= MOST_VIEWERS:
            text = f"{MOST_VIEWERS} people look at this screen already: close one view that is not needed."
            raise ServiceRefusal("QuotaExceeded.View", text, 429)
        socket = web.WebSocketResponse(
            protocols=protocols(request),
            timeout=LAST_WORDS,
            heartbeat=HEARTBEAT_S,
            max_msg_size=LARGEST_MESSAGE,
            compress=False,
        )
        await socket.prepare(request)
        if not offers:  # a browser tells a page nothing about a refusal before this moment
            await socket.close(code=POLICY, message=f"a session with {session.image} has no screen".encode()[:120])
            return socket
        await self._serve(socket, request, session, of)
        return socket

    async def _serve(self, socket: web.WebSocketResponse, request: web.Request, session: Session, of: str) -> None:
        name = (session.id, of)
        room = self._rooms.get(name) or self._rooms.setdefault(name, Room(session, KINDS[of], offered(session)))
        viewer = Viewer(room, socket, request.transport)
        try:
            with room.joined(viewer):
                await viewer.serve()
        finally:
            if not room.viewers and self._rooms.get(name) is room:
                del self._rooms[name]
            await asyncio.shield(room.left(viewer))


def offered(session: Session) -> tuple[str, ...]:
    """The screens that a session can have."""
    return tuple(name for name, images in IMAGES.items() if session.family in images)


def usual(session: Session, offers: tuple[str, ...]) -> str:
    """The one that is looked at first: one that runs, or else the first."""
    running = [name for name in offers if not session.asleep and KINDS[name].running(session.box)]
    return next(iter([*running, *offers]), "")
