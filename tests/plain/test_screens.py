"""Keys, places, windows, elements, pictures and a phone's settings: what is read and written, whatever it is."""

from __future__ import annotations

import base64
import json
import subprocess
from collections.abc import Callable
from math import isfinite
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentbay import (
    APIResponseError,
    InstalledApp,
    InstalledAppListResult,
    MobileExtraConfig,
    OperationResult,
    Process,
    ProcessListResult,
    ToolError,
    UIElementListResult,
    Window,
    WindowInfoResult,
    WindowListResult,
)
from agentbay._checked import checked
from agentbay._input import number
from agentbay._keys import normalise_keys
from agentbay._mobile import app_blacklist, app_whitelist, settings_commands, uninstall_blacklist
from agentbay._tools import ToolAnswer
from agentbay.types.computer import operation, screen_size
from agentbay.types.mobile import bounds_rect
from agentbay.types.screenshot import read_screenshot
from tests.catalogue import DATA_PLANE

# --- Keys -------------------------------------------------------------------------------------------------------------

KEYS: dict[str, Any] = DATA_PLANE["key_normalisation"]
NAMES: dict[str, str] = {
    name: key for part in ("modifier", "function", "arrow", "f_key", "special") for name, key in KEYS[part].items()
}


def normal(*keys: Any) -> Any:
    return normalise_keys({"keys": list(keys)})["keys"]


@given(st.lists(st.text() | st.sampled_from(sorted(NAMES)) | st.integers() | st.none()))
def test_keys_that_are_normal_stay_as_they_are(keys: list[Any]) -> None:
    once = normal(*keys)
    assert normal(*once) == once
    assert len(once) == len(keys)


@given(st.text(max_size=3))
def test_a_key_that_is_not_known_is_not_changed(key: str) -> None:
    letter = len(key) == 1 and key.isalpha()
    assert normal(key) == [NAMES.get(key.lower(), key.lower() if letter else key)]


# --- Places -----------------------------------------------------------------------------------------------------------


@checked
def place(x: int) -> int:
    return number("x", x, 0, 100)


@given(st.integers() | st.floats() | st.text() | st.none() | st.booleans() | st.binary())
def test_a_place_is_a_whole_number_in_its_range_or_refused(value: Any) -> None:
    is_number = type(value) in (int, float)
    if is_number and 0 <= value <= 100 and value == int(value):
        assert place(value) == value
        assert type(place(value)) is int
        return
    whole = is_number and isfinite(value) and value == int(value)
    wanted = "x must be a whole number from 0 to 100, not " if whole else "x must be a whole number, not "
    with pytest.raises(ValueError if whole else TypeError, match=wanted):
        place(value)


# --- What tools say ---------------------------------------------------------------------------------------------------

LEAVES = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20)
NAMED = st.sampled_from(
    "window_id window_title width pid pname child_windows children bounds name start_cmd data type mime_type".split()
)
ANYTHING = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(NAMED | st.text(), inner, max_size=6),
    max_leaves=20,
)
TEXTS = ANYTHING.map(json.dumps) | st.text() | ANYTHING.map(lambda value: json.dumps(value)[:-1])


def answer(text: str) -> ToolAnswer:
    return ToolAnswer("r", text, facts={"action": "tool"})


READERS: dict[str, Callable[[ToolAnswer], Any]] = {
    "windows": WindowListResult.of_tool,
    "window": WindowInfoResult.of_tool,
    "apps": InstalledAppListResult.of_tool,
    "processes": ProcessListResult.of_tool,
    "screen size": lambda told: operation(told, "screen size", screen_size),
    "all elements": lambda told: UIElementListResult.whole_screen(told, "json"),
    "clickable elements": UIElementListResult.clickable,
}


@pytest.mark.parametrize("read", READERS.values(), ids=list(READERS))
@given(text=TEXTS)
def test_whatever_a_tool_says_is_a_result(read: Callable[[ToolAnswer], Any], text: str) -> None:
    result = read(answer(text))

    assert result.request_id == ("r" if result.success else "")
    assert result.success is (result.error is None)
    assert result.success or type(result.error) is ToolError


@given(text=TEXTS, format=st.sampled_from(["png", "jpeg"]))
def test_whatever_a_tool_says_is_a_picture_or_an_error_of_ours(text: str, format: str) -> None:
    with pytest.raises(APIResponseError):
        read_screenshot(answer(text), format, "no")


