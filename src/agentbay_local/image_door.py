"""The door to images: a session's files are kept as one."""

from __future__ import annotations

import json
from typing import Any, Final

from aiohttp import hdrs, web

from agentbay_local.answers import accepted
from agentbay_local.doors import Logged
from agentbay_local.guard import same
from agentbay_local.service.core import Caller, Service
from agentbay_local.service.refusals import ServiceRefusal, bad, missing, no_session
from agentbay_local.service.session import Session
from agentbay_local.service.snapshots import snapshot

__all__ = ["ImageDoor"]

LARGEST: Final = 64 << 10
"""Bytes of a request: a name or two."""


class ImageDoor:
    """`POST /images`, for the owner of a session: by an API key, or by the session's own token."""

    def __init__(self, service: Service) -> None:
        self._service = service

    def routes(self) -> list[web.RouteDef]:
        return [web.post("/images", self.take)]

    async def take(self, request: web.Request) -> web.Response:
        """A snapshot. It is whole and on the disk once this is answered."""
        with Logged(self._service.metrics) as logged:
            token = request.headers.get("X-Access-Token")
            owner = "" if token else self._service.owner(request.headers.get(hdrs.AUTHORIZATION, ""))
            told = _told(await _body(request))
            logged.about("snapshot", told["session"])
            session = self._session(told["session"], owner, token or "")
            kept = await snapshot(self._service, session, told["name"], replace=told["replace"])
        return accepted({"Name": kept.name, "Family": kept.family, "Size": kept.size, "Layers": len(kept.ids)})

    def _session(self, session_id: str, owner: str, token: str) -> Session:
        if owner:
            return self._service.live(Caller(owner, {}), session_id)
        session = self._service.store.find(session_id)
        if session is None or not session.live or not same(token, session.token):
            raise no_session()
        return session


async def _body(request: web.Request) -> bytes:
    """What came, if it is not too large. Raises ServiceRefusal."""
    body = bytearray()
    async for piece in request.content.iter_any():
        body += piece
        if len(body) > LARGEST:
            text = f"The request is larger than the limit of {LARGEST >> 10} KiB."
            raise ServiceRefusal("RequestEntityTooLarge", text, 413)
    return bytes(body)


def _told(body: bytes) -> dict[str, Any]:
    """Reads the request. Raises ServiceRefusal."""
    try:
        told = json.loads(body)
    except (ValueError, RecursionError):
        told = None
    if not isinstance(told, dict):
        raise ServiceRefusal("InvalidParameter", "The body is not a JSON object.")
    for name in ("session", "name"):
        if name not in told:
            raise missing(name)
        if not isinstance(told[name], str):
            raise bad(name, "must be a text")
    if not isinstance(told.setdefault("replace", False), bool):
        raise bad("replace", "must be true or false")
    return told
