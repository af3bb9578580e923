"""What a session has left as its image had it: found beside a snapshot that is being made, so that both share it."""

from __future__ import annotations

import contextlib
import os
import stat
from pathlib import Path
from typing import BinaryIO, Final

from agentbay_local.images.facts import HARMLESS, Fact, shown
from agentbay_local.images.trees import BLOCK, FOLDER

__all__ = ["Unchanged"]

CHUNK: Final = 1 << 20
REGULAR: Final = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


class Unchanged:
    """Goes through the files of an older layer in step with a new one. `bytes` is what both share on the disk."""

    def __init__(self) -> None:
        self.bytes = 0
        self._here: int | None = None
        self._lost = 0
        """How many folders further the new layer is, into one that the old one does not have."""

    def begin(self, folder: Path | None) -> None:
        """To the folder of the old layer with which the new one begins."""
        self.close()
        if folder is not None:
            with contextlib.suppress(OSError):
                self._here = os.open(folder, FOLDER)

    def close(self) -> None:
        here, self._here, self._lost = self._here, None, 0
        if here is not None:
            os.close(here)

    def down(self, name: str) -> None:
        if self._here is None:
            return
        below = None if self._lost else _entered(name, self._here)
        if below is None:
            self._lost += 1
        else:
            os.close(self._here)
            self._here = below

    def up(self) -> None:
        if self._lost:
            self._lost -= 1
        elif self._here is not None:
            above = os.open("..", FOLDER, dir_fd=self._here)
            os.close(self._here)
            self._here = above

    def shared(self, fact: Fact, folder: int, source: BinaryIO) -> bool:
        """Gives the new folder the old layer's file of that name, if it is the same in everything; tells whether."""
        if self._here is None or self._lost:
            return False
        try:
            fd = os.open(fact.name, REGULAR, dir_fd=self._here)
        except OSError:
            return False
        try:
            found = os.fstat(fd)
            if not _alike(fd, found, fact) or not _same(fd, fact.size, source):
                return False
            os.link(fact.name, fact.name, src_dir_fd=self._here, dst_dir_fd=folder, follow_symlinks=False)
        except OSError:  # it has too many names, or is on another disk
            return False
        finally:
            os.close(fd)
        self.bytes += found.st_blocks * BLOCK
        return True


def _entered(name: str, above: int) -> int | None:
    """A folder that we can leave again."""
    try:
        fd = os.open(name, FOLDER, dir_fd=above)
    except OSError:
        return None
    if os.access("..", os.X_OK, dir_fd=fd):
        return fd
    os.close(fd)
    return None


def _alike(fd: int, found: os.stat_result, fact: Fact) -> bool:
    """Whether all but the bytes is the same, and there are no holes to look for."""
    facts = stat.S_ISREG(found.st_mode), stat.S_IMODE(found.st_mode), found.st_size, found.st_mtime_ns
    if facts != (True, fact.mode & HARMLESS, fact.size, fact.times[1]) or fact.extents not in ([], [(0, fact.size)]):
        return False
    held = {each: os.getxattr(fd, each) for each in os.listxattr(fd) if shown(each)}
    return held == fact.shown and bool(fact.extents) == (fact.size > 0)


def _same(fd: int, size: int, source: BinaryIO) -> bool:
    """Whether the stream has the same bytes. If it has, they are passed over; if not, it stands where it stood."""
    start = source.tell()
    for at in range(0, size, CHUNK):
        if source.read(min(CHUNK, size - at)) != os.pread(fd, CHUNK, at):
            source.seek(start)
            return False
    return True
