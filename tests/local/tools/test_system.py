"""Variables, metrics, code, and what all tools have in common."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any

import pytest

from agentbay_local.sandbox.bwrap import environment
from agentbay_local.service.images import FAMILIES
from agentbay_local.tools import Box, Outcome, call, tool_list

pytestmark = pytest.mark.asyncio(loop_scope="session")

SHOW = "import os; print(os.environ.get('A'), os.environ.get('B'))"
FILES = (
    "create_directory", "delete_file", "edit_file", "get_file_change", "get_file_info", "list_directory",
    "move_file", "read_file", "read_multiple_files", "search_files", "write_file",
)  # fmt: skip
BUCKETS = ("oss_download", "oss_download_annon", "oss_env_init", "oss_upload", "oss_upload_annon")
BROWSERS = ("browser_", "page_use_", "stopChrome")
EVERYWHERE = ("get_env", "set_env", "shell")
SCREENS = ("screenshot", "system_screenshot")
APPS = ("get_installed_apps", "input_text", "start_app", "stop_app_by_cmd")
DESKTOP = (
    "activate_window", "click_mouse", "close_window", "drag_mouse", "focus_mode", "fullscreen_window",
    "get_active_window", "get_cursor_position", "get_screen_size", "list_root_windows", "list_visible_apps",
    "maximize_window", "minimize_window", "move_mouse", "press_keys", "release_keys", "resize_window",
    "restore_window", "scroll", "stop_app_by_pid", "stop_app_by_pname",
)  # fmt: skip


async def code(tools: Any, text: str, language: str = "python", **args: Any) -> dict[str, Any]:
    return dict(json.loads(await tools("run_code", code=text, language=language, **args)))


# ---- variables


async def test_session_variables_reach_later_commands_and_those_of_the_call_win(tools: Any) -> None:
    await tools("set_env", envs=[{"key": "A", "value": "ü 1"}, {"key": "B", "value": ""}])
    await tools("set_env", envs=[{"key": "C", "value": "3"}])
    assert "[ü 1][][3]\n" == await tools.sh('echo "[$A][$B][$C]"')
    answer = json.loads(await tools("shell", command="echo $A$C", timeout_ms=9000, envs={"A": "own"}))
    assert "own3\n" == answer["stdout"]


async def test_session_variables_reach_code_that_runs_before_and_after(coding: Any) -> None:
    await coding("set_env", envs=[{"key": "A", "value": "1"}])
    assert ["1 None\n"] == (await code(coding, SHOW))["logs"]["stdout"]
    await coding("set_env", envs=[{"key": "A", "value": "2"}, {"key": "B", "value": "3"}])
    assert ["2 3\n"] == (await code(coding, SHOW))["logs"]["stdout"]


async def test_variables_are_read_back_all_or_by_name(tools: Any) -> None:
    await tools("set_env", envs=[{"key": "A", "value": "1"}, {"key": "HOME", "value": "/tmp"}])
    assert {"A": "1", "HOME": "/tmp"} == json.loads(await tools("get_env", keys=["A", "HOME", "NONE"]))
    assert {**environment(), "A": "1", "HOME": "/tmp"} == json.loads(await tools("get_env"))
    assert {**environment(), "A": "1", "HOME": "/tmp"} == json.loads(await tools("get_env", keys=[]))


@pytest.mark.parametrize(
    ("envs", "why"),
    [
        ([{"key": "", "value": "1"}], "Invalid environment variable name: ''"),
        ([{"key": "A=B", "value": "1"}], "Invalid environment variable name: 'A=B'"),
        ([{"key": "A\0", "value": "1"}], "Invalid environment variable name"),
        ([{"key": "A", "value": "\0"}], "Invalid value of environment variable A"),
        ([{"key": "A", "value": "x" * 130_000}], "Environment variable A is too long: at most 117.2 KiB"),
        ([{"key": f"A{n}", "value": "x" * 110_000} for n in range(10)], "too long together: at most 1 MiB"),
        ([{"key": "A", "value": 1}], "envs item 0 has a value that must be a string, got a number"),
        ([{"key": "A"}], "envs item 0 has no value"),
        ({"A": "1"}, "envs must be an array, got an object"),
        (None, "envs is required"),
    ],
)
async def test_variables_that_no_program_could_take_are_refused(tools: Any, envs: Any, why: str) -> None:
    assert why in await tools.refused("set_env", envs=envs)
    assert environment() == json.loads(await tools("get_env"))


async def test_as_many_variables_as_are_allowed_still_let_programs_start(tools: Any) -> None:
    await tools("set_env", envs=[{"key": f"A{number}", "value": "x" * 100_000} for number in range(10)])
    assert "100000\n" == await tools.sh("printf %s $A9 | wc -c")


# ---- metrics


async def test_metrics_tell_what_the_session_uses(tools: Any) -> None:
    await tools.sh("head -c 5M /dev/zero > f; timeout 0.3 sh -c 'while :; do :; done' || true")
    metrics = json.loads(await tools("get_metrics"))
    assert datetime.fromisoformat(metrics.pop("timestamp")).tzinfo is not None
    assert 5 << 20 <= metrics.pop("disk_used") < metrics["disk_total"]
    assert 0 < metrics.pop("mem_used") < metrics["mem_total"]
    assert 0 < metrics.pop("cpu_used_pct") <= 100
    network = dict.fromkeys(("rx_rate_kbyte_per_s", "tx_rate_kbyte_per_s", "rx_used_kbyte", "tx_used_kbyte"), 0.0)
    sizes = {"mem_total": 2 << 30, "disk_total": 160 << 20}
    assert {"cpu_count": len(os.sched_getaffinity(0)), **sizes, **network} == metrics


# ---- code


async def test_code_runs_with_its_variables_kept(coding: Any) -> None:
    await code(coding, "x = 20")
    answer = await code(coding, "print('hi'); x + 22")
    assert ({"stdout": ["hi\n"], "stderr": []}, None, False) == (answer["logs"], answer["error"], answer["isError"])
    assert [{"text": "42", "is_main_result": True}] == answer["results"]


async def test_code_and_commands_share_the_workspace(coding: Any) -> None:
    await code(coding, "open('made.txt', 'w').write('by code')")
    assert "by code" == await coding("read_file", path="/workspace/made.txt")
    assert "by code" == await coding.sh("cat made.txt")


async def test_an_error_of_the_code_is_part_of_the_answer(coding: Any) -> None:
    error = (await code(coding, "1/0"))["error"]
    assert error.pop("traceback").endswith("\nZeroDivisionError: division by zero")
    assert {"name": "ZeroDivisionError", "value": "division by zero"} == error


async def test_code_that_takes_too_long_is_stopped(coding: Any) -> None:
    error = (await code(coding, "while True: pass", timeout_s=1))["error"]
    said = "the code was stopped after its limit of 1 s; its variables were kept"
    assert {"name": "TimeoutError", "value": said, "traceback": ""} == error


@pytest.mark.parametrize("language", ["cobol", ""])
async def test_a_language_that_is_not_served_is_refused_with_those_that_are(coding: Any, language: str) -> None:
    said = await coding.refused("run_code", code="1", language=language)
    assert f"Unsupported language: {language}. This runtime runs 'python', 'javascript', 'bash', " in said


@pytest.mark.parametrize("limit", [0, -1, 86_401])
async def test_a_time_limit_for_code_out_of_range_is_refused(coding: Any, limit: int) -> None:
    said = await coding.refused("run_code", code="1", language="python", timeout_s=limit)
    assert f"timeout_s must be from 1 to 86400, got {limit}" in said


async def test_an_interpreter_started_ahead_runs_the_first_code(coding: Any) -> None:
    await coding.box.prestart()
    assert 1 == (await code(coding, "1"))["execution_count"]


async def test_a_sandbox_that_ends_while_code_runs_says_that_the_session_has_expired(coding: Any) -> None:
    running = "open('begun', 'w').close()\nwhile True: pass"
    late = asyncio.ensure_future(coding.refused("run_code", code=running, language="python"))
    await coding.sh("until [ -e begun ]; do sleep 0.01; done")
    await coding.box.close()
    assert "The session has expired" in await late
    assert "The session has expired" in await coding.refused("run_code", code="1", language="python")


async def test_a_box_closes_while_its_interpreter_starts_and_after_its_sandbox_has_ended(
    new_box: Callable[..., Awaitable[Box]],
) -> None:
    starting, ended = await new_box("code_latest"), await new_box("code_latest")
    start = asyncio.ensure_future(starting.prestart())
    await ended.prestart()
    await ended.sandbox.close()
    await asyncio.gather(starting.close(), ended.close())
    await start
    assert (True, True) == (starting.sandbox.closed.is_set(), ended.sandbox.closed.is_set())


# ---- all tools


async def test_the_page_of_a_session_is_told_where_it_has_one(tools: Any) -> None:
    wanted = "Execution failed. Error code:-32602 Error message: This session has no page."
    assert wanted == await tools.refused("get_resource")
    tools.box.page = "http://127.0.0.1:1/session/x"
    assert "http://127.0.0.1:1/session/x" == await tools("get_resource")


async def test_a_tool_that_the_image_lacks_is_refused(tools: Any) -> None:
    wanted = "Execution failed. Error code:-32602 Error message: Tool run_code is not offered by image linux_latest"
    assert wanted == await tools.refused("run_code", code="1", language="python")
    assert "Tool no_such_tool is not offered" in await tools.refused("no_such_tool")
    assert (await call(tools.box, ["shell"], {})).is_error


@pytest.mark.parametrize(
    ("image", "more"),
    [
        ("linux_latest", {*FILES, *BUCKETS, *SCREENS, *APPS, *DESKTOP, "get_metrics", "get_resource"}),
        ("code_latest", {*FILES, *BUCKETS, "run_code"}),
        ("mobile_latest", {*SCREENS, *APPS, "get_resource"}),
        ("x", None),
    ],
)
async def test_each_image_offers_its_tools(image: str, more: set[str] | None) -> None:
    wanted = set() if more is None else {*EVERYWHERE, *more}
    shown = {entry["name"] for entry in tool_list(image)}
    assert wanted == {name for name in shown if not name.startswith(BROWSERS)}
    assert any(name.startswith(BROWSERS) for name in shown) == (image == "linux_latest")


async def test_the_browser_image_has_files_and_the_browsers_tools() -> None:
    shown = {entry["name"] for entry in tool_list("browser_latest")}
    assert {*EVERYWHERE, *FILES, *SCREENS, "get_resource"} == {name for name in shown if not name.startswith(BROWSERS)}
    assert {"stopChrome", "browser_click", "page_use_act_async", "page_use_get_act_result"} - shown == set()


async def test_a_tool_is_announced_with_its_server_and_its_arguments() -> None:
    entries = {entry["name"]: entry for entry in tool_list("linux_latest")}
    assert {
        "name": "shell",
        "description": "Runs a command in a fresh shell and answers with its output and exit code.",
        "inputSchema": {
            "type": "object",
            "properties": {
                "command": {"type": "string"},
                "timeout_ms": {"type": "integer", "default": 1000},
                "cwd": {"type": "string"},
                "envs": {"type": "object", "additionalProperties": {"type": "string"}},
            },
            "required": ["command"],
        },
        "server": "wuying_shell",
        "tool": "shell",
    } == entries["shell"]
    edit = {"type": "string"}
    assert {
        "type": "array",
        "items": {
            "type": "object",
            "properties": {"oldText": edit, "newText": edit},
            "required": ["oldText", "newText"],
        },
    } == entries["edit_file"]["inputSchema"]["properties"]["edits"]
    assert {"type": "string", "enum": ["overwrite", "append"], "default": "overwrite"} == entries["write_file"][
        "inputSchema"
    ]["properties"]["mode"]


async def test_every_tool_has_a_description_and_a_server_of_the_service() -> None:
    entries = [entry for image in FAMILIES for entry in tool_list(image)]
    assert all(entry["description"].endswith(".") for entry in entries)
    names = ("shell", "filesystem", "system", "codespace", "oss", "ui", "app", "capture")
    own = {"mcp-server", "playwright", "wuying_cdp_mcp_server", "wuying_browseruse"}
    servers = {*own, *(f"wuying_{name}" for name in names)}
    assert servers == {entry["server"] for entry in entries}


async def test_arguments_that_a_tool_does_not_know_are_passed_over(tools: Any) -> None:
    assert "No entries" == await tools("list_directory", path=".", recursive=True)


@pytest.mark.parametrize("args", [None, [], "path", 5])
async def test_arguments_that_are_no_object_are_refused(tools: Any, args: Any) -> None:
    outcome = await call(tools.box, "list_directory", args)
    assert (outcome.is_error, "Invalid arguments for tool list_directory: they must be an object" in outcome.text) == (
        True,
        True,
    )


async def test_every_tool_survives_arguments_of_every_wrong_type(coding: Any) -> None:
    for entry in tool_list("code_latest"):
        required = entry["inputSchema"]["required"]
        for wrong in (None, 1, 1.5, True, "", "\0", "\ud800", [], [1], [None], {}, {"a": 1}):
            outcome = await call(coding.box, entry["name"], dict.fromkeys(required, wrong))
            assert isinstance(outcome, Outcome)
            outcome.text.encode()


async def test_a_box_closes_twice_and_then_refuses_every_tool(new_box: Callable[..., Awaitable[Box]]) -> None:
    box = await new_box()
    await box.close()
    await box.close()
    for name, args in (("shell", {"command": "true"}), ("read_file", {"path": "a"}), ("get_metrics", {})):
        outcome = await call(box, name, args)
        assert (True, True) == (outcome.is_error, "The session has expired" in outcome.text)
