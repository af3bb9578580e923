"""Git without colour: the shell lines, what their output means, and what must stay secret. No I/O."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import unquote, urlsplit

from attrs import field, frozen

from agentbay._shell import quote
from agentbay._value import Value
from agentbay.errors import GitAuthError, GitConflictError, GitError, GitNotARepoError, GitNotFoundError
from agentbay.types.command import CommandResult
from agentbay.types.git import (
    GitBranchInfo,
    GitBranchListResult,
    GitFileStatus,
    GitLogEntry,
    GitLogResult,
    GitStatusResult,
)

__all__ = [
    "BRANCH_FORMAT",
    "ENVS",
    "LOG_FORMAT",
    "Remote",
    "add_remote",
    "branches_of",
    "clone_target",
    "commit_hash",
    "git_error",
    "git_line",
    "log_of",
    "operand",
    "output_of",
    "redacted",
    "reset_mode",
    "scope_flag",
    "secrets_of",
    "status_of",
]

ENVS = {"GIT_TERMINAL_PROMPT": "0", "LC_ALL": "C"}
LOG_FORMAT = "--format=%H%x01%h%x01%an%x01%ae%x01%aI%x01%s%x00"
BRANCH_FORMAT = "--format=%(refname:short)\t%(HEAD)"

_MODES = ("hard", "keep", "merge", "mixed", "soft")


def git_line(repo: str | None, *args: str | None) -> str:
    """Write the shell line of a git command; arguments that are None are left out."""
    place = ["-C", quote(repo)] if repo is not None else []
    return " ".join(["git", *place, *(quote(arg) for arg in args if arg is not None)])


def operand(name: str, value: str | None) -> str | None:
    """The value itself, where git would not take it for an option.

    Raises:
        ValueError: it begins with a dash; `-` alone means the branch before.
    """
    if value is not None and value.startswith("-") and value != "-":
        raise ValueError(f"{name} must not begin with a dash, which git takes for an option")
    return value


def clone_target(url: str) -> str:
    """The folder that a clone goes to: the last part of the URL without `.git`."""
    text = unquote(url.rstrip("/").removesuffix(".git"))
    return re.split(r"[/:]", text)[-1]


def reset_mode(mode: str | None) -> str | None:
    """The flag of a reset's mode.

    Raises:
        ValueError: there is no such mode.
    """
    if mode is None:
        return None
    if mode not in _MODES:
        raise ValueError(f"Invalid reset mode: '{mode}'. Must be one of {list(_MODES)}")
    return f"--{mode}"


def scope_flag(scope: str) -> str:
    """The flag of a configuration's scope; anything but `local` means global."""
    return "--local" if scope == "local" else "--global"


def add_remote(repo: str, name: str, remote: Remote, fetch: bool, overwrite: bool) -> str:
    """Write the line that adds a remote, and makes an existing one point to the URL if it may be overwritten."""
    flag = "-f" if fetch else None
    operand("name", name)
    operand("url", remote.url)
    line = git_line(repo, *(remote.options if fetch else ()), "remote", "add", flag, name, remote.url)
    if not overwrite:
        return line
    line = f"{line} || {git_line(repo, 'remote', 'set-url', name, remote.url)}"
    return f"({line}) && {git_line(repo, *remote.options, 'fetch', name)}" if fetch else line


# --- Secrets ----------------------------------------------------------------------------------------------------------

_USERINFO = re.compile(r"(?<=://)[^/\s'\"]+@")
_WEB = ("http", "https")


def _userinfo(url: str) -> str:
    """What stands before the host; for other than web addresses only if there is a password in it."""
    try:
        parts = urlsplit(url)
    except ValueError:  # an address of another kind, which git understands or not
        return ""
    info = parts.netloc.rpartition("@")[0]
    return info if parts.scheme.lower() in _WEB or ":" in info else ""


@frozen(eq=False, repr=False)
class Remote(Value):
    """A remote's URL as git may store it, and the options by which one command knows the credentials beside it."""

    url: str = field(repr=False)
    options: tuple[str, ...] = field(default=(), repr=False)

    @classmethod
    def of(cls, url: str, store_credentials: bool) -> Remote:
        """Part a URL from its credentials, unless they are to be stored with it."""
        info = "" if store_credentials else _userinfo(url)
        if not info:
            return cls(url)
        clean = url.replace(f"{info}@", "", 1)
        scheme, host = urlsplit(clean)[:2]
        # git takes what follows the first = for the value; in a URL it may as well be encoded.
        known = info.replace("=", "%3D")
        return cls(clean, ("-c", f"url.{scheme}://{known}@{host}/.insteadOf={scheme}://{host}/"))


def secrets_of(*urls: str | None) -> list[str]:
    """What of the URLs nobody must see, as written and decoded."""
    found: list[str] = []
    for url in urls:
        user, colon, password = _userinfo(url or "").partition(":")
        secret = password if colon else user
        found += [secret, unquote(secret), secret.replace("=", "%3D")]
    return sorted({secret for secret in found if len(secret) > 3}, key=len, reverse=True)


def redacted(text: str, secrets: Iterable[str]) -> str:
    """The text without secrets and without what stands before the host of a URL."""
    for secret in secrets:
        text = text.replace(secret, "***")
    return _USERINFO.sub("***@", text)


# --- What git said ----------------------------------------------------------------------------------------------------


def output_of(result: CommandResult) -> tuple[str, str]:
    """Standard output and standard error of a git command."""
    return result.stdout or result.output, result.stderr or result.error_message


_AUTH = (
    "authentication failed",
    "could not read username",
    "invalid credentials",
    "authorization failed",
    "access denied",
    "permission denied",
    "403",
)
_NO_REPO = ("not a git repository", "does not appear to be a git repository")
_CONFLICT = ("merge conflict", "automatic merge failed")
_NO_GIT = ("command not found", "git: not found")


