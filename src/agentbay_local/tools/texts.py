"""Text out of bytes, lines out of names, and what an edit changed. Pure."""

from __future__ import annotations

import re
from difflib import unified_diff
from typing import Final

LINE_BREAKS: Final = "\n\r\v\f\x1c\x1d\x1e\x85\u2028\u2029"
BREAKS: Final = {ord(letter): letter.encode("unicode_escape").decode() for letter in LINE_BREAKS}
LOOK_AROUND: Final = 3
"""Bytes on either side of a cut that decide where a character begins: UTF-8 needs at most three more than one."""
DIFF_LINES: Final = 4000
CONTEXT: Final = 3
HEADER: Final = re.compile(r"([-+])(\d+)")


def one_line(name: str) -> str:
    """A name in a list with one name a line: a line break in it is shown as its escape."""
    return name.translate(BREAKS)


def chunk_text(window: bytes, start: int, end: int) -> str:
    """The characters that begin in `window[start:end]`.

    The window holds what is around the chunk as far as the file goes. The texts of consecutive chunks, joined, are the
    text of the whole: a character that is cut belongs to the chunk in which it begins. Bytes that are not UTF-8 become
    U+FFFD.
    """
    return window[_boundary(window, start) : _boundary(window, end)].decode(errors="replace")


def _boundary(window: bytes, at: int) -> int:
    """The first place from `at` on where a character begins."""
    for place in range(at - 1, max(at - 1 - LOOK_AROUND, -1), -1):
        if window[place] < 0x80:
            return at
        if window[place] >= 0xC0:
            return max(at, place + _length(window[place : place + 4]))
    return at


def _length(head: bytes) -> int:
    """How many bytes the decoder takes for the character, or the broken one, at the start."""
    try:
        return len(head.decode()[0].encode())
    except UnicodeDecodeError as broken:
        return broken.end if broken.start == 0 else len(head[: broken.start].decode()[0].encode())


def diff(path: str, old: str, new: str) -> str:
    """A unified diff with three lines of context; of a very large change only its size is told."""
    before, after = _lines(old), _lines(new)
    skip = max(_common(before, after) - CONTEXT, 0)
    keep = max(_common(before[skip:][::-1], after[skip:][::-1]) - CONTEXT, 0)
    removed, added = before[skip : len(before) - keep], after[skip : len(after) - keep]
    name = one_line(path).lstrip("/")
    if len(removed) + len(added) > DIFF_LINES:
        rest = f"({len(removed)} lines from line {skip + 1} on became {len(added)} lines)"
        return f"--- a/{name}\n+++ b/{name}\n{rest}\n"
    lines = unified_diff(removed, added, f"a/{name}", f"b/{name}", n=CONTEXT)
    return "".join(_moved(line, skip) for line in lines) or "No changes\n"


def _lines(text: str) -> list[str]:
    """The lines as a diff shows them: parted by line feeds alone."""
    *lines, last = text.split("\n")
    end = [f"{last}\n\\ No newline at end of file\n"] if last else []
    return [f"{line}\n" for line in lines] + end


def _common(left: list[str], right: list[str]) -> int:
    """How many items at the start are the same."""
    pairs = zip(left, right, strict=False)
    return next((count for count, (one, other) in enumerate(pairs) if one != other), min(len(left), len(right)))


def _moved(line: str, by: int) -> str:
    """A line of a diff whose line numbers count from further up; only headers begin with `@@`."""
    return HEADER.sub(lambda found: f"{found[1]}{int(found[2]) + by}", line) if line.startswith("@@") else line
