"""The files of a session as a layer: made out here from the stream that `keeping` takes of a session.

What the stream says was said by programs that may be hostile, so it is held to its form. Everything is made anew in an
empty folder that nobody else can reach, by single names below folders that were just made: no link is ever followed,
and nothing can be where it does not belong. What is no file, folder or link is left out, and so is what would mean
something to the host: set-user-id bits, and attributes of the overlay itself.
"""

from __future__ import annotations

import contextlib
import errno
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Final

from agentbay_local.images import trees
from agentbay_local.images.facts import HARMLESS, LONGEST_LINE, UNFIT, Fact, read_fact
from agentbay_local.images.trees import FOLDER
from agentbay_local.images.unchanged import Unchanged
from agentbay_local.service.refusals import ServiceRefusal

__all__ = ["PLACES", "SnapshotFault", "plant"]

PLACES: Final = {"/home/wuying": ("home", "wuying"), "/workspace": ("workspace",)}
"""What is kept of a session, and where it is in a layer. The rest is for the moment only."""
MOST_ENTRIES: Final = 1_000_000
CHUNK: Final = 1 << 24
NEW_FILE: Final = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
OF_THE_COPY: Final = {
    errno.ENOENT,
    errno.EEXIST,
    errno.EINVAL,
    errno.ENAMETOOLONG,
    errno.EFBIG,
    errno.ENOTDIR,
    errno.ERANGE,
    errno.E2BIG,
}


class SnapshotFault(ServiceRefusal):
    """The files of the session cannot be kept as an image; nothing is left of the attempt."""

    def __init__(self, why: str, status: int = 400) -> None:
        super().__init__("Image.NotTaken", f"The session's files cannot be kept as an image: {why}.", status)


