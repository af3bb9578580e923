"""The only way out of a sandbox: an HTTP proxy that, for now, lets nothing through.

Programs inside find it in their `http_proxy` variables. It listens inside the sandbox, but answers out here, so what it
reads may be hostile: it reads little, for a short time, from few connections at once, and never acts on it.
"""

from __future__ import annotations

import asyncio
import socket
from typing import Final

MOST_HEADER: Final = 16 << 10
MOST_CONNECTIONS: Final = 32
PATIENCE: Final = 10.0
"""Seconds for one connection, from its first byte to its last."""
TEXT: Final = (
    b"Egress is denied by default: sandboxes of this runtime have no network beyond themselves.\n"
    b"This runtime has no allow list yet, so no host can be reached.\n"
)
ANSWER: Final = (
    b"HTTP/1.1 403 Forbidden\r\n"
    b"Content-Type: text/plain; charset=utf-8\r\n"
    b"Content-Length: %d\r\n"
    b"Proxy-Agent: agentbay-local\r\n"
    b"Connection: close\r\n\r\n%s"
) % (len(TEXT), TEXT)
MALFORMED: Final = b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


async def open_door(listener: socket.socket) -> asyncio.Server:
    """Serve a sandbox's listening socket until the server returned is closed."""
    places = asyncio.Semaphore(MOST_CONNECTIONS)

    async def meet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            if not places.locked():
                async with places, asyncio.timeout(PATIENCE):
                    await refuse(reader, writer)
        except (TimeoutError, OSError):
            writer.transport.abort()
        finally:
            writer.close()

    server = await asyncio.start_server(meet, sock=listener, limit=MOST_HEADER, start_serving=False)
    try:
        await server.start_serving()
    except asyncio.CancelledError:
        server.close()
        raise
    return server


async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer one request, whatever it asks for. What follows is read off, so that the answer is not lost."""
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError:
        return
    except asyncio.LimitOverrunError:
        head = b""
    writer.write(ANSWER if head.count(b" ") >= 2 else MALFORMED)
    writer.write_eof()
    await writer.drain()
    while await reader.read(MOST_HEADER):
        pass
