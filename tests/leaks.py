"""What a program holds at a moment, so that two moments can be compared."""

from __future__ import annotations

import asyncio
import gc
import os
import sys
import tempfile
import threading
from contextlib import suppress
from pathlib import Path
from typing import Self

from attrs import frozen


@frozen
class Holding:
    """Open files and sockets, threads, tasks of the running loop, temporary files, objects, and memory in MiB."""

    files: int
    threads: int
    tasks: int
    temporary: int
    objects: int
    memory: float

    @classmethod
    def now(cls) -> Self:
        """Looks after everything was collected that can be."""
        gc.collect()
        tasks = 0
        with suppress(RuntimeError):
            tasks = len(asyncio.all_tasks())
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        temporary = [name for name in os.listdir(tempfile.gettempdir()) if "agentbay" in name]
        return cls(
            len(os.listdir("/proc/self/fd")),
            threading.active_count(),
            tasks,
            len(temporary),
            len(gc.get_objects()),
            pages * os.sysconf("SC_PAGE_SIZE") / 1024**2,
        )

    def grown(self, before: Self, rounds: int) -> list[str]:
        """What there is more of, and more than the servers of a test need; a leak is one of each per round."""
        some = rounds // 10
        # Threads that come and go leave the allocator with up to 20 MiB, which then stay the same.
        room = {"files": 8, "threads": 8, "tasks": 2, "temporary": some, "objects": 2 * some, "memory": 40}
        if sys.gettrace() is not None:  # who measures coverage keeps something of each thread that there was
            del room["objects"]
        more = {name: getattr(self, name) - getattr(before, name) for name in room}
        return [f"{more[name]} more {name}" for name in room if more[name] > room[name]]
