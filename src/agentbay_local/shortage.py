"""What this machine, or this server's share of it, has no more of: told as what it is, never as a bug."""

from __future__ import annotations

import errno
import os
import resource
from typing import Final

from agentbay_local.sandbox.contract import SandboxError

__all__ = ["KEPT", "descriptors_left", "shortage"]

KEPT: Final = 32
"""File descriptors that neither connections nor new sessions may take: what is open already needs some to go on."""

_DESCRIPTORS: Final = "this server has no file descriptors left: delete sessions, close connections, or raise its limit"
_PROCESSES: Final = "this machine allows this server no more processes or threads: end some, or raise the limit"
_MEMORY: Final = "this machine has no memory left: delete sessions, or end other programs"
_OF_NUMBER: Final = {
    errno.EMFILE: f"{_DESCRIPTORS} (ulimit -n)",
    errno.ENFILE: "this machine has no file descriptors left: end some programs, or raise its limit (fs.file-max)",
    errno.ETOOMANYREFS: f"{_DESCRIPTORS} (ulimit -n)",
    errno.EAGAIN: f"{_PROCESSES} (ulimit -u)",
    errno.ENOMEM: _MEMORY,
    errno.ENOBUFS: _MEMORY,
}


def shortage(error: BaseException) -> str:
    """What is used up, and what to do about it; empty when the error is about something else."""
    if isinstance(error, MemoryError):
        return _MEMORY
    # Python has no class of its own for a thread that cannot be started.
    if isinstance(error, RuntimeError) and "start new thread" in str(error):
        return _OF_NUMBER[errno.EAGAIN]
    if isinstance(error, SandboxError):  # what bwrap said
        return next((why for number, why in _OF_NUMBER.items() if os.strerror(number) in str(error)), "")
    return _OF_NUMBER.get(error.errno or 0, "") if isinstance(error, OSError) else ""


def descriptors_left(lowest: int | None = None) -> int:
    """About how many more files this process can open. `lowest` is a descriptor that it has just got.

    The kernel gives the lowest number that is free, so all below it are in use. Raises OSError when there is none.
    """
    if lowest is None:
        lowest = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
        os.close(lowest)
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0] - lowest
