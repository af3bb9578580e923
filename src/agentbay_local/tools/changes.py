"""What has changed below a directory since the last look."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Final

from agentbay_local.tools.arguments import Path
from agentbay_local.tools.box import TEMPORARY, Box, Snapshot
from agentbay_local.tools.faults import ToolFailure
from agentbay_local.tools.files import SERVER
from agentbay_local.tools.registry import WITH_FILES, tool

MOST_ENTRIES: Final = 100_000
BUDGET_S: Final = 5.0
MOST_KEPT: Final = 300_000
"""Entries of all snapshots of a session; beyond it the snapshot that was asked for longest ago is forgotten."""

Event = dict[str, str]


@tool(server=SERVER, images=WITH_FILES, doing="get file change")
async def get_file_change(box: Box, path: Path) -> str:
    """Tells what was created, modified or deleted below a directory since the previous call for it.

    The first call answers `[]`. The text is a JSON array of objects with `eventType`, `path` and `pathType`.
    """
    folder = box.path(path)
    before = box.snapshots.get(folder)
    after = await _snapshot(box, folder, known=before is not None)
    keep(box, folder, after)
    events = [] if before is None else list(differences(before, after))
    return json.dumps(events, ensure_ascii=False)


async def _snapshot(box: Box, folder: str, *, known: bool) -> Snapshot:
    """A directory that was there before and is gone counts as empty."""
    try:
        scan = await box.sandbox.fs("scan", path=folder, limit=MOST_ENTRIES, budget_s=BUDGET_S)
    except FileNotFoundError:
        if not known:
            raise
        return {}
    if scan["truncated"]:
        raise ToolFailure(f"Failed to get file change: {folder}, error: more than {MOST_ENTRIES} entries are below it")
    entries = (entry for entry in scan["entries"] if f"/{TEMPORARY}" not in entry["path"])
    return {entry["path"]: (entry["type"], entry["size"], entry["mtime_ns"]) for entry in entries}


def keep(box: Box, folder: str, snapshot: Snapshot) -> None:
    """Remember the latest look, and forget old ones when they become too many."""
    box.snapshots[folder] = snapshot
    box.snapshots.move_to_end(folder)
    while len(box.snapshots) > 1 and sum(len(each) + 1 for each in box.snapshots.values()) > MOST_KEPT:
        box.snapshots.popitem(last=False)


def differences(before: Snapshot, after: Snapshot) -> Iterator[Event]:
    """The events in the order of their paths: a new file is created and modified, a directory only created."""
    for path in sorted(before.keys() | after.keys()):
        old, new = before.get(path), after.get(path)
        if old == new or (old and new and old[0] == new[0] == "directory"):
            continue
        same = old is not None and new is not None and old[0] == new[0]
        if old and not same:
            yield _event("delete", path, old[0])
        if new and not same:
            yield _event("create", path, new[0])
        if new and new[0] != "directory":
            yield _event("modify", path, new[0])


def _event(kind: str, path: str, of: str) -> Event:
    return {"eventType": kind, "path": path, "pathType": "directory" if of == "directory" else "file"}
