"""Runs inside a new sandbox: makes the files of a stream that `freeze.py` has written, from standard input.

What an image has put there before is left if it is the same, so that it takes no room, and removed if the stream does
not tell of it.

JSON out, once all is there: for each file the stamp that it had, and the one that it has now, as eight numbers. The
exit code is 0, or the number of the system's error.
"""

from __future__ import annotations

import base64
import contextlib
import errno
import json
import os
import stat
import sys
from typing import IO, Any

CHUNK = 1 << 20
ASIDE = f".agentbay-thaw-{os.urandom(8).hex()}"
"""Where each file with several names has one more, until all of them are there."""

Fact = dict[str, Any]


class Thaw:
    """The making. `above` has the folders that are still being filled."""

    def __init__(self, source: IO[bytes]) -> None:
        self.source = source
        self.above: list[Fact] = []
        self.told: list[set[str]] = []
        """The names in each folder above, and in this one."""
        self.stores: list[Fact] = []
        self.stamps: list[list[int]] = []
        self.twins: list[tuple[str, list[int]]] = []
        self.buffer = memoryview(bytearray(CHUNK))

    def run(self) -> None:
        while True:
            fact = json.loads(self.source.readline() or b'{"end":-1}')
            if "end" in fact:
                break
            self.make(fact)
        if fact["end"] < 0:
            raise OSError(errno.EIO, "the stream has no end")
        self.finish()

    def make(self, fact: Fact) -> None:
        if "name" in fact:
            self.told[-1].add(fact["name"])
        if "store" in fact:
            self.leave_store()
            os.chdir(fact["store"])
            self.stores.append(fact)
            self.told.append(set())
        elif "up" in fact:
            prune(self.told.pop())
            os.chdir("..")
            fact = self.above.pop()
            attach(fact)
            dress(fact)
        elif fact["kind"] == "folder":
            self.folder(fact)
        elif fact["kind"] == "twin":
            clear(fact["name"])
            os.link(f"{self.aside()}/{fact['twin']}", fact["name"], follow_symlinks=False)
        else:
            self.single(fact)

    def aside(self) -> str:
        return f"{self.stores[-1]['store']}/{ASIDE}"

    def leave_store(self) -> None:
        """What else is in the last store, was removed from it."""
        if self.told:
            prune({*self.told.pop(), os.path.basename(ASIDE)})

    def folder(self, fact: Fact) -> None:
        if kind_of(fact["name"]) != stat.S_IFDIR:
            clear(fact["name"])
            os.mkdir(fact["name"], 0o700)
        os.chmod(fact["name"], 0o700)
        os.chdir(fact["name"])
        self.above.append(fact)
        self.told.append(set())

    def single(self, fact: Fact) -> None:
        if fact["kind"] == "file":
            self.file(fact)
        else:
            clear(fact["name"])
            make_other(fact)
        attach(fact)
        dress(fact)
        if "twin" in fact:
            os.makedirs(self.aside(), 0o700, exist_ok=True)
            os.link(fact["name"], f"{self.aside()}/{fact['twin']}", follow_symlinks=False)
        if fact["kind"] == "file":
            self.note(fact)

    def note(self, fact: Fact) -> None:
        if "twin" in fact:  # its stamp changes once more
            path = "/".join([self.stores[-1]["store"], *(each["name"] for each in self.above), fact["name"]])
            self.twins.append((path, fact["stamp"]))
        else:
            self.stamps.append(fact["stamp"] + stamp_of(fact["name"]))

    def file(self, fact: Fact) -> None:
        """A file; what is here already stays as long as it is the same."""
        old = like(fact)
        try:
            new = -1 if old >= 0 else made(fact["name"])
            try:
                for number, (start, length) in enumerate(fact["extents"]):
                    new = self.receive(fact, number, start, length, old, new)
                if new >= 0:
                    os.ftruncate(new, fact["size"])
            finally:
                shut(new)
        finally:
            shut(old)

    def receive(self, fact: Fact, number: int, start: int, length: int, old: int, new: int) -> int:
        """A piece of a file; gives the descriptor of the new one, once there is one."""
        while length:
            count = self.source.readinto(self.buffer[: min(length, CHUNK)])  # type: ignore[attr-defined]
            if not count:
                raise OSError(errno.EIO, "the stream ends in a file")
            data = self.buffer[:count]
            if new < 0 and os.pread(old, count, start) != data:
                new = made(fact["name"])
                begun = fact["extents"][number][0]
                copy(old, new, [*fact["extents"][:number], (begun, start - begun)])
            if new >= 0:
                put(new, data, start)
            start, length = start + count, length - count
        return new

    def finish(self) -> None:
        """Nothing that was only needed on the way stays, and the tops get their times last."""
        self.leave_store()
        for store in self.stores:
            forget(f"{store['store']}/{ASIDE}")
        for path, stamp in self.twins:
            with contextlib.suppress(OSError):  # a path that is too long to be asked for
                self.stamps.append(stamp + stamp_of(path))
        for store in self.stores:
            dress({"name": store["store"], "kind": "folder", "mode": store["mode"], "times": store["times"]})


