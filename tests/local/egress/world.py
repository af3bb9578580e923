"""A world outside that is all on this machine: names lead to public addresses, and those to servers of the test."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from attrs import define, field

from agentbay_local.egress import Reach, Streams

HERE = "93.184.216.34"

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@define
class World:
    """What names lead to, where servers really are, and what was asked for."""

    names: dict[str, list[str]] = field(factory=dict)
    servers: dict[tuple[str, int], int] = field(factory=dict)
    looked_up: list[str] = field(factory=list)
    dialled: list[tuple[str, int]] = field(factory=list)

    @property
    def reach(self) -> Reach:
        return Reach(self.resolve, self.dial)

    async def resolve(self, host: str) -> list[str]:
        self.looked_up.append(host)
        if host not in self.names:
            raise OSError(-2, "Name or service not known")
        return self.names[host]

    async def dial(self, address: str, port: int) -> Streams:
        self.dialled.append((address, port))
        if (address, port) not in self.servers:
            raise ConnectionRefusedError(111, "Connection refused")
        return await asyncio.open_connection("127.0.0.1", self.servers[address, port])

    def place(self, name: str, port: int, at: int, address: str = HERE) -> None:
        """Puts a server that listens at a port of this machine where a name leads to."""
        self.names.setdefault(name, [address])
        self.servers[address, port] = at


@asynccontextmanager
async def raw_server(serve: Serve) -> AsyncIterator[int]:
    """A server of bytes; gives its port."""

    async def meet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await serve(reader, writer)
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    async with await asyncio.start_server(meet, "127.0.0.1", 0) as server:
        yield server.sockets[0].getsockname()[1]


OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"


async def hello(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readuntil(b"\r\n\r\n")
    writer.write(OK)


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Says back what comes until its end, and only then a word of its own."""
    while data := await reader.read(1 << 16):
        writer.write(data)
        await writer.drain()
    writer.write(b"|end")
