"""Finding files by name."""

from __future__ import annotations

import re
from collections.abc import Callable
from fnmatch import translate
from typing import Final

from agentbay_local.tools.arguments import Path
from agentbay_local.tools.box import Box
from agentbay_local.tools.faults import ToolFailure
from agentbay_local.tools.files import SERVER
from agentbay_local.tools.registry import WITH_FILES, tool
from agentbay_local.tools.texts import one_line

MOST_ENTRIES: Final = 200_000
MOST_MATCHES: Final = 20_000
BUDGET_S: Final = 10.0

Match = Callable[[str], bool]
"""Takes a path relative to the folder that is searched."""


@tool(server=SERVER, images=WITH_FILES, doing="search files")
async def search_files(box: Box, path: Path, pattern: str, excludePatterns: str | None = None) -> str:  # noqa: N803
    """Finds files and directories below a directory by name, one full path a line.

    `*` and `?` are wildcards; text without them matches any part of a name; a pattern with a slash is matched against
    the path below the directory. What an exclude pattern (several are parted by commas) names is left out, with all
    that is below it.
    """
    if not pattern:
        raise ToolFailure("Invalid arguments for tool search_files: pattern must not be empty")
    folder = box.path(path)
    scan = await box.sandbox.fs("scan", path=folder, limit=MOST_ENTRIES, budget_s=BUDGET_S)
    if scan["truncated"]:
        raise _too_much(path, "there is too much below it; search a directory further down")
    found = _matching([entry["path"] for entry in scan["entries"]], folder, pattern, excludePatterns or "")
    if len(found) > MOST_MATCHES:
        raise _too_much(path, f"{len(found)} matches; use a narrower pattern")
    return "\n".join(map(one_line, found)) or "No matches found"


def _too_much(path: str, why: str) -> ToolFailure:
    return ToolFailure(f"Failed to search files: {path}, error: {why}")


def _matching(paths: list[str], folder: str, pattern: str, exclude: str) -> list[str]:
    """The paths that match, in order."""
    wanted = matcher(pattern)
    unwanted = [excluder(each.strip()) for each in exclude.split(",") if each.strip()]
    below = len(folder.rstrip("/")) + 1
    pairs = ((path, path[below:]) for path in paths)
    return sorted(path for path, rest in pairs if wanted(rest) and not any(test(rest) for test in unwanted))


def matcher(pattern: str) -> Match:
    if "/" in pattern:
        return _by_path(pattern)
    if not re.search(r"[*?]", pattern):
        return lambda rest: pattern in _name(rest)
    fits = glob(pattern)
    return lambda rest: fits(_name(rest))


def excluder(pattern: str) -> Match:
    """An excluded directory takes along everything below it."""
    if "/" in pattern:
        fits, below = _by_path(pattern), _by_path(pattern.rstrip("/") + "/*")
        return lambda rest: fits(rest) or below(rest)
    fits = glob(pattern)
    return lambda rest: any(map(fits, rest.split("/")))


def _name(rest: str) -> str:
    return rest.rpartition("/")[2]


def _by_path(pattern: str) -> Match:
    fits = glob("/" + pattern.removeprefix("./").lstrip("/"))
    return lambda rest: fits("/" + rest)


def glob(pattern: str) -> Match:
    """Wildcards are `*` and `?` alone. The regular expression that the library makes of them cannot run away."""
    compiled = re.compile(translate(pattern.replace("[", "[[]")))
    return lambda text: compiled.match(text) is not None
