"""HTTP from this process to a port inside a sandbox."""

from __future__ import annotations

import socket
from collections.abc import Awaitable, Callable

import aiohttp
from aiohttp.client_proto import ResponseHandler

__all__ = ["InsideConnector"]


class InsideConnector(aiohttp.BaseConnector):
    """Makes connections by a function that dials inside; none outlives its request, as programs inside come and go."""

    def __init__(self, dial: Callable[[], Awaitable[socket.socket]]) -> None:
        super().__init__(force_close=True, limit=0)
        self._dial = dial

    async def _create_connection(self, *_: object, **__: object) -> ResponseHandler:
        dialled = await self._dial()
        try:
            _transport, protocol = await self._loop.create_connection(self._factory, sock=dialled)
        except OSError:
            dialled.close()
            raise
        return protocol
