"""Runs inside a sandbox whose other programs are stopped: writes all its files to standard output, as one stream.

The stream is a line of JSON for each thing, followed by the data of a file. It goes down into folders and up again by
steps, so that no path is ever too long; holes are left out; a file with several names here is told once. What is no
file, folder, link or pipe is nothing without its programs, and is left out. `thaw.py` reads it.

Arguments: the folders. The exit code is 0, or the number of the system's error.
"""

from __future__ import annotations

import base64
import collections
import contextlib
import errno
import json
import os
import stat
import sys
from collections.abc import Iterator
from typing import Any

CHUNK = 1 << 22
OUT = 1
OWNER = {stat.S_IFREG: 0o400, stat.S_IFDIR: 0o500}
KINDS = {stat.S_IFREG: "file", stat.S_IFDIR: "folder", stat.S_IFLNK: "link", stat.S_IFIFO: "pipe"}

Fact = dict[str, Any]


def put(fact: Fact) -> None:
    """One line."""
    left = memoryview(json.dumps(fact, separators=(",", ":")).encode() + b"\n")
    while left:
        left = left[os.write(OUT, left) :]


def times(status: os.stat_result) -> list[int]:
    return [status.st_atime_ns, status.st_mtime_ns]


def attributes(name: str, status: os.stat_result) -> dict[str, str]:
    """What users may attach to a file."""
    try:
        named = [each for each in os.listxattr(name, follow_symlinks=False) if each.startswith("user.")]
        if not named:
            return {}
        with opened(name, status):
            values = [os.getxattr(name, each, follow_symlinks=False) for each in named]
    except OSError as error:
        if error.errno in {errno.ENOTSUP, errno.EPERM, errno.EACCES}:
            return {}
        raise
    return {each: base64.b64encode(value).decode() for each, value in zip(named, values, strict=True)}


@contextlib.contextmanager
def opened(name: str, status: os.stat_result) -> Iterator[None]:
    """Lets the owner in meanwhile, who may have closed even its own eyes."""
    needed = OWNER[stat.S_IFMT(status.st_mode)]
    closed = status.st_mode & needed != needed
    if closed:
        os.chmod(name, stat.S_IMODE(status.st_mode) | needed)
    try:
        yield
    finally:
        if closed:
            os.chmod(name, stat.S_IMODE(status.st_mode))


def overlays() -> set[str]:
    """Where the files of an image are seen. One of them may have names that only another image has."""
    with open("/proc/self/mountinfo", encoding="utf-8", errors="replace") as told:
        rows = [line.split() for line in told]
    return {row[4] for row in rows if row[row.index("-") + 1] == "overlay"}


def extents(fd: int, size: int) -> Iterator[tuple[int, int]]:
    """Where a file has data, and how much."""
    end = 0
    while end < size:
        try:
            start = os.lseek(fd, end, os.SEEK_DATA)
        except OSError as error:
            if error.errno == errno.ENXIO:  # a hole to the end
                return
            raise
        end = min(os.lseek(fd, start, os.SEEK_HOLE), size)
        if start < end:
            yield start, end - start


