"""Who is measured: ways to send the same call. Each opens to a function that makes one call."""

from __future__ import annotations

import asyncio
import os
import socket
import ssl
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager, AbstractContextManager, asynccontextmanager, contextmanager
from importlib.util import find_spec

import httpx
from attrs import frozen

from agentbay._async.engine import make_engine as make_async_engine
from agentbay._engine import EngineChoice, Limits, Origin
from agentbay._sync.engine import make_engine

TARGET = (
    b"/?Action=CallMcpTool&Version=2025-05-06&Format=json&Timestamp=2026-01-01T00:00:00Z"
    b"&SignatureNonce=0123456789abcdef0123456789abcdef"
)
HEADERS = [
    (b"x-acs-version", b"2025-05-06"),
    (b"x-acs-action", b"CallMcpTool"),
    (b"user-agent", b"bench"),
    (b"content-type", b"application/x-www-form-urlencoded"),
]
TEXTS = {name.decode(): value.decode() for name, value in HEADERS}
BODY = (
    b"Args=%7B%22command%22%3A+%22echo+hello%22%2C+%22timeout_ms%22%3A+50000%7D&Authorization=Bearer+akm-bench"
    b"&AutoGenSession=False&Name=shell&Server=&SessionId=s-bench"
)

Call = Callable[[], object]
AsyncCall = Callable[[], Awaitable[object]]


@frozen
class Contender:
    """A name and the two ways to open it; a colour it does not have is None."""

    name: str
    calls: Callable[[str], AbstractContextManager[Call]] | None
    async_calls: Callable[[str], AbstractAsyncContextManager[AsyncCall]] | None


def limits() -> Limits:
    return Limits(60, 60, time.monotonic() + 60)


def context(url: str) -> ssl.SSLContext | None:
    return ssl.create_default_context(cafile=os.environ["SSL_CERT_FILE"]) if url.startswith("https") else None


# ---- plain httpx -----------------------------------------------------------------------------------------------------


@contextmanager
def httpx_calls(url: str) -> Iterator[Call]:
    with httpx.Client(timeout=60) as client:
        yield lambda: client.post(url + TARGET.decode(), headers=TEXTS, content=BODY)


@asynccontextmanager
async def httpx_async_calls(url: str) -> AsyncIterator[AsyncCall]:
    async with httpx.AsyncClient(timeout=60) as client:
        yield lambda: client.post(url + TARGET.decode(), headers=TEXTS, content=BODY)


# ---- our engines -----------------------------------------------------------------------------------------------------


def engine_contender(choice: EngineChoice) -> Contender:
    @contextmanager
    def calls(url: str) -> Iterator[Call]:
        engine, origin = make_engine(choice, trust_env=False), Origin.parse(url)
        yield lambda: engine.post(origin, TARGET, HEADERS, BODY, limits())
        engine.close()

    @asynccontextmanager
    async def async_calls(url: str) -> AsyncIterator[AsyncCall]:
        engine, origin = make_async_engine(choice, trust_env=False), Origin.parse(url)
        yield lambda: engine.post(origin, TARGET, HEADERS, BODY, limits())
        await engine.aclose()

    return Contender(choice, calls, async_calls)


# ---- others ----------------------------------------------------------------------------------------------------------


@asynccontextmanager
async def aiohttp_calls(url: str) -> AsyncIterator[AsyncCall]:
    import aiohttp  # noqa: PLC0415
    from yarl import URL  # noqa: PLC0415

    target = URL(url + TARGET.decode(), encoded=True)
    connector = aiohttp.TCPConnector(limit=1000, ssl=context(url) or True)
    async with aiohttp.ClientSession(connector=connector) as session:

        async def call() -> bytes:
            async with session.post(target, headers=TEXTS, data=BODY) as response:
                return await response.read()

        yield call


def raw_request(url: str) -> bytes:
    origin = Origin.parse(url)
    lines = [b"POST %s HTTP/1.1" % TARGET, b"Host: %s" % origin.netloc.encode(), b"Content-Length: %d" % len(BODY)]
    return b"\r\n".join([*lines, *(b"%s: %s" % pair for pair in HEADERS), b"", BODY])


def size_of(head: bytes) -> int:
    return int(head.partition(b"Content-Length: ")[2].partition(b"\r\n")[0])


class RawSockets:
    """Blocking sockets kept open, one for each call under way."""

    def __init__(self, url: str) -> None:
        self._origin, self._context, self._request = Origin.parse(url), context(url), raw_request(url)
        self._free: list[socket.socket] = []

    def call(self) -> bytes:
        sock = self._free.pop() if self._free else self._open()
        sock.sendall(self._request)
        data = sock.recv(65536)
        while b"\r\n\r\n" not in data or len(data.partition(b"\r\n\r\n")[2]) < size_of(data):
            data += sock.recv(65536)
        self._free.append(sock)
        return data

    def _open(self) -> socket.socket:
        sock = socket.create_connection((self._origin.host, self._origin.port))
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return self._context.wrap_socket(sock, server_hostname=self._origin.host) if self._context else sock

    def close(self) -> None:
        for sock in self._free:
            sock.close()


class RawStreams:
    """asyncio's streams kept open, one for each call under way."""

    def __init__(self, url: str) -> None:
        self._origin, self._context, self._request = Origin.parse(url), context(url), raw_request(url)
        self._free: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []

    async def call(self) -> bytes:
        reader, writer = self._free.pop() if self._free else await self._open()
        writer.write(self._request)
        head = await reader.readuntil(b"\r\n\r\n")
        body = await reader.readexactly(size_of(head))
        self._free.append((reader, writer))
        return body

    async def _open(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection(self._origin.host, self._origin.port, ssl=self._context)

    async def close(self) -> None:
        for _, writer in self._free:
            writer.transport.abort()
        await asyncio.sleep(0.1)


@contextmanager
def raw_calls(url: str) -> Iterator[Call]:
    raw = RawSockets(url)
    yield raw.call
    raw.close()


@asynccontextmanager
async def raw_async_calls(url: str) -> AsyncIterator[AsyncCall]:
    raw = RawStreams(url)
    yield raw.call
    await raw.close()


# ---- the whole road --------------------------------------------------------------------------------------------------


def road_contender(choice: EngineChoice) -> Contender:
    from agentbay import AgentBay, AsyncAgentBay  # noqa: PLC0415

    @contextmanager
    def calls(url: str) -> Iterator[Call]:
        with AgentBay(api_key="akm-bench", endpoint=url, engine=choice) as bay:
            session = bay.create().unwrap().session
            yield lambda: session.command.execute_command("echo hello").unwrap()

    @asynccontextmanager
    async def async_calls(url: str) -> AsyncIterator[AsyncCall]:
        async with AsyncAgentBay(api_key="akm-bench", endpoint=url, engine=choice) as bay:
            session = (await bay.create()).unwrap().session

            async def call() -> object:
                return (await session.command.execute_command("echo hello")).unwrap()

            yield call

    return Contender(f"road/{choice}", calls, async_calls)


def contenders() -> list[Contender]:
    """All that can run here; plain httpx first and the raw limit last."""
    engines: list[EngineChoice] = ["pool", "fast"] if find_spec("pyreqwest") else ["pool"]
    found = [Contender("httpx", httpx_calls, httpx_async_calls), *map(engine_contender, engines)]
    if find_spec("agentbay._async.client"):
        found += map(road_contender, engines)
    if find_spec("aiohttp"):
        found.append(Contender("aiohttp", None, aiohttp_calls))
    return [*found, Contender("raw", raw_calls, raw_async_calls)]
