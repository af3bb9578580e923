"""Programs: which are installed, and how they start and stop."""

from __future__ import annotations

import os
from typing import Any

import pytest

from agentbay_local.desktop.patience import until

pytestmark = pytest.mark.asyncio(loop_scope="session")

ENTRY = "[Desktop Entry]\nType=Application\nName={name}\nExec={command}\n{more}"


async def install(desk: Any, folder: str, name: str, command: str, more: str = "") -> None:
    content = ENTRY.format(name=name, command=command, more=more)
    await desk.sh(f"mkdir -p {folder}")
    fd = await desk.box.sandbox.open(f"{folder}/{name}.desktop", 0o101)
    os.write(fd, content.encode())
    os.close(fd)


async def names(desk: Any, **args: Any) -> set[str]:
    return {each["name"] for each in await desk("get_installed_apps", **args)}


async def test_installed_programs_are_those_of_desktop_entries(desk: Any) -> None:
    folder = "/home/wuying/.local/share/applications"
    await install(desk, folder, "Editor", "/usr/bin/my-editor --new %U", "Path=/tmp\n[Other]\nName=No\n")
    await install(desk, folder, "Hidden", "hidden", "Hidden=true")
    await install(desk, folder, "Silent", "silent", "NoDisplay=true")
    await install(desk, folder, "Options", "options", "Categories=Settings;")
    await install(desk, folder, "Gone", "gone", "TryExec=/usr/bin/no-such-program")
    await install(desk, "/home/wuying/Desktop", "Icon", "icon")
    own = {"Editor", "Hidden", "Silent", "Options", "Gone", "Icon"}
    assert {"Editor"} == await names(desk) & own
    assert {"Editor", "Icon"} == await names(desk, desktop=True) & own
    assert {"Icon"} == await names(desk, start_menu=False, desktop=True)
    assert {"Editor", "Silent", "Options"} == await names(desk, ignore_system_app=False) & own
    assert {"Editor", "Silent", "Options"} == await names(desk, ignore_system_apps=False) & own
    [editor] = [each for each in await desk("get_installed_apps") if each["name"] == "Editor"]
    assert ("/usr/bin/my-editor --new %U", "/tmp") == (editor["start_cmd"], editor["work_directory"])
    assert editor["stop_cmd"] in ("pkill -x my-editor", "")


async def test_a_program_starts_where_and_as_it_is_told(desk: Any) -> None:
    await desk.sh("mkdir -p /tmp/work")
    await desk("set_env", envs=[{"key": "GREETING", "value": "hello"}])
    command = "xterm -e sh -c 'echo $PWD $GREETING $DISPLAY > /tmp/said; cat' %U"
    [terminal, *_] = await desk("start_app", start_cmd=command, work_directory="/tmp/work")
    assert "xterm" == terminal["pname"]
    assert "/tmp/work hello :0\n" == await desk.reads("/tmp/said", "/tmp/work hello :0\n")
    assert [terminal["pid"]] == [each["pid"] for each in await desk("list_visible_apps")]


async def test_a_command_line_may_be_more_than_one_program(desk: Any) -> None:
    started = await desk("start_app", start_cmd="echo begun > /tmp/said; A=b xterm -e cat & sleep 60")
    assert {"xterm", "sleep"} <= {each["pname"] for each in started}
    assert ["xterm"] == [each["pname"] for each in await desk("list_visible_apps")]
    assert "begun\n" == await desk.sh("cat /tmp/said")


async def test_a_program_that_says_much_is_not_held_up(desk: Any) -> None:
    await desk("start_app", start_cmd="sh -c 'head -c 5000000 /dev/zero | tr \\\\0 x; echo done > /tmp/said'")
    assert "done\n" == await desk.reads("/tmp/said", "done\n")


async def test_commands_find_the_desktop_once_it_runs(desk: Any) -> None:
    assert "" == await desk.sh("printf %s $DISPLAY")
    await desk("get_screen_size")
    assert ":0" == await desk.sh("printf %s $DISPLAY")


@pytest.mark.parametrize(
    ("tool", "key"), [("stop_app_by_pname", "pname"), ("stop_app_by_pid", "pid"), ("stop_app_by_cmd", "stop_cmd")]
)
async def test_a_program_is_stopped_and_its_window_gone(desk: Any, tool: str, key: str) -> None:
    await desk.terminal("cat")
    [app] = await desk("list_visible_apps")
    await desk(tool, **{key: app.get(key, f"kill {app['pid']}")})

    async def gone() -> bool:
        return [] == await desk("list_visible_apps")

    assert await until(gone, 10, 0.05)


@pytest.mark.slow
async def test_a_program_that_ignores_the_request_is_ended_all_the_same(desk: Any) -> None:
    await desk("start_app", start_cmd="sh -c 'trap \"\" TERM; while :; do sleep 0.1; done'")
    [pid] = (await desk.sh("pgrep -f '^sh -c trap'")).split()
    await desk("stop_app_by_pid", pid=int(pid))
    assert "" == await desk.sh("pgrep -f '^sh -c trap'")


@pytest.mark.parametrize(
    ("tool", "args", "why"),
    [
        ("start_app", {"start_cmd": "no-such-program"}, "'no-such-program' ended at once with exit code 127: "),
        ("start_app", {"start_cmd": "sh -c 'echo oh dear >&2; exit 3'"}, "ended at once with exit code 3: oh dear"),
        ("start_app", {"start_cmd": " "}, "start_cmd must be a command line of at most 100000 characters"),
        ("start_app", {"start_cmd": "a\0"}, "start_cmd must be a command line"),
        ("start_app", {"start_cmd": "true", "work_directory": "/none"}, "/none, error: No such file or directory"),
        ("start_app", {}, "start_cmd is required"),
        ("stop_app_by_pname", {"pname": "nobody"}, "No process is named 'nobody'"),
        ("stop_app_by_pid", {"pid": 1}, "There is no process with the id 1"),
        ("stop_app_by_pid", {"pid": -1}, "There is no process with the id -1"),
        ("stop_app_by_cmd", {"stop_cmd": "echo why >&2; exit 4"}, "ended with exit code 4: why"),
        ("stop_app_by_cmd", {"stop_cmd": ""}, "stop_cmd must be a command line"),
    ],
)
async def test_programs_that_cannot_start_or_stop_are_told(
    shared: Any, tool: str, args: dict[str, Any], why: str
) -> None:
    assert why in await shared.refused(tool, **args)
