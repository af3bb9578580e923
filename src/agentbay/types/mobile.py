"""What a phone's screen shows, and what becomes of the description of a device."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Self

from attrs import field, frozen

from agentbay._reading import entries, load, parsed, text, whole
from agentbay._tools import ToolAnswer
from agentbay._wire import Reply
from agentbay.actions import LinkData
from agentbay.errors import APIError
from agentbay.types.response import ApiResponse, ToolResult

__all__ = ["AdbUrlResult", "MobileSimulateUploadResult", "UIElementListResult", "bounds_rect"]

_SIDES = ("left", "top", "right", "bottom")

_MISSING: dict[str, Any] = {
    "bounds": "",
    "className": "",
    "text": "",
    "type": "",
    "resourceId": "",
    "index": -1,
    "isParent": False,
}


def bounds_rect(bounds: Any) -> dict[str, int] | None:
    """The sides of an element in pixels, from any of the ways in which they are told; None when there are not four.

    Raises:
        ValueError: one has thousands of digits.
    """
    if isinstance(bounds, dict):
        told = [whole(bounds.get(side)) for side in _SIDES]
    else:
        told = [int(digits) for digits in re.findall(r"-?\d+", text(bounds) or "")]
    rect = {side: number for side, number in zip(_SIDES, told, strict=False) if number is not None}
    return rect if len(rect) == len(_SIDES) else None


def _clickable(entry: Any) -> dict[str, Any] | None:
    """An element with all that the tool told of it."""
    if not isinstance(entry, dict):
        return None
    children = {"children": entries(_clickable, entry["children"])} if "children" in entry else {}
    return entry | {"bounds_rect": bounds_rect(entry.get("bounds"))} | children


def _known(entry: Any) -> dict[str, Any] | None:
    """An element with the documented facts, whether told or not."""
    if not isinstance(entry, dict):
        return None
    told = {name: entry.get(name, missing) for name, missing in _MISSING.items()}
    rect = {"bounds_rect": bounds_rect(entry.get("bounds"))}
    return told | rect | {"children": entries(_known, entry.get("children"))}


@frozen(eq=False, repr=False)
class UIElementListResult(ToolResult):
    """What is on a phone's screen.

    Each of the `elements` is a dictionary with `bounds`, `className`, `text`, `type`, `resourceId`, `index`, `isParent`
    and `children`; `bounds_rect` has its `left`, `top`, `right` and `bottom` in pixels, or is None when they are not
    known. `raw` is the tool's text. With `format` xml there is only that.
    """

    elements: list[dict[str, Any]] = field(factory=list)
    raw: str = ""
    format: str = "json"
    error_message: str = ""

    @classmethod
    def clickable(cls, answer: ToolAnswer) -> Self:
        """Make the result of the tool that tells what can be clicked."""
        return cls._of(answer, "clickable UI elements", _clickable)

    @classmethod
    def whole_screen(cls, answer: ToolAnswer, format: str) -> Self:
        """Make the result of the tool that tells all."""
        return cls._of(answer, "all UI elements", _known, format)

    @classmethod
    def _of(
        cls, answer: ToolAnswer, what: str, shape: Callable[[Any], dict[str, Any] | None], format: str = "json"
    ) -> Self:
        if answer.error is not None:
            return cls.failed(answer.fault(cls.fault, f"Failed to get {what}"), format=format)
        if format == "xml":
            return cls(answer.request_id, success=True, raw=answer.text, format=format)
        what = f"{what.removeprefix('all ')} data"
        return parsed(cls, answer, what, lambda told: {"elements": entries(shape, load(told, list))}, raw=answer.text)


@frozen(eq=False, repr=False)
class AdbUrlResult(ApiResponse):
    """How to reach a phone by adb: `data` is the command `adb connect host:port`."""

    success: bool = False
    error_message: str = ""
    data: str | None = None

    @classmethod
    def of_link(cls, reply: Reply[LinkData]) -> Self:
        """Make the result of the service's answer."""
        if reply.error is not None:
            return cls.of(reply)
        if reply.data is None or not reply.data.url:
            return cls.failed(APIError("The service gave no ADB URL", reply.status, request_id=reply.request_id))
        return cls.of(reply, data=reply.data.url)


@frozen(eq=False, repr=False)
class MobileSimulateUploadResult(ApiResponse):
    """The result of storing the description of a device, and the context in which it is."""

    success: bool = False
    mobile_simulate_context_id: str = ""
    error_message: str = ""
    request_id: str = field(default="", kw_only=True)
