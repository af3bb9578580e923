"""Runs inside a sandbox: tries regular expressions on paths. Pairs of pattern and paths in, marks 1 and 0 out."""

from __future__ import annotations

import json
import re
import sys
import warnings


def fits(pattern: re.Pattern[str], path: str, known: dict[str, bool]) -> bool:
    """Whether the pattern fits the whole path or that of a folder above it, with or without a slash in front."""
    at = path.find("/")
    while at >= 0:
        if tried(pattern, path[:at], known):
            return True
        at = path.find("/", at + 1)
    return tried(pattern, path, known)


def tried(pattern: re.Pattern[str], path: str, known: dict[str, bool]) -> bool:
    if path not in known:
        known[path] = bool(pattern.fullmatch(path) or pattern.fullmatch(f"/{path}"))
    return known[path]


def marks(pattern: str, paths: list[str]) -> str:
    compiled, known = re.compile(pattern), dict[str, bool]()
    return "".join(str(int(fits(compiled, path, known))) for path in paths)


warnings.simplefilter("ignore")
json.dump([marks(pattern, paths) for pattern, paths in json.load(sys.stdin)], sys.stdout)
