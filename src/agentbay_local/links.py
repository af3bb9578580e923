"""The doors into the ports of a session: HTTP, streamed both ways, and WebSocket."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterator
from functools import partial

import aiohttp
from aiohttp import hdrs, web
from multidict import CIMultiDict, CIMultiDictProxy
from yarl import URL

from agentbay_local.browser.options import CDP_PORT
from agentbay_local.service.core import Service
from agentbay_local.service.refusals import ServiceRefusal
from agentbay_local.store import Link
from agentbay_local.upstream import Upstreams, gone

__all__ = ["LinkDoors"]

# What concerns one connection only, or is made anew for the next one.
_HOP = frozenset(
    "connection content-length expect host keep-alive proxy-authenticate proxy-authorization te trailer"
    " transfer-encoding upgrade".split()
)
# Pages of sessions are on the origin of this server's own: none may have a say over what is not below its link.
_WHOLE_ORIGIN = frozenset(
    "alt-svc clear-site-data nel report-to reporting-endpoints service-worker-allowed strict-transport-security"
    " use-as-dictionary".split()
)
_HOP_BACK = (_HOP - {"content-length"}) | _WHOLE_ORIGIN
_SOCKET = frozenset("sec-websocket-key sec-websocket-version sec-websocket-extensions sec-websocket-protocol".split())

# A message of a WebSocket passes as a whole, so that it is in memory for a moment.
LARGEST_MESSAGE = 64 << 20

# Told of bytes that go `in` to the session or `out` of it.
Count = Callable[[str, int], None]
# Seconds between two looks whether the client is still there.
_LOOK = 1.0
# Bytes of the list of pages that a browser gives.
_LONGEST_LIST = 1 << 20


class LinkDoors:
    """Forwards what comes to a link."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._upstreams = Upstreams(service.spawn)

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
        upstream = self._upstreams.of(link)
        with session.in_use(), _leaving_with(request):
            if _wants_socket(request):
                return await _relay_socket(request, upstream.fresh, link, self._count)
            return await _relay_http(request, upstream.client(request), link, self._count)

    def _count(self, direction: str, size: int) -> None:
        self._service.metrics.link_bytes.add(direction, by=size)


@contextlib.contextmanager
def _leaving_with(request: web.Request) -> Iterator[None]:
    """Gives up what is done for a client that has gone; a program inside may never come to an end of it."""
    loop, task = asyncio.get_running_loop(), asyncio.current_task()
    assert task is not None
    timer: asyncio.TimerHandle

    def look() -> None:
        nonlocal timer
        if request.transport is None or request.transport.is_closing():
            task.cancel()
        else:
            timer = loop.call_later(_LOOK, look)

    timer = loop.call_later(_LOOK, look)
    try:
        yield
    finally:
        timer.cancel()


def _wants_socket(request: web.Request) -> bool:
    words = request.headers.get(hdrs.CONNECTION, "").lower()
    return "upgrade" in words and request.headers.get(hdrs.UPGRADE, "").lower() == "websocket"


def _prefix(request: web.Request) -> str:
    """Gives the part of the path that belongs to the link, exactly as it came."""
    depth = 4 if request.raw_path.startswith("/request_ai/") else 3
    return "/".join(request.raw_path.partition("?")[0].split("/")[:depth])


def _target(request: web.Request, link: Link) -> URL:
    rest = request.raw_path[len(_prefix(request)) :]
    rest = rest if rest.startswith("/") else f"/{rest}"
    if rest == "/" and link.port == CDP_PORT and _wants_socket(request):
        rest = link.session.box.browser.path or rest
    return URL(f"http://localhost:{link.port}{rest}", encoded=True)


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


def _bad_answer(link: Link) -> ServiceRefusal:
    text = f"The server on port {link.port} of the session gave no usable answer."
    return gone(link) or ServiceRefusal("InvalidLink.BadAnswer", text, 502)


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
    target = _target(request, link)
    try:
        answer = await client.request(request.method, target, headers=headers, data=body, allow_redirects=False)
    except (aiohttp.ClientPayloadError, aiohttp.ClientConnectionError, aiohttp.ClientResponseError) as error:
        raise _bad_answer(link) from error
    async with answer:
        if link.port == CDP_PORT and target.path.startswith("/json"):
            return await _addresses(request, answer, link)
        return await _stream(request, answer, link, count)


