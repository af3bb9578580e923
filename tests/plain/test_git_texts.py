"""Git's shell lines and texts: quoting, secrets, and everything that git prints."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentbay._git import (
    Remote,
    branches_of,
    clone_target,
    commit_hash,
    git_line,
    log_of,
    redacted,
    secrets_of,
    status_of,
)
from agentbay._shell import quote
from agentbay.types.git import (
    GitBranchInfo,
    GitBranchListResult,
    GitFileStatus,
    GitLogEntry,
    GitLogResult,
    GitStatusResult,
)

WORDS = st.text(st.characters(exclude_characters="\x00", exclude_categories=["Cs"]), max_size=30)
SHELL = shutil.which("sh") or "/bin/sh"


@given(st.lists(WORDS, min_size=1, max_size=6))
def test_a_shell_reads_each_quoted_word_as_it_is(words: list[str]) -> None:
    script = "printf '%s\\0' " + " ".join(map(quote, words))
    printed = subprocess.run([SHELL, "-c", script], capture_output=True, check=True).stdout
    assert [word.encode() for word in words] == printed.split(b"\0")[:-1]


def test_a_nul_cannot_be_quoted() -> None:
    with pytest.raises(ValueError, match="NUL"):
        quote("a\x00b")


def test_a_line_leaves_out_what_is_not_given() -> None:
    assert "git -C '/it'\\''s' 'log' '-n'" == git_line("/it's", "log", None, "-n")
    assert "git 'init'" == git_line(None, "init")


TARGETS = {
    "https://h/a/repo.git": "repo",
    "https://h/a/repo/": "repo",
    "https://h/a/repo.git/": "repo",
    "git@h:repo.git": "repo",
    "https://h/a/my%20repo": "my repo",
    "/srv/repo": "repo",
}


@pytest.mark.parametrize(("url", "target"), TARGETS.items())
def test_a_clone_goes_to_the_last_part_of_the_url(url: str, target: str) -> None:
    assert target == clone_target(url)


# Secrets

WITH_SECRETS = {
    "https://user:pa=ss@h:8443/x.git": ("https://h:8443/x.git", "https://user:pa%3Dss@h:8443/", "https://h:8443/"),
    "http://token@h/x": ("http://h/x", "http://token@h/", "http://h/"),
    "ssh://u:pass@h/x": ("ssh://h/x", "ssh://u:pass@h/", "ssh://h/"),
}
WITHOUT = ["https://h/x", "ssh://git@h/x", "git@h:x", "/srv/x", "http://[bad", ""]


@pytest.mark.parametrize(("url", "parts"), WITH_SECRETS.items())
def test_credentials_are_parted_from_the_url_that_is_stored(url: str, parts: tuple[str, str, str]) -> None:
    clean, known, short = parts
    assert Remote(clean, ("-c", f"url.{known}.insteadOf={short}")) == Remote.of(url, store_credentials=False)
    assert Remote(url) == Remote.of(url, store_credentials=True)


@pytest.mark.parametrize("url", WITHOUT)
def test_a_url_without_credentials_stays_as_it_is(url: str) -> None:
    assert (Remote(url), []) == (Remote.of(url, store_credentials=False), secrets_of(url, None))


def test_no_form_of_a_secret_is_left_in_a_text() -> None:
    text = "cannot read https://u:p%40ssw@h/x, p@ssw, p%40ssw, nor http://other:secret@host/y"
    shown = redacted(text, secrets_of("https://u:p%40ssw@h/x"))
    assert "cannot read https://***@h/x, ***, ***, nor http://***@host/y" == shown


SECRETS = st.text(
    st.characters(codec="ascii", exclude_characters="/@:%?#[]\\ ", exclude_categories=["C", "Z"]), min_size=4
)


@given(SECRETS, st.text(max_size=20), st.text(max_size=20))
def test_a_secret_is_never_shown(secret: str, before: str, after: str) -> None:
    url = f"https://user:{secret}@host/x"
    shown = redacted(f"{before}{secret}{after} {url}", secrets_of(url))
    assert shown.count(secret) <= "*** https://user@host/x".count(secret) + (before + after).count(secret) + 1


def test_a_clone_with_credentials_does_not_store_them(tmp_path: Path) -> None:
    subprocess.run(["git", "init", "-q", "--bare", tmp_path / "host" / "x.git"], check=True)
    remote = Remote("https://host/x.git", ("-c", f"url.file://{tmp_path}/host/.insteadOf=https://host/"))
    line = git_line(None, *remote.options, "clone", "-q", remote.url, str(tmp_path / "copy"))
    subprocess.run([SHELL, "-c", line], check=True, capture_output=True)
    stored = (tmp_path / "copy" / ".git" / "config").read_text()
    assert ("url = https://host/x.git" in stored, "insteadOf" in stored) == (True, False)


# What git prints


def file(path: str, status: str, letters: str, old: str | None = None) -> GitFileStatus:
    return GitFileStatus(path, status, letters[0], letters[1], letters[0] not in " ?", old)


HEADS: dict[str, dict[str, Any]] = {
    "## main": {"current_branch": "main"},
    "## main...origin/main": {"current_branch": "main", "upstream": "origin/main"},
    "## a.b/c...o/a.b/c [ahead 2]": {"current_branch": "a.b/c", "upstream": "o/a.b/c", "ahead": 2},
    "## m...o/m [ahead 2, behind 3]": {"current_branch": "m", "upstream": "o/m", "ahead": 2, "behind": 3},
    "## m...o/m [behind 3]": {"current_branch": "m", "upstream": "o/m", "behind": 3},
    "## m...o/m [gone]": {"current_branch": "m", "upstream": "o/m"},
    "## No commits yet on m": {"current_branch": "m"},
    "## No commits yet on m...o/m": {"current_branch": "m", "upstream": "o/m"},
    "## HEAD (no branch)": {"detached": True},
    "## HEAD detached at 1234567": {"detached": True},
}


@pytest.mark.parametrize(("line", "expected"), HEADS.items())
def test_the_head_of_a_status_is_read(line: str, expected: dict[str, Any]) -> None:
    assert GitStatusResult(**expected) == status_of(f"{line}\n")


FILES = {
    " M a": file("a", "modified", " M"),
    "M  a b": file("a b", "modified", "M "),
    "A  a": file("a", "added", "A "),
    "D  a": file("a", "deleted", "D "),
    "AM a": file("a", "added", "AM"),
    "UU a": file("a", "conflict", "UU"),
    "AU a": file("a", "conflict", "AU"),
    "T  a": file("a", "typechange", "T "),
    "C  a -> b": file("b", "copied", "C ", "a"),
    "R  a -> b": file("b", "renamed", "R ", "a"),
    'R  "a b" -> c': file("c", "renamed", "R ", "a b"),
    'R  a -> "b c"': file("b c", "renamed", "R ", "a"),
    '?? "a -> b"': file("a -> b", "untracked", "??"),
    '?? "\\303\\251\\t\\"\\\\"': file('é\t"\\', "untracked", "??"),
    "?? d/": file("d/", "untracked", "??"),
    "!! a": file("a", "unknown", "!!"),
}


@pytest.mark.parametrize(("line", "expected"), FILES.items())
def test_a_file_of_a_status_is_read(line: str, expected: GitFileStatus) -> None:
    assert [expected] == status_of(f"## m\n\n{line}\n").files


def test_a_status_counts_its_files() -> None:
    status = status_of("## m\nM  a\n M b\n?? c\nUU d\n")
    counts = (status.total_count, status.staged_count, status.unstaged_count, status.untracked_count)
    assert ((4, 2, 1, 1), 1) == (counts, status.conflict_count)
    facts = (status.has_changes, status.has_staged, status.has_untracked, status.has_conflicts, status.is_clean)
    assert (True, True, True, True, False) == facts
    assert status_of("").is_clean


HASHES = {
    "[main 1a2b3c4] text\n": "1a2b3c4",
    "[main (root-commit) abc1234] text": "abc1234",
    "[feature/x-1.y abc1234] [other 999] text": "abc1234",
    "nothing to commit": None,
    "": None,
}


@pytest.mark.parametrize(("text", "expected"), HASHES.items())
def test_the_hash_of_a_commit_is_read(text: str, expected: str | None) -> None:
    assert expected == commit_hash(text)


def test_a_log_is_read_and_what_is_incomplete_left_out() -> None:
    record = ["f" * 40, "fffffff", "Ann", "a@b", "2026-01-02T03:04:05+00:00", "message"]
    text = "\x01".join(record) + "\x00\nonly\x01two\x00\n" + "\x01".join(record) + "\x00\n"
    assert GitLogResult([GitLogEntry(*record)] * 2) == log_of(text)


def test_branches_are_read() -> None:
    text = "(HEAD detached at 12)\t*\nmain\t \nfeature/x\t*\n"
    branches = [GitBranchInfo("main", is_current=False), GitBranchInfo("feature/x", is_current=True)]
    assert GitBranchListResult(branches, "feature/x") == branches_of(text)
    assert GitBranchListResult() == branches_of("")


@given(st.text())
def test_any_text_can_be_read(text: str) -> None:
    for read in (status_of, log_of, branches_of, commit_hash, clone_target, secrets_of):
        read(text)  # type: ignore[operator]
    Remote.of(text, store_credentials=False)
