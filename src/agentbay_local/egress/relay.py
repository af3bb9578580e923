"""Bytes and messages between a program inside and a server outside, both ways at once, as fast as the slower one."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any, Final

import h11
from attrs import define, field

from agentbay_local.egress.reach import CHUNK, Streams

__all__ = ["Event", "Heard", "Speaker", "between", "exchange", "tunnel"]

MOST_HEADER: Final = 16 << 10
HOP: Final = frozenset(
    b"connection keep-alive proxy-authenticate proxy-authorization proxy-connection te upgrade".split()
)
"""Headers that concern one connection only."""

Headers = Iterable[tuple[bytes, bytes]]
Event = Any
Heard = Callable[[str, int], None]
"""Told of bytes that go `out` or come `in`."""


@define(eq=False)
class Speaker:
    """One side of HTTP on one connection."""

    streams: Streams
    role: type[h11.CLIENT | h11.SERVER]
    state: h11.Connection = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.state = h11.Connection(self.role, max_incomplete_event_size=MOST_HEADER)

    async def hear(self) -> Event:
        """What comes next. Raises h11.ProtocolError for what is no HTTP, and for an end in the middle of something."""
        while (event := self.state.next_event()) is h11.NEED_DATA:
            self.state.receive_data(await self.streams[0].read(CHUNK))
        return event

    async def say(self, event: Event) -> int:
        """Sends something; how many bytes that took."""
        data: bytes = self.state.send(event) or b""  # type: ignore[redundant-expr]
        self.streams[1].write(data)
        await self.streams[1].drain()
        return len(data)

    @property
    def rest(self) -> bytes:
        """What has come that is no longer HTTP."""
        return self.state.trailing_data[0]


def between(headers: Headers) -> list[tuple[bytes, bytes]]:
    """The headers that go on to the other side, which is told that there will be nothing after this."""
    kept = list(headers)
    said = b",".join(value for name, value in kept if name.lower() == b"connection")
    left_out = HOP | {word.strip().lower() for word in said.split(b",")}
    return [(name, value) for name, value in kept if name.lower() not in left_out] + [(b"Connection", b"close")]


async def exchange(client: Speaker, server: Speaker, heard: Heard) -> None:
    """Carries the body of a request to a server, and its answer back, which may come before all of the body has gone.

    Raises:
        h11.ProtocolError: one of them does not speak HTTP, or stopped in the middle.
        OSError: a connection broke.
    """
    sending = asyncio.create_task(_send(client, server, heard))
    getting = asyncio.create_task(_get(client, server, heard))
    try:
        await asyncio.wait({sending, getting}, return_when=asyncio.FIRST_COMPLETED)
        if not getting.done():
            await sending
        await getting
    finally:
        await _ended(sending, getting)


async def _ended(*tasks: asyncio.Task[None]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def _send(client: Speaker, server: Speaker, heard: Heard) -> None:
    event = None
    while not isinstance(event, h11.EndOfMessage):
        event = await client.hear()
        try:
            heard("out", await server.say(event))
        except ConnectionError:
            # It does not want to read more, but may well have answered.
            return


async def _get(client: Speaker, server: Speaker, heard: Heard) -> None:
    event = None
    while not isinstance(event, h11.EndOfMessage):
        event = await server.hear()
        if isinstance(event, h11.Response):
            event = h11.Response(
                status_code=event.status_code, reason=event.reason, headers=between(event.headers.raw_items())
            )
        elif isinstance(event, h11.ConnectionClosed):
            raise h11.RemoteProtocolError("the server closed the connection without an answer")
        heard("in", await client.say(event))


async def tunnel(inner: Streams, outer: Streams, heard: Heard) -> None:
    """Carries bytes both ways until both sides have ended what they send. Raises OSError."""
    ways = (_flow(inner[0], outer[1], "out", heard), _flow(outer[0], inner[1], "in", heard))
    tasks = [asyncio.create_task(way) for way in ways]
    try:
        await asyncio.gather(*tasks)
    finally:
        await _ended(*tasks)


async def _flow(source: asyncio.StreamReader, sink: asyncio.StreamWriter, direction: str, heard: Heard) -> None:
    while data := await source.read(CHUNK):
        heard(direction, len(data))
        sink.write(data)
        await sink.drain()
    with suppress(OSError):
        sink.write_eof()
