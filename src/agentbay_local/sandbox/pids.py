"""A sandbox's processes as the host sees them: found, measured, stopped and let go on, by /proc and signals alone."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Iterable
from typing import Final

from attrs import frozen

PAGE: Final = os.sysconf("SC_PAGE_SIZE")
TICKS: Final = os.sysconf("SC_CLK_TCK")
STOPPED: Final = "Tt"
ENDED: Final = "ZXx"
WAITING: Final = "D"
MOST_ROUNDS: Final = 400
PSS: Final = re.compile(rb"^Pss:\s+(\d+) kB", re.MULTILINE)


@frozen
class Proc:
    """One process at one moment."""

    pid: int
    state: str
    parent: int
    ticks: int
    """Of processor time, with those of its children that have ended."""
    start: int
    """Ticks after boot; tells it from another process that gets the same id later."""
    resident: int
    """Bytes."""


class NotQuiet(Exception):
    """The processes could not all be stopped."""


def read(pid: int) -> Proc | None:
    """A process, or nothing if there is none."""
    try:
        with open(f"/proc/{pid}/stat", "rb", buffering=0) as file:
            line = file.read(1024)
    except (FileNotFoundError, ProcessLookupError):
        return None
    fields = line[line.rindex(b")") + 2 :].split()
    ticks = sum(map(int, fields[11:15]))
    return Proc(pid, fields[0].decode(), int(fields[1]), ticks, int(fields[19]), int(fields[21]) * PAGE)


def everything() -> dict[int, list[Proc]]:
    """All processes of this machine, by their parent."""
    children: dict[int, list[Proc]] = {}
    for name in os.listdir("/proc"):
        if name.isdigit() and (found := read(int(name))):
            children.setdefault(found.parent, []).append(found)
    return children


def tree(root: int, children: dict[int, list[Proc]]) -> list[Proc]:
    """`root` and all that descend from it. In a sandbox orphans go to its first process, so that nothing gets away."""
    first = read(root)
    found = [first] if first else []
    for process in found:
        found += children.get(process.pid, ())
    return [process for process in found if process.state not in ENDED]


def shared_memory(process: Proc) -> int:
    """Bytes with shared pages counted in parts; the resident set if the kernel does not tell."""
    try:
        with open(f"/proc/{process.pid}/smaps_rollup", "rb") as file:
            found = PSS.search(file.read())
    except OSError:
        return process.resident
    return int(found[1]) * 1024 if found else process.resident


def send(process: Proc, number: int) -> None:
    """Signal exactly this process, which may have ended."""
    try:
        handle = os.pidfd_open(process.pid)
    except ProcessLookupError:
        return
    try:
        now = read(process.pid)
        if now and now.start == process.start:
            signal.pidfd_send_signal(handle, number)
    except ProcessLookupError:
        return
    finally:
        os.close(handle)


def stop(root: int) -> list[Proc]:
    """Stop a tree until nothing in it runs, whatever it starts meanwhile; those stopped before are not told.

    Raises:
        NotQuiet: it kept waking up; what was stopped goes on.
    """
    stopped: dict[tuple[int, int], Proc] = {}
    for _ in range(MOST_ROUNDS):
        running = [process for process in tree(root, everything()) if not quiet(process, stopped)]
        if not running:
            return list(stopped.values())
        for process in running:
            stopped[process.pid, process.start] = process
            send(process, signal.SIGSTOP)
    proceed(stopped.values())
    raise NotQuiet


def quiet(process: Proc, stopped: dict[tuple[int, int], Proc]) -> bool:
    """Stopped, or asleep in the kernel with the order to stop waiting for it (as a parent in vfork)."""
    return process.state in STOPPED or (process.state == WAITING and (process.pid, process.start) in stopped)


def proceed(processes: Iterable[Proc]) -> None:
    """Let processes go on, those first that were stopped last."""
    for process in reversed(list(processes)):
        send(process, signal.SIGCONT)
