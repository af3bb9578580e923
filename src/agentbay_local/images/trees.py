"""Trees of files on the disk that a stranger has shaped: measured and removed, however deep, and no link followed."""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Final

__all__ = ["FOLDER", "remove", "used"]

BLOCK: Final = 512
FOLDER: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


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
    """Its owner may come in, whatever its permissions were."""
    with contextlib.suppress(PermissionError):
        os.chmod(name, 0o700, dir_fd=above)
    return os.open(name, FOLDER, dir_fd=above)


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
    blocks: dict[tuple[int, int], int] = {}
    fd = os.open(tree, FOLDER)
    above: list[Iterator[str]] = []
    try:
        names = iter(os.listdir(fd))
        while True:
            below = next((name for name in names if _counted(name, fd, blocks)), None)
            if below is not None:
                fd = _moved(fd, os.open(below, FOLDER, dir_fd=fd))
                above.append(names)
                names = iter(os.listdir(fd))
            elif above:
                fd = _moved(fd, os.open("..", FOLDER, dir_fd=fd))
                names = above.pop()
            else:
                return sum(blocks.values()) * BLOCK
    finally:
        os.close(fd)


def _counted(name: str, fd: int, blocks: dict[tuple[int, int], int]) -> bool:
    """Counts something; tells whether it is a folder into which we may go."""
    found = os.lstat(name, dir_fd=fd)
    blocks[found.st_dev, found.st_ino] = found.st_blocks
    return stat.S_ISDIR(found.st_mode) and os.access(name, os.R_OK | os.X_OK, dir_fd=fd)
