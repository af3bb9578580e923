"""Programs that want to be in the way: whatever they do to the screen, the tools answer, and say what is wrong."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from agentbay_local.desktop import XLink, parts, xproto
from agentbay_local.desktop.patience import until
from agentbay_local.desktop.windows import LONGEST_TITLE, MOST
from agentbay_local.tools import call

pytestmark = pytest.mark.asyncio(loop_scope="session")

NewDesk = Callable[[], Awaitable[Any]]
GRAB_SERVER, UNGRAB_SERVER = xproto.request(36), xproto.request(37)
REPLACE = 0
STRING = 31
CARDINAL = 6


def grab_keyboard(window: int) -> bytes:
    return xproto.request(31, struct.pack("<IIBBxx", window, 0, 1, 1), 1)


def grab_pointer(window: int) -> bytes:
    return xproto.request(26, struct.pack("<IHBBIII", window, 0x0C, 1, 1, 0, 0, 0), 1)


def change_property(window: int, name: int, kind: int, width: int, data: bytes) -> bytes:
    head = struct.pack("<IIIBxxxI", window, name, kind, width, len(data) * 8 // width)
    return xproto.request(18, head + data, REPLACE)


def window(number: int, root: int, size: int = 50) -> bytes:
    return xproto.request(1, struct.pack("<IIhhHHHHII", number, root, 0, 0, size, size, 0, 1, 0, 0))


def shown(number: int) -> bytes:
    return xproto.request(8, xproto.words(number))


@asynccontextmanager
async def program(desk: Any) -> AsyncIterator[XLink]:
    """A connection to the X server like any program's inside."""
    await desk("get_screen_size")
    link = await XLink.over(await desk.box.sandbox.dial_path(parts.SOCKET))
    try:
        yield link
    finally:
        await link.close()


async def test_a_screen_that_a_program_holds_for_itself_is_told_in_time_and_works_again(desk: Any) -> None:
    async with program(desk) as hostile:
        await hostile.do(GRAB_SERVER)
        said = await desk.refused("list_root_windows", timeout_ms=200)
        assert "The windows could not be listed within 200 ms" in said
        waiting = asyncio.create_task(desk("get_cursor_position"))
        await asyncio.sleep(0.1)
        assert not waiting.done()
        assert "hi\n" == await desk.sh("echo hi")
        await hostile.do(UNGRAB_SERVER)
        assert {"x", "y"} == (await waiting).keys()
    assert 1280 == (await desk("get_screen_size"))["width"]