def _kind(code: int, stderr: str, stdout: str) -> tuple[type[GitError], str]:
    low = stderr.lower()
    if any(word in low for word in _AUTH):
        return GitAuthError, "authentication error"
    if any(word in low for word in _NO_REPO):
        return GitNotARepoError, "not a git repository"
    if "CONFLICT" in stderr or any(word in f"{low}\n{stdout.lower()}" for word in _CONFLICT):
        return GitConflictError, "merge conflict"
    if code == 127 or any(word in low for word in _NO_GIT):
        return GitNotFoundError, "git not found"
    return GitError, ""


def git_error(operation: str, code: int, stdout: str, stderr: str, facts: Mapping[str, Any]) -> GitError:
    """Make the typed exception of a git command that failed; both outputs must be redacted already.

    Some complaints git tells on standard output: that there is nothing to commit, and which files are in conflict.
    """
    code = code or 1
    kind, what = _kind(code, stderr, stdout)
    head = f"Git {operation} failed: {what}." if what else f"Git {operation} failed (exit code {code}):"
    said = f"{stdout}\n{stderr}".strip() if kind is GitConflictError else stderr or stdout
    return kind(f"{head} {said}".rstrip(), code, stderr, **facts)


_COMMIT = re.compile(r"\[[\w/.-]+(?: \([^)]*\))?\s+([0-9a-f]+)\]")


def commit_hash(stdout: str) -> str | None:
    """The short hash in what `git commit` prints."""
    found = _COMMIT.search(stdout)
    return found[1] if found else None


_LABELS = {
    "U": "conflict",
    "R": "renamed",
    "C": "copied",
    "D": "deleted",
    "A": "added",
    "M": "modified",
    "T": "typechange",
    "?": "untracked",
}
_AHEAD = re.compile(r"\s\[(?=ahead|behind|gone)([^\]]*)\]$")


def _head_of(text: str) -> dict[str, Any]:
    """Read the first line of a status, without its `## `."""
    for start in ("No commits yet on ", "Initial commit on "):
        if text.startswith(start):
            branch, _, upstream = _AHEAD.sub("", text.removeprefix(start)).partition("...")
            return {"current_branch": branch, "upstream": upstream or None}
    if text.startswith("HEAD (no branch)") or "detached" in text:
        return {"detached": True}
    counts = dict.fromkeys(("ahead", "behind"), 0)
    track = _AHEAD.search(text)
    for name, number in re.findall(r"(ahead|behind) (\d+)", track[1] if track else ""):
        counts[name] = int(number)
    branch, _, upstream = _AHEAD.sub("", text).partition("...")
    return {"current_branch": branch, "upstream": upstream or None} | counts


_ESCAPES = {"a": 7, "b": 8, "t": 9, "n": 10, "v": 11, "f": 12, "r": 13}
_QUOTED = re.compile(r'"((?:[^"\\]|\\.)*)"')
_ESCAPED = re.compile(r"\\([0-7]{1,3}|.)", re.DOTALL)


def _unquoted(path: str) -> str:
    """A path as it is: git puts one with unusual characters into quotes, its bytes beyond ASCII in octal."""
    if not _QUOTED.fullmatch(path):
        return path

    def byte(found: re.Match[str]) -> str:
        code = found[1]
        return chr(int(code, 8) & 0xFF) if code[0].isdigit() else chr(_ESCAPES.get(code, ord(code) & 0xFF))

    raw = _ESCAPED.sub(byte, path[1:-1].encode("utf-8", "surrogateescape").decode("latin-1"))
    return raw.encode("latin-1").decode("utf-8", "replace")


def _paths_of(text: str) -> tuple[str, str | None]:
    """The path of an entry, and the old one when it was renamed."""
    first = _QUOTED.match(text)
    if first is None:
        old, arrow, new = text.partition(" -> ")
    else:
        old, arrow, new = first[0], text[first.end() :][:4], text[first.end() + 4 :]
    return (_unquoted(new), _unquoted(old)) if arrow == " -> " else (_unquoted(text), None)


def _file_of(line: str) -> GitFileStatus:
    index, tree = line[:1], line[1:2]
    path, old = _paths_of(line[3:])
    label = next((label for letter, label in _LABELS.items() if letter in index + tree), "unknown")
    return GitFileStatus(path, label, index, tree, index not in (" ", "?"), old)


def status_of(stdout: str) -> GitStatusResult:
    """Read `git status --porcelain=1 -b`."""
    lines = [line for line in stdout.split("\n") if line.strip()]
    head: dict[str, Any] = {}
    if lines and lines[0].startswith("## "):
        head = _head_of(lines.pop(0)[3:].strip())
    return GitStatusResult(files=[_file_of(line.rstrip("\r")) for line in lines], **head)


def log_of(stdout: str) -> GitLogResult:
    """Read `git log` in LOG_FORMAT; a record that is not complete is left out."""
    records = [record.strip("\r\n").split("\x01") for record in stdout.split("\x00")]
    return GitLogResult([GitLogEntry(*record[:6]) for record in records if len(record) >= 6])


def branches_of(stdout: str) -> GitBranchListResult:
    """Read `git branch` in BRANCH_FORMAT."""
    lines = [line.strip("\r").partition("\t") for line in stdout.split("\n") if line.strip()]
    named = [(name.strip(), mark.strip()) for name, _, mark in lines if not name.startswith("(HEAD detached")]
    branches = [GitBranchInfo(name, mark == "*") for name, mark in named]
    return GitBranchListResult(branches, next((branch.name for branch in branches if branch.is_current), ""))
