"""Holds the processes of each sandbox, taken together, to its memory limit."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
from collections.abc import Callable, Collection
from typing import Final

from agentbay_local.sandbox import pids
from agentbay_local.sandbox.box import Box

CALM: Final = 0.5
"""Seconds between two looks while nobody is near the limit."""
ALERT: Final = 0.05
INODE: Final = 1024
"""Bytes of kernel memory that an empty file costs; they would be the one thing without a limit otherwise."""

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
    return max(held(box, pids.tree(box.first, children), limit) for box in boxes)


def held(box: Box, members: list[pids.Proc], limit: int) -> int:
    """What a sandbox holds, after its largest processes have been ended if that was too much."""
    files = inodes(box) * INODE
    rough = files + sum(member.resident for member in members)
    if rough <= limit:
        return rough
    sizes = {member: pids.shared_memory(member) for member in members}
    total = files + sum(sizes.values())
    for member in sorted(members, key=sizes.__getitem__, reverse=True):
        if total <= limit:
            break
        if member.pid != box.first:
            log.warning("a sandbox is over its memory limit: its largest process is ended")
            pids.send(member, signal.SIGKILL)
            total -= sizes[member]
    return rough


def inodes(box: Box) -> int:
    """How many files are in the writable places."""
    try:
        stores = [os.fstatvfs(fd) for fd in box.stores]
    except OSError:  # it has just been closed
        return 0
    return sum(store.f_files - store.f_ffree for store in stores)
