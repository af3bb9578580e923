"""The default engine: a pool of HTTP/1.1 connections that hands the freshest idle one to each call.

Few things happen per call: take a connection, one write, one or two reads, give it back. Idle connections are a stack,
so that a quiet time shrinks the pool; calls beyond the limit wait in a queue, and each place that becomes free goes to
exactly one of them. There is no background task: old connections go when the pool is used.
"""

from __future__ import annotations

import os
import ssl
from collections import deque

import h11

from agentbay._engine import (
    DEFAULT_IDLE_EXPIRY,
    DEFAULT_MAX_ANSWER,
    DEFAULT_MAX_CONNECTIONS,
    Answer,
    AnswerTooLarge,
    EngineError,
    EngineUnusable,
    Limits,
    Origin,
    RawHeaders,
    RequestHeaders,
    expect,
    now,
    shared_ssl_context,
    whole_body,
)
from agentbay._pool_pairs import AsyncGuard, AsyncHome, AsyncStream, AsyncTurn, async_dial


class AsyncLink:
    """One place of the pool: a connection to one origin, or the right to open one."""

    def __init__(self, origin: Origin, verify: bool | str | ssl.SSLContext, max_answer: int) -> None:
        self.origin = origin
        self.reusable = False
        self.idle_since = 0.0
        self._verify = verify
        self._max_answer = max_answer
        self._wire: AsyncStream | None = None
        self._process = 0
        self._http = h11.Connection(h11.CLIENT)
        self._broken = False
        self._sent = False

    async def exchange(self, target: bytes, headers: RequestHeaders, body: bytes, limits: Limits) -> Answer:
        """Sends one request and reads its answer. Raises EngineError."""
        self.reusable = self._sent = False
        try:
            request = self._packed(target, headers, body)
            wire = self._wire or await self._open(limits)
            await self._send(wire, request, limits)
            answer = await self._receive(wire, limits)
        except (OSError, h11.ProtocolError, ValueError) as error:
            raise self._failure(error) from error
        self.reusable = self._ready_again()
        return answer

    def fresh(self, since: float) -> bool:
        """Whether an idle connection may be used once more: idle for a short time only, silent, and not a parent's.

        A forked child has its parent's sockets too: answers to one would reach the other.
        """
        ours = self.idle_since >= since and self._process == os.getpid()
        return ours and self._wire is not None and not self._wire.stale()

    def interrupt(self) -> None:
        """Makes the call that is under way fail."""
        self._broken = True
        if self._wire is not None:
            self._wire.interrupt()

    def drop(self) -> None:
        """Closes the connection, if there is one, at once."""
        self.reusable = False
        if self._wire is not None:
            self._wire.abort()

    async def gone(self) -> None:
        """Returns when a dropped connection is really closed."""
        if self._wire is not None:
            await self._wire.gone()

    async def _open(self, limits: Limits) -> AsyncStream:
        context = shared_ssl_context(self._verify) if self.origin.secure else None
        wire = self._wire = await async_dial(self.origin, context, limits)
        self._process = os.getpid()
        if self._broken:
            raise ConnectionAbortedError("the client was closed meanwhile")
        return wire

    def _packed(self, target: bytes, headers: RequestHeaders, body: bytes) -> list[bytes]:
        host = (b"host", self.origin.netloc.encode())
        length = (b"content-length", b"%d" % len(body))
        head = self._http.send(h11.Request(method=b"POST", target=target, headers=[host, *headers, length])) or b""
        data = self._http.send(h11.Data(data=body)) or b""
        self._http.send(h11.EndOfMessage())
        # One small packet for a small request; a large body is not copied for that.
        return [head + data] if len(data) < 65536 else [head, data]

    async def _send(self, wire: AsyncStream, request: list[bytes], limits: Limits) -> None:
        self._sent = True
        for part in request:
            try:
                await wire.send(part, limits)
            except ConnectionError:
                # A server may refuse a request before it has read all of it: its answer counts, if there is one.
                self._broken = True
                return

    async def _receive(self, wire: AsyncStream, limits: Limits) -> Answer:
        head: h11.Response | None = None
        chunks: list[bytes] = []
        size = 0
        while True:
            event = self._http.next_event()
            if event is h11.NEED_DATA:
                await self._feed(wire, limits)
            elif isinstance(event, h11.Data):
                chunks.append(event.data)
                size += len(event.data)
                if size > self._max_answer:
                    raise AnswerTooLarge(self._max_answer)
            elif isinstance(event, h11.EndOfMessage) and head is not None:
                return self._answer(head, chunks)
            elif not isinstance(event, h11.InformationalResponse):
                head = expect("the start of an answer", event, h11.Response)

    async def _feed(self, wire: AsyncStream, limits: Limits) -> None:
        data = await wire.receive(limits)
        if not data and self._http.their_state is h11.SEND_RESPONSE:
            raise ConnectionResetError("the server closed the connection without an answer")
        self._http.receive_data(data)

    def _answer(self, head: h11.Response, chunks: list[bytes]) -> Answer:
        headers = RawHeaders(list(head.headers))
        body = whole_body(chunks, headers.get("content-encoding"), self._max_answer)
        return Answer(head.status_code, headers, body)

    def _ready_again(self) -> bool:
        if self._broken or self._http.our_state is not h11.DONE or self._http.their_state is not h11.DONE:
            return False
        self._http.start_next_cycle()
        return not self._http.trailing_data[0]

    def _failure(self, error: Exception) -> EngineError:
        timed_out = isinstance(error, TimeoutError)
        what = "no complete answer from" if self._sent else "cannot reach"
        why = "time ran out" if timed_out else str(error) or type(error).__name__
        return EngineError(f"{what} {self.origin}: {why}", sent=self._sent, timed_out=timed_out)


