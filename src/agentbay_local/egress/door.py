"""The only way out of a sandbox: an HTTP proxy that lets through what the session's policy lists, and nothing else.

Programs inside find it in their `http_proxy` variables. It listens inside the sandbox, but answers out here, so what it
reads may be hostile: it is bounded in size, time and number, and what it names is looked up and checked out here.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from collections.abc import Iterator
from typing import Final
from urllib.parse import urlsplit

import h11
from attrs import define, field

from agentbay_local.egress.policy import host_name
from agentbay_local.egress.reach import CHUNK
from agentbay_local.egress.refusing import Refused, answer, busy, malformed, unreachable
from agentbay_local.egress.relay import Event, Heard, Speaker, between, exchange, tunnel
from agentbay_local.egress.way import QUIET, WayOut

__all__ = ["Door"]

MOST_CONNECTIONS: Final = 64
PATIENCE: Final = 10.0
"""Seconds for a request to be read."""

RESET: Final = struct.pack("ii", 1, 0)
"""Linger for no time: what is not sent yet is dropped, and the other side told."""
ESTABLISHED: Final = b"HTTP/1.1 200 Connection established\r\n\r\n"


@define(eq=False)
class Door:
    """The way out of one sandbox, by a socket that listens inside it."""

    listener: socket.socket
    way: WayOut
    _server: asyncio.Server | None = None
    _meetings: set[asyncio.Task[None]] = field(factory=set)

    async def open(self) -> None:
        """Begins to serve. The socket is closed if that fails, and otherwise by `close`."""
        server = await asyncio.start_server(self._meet, sock=self.listener, limit=CHUNK, start_serving=False)
        try:
            await server.start_serving()
        except asyncio.CancelledError:
            server.close()
            raise
        self._server = server

    def close(self) -> None:
        """Ends every connection. May be repeated."""
        if self._server is not None:
            self._server.close()
        for meeting in list(self._meetings):
            meeting.cancel()

    async def _meet(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        with contextlib.suppress(TimeoutError, OSError), _held(writer):
            if len(self._meetings) >= MOST_CONNECTIONS:
                refused = busy(MOST_CONNECTIONS)
                self.way.turned_down(refused)
                writer.write(answer(refused))
                return
            self._meetings.add(task)
            try:
                await self._serve(Speaker((reader, writer), h11.SERVER))
            finally:
                self._meetings.discard(task)

    async def _serve(self, client: Speaker) -> None:
        try:
            await self._request(client)
        except Refused as refused:
            self.way.turned_down(refused)
            await _refuse(client, refused)

    async def _request(self, client: Speaker) -> None:
        async with asyncio.timeout(PATIENCE):
            request = await _next(client)
        if not isinstance(request, h11.Request):
            return
        if request.method == b"CONNECT":
            await self._connect(client, request)
        else:
            await self._forward(client, request)

    async def _connect(self, client: Speaker, request: h11.Request) -> None:
        """A tunnel: what goes through it, TLS mostly, is between the two ends."""
        host, port = _place(f"//{request.target.decode('ascii')}", None)
        async with asyncio.timeout(PATIENCE):
            if not isinstance(await _next(client), h11.EndOfMessage):
                raise malformed("a tunnel is asked for without a body")
        outer = await self.way.connect(host, port)
        with _held(outer[1]):
            client.streams[1].write(ESTABLISHED)
            outer[1].write(client.rest)
            self.way.metrics.egress_bytes.add("out", by=len(client.rest))
            async with asyncio.timeout(QUIET) as patience:
                await tunnel(client.streams, outer, self.way.heard(patience, QUIET))

    async def _forward(self, client: Speaker, request: h11.Request) -> None:
        """A request for a page without TLS, named by its whole address."""
        host, port = _place(request.target.decode("ascii"), 80)
        outer = await self.way.connect(host, port)
        with _held(outer[1]):
            async with asyncio.timeout(QUIET) as patience:
                try:
                    await self._page(client, Speaker(outer, h11.CLIENT), request, self.way.heard(patience, QUIET))
                except (h11.ProtocolError, ConnectionError) as error:
                    raise _broken(client, host, port) from error

    async def _page(self, client: Speaker, server: Speaker, request: h11.Request, heard: Heard) -> None:
        authority, path = _parts(request.target)
        headers = [(name, value) for name, value in between(request.headers.raw_items()) if name.lower() != b"host"]
        onward = h11.Request(method=request.method, target=path, headers=[(b"Host", authority), *headers])
        heard("out", await server.say(onward))
        await exchange(client, server, heard)


@contextlib.contextmanager
def _held(writer: asyncio.StreamWriter) -> Iterator[None]:
    """Closes a connection in the end; by a reset, so that nobody takes it for a proper end, if something went wrong."""
    try:
        yield
    except BaseException:
        with contextlib.suppress(OSError):
            writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        writer.transport.abort()
        raise
    finally:
        writer.close()


async def _next(client: Speaker) -> Event:
    try:
        return await client.hear()
    except h11.RemoteProtocolError as error:
        raise malformed(f"what came is no request ({error})", error.error_status_hint) from error


def _broken(client: Speaker, host: str, port: int) -> Exception:
    """What to say after HTTP went wrong on one of the two sides."""
    if client.state.our_state is not h11.SEND_RESPONSE:
        return ConnectionAbortedError()
    if client.state.their_state is h11.ERROR:
        return malformed("what came is no request")
    return unreachable(host, port, "it gave no usable answer")


def _place(text: str, default: int | None) -> tuple[str, int]:
    """Host and port of an address. Raises Refused."""
    try:
        parts = urlsplit(text)
        host, port = host_name(parts.hostname or ""), parts.port or default
        fit = parts.scheme == ("http" if default else "")
    except ValueError:
        host, port, fit = None, None, False
    if host is None or port is None or not fit:
        raise malformed(f"ask it for http://HOST/PATH, or CONNECT to HOST:PORT, not for {text[:100]!r}")
    return host, port


def _parts(target: bytes) -> tuple[bytes, bytes]:
    """What stands in an address for the server, and what stands in it for the page."""
    rest = target.partition(b"://")[2].partition(b"#")[0]
    cut = next((index for index, letter in enumerate(rest) if letter in b"/?"), len(rest))
    path = rest[cut:]
    return rest[:cut].rpartition(b"@")[2], path if path.startswith(b"/") else b"/" + path


async def _refuse(client: Speaker, refused: Refused) -> None:
    """Answers, and reads off what follows, so that the answer is not lost."""
    reader, writer = client.streams
    writer.write(answer(refused))
    writer.write_eof()
    async with asyncio.timeout(PATIENCE):
        await writer.drain()
        while await reader.read(CHUNK):
            pass
