"""Which of a context's files are carried: the white lists of its policy as a pure function of relative paths."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from attrs import frozen

from agentbay_local.syncing.policy import Policy, WhiteList

__all__ = ["Question", "Selection", "above", "covers", "is_archive", "without_suffix"]

ARCHIVES: Final = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz")

Hits = Mapping[str, frozenset[str]]
"""Pattern -> the paths that it fits, those included that lie below a folder it fits."""


@frozen
class Question:
    """A regular expression, and the paths that somebody has to try it on."""

    pattern: str
    paths: frozenset[str]


@frozen
class Selection:
    """The files that a policy carries. Patterns are tried elsewhere, where one that never ends hurts nobody."""

    policy: Policy

    def questions(self, paths: Iterable[str]) -> list[Question]:
        """What has to be known about patterns before `wanted` can tell; nothing where there are only exact paths."""
        asked: dict[str, set[str]] = {}
        known = list(paths) if any(_has_patterns(each) for each in self.policy.white_lists) else []
        for white_list in self.policy.white_lists:
            for pattern, path in _needed(white_list, known):
                asked.setdefault(pattern, set()).add(path)
        return [Question(pattern, frozenset(tried)) for pattern, tried in asked.items()]

    def wanted(self, path: str, hits: Hits | None = None) -> bool:
        """Whether the file at a relative path (no slash in front) is carried."""
        known = hits or {}
        return any(_holds(each, path, known) and not _excludes(each, path, known) for each in self.policy.white_lists)


def covers(folder: str, path: str) -> bool:
    """Whether a path is a folder's, or the folder itself; an empty folder is the top of all."""
    return not folder or path == folder or path.startswith(f"{folder}/")


def above(path: str) -> Iterator[str]:
    """The folders above a relative path, the nearest first, without the top."""
    while path := path.rpartition("/")[0]:
        yield path


def is_archive(path: str) -> bool:
    """Whether a file is one that is unpacked on arrival, by its name."""
    return path.lower().endswith(ARCHIVES)


def _has_patterns(white_list: WhiteList) -> bool:
    return white_list.path_is_pattern or (white_list.excluded_are_patterns and bool(white_list.excluded))


def _needed(white_list: WhiteList, paths: Iterable[str]) -> Iterator[tuple[str, str]]:
    for path in paths:
        if white_list.path_is_pattern:
            yield white_list.path, path
        elif not covers(white_list.path, path):
            continue
        if white_list.excluded_are_patterns:
            yield from ((pattern, _below(white_list, path)) for pattern in white_list.excluded)


def _below(white_list: WhiteList, path: str) -> str:
    """What excluded paths are compared with: the path below the white list's own, where that one is exact."""
    return path if white_list.path_is_pattern or not white_list.path else path[len(white_list.path) + 1 :]


def _holds(white_list: WhiteList, path: str, hits: Hits) -> bool:
    if white_list.path_is_pattern:
        return path in hits.get(white_list.path, ())
    return covers(white_list.path, path)


def _excludes(white_list: WhiteList, path: str, hits: Hits) -> bool:
    below = _below(white_list, path)
    if white_list.excluded_are_patterns:
        return any(below in hits.get(pattern, ()) for pattern in white_list.excluded)
    return any(covers(excluded, below) for excluded in white_list.excluded)


def without_suffix(path: str) -> str:
    """The folder into which an archive is unpacked: its path without what makes it an archive."""
    suffix = max((each for each in ARCHIVES if path.lower().endswith(each)), key=len, default="")
    return path[: len(path) - len(suffix)] if suffix else path
