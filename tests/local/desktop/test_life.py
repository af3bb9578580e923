"""How a desktop comes, goes, and comes back."""

from __future__ import annotations

import asyncio
import os
import shutil
import textwrap
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from agentbay_local.desktop import Desktop, NoDesktop, Screen, parts, take
from agentbay_local.desktop.patience import until
from agentbay_local.sandbox.bwrap import interpreter
from agentbay_local.sandbox.engine import Engine
from agentbay_local.tools import Box, call
from tests.waiting import async_until

pytestmark = pytest.mark.asyncio(loop_scope="session")

LOST = "its windows are gone, and the next call starts a new one"
NewDesk = Callable[[], Awaitable[Any]]


async def test_nothing_of_a_desktop_runs_before_it_is_used(desk: Any) -> None:
    assert [] == await desk.box.desktop.apps.running()
    await desk("get_screen_size")
    assert "openbox" in {each.pname for each in await desk.box.desktop.apps.running()}


@pytest.mark.parametrize("signal", ["KILL", "TERM"])
async def test_an_x_server_that_was_ended_is_told_of_once_and_comes_back(desk: Any, signal: str) -> None:
    await desk.terminal("cat")
    await desk.sh(f"pkill -{signal} -x 'Xvnc|Xtigervnc|Xvfb'")

    async def noticed() -> bool:
        return LOST in (await call(desk.box, "list_root_windows", {})).text

    assert await until(noticed, 10, 0.02)
    assert [] == await desk("list_root_windows") == await desk("list_visible_apps")
    await desk.terminal("cat")


async def test_a_call_that_is_on_its_way_when_the_x_server_ends_says_so(desk: Any) -> None:
    await desk("get_screen_size")
    drag = asyncio.create_task(call(desk.box, "drag_mouse", {"from_x": 0, "from_y": 0, "to_x": 900, "to_y": 700}))
    await asyncio.sleep(0.02)
    await desk.sh("pkill -KILL -x 'Xvnc|Xtigervnc|Xvfb'")
    outcome = await drag
    if outcome.is_error:  # else it had come to its end before
        assert LOST in outcome.text
        assert {"width": 1280, "height": 800, "dpiScalingFactor": 1.0} == await desk("get_screen_size")


@pytest.mark.slow
async def test_a_call_that_is_given_up_while_a_desktop_is_put_away_leaves_it_to_the_next(desk: Any) -> None:
    async with desk.box.desktop.using() as screen:
        pass
    await screen.link.close()
    impatient = asyncio.create_task(call(desk.box, "get_screen_size", {}))
    await asyncio.sleep(0.1)
    assert not impatient.done()
    impatient.cancel()
    await asyncio.gather(impatient, return_exceptions=True)
    assert LOST in await desk.refused("get_screen_size")
    assert 1280 == (await desk("get_screen_size"))["width"]


async def test_a_desktop_that_another_call_has_started_is_not_let_go_of(desk: Any) -> None:
    desktop, waiting = desk.box.desktop, list[asyncio.Task[Any]]()

    async def loses_it() -> None:
        async with desktop.using() as screen:
            waiting.append(asyncio.create_task(call(desk.box, "get_screen_size", {})))
            await asyncio.sleep(0.05)
            await desk.sh("pkill -KILL -x 'Xvnc|Xtigervnc|Xvfb'")
            await async_until(lambda: not screen.alive)
            waiting.append(asyncio.create_task(desktop.renew()))
            await asyncio.sleep(0.05)
            await screen.windows.ids()

    with pytest.raises(NoDesktop, match=LOST):
        await loses_it()
    outcome, _ = await asyncio.gather(*waiting)
    assert (outcome.is_error, desktop.running) == (False, True)


async def test_what_a_list_of_windows_may_take_does_not_end_the_start_of_a_desktop(desk: Any) -> None:
    await call(desk.box, "list_root_windows", {"timeout_ms": 1})
    assert desk.box.desktop.running


async def test_a_window_manager_that_was_ended_is_started_again_and_windows_stay(desk: Any) -> None:
    window = await desk.terminal("cat")
    await desk.sh("pkill -KILL -x openbox; while pgrep -x openbox; do sleep 0.01; done")
    [still] = await desk("list_root_windows")
    assert window["pid"] == still["pid"]
    await desk("maximize_window", window_id=still["window_id"])
    assert 1280 == (await desk("get_active_window"))["width"]


async def test_a_desktop_that_is_not_served_names_what_to_install(engine: Engine, programs: None) -> None:
    sandbox = await engine.create()
    box = Box(sandbox, desktop=Desktop(sandbox, path="/nowhere"))
    try:
        said = await call(box, "click_mouse", {"x": 1, "y": 1})
        assert said.is_error
        assert "This machine has no desktop: Xvnc or Xvfb and openbox must be installed" in said.text
        assert "sudo apt install tigervnc-standalone-server openbox" in said.text
        assert not (await call(box, "get_installed_apps", {})).is_error
    finally:
        await box.close()


