"""Cutting text at bytes, and finding names by pattern: for any input."""

from __future__ import annotations

from fnmatch import fnmatchcase

from hypothesis import given
from hypothesis import strategies as some

from agentbay_local.tools.search import glob
from agentbay_local.tools.texts import LOOK_AROUND, chunk_text, diff, one_line

FRAGMENTS = ("a", "é", "漢", "😀", "\ufeff")
PIECES = some.one_of(some.sampled_from([each.encode() for each in FRAGMENTS]), some.binary(max_size=4))


def cut(data: bytes, start: int, end: int) -> str:
    first = max(start - LOOK_AROUND, 0)
    return chunk_text(data[first : end + LOOK_AROUND], start - first, min(end, len(data)) - first)


@given(some.lists(PIECES, max_size=12).map(b"".join), some.integers(1, 9))
def test_chunks_of_any_bytes_join_to_what_the_whole_shows(data: bytes, step: int) -> None:
    chunks = (cut(data, at, at + step) for at in range(0, len(data), step))
    assert data.decode(errors="replace") == "".join(chunks)


@given(some.text("ab*?/.", max_size=8), some.text("ab/.", max_size=8))
def test_wildcards_match_as_they_do_in_a_shell(pattern: str, name: str) -> None:
    assert fnmatchcase(name, pattern) == glob(pattern)(name)


@given(some.text())
def test_a_name_stays_on_one_line(name: str) -> None:
    assert len(one_line(name).splitlines()) <= 1


@given(some.lists(some.sampled_from("ab\n"), max_size=30).map("".join))
def test_a_diff_is_empty_only_when_nothing_has_changed(text: str) -> None:
    assert ("No changes\n" == diff("f", text, "a\n" + text), "No changes\n" == diff("f", text, text)) == (False, True)
