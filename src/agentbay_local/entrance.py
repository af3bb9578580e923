"""Where connections come in. asyncio's own listener floods log and processor once there are no descriptors left."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import json
import logging
import socket
import time
from typing import Final

from aiohttp import web

from agentbay_local.shortage import KEPT, descriptors_left, shortage
from agentbay_local.undo import on_failure

__all__ = ["Entrance"]

log = logging.getLogger("agentbay_local")

REST_S: Final = 0.2
"""How long nobody is let in after nobody could be."""
WORDS_S: Final = 60.0
"""How often the log says so."""
PATIENCE_S: Final = 1.0
"""How long somebody who is turned away may take to read why."""
LEAVING: Final = 16
"""For so many at once that is waited."""
WHY: Final = (
    "This server has no file descriptors left for another connection: close some, delete sessions, or raise its limit"
    " (ulimit -n)."
)


def _refusal() -> bytes:
    told = {"Code": "ServiceUnavailable", "Message": WHY, "Success": False, "HttpStatusCode": 503}
    body = json.dumps({"RequestId": "", "HostId": "agentbay.local"} | told).encode()
    head = f"HTTP/1.1 503 Service Unavailable\r\nContent-Length: {len(body)}\r\nRetry-After: 1\r\n"
    return f"{head}Content-Type: application/json; charset=utf-8\r\nConnection: close\r\n\r\n".encode() + body


class Entrance:
    """Accepts connections on a listening socket for an HTTP server, as long as there are descriptors.

    The last ones are kept for what is going on already; who comes then is told so, and turned away.
    """

    def __init__(self, listener: socket.socket, server: web.Server) -> None:
        self._listener = listener
        self._server = server
        self._leaving: set[asyncio.Task[None]] = set()
        self._quiet_until = 0.0
        listener.setblocking(False)
        self._accepting = asyncio.create_task(self._accept())

    async def close(self) -> None:
        """Lets nobody in any more. Who is in stays."""
        tasks = [self._accepting, *self._leaving]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _accept(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                connection, _ = await loop.sock_accept(self._listener)
            except OSError as error:
                await self._failed(error)
                continue
            if descriptors_left(connection.fileno()) <= KEPT:
                self._turn_away(connection)
                continue
            with contextlib.suppress(OSError):  # it is over already
                await self._let_in(connection)

    async def _failed(self, error: OSError) -> None:
        """Whoever broke off before they were accepted is nobody's loss; without descriptors, others must end first."""
        if error.errno != errno.ECONNABORTED:
            self._complain(shortage(error) or str(error))
            await asyncio.sleep(REST_S)

    async def _let_in(self, connection: socket.socket) -> None:
        connection.setblocking(False)
        with on_failure(connection.close):
            await asyncio.get_running_loop().connect_accepted_socket(self._server, connection)

    # --- No room ------------------------------------------------------------------------------------------------------

    def _turn_away(self, connection: socket.socket) -> None:
        self._complain(WHY)
        connection.setblocking(False)
        with contextlib.suppress(OSError):
            connection.send(_refusal())
            connection.shutdown(socket.SHUT_WR)
        if len(self._leaving) >= LEAVING:
            connection.close()
            return
        task = asyncio.create_task(_drained(connection))
        self._leaving.add(task)
        task.add_done_callback(self._leaving.discard)

    def _complain(self, why: str) -> None:
        now = time.monotonic()
        if now >= self._quiet_until:
            self._quiet_until = now + WORDS_S
            log.warning("connections are turned away: %s", why)


async def _drained(connection: socket.socket) -> None:
    """Reads what comes until the other side has closed: a reset could take the answer away again."""
    loop = asyncio.get_running_loop()
    with connection, contextlib.suppress(OSError, TimeoutError):
        async with asyncio.timeout(PATIENCE_S):
            while await loop.sock_recv(connection, 1 << 16):
                pass
