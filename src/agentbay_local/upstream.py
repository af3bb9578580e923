"""Connections from links into sessions: some are kept for a moment, and all break at once when the session ends."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Coroutine
from typing import Any, Final
from weakref import WeakSet

import aiohttp
from aiohttp import hdrs, web
from aiohttp.client_proto import ResponseHandler
from attrs import define, field

from agentbay_local.browser.options import CDP_PORT
from agentbay_local.sandbox.contract import SandboxError
from agentbay_local.service.refusals import ServiceRefusal
from agentbay_local.store import Link

__all__ = ["Upstream", "Upstreams", "gone"]

KEEP: Final = 1.0
"""Seconds for which an unused connection is kept. A server that serves one connection at a time waits for its end."""
CHUNK: Final = 256 << 10
AUTOMATIC: Final = ("User-Agent", "Accept", "Accept-Encoding", "Content-Type")
NO_LIMIT: Final = aiohttp.ClientTimeout(total=None, sock_connect=None)
REPEATABLE: Final = frozenset({hdrs.METH_GET, hdrs.METH_HEAD})


class PortConnector(aiohttp.BaseConnector):
    """Makes connections to a port inside one sandbox."""

    def __init__(self, link: Link, made: WeakSet[asyncio.BaseTransport], keep: float) -> None:
        kept: dict[str, Any] = {"keepalive_timeout": keep} if keep else {"force_close": True}
        super().__init__(limit=0, **kept)
        self._link = link
        self._made = made

    async def _create_connection(self, *_: object, **__: object) -> ResponseHandler:
        dialled = await _dialled(self._link)
        try:
            transport, protocol = await self._loop.create_connection(self._factory, sock=dialled)
        except OSError:
            dialled.close()
            raise
        self._made.add(transport)
        if not self._link.session.live:
            transport.abort()
        return protocol


async def _dialled(link: Link) -> socket.socket:
    try:
        return await link.session.box.sandbox.dial(link.port)
    except (ConnectionRefusedError, SandboxError) as error:
        text = f"Nothing answers on port {link.port} of the session: is a server listening there on 127.0.0.1?"
        if link.port == CDP_PORT:
            text = "The session's browser does not run: start it, or ask for its endpoint again, which starts it anew."
        raise gone(link) or ServiceRefusal("InvalidLink.NotReachable", text, 502) from error


def gone(link: Link) -> ServiceRefusal | None:
    """What to say of a link whose session has ended meanwhile; None if it has not."""
    return None if link.session.live else ServiceRefusal("InvalidLink.NotFound", "Resource [Link] is not found.", 404)


@define(eq=False)
class Upstream:
    """The clients of one link, which change nothing of what they carry.

    A kept connection may have been closed just when a request is sent by it; so only those go by one that may be sent
    again.
    """

    link: Link
    kept: aiohttp.ClientSession = field(init=False)
    fresh: aiohttp.ClientSession = field(init=False)
    _made: WeakSet[asyncio.BaseTransport] = field(factory=WeakSet)

    def __attrs_post_init__(self) -> None:
        self.kept, self.fresh = self._client(KEEP), self._client(0.0)

    def client(self, request: web.Request) -> aiohttp.ClientSession:
        """The client for a request."""
        return self.kept if request.method in REPEATABLE and not request.body_exists else self.fresh

    def _client(self, keep: float) -> aiohttp.ClientSession:
        return aiohttp.ClientSession(
            connector=PortConnector(self.link, self._made, keep),
            timeout=NO_LIMIT,
            auto_decompress=False,
            skip_auto_headers=AUTOMATIC,
            cookie_jar=aiohttp.DummyCookieJar(),
            read_bufsize=CHUNK,
        )

    async def close(self) -> None:
        """Breaks every connection, also those in use; whoever waits for something is told."""
        for transport in list(self._made):
            transport.abort()  # type: ignore[attr-defined]
        # Who reads is told in the loop's next round, and not at all by a client that is closed before.
        await asyncio.sleep(0)
        await self.kept.close()
        await self.fresh.close()


Spawn = Callable[[Coroutine[Any, Any, None]], asyncio.Task[None]]


@define(eq=False)
class Upstreams:
    """The clients of all links, made when a link is first used."""

    spawn: Spawn
    _by_place: dict[tuple[str, int], Upstream] = field(factory=dict)

    def of(self, link: Link) -> Upstream:
        """The clients of a link."""
        place = (link.session.id, link.port)
        if place not in self._by_place:
            self._by_place[place] = Upstream(link)
            self.spawn(self._stay(place))
        return self._by_place[place]

    async def _stay(self, place: tuple[str, int]) -> None:
        upstream = self._by_place[place]
        try:
            await upstream.link.session.over.wait()
        finally:
            del self._by_place[place]
            await upstream.close()
