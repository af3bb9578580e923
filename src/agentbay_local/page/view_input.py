"""What a viewer's client sends, read and checked. Whoever sends something else is no client of ours."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import Any, Final

__all__ = ["LONGEST_TEXT", "BadInput", "read"]

Json = dict[str, Any]
Check = Callable[[Any], str]
"""What is wrong with a value, as the end of a sentence; empty for nothing."""

LONGEST_TEXT: Final = 20_000
"""Characters that are typed at once."""
LONGEST_ADDRESS: Final = 8192
LONGEST_NAME: Final = 64
FARTHEST: Final = 65_535
MOST_TURNED: Final = 100_000
LARGEST_NUMBER: Final = 2**53
HALVES: Final = re.compile("[\ud800-\udfff]")
"""Of characters, which JSON can tell of and nothing else can."""


class BadInput(Exception):
    """A message that is none; the text says why."""


def _number(least: float, most: float) -> Check:
    def check(value: Any) -> str:
        fit = type(value) in {int, float} and least <= value <= most
        return "" if fit else f"must be a number from {least:g} to {most:g}"

    return check


def _text(longest: int) -> Check:
    def check(value: Any) -> str:
        fit = isinstance(value, str) and len(value) <= longest and not HALVES.search(value)
        return "" if fit else f"must be a text of at most {longest} characters"

    return check


def _one_of(*words: str) -> Check:
    return lambda value: "" if value in words else f"must be one of {', '.join(words)}"


def _flag(value: Any) -> str:
    return "" if isinstance(value, bool) else "must be true or false"


PLACE: Final = {"x": _number(0, FARTHEST), "y": _number(0, FARTHEST)}
HELD: Final = {"modifiers": _number(0, 15)}
"""Alt is 1, Control 2, Meta 4, Shift 8."""
MESSAGES: Final[Mapping[str, Mapping[str, Check]]] = {
    "ack": {"frame": _number(0, LARGEST_NUMBER)},
    "ping": {"time": _number(0, LARGEST_NUMBER)},
    "start": {},
    "release": {},
    "copy": {},
    "pointer": {
        "action": _one_of("move", "down", "up"),
        "button": _one_of("left", "middle", "right", "none"),
        "count": _number(0, 3),
        **PLACE,
        **HELD,
    },
    "wheel": {"dx": _number(-MOST_TURNED, MOST_TURNED), "dy": _number(-MOST_TURNED, MOST_TURNED), **PLACE, **HELD},
    "key": {
        "action": _one_of("down", "up"),
        "key": _text(LONGEST_NAME),
        "code": _text(LONGEST_NAME),
        "repeat": _flag,
        **HELD,
    },
    "text": {"text": _text(LONGEST_TEXT)},
    "tab": {"id": _text(LONGEST_NAME)},
    "open": {},
    "shut": {"id": _text(LONGEST_NAME)},
    "navigate": {"url": _text(LONGEST_ADDRESS)},
    "travel": {"where": _one_of("back", "forward", "reload")},
    "dialog": {"accept": _flag, "text": _text(LONGEST_TEXT)},
}


def read(text: str) -> Json:
    """One message, with the fields that it must have and no others. Raises BadInput."""
    try:
        told = json.loads(text)
    except (ValueError, RecursionError):
        raise BadInput("a message must be a text in JSON") from None
    kind = told.get("type") if isinstance(told, dict) else None
    if not isinstance(kind, str) or kind not in MESSAGES:
        raise BadInput(f"type must be one of {', '.join(MESSAGES)}")
    for name, check in MESSAGES[kind].items():
        if wrong := check(told.get(name)):
            raise BadInput(f"{name} of {kind} {wrong}")
    return {"type": kind, **{name: told[name] for name in MESSAGES[kind]}}
