"""Paths of a context: absolute, as a session sees them, in one spelling."""

from __future__ import annotations

import os
import re

from agentbay_local.service.refusals import bad

__all__ = ["FOLDER_MARK", "ancestors", "as_key", "as_path", "clean_file", "clean_path", "inside"]

LONGEST = 4096
LONGEST_NAME = 255
FOLDER_MARK = b"/"
_DRIVE = re.compile(r"[A-Za-z]:[\\/]")


def clean_path(text: str, name: str = "FilePath") -> str:
    r"""Gives a path its one spelling: no doubled or trailing slashes. `c:\x` of a Windows session becomes `/c:/x`.

    Raises:
        ServiceRefusal: it is not absolute, has `..`, NUL or a name or length that no system takes; `name` is named.
    """
    given = "/" + text.replace("\\", "/") if _DRIVE.match(text) else text
    if not given.startswith("/"):
        raise bad(name, "must be an absolute path, such as /tmp/data/a.txt")
    parts = [part for part in given.split("/") if part not in {"", "."}]
    _check(given, parts, name)
    return "/" + "/".join(parts)


def _check(given: str, parts: list[str], name: str) -> None:
    if ".." in parts:
        raise bad(name, "must not have .. in it")
    if "\0" in given:
        raise bad(name, "must not have a NUL character in it")
    try:
        size, names = len(os.fsencode(given)), [len(os.fsencode(part)) for part in parts]
    except UnicodeEncodeError:
        raise bad(name, "has half of a character pair in it, which is no character") from None
    if size > LONGEST or max(names, default=0) > LONGEST_NAME:
        raise bad(name, f"is too long: a path may have {LONGEST} bytes, each name in it {LONGEST_NAME}")


def clean_file(text: str, name: str = "FilePath") -> str:
    """The same for a path at which a file can stand. Raises ServiceRefusal for `/` and for a trailing slash, too."""
    path = clean_path(text, name)
    if path == "/" or text.endswith(("/", "\\")):
        raise bad(name, "names a folder: it must be the path of a file")
    return path


def as_key(path: str) -> bytes:
    """The path as the catalogue has it. Names that are not UTF-8 keep their bytes."""
    return os.fsencode(path)


def as_path(key: bytes) -> str:
    return os.fsdecode(key.rstrip(FOLDER_MARK)) or "/"


def inside(path: str) -> tuple[bytes, bytes]:
    """The range of all keys below a folder: from the first one on, up to but without the second.

    The key of a folder that is an entry itself ends with a slash, so that it is first in its own range.
    """
    start = as_key(path).rstrip(FOLDER_MARK) + FOLDER_MARK
    return start, start[:-1] + b"0"


def ancestors(key: bytes) -> list[bytes]:
    """The keys of all folders above, without the top and without marks."""
    parts = key.rstrip(FOLDER_MARK).split(b"/")[1:-1]
    return [b"/" + b"/".join(parts[: count + 1]) for count in range(len(parts))]
