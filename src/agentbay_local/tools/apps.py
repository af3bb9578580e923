"""Programs with windows: which there are, starting and stopping them."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Final

from agentbay_local.desktop import Place, Running
from agentbay_local.tools.arguments import Path
from agentbay_local.tools.box import Box
from agentbay_local.tools.faults import ToolFailure
from agentbay_local.tools.registry import tool
from agentbay_local.tools.screen import DESKTOP, TOUCHED, in_words, screen
from agentbay_local.tools.shell import find_shell

SERVER: Final = "wuying_app"
DONE: Final = "True"
LONGEST: Final = 100_000
STOP_S: Final = 30.0


@tool(server=SERVER, images=TOUCHED, doing="get installed apps")
async def get_installed_apps(
    box: Box,
    start_menu: bool = True,
    desktop: bool = False,
    ignore_system_app: bool = True,
    ignore_system_apps: bool | None = None,
) -> str:
    """Answers with a JSON array of the installed programs: name, and the commands that start and stop each.

    Those of the system are settings, and what its entry keeps out of menus. `ignore_system_apps` is the name that
    earlier clients have for the argument.
    """
    ignored = ignore_system_app if ignore_system_apps is None else ignore_system_apps
    with in_words():
        found = await box.desktop.apps.installed(menu=start_menu, desktop=desktop, everything=not ignored)
    return json.dumps(found, ensure_ascii=False)


@tool(server=SERVER, images=TOUCHED, doing="start app")
async def start_app(box: Box, start_cmd: str, work_directory: Path | None = None) -> str:
    """Starts a program by its command line, and answers with a JSON array of its processes."""
    command = _command("start_cmd", start_cmd)
    folder = box.path(work_directory) if work_directory else box.workdir
    box.shell = box.shell or await find_shell(box)
    async with screen(box) as desktop:
        before = set(await desktop.windows.ids())

        async def shown() -> bool:
            return not before.issuperset(await desktop.windows.ids())

        started = await box.desktop.apps.start(command, Place(folder, box.env, box.shell), shown)
    return _told(started)


@tool(server=SERVER, images=DESKTOP, doing="list visible apps")
async def list_visible_apps(box: Box) -> str:
    """Answers with a JSON array of the running programs that have a window."""
    async with screen(box) as desktop:
        shown = {each.pid for each in await desktop.windows.every()}
        running = await box.desktop.apps.running() if shown else []
    return _told(each for each in running if each.pid in shown)


@tool(server=SERVER, images=DESKTOP, doing="stop app")
async def stop_app_by_pname(box: Box, pname: str) -> str:
    """Stops all processes of a name."""
    with in_words():
        await box.desktop.apps.stop_named(pname)
    return DONE


@tool(server=SERVER, images=DESKTOP, doing="stop app")
async def stop_app_by_pid(box: Box, pid: int) -> str:
    """Stops a process by its id."""
    with in_words():
        await box.desktop.apps.stop_pid(pid)
    return DONE


@tool(server=SERVER, images=TOUCHED, doing="stop app")
async def stop_app_by_cmd(box: Box, stop_cmd: str) -> str:
    """Stops a program by running a command line, such as an installed program's `stop_cmd`."""
    command = _command("stop_cmd", stop_cmd)
    box.shell = box.shell or await find_shell(box)
    ended = await box.sandbox.run([box.shell, "-c", command], cwd=box.workdir, env=box.env, timeout=STOP_S)
    if ended.timed_out:
        raise ToolFailure(f"{command!r:.200} did not end within {STOP_S:g} s")
    if ended.code:
        said = f": {text}" if (text := ended.stderr.decode(errors="replace").strip()[:500]) else ""
        raise ToolFailure(f"{command!r:.200} ended with exit code {ended.code}{said}")
    return DONE


def _command(name: str, text: str) -> str:
    if not text.strip() or "\0" in text or len(text) > LONGEST:
        raise ToolFailure(f"{name} must be a command line of at most {LONGEST} characters, without NUL")
    return text


def _told(processes: Iterable[Running]) -> str:
    told = [{"pname": each.pname, "pid": each.pid, "cmdline": each.cmdline} for each in processes]
    return json.dumps(told, ensure_ascii=False)
