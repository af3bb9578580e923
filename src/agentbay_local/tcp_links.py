"""Raw TCP links: a listener of its own for each, on this machine, whose connections go on to a port of a session.

Such a connection can carry no secret, so who may use it is decided by who asks: programs of the user who runs the
server, and root. The address is one of many million and belongs to the session alone, so nothing meets it by chance.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import ipaddress
import os
import secrets
import socket
import struct
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any, Final
from urllib.parse import urlsplit

from attrs import define, field

from agentbay_local.logs import Seldom, say
from agentbay_local.metrics import Metrics
from agentbay_local.peers import owner_of, owner_of_peer
from agentbay_local.sandbox.contract import SandboxError
from agentbay_local.service.refusals import ServiceRefusal, bad
from agentbay_local.service.session import Session, State
from agentbay_local.shortage import KEPT, descriptors_left, shortage

__all__ = ["TcpLinks"]

MOST_LINKS: Final = 32
MOST_CONNECTIONS: Final = 128
CHUNK: Final = 256 << 10
QUIET: Final = 600.0
"""Seconds after which a connection is closed that one side has ended, and on which nothing moves."""
PAUSE: Final = 0.5
"""Seconds to wait when the machine has no room for another connection."""
BACKLOG: Final = 128
RESET: Final = struct.pack("ii", 1, 0)
"""Linger for no time: what is not sent yet is dropped, and the other side told."""

Spawn = Callable[[Coroutine[Any, Any, None]], asyncio.Task[None]]


@define(eq=False)
class TcpLink:
    """One listener, and the connections that came by it."""

    session: Session
    port: int
    listener: socket.socket
    metrics: Metrics
    spawn: Spawn
    _connections: set[asyncio.Task[None]] = field(factory=set)
    _seldom: Seldom = field(factory=Seldom)
    _closed: bool = False

    @property
    def url(self) -> str:
        host, port = self.listener.getsockname()[:2]
        return f"tcp://[{host}]:{port}" if ":" in host else f"tcp://{host}:{port}"

    def open(self) -> None:
        """Begins to take connections."""
        asyncio.get_running_loop().add_reader(self.listener, self._accept)

    def close(self) -> None:
        """Ends the listener and every connection. May be repeated."""
        if self._closed:
            return
        self._closed = True
        asyncio.get_running_loop().remove_reader(self.listener)
        self.listener.close()
        for connection in self._connections:
            connection.cancel()

    def _accept(self) -> None:
        try:
            client = self.listener.accept()[0]
        except (BlockingIOError, ConnectionAbortedError):
            return
        except OSError as error:
            self._rest(error)
            return
        reason = self._why_not(client)
        if reason:
            self._tell("refused", reason)
            _reset(client)
            client.close()
            return
        client.setblocking(False)
        connection = self.spawn(self._carry(client))
        self._connections.add(connection)
        connection.add_done_callback(partial(self._ended, client))

    def _rest(self, error: OSError) -> None:
        """The machine is out of something; whoever waits to be accepted goes on waiting."""
        self._tell("waits", shortage(error) or str(error.strerror))
        loop = asyncio.get_running_loop()
        loop.remove_reader(self.listener)
        loop.call_later(PAUSE, self._wake)

    def _tell(self, what: str, reason: str) -> None:
        held = self._seldom.due()
        if held is not None:
            say(f"tcp link {what}", session=self.session.id, port=self.port, reason=reason, untold=held)

    def _wake(self) -> None:
        if not self._closed:
            self.open()

    def _why_not(self, client: socket.socket) -> str:
        """Says why a connection is refused; empty if it is not."""
        if self.session.state is not State.RUNNING:
            return f"the session is {self.session.state}"
        if len(self._connections) >= MOST_CONNECTIONS:
            return f"{MOST_CONNECTIONS} are open"
        if descriptors_left(client.fileno()) < KEPT:
            return "the server has no file descriptors left"
        try:
            owner = owner_of_peer(client)
        except OSError as error:
            return f"its user is not known ({error.strerror})"
        if owner is None:
            return "its program has closed it already, so its user is not known"
        return "" if owner.user in {0, os.geteuid()} else f"it is of another user ({owner.user})"

    async def _carry(self, client: socket.socket) -> None:
        try:
            with self.session.in_use(), contextlib.closing(await self.session.box.sandbox.dial(self.port)) as inner:
                await _both_ways(client, inner, self.metrics)
        except (OSError, SandboxError, TimeoutError):
            _reset(client)

    def _ended(self, client: socket.socket, connection: asyncio.Task[None]) -> None:
        self._connections.discard(connection)
        if connection.cancelled():
            _reset(client)
        client.close()


@define(eq=False)
class TcpLinks:
    """All raw links of one server, by session and port."""

    host: str
    base: str
    metrics: Metrics
    spawn: Spawn
    _links: dict[tuple[str, int], TcpLink] = field(factory=dict)

    def link(self, session: Session, port: int) -> str:
        """Gives the address of the link to a port; asking again gives the same one. Raises ServiceRefusal."""
        place = (session.id, port)
        if place not in self._links:
            if sum(other == session.id for other, _ in self._links) >= MOST_LINKS:
                text = f"The session has {MOST_LINKS} tcp links: use one that there is, or another session."
                raise ServiceRefusal("QuotaExceeded.Link", text, 429)
            made = TcpLink(session, port, self._listener(), self.metrics, self.spawn)
            made.open()
            self._links[place] = made
        return self._links[place].url

    def unlink(self, session: Session) -> None:
        """Ends all links into a session, and every connection by them."""
        for place in [place for place in self._links if place[0] == session.id]:
            self._links.pop(place).close()

    def _listener(self) -> socket.socket:
        if not _loopback(self.host) or not _loopback(urlsplit(self.base).hostname or ""):
            text = "can be tcp only at a server that is reached from its own machine alone, as there is no secret in it"
            raise bad("ProtocolType", text)
        try:
            return _listening(self.host)
        except OSError as error:
            text = f"No tcp link can be made on this machine now: {error.strerror}"
            raise ServiceRefusal("ServiceUnavailable", text, 503) from error


def _loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _listening(host: str) -> socket.socket:
    """A listener on an address that nothing else uses."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    made = socket.socket(family, socket.SOCK_STREAM)
    try:
        made.bind((host if family is socket.AF_INET6 else _some_address(), 0))
        made.listen(BACKLOG)
        made.setblocking(False)
        _check_owner(made)
    except OSError:
        made.close()
        raise
    return made


