"""The fast engine: pyreqwest's own client, written in Rust. Needs the extra `fast`."""

from __future__ import annotations

import ssl
from datetime import timedelta
from typing import TYPE_CHECKING

from pyreqwest.exceptions import ClientClosedError, PyreqwestError

from agentbay._engine import (
    A_DAY,
    DEFAULT_IDLE_EXPIRY,
    DEFAULT_MAX_ANSWER,
    DEFAULT_MAX_CONNECTIONS,
    Answer,
    AnswerTooLarge,
    EngineUnusable,
    Limits,
    Origin,
    RequestHeaders,
    UnreadableBody,
    extra_roots,
    rust_failure,
    whole_body,
)
from agentbay._pool_pairs import AsyncGuard, AsyncHome, async_fast_builder

if TYPE_CHECKING:
    from agentbay._pool_pairs import AsyncFastClient, AsyncFastResponse

# Each pair of time-outs needs a client with connections of its own. Programs use very few, because a time-out that the
# deadline makes pointless counts as none. Calls with other pairs than these many are bounded by their deadline alone.
MAX_CLIENTS = 8


class AsyncFastEngine:
    """The same calls, limits and errors as the pool, in a fraction of the time when many are under way at once.

    `verify`: True for the roots of the system and of certifi; a path of certificates to trust as well; False to accept
    anybody. Raises TypeError for an SSL context, which this engine cannot use.
    """

    def __init__(
        self,
        *,
        verify: bool | str | ssl.SSLContext = True,
        max_connections: int = DEFAULT_MAX_CONNECTIONS,
        idle_expiry: float = DEFAULT_IDLE_EXPIRY,
        max_answer: int = DEFAULT_MAX_ANSWER,
    ) -> None:
        if isinstance(verify, ssl.SSLContext):
            raise TypeError('an SSL context of your own needs engine="pool"')
        self._verify = verify
        self._max_connections = max_connections
        self._idle_expiry = idle_expiry
        self._max_answer = max_answer
        self._guard = AsyncGuard()
        self._home = AsyncHome()
        self._closed = False
        self._clients: dict[tuple[float, ...], AsyncFastClient] = {}

    async def post(self, origin: Origin, target: bytes, headers: RequestHeaders, body: bytes, limits: Limits) -> Answer:
        """Sends one request and returns the answer whatever its status. Raises EngineError."""
        try:
            url = origin.base + target.decode("ascii")
            texts = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in headers]
            left = limits.remaining()
            builder = self._client(limits, left).post(url).timeout(timedelta(seconds=left))
            request = builder.headers(texts).body_bytes(body).build_streamed()
            async with request as response:
                return await self._answer(response)
        except ClientClosedError as error:
            raise EngineUnusable("the client was closed during the call", sent=True) from error
        except (PyreqwestError, TimeoutError, ValueError) as error:
            raise rust_failure(origin, error) from error

    async def aclose(self) -> None:
        """Closes all connections; calls under way fail. Closing twice does nothing."""
        with self._guard:
            self._closed = True
            clients = list(self._clients.values())
            self._clients.clear()
        for client in clients:
            await client.close()

    async def _answer(self, response: AsyncFastResponse) -> Answer:
        if response.status < 200:
            raise UnreadableBody("the server changed the protocol")
        chunks: list[bytes] = []
        size = 0
        while chunk := await response.body_reader.read_chunk():
            chunks.append(chunk.to_bytes())
            size += len(chunk)
            if size > self._max_answer:
                raise AnswerTooLarge(self._max_answer)
        headers = response.headers
        return Answer(response.status, headers, whole_body(chunks, headers.get("content-encoding"), self._max_answer))

    def _client(self, limits: Limits, left: float) -> AsyncFastClient:
        pair = tuple(seconds if seconds < left else A_DAY for seconds in (limits.connect, limits.read))
        with self._guard:
            self._check_usable()
            if pair not in self._clients and len(self._clients) >= MAX_CLIENTS:
                pair = (A_DAY, A_DAY)
            if pair not in self._clients:
                self._clients[pair] = self._build(*pair)
            return self._clients[pair]

    def _build(self, connect: float, read: float) -> AsyncFastClient:
        builder = (
            async_fast_builder()
            .no_proxy()
            .follow_redirects(False)
            .gzip(False)
            .deflate(False)
            .brotli(False)
            .zstd(False)
            .connect_timeout(timedelta(seconds=connect))
            .read_timeout(timedelta(seconds=read))
            .max_connections(self._max_connections)
            .pool_idle_timeout(timedelta(seconds=self._idle_expiry))
            .danger_accept_invalid_certs(self._verify is False)
        )
        for bundle in extra_roots(self._verify):
            builder = builder.add_root_certificate_pem(bundle)
        return builder.build()

    def _check_usable(self) -> None:
        if self._closed:
            raise EngineUnusable("the client is closed")
        self._home.check()
