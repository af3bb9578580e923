"""For each tool that is served: a call that must go well, and what there must be before it."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Awaitable, Callable, Mapping
from typing import Any
from urllib.parse import quote

from attrs import field, frozen

from tests.local.protocol.rows import World

Args = Mapping[str, Any]
More = Callable[[World, str], Awaitable[Args]]

FORM = """<title>Form</title><input aria-label=What> <input type=file aria-label=File>
<select aria-label=Colour><option>Red<option>Blue</select> <button onclick="prompt('Your name?')">Ask</button>"""
PAGE = "data:text/html," + quote(FORM)


@frozen
class Use:
    """A call of a tool that must go well: its arguments, and what is done before it.

    A session of a `shared` one is that of other calls, too, so that its desktop or its browser is started once; `more`
    makes what the call needs there, and gives the arguments that are known only then.
    """

    args: Args = field(factory=dict)
    before: str = "printf content > /tmp/file"
    image: str = "linux_latest"
    shared: str = ""
    more: More | None = None


# --- Desktops ---------------------------------------------------------------------------------------------------------


async def screen(_: World, __: str) -> Args:
    return {}


async def window(world: World, session: str) -> Args:
    """A window that is there."""
    if not json.loads(await world.use(session, "list_root_windows")):
        await world.use(session, "start_app", start_cmd="xterm")
    for _ in range(200):
        if shown := json.loads(await world.use(session, "list_root_windows")):
            return {"window_id": shown[0]["window_id"]}
        await asyncio.sleep(0.05)
    raise AssertionError("no window appeared")


async def active_window(world: World, session: str) -> Args:
    await world.use(session, "activate_window", **await window(world, session))
    return {}


async def process(world: World, session: str) -> Args:
    return {"pid": json.loads(await world.use(session, "start_app", start_cmd="xterm"))[0]["pid"]}


async def program(world: World, session: str) -> Args:
    await process(world, session)
    return {}


def desktop(more: More = screen, /, **args: Any) -> Use:
    return Use(args, shared="desktop", more=more)


DESKTOP_ROWS: dict[str, Use] = {
    **dict.fromkeys(("get_cursor_position", "get_screen_size", "list_visible_apps", "system_screenshot"), desktop()),
    **dict.fromkeys(("activate_window", "close_window", "maximize_window", "minimize_window"), desktop(window)),
    **dict.fromkeys(("restore_window", "fullscreen_window"), desktop(window)),
    "resize_window": desktop(window, width=400, height=300),
    "get_active_window": desktop(active_window),
    "list_root_windows": desktop(timeout_ms=2000),
    "focus_mode": desktop(on=False),
    "move_mouse": desktop(x=10, y=20),
    "click_mouse": desktop(x=10, y=20, button="left"),
    "drag_mouse": desktop(from_x=10, from_y=20, to_x=30, to_y=40, button="left"),
    "scroll": desktop(x=10, y=20, direction="up", amount=1),
    "input_text": desktop(text="a"),
    "press_keys": desktop(keys=["Escape"], hold=False),
    "release_keys": desktop(keys=["Escape"]),
    "screenshot": desktop(format="png"),
    "get_installed_apps": desktop(start_menu=True, desktop=False, ignore_system_app=True),
    "start_app": desktop(start_cmd="xterm", work_directory="/tmp"),
    "stop_app_by_pid": desktop(process),
    "stop_app_by_pname": desktop(program, pname="xterm"),
    "stop_app_by_cmd": desktop(stop_cmd="true"),
}

# --- Browsers ---------------------------------------------------------------------------------------------------------


def form(**names: str) -> More:
    """A form in the active tab; the arguments refer to its parts by their names."""

    async def more(world: World, session: str) -> Args:
        shown = await world.use(session, "browser_navigate", url=PAGE)
        found = {argument: re.search(rf'"{name}".*?\[ref=(e\d+)\]', shown) for argument, name in names.items()}
        return {argument: match[1] for argument, match in found.items() if match}

    return more


async def fields(world: World, session: str) -> Args:
    refs = await form(ref="What")(world, session)
    return {"fields": [{**refs, "value": "pears", "type": "textbox"}]}


async def asked(world: World, session: str) -> Args:
    await world.use(session, "browser_click", **await form(ref="Ask")(world, session))
    return {}


async def another_tab(world: World, session: str) -> Args:
    await world.use(session, "browser_tab_new", url=PAGE)
    return {}


async def task(world: World, session: str) -> Args:
    """An action that is done: a step that needs no model."""
    begun = json.loads(await world.use(session, "page_use_act_async", action=STEP))
    for _ in range(200):
        if json.loads(await world.use(session, "page_use_get_act_result", **begun))["is_done"]:
            return dict(begun)
        await asyncio.sleep(0.05)
    raise AssertionError("the action was never done")


STEP = json.dumps({"method": "navigate", "arguments": {"url": PAGE}})


def browser(more: More = form(), /, **args: Any) -> Use:  # noqa: B008
    return Use(args, image="browser_latest", shared="browser", more=more)


BROWSER_ROWS: dict[str, Use] = {
    **dict.fromkeys(("browser_snapshot", "browser_console_messages", "browser_network_requests"), browser()),
    **dict.fromkeys(("browser_navigate_back", "browser_navigate_forward", "browser_tab_list"), browser()),
    **dict.fromkeys(("browser_install", "stopChrome", "page_use_close_session"), browser()),
    **dict.fromkeys(("browser_tab_close", "browser_close"), browser(another_tab)),
    "browser_navigate": browser(url=PAGE),
    "browser_tab_new": browser(url=PAGE),
    "browser_tab_select": browser(index=0),
    "browser_take_screenshot": browser(filename="/tmp/page.png"),
    "browser_pdf_save": browser(filename="/tmp/page.pdf"),
    "browser_wait_for": browser(time=0.01, text="Ask", textGone="Bid"),
    "browser_resize": browser(width=800, height=600.0),
    "browser_press_key": browser(key="Tab"),
    "browser_click": browser(form(ref="What"), element="What"),
    "browser_hover": browser(form(ref="Ask"), element="Ask"),
    "browser_drag": browser(form(startRef="Ask", endRef="What"), startElement="Ask", endElement="What"),
    "browser_type": browser(form(ref="What"), element="What", text="pears", submit=False, slowly=False),
    "browser_select_option": browser(form(ref="Colour"), element="Colour", values=["Blue"]),
    "browser_fill_form": browser(fields, fields=[]),
    "browser_handle_dialog": browser(asked, accept=True, promptText="Ada"),
    "browser_file_upload": browser(paths=["/tmp/file"]),
    "page_use_navigate": browser(url=PAGE),
    "page_use_screenshot": browser(full_page=False, quality=80, context_id=0, timeout=30),
    "page_use_act": browser(action=STEP, variables={"a": "b"}, use_vision=False, timeout=30, context_id=0),
    "page_use_act_async": browser(action=STEP, context_id=0),
    "page_use_get_act_result": browser(task, task_id=""),
}

# --- All --------------------------------------------------------------------------------------------------------------

TOOL_ROWS: dict[str, Use] = {
    "shell": Use({"command": "echo hi", "timeout_ms": 5000, "cwd": "/tmp", "envs": {"A": "b"}}),
    "create_directory": Use({"path": "/tmp/new/one"}),
    "delete_file": Use({"path": "/tmp/file"}),
    "edit_file": Use({"path": "/tmp/file", "edits": [{"oldText": "con", "newText": "pre"}], "dryRun": False}),
    "get_file_info": Use({"path": "/tmp/file"}),
    "list_directory": Use({"path": "/tmp"}),
    "move_file": Use({"source": "/tmp/file", "destination": "/tmp/moved"}),
    "read_file": Use({"path": "/tmp/file", "offset": 1, "length": 3, "format": "binary"}),
    "read_multiple_files": Use({"paths": ["/tmp/file"]}),
    "search_files": Use({"path": "/tmp", "pattern": "fi*", "excludePatterns": "*.o"}),
    "write_file": Use({"path": "/tmp/file", "content": "text", "mode": "append"}),
    "get_file_change": Use({"path": "/tmp"}),
    "run_code": Use({"code": "print(1)", "language": "python", "timeout_s": 30}, "true", "code_latest"),
    "get_metrics": Use(),
    "get_resource": Use(),
    "set_env": Use({"envs": [{"key": "A", "value": "b"}]}),
    "get_env": Use({"keys": ["HOME"]}),
    "oss_env_init": Use(
        {
            "access_key_id": "id",
            "access_key_secret": "secret",
            "security_token": "token",
            "endpoint": "https://oss-cn-hangzhou.aliyuncs.com",
            "region": "cn-hangzhou",
        }
    ),
    **DESKTOP_ROWS,
    **BROWSER_ROWS,
}

ELSEWHERE = {
    *("oss_upload", "oss_upload_annon", "oss_download", "oss_download_annon"),
    *("page_use_observe", "page_use_observe_async", "page_use_get_observe_result", "page_use_login"),
    *("page_use_extract", "page_use_extract_async", "page_use_get_extract_result"),
}
"""Their good calls need a bucket (`tests/local/tools/test_oss.py` has one) or a model (`tests/local/browser`)."""

BEYOND: dict[str, set[str]] = {
    "get_installed_apps": {"ignore_system_apps"},
    "browser_click": {"doubleClick", "button"},
    "browser_console_messages": {"onlyErrors"},
    "browser_file_upload": {"ref"},
    "browser_take_screenshot": {"raw", "type", "element", "ref", "fullPage"},
}
"""Arguments that are announced beyond the catalogue: of earlier clients, or of Playwright's own server for models."""
UNUSED: dict[str, set[str]] = {
    "start_app": {"activity"},
    **{name: {"trace_id"} for name in ("page_use_act_async", "page_use_observe_async", "page_use_extract_async")},
}
"""What the catalogue has and is passed over: for phones, and for the service's own logs."""
