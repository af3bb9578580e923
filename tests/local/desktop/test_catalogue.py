"""Each tool of a desktop is as the wire's catalogue has it."""

from __future__ import annotations

from typing import Any

import pytest

from agentbay_local.tools import tool_list
from agentbay_local.tools.registry import TOOLS as SERVED
from tests.catalogue import TOOLS

NAMES = sorted(
    name
    for name, about in TOOLS.items()
    if "linux_latest" in about["images"] and about["server"] in {"wuying_ui", "wuying_app", "wuying_capture"}
)


def test_the_catalogue_has_the_tools_of_a_desktop() -> None:
    assert 26 == len(NAMES)
    assert {"click_mouse", "start_app", "screenshot", "focus_mode"} <= set(NAMES)


@pytest.mark.parametrize("name", [*NAMES, "system_screenshot"])
def test_a_tool_of_the_desktop_is_offered_as_the_catalogue_says(name: str) -> None:
    [entry] = [each for each in tool_list("linux_latest") if each["name"] == name]
    about = TOOLS[name]
    assert (about["server"], name) == (entry["server"], entry["tool"])
    assert set(about["images"]) == set(SERVED[name].images)
    properties: dict[str, Any] = entry["inputSchema"]["properties"]
    wanted = {key: argument for key, argument in about["args"].items() if "mobile only" not in argument.get("note", "")}
    assert wanted.keys() <= properties.keys()
    assert {key for key, argument in wanted.items() if argument["required"]} == set(entry["inputSchema"]["required"])
    for key, argument in wanted.items():
        assert argument.get("enum") == properties[key].get("enum")
        if argument["default"] is not None:
            assert argument["default"] == properties[key]["default"]
