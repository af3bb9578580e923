"""Trees of files that a stranger has shaped: measured, disarmed and removed, however deep, and no link followed."""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Final

__all__ = ["FOLDER", "disarm", "remove", "used"]

BLOCK: Final = 512
FOLDER: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
PLACE: Final = os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
OWNER: Final = 0o700
SET_ID: Final = stat.S_ISUID | stat.S_ISGID


def remove(tree: Path) -> None:
    """Takes a folder away with all that is in it; nothing happens if it is not there. Raises OSError."""
    try:
        fd = _entered(str(tree), None)
    except FileNotFoundError:
        return
    names = [tree.name]
    try:
        while names:
            if (below := _emptied(fd)) is not None:
                fd = _moved(fd, _entered(below, fd))
                names.append(below)
            else:
                fd = _moved(fd, os.open("..", FOLDER, dir_fd=fd))
                os.rmdir(names.pop(), dir_fd=fd)
    finally:
        os.close(fd)


def _entered(name: str, above: int | None) -> int:
    """Its owner may come in, whatever its permissions were. They are changed where it is, and not by a name."""
    fd = os.open(name, PLACE, dir_fd=above)
    try:
        if os.fstat(fd).st_mode & OWNER != OWNER:
            with contextlib.suppress(PermissionError):
                os.chmod(f"/proc/self/fd/{fd}", OWNER)
        return os.open(".", FOLDER, dir_fd=fd)
    finally:
        os.close(fd)


def _moved(old: int, new: int) -> int:
    os.close(old)
    return new


def _emptied(fd: int) -> str | None:
    """The name of a folder in it; before that, all else is removed, and None says that nothing is left."""
    with os.scandir(fd) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                return entry.name
            os.unlink(entry.name, dir_fd=fd)
    return None


def used(tree: Path) -> int:
    """The bytes that a tree has on the disk; a file with several names counts once. Raises OSError."""
    return sum({(found.st_dev, found.st_ino): found.st_blocks for _, _, found in _all(tree)}.values()) * BLOCK


def disarm(tree: Path) -> None:
    """Takes the set-user-id and set-group-id bits off all files, which are ours on the disk. Raises OSError."""
    for fd, name, found in _all(tree):
        if stat.S_ISREG(found.st_mode) and found.st_mode & SET_ID:
            os.chmod(name, stat.S_IMODE(found.st_mode) & ~SET_ID, dir_fd=fd)


def _all(tree: Path) -> Iterator[tuple[int, str, os.stat_result]]:
    """Everything in a tree: the folder that it is in, its name, and what it is. Closed folders are passed by."""
    fd = os.open(tree, FOLDER)
    above: list[Iterator[str]] = []
    names = iter(os.listdir(fd))
    try:
        while True:
            below = None
            for name in names:
                found = os.lstat(name, dir_fd=fd)
                yield fd, name, found
                if stat.S_ISDIR(found.st_mode) and os.access(name, os.R_OK | os.X_OK, dir_fd=fd):
                    below = name
                    break
            if below is not None:
                fd = _moved(fd, os.open(below, FOLDER, dir_fd=fd))
                above.append(names)
                names = iter(os.listdir(fd))
            elif above:
                fd = _moved(fd, os.open("..", FOLDER, dir_fd=fd))
                names = above.pop()
            else:
                return
    finally:
        os.close(fd)
