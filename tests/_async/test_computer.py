"""The desktop: what is refused before any request, and what tools may answer. The requests are in `test_tools`."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

import pytest

from agentbay import (
    AgentBayError,
    APIResponseError,
    AsyncSession,
    InstalledApp,
    MouseButton,
    NotFoundError,
    Process,
    ScreenshotMode,
    ToolError,
    Window,
)
from tests.gateway import GONE, SESSION_ID, Gateway, Said

Call = Callable[[AsyncSession], Any]

# --- What is refused --------------------------------------------------------------------------------------------------

VALUES: dict[str, tuple[Call, str]] = {
    "a negative place": (
        lambda session: session.computer.click_mouse(-1, 0),
        "x must be a whole number of pixels from 0 to 65535, not -1",
    ),
    "a place off every screen": (
        lambda session: session.computer.move_mouse(0, 65536),
        "y must be a whole number of pixels from 0 to 65535, not 65536",
    ),
    "an unknown button": (
        lambda session: session.computer.click_mouse(0, 0, "fourth"),
        "Invalid button 'fourth'. Must be one of ['left', 'right', 'middle', 'double_left']",
    ),
    "a button that cannot be held": (
        lambda session: session.computer.drag_mouse(0, 0, 1, 1, MouseButton.DOUBLE_LEFT),
        "Invalid button 'double_left'. Must be one of ['left', 'right', 'middle']",
    ),
    "an unknown direction": (
        lambda session: session.computer.scroll(0, 0, "in"),
        "Invalid direction 'in'. Must be one of ['up', 'down', 'left', 'right']",
    ),
    "no steps of the wheel": (
        lambda session: session.computer.scroll(0, 0, "up", 0),
        "amount must be a whole number from 1 to 65535, not 0",
    ),
    "no keys": (
        lambda session: session.computer.press_keys([]),
        "keys must be a list of at least one key name, such as ['Ctrl', 'c'], not an empty one",
    ),
    "no time": (
        lambda session: session.computer.list_root_windows(0),
        "timeout_ms must be above 0 milliseconds, not 0",
    ),
    "too much time": (
        lambda session: session.computer.list_root_windows(600_001),
        "timeout_ms must be a whole number of milliseconds from 1 to 600000, not 600001",
    ),
    "a window below all": (
        lambda session: session.computer.close_window(-1),
        "window_id must be a whole number from 0 to 9223372036854775807, not -1",
    ),
    "a size of nothing": (
        lambda session: session.computer.resize_window(7, 800, 0),
        "height must be a whole number of pixels from 1 to 65535, not 0",
    ),
    "an app without a command": (lambda session: session.computer.start_app(" "), "start_cmd must not be empty"),
    "no process name": (lambda session: session.computer.stop_app_by_pname(""), "pname must not be empty"),
    "no process id": (
        lambda session: session.computer.stop_app_by_pid(0),
        "pid must be a whole number from 1 to 9223372036854775807, not 0",
    ),
    "no stop command": (lambda session: session.computer.stop_app_by_cmd(""), "stop_cmd must not be empty"),
    "a picture of another kind": (
        lambda session: session.computer.beta_take_screenshot("gif"),
        "Invalid format: must be 'png', 'jpeg', or 'jpg', not 'gif'",
    ),
}

KINDS: dict[str, tuple[Call, str]] = {
    "half a pixel": (lambda session: session.computer.move_mouse(0.5, 0), "x must be a whole number, not 0.5"),
    "a place that is no number": (
        lambda session: session.computer.move_mouse("7", 0),
        "x must be a whole number, not a str",
    ),
    "a place that is a truth": (
        lambda session: session.computer.move_mouse(True, 0),
        "x must be a whole number, not True",
    ),
    "an endless place": (
        lambda session: session.computer.move_mouse(float("inf"), 0),
        "x must be a whole number, not inf",
    ),
    "a place to drag to": (
        lambda session: session.computer.drag_mouse(0, 0, 0, None),
        "to_y must be a whole number, not None",
    ),
    "a direction by number": (
        lambda session: session.computer.scroll(0, 0, 7),
        "direction must be a ScrollDirection or a str, not 7",
    ),
    "keys in one text": (lambda session: session.computer.press_keys("Ctrl"), "keys must be a list of str, not a str"),
    "a key that is no text": (
        lambda session: session.computer.release_keys([7]),
        "keys must be a list of str, but item 0 is 7",
    ),
    "text that is none": (lambda session: session.computer.input_text(7), "text must be a str, not 7"),
    "a window that is no number": (
        lambda session: session.computer.close_window("x"),
        "window_id must be a whole number, not a str",
    ),
    "a place to work that is no text": (
        lambda session: session.computer.start_app("x", 7),
        "work_directory must be a str, not 7",
    ),
    "a truth in words": (lambda session: session.computer.focus_mode("yes"), "on must be True or False, not a str"),
    "half a truth": (lambda session: session.computer.press_keys(["a"], 2), "hold must be True or False, not 2"),
    "apps of no kind": (
        lambda session: session.computer.get_installed_apps(None),
        "start_menu must be True or False, not None",
    ),
    "a picture of no kind": (
        lambda session: session.computer.beta_take_screenshot(None),
        "format must be a str, not None",
    ),
}


@pytest.mark.parametrize(("call", "message"), VALUES.values(), ids=list(VALUES))
async def test_a_wrong_value_is_refused_before_any_request(
    session: AsyncSession, gateway: Gateway, call: Call, message: str
) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        await call(session)
    assert gateway.names == []


@pytest.mark.parametrize(("call", "message"), KINDS.values(), ids=list(KINDS))
async def test_a_value_of_a_wrong_kind_is_refused_before_any_request(
    session: AsyncSession, gateway: Gateway, call: Call, message: str
) -> None:
    with pytest.raises(TypeError, match=f"^{re.escape(message)}$"):
        await call(session)
    assert gateway.names == []


async def test_whole_numbers_may_be_of_any_type(either: AsyncSession, gateway: Gateway) -> None:
    class Index:
        def __index__(self) -> int:
            return 4

    gateway.on("move_mouse", Said("True"))

    (await either.computer.move_mouse(1024 / 2, Index())).unwrap()

    assert gateway.requests[0].args == {"x": 512, "y": 4}


async def test_a_session_has_one_desktop(session: AsyncSession) -> None:
    assert session.computer is session.computer
    assert session.computer.session is session


def test_there_is_one_mode_of_screenshots() -> None:
    assert list(ScreenshotMode) == ["normal"]


# --- What tools answer ------------------------------------------------------------------------------------------------


async def test_a_tool_that_fails_is_a_failed_result(either: AsyncSession, gateway: Gateway) -> None:
    gateway.on("click_mouse", Said("Execution failed. Error code:-32602", failed=True))

    result = await either.computer.click_mouse(1, 2)

    assert (result.success, result.data, result.error_message) == (False, None, "Execution failed. Error code:-32602")
    assert type(result.error) is ToolError
    assert (result.error.action, result.error.session_id) == ("click_mouse", SESSION_ID)


FALLBACKS: dict[str, tuple[Call, str]] = {
    "list_root_windows": (lambda session: session.computer.list_root_windows(), "Failed to list root windows"),
    "get_active_window": (lambda session: session.computer.get_active_window(), "Failed to get active window"),
    "get_cursor_position": (lambda session: session.computer.get_cursor_position(), "Failed to get cursor position"),
    "get_screen_size": (lambda session: session.computer.get_screen_size(), "Failed to get screen size"),
    "get_installed_apps": (lambda session: session.computer.get_installed_apps(), "Failed to get installed apps"),
    "stop_app_by_pid": (lambda session: session.computer.stop_app_by_pid(7), "Failed to stop the app"),
    "system_screenshot": (lambda session: session.computer.screenshot(), "Failed to get screenshot"),
}


@pytest.mark.parametrize(("tool", "call", "message"), [(tool, *row) for tool, row in FALLBACKS.items()])
async def test_a_tool_that_fails_without_a_word_has_a_message_all_the_same(
    session: AsyncSession, gateway: Gateway, tool: str, call: Call, message: str
) -> None:
    gateway.on(tool, Said("", failed=True))

    result = await call(session)

    assert (result.success, result.error_message) == (False, message)
    with pytest.raises(ToolError, match=message):
        result.unwrap()


@pytest.mark.parametrize(("tool", "call"), [(tool, row[0]) for tool, row in FALLBACKS.items()])
async def test_a_session_that_is_gone_is_a_failed_result(
    session: AsyncSession, gateway: Gateway, tool: str, call: Call
) -> None:
    gateway.on(tool, GONE)

    result = await call(session)

    assert (result.success, result.code) == (False, "InvalidMcpSession.NotFound")
    assert type(result.error) is NotFoundError


UNREADABLE: dict[str, tuple[Call, str, str, str]] = {
    "windows": (
        lambda session: session.computer.list_root_windows(),
        "list_root_windows",
        "{}",
        "Failed to parse windows JSON: expected an array, not dict",
    ),
    "windows, no JSON": (
        lambda session: session.computer.list_root_windows(),
        "list_root_windows",
        "oops",
        "Failed to parse windows JSON: Expecting value",
    ),
    "window": (
        lambda session: session.computer.get_active_window(),
        "get_active_window",
        "[]",
        "Failed to parse window JSON: expected an object, not list",
    ),
    "window without an id": (
        lambda session: session.computer.get_active_window(),
        "get_active_window",
        '{"window_title": "x"}',
        "Failed to parse window JSON: the window has no window_id",
    ),
    "screen size": (
        lambda session: session.computer.get_screen_size(),
        "get_screen_size",
        "7",
        "Failed to parse screen size JSON: expected an object, not int",
    ),
    "apps": (
        lambda session: session.computer.get_installed_apps(),
        "get_installed_apps",
        "null",
        "Failed to parse applications JSON: expected an array, not NoneType",
    ),
    "processes": (
        lambda session: session.computer.list_visible_apps(),
        "list_visible_apps",
        "",
        "Failed to parse processes JSON: Expecting value",
    ),
    "endless nesting": (
        lambda session: session.computer.list_visible_apps(),
        "list_visible_apps",
        "[" * 100_000,
        "Failed to parse processes JSON: ",
    ),
}


@pytest.mark.parametrize(("call", "tool", "text", "message"), UNREADABLE.values(), ids=list(UNREADABLE))
async def test_an_answer_that_cannot_be_read_is_a_failed_result(
    either: AsyncSession, gateway: Gateway, call: Call, tool: str, text: str, message: str
) -> None:
    gateway.on(tool, Said(text))

    result = await call(either)

    assert (result.success, result.error_message[: len(message)]) == (False, message)
    assert (type(result.error), result.error.action) == (ToolError, tool)
    assert result.request_id != ""


async def test_a_window_has_what_the_tool_told_of_it(either: AsyncSession, gateway: Gateway) -> None:
    child = {"window_id": 8.0, "window_title": None, "width": True, "pid": "7", "child_windows": "none"}
    told = [{"window_id": 7, "window_title": "A", "child_windows": [child, {}, 1]}, {"window_title": "no id"}, "noise"]
    gateway.on("list_root_windows", Said(json.dumps(told)))

    result = await either.computer.list_root_windows()

    assert result.windows == [Window(7, "A", child_windows=[Window(8, "")])]


async def test_what_an_app_lacks_is_none(either: AsyncSession, gateway: Gateway) -> None:
    gateway.on("get_installed_apps", Said('[{"name": "A", "start_cmd": "a %u"}, {"name": 7}, null]'))
    gateway.on("start_app", Said('[{"pname": "a", "pid": 9}, {"cmdline": "b"}, 7]'))

    apps = (await either.computer.get_installed_apps()).data
    started = (await either.computer.start_app("a")).data

    assert apps == [InstalledApp("A", "a %u"), InstalledApp("", "")]
    assert started == [Process("a", 9), Process("", 0, "b")]


# --- Screenshots ------------------------------------------------------------------------------------------------------


async def test_a_url_is_not_for_sessions_with_a_direct_link(direct: AsyncSession, gateway: Gateway) -> None:
    text = "This cloud environment does not support `screenshot()`. Please use `beta_take_screenshot()` instead."

    result = await direct.computer.screenshot()

    assert (result.success, result.data, result.error_message) == (False, None, text)
    assert gateway.names == []


async def test_bytes_are_not_for_sessions_without_a_direct_link(session: AsyncSession, gateway: Gateway) -> None:
    text = "does not support `beta_take_screenshot\\(\\)`. Please use `screenshot\\(\\)` instead."

    with pytest.raises(AgentBayError, match=text) as caught:
        await session.computer.beta_take_screenshot()

    assert (caught.value.session_id, gateway.names) == (SESSION_ID, [])


async def test_a_screenshot_tool_that_fails_raises(direct: AsyncSession, gateway: Gateway) -> None:
    gateway.on("screenshot", Said("no screen", failed=True), Said("", failed=True), GONE)

    with pytest.raises(ToolError, match="Failed to take screenshot via MCP tool 'screenshot': no screen"):
        await direct.computer.beta_take_screenshot()
    with pytest.raises(ToolError, match="Failed to take screenshot via MCP tool 'screenshot': the tool gave no reason"):
        await direct.computer.beta_take_screenshot()
    with pytest.raises(NotFoundError, match="is not found"):
        await direct.computer.beta_take_screenshot()


PNG = "iVBORw0KGgo="
GOOD = {"type": "image", "mime_type": "image/png", "width": 2, "height": 1, "data": PNG}
PICTURES: dict[str, tuple[str, str]] = {
    "nothing": (" ", "Screenshot tool returned empty data"),
    "base64 alone": (PNG, "Screenshot tool returned non-JSON data"),
    "half of it": (json.dumps(GOOD)[:-1], "Invalid screenshot JSON: "),
    "no data": (json.dumps(GOOD | {"data": None}), "Screenshot JSON missing base64 field"),
    "empty data": (json.dumps(GOOD | {"data": ""}), "Screenshot JSON missing base64 field"),
    "no base64": (json.dumps(GOOD | {"data": "iVBO Rw0K"}), "Invalid screenshot base64: "),
    "no ASCII": (json.dumps(GOOD | {"data": "é" * 4}), "Invalid screenshot base64: "),
    "another file": (json.dumps(GOOD | {"data": "/9j/4AAQ"}), "Screenshot data does not match expected format 'png'"),
    "another kind": (json.dumps(GOOD | {"mime_type": "image/jpeg"}), "does not match expected format 'png': it says"),
    "no kind": (json.dumps(GOOD | {"mime_type": ""}), "expected non-empty string 'mime_type'"),
    "no type": (json.dumps(GOOD | {"type": 7}), "expected non-empty string 'type'"),
    "a width that is none": (json.dumps(GOOD | {"width": "2"}), "expected integer 'width'"),
    "half a pixel": (json.dumps(GOOD | {"height": 0.5}), "expected integer 'height'"),
    "endless nesting": ('{"a":' * 100_000, "Invalid screenshot JSON: "),
}


@pytest.mark.parametrize(("text", "message"), PICTURES.values(), ids=list(PICTURES))
async def test_what_is_no_picture_of_this_format_raises(
    direct: AsyncSession, gateway: Gateway, text: str, message: str
) -> None:
    gateway.on("screenshot", Said(text))

    with pytest.raises(APIResponseError, match=message) as caught:
        await direct.computer.beta_take_screenshot()

    assert (caught.value.action, caught.value.session_id) == ("screenshot", SESSION_ID)


async def test_a_picture_is_not_shown_in_logs(direct: AsyncSession, gateway: Gateway) -> None:
    gateway.on("screenshot", Said(json.dumps(GOOD)))

    result = await direct.computer.beta_take_screenshot()

    assert (result.data, result.width, result.height) == (b"\x89PNG\r\n\x1a\n", 2, 1)
    assert "PNG" not in repr(result)
