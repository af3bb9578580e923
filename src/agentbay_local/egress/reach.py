"""The two steps out of this machine: a name's addresses, and a connection to one of them."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
from collections.abc import Awaitable, Callable
from typing import Final

from attrs import frozen

__all__ = ["Reach", "Streams"]

CHUNK: Final = 1 << 16

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def look_up(host: str) -> list[str]:
    """All addresses of a name, as the system gives them. Raises OSError.

    On a thread of its own: however many lookups of one session hang, no other has to wait for them.
    """
    loop = asyncio.get_running_loop()
    found: asyncio.Future[list[str]] = loop.create_future()
    threading.Thread(target=_look_up, args=(host, loop, found), name="agentbay-lookup", daemon=True).start()
    return await found


def _look_up(host: str, loop: asyncio.AbstractEventLoop, found: asyncio.Future[list[str]]) -> None:
    try:
        addresses = [str(each[4][0]) for each in socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)]
        outcome: list[str] | OSError = list(dict.fromkeys(addresses))
    except (OSError, UnicodeError) as error:
        outcome = error if isinstance(error, OSError) else OSError(str(error))
    # The server may have ended while the name servers thought about it.
    with contextlib.suppress(RuntimeError):
        loop.call_soon_threadsafe(_settle, found, outcome)


def _settle(found: asyncio.Future[list[str]], outcome: list[str] | OSError) -> None:
    if found.done():
        return
    if isinstance(outcome, OSError):
        found.set_exception(outcome)
    else:
        found.set_result(outcome)


async def connect(address: str, port: int) -> Streams:
    """A connection to an address, which is not a name. Raises OSError."""
    return await asyncio.open_connection(address, port, limit=CHUNK)


@frozen
class Reach:
    """How the world is reached. What `resolve` gives is checked before `dial` is asked for it."""

    resolve: Callable[[str], Awaitable[list[str]]] = look_up
    dial: Callable[[str, int], Awaitable[Streams]] = connect
