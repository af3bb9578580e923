"""How the demo shows its steps: a table that grows on a terminal, plain lines anywhere else."""

from __future__ import annotations

import os
import shutil
import sys
import textwrap
from collections.abc import Sequence
from typing import Protocol, TextIO

from attrs import define, field, frozen

__all__ = ["Report", "columns", "make_report"]

NARROWEST = 70
WIDEST = 118
SECONDS = 8

GREEN, RED, DIM, BOLD, PLAIN = "\033[32m", "\033[31m", "\033[2m", "\033[1m", "\033[0m"
CLEAR_LINE = "\r\033[2K"


class Report(Protocol):
    """Shows steps one after the other."""

    def open(self, titles: Sequence[str]) -> None:
        """Before the first step; `titles` are all that may come."""

    def begin(self, title: str) -> None:
        """A step begins."""

    def end(self, title: str, seen: str, seconds: float, *, held: bool) -> None:
        """A step is over: what was seen, or what failed."""

    def close(self) -> None:
        """After the last step."""


@frozen
class Lines:
    """One line a step."""

    out: TextIO

    def open(self, titles: Sequence[str]) -> None:
        pass

    def begin(self, title: str) -> None:
        pass

    def end(self, title: str, seen: str, seconds: float, *, held: bool) -> None:
        print(f"{'ok' if held else 'FAILED':<6} {seconds:6.2f} s  {title}: {seen}", file=self.out, flush=True)

    def close(self) -> None:
        pass


@define
class Table:
    """A table of mark, step, what was seen, and time. The row of the running step is written over when it is done."""

    out: TextIO
    width: int
    colour: bool
    title_width: int = field(init=False, default=0)

    def open(self, titles: Sequence[str]) -> None:
        self.title_width = max(map(len, titles))
        self._rule("┌┬┐")
        self._row(self._paint(BOLD, " "), "step", "what was seen", "time")
        self._rule("├┼┤")

    def begin(self, title: str) -> None:
        self._row(self._paint(DIM, "·"), title, "…", "", end="")

    def end(self, title: str, seen: str, seconds: float, *, held: bool) -> None:
        self._write(CLEAR_LINE)
        mark = self._paint(GREEN, "✔") if held else self._paint(RED, "✘")
        first, *rest = textwrap.wrap(seen, self._seen_width) or [""]
        self._row(mark, title, first, f"{seconds:.2f} s")
        for line in rest:
            self._row(" ", "", line, "")

    def close(self) -> None:
        self._rule("└┴┘")

    @property
    def _seen_width(self) -> int:
        return self.width - self.title_width - SECONDS - 14

    def _rule(self, corners: str) -> None:
        left, middle, right = tuple(corners)
        widths = (1, self.title_width, self._seen_width, SECONDS)
        self._write(left + middle.join("─" * (width + 2) for width in widths) + right + "\n")

    def _row(self, mark: str, title: str, seen: str, time: str, end: str = "\n") -> None:
        # The mark may hold colour, which has no width.
        cells = (mark, f"{title:<{self.title_width}}", f"{seen:<{self._seen_width}}", f"{time:>{SECONDS}}")
        self._write("│ " + " │ ".join(cells) + " │" + end)

    def _paint(self, colour: str, text: str) -> str:
        return f"{colour}{text}{PLAIN}" if self.colour else text

    def _write(self, text: str) -> None:
        self.out.write(text)
        self.out.flush()


def _draws_boxes(out: TextIO) -> bool:
    try:
        "┌─│✔✘…°".encode(out.encoding or "ascii")
    except UnicodeEncodeError:
        return False
    return True


def make_report(*, plain: bool = False, out: TextIO | None = None) -> Report:
    """Chooses the form: a table when the output is a terminal that is wide enough and knows the signs."""
    screen: TextIO = out or sys.stdout
    width = min(shutil.get_terminal_size().columns, WIDEST)
    able = screen.isatty() and os.environ.get("TERM") != "dumb" and width >= NARROWEST and _draws_boxes(screen)
    return Table(screen, width, "NO_COLOR" not in os.environ) if able and not plain else Lines(screen)


def columns(rows: Sequence[Sequence[str]]) -> str:
    """Sets rows of texts as columns, right-aligned, two spaces apart."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join("  ".join(f"{cell:>{width}}" for cell, width in zip(row, widths, strict=True)) for row in rows)
