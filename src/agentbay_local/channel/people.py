"""Calls for a person over the WebSocket: each connection is told of them, and may say that the person is done."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator
from typing import Final

from agentbay_local.channel.call import Call
from agentbay_local.channel.connection import Connection, ConnectionOver
from agentbay_local.channel.registry import Json, message
from agentbay_local.logs import say

__all__ = ["SERVER", "hearing"]

SERVER: Final = "wuying_cdp_mcp_server"
MOST: Final = 100
"""Messages that wait for one client."""


@contextlib.contextmanager
def hearing(connection: Connection) -> Iterator[None]:
    """Has a connection told of the calls of its session's browser, at the pace of its client."""
    calls, heard = connection.session.box.browser.calls, asyncio.Queue[Json](MOST)

    def hear(told: Json) -> None:
        with contextlib.suppress(asyncio.QueueFull):  # a client that does not read them needs no more of them
            heard.put_nowait(told)

    passing = asyncio.create_task(_pass_on(heard, connection))
    calls.listeners[connection] = hear
    try:
        yield
    finally:
        del calls.listeners[connection]
        passing.cancel()


async def _pass_on(heard: asyncio.Queue[Json], connection: Connection) -> None:
    with contextlib.suppress(ConnectionOver):
        while True:
            await connection.push(SERVER, await heard.get())


@message(SERVER, "")
async def said(call: Call) -> None:
    """A client says something to the browser; nobody waits for an answer."""
    session = call.connection.session
    if not session.box.browser.calls.take(call.data, call.connection):
        say("browser message without effect", session=session.id)