@pytest.mark.slow
async def test_a_call_does_not_wait_for_ever_for_a_screen_that_is_held(
    desk: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("agentbay_local.desktop.xlink.PATIENCE", 0.5)
    async with program(desk) as hostile:
        await hostile.do(GRAB_SERVER)
        why = "The desktop did not answer within 0.5 s: a program may hold the screen for itself"
        calls: dict[str, dict[str, Any]] = {
            "screenshot": {},
            "input_text": {"text": "ж"},
            "click_mouse": {"x": 1, "y": 1},
            "get_screen_size": {},
        }
        for name, args in calls.items():
            assert why in await desk.refused(name, **args)
        assert why in await desk.refused("start_app", start_cmd="true")
    assert 1280 == (await desk("get_screen_size"))["width"]


async def test_who_grabs_mouse_and_keyboard_gets_what_is_typed_and_holds_up_nothing(desk: Any) -> None:
    await desk.terminal("sh -c 'cat > /tmp/typed'")
    async with program(desk) as hostile:
        root = hostile.setup.root
        replies = await hostile.ask(grab_keyboard(root), grab_pointer(root))
        assert [0, 0] == [reply[1] for reply in replies]
        await desk("input_text", text="lost ж\n")
        await desk("click_mouse", x=640, y=400)
        await desk("press_keys", keys=["ctrl", "c"])
    await desk("input_text", text="found\n")
    assert "found\n" == await desk.reads("/tmp/typed", "found\n")


async def test_a_window_whose_title_has_no_end_is_listed_by_its_beginning(desk: Any) -> None:
    async with program(desk) as hostile:
        number = hostile.setup.first_id
        [name, text] = await hostile.atoms("_NET_WM_NAME", "UTF8_STRING")
        title = "я".encode() * 60_000 + b"\xff"
        await hostile.do(
            window(number, hostile.setup.root, 30_000),
            change_property(number, name, text, 8, title),
            change_property(number, 39, STRING, 8, bytes(range(1, 256)) * 400),
            shown(number),
        )

        async def there() -> bool:
            return bool(await desk("list_root_windows"))

        assert await until(there, 10, 0.02)
        [told] = await desk("list_root_windows")
        assert (number, LONGEST_TITLE // 2) == (told["window_id"], len(told["window_title"]))
        await desk("maximize_window", window_id=number)
        assert 1280 == (await desk("get_active_window"))["width"]


@pytest.mark.slow
async def test_a_flood_of_windows_is_told_as_such_and_a_list_of_none_that_are_there_is_empty(desk: Any) -> None:
    async with program(desk) as hostile:
        root, first = hostile.setup.root, hostile.setup.first_id
        await hostile.do(
            *(each for number in range(first, first + 60) for each in (window(number, root), shown(number)))
        )

        async def all_there() -> bool:
            return len(await desk("list_root_windows", timeout_ms=20_000)) == 60

        assert await until(all_there, 20, 0.1)
        [listed] = await hostile.atoms("_NET_CLIENT_LIST")
        lies = xproto.words(*range(1, MOST + 2))
        await hostile.do(change_property(root, listed, 33, 32, lies))
        why = f"There are {MOST + 1} windows, and at most {MOST} can be listed: stop their program"
        assert why in await desk.refused("list_root_windows")
        await hostile.do(change_property(root, listed, 33, 32, xproto.words(7)))
        assert [] == await desk("list_root_windows")
        await hostile.do(change_property(root, listed, CARDINAL, 8, b"abc"))
        assert [] == await desk("list_root_windows")


async def test_keys_that_a_program_has_taken_away_are_found_elsewhere(desk: Any) -> None:
    await desk.terminal("sh -c 'cat > /tmp/typed'")
    async with program(desk) as hostile:
        first, last = hostile.setup.first_code, hostile.setup.last_code
        await hostile.do(xproto.change_keyboard_mapping(first, [0] * (last - first + 1)))
        await desk("input_text", text="Ab! ж\n")
        assert "Ab! ж\n" == await desk.reads("/tmp/typed", "Ab! ж\n")


async def test_a_keyboard_without_a_free_key_says_so(desk: Any) -> None:
    async with program(desk) as hostile:
        first, last = hostile.setup.first_code, hostile.setup.last_code
        await hostile.do(xproto.change_keyboard_mapping(first, [0x61] * (last - first + 1)))
        assert "has no key left for characters that are on none" in await desk.refused("input_text", text="ж")


@pytest.mark.slow
async def test_a_window_manager_that_was_stopped_is_told_and_goes_on(desk: Any) -> None:
    first = await desk.terminal("cat", "-bg red")
    await desk.sh("pkill -STOP -x openbox")
    for name in ("activate_window", "maximize_window", "close_window"):
        why = "The window manager does not answer"
        assert why in await desk.refused(name, window_id=first["window_id"])
    assert [first["window_id"]] == [each["window_id"] for each in await desk("list_root_windows")]
    await desk.sh("pkill -CONT -x openbox")

    async def closed() -> bool:
        return not await desk("list_root_windows")

    assert await until(closed, 10, 0.05)


async def test_events_that_never_end_hold_up_nobody_else(desk: Any) -> None:
    await desk("get_screen_size")
    async with program(desk) as hostile:
        async with desk.box.desktop.using() as screen:
            ours = screen.link.setup.first_id
        event = struct.pack("<BBHII", xproto.CLIENT_MESSAGE, 32, 0, ours, 1) + bytes(20)
        sent = xproto.request(25, xproto.words(ours, 0) + event)
        flood = asyncio.create_task(flooded(hostile, sent))
        try:
            assert "hi\n" == await desk.sh("echo hi")
            assert 1280 == (await desk("get_screen_size"))["width"]
        finally:
            flood.cancel()
            await asyncio.gather(flood, return_exceptions=True)


async def flooded(hostile: XLink, event: bytes) -> None:
    while True:
        await hostile.do(*[event] * 2000)


async def test_whoever_takes_the_x_socket_s_place_changes_nothing_for_the_tools(desk: Any) -> None:
    await desk("get_screen_size")
    await desk.sh("rm /tmp/.X11-unix/X0 /tmp/.X0-lock; ln -s /etc/passwd /tmp/.X11-unix/X0")
    assert 1280 == (await desk("get_screen_size"))["width"]
    await desk.sh("pkill -KILL -x 'Xvnc|Xtigervnc|Xvfb'")

    async def back() -> bool:
        return not (await call(desk.box, "get_screen_size", {})).is_error

    assert await until(back, 10, 0.05)
    await desk.terminal("cat")


def set_screen_size(major: int, root: int, width: int, height: int) -> bytes:
    return xproto.request(major, struct.pack("<IHHII", root, width, height, 300, 200), 7)


async def test_the_screen_s_size_is_told_as_it_is_after_a_program_has_changed_it(desk: Any) -> None:
    if parts.find().server.endswith("Xvfb"):
        pytest.skip("the screen of Xvfb has one size")
    async with program(desk) as hostile:
        major = await hostile.extension("RANDR")
        await hostile.ask(xproto.request(major, xproto.words(1, 3), 0))
        await hostile.do(set_screen_size(major, hostile.setup.root, 2000, 1500))
        assert {"width": 2000, "height": 1500, "dpiScalingFactor": 1.0} == await desk("get_screen_size")
        assert (2000, 1500) == (await desk.picture()).size
        await desk("click_mouse", x=1999, y=1499)
        await hostile.do(set_screen_size(major, hostile.setup.root, 5000, 4000))
        why = "The screen of 5000 x 4000 pixels is too large for a picture: make it smaller (xrandr)"
        assert why in await desk.refused("screenshot")
