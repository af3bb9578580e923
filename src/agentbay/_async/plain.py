"""The ordinary road: an httpx client, the user's own or one of ours for a proxy. Its hooks and mocks all work."""

from __future__ import annotations

import ssl

import httpx

from agentbay._engine import (
    DEFAULT_IDLE_EXPIRY,
    DEFAULT_MAX_ANSWER,
    Answer,
    AnswerTooLarge,
    EngineError,
    EngineUnusable,
    Limits,
    Origin,
    RequestHeaders,
    expect,
    shared_ssl_context,
)

# Errors that httpx raises before a byte of the request has left.
UNSENT = (
    httpx.ConnectError,
    httpx.ConnectTimeout,
    httpx.LocalProtocolError,
    httpx.PoolTimeout,
    httpx.ProxyError,
    httpx.UnsupportedProtocol,
)


def make_client(
    verify: bool | str | ssl.SSLContext, max_connections: int, *, proxy: str | None = None
) -> httpx.AsyncClient:
    """A client for use with a proxy: the given one, or those of the environment."""
    limits = httpx.Limits(
        max_connections=max_connections,
        max_keepalive_connections=max_connections,
        keepalive_expiry=DEFAULT_IDLE_EXPIRY,
    )
    return httpx.AsyncClient(verify=shared_ssl_context(verify), limits=limits, proxy=proxy, trust_env=proxy is None)


class AsyncPlainEngine:
    """Sends everything through an httpx client, and closes the client with itself only if it is `owned`."""

    def __init__(self, client: httpx.AsyncClient, *, owned: bool, max_answer: int = DEFAULT_MAX_ANSWER) -> None:
        self._client = expect("http_client", client, httpx.AsyncClient)
        self._owned = owned
        self._max_answer = max_answer
        self._closed = False

    async def post(self, origin: Origin, target: bytes, headers: RequestHeaders, body: bytes, limits: Limits) -> Answer:
        """Sends one request and returns the answer whatever its status. Raises EngineError."""
        self._check_usable()
        try:
            return await self._exchange(origin.base + target.decode("ascii"), headers, body, limits)
        except httpx.HTTPError as error:
            timed_out = isinstance(error, httpx.TimeoutException)
            raise self._failure(origin, error, sent=not isinstance(error, UNSENT), timed_out=timed_out) from error
        except (OSError, httpx.StreamError) as error:
            raise self._failure(origin, error, sent=True, timed_out=isinstance(error, TimeoutError)) from error
        except (httpx.InvalidURL, UnicodeError) as error:
            raise self._failure(origin, error, sent=False, timed_out=False) from error

    async def aclose(self) -> None:
        """Closes the client if it is ours. Closing twice does nothing."""
        self._closed = True
        if self._owned:
            await self._client.aclose()

    async def _exchange(self, url: str, headers: RequestHeaders, body: bytes, limits: Limits) -> Answer:
        patience = limits.patience()
        timeout = httpx.Timeout(patience, connect=limits.to_connect(), pool=limits.remaining())
        request = self._client.build_request("POST", url, content=body, headers=list(headers), timeout=timeout)
        response = await self._client.send(request, stream=True, follow_redirects=False)
        try:
            return Answer(response.status_code, response.headers, await self._body(response, limits))
        finally:
            await response.aclose()

    async def _body(self, response: httpx.Response, limits: Limits) -> bytes:
        chunks: list[bytes] = []
        size = 0
        async for chunk in response.aiter_bytes():
            limits.remaining()
            chunks.append(chunk)
            size += len(chunk)
            if size > self._max_answer:
                raise AnswerTooLarge(self._max_answer)
        return b"".join(chunks)

    def _check_usable(self) -> None:
        if self._closed:
            raise EngineUnusable("the client is closed")
        if self._client.is_closed:
            raise EngineUnusable("the http_client is closed")

    def _failure(self, origin: Origin, error: Exception, *, sent: bool, timed_out: bool) -> EngineError:
        if self._closed or self._client.is_closed:
            return EngineUnusable("the client was closed during the call", sent=sent)
        what = "no complete answer from" if sent else "cannot reach"
        why = "time ran out" if timed_out else str(error) or type(error).__name__
        return EngineError(f"{what} {origin}: {why}", sent=sent, timed_out=timed_out)
