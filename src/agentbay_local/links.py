"""The doors into the ports of a session: HTTP, streamed both ways, and WebSocket."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from functools import partial

import aiohttp
from aiohttp import hdrs, web
from aiohttp.client_proto import ResponseHandler
from multidict import CIMultiDict, CIMultiDictProxy
from yarl import URL

from agentbay_local.sandbox.contract import SandboxError
from agentbay_local.service.core import Service
from agentbay_local.service.refusals import ServiceRefusal
from agentbay_local.store import Link

__all__ = ["LinkDoors"]

# What concerns one connection only, or is made anew for the next one.
_HOP = frozenset(
    "connection content-length host keep-alive proxy-authenticate proxy-authorization te trailer transfer-encoding"
    " upgrade".split()
)
_HOP_BACK = _HOP - {"content-length"}
_SOCKET = frozenset("sec-websocket-key sec-websocket-version sec-websocket-extensions sec-websocket-protocol".split())
_AUTOMATIC = ("User-Agent", "Accept", "Accept-Encoding", "Content-Type")

# Told of bytes that go `in` to the session or `out` of it.
Count = Callable[[str, int], None]
_NO_LIMIT = aiohttp.ClientTimeout(total=None, sock_connect=None)


class PortConnector(aiohttp.BaseConnector):
    """Makes connections to ports inside one sandbox."""

    def __init__(self, link: Link) -> None:
        # Programs in a session come and go, so no connection outlives its request.
        super().__init__(force_close=True, limit=0)
        self._link = link

    async def _create_connection(self, *_: object, **__: object) -> ResponseHandler:
        dialled = await _dialled(self._link)
        try:
            _transport, protocol = await self._loop.create_connection(self._factory, sock=dialled)
        except OSError:
            dialled.close()
            raise
        return protocol


async def _dialled(link: Link) -> socket.socket:
    try:
        return await link.session.box.sandbox.dial(link.port)
    except (ConnectionRefusedError, SandboxError) as error:
        text = f"Nothing answers on port {link.port} of the session: is a server listening there on 127.0.0.1?"
        raise ServiceRefusal("InvalidLink.NotReachable", text, 502) from error


class LinkDoors:
    """Forwards what comes to a link."""

    def __init__(self, service: Service) -> None:
        self._service = service

    def routes(self) -> list[web.RouteDef]:
        any_method = hdrs.METH_ANY
        return [
            web.route(any_method, r"/request_ai/{token}/path{tail:(/.*)?}", self.forward),
            web.route(any_method, r"/websocket_ai/{token}{tail:(/.*)?}", self.forward),
        ]

    async def forward(self, request: web.Request) -> web.StreamResponse:
        """One request to a link, of whichever kind."""
        link = self._service.store.follow(request.match_info["token"])
        if link is None:
            raise ServiceRefusal("InvalidLink.NotFound", "Resource [Link] is not found.", 404)
        session = self._service.usable(link.session, "links into it do not work now")
        with session.in_use():
            async with _upstream(link) as client:
                work = _relay_socket if _wants_socket(request) else _relay_http
                return await work(request, client, link, self._count)

    def _count(self, direction: str, size: int) -> None:
        self._service.metrics.link_bytes.add(direction, by=size)


def _upstream(link: Link) -> aiohttp.ClientSession:
    """Makes a client for one request, which changes nothing on its way."""
    return aiohttp.ClientSession(
        connector=PortConnector(link),
        timeout=_NO_LIMIT,
        auto_decompress=False,
        skip_auto_headers=_AUTOMATIC,
        cookie_jar=aiohttp.DummyCookieJar(),
    )


def _wants_socket(request: web.Request) -> bool:
    words = request.headers.get(hdrs.CONNECTION, "").lower()
    return "upgrade" in words and request.headers.get(hdrs.UPGRADE, "").lower() == "websocket"


def _prefix(request: web.Request) -> str:
    """Gives the part of the path that belongs to the link, exactly as it came."""
    depth = 4 if request.raw_path.startswith("/request_ai/") else 3
    return "/".join(request.raw_path.partition("?")[0].split("/")[:depth])


def _target(request: web.Request, port: int) -> URL:
    rest = request.raw_path[len(_prefix(request)) :]
    rest = rest if rest.startswith("/") else f"/{rest}"
    return URL(f"http://localhost:{port}{rest}", encoded=True)


def _onward(request: web.Request, without: frozenset[str] = _HOP) -> CIMultiDict[str]:
    named = {word.strip().lower() for word in request.headers.get(hdrs.CONNECTION, "").split(",")}
    left_out = without | named
    headers = CIMultiDict((name, value) for name, value in request.headers.items() if name.lower() not in left_out)
    headers["X-Forwarded-Prefix"] = _prefix(request)
    headers["X-Forwarded-Proto"] = "http"
    return headers


def _back(request: web.Request, headers: CIMultiDictProxy[str], port: int) -> CIMultiDict[str]:
    """Gives the headers for the outside; redirects within the session stay within the link."""
    kept = CIMultiDict((name, value) for name, value in headers.items() if name.lower() not in _HOP_BACK)
    location = kept.get(hdrs.LOCATION, "")
    for inside in (f"http://localhost:{port}", f"http://127.0.0.1:{port}"):
        location = location.removeprefix(inside)
    if location.startswith("/") and not location.startswith("//"):
        kept[hdrs.LOCATION] = _prefix(request) + location
    return kept


def _bad_answer(port: int) -> ServiceRefusal:
    text = f"The server on port {port} of the session gave no usable answer."
    return ServiceRefusal("InvalidLink.BadAnswer", text, 502)


async def _body(request: web.Request, count: Count) -> AsyncIterator[bytes]:
    async for part in request.content.iter_any():
        count("in", len(part))
        yield part


async def _relay_http(
    request: web.Request, client: aiohttp.ClientSession, link: Link, count: Count
) -> web.StreamResponse:
    headers = _onward(request)
    if request.headers.get(hdrs.CONTENT_LENGTH):
        headers[hdrs.CONTENT_LENGTH] = request.headers[hdrs.CONTENT_LENGTH]
    body = _body(request, count) if request.body_exists else None
    target = _target(request, link.port)
    try:
        answer = await client.request(request.method, target, headers=headers, data=body, allow_redirects=False)
    except (aiohttp.ClientPayloadError, aiohttp.ClientConnectionError, aiohttp.ClientResponseError) as error:
        raise _bad_answer(link.port) from error
    async with answer:
        return await _stream(request, answer, link.port, count)


async def _stream(request: web.Request, answer: aiohttp.ClientResponse, port: int, count: Count) -> web.StreamResponse:
    """Passes an answer on as it comes; when it breaks off, so does what the client gets."""
    headers = _back(request, answer.headers, port)
    try:
        response = web.StreamResponse(status=answer.status, reason=answer.reason, headers=headers)
        await response.prepare(request)
    except ValueError as error:
        # Programs in a session may send anything, also what must not stand in a header.
        raise _bad_answer(port) from error
    try:
        async for part in answer.content.iter_any():
            count("out", len(part))
            await response.write(part)
        await response.write_eof()
    except (aiohttp.ClientError, OSError):
        if request.transport is not None:
            request.transport.abort()
    return response


async def _relay_socket(
    request: web.Request, client: aiohttp.ClientSession, link: Link, count: Count
) -> web.StreamResponse:
    offered = [word.strip() for word in request.headers.get(hdrs.SEC_WEBSOCKET_PROTOCOL, "").split(",") if word.strip()]
    headers = _onward(request, _HOP | _SOCKET)
    target = _target(request, link.port)
    try:
        inner = await client.ws_connect(
            target, protocols=offered, headers=headers, autoping=False, autoclose=False, max_msg_size=0
        )
    except aiohttp.WSServerHandshakeError as error:
        text = f"The server on port {link.port} of the session refused the WebSocket with status {error.status}."
        raise ServiceRefusal("InvalidLink.Refused", text, 502) from error
    except aiohttp.ClientError as error:
        raise _bad_answer(link.port) from error
    try:
        return await _joined(request, inner, count)
    finally:
        await inner.close()


async def _joined(request: web.Request, inner: aiohttp.ClientWebSocketResponse, count: Count) -> web.WebSocketResponse:
    protocols = [inner.protocol] if inner.protocol else []
    outer = web.WebSocketResponse(protocols=protocols, autoping=False, autoclose=False, max_msg_size=0, compress=False)
    await outer.prepare(request)
    await _both_ways(outer, inner, count)
    return outer


Socket = web.WebSocketResponse | aiohttp.ClientWebSocketResponse


async def _both_ways(outer: web.WebSocketResponse, inner: aiohttp.ClientWebSocketResponse, count: Count) -> None:
    """Passes messages on until one side closes, and closes the other one likewise."""
    into, out = (partial(count, direction) for direction in ("in", "out"))
    ways = [asyncio.create_task(_one_way(outer, inner, into)), asyncio.create_task(_one_way(inner, outer, out))]
    try:
        await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for way in ways:
            way.cancel()
        await asyncio.gather(*ways, return_exceptions=True)


async def _one_way(source: Socket, sink: Socket, count: Callable[[int], None]) -> None:
    async for message in source:
        count(len(message.data.encode() if isinstance(message.data, str) else message.data))
        try:
            await _pass_on(message, sink)
        except (ConnectionError, aiohttp.ClientError):
            return
    # 1005 and 1006 stand for "no code came" and must not be sent.
    code = source.close_code
    await sink.close(code=code if code and code not in {1005, 1006} else 1000)


async def _pass_on(message: aiohttp.WSMessage, sink: Socket) -> None:
    if message.type is aiohttp.WSMsgType.TEXT:
        await sink.send_str(message.data)
    elif message.type is aiohttp.WSMsgType.BINARY:
        await sink.send_bytes(message.data)
    elif message.type is aiohttp.WSMsgType.PING:
        await sink.ping(message.data)
    elif message.type is aiohttp.WSMsgType.PONG:
        await sink.pong(message.data)
