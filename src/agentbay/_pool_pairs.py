"""What engines need and the colours do not share, side by side: bytes on a wire, waiting turns, a guard."""

from __future__ import annotations

import asyncio
import atexit
import select
import ssl
import threading
import time
from contextlib import suppress
from socket import IPPROTO_TCP, SHUT_RDWR, SO_KEEPALIVE, SOL_SOCKET, TCP_NODELAY, create_connection, socket
from typing import TYPE_CHECKING, Generic, TypeVar, cast

from agentbay._engine import EngineUnusable, Limits, Origin

if TYPE_CHECKING:
    from pyreqwest.client import Client, ClientBuilder, SyncClient, SyncClientBuilder
    from pyreqwest.response import Response, SyncResponse

    AsyncFastClient = Client
    FastClient = SyncClient
    AsyncFastResponse = Response
    FastResponse = SyncResponse

T = TypeVar("T")

SLICE = 256 * 1024
FLOOD = 1024 * 1024
RECEIVE = 64 * 1024

# Seconds that one address of a host gets before the next is tried beside it (RFC 8305).
HEAD_START = 0.25


def readable(sock: socket) -> bool:
    """Whether a read would return at once. For an idle connection that means it is over, whatever there is to read."""
    if not hasattr(select, "poll"):
        return bool(select.select([sock], [], [], 0)[0])
    poller = select.poll()
    poller.register(sock, select.POLLIN)
    return bool(poller.poll(0))


# ---- bytes on a wire ------------------------------------------------------------------------------------------------


class AsyncWire(asyncio.Protocol):
    """A TCP connection. Waits are bounded by the limits of the call that waits; errors are OSErrors."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._received = bytearray()
        self._ended = False
        self._error: Exception | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._choked = False
        self._deaf = False
        self._gone: asyncio.Future[None] = self._loop.create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._socket: socket = transport.get_extra_info("socket")
        _tune(self._socket)

    def data_received(self, data: bytes) -> None:
        self._received += data
        if len(self._received) > FLOOD and not self._deaf:
            self._deaf = True
            self._transport.pause_reading()
        self._wake()

    def eof_received(self) -> None:
        self._ended = True
        self._wake()

    def connection_lost(self, exc: Exception | None) -> None:
        self._ended, self._error, self._choked = True, exc, False
        self._gone.set_result(None)
        self._wake()

    def pause_writing(self) -> None:
        self._choked = True

    def resume_writing(self) -> None:
        self._choked = False
        self._wake()

    async def send(self, data: bytes, limits: Limits) -> None:
        """Hands all bytes to the kernel, or raises."""
        view = memoryview(data)
        while view:
            if self._ended:
                raise self._error or ConnectionResetError("the connection is closed")
            self._transport.write(view[:SLICE])
            view = view[SLICE:]
            while self._choked:
                await self._change(limits)

    async def receive(self, limits: Limits) -> bytes:
        """The bytes that have come, at least one; nothing when the other side has ended."""
        while not self._received and not self._ended:
            await self._change(limits)
        if not self._received and self._error is not None:
            raise self._error
        data = bytes(self._received)
        self._received.clear()
        if self._deaf and not self._ended:
            self._deaf = False
            self._transport.resume_reading()
        return data

    def stale(self) -> bool:
        """Whether the other side has closed this idle connection or has spoken out of turn."""
        if self._ended or self._received or self._transport.is_closing():
            return True
        return readable(self._socket)

    def interrupt(self) -> None:
        """Makes whoever waits on this connection fail."""
        self._transport.abort()

    def abort(self) -> None:
        """Closes at once, without a word to the other side."""
        self._transport.abort()

    async def gone(self) -> None:
        """Returns when the socket is closed; call it after `abort`."""
        await self._gone

    async def _change(self, limits: Limits) -> None:
        waiter = self._waiter = self._loop.create_future()
        timer = self._loop.call_later(limits.patience(), _expire, waiter)
        try:
            await waiter
        finally:
            timer.cancel()
            self._waiter = None

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)


def _expire(waiter: asyncio.Future[None]) -> None:
    with suppress(asyncio.InvalidStateError):
        waiter.set_exception(TimeoutError("nothing came in time"))


class AsyncSecureWire:
    """TLS over a wire. Own, because asyncio's keeps a buffer of 256 KiB for each connection and costs more per call."""

    def __init__(self, wire: AsyncWire, context: ssl.SSLContext, host: str) -> None:
        self._wire = wire
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_hostname=host)

    async def shake_hands(self, limits: Limits) -> None:
        """Proves who is there; raises ssl.SSLError when it is not the host that was meant."""
        while True:
            try:
                self._tls.do_handshake()
            except ssl.SSLWantReadError:
                await self._flush(limits)
                await self._fetch(limits)
            except ssl.SSLError:
                # The other side may read why.
                await self._flush(limits)
                raise
            else:
                return await self._flush(limits)

    async def send(self, data: bytes, limits: Limits) -> None:
        view = memoryview(data)
        while view:
            self._tls.write(view[:SLICE])
            view = view[SLICE:]
            await self._flush(limits)

    async def receive(self, limits: Limits) -> bytes:
        while True:
            try:
                return self._tls.read(RECEIVE)
            except ssl.SSLWantReadError:
                await self._fetch(limits)
            except (ssl.SSLZeroReturnError, ssl.SSLEOFError):
                # An end without the closing alert is not worth an error here: HTTP says itself where an answer ends.
                return b""

    def stale(self) -> bool:
        return self._wire.stale()

    def interrupt(self) -> None:
        self._wire.interrupt()

    def abort(self) -> None:
        self._wire.abort()

    async def gone(self) -> None:
        await self._wire.gone()

    async def _flush(self, limits: Limits) -> None:
        if self._outgoing.pending:
            await self._wire.send(self._outgoing.read(), limits)

    async def _fetch(self, limits: Limits) -> None:
        data = await self._wire.receive(limits)
        if data:
            self._incoming.write(data)
        else:
            self._incoming.write_eof()


