"""A desktop through the whole SDK, on a running server."""

from __future__ import annotations

import asyncio
import urllib.error
import urllib.request
from collections.abc import AsyncIterator
from typing import Any

import pytest

from agentbay import AsyncAgentBay, AsyncSession, CreateSessionParams
from agentbay_local.desktop.patience import until
from tests.local.conftest import Served


@pytest.fixture
async def session(runtime: Served, programs: None) -> AsyncIterator[AsyncSession]:
    async with AsyncAgentBay(api_key=runtime.key, endpoint=runtime.endpoint) as client:
        made = (await client.create(CreateSessionParams(image_id="linux_latest"))).unwrap().session
        assert made is not None
        yield made
        await client.delete(made)


async def fetched(url: str) -> tuple[int, str, bytes]:
    def fetch() -> tuple[int, str, bytes]:
        try:
            with urllib.request.urlopen(url, timeout=20) as answer:
                return answer.status, answer.headers["Content-Type"], answer.read()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, "", b""

    return await asyncio.to_thread(fetch)


async def window_of(session: AsyncSession) -> Any:
    found: list[Any] = []

    async def there() -> bool:
        found[:] = (await session.computer.list_root_windows()).unwrap().windows
        return bool(found)

    assert await until(there, 10, 0.05)
    return found[0]


async def test_every_method_of_a_computer_works_on_a_real_desktop(session: AsyncSession) -> None:
    desk = session.computer
    assert {"width": 1280, "height": 800, "dpiScalingFactor": 1.0} == (await desk.get_screen_size()).unwrap().data
    started = (await desk.start_app("xterm -bg red -b 0 -e sh -c 'cat > /tmp/typed'")).unwrap().data
    assert "xterm" in [each.pname for each in started]
    window = await window_of(session)
    number, pid = window.window_id, window.pid
    for result in (
        await desk.activate_window(number),
        await desk.focus_mode(True),
        await desk.focus_mode(False),
        await desk.move_mouse(640, 400),
        await desk.click_mouse(window.absolute_upper_left_x + 5, window.absolute_upper_left_y + 5),
        await desk.drag_mouse(10, 10, 20, 20, "right"),
        await desk.press_keys(["Escape"]),
        await desk.scroll(640, 400, "down", 2),
        await desk.activate_window(number),
        await desk.input_text("Ω 漢字 😀"),
        await desk.press_keys(["Shift"], hold=True),
        await desk.press_keys(["a"]),
        await desk.release_keys(["Shift"]),
        await desk.press_keys(["Enter"]),
        await desk.maximize_window(number),
        await desk.restore_window(number),
        await desk.minimize_window(number),
        await desk.restore_window(number),
        await desk.resize_window(number, 500, 300),
        await desk.fullscreen_window(number),
    ):
        assert result.unwrap().success
    assert '{"x": 640, "y": 400}' == (await desk.get_cursor_position()).unwrap().data
    active = (await desk.get_active_window()).unwrap().window
    assert active is not None
    assert (number, 1280, 800, "xterm") == (active.window_id, active.width, active.height, active.pname)
    for kind in ("png", "jpeg"):
        picture = await desk.beta_take_screenshot(kind)
        assert (1280, 800, f"image/{kind}") == (picture.width, picture.height, picture.mime_type)
    assert [pid] == [each.pid for each in (await desk.list_visible_apps()).unwrap().data]
    (await desk.get_installed_apps()).unwrap()
    read = await session.command.execute_command("cat /tmp/typed; echo $DISPLAY")
    assert "Ω 漢字 😀A\n:0\n" == read.output
    (await desk.close_window(number)).unwrap()
    assert [] == (await desk.list_root_windows()).unwrap().windows


@pytest.mark.parametrize("way", ["name", "id", "command"])
async def test_programs_are_stopped_by_name_id_or_command(session: AsyncSession, way: str) -> None:
    desk = session.computer
    await desk.start_app("xterm -e cat")
    pid = (await window_of(session)).pid
    stop = {"name": desk.stop_app_by_pname("xterm"), "id": desk.stop_app_by_pid(pid)}
    stopped = await stop.pop(way, None) if way in stop else await desk.stop_app_by_cmd(f"kill {pid}")  # type: ignore[misc]
    for left in stop.values():
        left.close()
    assert stopped.unwrap().success
    assert [] == (await desk.list_visible_apps()).unwrap().data
    assert not (await desk.stop_app_by_pname("xterm")).success


async def test_a_picture_s_address_serves_it_to_anybody_who_has_it(session: AsyncSession, runtime: Served) -> None:
    url = (await session.call_mcp_tool("system_screenshot", {})).unwrap().data
    assert url.startswith(f"{runtime.endpoint}/screenshot/")
    status, kind, data = await fetched(url)
    assert (200, "image/png", b"\x89PNG") == (status, kind, data[:4])
    assert (404, "", b"") == await fetched(f"{runtime.endpoint}/screenshot/no-such-picture.png")


async def test_a_desktop_sleeps_and_wakes_with_its_session(session: AsyncSession) -> None:
    await session.computer.start_app("xterm -e cat")
    before = await window_of(session)
    (await session.beta_pause()).unwrap()
    assert not (await session.computer.get_screen_size()).success
    (await session.beta_resume()).unwrap()
    assert before == await window_of(session)


async def test_what_a_desktop_refuses_is_a_result_that_says_why(session: AsyncSession) -> None:
    refused = await session.computer.click_mouse(5000, 10)
    assert not refused.success
    assert "x must be from 0 to 1279 (the screen is 1280 x 800 pixels), got 5000" in refused.error_message
    assert not (await session.computer.get_active_window()).success
