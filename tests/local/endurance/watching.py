"""What can be seen of a server from outside: all that grows when something is not given back."""

from __future__ import annotations

import asyncio
import os
import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from attrs import asdict, frozen

from tests.local.conftest import Served
from tests.local.service.test_process import children


@frozen
class Vitals:
    """What a server and its processes have at one moment. `files` counts what is in the folders that it was given."""

    descriptors: int
    threads: int
    processes: int
    mounts: int
    files: int
    tasks: int

    def exceeds(self, other: Vitals) -> dict[str, tuple[int, int]]:
        """Where there is more than there was, with both numbers."""
        mine, theirs = asdict(self), asdict(other)
        return {name: (theirs[name], mine[name]) for name in mine if mine[name] > theirs[name]}


def vitals(served: Served, *folders: Path, tasks: int = 0) -> Vitals:
    proc = Path("/proc", str(served.process.pid))
    return Vitals(
        descriptors=len(os.listdir(proc / "fd")),
        threads=len(os.listdir(proc / "task")),
        processes=len(children(served.process.pid)),
        mounts=len((proc / "mountinfo").read_text("utf-8").splitlines()),
        files=sum(1 for folder in folders for _ in folder.rglob("*")),
        tasks=tasks,
    )


def opened(served: Served) -> Counter[str]:
    """What a server has open, by kind, for whoever must find out what has been left open."""
    folder = Path("/proc", str(served.process.pid), "fd")
    return Counter(re.sub(r"\d+", "", os.readlink(each)) for each in folder.iterdir())


def memory(served: Served) -> int:
    """Bytes of the server itself that are in memory."""
    pages = Path("/proc", str(served.process.pid), "statm").read_text("utf-8").split()[1]
    return int(pages) * os.sysconf("SC_PAGE_SIZE")


def processor_time(served: Served) -> float:
    """Seconds that the server itself has worked."""
    words = Path("/proc", str(served.process.pid), "stat").read_text("utf-8").rpartition(")")[2].split()
    return (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")


async def becomes(fact: Callable[[], bool], seconds: float = 10.0) -> bool:
    """Waits until something is so."""
    for _ in range(int(20 * seconds)):
        if fact():
            return True
        await asyncio.sleep(0.05)
    return fact()
