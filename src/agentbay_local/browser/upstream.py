"""The user's own proxy, which the browser cannot ask for a name and password, and can only reach by the way out."""

from __future__ import annotations

import asyncio
import base64
import contextlib
from typing import Final

from agentbay_local.browser.options import Upstream
from agentbay_local.sandbox.bwrap import DOOR
from agentbay_local.sandbox.contract import Sandbox, SandboxError

__all__ = ["Relay"]

PORT: Final = 3129
HEAD: Final = 64 << 10
CHUNK: Final = 64 << 10
PATIENCE: Final = 30.0
MOST: Final = 256
LOST: Final = b"HTTP/1.1 502 Bad Gateway\r\nContent-Type: text/plain\r\nConnection: close\r\n\r\n"

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Relay:
    """Listens inside for the browser. Each connection goes through the session's way out to the user's proxy."""

    port = PORT

    def __init__(self, sandbox: Sandbox, upstream: Upstream) -> None:
        self._sandbox, self._upstream = sandbox, upstream
        self._server: asyncio.Server | None = None
        self._meetings: set[asyncio.Task[None]] = set()

    @classmethod
    async def open(cls, sandbox: Sandbox, upstream: Upstream) -> Relay:
        """Begins to listen. Raises OSError."""
        relay = cls(sandbox, upstream)
        listener = await sandbox.listen(PORT)
        try:
            relay._server = await asyncio.start_server(relay._meet, sock=listener, limit=HEAD)
        except OSError:
            listener.close()
            raise
        return relay

    async def close(self) -> None:
        """Ends it with every connection."""
        if self._server is not None:
            self._server.close()
        for meeting in list(self._meetings):
            meeting.cancel()
        await asyncio.gather(*self._meetings, return_exceptions=True)

    async def _meet(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is None or len(self._meetings) >= MOST:
            writer.close()
            return
        self._meetings.add(task)
        try:
            await self._serve((reader, writer))
        except (OSError, TimeoutError, SandboxError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            return
        finally:
            self._meetings.discard(task)
            writer.close()

    async def _serve(self, inner: Streams) -> None:
        async with asyncio.timeout(PATIENCE):
            head = await inner[0].readuntil(b"\r\n\r\n")
            outer = await self._reached()
        if isinstance(outer, bytes):
            inner[1].write(LOST + outer)
            await inner[1].drain()
            return
        with contextlib.closing(outer[1]):
            outer[1].write(self._introduced(head))
            await asyncio.gather(_pour(inner[0], outer[1]), _pour(outer[0], inner[1]))

    async def _reached(self) -> Streams | bytes:
        """A tunnel to the user's proxy, or why there is none."""
        link = await self._sandbox.dial(DOOR)
        reader, writer = await asyncio.open_connection(sock=link, limit=HEAD)
        place = f"{self._upstream.host}:{self._upstream.port}"
        writer.write(f"CONNECT {place} HTTP/1.1\r\nHost: {place}\r\n\r\n".encode())
        said = await reader.readuntil(b"\r\n\r\n")
        if said.split(b" ", 2)[1:2] == [b"200"]:
            return reader, writer
        reason = said.split(b"\r\n", 1)[0].split(b" ", 1)[-1]
        writer.close()
        return b"the proxy %s cannot be reached: %s\n" % (place.encode(), reason)

    def _introduced(self, head: bytes) -> bytes:
        """The browser's request with the name and password. One that is no tunnel is the only one of its connection."""
        first, *lines = head[:-4].split(b"\r\n")
        if not first.startswith(b"CONNECT "):
            lines = [line for line in lines if not line.lower().startswith((b"connection:", b"proxy-connection:"))]
            lines.append(b"Connection: close")
        if self._upstream.credentials:
            code = base64.b64encode(self._upstream.credentials.encode())
            lines.append(b"Proxy-Authorization: Basic " + code)
        return b"\r\n".join([first, *lines]) + b"\r\n\r\n"


async def _pour(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    while chunk := await source.read(CHUNK):
        sink.write(chunk)
        await sink.drain()
    if sink.can_write_eof():
        sink.write_eof()
