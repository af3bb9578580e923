"""Holds the processes of each sandbox, taken together, to its limits of memory and terminals."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
from collections.abc import Callable, Collection, Iterable
from typing import Final

from agentbay_local.sandbox import kernel_memory, pids
from agentbay_local.sandbox.box import Box

CALM: Final = 0.5
"""Seconds between two looks while nobody is near the limit."""
ALERT: Final = 0.05
INODE: Final = 1024
"""Bytes of kernel memory that an empty file costs; they would be the one thing without a limit otherwise."""
MOST_TERMINALS: Final = 256
"""In one sandbox. The machine has some thousands, for all sandboxes and everybody else."""
MASTER: Final = "/ptmx"

log = logging.getLogger("agentbay.local")


async def watch(boxes: Callable[[], Collection[Box]], limit: int) -> None:
    """Look again and again, for ever. `limit` is in bytes, for each sandbox."""
    while True:
        present = [box for box in boxes() if not box.closed.is_set()]
        fullest = await asyncio.to_thread(look, present, limit) if present else 0
        await asyncio.sleep(ALERT if fullest > limit // 2 else CALM)


def look(boxes: Collection[Box], limit: int) -> int:
    """End what is over the limit; the most that any sandbox holds."""
    children = pids.everything()
    return max(looked_at(box, pids.tree(box.first, children), limit) for box in boxes)


def looked_at(box: Box, members: list[pids.Proc], limit: int) -> int:
    """What one sandbox holds, after what is too much has been ended."""
    if terminals(box) > MOST_TERMINALS:
        end_terminals(box, members)
    return held(box, members, limit)


def held(box: Box, members: list[pids.Proc], limit: int) -> int:
    """What a sandbox holds, after its largest processes have been ended if that was too much."""
    files, sockets = inodes(box) * INODE, kernel_memory.of_sockets(box.first) if len(members) > 1 else 0
    tables = kernel_memory.of_tables(members, limit)
    rough = files + sockets + sum(tables.values()) + sum(member.resident for member in members)
    if rough <= limit:
        return rough
    shares = kernel_memory.shares(members, sockets)
    sizes = {each: pids.shared_memory(each) + tables.get(each, 0) + shares.get(each, 0) for each in members}
    total = files + sum(sizes.values())
    for member in sorted(members, key=sizes.__getitem__, reverse=True):
        if total <= limit:
            break
        if end(box, member, "memory"):
            total -= sizes[member]
    return rough


def end(box: Box, member: pids.Proc, limit: str) -> bool:
    """End a process, but not the daemon."""
    if member.pid == box.first:
        return False
    log.warning("a sandbox is over its limit of %s: a process with most of it is ended", limit)
    pids.send(member, signal.SIGKILL)
    return True


def inodes(box: Box) -> int:
    """How many files are in the writable places."""
    try:
        stores = [os.fstatvfs(fd) for fd in box.stores]
    except OSError:  # it has just been closed
        return 0
    return sum(store.f_files - store.f_ffree for store in stores)


def terminals(box: Box) -> int:
    """How many terminals are open; nobody can limit that beforehand."""
    try:
        return len(os.listdir(f"/proc/self/fd/{box.stores[-1]}"))
    except (OSError, IndexError):  # it has just been closed
        return 0


def end_terminals(box: Box, members: Iterable[pids.Proc]) -> None:
    """End the process that holds most of the terminals; if nobody seems to, they are on their way between two."""
    opened = {member: pids.descriptors(member) for member in members if member.pid != box.first}
    if opened:
        most = max(
            opened, key=lambda member: (sum(name.endswith(MASTER) for name in opened[member]), len(opened[member]))
        )
        end(box, most, "terminals")
