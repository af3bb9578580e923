"""The rows of `test_tools` about the phone."""

from __future__ import annotations

from attrs import evolve

from agentbay import KeyCode, OperationResult, UIElementListResult
from tests._async.computer_rows import APPS, DONE, PICTURE, STARTED, STOPPED
from tests._async.tool_rows import ACTION, LINK, Row
from tests.catalogue import TOOLS, example_text

RECT = {"bounds_rect": {"left": 0, "top": 0, "right": 100, "bottom": 100}}
ELEMENTS = [TOOLS["get_all_ui_elements"]["result_example"][0] | RECT]
FOUND = UIElementListResult(success=True, elements=ELEMENTS, raw=example_text("get_all_ui_elements"))
LONG_PICTURE = evolve(PICTURE, width=720, height=4800)
JPEG = '{"type":"image","mime_type":"image/jpeg","data":"/9j/4AAQ"}'
JPEG_PICTURE = evolve(PICTURE, data=b"\xff\xd8\xff\xe0\x00\x10", mime_type="image/jpeg", width=None, height=None)

MOBILE_ROWS = {
    "tap": Row("tap", lambda session: session.mobile.tap(3, 4), {"x": 3, "y": 4}, DONE),
    "swipe": Row(
        "swipe",
        lambda session: session.mobile.swipe(1, 2, 3, 4, 500),
        {"start_x": 1, "start_y": 2, "end_x": 3, "end_y": 4, "duration_ms": 500},
        DONE,
    ),
    "swipe plain": Row(
        "swipe",
        lambda session: session.mobile.swipe(1, 2, 3, 4),
        {"start_x": 1, "start_y": 2, "end_x": 3, "end_y": 4, "duration_ms": 300},
        DONE,
    ),
    "mobile.input_text": Row("input_text", lambda session: session.mobile.input_text(""), {"text": ""}, DONE),
    "send_key": Row("send_key", lambda session: session.mobile.send_key(KeyCode.KEYCODE_HOME), {"key": 3}, DONE),
    "get_clickable_ui_elements": Row(
        "get_clickable_ui_elements",
        lambda session: session.mobile.get_clickable_ui_elements(),
        {"timeout_ms": 2000},
        FOUND,
    ),
    "get_all_ui_elements": Row(
        "get_all_ui_elements",
        lambda session: session.mobile.get_all_ui_elements(),
        {"timeout_ms": 2000, "format": "json"},
        FOUND,
    ),
    "get_all_ui_elements as xml": Row(
        "get_all_ui_elements",
        lambda session: session.mobile.get_all_ui_elements(10, "xml"),
        {"timeout_ms": 10, "format": "xml"},
        UIElementListResult(success=True, raw="<hierarchy/>", format="xml"),
        text="<hierarchy/>",
    ),
    "mobile.get_installed_apps": Row(
        "get_installed_apps",
        lambda session: session.mobile.get_installed_apps(start_menu=False, desktop=True, ignore_system_apps=False),
        {"start_menu": False, "desktop": True, "ignore_system_app": False},
        APPS,
    ),
    "mobile.start_app": Row(
        "start_app",
        lambda session: session.mobile.start_app("monkey -p com.a 1", activity=".Settings"),
        {"start_cmd": "monkey -p com.a 1", "activity": ".Settings"},
        STARTED,
    ),
    "mobile.stop_app_by_cmd": Row(
        "stop_app_by_cmd", lambda session: session.mobile.stop_app_by_cmd("com.a"), {"stop_cmd": "com.a"}, STOPPED
    ),
    "mobile.screenshot": Row(
        "system_screenshot",
        lambda session: session.mobile.screenshot(),
        {},
        OperationResult(success=True, data=example_text("system_screenshot")),
        routes=(ACTION,),
    ),
    "mobile.beta_take_screenshot": Row(
        "screenshot",
        lambda session: session.mobile.beta_take_screenshot(" JPG "),
        {"format": "jpeg"},
        JPEG_PICTURE,
        text=JPEG,
        routes=(LINK,),
    ),
    "beta_take_long_screenshot": Row(
        "long_screenshot",
        lambda session: session.mobile.beta_take_long_screenshot(),
        {"max_screens": 4, "format": "png"},
        LONG_PICTURE,
    ),
    "beta_take_long_screenshot as jpeg": Row(
        "long_screenshot",
        lambda session: session.mobile.beta_take_long_screenshot(10, "jpeg", 80),
        {"max_screens": 10, "format": "jpeg", "quality": 80},
        JPEG_PICTURE,
        text=JPEG,
    ),
    "set_resolution_lock": Row(
        "shell",
        lambda session: session.mobile.set_resolution_lock(enable=True),
        {"command": "setprop sys.wuying.lockres 1", "timeout_ms": 50000},
        DONE,
    ),
    "set_navigation_bar_visibility": Row(
        "shell",
        lambda session: session.mobile.set_navigation_bar_visibility(hide=False),
        {"command": "setprop persist.wy.hasnavibar true; killall com.android.systemui", "timeout_ms": 50000},
        DONE,
    ),
    "set_app_whitelist": Row(
        "shell",
        lambda session: session.mobile.set_app_whitelist(["com.a", "com.b"]),
        {
            "command": "cat > /data/system/pm_whitelist.txt << 'EOF'\ncom.a\ncom.b\nEOF\n"
            "chmod 644 /data/system/pm_whitelist.txt; "
            "setprop rw.wy.pm_whitelist.refresh 1; setprop persist.wy.pm_blacklist.switch 2",
            "timeout_ms": 50000,
        },
        DONE,
    ),
    "set_app_blacklist": Row(
        "shell",
        lambda session: session.mobile.set_app_blacklist(["com.a"]),
        {
            "command": "cat > /data/system/pm_blacklist.txt << 'EOF'\ncom.a\nEOF\n"
            "chmod 644 /data/system/pm_blacklist.txt; "
            "setprop rw.wy.pm_blacklist.refresh 1; setprop persist.wy.pm_blacklist.switch 1",
            "timeout_ms": 50000,
        },
        DONE,
    ),
}