def _check_owner(listener: socket.socket) -> None:
    """Makes sure that the kernel tells whose a socket is. Raises OSError."""
    nowhere = "::" if listener.family is socket.AF_INET6 else "0.0.0.0"
    if owner_of(listener.family, listener.getsockname()[:2], (nowhere, 0)) is None:
        raise OSError(errno.ENOTSUP, "its kernel does not tell whose a connection is (inet_diag is missing)")


def _some_address() -> str:
    """One of the 16 million addresses of the loopback interface."""
    return str(ipaddress.IPv4Address("127.0.0.0") + secrets.randbelow((1 << 24) - 2) + 1)


def _reset(connection: socket.socket) -> None:
    with contextlib.suppress(OSError):
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)


async def _both_ways(client: socket.socket, inner: socket.socket, metrics: Metrics) -> None:
    """Carries bytes until both sides have ended what they send. Raises OSError when one of them breaks off."""
    loop = asyncio.get_running_loop()
    async with asyncio.timeout(None) as patience:

        def heard(direction: str, size: int) -> None:
            metrics.link_bytes.add(direction, by=size)
            if patience.when() is not None and not patience.expired():
                patience.reschedule(loop.time() + QUIET)

        ways = [asyncio.create_task(_flow(*way, heard)) for way in ((client, inner, "in"), (inner, client, "out"))]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
            patience.reschedule(loop.time() + QUIET)
            await asyncio.gather(*ways)
        except OSError:
            # Closed without a reset, the side that did not break off would take it for a proper end.
            _reset(inner)
            raise
        finally:
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)


async def _flow(source: socket.socket, sink: socket.socket, direction: str, heard: Callable[[str, int], None]) -> None:
    loop = asyncio.get_running_loop()
    while data := await loop.sock_recv(source, CHUNK):
        heard(direction, len(data))
        await loop.sock_sendall(sink, data)
    with contextlib.suppress(OSError):
        sink.shutdown(socket.SHUT_WR)
