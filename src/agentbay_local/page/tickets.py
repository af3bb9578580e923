"""Who may look at a session's page: whoever has its code, and, for one download, whoever has a ticket.

Links into sessions are on the same origin as the page, so cookies and what else a browser keeps for an origin are open
to what runs inside. Therefore the code is in the page's memory alone, and comes with every request.
"""

from __future__ import annotations

import secrets
import time
from typing import Final

from aiohttp import hdrs, web
from attrs import define, field, frozen

from agentbay_local.guard import same
from agentbay_local.service.core import Service
from agentbay_local.service.refusals import ServiceRefusal
from agentbay_local.service.session import Session

__all__ = ["HEADER", "PROTOCOL", "Ticket", "Tickets", "allowed", "at_work", "not_found", "protocols"]

HEADER: Final = "X-Access-Page"
PROTOCOL: Final = "agentbay."
"""How the WebSocket protocol begins whose rest is the code: a page can send no header with a WebSocket."""
LASTS_S: Final = 60.0
"""Seconds in which a ticket must be used."""
MOST: Final = 100
"""Of one session."""


def protocols(request: web.Request) -> tuple[str, ...]:
    """The WebSocket protocol to agree on, if the client has offered ours."""
    offered = request.headers.get(hdrs.SEC_WEBSOCKET_PROTOCOL, "").split(",")
    return tuple(word.strip() for word in offered if word.strip().startswith(PROTOCOL))[:1]


def allowed(service: Service, request: web.Request) -> Session:
    """The session that the path names, for those who have its code, as a header or as a WebSocket protocol.

    Raises:
        ServiceRefusal: the code is missing or wrong, or there is no such session: 404, without a hint which.
    """
    given = request.headers.get(HEADER, "") or "".join(protocols(request)).removeprefix(PROTOCOL)
    return opened(service, request.match_info["session"], given)


def at_work(service: Service, request: web.Request, wanted: str) -> Session:
    """The same, if the session can work now.

    Raises:
        ServiceRefusal: as `allowed`; and 409 if it is paused, or on its way to another state.
    """
    session = allowed(service, request)
    try:
        return service.usable(session, wanted)
    except ServiceRefusal as refusal:
        refusal.status = 409
        raise


def opened(service: Service, session_id: str, code: str) -> Session:
    """The session, if it is there and the code is right. Raises ServiceRefusal."""
    session = service.store.find(session_id)
    if session is None or not session.live or not same(code, session.auth_code):
        raise not_found()
    return session


def not_found() -> ServiceRefusal:
    """The one refusal."""
    return ServiceRefusal("InvalidMcpSession.NotFound", "Resource [McpSession] is not found.", 404)


@frozen
class Ticket:
    """Lets one file of a session be fetched once, by an address without the session's code."""

    session: Session
    path: str
    until: float


@define
class Tickets:
    """The tickets that are out."""

    _out: dict[str, Ticket] = field(factory=dict)

    def issue(self, session: Session, path: str) -> str:
        """Makes one."""
        now = time.monotonic()
        self._out = {name: each for name, each in self._out.items() if each.until > now and each.session.live}
        if sum(each.session is session for each in self._out.values()) >= MOST:
            raise ServiceRefusal("QuotaExceeded.Ticket", f"{MOST} downloads are about to begin: try again.", 429)
        name = secrets.token_urlsafe(24)
        self._out[name] = Ticket(session, path, now + LASTS_S)
        return name

    def use(self, session_id: str, name: str) -> Ticket:
        """Takes one in. Raises ServiceRefusal if it is unknown, used, too old, or its session has ended."""
        ticket = self._out.pop(name, None)
        if ticket is None or ticket.until <= time.monotonic() or ticket.session.id != session_id:
            raise not_found()
        if not ticket.session.live:
            raise not_found()
        return ticket
