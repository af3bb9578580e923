"""The doors of a session's page: the page itself, the session's state, and what can be done with it as a whole."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from typing import Any, Final

from aiohttp import web

from agentbay.actions import DeleteSessionAsync, PauseSessionAsync, ResumeSessionAsync
from agentbay_local.answers import json_response
from agentbay_local.logs import say
from agentbay_local.page.assemble import response
from agentbay_local.page.files import FileDoors
from agentbay_local.page.shells import ShellDoor
from agentbay_local.page.tickets import allowed, not_found, opened
from agentbay_local.page.use import UseDoors
from agentbay_local.service.core import Caller, Service
from agentbay_local.service.lifecycle import delete_session_async
from agentbay_local.service.pausing import pause_session_async, resume_session_async
from agentbay_local.service.session import Session

__all__ = ["PageDoors", "facts"]

Deed = Callable[[Service, Caller, str], Awaitable[None]]

DEEDS: Final[dict[str, Deed]] = {
    "pause": lambda service, caller, name: pause_session_async(service, caller, PauseSessionAsync(name)),
    "resume": lambda service, caller, name: resume_session_async(service, caller, ResumeSessionAsync(name)),
    "delete": lambda service, caller, name: delete_session_async(service, caller, DeleteSessionAsync(name)),
}


class PageDoors:
    """All that a session's page asks for, but for the view of its screen."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._shells = ShellDoor(service)
        self._parts = (FileDoors(service), UseDoors(service), self._shells)

    def routes(self) -> list[web.RouteDef]:
        own = [
            web.get("/session/{session}", self.page),
            web.get("/session/{session}/state", self.state),
            web.post("/session/{session}/do/{deed}", self.do),
        ]
        return own + [route for part in self._parts for route in part.routes()]

    async def page(self, request: web.Request) -> web.Response:
        """The page, for whoever has its address."""
        session = opened(self._service, request.match_info["session"], request.query.get("authcode", ""))
        return response("page.html", facts(self._service, session))

    async def state(self, request: web.Request) -> web.Response:
        """How the session is now."""
        return json_response(facts(self._service, allowed(self._service, request)))

    async def do(self, request: web.Request) -> web.Response:
        """Pauses, resumes or deletes the session, and tells how it is then; nothing of one that has ended."""
        session = allowed(self._service, request)
        deed = DEEDS.get(request.match_info["deed"])
        if deed is None:
            raise not_found()
        say("page", did=request.match_info["deed"], session=session.id, owner=session.owner)
        await deed(self._service, Caller(session.owner, {}), session.id)
        return json_response(facts(self._service, session) if session.live else {})

    async def close(self, _: web.Application) -> None:
        """Ends what is left of the terminals."""
        await self._shells.close()


def facts(service: Service, session: Session) -> dict[str, Any]:
    """What people want to know of a session; its age is in seconds."""
    return {
        "id": session.id,
        "image": session.image,
        "state": session.state,
        "hibernated": session.asleep is not None,
        "labels": session.labels or {},
        "created": f"{session.created_at:%Y-%m-%dT%H:%M:%SZ}",
        "age": time.monotonic() - session.created,
        "home": session.box.workdir,
        "file_size": service.settings.limits.file_size,
    }
