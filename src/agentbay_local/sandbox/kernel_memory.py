"""Memory that the kernel spends on a sandbox's programs, and that is in no process's resident set."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import Final

from agentbay_local.sandbox import pids

COVERED: Final = 512
"""Bytes of memory for which the tables need one byte, if pages are there as rarely as possible."""
NOTEWORTHY: Final = 16
"""The part of the limit above which tables are counted exactly."""
BUFFER: Final = 212_992
FEW_CONNECTIONS: Final = 4


def of_tables(members: list[pids.Proc], limit: int) -> dict[pids.Proc, int]:
    """What their page tables take, where it may be worth a look."""
    if sum(member.addresses for member in members) // COVERED < limit // NOTEWORTHY:
        return {}
    return {member: pids.tables(member) for member in members}


def of_sockets(first: int) -> int:
    """What the sockets of a sandbox may take: each a full buffer, and TCP's what they hold, since those grow.

    Sockets on their way from one process to another count, too.
    """
    counted = "".join(texts(first, "sockstat", "sockstat6"))
    used = number_after(counted, "sockets: used ")
    connections = number_after(counted, "TCP: inuse ") + number_after(counted, "TCP6: inuse ")
    return used * buffer() + (queues(first) if connections > FEW_CONNECTIONS else 0)


def queues(first: int) -> int:
    """Bytes that wait in the connections of a sandbox."""
    rows = (line.split() for text in texts(first, "tcp", "tcp6") for line in text.splitlines()[1:])
    return sum(int(part, 16) for row in rows for part in row[4].split(":"))


def texts(first: int, *names: str) -> Iterator[str]:
    """What the kernel tells about the network of a process; nothing if it has ended."""
    for name in names:
        try:
            yield Path(f"/proc/{first}/net/{name}").read_text("ascii")
        except OSError:  # it has ended, or this machine has no version 6
            continue


def number_after(text: str, words: str) -> int:
    _, found, rest = text.partition(words)
    return int(rest.split(maxsplit=1)[0]) if found else 0


@cache
def buffer() -> int:
    """The size of a socket's buffer for which nobody has asked; inside, asking does not help."""
    try:
        return int(Path("/proc/sys/net/core/wmem_default").read_text("ascii"))
    except (OSError, ValueError):
        return BUFFER


def shares(members: Iterable[pids.Proc], total: int) -> dict[pids.Proc, int]:
    """What of all the sockets' memory each process has, by how many sockets it holds."""
    counts = {member: sum(name.startswith("socket:") for name in pids.descriptors(member)) for member in members}
    whole = sum(counts.values())
    return {member: total * count // whole for member, count in counts.items()} if whole else {}
