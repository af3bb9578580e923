"""Which files of a directory are moved, and where they may go. Links never lead out of the directory."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath

from attrs import field, frozen

from agentbay._value import Value

__all__ = ["Patterns", "Scan", "child_name", "inside", "scan"]


@frozen(eq=False, repr=False)
class Patterns(Value):
    """Which relative paths are wanted: those that some `include` matches (all, without any) and no `exclude` does.

    A pattern is for a whole relative path, or for a single name anywhere in it; one that matches a directory holds for
    all below it. `*` stands for any characters, `?` for one, `[...]` for one of several.
    """

    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()

    @classmethod
    def of(cls, include: Sequence[str] | None, exclude: Sequence[str] | None) -> Patterns:
        """Make them from the arguments of a call."""
        return cls(tuple(include or ()), tuple(exclude or ()))

    def excludes(self, path: str) -> bool:
        """Whether the path, or a directory above it, is excluded."""
        return _matches(path, self.exclude)

    def wants(self, path: str) -> bool:
        """Whether a file is wanted."""
        return not self.excludes(path) and (not self.include or _matches(path, self.include))


def _matches(path: str, patterns: Iterable[str]) -> bool:
    place = PurePosixPath(path)
    texts = [path, *place.parts, *(parent.as_posix() for parent in place.parents)]
    return any(fnmatchcase(text, pattern.rstrip("/")) for pattern in patterns for text in texts)


@frozen(eq=False, repr=False)
class Scan(Value):
    """The files of a directory by their relative paths, empty directories below it, and what is not followed."""

    files: list[str] = field(factory=list)
    empty: list[str] = field(factory=list)
    skipped: list[str] = field(factory=list)


def scan(root: Path, patterns: Patterns) -> Scan:
    """Look through a directory, in a stable order.

    Raises:
        OSError: a directory cannot be read.
    """
    found = Scan()
    home = root.resolve()
    for folder, names, files in os.walk(root, onerror=_fail):
        place = _relative(root, folder)
        if not names and not files and place != "." and patterns.wants(place):
            found.empty.append(place)
        names.sort()
        for name in list(names):
            path = _relative(root, folder, name)
            linked = Path(folder, name).is_symlink()
            if linked or patterns.excludes(path):
                names.remove(name)
            if linked and patterns.wants(path):
                found.skipped.append(path)
        for name in sorted(files):
            path = _relative(root, folder, name)
            if patterns.wants(path):
                (found.files if _is_own_file(Path(folder, name), home) else found.skipped).append(path)
    return found


def _fail(error: OSError) -> None:
    raise error


def _relative(root: Path, *parts: str) -> str:
    return Path(*parts).relative_to(root).as_posix()


def _is_own_file(path: Path, home: Path) -> bool:
    return path.is_file() and inside(path, home)


def inside(path: Path, home: Path) -> bool:
    """Whether a path, all links followed, lies in a directory, which must have none in its own path."""
    return Path(os.path.realpath(path)).is_relative_to(home)


def child_name(folder: str, path: str) -> str | None:
    """The name of an entry of a folder, as a store tells it; None when it cannot be a name here.

    A store is not trusted: a name with `..` or a separator in it would lead anywhere. It may know a folder that was
    named with doubled slashes by single ones.
    """
    asked = folder.rstrip("/") + "/"
    head = asked if path.startswith(asked) else re.sub("/+", "/", asked)
    name = path.rstrip("/").removeprefix(head)
    signs = "/\\:\0" if os.name == "nt" else "/\0"
    unsafe = name in ("", ".", "..") or any(sign in name for sign in signs)
    return None if unsafe or not path.startswith(head) else name
