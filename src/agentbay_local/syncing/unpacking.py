"""Archives that are unpacked on arrival: inside the sandbox, where a hostile one meets the sandbox's own limits."""

from __future__ import annotations

import posixpath
from typing import Any, Final

from agentbay_local.contexts import Entry
from agentbay_local.syncing.binding import Binding, Known
from agentbay_local.syncing.faults import SyncFault
from agentbay_local.syncing.packing import MARK
from agentbay_local.syncing.patterns import run_inside
from agentbay_local.syncing.selection import without_suffix
from agentbay_local.syncing.tree import all_integers

__all__ = ["unpacked"]

PATIENCE_S: Final = 600.0
MOST_ENTRIES: Final = 100_000


async def unpacked(binding: Binding, path: str, entry: Entry) -> dict[str, Known]:
    """Unpacks one archive, and gives what came out of it. No copy of the archive stays.

    Raises:
        SyncFault: it is broken, too large, or would write outside of its folder; then nothing of it is there.
        OSError: the sandbox has no room for it.
        NoFile: it has been replaced in the store at this moment.
    """
    folder = posixpath.dirname(path) if binding.policy.extract_here else without_suffix(path)
    tree, copy = binding.tree, binding.tree.beside(binding.here(path))
    asked = {
        "archive": copy,
        "folder": binding.here(folder),
        "own": binding.place,
        "mark": MARK,
        "entries": MOST_ENTRIES,
        "bytes": tree.limits.workspace,
    }
    try:
        async with binding.store.reading(entry) as source:
            await tree.write(copy, source, 0o600, entry.mtime_ns)
        found = await run_inside(tree.sandbox, "unpack.py", asked, PATIENCE_S, "unpacking")
    finally:
        await tree.discard(copy)
    return _known(found, {asked["folder"]: folder, asked["own"]: ""})


def _known(found: Any, folders: dict[Any, str]) -> dict[str, Known]:
    """What runs inside is not to be trusted: a wrong word about a file only ever means that it is carried once more."""
    try:
        top = folders[found["folder"]]
        rows = [(f"{top}/{path}".lstrip("/"), tuple(stamp)) for path, *stamp in found["files"]]
        if all(all_integers(stamp) and len(stamp) == 4 for _, stamp in rows):
            return {path: Known(stamp=stamp) for path, stamp in rows}
    except (KeyError, TypeError, ValueError):
        pass
    raise SyncFault("the sandbox gave no usable answer about what was unpacked")