class AsyncPoolEngine:
    """Keeps connections to any number of origins: at most `max_connections`, and never more than calls under way.

    `idle_expiry`: seconds after which an unused connection is not used any more. `max_answer`: bytes that the body of
    an answer may have. `verify`: as for `shared_ssl_context`. One engine may be used by many tasks or threads at once.
    """

    def __init__(
        self,
        *,
        verify: bool | str | ssl.SSLContext = True,
        max_connections: int = DEFAULT_MAX_CONNECTIONS,
        idle_expiry: float = DEFAULT_IDLE_EXPIRY,
        max_answer: int = DEFAULT_MAX_ANSWER,
    ) -> None:
        self._verify = verify
        self._max_connections = max_connections
        self._idle_expiry = idle_expiry
        self._max_answer = max_answer
        self._guard = AsyncGuard()
        self._home = AsyncHome()
        self._closed = False
        self._idle: dict[Origin, deque[AsyncLink]] = {}
        self._busy: set[AsyncLink] = set()
        self._queue: deque[tuple[Origin, AsyncTurn[AsyncLink]]] = deque()

    @property
    def connections(self) -> int:
        """How many connections there are now, in use or idle."""
        return len(self._busy) + sum(map(len, self._idle.values()))

    async def post(self, origin: Origin, target: bytes, headers: RequestHeaders, body: bytes, limits: Limits) -> Answer:
        """Sends one request and returns the answer whatever its status. Host and length are added to the headers.

        Raises EngineError when no complete answer came.
        """
        link = await self._take(origin, limits)
        try:
            return await link.exchange(target, headers, body, limits)
        except EngineError as error:
            raise self._closed_meanwhile(error) from error.__cause__
        finally:
            self._give_back(link)

    async def aclose(self) -> None:
        """Closes all connections; calls under way fail. Closing twice does nothing."""
        with self._guard:
            if self._closed:
                return
            self._home.check()
            self._closed = True
            links = [*self._busy, *(link for idle in self._idle.values() for link in idle)]
            for link in self._busy:
                link.interrupt()
            for link in links[len(self._busy) :]:
                link.drop()
            self._idle.clear()
            for _, turn in self._queue:
                turn.give(None)
        for link in links:
            await link.gone()

    # Taking and giving places. What touches shared state does so under the guard and without a wait.

    async def _take(self, origin: Origin, limits: Limits) -> AsyncLink:
        with self._guard:
            self._check_usable()
            link = self._claim(origin)
            if link is not None:
                return link
            turn: AsyncTurn[AsyncLink] = AsyncTurn()
            self._queue.append((origin, turn))
        return await self._queued(origin, turn, limits)

    async def _queued(self, origin: Origin, turn: AsyncTurn[AsyncLink], limits: Limits) -> AsyncLink:
        link = None
        try:
            link = await turn.wait(limits.remaining())
        except TimeoutError as error:
            message = f"no free connection in time: {self._max_connections} are in use"
            raise EngineError(message, sent=False, timed_out=True) from error
        finally:
            if link is None:
                self._leave(origin, turn)
        if link is None:
            raise EngineUnusable("the client was closed while the call waited for a connection")
        return link

    def _leave(self, origin: Origin, turn: AsyncTurn[AsyncLink]) -> None:
        """Leaves the queue; what was given at the last moment goes to the next."""
        with self._guard:
            self._queue.remove((origin, turn)) if turn.given is None else self._pass_on(turn.given)

    def _claim(self, origin: Origin) -> AsyncLink | None:
        idle = self._idle.get(origin)
        since = now() - self._idle_expiry
        while idle:
            link = idle.pop()
            if link.fresh(since):
                self._busy.add(link)
                return link
            link.drop()
        if self.connections >= self._max_connections and not self._evict():
            return None
        link = self._place(origin)
        self._busy.add(link)
        return link

    def _evict(self) -> bool:
        """Drops the longest idle connection; all idle ones are to other origins."""
        stacks = [idle for idle in self._idle.values() if idle]
        if not stacks:
            return False
        min(stacks, key=lambda idle: idle[0].idle_since).popleft().drop()
        return True

    def _place(self, origin: Origin) -> AsyncLink:
        return AsyncLink(origin, self._verify, self._max_answer)

    def _give_back(self, link: AsyncLink) -> None:
        with self._guard:
            if not link.reusable:
                link.drop()
            self._pass_on(link)

    def _pass_on(self, link: AsyncLink) -> None:
        """Gives a place to the first in the queue, or makes its connection idle."""
        self._busy.discard(link)
        if self._closed:
            link.drop()
        elif self._queue:
            origin, turn = self._queue.popleft()
            link = self._fitting(link, origin)
            self._busy.add(link)
            turn.give(link)
        elif link.reusable:
            self._rest(link)

    def _fitting(self, link: AsyncLink, origin: Origin) -> AsyncLink:
        if link.reusable and link.origin == origin:
            return link
        link.drop()
        return self._place(origin)

    def _rest(self, link: AsyncLink) -> None:
        link.idle_since = now()
        idle = self._idle.setdefault(link.origin, deque())
        idle.append(link)
        while idle[0].idle_since < link.idle_since - self._idle_expiry:
            idle.popleft().drop()

    def _check_usable(self) -> None:
        if self._closed:
            raise EngineUnusable("the client is closed")
        self._home.check()

    def _closed_meanwhile(self, error: EngineError) -> EngineError:
        return EngineUnusable("the client was closed during the call", sent=error.sent) if self._closed else error