class Planter:
    """The making. `here` is the folder that is being filled, None in a place that is not kept."""

    def __init__(self, source: BinaryIO, files: Path, below: Path | None, stop: threading.Event) -> None:
        self.source = source
        self.files = files
        self.below = below
        self.unchanged = Unchanged()
        self.stop = stop
        self.here: int | None = None
        self.above: list[Fact] = []
        self.twins = files.with_name("twins")
        self.twin_folder = -1
        self.left = MOST_ENTRIES

    def run(self) -> None:
        """Everything, from the first line to the last."""
        self.files.mkdir(mode=0o755)
        self.twins.mkdir(mode=0o700)
        self.twin_folder = os.open(self.twins, FOLDER)
        try:
            for fact in self.facts():
                self.make(fact)
            self.leave_place()
        finally:
            os.close(self.twin_folder)
            self.close()
        trees.remove(self.twins)

    def facts(self) -> Iterator[Fact]:
        """The stream up to its end, which it must have."""
        while not self.stop.is_set():
            line = self.source.readline(LONGEST_LINE)
            fact = read_fact(line or b'{"end": -1}')
            if fact.end is not None and fact.end >= 0:
                return
            if fact.end is not None:
                break
            self.left -= 1
            if self.left < 0:
                raise SnapshotFault(f"there are more than {MOST_ENTRIES} of them")
            yield fact
        raise SnapshotFault("their copy has no end")

    def make(self, fact: Fact) -> None:
        if fact.store:
            self.leave_place()
            self.enter_place(fact)
        elif fact.up:
            self.up()
        elif fact.kind == "folder":
            self.down(fact)
        else:
            self.entry(fact)

    # --- Folders ------------------------------------------------------------------------------------------------------

    def enter_place(self, fact: Fact) -> None:
        self.above = [fact]
        if fact.store in PLACES:
            folder = self.files.joinpath(*PLACES[fact.store])
            folder.parent.mkdir(mode=0o755, exist_ok=True)
            if folder.exists():
                raise SnapshotFault(f"{fact.store} is told twice")
            folder.mkdir(mode=0o700)
            self.here = os.open(folder, FOLDER)
            self.unchanged.begin(self.below and self.below.joinpath(*PLACES[fact.store]))

    def leave_place(self) -> None:
        if len(self.above) > 1:
            raise SnapshotFault("their copy ends in a folder")
        if self.here is not None:
            _dress(self.here, self.above[0])
        self.close()

    def close(self) -> None:
        self.unchanged.close()
        here, self.here = self.here, None
        if here is not None:
            os.close(here)

    def down(self, fact: Fact) -> None:
        name = _one_name(fact.name)
        self.above.append(fact)
        if self.here is not None:
            os.mkdir(name, 0o700, dir_fd=self.here)
            self.go(name, None)
            self.unchanged.down(name)

    def up(self) -> None:
        if len(self.above) < 2:
            raise SnapshotFault("their copy leaves a folder that it never entered")
        fact = self.above.pop()
        if self.here is not None:
            self.go("..", fact)
            self.unchanged.up()

    def go(self, name: str, leaving: Fact | None) -> None:
        """To another folder. The one that is left gets its permissions last: they may close it to ourselves."""
        assert self.here is not None
        there, here = os.open(name, FOLDER, dir_fd=self.here), self.here
        self.here = there
        try:
            if leaving is not None:
                _dress(here, leaving)
        finally:
            os.close(here)

    # --- What is in them ----------------------------------------------------------------------------------------------

    def entry(self, fact: Fact) -> None:
        """Anything but a folder. What has several names is made aside, and gets each of them by a link."""
        name = _one_name(fact.name)
        if self.here is None or fact.kind not in {"file", "link", "twin"}:
            self.skip(fact)
        elif fact.twin is None:
            if fact.kind != "file" or not self.unchanged.shared(fact, self.here, self.source):
                self.single(fact, name, self.here)
        else:
            aside = str(int(fact.twin))
            if fact.kind != "twin":
                self.single(fact, aside, self.twin_folder)
            with contextlib.suppress(FileNotFoundError):  # a pipe, or the like
                os.link(aside, name, src_dir_fd=self.twin_folder, dst_dir_fd=self.here, follow_symlinks=False)

    def skip(self, fact: Fact) -> None:
        if fact.kind == "file":
            self.source.seek(sum(_length(extent) for extent in fact.extents), os.SEEK_CUR)

    def single(self, fact: Fact, name: str, folder: int) -> None:
        if fact.kind == "link":
            os.symlink(fact.target, name, dir_fd=folder)
            os.utime(name, ns=fact.times, dir_fd=folder, follow_symlinks=False)
            return
        fd = os.open(name, NEW_FILE, 0o600, dir_fd=folder)
        try:
            for extent in fact.extents:
                self.receive(fd, extent[0], _length(extent))
            os.ftruncate(fd, fact.size)
            _dress(fd, fact)
        finally:
            os.close(fd)

    def receive(self, fd: int, start: int, length: int) -> None:
        """Data of a file; the holes around it stay holes."""
        os.lseek(fd, start, os.SEEK_SET)
        at = self.source.tell()
        while length:
            sent = os.sendfile(fd, self.source.fileno(), at, min(length, CHUNK))
            if not sent or self.stop.is_set():
                raise SnapshotFault("their copy ends in a file")
            at, length = at + sent, length - sent
        self.source.seek(at)


def plant(stop: threading.Event, source: BinaryIO, files: Path, below: Path | None = None) -> int:
    """Makes the folder `files`, beside which nobody else works, with all that the stream tells. Blocking.

    What is the same in the folder `below`, a layer on the same disk, is shared with it. Gives the bytes that are.

    Raises:
        SnapshotFault: the stream is not what it must be, or `stop` was set.
        OSError: the disk is full, or cannot be written.
    """
    try:
        planter = Planter(source, files, below, stop)
        planter.run()
        return planter.unchanged.bytes
    except UNFIT as error:
        raise SnapshotFault(f"their copy is not in order ({type(error).__name__})") from error
    except OSError as error:
        if error.errno in OF_THE_COPY:
            raise SnapshotFault(f"their copy is not in order ({error.strerror})") from error
        raise


def _one_name(name: str) -> str:
    """Makes sure that a name is one, and no way to somewhere else."""
    if name in {"", ".", ".."} or "/" in name or "\0" in name:
        raise SnapshotFault("one of them has a name that cannot be")
    return name


def _length(extent: tuple[int, int]) -> int:
    if min(extent) < 0:
        raise SnapshotFault("one of them has less than nothing in it")
    return extent[1]


def _dress(fd: int, fact: Fact) -> None:
    """Permissions and times of a file or folder, when it is full."""
    for attribute, value in fact.shown.items():
        os.setxattr(fd, attribute, value)
    os.fchmod(fd, fact.mode & HARMLESS)
    os.utime(fd, ns=fact.times)