AsyncStream = AsyncWire | AsyncSecureWire


async def async_dial(origin: Origin, context: ssl.SSLContext | None, limits: Limits) -> AsyncStream:
    """Opens a connection, with TLS when there is a context. Raises OSError; TimeoutError is one."""
    async with asyncio.timeout(limits.to_connect()):
        loop = asyncio.get_running_loop()
        # A literal address is one try; several at once leave an open socket behind when they are cancelled (3.11).
        head_start = None if origin.host[-1:].isdigit() or ":" in origin.host else HEAD_START
        _, wire = await loop.create_connection(AsyncWire, origin.host, origin.port, happy_eyeballs_delay=head_start)
        if context is None:
            return wire
        secured = False
        try:
            secure = AsyncSecureWire(wire, context, origin.host)
            await secure.shake_hands(limits)
            secured = True
        finally:
            if not secured:
                wire.abort()
        return secure


class Stream:
    """A connection, with or without TLS. Waits are bounded by the limits of the waiting call; errors are OSErrors."""

    def __init__(self, sock: socket) -> None:
        self._sock = sock

    def send(self, data: bytes, limits: Limits) -> None:
        """Hands all bytes to the kernel, or raises."""
        view = memoryview(data)
        while view:
            self._sock.settimeout(limits.patience())
            view = view[self._sock.send(view[:SLICE]) :]

    def receive(self, limits: Limits) -> bytes:
        """The bytes that have come, at least one; nothing when the other side has ended."""
        self._sock.settimeout(limits.patience())
        return self._sock.recv(RECEIVE)

    def stale(self) -> bool:
        """Whether the other side has closed this idle connection or has spoken out of turn."""
        return readable(self._sock)

    def interrupt(self) -> None:
        """Makes a thread that waits on this connection fail; that thread closes it."""
        with suppress(OSError):
            # Closing would not wake it. Not the TLS socket's own shutdown either: that one forgets its TLS state, and
            # the reader would take what is still encrypted for an answer.
            socket.shutdown(self._sock, SHUT_RDWR)

    def abort(self) -> None:
        """Closes at once, without a word to the other side."""
        self._sock.close()

    def gone(self) -> None:
        """Nothing is left to wait for."""


