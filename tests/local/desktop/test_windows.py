"""Windows: what there is, what is done to them, and what it looks like."""

from __future__ import annotations

from typing import Any

import pytest

from agentbay_local.desktop.patience import until

pytestmark = pytest.mark.asyncio(loop_scope="session")

RED, BLUE = (255, 0, 0), (0, 0, 255)
TOOLS = (
    "activate_window", "close_window", "maximize_window", "minimize_window", "restore_window", "fullscreen_window",
)  # fmt: skip


def place(window: dict[str, Any]) -> tuple[int, int, int, int]:
    return (
        window["absolute_upper_left_x"],
        window["absolute_upper_left_y"],
        window["width"],
        window["height"],
    )


def inside(window: dict[str, Any]) -> tuple[int, int]:
    """A place in its lower right part, where nothing is written."""
    x, y, width, height = place(window)
    return x + width * 3 // 4, y + height * 3 // 4


async def turns(desk: Any, at: tuple[int, int], colour: tuple[int, int, int]) -> bool:
    """Whether a place on the screen gets a colour."""

    async def is_so() -> bool:
        return (await desk.picture()).getpixel(at) == colour

    return await until(is_so, 10, 0.05)


async def active(desk: Any) -> int:
    return int((await desk("get_active_window"))["window_id"])


async def test_a_window_is_told_with_its_title_place_and_process(desk: Any) -> None:
    assert [] == await desk("list_root_windows")
    window = await desk.terminal("cat", "-title 'Überschrift 漢字' -fn 6x13 -geometry 60x10+100+50 -b 0")
    pid = int(await desk.sh("pgrep xterm"))
    told = await desk("get_active_window")
    assert [told] == await desk("list_root_windows")
    about = {"pid": pid, "pname": "xterm", "child_windows": []}
    own = {"window_id": window["window_id"], "window_title": "Überschrift 漢字", "width": 360, "height": 130}
    corner = {name: told[name] for name in ("absolute_upper_left_x", "absolute_upper_left_y")}
    assert own | corner | about == told


async def test_a_window_shows_its_pixels_where_it_says_it_is(desk: Any) -> None:
    window = await desk.terminal("cat", "-bg red -b 0")
    x, y, width, height = place(window)
    for at in ((x + width - 2, y + 1), (x + width - 2, y + height - 2), inside(window)):
        assert await turns(desk, at, RED)
    assert (await desk.picture()).getpixel((1, 799)) != RED


async def test_a_window_in_front_hides_the_one_behind_until_that_is_activated(desk: Any) -> None:
    back = await desk.terminal("cat", "-bg red -geometry 80x24+200+200")
    front = await desk.terminal("cat", "-bg blue -geometry 80x24+200+200")
    assert front["window_id"] == await active(desk)
    assert await turns(desk, inside(front), BLUE)
    await desk("activate_window", window_id=back["window_id"])
    assert back["window_id"] == await active(desk)
    assert await turns(desk, inside(back), RED)


async def test_a_window_fills_the_desktop_the_screen_and_is_restored(desk: Any) -> None:
    window = await desk.terminal("cat", "-bg red")
    number, before = window["window_id"], place(await desk("get_active_window"))
    await desk("maximize_window", window_id=number)
    x, _, width, height = place(await desk("get_active_window"))
    assert (0, 1280) == (x, width)
    assert 700 < height < 800
    await desk("restore_window", window_id=number)
    assert before == place(await desk("get_active_window"))
    await desk("fullscreen_window", window_id=number)
    await desk("fullscreen_window", window_id=number)
    assert (0, 0, 1280, 800) == place(await desk("get_active_window"))
    assert await turns(desk, (1270, 790), RED)
    await desk("restore_window", window_id=number)
    assert before == place(await desk("get_active_window"))


async def test_a_minimised_window_is_off_the_screen_until_it_is_restored(desk: Any) -> None:
    window = await desk.terminal("cat", "-bg red")
    await desk("minimize_window", window_id=window["window_id"])
    assert "No window has the focus" in await desk.refused("get_active_window")
    assert (await desk.picture()).getpixel(inside(window)) != RED
    assert 1 == len(await desk("list_root_windows"))
    await desk("restore_window", window_id=window["window_id"])
    assert window["window_id"] == await active(desk)
    assert await turns(desk, inside(window), RED)


async def test_a_window_gets_another_size_also_out_of_its_largest(desk: Any) -> None:
    window = await desk.terminal("cat", "-fn 6x13 -b 0 +sb")
    await desk("resize_window", window_id=window["window_id"], width=600, height=260)
    assert (600, 260) == place(await desk("get_active_window"))[2:]
    await desk("maximize_window", window_id=window["window_id"])
    await desk("resize_window", window_id=window["window_id"], width=300, height=130)
    assert (300, 130) == place(await desk("get_active_window"))[2:]


async def test_closing_a_window_ends_its_program(desk: Any) -> None:
    window = await desk.terminal("cat")
    await desk("close_window", window_id=window["window_id"])
    assert [] == await desk("list_root_windows")

    async def ended() -> bool:
        return not await desk.sh("pgrep xterm")

    assert await until(ended, 10, 0.05)


async def test_in_focus_mode_a_new_window_leaves_the_focus_where_it_is(desk: Any) -> None:
    first = await desk.terminal("cat")
    for on in (True, False):
        await desk("focus_mode", on=on)
        await desk("start_app", start_cmd=f"xterm -title {on} -e cat")

        async def moved() -> bool:
            return await active(desk) != first["window_id"]

        assert await until(moved, 0.3 if on else 10, 0.05) is not on


@pytest.mark.parametrize("tool", TOOLS)
async def test_a_window_that_is_not_there_is_refused(shared: Any, tool: str) -> None:
    for number in (0, 12345, 2**40):
        why = await shared.refused(tool, window_id=number)
        assert f"There is no window with the id {number}: list_root_windows tells those that there are" in why
    assert "window_id is required" in await shared.refused(tool)


@pytest.mark.parametrize(
    ("tool", "args", "why"),
    [
        ("resize_window", {"window_id": 1, "width": 0, "height": 1}, "width must be from 1 to 32767, got 0"),
        ("resize_window", {"window_id": 1, "width": 1, "height": 32768}, "height must be from 1 to 32767, got 32768"),
        ("resize_window", {"window_id": 1, "width": 1, "height": 1}, "There is no window with the id 1"),
        ("list_root_windows", {"timeout_ms": 0}, "timeout_ms must be from 1 to 600000, got 0"),
        ("focus_mode", {"on": "yes"}, "on must be a boolean, got a string"),
    ],
)
async def test_windows_are_not_asked_for_the_impossible(shared: Any, tool: str, args: dict[str, Any], why: str) -> None:
    assert why in await shared.refused(tool, **args)