@given(st.binary(), st.integers(0, 9999) | st.none())
def test_a_picture_has_the_bytes_that_were_sent(rest: bytes, width: int | None) -> None:
    data = b"\xff\xd8\xff" + rest
    told = {"type": "image", "mime_type": "image/jpeg", "data": base64.b64encode(data).decode(), "width": width}

    result = read_screenshot(answer(json.dumps(told)), "jpeg", "no")

    assert (result.data, result.width, result.height, result.success) == (data, width, None, True)


NUMBERS = st.none() | st.integers(-(2**31), 2**31)
WINDOWS = st.recursive(
    st.builds(
        Window, st.integers(0, 2**63), st.text(), NUMBERS, NUMBERS, NUMBERS, NUMBERS, NUMBERS, st.none() | st.text()
    ),
    lambda inner: st.builds(Window, st.integers(0), st.text(), child_windows=st.lists(inner, max_size=3)),
    max_leaves=8,
)


def as_told(window: Window) -> dict[str, Any]:
    names = "window_id absolute_upper_left_x absolute_upper_left_y width height pid pname".split()
    told = {name: getattr(window, name) for name in names if getattr(window, name) is not None}
    return told | {"window_title": window.title, "child_windows": [as_told(child) for child in window.child_windows]}


@given(st.lists(WINDOWS, max_size=3))
def test_windows_are_read_as_they_were_told(windows: list[Window]) -> None:
    text = json.dumps([as_told(window) for window in windows])
    assert WindowListResult.of_tool(answer(text)) == WindowListResult("r", success=True, windows=windows)


SOME_TEXT = st.none() | st.text()


@given(
    st.lists(st.builds(InstalledApp, st.text(), st.text(), SOME_TEXT, SOME_TEXT), max_size=3),
    st.lists(st.builds(Process, st.text(), st.integers(0), SOME_TEXT), max_size=3),
)
def test_programs_are_read_as_they_were_told(apps: list[InstalledApp], processes: list[Process]) -> None:
    apps_text = json.dumps(
        [{name: getattr(app, name) for name in InstalledApp.__slots__ if name[0] != "_"} for app in apps]
    )
    processes_text = json.dumps([{"pname": one.pname, "pid": one.pid, "cmdline": one.cmdline} for one in processes])

    assert InstalledAppListResult.of_tool(answer(apps_text)).data == apps
    assert ProcessListResult.of_tool(answer(processes_text)).data == processes


@given(st.tuples(*[st.integers(-(10**6), 10**6)] * 4))
def test_the_sides_of_an_element_may_be_told_in_several_ways(sides: tuple[int, int, int, int]) -> None:
    left, top, right, bottom = sides
    rect = {"left": left, "top": top, "right": right, "bottom": bottom}
    for bounds in (f"{left},{top},{right},{bottom}", f"[{left},{top}][{right},{bottom}]", rect):
        assert bounds_rect(bounds) == rect


ODD = {"left": 0, "top": 0, "right": 1.5, "bottom": True}


@pytest.mark.parametrize("bounds", [None, 7, "", "1,2,3", {}, {"left": 1}, [1, 2, 3, 4], ODD])
def test_sides_that_are_not_told_are_none(bounds: Any) -> None:
    assert bounds_rect(bounds) is None


def test_a_cursor_position_is_handed_on_as_text() -> None:
    assert operation(answer("{oops"), "cursor position") == OperationResult("r", success=True, data="{oops")


# --- A phone's settings -----------------------------------------------------------------------------------------------

PACKAGES = ["com.example.app", "com.x.$(id)", "`id`", "'quoted'", "a\\b"]


@pytest.mark.parametrize(
    ("make", "file"),
    [(app_whitelist, "pm_whitelist.txt"), (app_blacklist, "pm_blacklist.txt"), (uninstall_blacklist, "pm_lock.conf")],
)
def test_a_shell_writes_the_list_as_it_is(make: Callable[[list[str]], str], file: str, tmp_path: Path) -> None:
    command = make(PACKAGES).replace("/data/system/", f"{tmp_path}/")

    done = subprocess.run(
        ["sh", "-c", f'setprop() {{ echo "$@"; }}\n{command}'], capture_output=True, text=True, check=True, timeout=10
    )

    assert (tmp_path / file).read_text().splitlines() == PACKAGES
    assert (tmp_path / file).stat().st_mode & 0o777 == 0o644
    assert (len(done.stdout.splitlines()), done.stderr) == (command.count("setprop"), "")


def test_no_settings_are_no_commands() -> None:
    assert settings_commands(MobileExtraConfig()) == []