async def test_a_display_that_a_program_inside_has_taken_is_left_to_it(desk: Any) -> None:
    script = """
        import os, socket, time
        os.makedirs("/tmp/.X11-unix")
        door = socket.socket(socket.AF_UNIX)
        door.bind("/tmp/.X11-unix/X0")
        door.listen()
        print("on", flush=True)
        time.sleep(60)
    """
    taken = await desk.box.sandbox.spawn([str(interpreter()), "-c", textwrap.dedent(script)])
    await taken.reader.readline()
    assert "another program in the session has the display :0" in await desk.refused("get_screen_size")
    await taken.kill()
    await taken.wait()
    assert 1280 == (await desk("get_screen_size"))["width"]


async def test_xvfb_will_do_where_there_is_no_xvnc(desk: Any, tmp_path: Any) -> None:
    own = shutil.which("Xvfb", path=parts.PATH)
    if own is None:
        pytest.skip("this machine has no Xvfb")
    os.symlink(own, tmp_path / "Xvfb")
    found = parts.find(str(tmp_path))
    assert (["openbox"], "Xvfb") == (found.missing, os.path.basename(found.server))
    screen = await Screen.started(desk.box.sandbox, parts.Parts(own, parts.find().manager))
    await screen.keyboard.type("漢字")
    picture = await take(screen.link, "png")
    assert (1280, 800) == (picture.width, picture.height)
    await screen.close()


async def test_a_desktop_that_was_closed_is_not_in_the_way_of_the_next(desk: Any) -> None:
    for _ in range(3):
        screen = await Screen.started(desk.box.sandbox, parts.find())
        await screen.close()


async def test_a_paused_desktop_goes_on_with_what_it_had(desk: Any) -> None:
    window = await desk.terminal("sh -c 'cat > /tmp/typed'")
    await desk("input_text", text="before, ")
    await desk.box.sandbox.pause()
    waiting = asyncio.create_task(call(desk.box, "input_text", {"text": "後\n"}))
    await asyncio.sleep(0.1)
    assert not waiting.done()
    await desk.box.sandbox.resume()
    assert not (await waiting).is_error
    assert "before, 後\n" == await desk.reads("/tmp/typed", "before, 後\n")
    assert window["window_id"] == (await desk("get_active_window"))["window_id"]


async def test_calls_at_once_have_the_keyboard_one_after_the_other(desk: Any) -> None:
    await desk.terminal("sh -c 'cat > /tmp/typed'")
    lines = [f"{letter * 20}\n" for letter in "abcжщю漢字"]
    await asyncio.gather(*(desk("input_text", text=line) for line in lines))

    async def all_there() -> bool:
        return len(await desk.sh("cat /tmp/typed")) == len("".join(lines))

    await until(all_there, 10, 0.05)
    assert sorted(lines) == sorted((await desk.sh("cat /tmp/typed")).splitlines(keepends=True))


async def test_a_session_that_ended_says_so(desk: Any) -> None:
    await desk("get_screen_size")
    await desk.box.close()
    assert "The session has expired" in await desk.refused("get_screen_size")


async def test_nothing_is_left_of_a_desktop_when_its_session_ends(new_desk: NewDesk) -> None:
    desk = await new_desk()
    before = asyncio.all_tasks()
    await desk.terminal("cat")
    assert asyncio.all_tasks() - before
    await desk.box.close()
    after = [repr(task.get_coro()) for task in asyncio.all_tasks() - before]
    assert [] == [each for each in after if "XLink" in each or "App." in each or "BoxProcess" in each]


@pytest.mark.slow
async def test_ten_desktops_run_beside_each_other(new_desk: NewDesk) -> None:
    desks = [await new_desk() for _ in range(10)]
    for number, desk in enumerate(desks):
        await desk.terminal("sh -c 'cat > /tmp/typed'", f"-title number-{number}")
    await asyncio.gather(*(desk("input_text", text=f"{number} 漢\n") for number, desk in enumerate(desks)))
    for number, desk in enumerate(desks):
        assert f"{number} 漢\n" == await desk.reads("/tmp/typed", f"{number} 漢\n")
        assert [f"number-{number}"] == [each["window_title"] for each in await desk("list_root_windows")]
    used = [(await desk.box.sandbox.usage()).memory for desk in desks]
    assert max(used) < 400 << 20
    print("MiB for each desktop with a terminal:", [memory >> 20 for memory in used])


async def test_whoever_pastes_what_a_program_had_that_has_ended_is_not_held_up(desk: Any) -> None:
    owner = await desk.terminal("sh -c 'printf copied; cat'", "-b 0 -fn 6x13")
    x, y = owner["absolute_upper_left_x"] + 3, owner["absolute_upper_left_y"] + 5
    await desk("click_mouse", x=x, y=y, button="double_left")
    await desk.terminal("sh -c 'stty -icanon; cat > /tmp/pasted'", "-geometry 40x10+700+500")
    await desk("press_keys", keys=["Shift", "Insert"])
    assert "copied" == await desk.reads("/tmp/pasted", "copied")
    await desk("stop_app_by_pid", pid=owner["pid"])
    await desk("press_keys", keys=["Shift", "Insert"])
    await desk("input_text", text=" no more")

    async def typed() -> bool:  # some programs leave what was copied with the X server
        return " no more" in await desk.sh("cat /tmp/pasted")

    assert await until(typed, 10, 0.05)
