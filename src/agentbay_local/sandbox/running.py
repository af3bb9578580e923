"""What runs in a sandbox and what it uses: read from outside, so also while it is paused."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from typing import Final

from agentbay_local.sandbox import pids
from agentbay_local.sandbox.contract import Running, Usage

MOST: Final = 1000
LONGEST: Final = 300
IDS: Final = re.compile(rb"^NSpid:((?:\t\d+)+)$", re.MULTILINE)
"""A process's ids from this machine's view inwards. Some programs, as browsers may, have a view further inside."""
NAME: Final = re.compile(rb"^Name:\t(.*)$", re.MULTILINE)
BLANK: Final = re.compile(r"[\s\0]+")


def measure(root: int, places: Sequence[int]) -> Usage:
    """What all of it uses now; `places` are descriptors of the file systems that count."""
    members = pids.tree(root, pids.everything())
    stores = [os.fstatvfs(fd) for fd in places]
    return Usage(
        processes=max(0, len(members) - 1),
        memory=sum(map(pids.shared_memory, members)),
        cpu_seconds=sum(member.ticks for member in members) / pids.TICKS,
        workspace_used=sum((store.f_blocks - store.f_bfree) * store.f_frsize for store in stores),
        workspace_total=sum(store.f_blocks * store.f_frsize for store in stores),
    )


def look(root: int) -> list[Running]:
    """All below the first process, which is ours; by their ids inside."""
    members = pids.tree(root, pids.everything())[1 : MOST + 1]
    depth = len(ids(head(f"/proc/{root}/status"))) - 1
    found = (about(member, depth) for member in members)
    return sorted((each for each in found if each is not None), key=lambda each: each.pid)


def about(process: pids.Proc, depth: int) -> Running | None:
    """What there is to say about one; nothing if it has ended meanwhile."""
    status, line = head(f"/proc/{process.pid}/status"), head(f"/proc/{process.pid}/cmdline")
    inside, name = ids(status)[depth:], NAME.search(status)
    if not inside or not name:
        return None
    return Running(
        pid=inside[0],
        name=words(name[1]),
        command=words(line),
        cpu_seconds=process.ticks / pids.TICKS,
        memory=pids.shared_memory(process),
        started=process.start / pids.TICKS,
        stopped=process.state in pids.STOPPED,
    )


def ids(status: bytes) -> list[int]:
    """The ids that a process has, the outermost first."""
    found = IDS.search(status)
    return [int(each) for each in found[1].split()] if found else []


def head(path: str) -> bytes:
    """The beginning of what the kernel says there."""
    try:
        with open(path, "rb", buffering=0) as file:
            return file.read(4096)
    except OSError:
        return b""


def words(said: bytes) -> str:
    """Any bytes as a short text in one line."""
    return BLANK.sub(" ", os.fsdecode(said).encode("utf-8", "replace").decode()).strip()[:LONGEST]
