"""Which files a policy carries."""

from __future__ import annotations

import pytest

from agentbay_local.syncing.policy import Policy, WhiteList
from agentbay_local.syncing.selection import Question, Selection, above, covers, is_archive, without_suffix

PATHS = ["a.py", "src/a.py", "src/lib/b.py", "src/lib/c.log", "srcs/d.py", "docs/src/e.md"]


def chosen(*white_lists: WhiteList) -> list[str]:
    selection = Selection(Policy(white_lists=white_lists))
    assert [] == selection.questions(PATHS)
    return [path for path in PATHS if selection.wanted(path)]


def test_an_empty_path_is_everything_and_no_list_nothing() -> None:
    assert PATHS == chosen(WhiteList())
    assert [] == chosen()


def test_a_path_is_a_file_or_all_below_a_folder() -> None:
    assert ["src/a.py", "src/lib/b.py", "src/lib/c.log"] == chosen(WhiteList("src"))
    assert ["a.py", "docs/src/e.md"] == chosen(WhiteList("a.py"), WhiteList("docs/src"))


def test_excluded_paths_begin_where_the_lists_path_ends() -> None:
    assert ["src/a.py"] == chosen(WhiteList("src", ("lib",)))
    assert ["src/a.py", "src/lib/b.py"] == chosen(WhiteList("src", ("lib/c.log", "src")))
    assert ["a.py", "srcs/d.py"] == chosen(WhiteList("", ("src", "docs")))


def test_one_list_that_holds_is_enough() -> None:
    assert ["src/a.py", "src/lib/c.log"] == chosen(WhiteList("src", ("lib",)), WhiteList("src/lib", ("b.py",)))


def test_patterns_are_asked_for_only_where_they_matter() -> None:
    selection = Selection(Policy(white_lists=(WhiteList("src", (".*log",), excluded_are_patterns=True),)))
    below = frozenset({"a.py", "lib/b.py", "lib/c.log"})
    assert [Question(".*log", below)] == selection.questions(PATHS)
    hits = {".*log": frozenset({"lib/c.log"})}
    assert ["src/a.py", "src/lib/b.py"] == [path for path in PATHS if selection.wanted(path, hits)]


def test_a_pattern_as_path_excludes_from_the_top() -> None:
    white_list = WhiteList(".*py", ("src",), path_is_pattern=True)
    selection = Selection(Policy(white_lists=(white_list,)))
    assert [Question(".*py", frozenset(PATHS))] == selection.questions(PATHS)
    hits = {".*py": frozenset(path for path in PATHS if path.endswith("py"))}
    assert ["a.py", "srcs/d.py"] == [path for path in PATHS if selection.wanted(path, hits)]


@pytest.mark.parametrize(
    ("folder", "path", "expected"),
    [("", "a", True), ("a", "a", True), ("a", "a/b", True), ("a", "ab", False), ("a/b", "a", False)],
)
def test_a_folder_covers_what_is_below_it(folder: str, path: str, expected: bool) -> None:
    assert expected is covers(folder, path)


def test_the_folders_above_are_told_from_below() -> None:
    assert (["a/b", "a"], []) == (list(above("a/b/c")), list(above("a")))


@pytest.mark.parametrize(
    ("path", "folder"), [("a/b.zip", "a/b"), ("B.TAR.GZ", "B"), ("x.tgz", "x"), ("c.tar", "c"), ("a/.zip", "a/")]
)
def test_an_archive_is_known_by_its_name(path: str, folder: str) -> None:
    assert (True, folder) == (is_archive(path), without_suffix(path))


def test_other_names_are_no_archives() -> None:
    assert not any(map(is_archive, ["zip", "a.gz", "a.zip.part", "tar/a"]))
    assert "a.gz" == without_suffix("a.gz")
