"""The log of a server: one line for each thing that happens, as text for people or as JSON for machines.

What is told is names, ids, numbers and codes, never what was sent. Whatever a value holds, it can neither end its line
nor make a long one; what others can cause without end is told now and then, with how much of it was left out.
"""

from __future__ import annotations

import json
import logging
import os
import re
import sys
import time
import traceback
from collections.abc import Iterator
from contextvars import ContextVar
from functools import lru_cache
from typing import Final

from attrs import define

__all__ = ["NOTES", "Event", "JsonLines", "Seldom", "TextLines", "note", "say", "set_up"]

log = logging.getLogger("agentbay_local")

LONGEST_VALUE: Final = 200
LONGEST_LINE: Final = 2000
MOST_FRAMES: Final = 20
PLAIN: Final = re.compile(r"[A-Za-z0-9_.:/@+*?-]+", re.ASCII)

Fact = str | int | float

NOTES: ContextVar[dict[str, Fact]] = ContextVar("notes")
"""What has been found out about the request that is being answered; its line will tell it."""


def note(**facts: Fact) -> None:
    """Adds to what the line about this request will tell; without a request nothing happens."""
    NOTES.get({}).update(facts)


@define
class Event:
    """What happened, in a few fixed words, and facts about it."""

    name: str
    facts: dict[str, Fact]

    def __str__(self) -> str:
        return " ".join([self.name, *(f"{key}={shown(value)}" for key, value in self.facts.items())])


def say(name: str, /, **facts: Fact) -> None:
    """Writes one line."""
    if log.isEnabledFor(logging.INFO):
        # Made here because to look for the line of code, as `info` does, costs more than all the rest.
        log.handle(log.makeRecord(log.name, logging.INFO, __file__, 0, "%s", (Event(name, facts),), None))


def shown(value: Fact) -> str:
    """A value in a line of text; in quotes if it could be taken for something else."""
    if isinstance(value, str):
        kept = cut(value, LONGEST_VALUE)
        return kept if PLAIN.fullmatch(kept) else json.dumps(kept)
    return f"{value:.1f}" if isinstance(value, float) else str(value)


def cut(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[:most]}...[{len(text)} characters]"


def one_line(text: str) -> str:
    """A message of whatever origin, without anything that ends a line or moves a terminal's cursor."""
    kept = cut(text, LONGEST_LINE)
    return kept if kept.isprintable() else kept.encode("unicode_escape").decode("ascii")


def traced(error: BaseException | None) -> Iterator[str]:
    """Where an error came from, the last one first. Its words are left out, for they may be anybody's."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        number = error.errno if isinstance(error, OSError) else None
        yield type(error).__name__ + (f" ({os.strerror(number)})" if number else "")
        for frame in traceback.extract_tb(error.__traceback__)[-MOST_FRAMES:]:
            yield f"  {frame.filename}:{frame.lineno} in {frame.name}"
        error = error.__cause__ or error.__context__


@lru_cache(maxsize=2)
def second(moment: int) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(moment))


@lru_cache(maxsize=2)
def utc_second(moment: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(moment))


class TextLines(logging.Formatter):
    """Time, level, what happened; lines about where an error came from are marked as such."""

    def format(self, record: logging.LogRecord) -> str:
        moment = f"{second(int(record.created))},{int(record.msecs):03}"
        head = f"{moment} {record.levelname} {one_line(record.getMessage())}"
        error = record.exc_info[1] if record.exc_info else None
        return "\n    | ".join([head, *map(one_line, traced(error))])


class JsonLines(logging.Formatter):
    """One object a line: `time` (UTC), `level`, and `event` with its facts, or `message`."""

    def format(self, record: logging.LogRecord) -> str:
        moment = f"{utc_second(int(record.created))}.{int(record.msecs):03}Z"
        line: dict[str, object] = {"time": moment, "level": record.levelname.lower()}
        line |= _told(record)
        if record.exc_info:
            line["traceback"] = list(traced(record.exc_info[1]))
        return json.dumps(line)


def _told(record: logging.LogRecord) -> dict[str, object]:
    event = record.args[0] if isinstance(record.args, tuple) and record.args else None
    if not isinstance(event, Event):
        return {"message": cut(record.getMessage(), LONGEST_LINE)}
    return {"event": event.name, **{key: _bounded(value) for key, value in event.facts.items()}}


def _bounded(value: Fact) -> Fact:
    if isinstance(value, str):
        return cut(value, LONGEST_VALUE)
    return round(value, 3) if isinstance(value, float) else value


FORMATS: Final[dict[str, type[logging.Formatter]]] = {"text": TextLines, "json": JsonLines}


def set_up(form: str, *, quiet: bool) -> None:
    """Has the process log on standard error; only warnings and errors if it is to be quiet."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(FORMATS[form]())
    logging.basicConfig(level=logging.WARNING if quiet else logging.INFO, handlers=[handler])


@define
class Seldom:
    """Lets something through so many times in each span of seconds, and counts what it held back."""

    most: int = 10
    seconds: float = 60.0
    _since: float = float("-inf")
    _passed: int = 0
    _held: int = 0

    def due(self, now: float | None = None) -> int | None:
        """How many were held back since the last one that went through; None for one that is held back."""
        now = time.monotonic() if now is None else now
        if now - self._since >= self.seconds:
            self._since, self._passed = now, 0
        if self._passed >= self.most:
            self._held += 1
            return None
        self._passed += 1
        held, self._held = self._held, 0
        return held
