"""What tools a session was asked for and what came of it: for people who look, in memory alone."""

from __future__ import annotations

import json
import time
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from itertools import islice
from typing import Any, Final

from attrs import define, field

from agentbay_local.service.refusals import ServiceRefusal

__all__ = ["Entry", "Journal"]

MOST: Final = 500
"""Calls that are kept; the oldest are forgotten."""
LONGEST: Final = 300
"""Characters of arguments, and of what was said about a failure."""
MOST_ITEMS: Final = 20
DEEPEST: Final = 3
SECRETS: Final = (
    "secret", "passw", "passphrase", "token", "accesskey", "apikey", "privatekey", "credential", "cookie",
    "authorization", "loginconfig", "variables",
)  # fmt: skip
"""Words in names, these without lines between; the values of such names are not for people who look."""


@define
class Entry:
    """One call. `at` is in seconds since 1970; `change` grows with each change of any entry."""

    number: int
    change: int
    at: float
    tool: str
    arguments: str
    outcome: str = "running"
    error: str = ""
    ms: float | None = None
    begun: float = field(factory=time.perf_counter)

    def failed(self, text: str) -> None:
        """Notes that the call came to nothing, and why."""
        self.outcome, self.error = "error", cut(text)

    def shown(self) -> dict[str, Any]:
        """What people see of it."""
        names = ("number", "at", "tool", "arguments", "outcome", "error", "ms")
        return {name: getattr(self, name) for name in names}


@define
class Journal:
    """The calls of one session."""

    _entries: deque[Entry] = field(factory=lambda: deque(maxlen=MOST))
    _count: int = 0
    change: int = 0

    @contextmanager
    def noting(self, tool: str, args: Mapping[str, Any]) -> Iterator[Entry]:
        """Notes a call while it goes on, and how it ended."""
        self._count += 1
        self.change += 1
        entry = Entry(self._count, self.change, time.time(), tool[:100], brief(args))
        self._entries.append(entry)
        end = "broken off"
        try:
            yield entry
            end = "ok"
        except ServiceRefusal as refusal:
            end, entry.error = "refused", cut(refusal.message)
            raise
        finally:
            self._settle(entry, end)

    def add(self, tool: str, args: Mapping[str, Any], outcome: str, seconds: float) -> None:
        """Notes a call that is over."""
        with self.noting(tool, args) as entry:
            entry.outcome = outcome
            entry.begun -= seconds
            entry.at -= seconds

    def _settle(self, entry: Entry, end: str) -> None:
        if entry.outcome == "running":
            entry.outcome = end
        entry.ms = 1000 * (time.perf_counter() - entry.begun)
        self.change += 1
        entry.change = self.change

    def since(self, change: int) -> list[Entry]:
        """What is new, or has changed, since then; oldest first."""
        return [entry for entry in self._entries if entry.change > change]


def cut(text: str) -> str:
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"


def brief(args: Mapping[str, Any]) -> str:
    """The arguments as one line; what bears the name of a secret is left out."""
    return cut(json.dumps(shortened(args), ensure_ascii=False, default=str))


def shortened(value: Any, depth: int = 0) -> Any:
    """So much of a value that it fills the line: nobody writes megabytes down to cut them off then."""
    if isinstance(value, str):
        return cut(value)
    if isinstance(value, Mapping):
        items = islice(value.items(), MOST_ITEMS)
        return {cut(str(name)): shown(str(name), each, depth) for name, each in items}
    if isinstance(value, (list, tuple)):
        return [shortened(each, depth + 1) for each in value[:MOST_ITEMS]] if depth < DEEPEST else "…"
    return value


def shown(name: str, value: Any, depth: int) -> Any:
    plain = name.lower().replace("_", "").replace("-", "")
    if any(word in plain for word in SECRETS) and value:
        return "***"
    return shortened(value, depth + 1) if depth < DEEPEST else "…"
