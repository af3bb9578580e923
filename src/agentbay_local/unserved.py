"""What the service has and this runtime has not, each with the reason: for callers, and for the page of coverage."""

from __future__ import annotations

from typing import Final

__all__ = ["ACTIONS", "NETWORKS", "TOOLS", "why_no_action", "why_no_tool"]

BROWSER: Final = "no browser image yet"
DESKTOP: Final = "no desktop in the images here yet"
MOBILE: Final = "no phones: they are the vendor's own"
WINDOWS: Final = "no Windows: sandboxes are Linux"
AGENT: Final = "no agent: the vendor's own models drive it"
NETWORKS: Final = (
    "no networks of other machines: sessions reach public hosts, by `agentbay policy` alone, and private networks never"
)
INSIDE: Final = "no sandboxes within a session; every session is one"
BROKER: Final = "no broker of messages, which the vendor's own desktop clients use"

ACTIONS: Final[dict[str, str]] = {
    "GetCdpLink": BROWSER,
    "InitBrowser": BROWSER,
    "GetAdbLink": MOBILE,
    **dict.fromkeys(("CreateNetwork", "DescribeNetwork"), NETWORKS),
    **dict.fromkeys(("ApplyMqttToken", "HandleAIEngineMessage"), BROKER),
}
"""Action to reason."""

_BY_REASON: Final[dict[str, str]] = {
    DESKTOP: """
        click_mouse move_mouse drag_mouse scroll get_cursor_position input_text press_keys release_keys
        get_screen_size list_root_windows get_active_window activate_window close_window maximize_window
        minimize_window restore_window fullscreen_window resize_window focus_mode get_installed_apps start_app
        list_visible_apps stop_app_by_pname stop_app_by_pid stop_app_by_cmd system_screenshot screenshot
    """,
    MOBILE: "tap click swipe send_key get_clickable_ui_elements get_all_ui_elements long_screenshot",
    WINDOWS: "customized_screenshot browser_wait",
    INSIDE: "create_sandbox get_sandbox_url kill_sandbox",
    AGENT: """
        flux_execute_task flux_get_task_status flux_terminate_task execute_task get_task_status terminate_task
        browser_use_execute_task browser_use_get_task_status browser_use_terminate_task
    """,
    BROWSER: """
        stopChrome page_use_navigate page_use_screenshot page_use_close_session page_use_act_async
        page_use_get_act_result page_use_observe_async page_use_get_observe_result page_use_extract_async
        page_use_get_extract_result page_use_login page_use_act page_use_observe page_use_extract browser_close
        browser_resize browser_console_messages browser_handle_dialog browser_file_upload browser_install
        browser_press_key browser_navigate browser_navigate_back browser_navigate_forward browser_network_requests
        browser_pdf_save browser_take_screenshot browser_snapshot browser_click browser_drag browser_hover
        browser_type browser_select_option browser_tab_list browser_tab_new browser_tab_select browser_tab_close
        browser_generate_playwright_test browser_wait_for browser_fill_form
    """,
}

TOOLS: Final[dict[str, str]] = {name: reason for reason, names in _BY_REASON.items() for name in names.split()}
"""Tool to reason."""


def why_no_action(name: str) -> str:
    """The end of a sentence about an action that is not there; empty for what nobody has heard of."""
    return f": this server has {ACTIONS[name]}" if name in ACTIONS else ""


def why_no_tool(name: object) -> str:
    """The same for a tool."""
    return f": this server has {TOOLS[name]}" if isinstance(name, str) and name in TOOLS else ""
