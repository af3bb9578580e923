"""A sandbox's processes as the host sees them: found, measured, stopped and let go on, by /proc and signals alone."""

from __future__ import annotations

import contextlib
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
TABLES: Final = re.compile(rb"^VmPTE:\s+(\d+) kB", re.MULTILINE)


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
    addresses: int
    """Bytes that it may address, most of which need not be there."""


class NotQuiet(Exception):
    """The processes could not all be stopped."""


def read(pid: int) -> Proc | None:
    """A process, or nothing if there is none."""
    fields = facts(f"/proc/{pid}/stat")
    if not fields:
        return None
    living = fields
    if fields[0].decode() in ENDED and int(fields[17]) > 1:
        living = living_thread(pid) or fields
    ticks = sum(map(int, fields[11:15]))
    addresses, pages = int(living[20]), int(living[21])
    return Proc(pid, living[0].decode(), int(fields[1]), ticks, int(fields[19]), pages * PAGE, addresses)


def living_thread(pid: int) -> list[bytes]:
    """What a thread says of a process whose first one has ended: best one that runs; nothing if all have ended."""
    try:
        names = os.listdir(f"/proc/{pid}/task")
    except (FileNotFoundError, ProcessLookupError):
        return []
    threads = [facts(f"/proc/{pid}/task/{name}/stat") for name in names]
    living = [each for each in threads if each and each[0].decode() not in ENDED]
    return min(living, key=lambda each: each[0].decode() in STOPPED, default=[])


def facts(path: str) -> list[bytes]:
    """What the kernel says about a process or a thread, from its state on; nothing if there is none."""
    try:
        with open(path, "rb", buffering=0) as file:
            line = file.read(1024)
    except (FileNotFoundError, ProcessLookupError):
        return []
    return line[line.rindex(b")") + 2 :].split()


def everything() -> dict[int, list[Proc]]:
    """All processes of this machine, by their parent."""
    children: dict[int, list[Proc]] = {}
    for name in os.listdir("/proc"):
        if name.isdigit() and (found := read(int(name))):
            children.setdefault(found.parent, []).append(found)
    return children


def tree(root: int, children: dict[int, list[Proc]]) -> list[Proc]:
    """`root` and all that descend from it. In a sandbox orphans go to its first process, so that nothing gets away."""
    return [process for process in kin(root, children) if process.state not in ENDED]


def kin(root: int, children: dict[int, list[Proc]]) -> list[Proc]:
    """The same, with those that have ended and of which nobody has taken notice."""
    first = read(root)
    found = [first] if first else []
    for process in found:
        found += children.get(process.pid, ())
    return found


def shared_memory(process: Proc) -> int:
    """Bytes with shared pages counted in parts; the resident set if the kernel does not tell."""
    return kibibytes(f"/proc/{process.pid}/smaps_rollup", PSS, process.resident)


def tables(process: Proc) -> int:
    """Bytes of the kernel that say where its memory is; they may be far more than that memory itself."""
    return kibibytes(f"/proc/{process.pid}/status", TABLES, 0)


def kibibytes(path: str, line: re.Pattern[bytes], otherwise: int) -> int:
    try:
        with open(path, "rb") as file:
            found = line.search(file.read())
    except OSError:
        return otherwise
    return int(found[1]) * 1024 if found else otherwise


def descriptors(process: Proc) -> list[str]:
    """What it has open; nothing if it has ended."""
    folder, found = f"/proc/{process.pid}/fd", []
    try:
        for name in os.listdir(folder):
            with contextlib.suppress(FileNotFoundError):  # closed meanwhile
                found.append(os.readlink(f"{folder}/{name}"))
    except OSError:
        return []
    return found


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

    A program that goes on in its child and ends itself, again and again, may never be there when it is looked at. But
    once all that may take notice of an end is stopped, what ends stays to be seen. So all is quiet when two looks in a
    row find nothing that runs, and the second one nothing that the first one has not seen.

    Raises:
        NotQuiet: it kept waking up; what was stopped goes on.
    """
    stopped: dict[tuple[int, int], Proc] = {}
    seen: set[tuple[int, int]] = set()
    calm = False
    for _ in range(MOST_ROUNDS):
        members = kin(root, everything())
        running = [process for process in members if process.state not in ENDED and not quiet(process, stopped)]
        before, seen = seen, {(process.pid, process.start) for process in members}
        if not running and calm and seen <= before:
            return list(stopped.values())
        calm = not running
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
