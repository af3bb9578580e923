"""The front page: the sessions of one key, for whoever has the address that `agentbay serve` prints."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
from collections.abc import Iterable
from typing import Any, Final

from aiohttp import web

from agentbay_local.answers import json_response
from agentbay_local.guard import same
from agentbay_local.page.assemble import HEADERS, response
from agentbay_local.page.doors import facts
from agentbay_local.page.tickets import HEADER
from agentbay_local.page.use import used
from agentbay_local.service.calls import page_url
from agentbay_local.service.core import Service
from agentbay_local.service.refusals import ServiceRefusal
from agentbay_local.service.session import Session

__all__ = ["FrontDoors", "front_urls"]

ABOUT: Final = b"agentbay front page"
MOST: Final = 500
REFUSED: Final = """\
401: this page lists the sessions of a key, and needs the token of that key.

Open the address that "agentbay serve" printed when it started, as a whole: it ends in /?token=...
"""


def token_for(key: str) -> str:
    """The token of a key's front page: the same at each start, and no way back to the key."""
    return hmac.digest(key.encode(), ABOUT, hashlib.sha256).hex()


def front_urls(base: str, keys: Iterable[str]) -> list[str]:
    """Where people find the sessions of each key."""
    return [f"{base}/?token={token_for(key)}" for key in keys]


class FrontDoors:
    """The page, and what it shows again and again."""

    def __init__(self, service: Service, keys: Iterable[str]) -> None:
        self._service = service
        self._owners = {f"key-{number}": token_for(key) for number, key in enumerate(keys, 1)}
        self._turn = asyncio.Lock()

    def routes(self) -> list[web.RouteDef]:
        return [web.get("/", self.page), web.get("/sessions", self.sessions)]

    async def page(self, request: web.Request) -> web.Response:
        """The page, or in plain words how to get at it. Who asks for an action is a program, and gets no page."""
        if "Action" in request.query:
            raise web.HTTPMethodNotAllowed(request.method, ["POST"])
        if self._owner(request.query.get("token", "")) is None:
            return web.Response(status=401, text=REFUSED, content_type="text/plain", headers=HEADERS)
        return response("front.html", {})

    async def sessions(self, request: web.Request) -> web.Response:
        """The sessions that are there, newest first, each with what it uses and where its page is."""
        owner = self._owner(request.headers.get(HEADER, ""))
        if owner is None:
            raise ServiceRefusal("NOT_LOGIN", f"The header {HEADER} is missing or wrong.", 401)
        mine = [session for session in self._service.store if session.live and session.owner == owner]
        newest = sorted(mine, key=lambda session: -session.serial)[:MOST]
        # Each look goes through all programs of the machine: one at a time, whoever asks.
        async with self._turn:
            shown = [await self._shown(session) for session in newest if session.live]
        return json_response({"sessions": shown, "all": len(mine)})

    def _owner(self, token: str) -> str | None:
        """Whose token it is. Every one is compared, so that the time taken tells nothing."""
        right = [owner for owner, secret in self._owners.items() if same(token, secret)]
        return right[0] if right else None

    async def _shown(self, session: Session) -> dict[str, Any]:
        address = page_url(self._service, session).removeprefix(self._service.base)
        return facts(self._service, session) | {"use": await used(self._service, session), "page": address}