async def _addresses(request: web.Request, answer: aiohttp.ClientResponse, link: Link) -> web.Response:
    """The browser's list of WebSocket addresses, which lead through the link from out here."""
    body = bytearray()
    async for part in answer.content.iter_any():
        body += part
        if len(body) > _LONGEST_LIST:
            raise _bad_answer(link)
    text = body.decode(errors="replace").replace(f"ws://localhost:{CDP_PORT}", f"ws://{request.host}{_prefix(request)}")
    return web.Response(status=answer.status, text=text, content_type="application/json")


async def _stream(request: web.Request, answer: aiohttp.ClientResponse, link: Link, count: Count) -> web.StreamResponse:
    """Passes an answer on as it comes; when it breaks off, so does what the client gets."""
    headers = _back(request, answer.headers, link.port)
    try:
        response = web.StreamResponse(status=answer.status, reason=answer.reason, headers=headers)
        await response.prepare(request)
    except ValueError as error:
        # Programs in a session may send anything, also what must not stand in a header.
        raise _bad_answer(link) from error
    try:
        async for part in answer.content.iter_any():
            count("out", len(part))
            await response.write(part)
        if link.session.live:
            await response.write_eof()
            return response
    except (aiohttp.ClientError, OSError):
        pass
    # Nobody may take for a whole what was broken off, also where only the end of the connection tells the end.
    if request.transport is not None:
        request.transport.abort()
    return response


async def _relay_socket(
    request: web.Request, client: aiohttp.ClientSession, link: Link, count: Count
) -> web.StreamResponse:
    offered = [word.strip() for word in request.headers.get(hdrs.SEC_WEBSOCKET_PROTOCOL, "").split(",") if word.strip()]
    headers = _onward(request, _HOP | _SOCKET)
    target = _target(request, link)
    try:
        inner = await client.ws_connect(
            target, protocols=offered, headers=headers, autoping=False, autoclose=False, max_msg_size=LARGEST_MESSAGE
        )
    except aiohttp.WSServerHandshakeError as error:
        text = f"The server on port {link.port} of the session refused the WebSocket with status {error.status}."
        raise ServiceRefusal("InvalidLink.Refused", text, 502) from error
    except aiohttp.ClientError as error:
        raise _bad_answer(link) from error
    try:
        return await _joined(request, inner, count)
    finally:
        await inner.close()


async def _joined(request: web.Request, inner: aiohttp.ClientWebSocketResponse, count: Count) -> web.WebSocketResponse:
    protocols = [inner.protocol] if inner.protocol else []
    outer = web.WebSocketResponse(
        protocols=protocols, autoping=False, autoclose=False, max_msg_size=LARGEST_MESSAGE, compress=False
    )
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
        if message.type is aiohttp.WSMsgType.ERROR:  # too large, or no message at all
            break
        count(len(message.data.encode() if isinstance(message.data, str) else message.data))
        try:
            await _pass_on(message, sink)
        except (ConnectionError, aiohttp.ClientError):
            return
    # These two stand for "no code came" and "the connection broke", and must not be sent.
    instead = {1005: aiohttp.WSCloseCode.OK, 1006: aiohttp.WSCloseCode.GOING_AWAY}
    code = source.close_code or aiohttp.WSCloseCode.OK
    await sink.close(code=instead.get(code, code))


async def _pass_on(message: aiohttp.WSMessage, sink: Socket) -> None:
    if message.type is aiohttp.WSMsgType.TEXT:
        await sink.send_str(message.data)
    elif message.type is aiohttp.WSMsgType.BINARY:
        await sink.send_bytes(message.data)
    elif message.type is aiohttp.WSMsgType.PING:
        await sink.ping(message.data)
    elif message.type is aiohttp.WSMsgType.PONG:
        await sink.pong(message.data)
