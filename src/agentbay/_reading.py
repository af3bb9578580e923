"""Reading what tools say as JSON: whole numbers, texts, lists of entries, and results that are made of them."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, TypeVar

from agentbay._tools import ToolAnswer
from agentbay.types.response import ToolResult

__all__ = ["entries", "load", "parsed", "text", "whole"]

K = TypeVar("K", list[Any], dict[str, Any])
R = TypeVar("R", bound=ToolResult)
T = TypeVar("T")

_NAMES = {list: "an array", dict: "an object"}


def whole(value: Any) -> int | None:
    """A whole number; None for what is none."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return int(value) if value % 1 == 0 else None


def text(value: Any) -> str | None:
    """A text; None for what is none."""
    return value if isinstance(value, str) else None


def entries(read: Callable[[Any], T | None], loaded: Any) -> list[T]:
    """Read the entries of a list; what is not of their form is left out."""
    found = map(read, loaded) if isinstance(loaded, list) else ()
    return [entry for entry in found if entry is not None]


def load(told: str, kind: type[K]) -> K:
    """Read JSON text of which the outermost kind is known.

    Raises:
        ValueError: it is not JSON, or is of another kind.
        RecursionError: it is nested too deeply.
    """
    loaded = json.loads(told)
    if not isinstance(loaded, kind):
        raise ValueError(f"expected {_NAMES[kind]}, not {type(loaded).__name__}")  # noqa: TRY004  (the text is wrong)
    return loaded


def parsed(result: type[R], answer: ToolAnswer, what: str, read: Callable[[str], dict[str, Any]], **own: Any) -> R:
    """Make a result of the fields that `read` finds in a tool's text; a failure when it cannot be read.

    `own` are fields that it has in both cases.
    """
    try:
        found = read(answer.text)
    except (ValueError, RecursionError) as broken:
        return result.failed(result.fault(f"Failed to parse {what}: {broken}", **answer.facts), **own)
    return result(request_id=answer.request_id, success=True, **found, **own)