class Walk:
    """Goes through all below a folder that is entered already, on one device."""

    def __init__(self) -> None:
        self.device = 0

    def meet(self, name: str, kind: str, status: os.stat_result) -> None:
        """Something is found."""

    def leave(self) -> None:
        """A folder is left."""

    def walk(self) -> None:
        """Down into folders and up again; however it ends, each folder is left as it was found."""
        above: list[tuple[Iterator[str], contextlib.ExitStack]] = []
        names = iter(os.listdir("."))
        try:
            while True:
                folder = self.next_folder(names)
                if folder is not None:
                    above.append((names, self.down(*folder)))
                    names = iter(os.listdir("."))
                elif above:
                    names, way_up = above.pop()
                    way_up.close()
                    self.leave()
                else:
                    return
        finally:
            while above:
                above.pop()[1].close()

    def next_folder(self, names: Iterator[str]) -> tuple[str, os.stat_result] | None:
        """Meets everything up to the next folder, and that one too."""
        for name in names:
            status = os.lstat(name)
            kind = KINDS.get(stat.S_IFMT(status.st_mode))
            # What is mounted here, is there anyway. (Files that come from an image may have a device of their own.)
            if kind is None or (kind == "folder" and status.st_dev != self.device):
                continue
            self.meet(name, kind, status)
            if kind == "folder":
                return name, status
        return None

    def down(self, name: str, status: os.stat_result) -> contextlib.ExitStack:
        """Goes into a folder; closing what comes back leaves it again."""
        way_up = contextlib.ExitStack()
        way_up.enter_context(opened(name, status))
        os.chdir(name)
        way_up.callback(os.chdir, "..")
        return way_up


class Counting(Walk):
    """How many names of each file are seen here, of those that have several anywhere."""

    def __init__(self, device: int) -> None:
        super().__init__()
        self.device = device
        self.names: collections.Counter[tuple[int, int]] = collections.Counter()

    def meet(self, name: str, kind: str, status: os.stat_result) -> None:
        del name
        if kind != "folder" and status.st_nlink > 1:
            self.names[status.st_dev, status.st_ino] += 1


class Freezer(Walk):
    """The telling. `twins` are the files with several names, by where they are."""

    def __init__(self) -> None:
        super().__init__()
        self.twins: dict[tuple[int, int], int] = {}
        self.count = 0
        self.overlays = overlays()
        self.names: collections.Counter[tuple[int, int]] | None = None

    def store(self, place: str) -> None:
        """All below a folder."""
        os.chdir(place)
        status = os.stat(".")
        self.device = status.st_dev
        put({"store": place, "mode": stat.S_IMODE(status.st_mode), "times": times(status)})
        with opened(".", status):
            self.names = self.counted() if place in self.overlays else None
            self.walk()

    def counted(self) -> collections.Counter[tuple[int, int]]:
        counting = Counting(self.device)
        counting.walk()
        return counting.names

    def leave(self) -> None:
        put({"up": True})

    def meet(self, name: str, kind: str, status: os.stat_result) -> None:
        self.count += 1
        fact: Fact = {"name": name, "kind": kind, "mode": stat.S_IMODE(status.st_mode), "times": times(status)}
        if found := attributes(name, status):
            fact["attributes"] = found
        place = status.st_dev, status.st_ino
        if kind != "folder" and status.st_nlink > 1 and (self.names is None or self.names[place] > 1):
            if place in self.twins:
                put({"name": name, "kind": "twin", "twin": self.twins[place]})
                return
            fact["twin"] = self.twins[place] = len(self.twins)
        if kind == "link":
            fact["target"] = os.readlink(name)
        put(fact) if kind != "file" else self.file(name, status, fact)

    def file(self, name: str, status: os.stat_result, fact: Fact) -> None:
        with opened(name, status):
            fd = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NOATIME | os.O_CLOEXEC)
        try:
            found = list(extents(fd, status.st_size))
            stamp = [status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns]
            put(fact | {"size": status.st_size, "extents": found, "stamp": stamp})
            for start, length in found:
                send(fd, start, length)
        finally:
            os.close(fd)


def send(fd: int, start: int, length: int) -> None:
    """Data of a file, which nothing changes meanwhile."""
    while length:
        sent = os.sendfile(OUT, fd, start, min(length, CHUNK))
        if not sent:
            raise OSError(errno.EIO, "a file became shorter")
        start, length = start + sent, length - sent


def main(stores: list[str]) -> None:
    freezer = Freezer()
    try:
        for store in stores:
            freezer.store(store)
        put({"end": freezer.count})
    except OSError as error:
        sys.exit(error.errno or errno.EIO)


main(sys.argv[1:])