def dial(origin: Origin, context: ssl.SSLContext | None, limits: Limits) -> Stream:
    """Opens a connection, with TLS when there is a context. Raises OSError; TimeoutError is one."""
    sock = create_connection((origin.host, origin.port), limits.to_connect())
    _tune(sock)
    if context is None:
        return Stream(sock)
    secured = False
    try:
        sock.settimeout(limits.to_connect())
        secure = context.wrap_socket(sock, server_hostname=origin.host)
        secured = True
    finally:
        if not secured:
            sock.close()
    return Stream(secure)


def _tune(sock: socket) -> None:
    sock.setsockopt(IPPROTO_TCP, TCP_NODELAY, 1)
    sock.setsockopt(SOL_SOCKET, SO_KEEPALIVE, 1)


# ---- waiting for a turn ---------------------------------------------------------------------------------------------


class AsyncTurn(Generic[T]):
    """A place in a queue: one waits, another gives. What was given stays in `given` even if the one who waited left."""

    def __init__(self) -> None:
        self.given: T | None = None
        self._event = asyncio.Event()

    def give(self, thing: T | None) -> None:
        """Wakes the one who waits. Nothing given means that nothing will come."""
        self.given = thing
        self._event.set()

    async def wait(self, seconds: float) -> T | None:
        """What was given; raises TimeoutError when it does not come in time."""
        async with asyncio.timeout(seconds):
            await self._event.wait()
        return self.given


class Turn(Generic[T]):
    """A place in a queue: one waits, another gives. What was given stays in `given` even if the one who waited left."""

    def __init__(self) -> None:
        self.given: T | None = None
        self._event = threading.Event()

    def give(self, thing: T | None) -> None:
        """Wakes the one who waits. Nothing given means that nothing will come."""
        self.given = thing
        self._event.set()

    def wait(self, seconds: float) -> T | None:
        """What was given; raises TimeoutError when it does not come in time."""
        if not self._event.wait(seconds):
            raise TimeoutError("no turn came in time")
        return self.given


# ---- who may touch shared state -------------------------------------------------------------------------------------


class AsyncGuard:
    """Guards statements without a wait in them. Tasks take turns at waits only, so that there is nothing to do."""

    def __enter__(self) -> None: ...

    def __exit__(self, *_: object) -> None: ...


Guard = threading.Lock


class AsyncHome:
    """The event loop that the connections of an engine are bound to: the first that uses it."""

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None

    def check(self) -> None:
        """Raises EngineUnusable in any other loop."""
        loop = asyncio.get_running_loop()
        if self._loop not in (None, loop):
            raise EngineUnusable("the client belongs to another event loop: make one client for each loop")
        self._loop = loop


class Home:
    """Sockets are bound to no place: any thread may use them."""

    def check(self) -> None:
        """Never raises."""


# ---- the fast engine, whose names put the colour the other way round ------------------------------------------------


# A blocking call of pyreqwest hears no Ctrl-C and does not survive a fork, so that only who asks for it gets it.
async_suits_fast = True
suits_fast = False


def async_fast_builder() -> ClientBuilder:
    """Starts the making of a client of pyreqwest."""
    from pyreqwest.client import ClientBuilder  # noqa: PLC0415

    # Its thread may still be letting go of Python objects when the interpreter ends, which would abort the process.
    atexit.unregister(_let_threads_finish)
    atexit.register(_let_threads_finish)
    return ClientBuilder()


def _let_threads_finish() -> None:  # pragma: no cover  (runs when the interpreter ends)
    time.sleep(0.05)


def fast_builder() -> SyncClientBuilder:
    """Starts the making of a client of pyreqwest."""
    from pyreqwest.client import SyncClientBuilder  # noqa: PLC0415

    return SyncClientBuilder()
