"""The rows of `test_tools` about the desktop."""

from __future__ import annotations

from agentbay import (
    AppOperationResult,
    BoolResult,
    InstalledApp,
    InstalledAppListResult,
    MouseButton,
    OperationResult,
    Process,
    ProcessListResult,
    ScreenshotResult,
    ScrollDirection,
    Window,
    WindowInfoResult,
    WindowListResult,
)
from tests._async.tool_rows import ACTION, LINK, Row
from tests.catalogue import example_text

DONE = BoolResult(success=True, data=True)
STOPPED = AppOperationResult(success=True)
WINDOW = Window(65552, "Terminal", 0, 0, 800, 600, 1234, "gnome-terminal")
APPS = InstalledAppListResult(success=True, data=[InstalledApp("Terminal", "gnome-terminal", "", "")])
STARTED = ProcessListResult(success=True, data=[Process("gnome-terminal", 1234, "gnome-terminal")])
PICTURE = ScreenshotResult(
    success=True, type="image", data=b"\x89PNG\r\n\x1a\n", mime_type="image/png", width=1280, height=720
)

COMPUTER_ROWS = {
    "click_mouse": Row(
        "click_mouse",
        lambda session: session.computer.click_mouse(3, 4, MouseButton.DOUBLE_LEFT),
        {"x": 3, "y": 4, "button": "double_left"},
        DONE,
    ),
    "click_mouse plain": Row(
        "click_mouse",
        lambda session: session.computer.click_mouse(x=0, y=65535),
        {"x": 0, "y": 65535, "button": "left"},
        DONE,
    ),
    "move_mouse": Row("move_mouse", lambda session: session.computer.move_mouse(3, 4), {"x": 3, "y": 4}, DONE),
    "drag_mouse": Row(
        "drag_mouse",
        lambda session: session.computer.drag_mouse(1, 2, 3, 4, "middle"),
        {"from_x": 1, "from_y": 2, "to_x": 3, "to_y": 4, "button": "middle"},
        DONE,
    ),
    "drag_mouse plain": Row(
        "drag_mouse",
        lambda session: session.computer.drag_mouse(1, 2, 3, 4),
        {"from_x": 1, "from_y": 2, "to_x": 3, "to_y": 4, "button": "left"},
        DONE,
    ),
    "scroll": Row(
        "scroll",
        lambda session: session.computer.scroll(3, 4, ScrollDirection.DOWN, 5),
        {"x": 3, "y": 4, "direction": "down", "amount": 5},
        DONE,
    ),
    "scroll plain": Row(
        "scroll",
        lambda session: session.computer.scroll(3, 4),
        {"x": 3, "y": 4, "direction": "up", "amount": 1},
        DONE,
    ),
    "get_cursor_position": Row(
        "get_cursor_position",
        lambda session: session.computer.get_cursor_position(),
        {},
        OperationResult(success=True, data='{"x": 512, "y": 384}'),
    ),
    "computer.input_text": Row(
        "input_text", lambda session: session.computer.input_text("häy\n"), {"text": "häy\n"}, DONE
    ),
    "press_keys": Row(
        "press_keys",
        lambda session: session.computer.press_keys(("control", "A", "pgup", "minus", "F5"), hold=True),
        {"keys": ["Ctrl", "a", "PageUp", "-", "F5"], "hold": True},
        DONE,
    ),
    "press_keys plain": Row(
        "press_keys", lambda session: session.computer.press_keys(["x"]), {"keys": ["x"], "hold": False}, DONE
    ),
    "release_keys": Row(
        "release_keys",
        lambda session: session.computer.release_keys(["Ctrl", "control"]),
        {"keys": ["Ctrl", "control"]},
        DONE,
    ),
    "get_screen_size": Row(
        "get_screen_size",
        lambda session: session.computer.get_screen_size(),
        {},
        OperationResult(success=True, data={"width": 1024, "height": 768, "dpiScalingFactor": 1.0}),
    ),
    "computer.screenshot": Row(
        "system_screenshot",
        lambda session: session.computer.screenshot(),
        {},
        OperationResult(success=True, data=example_text("system_screenshot")),
        routes=(ACTION,),
    ),
    "computer.beta_take_screenshot": Row(
        "screenshot",
        lambda session: session.computer.beta_take_screenshot(),
        {"format": "png"},
        PICTURE,
        routes=(LINK,),
    ),
    "list_root_windows": Row(
        "list_root_windows",
        lambda session: session.computer.list_root_windows(),
        {"timeout_ms": 3000},
        WindowListResult(success=True, windows=[WINDOW]),
    ),
    "get_active_window": Row(
        "get_active_window",
        lambda session: session.computer.get_active_window(),
        {},
        WindowInfoResult(success=True, window=WINDOW),
    ),
    "resize_window": Row(
        "resize_window",
        lambda session: session.computer.resize_window(7, 800, 600),
        {"window_id": 7, "width": 800, "height": 600},
        DONE,
    ),
    "focus_mode": Row("focus_mode", lambda session: session.computer.focus_mode(on=True), {"on": True}, DONE),
    "computer.get_installed_apps": Row(
        "get_installed_apps",
        lambda session: session.computer.get_installed_apps(),
        {"start_menu": True, "desktop": False, "ignore_system_app": True},
        APPS,
    ),
    "computer.start_app": Row(
        "start_app",
        lambda session: session.computer.start_app("gnome-terminal"),
        {"start_cmd": "gnome-terminal"},
        STARTED,
    ),
    "computer.start_app in a directory": Row(
        "start_app",
        lambda session: session.computer.start_app("x", "/tmp/ü", ".Main"),
        {"start_cmd": "x", "work_directory": "/tmp/ü", "activity": ".Main"},
        STARTED,
    ),
    "list_visible_apps": Row("list_visible_apps", lambda session: session.computer.list_visible_apps(), {}, STARTED),
    "stop_app_by_pname": Row(
        "stop_app_by_pname", lambda session: session.computer.stop_app_by_pname("vi"), {"pname": "vi"}, STOPPED
    ),
    "stop_app_by_pid": Row("stop_app_by_pid", lambda session: session.computer.stop_app_by_pid(7), {"pid": 7}, STOPPED),
    "computer.stop_app_by_cmd": Row(
        "stop_app_by_cmd", lambda session: session.computer.stop_app_by_cmd("q"), {"stop_cmd": "q"}, STOPPED
    ),
} | {
    f"{name}_window": Row(
        f"{name}_window",
        lambda session, name=name: getattr(session.computer, f"{name}_window")(7),
        {"window_id": 7},
        DONE,
    )
    for name in ("activate", "close", "maximize", "minimize", "restore", "fullscreen")
}
