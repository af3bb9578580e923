"""A door whose inner side is an ordinary socket of this machine: what it lets through needs no sandbox."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator

import pytest
from attrs import define

from agentbay_local.egress import Permit, Policy, WayOut
from agentbay_local.egress.door import Door
from agentbay_local.egress.policy import read_rule
from agentbay_local.egress.reach import Streams
from agentbay_local.metrics import Metrics
from tests.local.egress.world import World


@pytest.fixture
def world() -> World:
    return World()


@define
class Way:
    """A door, and how a program inside would come to it."""

    door: Door
    port: int

    def allow(self, *rules: str) -> None:
        self.door.way.permit.policy = Policy("web", tuple(map(read_rule, rules)))

    async def connect(self) -> Streams:
        return await asyncio.open_connection("127.0.0.1", self.port)

    async def ask(self, request: bytes, *, then_end: bool = False) -> bytes:
        """All that comes back until the connection is closed."""
        reader, writer = await self.connect()
        writer.write(request)
        if then_end:
            writer.write_eof()
        try:
            return await reader.read()
        finally:
            writer.close()

    async def get(self, url: str) -> tuple[str, str]:
        """The status line, and the body."""
        host = url.partition("://")[2].partition("/")[0]
        answer = await self.ask(f"GET {url} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
        head, _, body = answer.decode().partition("\r\n\r\n")
        return head.partition("\r\n")[0].removeprefix("HTTP/1.1 "), body

    async def tunnel(self, place: str) -> Streams:
        """The two ends of a tunnel that stands."""
        reader, writer = await self.connect()
        writer.write(f"CONNECT {place} HTTP/1.1\r\nHost: {place}\r\n\r\n".encode())
        assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 200 Connection established\r\n\r\n"
        return reader, writer

    def refused(self) -> dict[str, int]:
        return {reason: count for (reason,), count in self.door.way.metrics.egress_refused.values.items()}


@pytest.fixture
async def way(world: World) -> AsyncIterator[Way]:
    listener = socket.create_server(("127.0.0.1", 0))
    listener.setblocking(False)
    door = Door(listener, WayOut(Permit(), world.reach, Metrics()))
    await door.open()
    yield Way(door, listener.getsockname()[1])
    door.close()
