"""What a server started by root does so that no sandbox ever runs as root.

Each sandbox gets a host user of its own, which owns nothing and is in no group. Such a user cannot enter a closed home
(/root is one), where our interpreter may well be; so the thread that starts the sandboxes looks at the file system
through a mount namespace of its own, in which the closed folder is covered by an empty one with only the needed folders
in it. Nothing is written to a disk, and when the thread ends, however it ends, the mounts are gone.
"""

from __future__ import annotations

import ctypes
import itertools
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

from agentbay_local.sandbox.contract import CannotIsolate

FIRST_USER: Final = 200_000
USERS_PER_SERVER: Final = 1000
SERVERS: Final = 1000
CLONE_NEWNS: Final = 0x00020000
MS_BIND: Final = 0x1000
MS_REC: Final = 0x4000
MS_PRIVATE: Final = 0x40000
OTHERS_MAY_ENTER: Final = 0o001
OTHERS_MAY_READ: Final = 0o005


def users() -> Iterator[int]:
    """Host user ids for sandboxes: those of two servers differ, as far as their process ids do."""
    known = int(Path("/proc/self/uid_map").read_text().split()[2])
    first = FIRST_USER + os.getpid() % SERVERS * USERS_PER_SERVER
    if known < first + USERS_PER_SERVER:  # in a container with few users
        first = max(1, known - USERS_PER_SERVER - 1)
    return itertools.cycle(range(first, first + USERS_PER_SERVER))


def closed_ancestor(path: Path) -> Path | None:
    """The topmost folder above `path` that strangers may not enter."""
    return next((folder for folder in reversed(path.parents) if not folder.stat().st_mode & OTHERS_MAY_ENTER), None)


def uncover(paths: Iterable[Path]) -> None:
    """Make folders reachable for everybody at their own paths, as this thread and what it starts see the file system.

    Raises:
        CannotIsolate: root may not mount here.
    """
    hidden: dict[Path, list[Path]] = {}
    for path in paths:
        require_open(path)
        if cover := closed_ancestor(path):
            hidden.setdefault(cover, []).append(path)
    if not hidden:
        return
    try:
        private_mounts()
        for cover, below in hidden.items():
            replace(cover, below)
    except OSError as error:
        places = ", ".join(map(str, hidden))
        raise CannotIsolate(
            f"sandboxes of root's server cannot reach the interpreter in {places}, and mounts are refused here "
            f"({error.strerror}). This mends it: use one that everybody may read, "
            "/usr/bin/python3 -m venv /opt/agentbay"
        ) from error


def require_open(path: Path) -> None:
    """What is closed itself, and not only in a closed place, no mount can open.

    Raises:
        CannotIsolate: `path` is such a folder.
    """
    if path.stat().st_mode & OTHERS_MAY_READ != OTHERS_MAY_READ:
        raise CannotIsolate(
            f"sandboxes of root's server run as users of their own, who may not read {path}. "
            f"This mends it: chmod -R go+rX {path}"
        )


def replace(cover: Path, below: list[Path]) -> None:
    """An empty folder over `cover`, with only some of what is below it."""
    held = {path: os.open(path, os.O_PATH | os.O_CLOEXEC) for path in below}
    try:
        mount("tmpfs", cover, "tmpfs", 0, "mode=0755,size=64k")
        for path, fd in held.items():
            path.mkdir(parents=True, exist_ok=True)
            mount(f"/proc/self/fd/{fd}", path, None, MS_BIND | MS_REC, None)
    finally:
        for fd in held.values():
            os.close(fd)


def private_mounts() -> None:
    """A mount namespace for this thread, out of which nothing spreads."""
    if ctypes.CDLL(None, use_errno=True).unshare(CLONE_NEWNS):
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    mount("none", Path("/"), None, MS_REC | MS_PRIVATE, None)


def mount(source: str, target: Path, kind: str | None, flags: int, options: str | None) -> None:
    arguments = (text.encode() if text is not None else None for text in (source, str(target), kind))
    tail = options.encode() if options is not None else None
    if ctypes.CDLL(None, use_errno=True).mount(*arguments, ctypes.c_ulong(flags), tail):
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