def like(fact: Fact) -> int:
    """A descriptor of the file that is here, if it may be the same as the one that comes, without holes; else -1."""
    try:
        found = os.lstat(fact["name"])
        if "twin" in fact or not stat.S_ISREG(found.st_mode) or fact["extents"] != [[0, found.st_size]]:
            return -1
        if [found.st_size, found.st_mtime_ns] != [fact["size"], fact["times"][1]]:
            return -1
        if held(fact["name"]) != fact.get("attributes", {}):
            return -1
        return os.open(fact["name"], os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except (FileNotFoundError, PermissionError):
        return -1


def made(name: str) -> int:
    clear(name)
    return os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)


def put(fd: int, data: memoryview, start: int) -> None:
    while data:
        written = os.pwrite(fd, data, start)
        data, start = data[written:], start + written


def copy(old: int, new: int, pieces: list[tuple[int, int]]) -> None:
    """What was the same so far."""
    for start, length in pieces:
        for at in range(start, start + length, CHUNK):
            put(new, memoryview(os.pread(old, min(CHUNK, start + length - at), at)), at)


def shut(fd: int) -> None:
    if fd >= 0:
        os.close(fd)


def make_other(fact: Fact) -> None:
    if fact["kind"] == "link":
        os.symlink(fact["target"], fact["name"])
    else:
        os.mkfifo(fact["name"], 0o600)


def kind_of(name: str) -> int:
    """0 if there is nothing."""
    try:
        return stat.S_IFMT(os.lstat(name).st_mode)
    except FileNotFoundError:
        return 0


def prune(names: set[str]) -> None:
    """What the stream does not tell of was removed by the session."""
    device = os.stat(".").st_dev
    for name in os.listdir("."):
        if name not in names:
            found = os.lstat(name)
            if not stat.S_ISDIR(found.st_mode) or found.st_dev == device:
                clear(name)


def clear(name: str) -> None:
    """Removes what has a name, however deep it is."""
    kind = kind_of(name)
    if kind and kind != stat.S_IFDIR:
        os.unlink(name)
    if kind != stat.S_IFDIR:
        return
    above = [name]
    enter(name)
    while above:
        if (below := emptied()) is not None:
            enter(below)
            above.append(below)
        else:
            os.chdir("..")
            os.rmdir(above.pop())


def enter(name: str) -> None:
    os.chmod(name, 0o700)
    os.chdir(name)


def emptied() -> str | None:
    """The name of a folder in this one; all else is removed before one is told."""
    with os.scandir(".") as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                return entry.name
            os.unlink(entry.name)
    return None


def held(name: str) -> dict[str, str]:
    """What is attached to what is here, as the stream tells it."""
    try:
        named = [each for each in os.listxattr(name, follow_symlinks=False) if each.startswith("user.")]
        values = [os.getxattr(name, each, follow_symlinks=False) for each in named]
    except OSError as error:
        if error.errno in {errno.ENOTSUP, errno.EPERM, errno.EACCES}:
            return {}
        raise
    return {each: base64.b64encode(value).decode() for each, value in zip(named, values, strict=True)}


def attach(fact: Fact) -> None:
    """What users attach to files, where it is something else; nobody is kept from that yet by permissions."""
    name, told = fact["name"], fact.get("attributes", {})
    if (here := held(name)) == told:
        return
    for attribute in here.keys() - told.keys():
        os.removexattr(name, attribute, follow_symlinks=False)
    for attribute, value in told.items() - here.items():
        os.setxattr(name, attribute, base64.b64decode(value), follow_symlinks=False)


def dress(fact: Fact) -> None:
    """Permissions and times, where they are others; the times last, and of folders when they are full."""
    name = fact["name"]
    found = os.lstat(name)
    if fact["kind"] != "link" and stat.S_IMODE(found.st_mode) != fact["mode"]:
        os.chmod(name, fact["mode"])
    if found.st_mtime_ns != fact["times"][1]:
        os.utime(name, ns=tuple(fact["times"]), follow_symlinks=False)


def forget(aside: str) -> None:
    with contextlib.suppress(FileNotFoundError):
        for name in os.listdir(aside):
            os.unlink(f"{aside}/{name}")
        os.rmdir(aside)


def stamp_of(path: str) -> list[int]:
    found = os.lstat(path)
    return [found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns]


def main() -> None:
    os.umask(0)
    try:
        with open(0, "rb", buffering=CHUNK, closefd=False) as source:
            thaw = Thaw(source)
            thaw.run()
    except OSError as error:
        sys.exit(error.errno or errno.EIO)
    json.dump(thaw.stamps, sys.stdout)


main()
