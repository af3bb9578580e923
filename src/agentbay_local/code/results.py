"""What a driver reports about one call, turned into the wire's result object. No I/O.

The events come from inside a sandbox, so nothing about them is taken for granted: whatever has not the expected form
raises `Unreadable`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from io import StringIO
from typing import Any, TypeVar

from attrs import define, field, frozen

from agentbay.types.code import FORMS

ANSI = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)|\x1b[@-Z\\-_]")

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


@frozen
class Text:
    """Something printed, on the stream `stdout` or `stderr`."""

    stream: str
    text: str


@frozen
class Shown:
    """A result in its forms, by MIME type. `place` names one that is shown anew later."""

    forms: dict[str, Any]
    main: bool
    place: str | None


@frozen
class Raised:
    """An error of the code, or why the code did not come to its end."""

    name: str
    value: str
    traceback: str = ""


@frozen
class Ended:
    """The end of a call: its number, and how long it took in seconds."""

    count: int = 0
    seconds: float = 0.0


Piece = Text | Shown | Raised | Ended


def read_event(event: Event) -> Piece | None:
    """Reads an event; None for one of an unknown kind. Raises Unreadable."""
    match event.get("type"):
        case "end":
            return Ended(_get(event, "count", int), float(_get(event, "seconds", float)))
        case "stdout" | "stderr" as stream:
            return Text(stream, _get(event, "text", str))
        case "result":
            place = event.get("place")
            data = _get(event, "data", dict)
            return Shown(data, _get(event, "main", bool), place if isinstance(place, str) else None)
        case "error":
            return _raised(_get(event, "name", str), _get(event, "value", str), _get(event, "traceback", str))
    return None


def _raised(name: str, value: str, traceback: str) -> Raised:
    public = PUBLIC.get(name, name)
    return Raised(public, value, _readable(public, value, plain(traceback).replace(name, public)))


@define
class Outcome:
    """The result of one call, gathered piece by piece."""

    error: dict[str, str] | None = None
    results: list[dict[str, Any]] = field(factory=list)
    places: dict[str, int] = field(factory=dict)
    printed: dict[str, StringIO] = field(factory=lambda: {"stdout": StringIO(), "stderr": StringIO()})
    end: Ended = Ended()

    def add(self, piece: Piece) -> None:
        """Takes in one piece. The first error counts: what follows from it would only hide it."""
        match piece:
            case Text(stream, text):
                self.printed[stream].write(text)
            case Shown():
                self._show(piece)
            case Raised(name, value, traceback) if self.error is None:
                self.error = {"name": name, "value": value, "traceback": traceback}
            case Ended():
                self.end = piece

    def _show(self, shown: Shown) -> None:
        forms = {name: shown.forms[mime] for mime, name in FORMS.items() if mime in shown.forms}
        item = {**forms, "is_main_result": shown.main}
        if shown.place in self.places:
            self.results[self.places[shown.place]] = item  # an update of what is shown already
            return
        if shown.place is not None:
            self.places[shown.place] = len(self.results)
        self.results.append(item)

    def wire(self) -> dict[str, Any]:
        return {
            "logs": {stream: _entries(text.getvalue()) for stream, text in self.printed.items()},
            "results": self.results,
            "error": self.error,
            "execution_count": self.end.count,
            "execution_time": self.end.seconds,
            "isError": self.error is not None,
        }


def _readable(name: str, value: str, traceback: str) -> str:
    """The traceback, which tells by itself what was raised."""
    trace = traceback.strip("\n")
    if not trace or name in trace:
        return trace
    return f"{name}: {value}\n\n{trace}" if value else f"{name}\n\n{trace}"


def _entries(text: str) -> list[str]:
    """One per stream: how the text was cut into messages means nothing to anybody."""
    return [text] if text else []
