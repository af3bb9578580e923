"""Watching a screen: what has changed on it is known without looking at all of it."""

from __future__ import annotations

import shutil
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
import pytest_asyncio

from agentbay_local.desktop import NoPicture, XLink, parts
from agentbay_local.desktop.patience import until
from agentbay_local.desktop.watch import Area, Watch
from agentbay_local.desktop.xproto import request, unpack, words

pytestmark = pytest.mark.asyncio(loop_scope="session")


@pytest_asyncio.fixture(loop_scope="session")
async def watch(shared: Any) -> AsyncIterator[Watch]:
    await shared("get_screen_size")
    watch = await Watch.begun(shared.box.sandbox)
    yield watch
    await watch.close()


async def painted(link: XLink, colour: int, place: Area) -> None:
    """A part of the screen in a colour."""
    context = link.setup.first_id + 99
    made = request(55, words(context, link.setup.root, 1 << 2 | 1 << 15, colour, 1))  # drawn over windows, too
    fill = request(
        70, words(link.setup.root, context) + struct.pack("<hhHH", place.x, place.y, place.width, place.height)
    )
    await link.do(made, fill, request(60, words(context)))


async def heard(watch: Watch, wanted: Callable[[], Any]) -> bool:
    async def came() -> bool:
        return bool(wanted())

    return await until(came, 10, 0.01)


async def test_what_has_changed_is_told_once_with_its_place_and_its_pixels(shared: Any, watch: Watch) -> None:
    assert watch.tells
    assert Area(0, 0, 1280, 800) == await watch.take()
    async with shared.box.desktop.using() as screen:
        await painted(screen.link, 0x123456, Area(900, 700, 30, 20))
        await painted(screen.link, 0x654321, Area(910, 690, 5, 5))
        assert await heard(watch, lambda: watch.damaged == Area(900, 690, 30, 30))
        assert Area(900, 690, 30, 30) == await watch.take()
        assert bytes([0x56, 0x34, 0x12]) == (await watch.pixels(Area(920, 710, 1, 1)))[:3]
        await painted(screen.link, 0x3B4252, Area(900, 690, 30, 30))
        assert await heard(watch, lambda: watch.damaged)


async def test_a_screen_that_changes_its_size_is_measured_anew(new_desk: Callable[[], Awaitable[Any]]) -> None:
    desk = await new_desk()
    await desk("get_screen_size")
    watch = await Watch.begun(desk.box.sandbox)
    async with desk.box.desktop.using() as screen:
        await resized(screen.link, 1024, 768)
    assert await heard(watch, lambda: watch.size == (1024, 768))
    assert 4 * 1024 * 768 == len(await watch.pixels(watch.everything))
    with pytest.raises(NoPicture, match="has changed its size"):
        await watch.pixels(Area(0, 0, 1280, 800))
    watch.size = (30_000, 30_000)
    with pytest.raises(NoPicture, match="30000 x 30000 pixels is too large"):
        await watch.pixels(Area(0, 0, 10, 10))
    await watch.close()


async def resized(link: XLink, width: int, height: int) -> None:
    """Gives the screen another size (extension RANDR)."""
    major, root = await link.extension("RANDR"), link.setup.root
    await link.ask(request(major, words(1, 1)))
    [info] = await link.ask(request(major, words(root), 5))
    stamp, config, count = *unpack("II", info, 12), unpack("H", info, 20)[0]
    sizes = [unpack("HH", info, 32 + 8 * number) for number in range(count)]
    asked = words(root, stamp, config) + struct.pack("<HHHxx", sizes.index((width, height)), 1, 0)
    await link.ask(request(major, asked, 2))


async def test_what_is_outside_of_the_screen_is_left_out() -> None:
    assert Area(1270, 790, 10, 10) == Area(1270, 790, 500, 500).within(1280, 800)
    assert not Area(2000, 0, 5, 5).within(1280, 800)
    assert Area(1, 2, 3, 4) == Area(1, 2, 3, 4).joined(None)


async def test_a_server_without_damage_is_looked_at_all_over(new_desk: Callable[[], Awaitable[Any]]) -> None:
    own = shutil.which("Xvfb", path=parts.PATH)
    if own is None:
        pytest.skip("this machine has no Xvfb")
    desk = await new_desk()
    script = f"{own} :0 -extension DAMAGE -nolisten tcp -screen 0 640x480x24"
    server = await desk.box.sandbox.spawn(["/bin/sh", "-c", f"mkdir -p /tmp/.X11-unix; exec {script}"])

    async def ready() -> bool:
        try:
            (await desk.box.sandbox.dial_path(parts.SOCKET)).close()
        except OSError:
            return False
        return True

    assert await until(ready, 20, 0.05)
    watch = await Watch.begun(desk.box.sandbox)
    assert [False, None, (640, 480)] == [watch.tells, await watch.take(), watch.size]
    assert 4 * 640 * 480 == len(await watch.pixels(watch.everything))
    await watch.close()
    await server.kill()


async def test_events_that_are_none_end_the_connection_and_nothing_else() -> None:
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    head = struct.pack("<IIIIHHBBBBBBBBI", 1, 0x200000, 0x1FFFFF, 0, 0, 0xFFFF, 1, 1, 0, 0, 32, 32, 8, 255, 0)
    screen = struct.pack("<IIIIIHHHHHHIBBBB", 77, 1, 0, 0, 0, 1280, 800, 300, 200, 1, 1, 5, 0, 0, 24, 0)
    body = head + struct.pack("<BBBxxxxx", 24, 32, 32) + screen
    theirs.sendall(struct.pack("<BxHHH", 1, 11, 0, len(body) // 4) + body)
    link = await XLink.over(ours)
    watch = Watch(link)
    theirs.sendall(struct.pack("<BxHIII", 22, 0, 77, 77, 0) + struct.pack("<hhHH", 0, 0, 0xFFFF, 0xFFFF) + bytes(8))
    theirs.sendall(bytes([31]) * 32 + bytes([94]) * 32)
    assert await heard(watch, lambda: watch.size == (0xFFFF, 0xFFFF))
    assert [None, False] == [watch.damaged, watch.copied]
    theirs.close()
    assert await heard(watch, lambda: not watch.alive)
    await watch.close()
