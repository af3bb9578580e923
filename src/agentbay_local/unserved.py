"""What the service has and this runtime has not, each with the reason: for callers, and for the page of coverage."""

from __future__ import annotations

from typing import Final

__all__ = ["ACTIONS", "NETWORKS", "TOOLS", "why_no_action", "why_no_tool"]

WRITING: Final = "nothing that writes test programs; that is for the model that drives it"
MOBILE: Final = "no phones: they are the vendor's own"
WINDOWS: Final = "no Windows: sandboxes are Linux"
AGENT: Final = "no agent: the vendor's own models drive it"
NETWORKS: Final = (
    "no networks of other machines: sessions reach public hosts, by `agentbay policy` alone, and private networks never"
)
INSIDE: Final = "no sandboxes within a session; every session is one"
BROKER: Final = "no broker of messages, which the vendor's own desktop clients use"

ACTIONS: Final[dict[str, str]] = {
    "GetAdbLink": MOBILE,
    **dict.fromkeys(("CreateNetwork", "DescribeNetwork"), NETWORKS),
    **dict.fromkeys(("ApplyMqttToken", "HandleAIEngineMessage"), BROKER),
}
"""Action to reason."""

_BY_REASON: Final[dict[str, str]] = {
    MOBILE: "tap click swipe send_key get_clickable_ui_elements get_all_ui_elements long_screenshot",
    WINDOWS: "customized_screenshot browser_wait",
    INSIDE: "create_sandbox get_sandbox_url kill_sandbox",
    AGENT: """
        flux_execute_task flux_get_task_status flux_terminate_task execute_task get_task_status terminate_task
        browser_use_execute_task browser_use_get_task_status browser_use_terminate_task
    """,
    WRITING: "browser_generate_playwright_test",
}

TOOLS: Final[dict[str, str]] = {name: reason for reason, names in _BY_REASON.items() for name in names.split()}
"""Tool to reason."""


def why_no_action(name: str) -> str:
    """The end of a sentence about an action that is not there; empty for what nobody has heard of."""
    return f": this server has {ACTIONS[name]}" if name in ACTIONS else ""


def why_no_tool(name: object) -> str:
    """The same for a tool."""
    return f": this server has {TOOLS[name]}" if isinstance(name, str) and name in TOOLS else ""
