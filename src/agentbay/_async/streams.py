"""The road of files: bodies that are sent and received piece by piece, to and from presigned URLs.

It stands beside the engines, whose bodies are whole, and has connections of its own, so that long transfers never hold
up calls. It uses httpx below its client, which would log whole URLs: they are as good as a password.
"""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from urllib.request import getproxies

import httpx

from agentbay._engine import (
    DEFAULT_IDLE_EXPIRY,
    DEFAULT_MAX_CONNECTIONS,
    EngineError,
    EngineUnusable,
    Origin,
    proxied,
    shared_ssl_context,
)
from agentbay._pairs import async_blocking
from agentbay._pool_pairs import AsyncGuard
from agentbay._transfer import CHUNK, Partial, Source, Stored, Tell, next_url

from .plain import UNSENT

__all__ = ["AsyncDownload", "AsyncStreams", "AsyncUpload"]

MAX_REDIRECTS = 5
MAX_REFUSAL = 16 * 1024


class AsyncStreams:
    """Carries files for one client. The arguments are those of the client."""

    def __init__(
        self,
        *,
        http_client: httpx.AsyncClient | None = None,
        verify: bool | str | ssl.SSLContext = True,
        proxy: str | None = None,
        trust_env: bool = True,
        max_connections: int = DEFAULT_MAX_CONNECTIONS,
    ) -> None:
        self._http_client = http_client
        self._verify = verify
        self._proxy = proxy
        self._trust_env = trust_env
        self._max_connections = max_connections
        self._guard = AsyncGuard()
        self._roads: dict[str | None, httpx.AsyncHTTPTransport] = {}
        self._closed = False

    async def aclose(self) -> None:
        """Close all connections; transfers under way fail. Closing twice does nothing."""
        with self._guard:
            self._closed = True
            roads = list(self._roads.values())
            self._roads.clear()
        for road in roads:
            await road.aclose()

    @asynccontextmanager
    async def exchange(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        content: AsyncFileBody | None = None,
        *,
        timeout: float,
        follow: bool,
    ) -> AsyncIterator[httpx.Response]:
        """Send a request and give its answer, with the body still to be read; redirects keep the method.

        Raises:
            EngineError: no usable answer came.
        """
        limit = httpx.Timeout(timeout, pool=None)
        with self._losses(url):
            for _ in range(MAX_REDIRECTS + 1):
                request = httpx.Request(method, url, headers=headers, content=content)
                request.extensions = {"timeout": limit.as_dict()}
                response = await self._send(request)
                try:
                    further = next_url(response.status_code, response.headers.get("location"), url) if follow else None
                    if further is None:
                        yield response
                        return
                finally:
                    await response.aclose()
                url = further
            raise EngineError("the store redirects again and again", sent=True)

    async def _send(self, request: httpx.Request) -> httpx.Response:
        if self._http_client is not None:
            return await self._http_client.send(request, stream=True, auth=None, follow_redirects=False)
        return await self._road(Origin.parse(str(request.url))).handle_async_request(request)

    def _road(self, origin: Origin) -> httpx.AsyncHTTPTransport:
        proxy = self._proxy or (_environment_proxy(origin) if self._trust_env else None)
        with self._guard:
            if self._closed:
                raise EngineUnusable("the client is closed")
            if proxy not in self._roads:
                self._roads[proxy] = self._transport(proxy)
            return self._roads[proxy]

    def _transport(self, proxy: str | None) -> httpx.AsyncHTTPTransport:
        limits = httpx.Limits(
            max_connections=self._max_connections,
            max_keepalive_connections=self._max_connections,
            keepalive_expiry=DEFAULT_IDLE_EXPIRY,
        )
        return httpx.AsyncHTTPTransport(
            verify=shared_ssl_context(self._verify), limits=limits, proxy=proxy, trust_env=False
        )

    @contextmanager
    def _losses(self, url: str) -> Iterator[None]:
        """Turn the ways in which an answer can fail to come into ours; none of them tells the URL."""
        try:
            yield
        except httpx.HTTPError as error:
            timed_out = isinstance(error, httpx.TimeoutException)
            raise self._lost(url, error, sent=not isinstance(error, UNSENT), timed_out=timed_out) from error
        except (OSError, httpx.StreamError) as error:
            raise self._lost(url, error, sent=True, timed_out=isinstance(error, TimeoutError)) from error

    def _lost(self, url: str, error: Exception, *, sent: bool, timed_out: bool) -> EngineError:
        if self._closed:
            return EngineUnusable("the client was closed during the transfer", sent=sent)
        what = "no complete answer from" if sent else "cannot reach"
        why = "time ran out" if timed_out else str(error) or type(error).__name__
        origin = Origin.parse(url)
        return EngineError(f"{what} {origin}: {why}", sent=sent, timed_out=timed_out)


def _environment_proxy(origin: Origin) -> str | None:
    if not proxied(origin):
        return None
    proxies = getproxies()
    return proxies.get("https" if origin.secure else "http") or proxies.get("all")


class AsyncFileBody:
    """The bytes of a local file, from the beginning each time they are asked for."""

    def __init__(self, source: Source, tell: Tell) -> None:
        self._source = source
        self._tell = tell

    async def __aiter__(self) -> AsyncIterator[bytes]:
        sent = 0
        while sent < self._source.size:
            piece = await async_blocking(self._source.read, sent)
            yield piece
            sent += len(piece)
            self._tell(sent)


class AsyncUpload:
    """One file to be sent, as often as needed."""

    best = 0

    def __init__(
        self,
        streams: AsyncStreams,
        source: Source,
        headers: Mapping[str, str],
        tell: Tell,
        timeout: float,
        follow: bool,
    ) -> None:
        self._streams = streams
        self._headers = {**headers, "Content-Length": str(source.size)}
        self._body = AsyncFileBody(source, tell)
        self._timeout = timeout
        self._follow = follow

    async def once(self, url: str) -> Stored:
        """Send it all.

        Raises:
            EngineError: no usable answer came.
            LocalFault: the file cannot be read.
        """
        road = self._streams.exchange("PUT", url, self._headers, self._body, timeout=self._timeout, follow=self._follow)
        async with road as response:
            return await _told(response)


class AsyncDownload:
    """One file to be fetched; a second try goes on where the first one ended, if the store can do that."""

    def __init__(self, streams: AsyncStreams, partial: Partial, tell: Tell, timeout: float, follow: bool) -> None:
        self._streams = streams
        self._partial = partial
        self._tell = tell
        self._timeout = timeout
        self._follow = follow

    @property
    def best(self) -> int:
        """How many bytes there were at most."""
        return self._partial.best

    async def once(self, url: str) -> Stored:
        """Fetch what is missing.

        Raises:
            EngineError: no usable answer came, or not all of it.
            LocalFault: the file cannot be written.
        """
        headers = {"Accept-Encoding": "identity", **self._partial.headers()}
        road = self._streams.exchange("GET", url, headers, timeout=self._timeout, follow=self._follow)
        async with road as response:
            if not self._partial.accept(response.status_code, response.headers):
                return await _told(response)
            async for piece in response.aiter_bytes(CHUNK):
                await async_blocking(self._partial.write, piece)
                self._tell(self._partial.size)
            self._partial.check()
            return Stored.of(response.status_code, response.headers)


async def _told(response: httpx.Response) -> Stored:
    """Read an answer whose body does not matter, up to a limit."""
    body = b""
    async for piece in response.aiter_bytes():
        body += piece
        if len(body) > MAX_REFUSAL:
            break
    return Stored.of(response.status_code, response.headers, body)
