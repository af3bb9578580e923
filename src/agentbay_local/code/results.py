"""What a driver reports about one call, turned into the wire's result object. No I/O.

The events come from inside a sandbox, so nothing about them is taken for granted: whatever has not the expected form
raises `Unreadable`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final, TypeVar

from attrs import define, field

ANSI = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)|\x1b[@-Z\\-_]")

SHORT: Final = {
    "text/plain": "text",
    "text/html": "html",
    "text/markdown": "markdown",
    "image/png": "png",
    "image/jpeg": "jpeg",
    "image/svg+xml": "svg",
    "application/json": "json",
    "text/latex": "latex",
    "application/vnd.vegalite.v4+json": "chart",
    "application/vnd.vegalite.v5+json": "chart",
}
"""What the wire calls each form of a result. Of two forms with one name the later here is sent."""

PUBLIC = {"_IncompleteInputError": "SyntaxError"}
"""Exceptions that Python keeps to itself (from 3.13 on), and what its documentation calls them."""

Event = Mapping[str, Any]
T = TypeVar("T")


class Unreadable(ValueError):
    """An event is not what a driver sends."""


def plain(text: str) -> str:
    """The text without terminal colours and other escape sequences."""
    return ANSI.sub("", text)


def _get(event: Event, key: str, kind: type[T]) -> T:
    value = event.get(key)
    if not isinstance(value, kind):
        raise Unreadable(f"{key} is not of type {kind.__name__}")
    return value


@define
class Outcome:
    """The result of one call, gathered event by event."""

    error: dict[str, str] | None = None
    results: list[dict[str, Any]] = field(factory=list)
    places: dict[str, int] = field(factory=dict)
    stdout: list[str] = field(factory=list)
    stderr: list[str] = field(factory=list)
    count: int = 0
    seconds: float = 0.0

    def add(self, event: Event) -> bool:
        """Take in one event; true for the last one of a call."""
        kind = event.get("type")
        if kind == "end":
            self.count, self.seconds = _get(event, "count", int), float(_get(event, "seconds", float))
        elif kind == "stdout":
            self.stdout.append(_get(event, "text", str))
        elif kind == "stderr":
            self.stderr.append(_get(event, "text", str))
        elif kind == "result":
            self._add_result(event)
        elif kind == "error":
            self.fail(_get(event, "name", str), _get(event, "value", str), _get(event, "traceback", str))
        return kind == "end"

    def _add_result(self, event: Event) -> None:
        data = _get(event, "data", dict)
        forms = {name: data[mime] for mime, name in SHORT.items() if mime in data}
        item = {**forms, "is_main_result": _get(event, "main", bool)}
        place = event.get("place")
        if isinstance(place, str) and place in self.places:
            self.results[self.places[place]] = item  # an update of what is shown already
            return
        if isinstance(place, str):
            self.places[place] = len(self.results)
        self.results.append(item)

    def fail(self, name: str, value: str, traceback: str = "") -> None:
        """Record an error. The first one counts: what follows from it would only hide it."""
        if self.error is None:
            public = PUBLIC.get(name, name)
            trace = _readable(public, value, plain(traceback).replace(name, public))
            self.error = {"name": public, "value": value, "traceback": trace}

    def wire(self) -> dict[str, Any]:
        return {
            "logs": {"stdout": _joined(self.stdout), "stderr": _joined(self.stderr)},
            "results": self.results,
            "error": self.error,
            "execution_count": self.count,
            "execution_time": self.seconds,
            "isError": self.error is not None,
        }


def _readable(name: str, value: str, traceback: str) -> str:
    """The traceback, which tells by itself what was raised."""
    trace = traceback.strip("\n")
    if not trace or name in trace:
        return trace
    return f"{name}: {value}\n\n{trace}" if value else f"{name}\n\n{trace}"


def _joined(chunks: list[str]) -> list[str]:
    """One entry per stream: how the text was cut into messages means nothing to anybody."""
    return ["".join(chunks)] if chunks else []
