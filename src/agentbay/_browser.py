"""What the browser's module knows without colour: the options on the wire, and the scripts for a page."""

from __future__ import annotations

import json
import os
from types import TracebackType
from typing import Any

from agentbay.errors import AgentBayError, BrowserPageError
from agentbay.types.browser import BrowserOption

__all__ = ["HEIGHT", "REVEAL", "SCROLL", "SHOT", "Foreign", "browser_options", "port_of", "unmet_of", "whole_page"]

SIMULATE = "AGENTBAY_BROWSER_BEHAVIOR_SIMULATE"

WIDTH = 1920
HIGHEST = 10_000

_HEIGHT_NOW = "Math.max(document.documentElement.scrollHeight, document.body ? document.body.scrollHeight : 0)"
HEIGHT = f"() => {_HEIGHT_NOW}"
"""Tells how high the page is."""
SCROLL = f"() => {{ window.scrollTo(0, {_HEIGHT_NOW}); return {_HEIGHT_NOW}; }}"
"""Goes to the end of the page, and tells how high it is."""
REVEAL = """() => {
    for (const element of document.querySelectorAll('[data-src]')) {
        if (element.getAttribute('src') !== element.dataset.src) element.setAttribute('src', element.dataset.src);
    }
    for (const element of document.querySelectorAll('[data-bg]')) {
        element.style.backgroundImage = `url(${JSON.stringify(element.dataset.bg)})`;
    }
    window.scrollTo(0, 0);
}"""
"""Shows the pictures that pages load only when they are looked at."""

SHOT: dict[str, Any] = {"animations": "disabled", "caret": "hide", "scale": "css", "timeout": 60_000, "type": "png"}
"""How a picture is taken when nothing else is said."""


def browser_options(option: BrowserOption, enable_record: bool | None) -> dict[str, Any]:
    """The options as the service takes them.

    Raises:
        ValueError: an option is not of its kind.
    """
    told = option.to_map()
    if simulate := os.environ.get(SIMULATE):
        told["behaviorSimulate"] = simulate != "0"
    if enable_record is not None:
        told["enableRecord"] = enable_record
    return told


def port_of(data: Any) -> int | None:
    """The port in the answer to InitBrowser, an object or its JSON text; None when there is none."""
    port = _object(data).get("Port")
    return port if isinstance(port, int) and not isinstance(port, bool) else None


def unmet_of(data: Any) -> tuple[str, ...]:
    """What the same answer says that the browser was started without."""
    told = _object(data).get("Unmet")
    return tuple(str(wish) for wish in told) if isinstance(told, list) else ()


def _object(data: Any) -> dict[str, Any]:
    if isinstance(data, str):
        try:
            data = json.loads(data)
        except (ValueError, RecursionError):
            return {}
    return data if isinstance(data, dict) else {}


def whole_page(height: float) -> dict[str, int]:
    """The size of a window that shows a page of this height."""
    return {"width": WIDTH, "height": max(1, min(int(height), HIGHEST))}


class Foreign:
    """A block that calls the user's page: whatever another library raises there becomes our exception."""

    def __init__(self, text: str, **facts: Any) -> None:
        self._text = text
        self._facts = facts

    def __enter__(self) -> None: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if isinstance(error, Exception) and not isinstance(error, AgentBayError):
            raise BrowserPageError(f"{self._text}: {error}", **self._facts) from error
