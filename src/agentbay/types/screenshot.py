"""Pictures of a screen."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping
from typing import Any

from attrs import field, frozen

from agentbay._reading import whole
from agentbay._tools import ToolAnswer
from agentbay.errors import AgentBayError, APIResponseError, ToolError
from agentbay.types.response import BaseResult

__all__ = ["ScreenshotResult", "image_format", "read_screenshot"]

_SIGNATURES = {"png": b"\x89PNG\r\n\x1a\n", "jpeg": b"\xff\xd8\xff"}


@frozen(eq=False, repr=False)
class ScreenshotResult(BaseResult):
    """A picture of a screen.

    `data` is the file, as `mime_type` says (`image/png` or `image/jpeg`); `type` is `image`. `width` and `height` are
    in pixels, None when the tool did not tell them.
    """

    type: str = ""
    data: bytes = field(default=b"", repr=False)
    mime_type: str = ""
    width: int | None = None
    height: int | None = None


def image_format(name: str) -> str:
    """The tool's name of an image format.

    Raises:
        ValueError: it is none that screens are captured in.
    """
    lower = name.strip().lower()
    known = "jpeg" if lower == "jpg" else lower
    if known not in _SIGNATURES:
        raise ValueError(f"Invalid format: must be 'png', 'jpeg', or 'jpg', not {name!r}")
    return known


def read_screenshot(answer: ToolAnswer, format: str, failure: str) -> ScreenshotResult:
    """Read the JSON in which the tools send a picture; `failure` begins the message when the tool failed.

    Raises:
        AgentBayError: the service refused, or the tool failed.
        APIResponseError: it is not a picture of this format.
    """
    if answer.error is not None:
        raise _failed(answer, answer.error, failure)
    try:
        loaded = _load(answer.text.strip())
        return ScreenshotResult(
            answer.request_id,
            success=True,
            type=_named(loaded, "type"),
            data=_decoded(loaded.get("data"), format),
            mime_type=_mime(loaded, format),
            width=_size(loaded, "width"),
            height=_size(loaded, "height"),
        )
    except ValueError as broken:
        raise APIResponseError(str(broken), **answer.facts) from broken


def _failed(answer: ToolAnswer, error: AgentBayError, failure: str) -> AgentBayError:
    if not answer.said:
        return error
    return ToolError(f"{failure}: {answer.text or 'the tool gave no reason'}", **answer.facts)


def _load(text: str) -> dict[str, Any]:
    if not text:
        raise ValueError("Screenshot tool returned empty data")
    if not text.startswith("{"):
        raise ValueError("Screenshot tool returned non-JSON data")
    try:
        loaded: dict[str, Any] = json.loads(text)
    except (ValueError, RecursionError) as broken:
        raise ValueError(f"Invalid screenshot JSON: {broken}") from broken
    return loaded


def _decoded(data: Any, format: str) -> bytes:
    if not isinstance(data, str) or not data:
        raise ValueError("Screenshot JSON missing base64 field")
    try:
        decoded = base64.b64decode(data, validate=True)
    except (binascii.Error, ValueError) as broken:
        raise ValueError(f"Invalid screenshot base64: {broken}") from broken
    if not decoded.startswith(_SIGNATURES[format]):
        raise ValueError(f"Screenshot data does not match expected format {format!r}")
    return decoded


def _named(loaded: Mapping[str, Any], name: str) -> str:
    value = loaded.get(name)
    if not isinstance(value, str) or not value:
        raise ValueError(f"Invalid screenshot JSON: expected non-empty string {name!r}")
    return value


def _mime(loaded: Mapping[str, Any], format: str) -> str:
    mime = _named(loaded, "mime_type")
    if mime != f"image/{format}":
        raise ValueError(f"Screenshot data does not match expected format {format!r}: it says {mime[:80]!r}")
    return mime


def _size(loaded: Mapping[str, Any], name: str) -> int | None:
    value = loaded.get(name)
    if value is not None and whole(value) is None:
        raise ValueError(f"Invalid screenshot JSON: expected integer {name!r}")
    return whole(value)
