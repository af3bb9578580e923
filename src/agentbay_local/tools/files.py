"""Whole files and folders: make, remove, move, list, look at."""

from __future__ import annotations

import errno
import time
from typing import Any, Final

from agentbay_local.tools.arguments import Path
from agentbay_local.tools.box import Box
from agentbay_local.tools.faults import ToolFailure, reason
from agentbay_local.tools.registry import WITH_FILES, tool
from agentbay_local.tools.texts import one_line

SERVER: Final = "wuying_filesystem"
MOVE_S: Final = 300.0
ACROSS: Final = 'cp -aT -- "$1" "$2" || { rm -rf -- "$2"; exit 1; }; exec rm -rf -- "$1"'
"""Between two file systems a move is a copy. Half a copy is removed again; a whole one stays, whatever becomes of the
source."""


@tool(server=SERVER, images=WITH_FILES, doing="create directory")
async def create_directory(box: Box, path: Path) -> str:
    """Makes a directory and those above it; one that is there already is fine."""
    await box.sandbox.fs("mkdir", path=box.path(path), parents=True)
    return f"Successfully created directory {path}"


@tool(server=SERVER, images=WITH_FILES, doing="delete file")
async def delete_file(box: Box, path: Path) -> str:
    """Removes a file or a link, not a directory."""
    await box.sandbox.fs("remove", path=box.path(path))
    return f"Successfully deleted {path}"


@tool(server=SERVER, images=WITH_FILES, doing="move file")
async def move_file(box: Box, source: Path, destination: Path) -> str:
    """Moves or renames a file or directory; the destination must not exist."""
    try:
        await _move(box, box.path(source), box.path(destination))
    except OSError as error:
        why = reason(error, box.limits)
        raise ToolFailure(f"Failed to move file: {source} to {destination}, error: {why}") from error
    return f"Successfully moved {source} to {destination}"


async def _move(box: Box, source: str, destination: str) -> None:
    try:
        await box.sandbox.fs("rename", source=source, destination=destination)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        await box.sandbox.fs("stat", path=source, follow=False)  # a missing source is not seen before the other disk is
        await _move_across(box, source, destination)


async def _move_across(box: Box, source: str, destination: str) -> None:
    ended = await box.sandbox.run(["/bin/sh", "-c", ACROSS, "mv", source, destination], timeout=MOVE_S)
    if ended.code:
        said = "[timeout]" if ended.timed_out else ended.stderr.decode(errors="replace").strip()
        raise ToolFailure(f"Failed to move file: {said}")


@tool(server=SERVER, images=WITH_FILES, doing="list directory")
async def list_directory(box: Box, path: Path) -> str:
    """Lists the names in a directory, one a line, as `[DIR] name` or `[FILE] name`."""
    folder = box.path(path)
    entries = await box.sandbox.fs("list", path=folder)
    return "\n".join([await _line(box, folder, entry) for entry in entries]) or "No entries"


async def _line(box: Box, folder: str, entry: dict[str, Any]) -> str:
    mark = "DIR" if await _is_directory(box, folder, entry) else "FILE"
    return f"[{mark}] {one_line(entry['name'])}"


async def _is_directory(box: Box, folder: str, entry: dict[str, Any]) -> bool:
    """A link counts as what it leads to, and as a file when it leads nowhere."""
    if entry["type"] != "symlink":
        return bool(entry["type"] == "directory")
    try:
        found = await box.sandbox.fs("stat", path=f"{folder}/{entry['name']}")
    except OSError:
        return False
    return bool(found["type"] == "directory")


@tool(server=SERVER, images=WITH_FILES, doing="get file status")
async def get_file_info(box: Box, path: Path) -> str:
    """Tells a file's size in bytes, its times, its type and its permissions, one `key: value` a line."""
    found = await box.sandbox.fs("stat", path=box.path(path))
    info = {
        "size": found["size"],
        "created": _moment(found["ctime"]),
        "modified": _moment(found["mtime"]),
        "accessed": _moment(found["atime"]),
        "isDirectory": _flag(found["type"] == "directory"),
        "isFile": _flag(found["type"] == "file"),
        "permissions": f"{found['mode'] & 0o7777:03o}",
    }
    return "\n".join(f"{key}: {value}" for key, value in info.items())


def _moment(seconds: float) -> str:
    """In the machine's own time zone, which the sandbox shares."""
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(seconds))


def _flag(value: bool) -> str:
    return "true" if value else "false"
