"""An X server that is not one: what is inside a sandbox may send anything."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Awaitable, Callable

import pytest

from agentbay_local.desktop import xproto
from agentbay_local.desktop.xlink import XGone, XLink, XRefused
from agentbay_local.desktop.xproto import XFault

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


def greeting(order: int = 0, bits: int = 32, depth: int = 24) -> bytes:
    head = struct.pack("<IIIIHHBBBBBBBBI", 1, 0x200000, 0x1FFFFF, 0, 0, 0xFFFF, 1, 1, order, 0, 32, 32, 8, 255, 0)
    formats = struct.pack("<BBBxxxxx", depth, bits, 32)
    screen = struct.pack("<IIIIIHHHHHHIBBBB", 77, 1, 0, 0, 0, 1280, 800, 300, 200, 1, 1, 5, 0, 0, depth, 0)
    body = head + formats + screen
    return struct.pack("<BxHHH", 1, 11, 0, len(body) // 4) + body


def reply(number: int, size: int = 0) -> bytes:
    return struct.pack("<BxHI", 1, number, size) + bytes(24)


def error(number: int, code: int) -> bytes:
    return struct.pack("<BBH", 0, code, number) + bytes(28)


async def linked(sent: bytes, *, end: bool = False) -> tuple[XLink, socket.socket]:
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    theirs.sendall(sent)
    if end:
        theirs.close()
    try:
        return await XLink.over(ours), theirs
    except BaseException:
        theirs.close()
        raise


@pytest.mark.parametrize(
    ("sent", "why"),
    [
        (b"\0" * 8, "refused the connection"),
        (greeting()[:6] + b"\1\0" + b"\0" * 4, "cannot be read"),
        (greeting(order=1), "is not understood"),
        (greeting(bits=16), "is not understood"),
    ],
)
async def test_a_greeting_that_is_none_ends_the_connection(sent: bytes, why: str) -> None:
    with pytest.raises(XFault, match=why):
        await linked(sent)


async def test_a_greeting_that_breaks_off_ends_the_connection() -> None:
    with pytest.raises(XGone):
        await linked(greeting()[:20], end=True)


async def test_what_a_server_says_of_itself_is_read() -> None:
    link, theirs = await linked(greeting())
    assert xproto.Setup(77, 0x200000, 8, 255) == link.setup
    await link.close()
    theirs.close()
    assert not link.alive


@pytest.mark.parametrize(
    "sent",
    [
        reply(1, 0xFFFFFFFF),
        b"\1",
        struct.pack("<BxHI", 35, 0, 0x7FFFFFFF) + bytes(24),
    ],
)
async def test_an_answer_without_measure_ends_the_connection(sent: bytes) -> None:
    link, theirs = await linked(greeting())
    asked = asyncio.create_task(link.ask(xproto.query_pointer(77)))
    await asyncio.sleep(0)
    theirs.sendall(sent)
    theirs.close()
    with pytest.raises(XGone):
        await asked
    with pytest.raises(XGone):
        await link.ask(xproto.query_pointer(77))
    await link.close()


async def test_answers_find_who_asked_and_errors_too() -> None:
    link, theirs = await linked(greeting())
    first, second = (asyncio.create_task(link.ask(xproto.get_geometry(number))) for number in (1, 2))
    done = asyncio.create_task(link.do(b"\x01\0\1\0", b"\x01\0\1\0"))
    await asyncio.sleep(0)
    theirs.sendall(reply(9) + error(1, xproto.BAD_WINDOW) + reply(2) + error(4, 2) + reply(5))
    with pytest.raises(XRefused, match="the window has closed"):
        await first
    assert [reply(2)] == await second
    with pytest.raises(XRefused, match="refused the request"):
        await done
    assert link.alive
    await link.close()
    theirs.close()


async def test_a_change_of_keys_is_noticed_and_other_events_are_not() -> None:
    link, theirs = await linked(greeting())
    link.keys_changed = False
    asked = asyncio.create_task(link.ask(xproto.get_geometry(1)))
    await asyncio.sleep(0)
    theirs.sendall(bytes([2]) + bytes(31) + bytes([34]) + bytes(31) + reply(1))
    await asked
    assert link.keys_changed
    await link.close()
    theirs.close()
