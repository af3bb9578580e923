"""Runs inside a new sandbox: makes the files of a stream that `freeze.py` has written, from standard input.

JSON out, once all is there: for each file the stamp that it had, and the one that it has now, as eight numbers. The
exit code is 0, or the number of the system's error.
"""

from __future__ import annotations

import base64
import contextlib
import errno
import json
import os
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
        if "store" in fact:
            os.chdir(fact["store"])
            self.stores.append(fact)
        elif "up" in fact:
            os.chdir("..")
            dress(self.above.pop())
        elif fact["kind"] == "folder":
            self.folder(fact)
        elif fact["kind"] == "twin":
            os.link(f"{self.aside()}/{fact['twin']}", fact["name"], follow_symlinks=False)
        else:
            self.single(fact)

    def aside(self) -> str:
        return f"{self.stores[-1]['store']}/{ASIDE}"

    def folder(self, fact: Fact) -> None:
        with contextlib.suppress(FileExistsError):
            os.mkdir(fact["name"], 0o700)
        os.chdir(fact["name"])
        self.above.append(fact)

    def single(self, fact: Fact) -> None:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(fact["name"])
        if fact["kind"] == "file":
            self.file(fact)
        elif fact["kind"] == "link":
            os.symlink(fact["target"], fact["name"])
        else:
            os.mkfifo(fact["name"], 0o600)
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
        fd = os.open(fact["name"], os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        try:
            for start, length in fact["extents"]:
                self.receive(fd, start, length)
            os.ftruncate(fd, fact["size"])
        finally:
            os.close(fd)

    def receive(self, fd: int, start: int, length: int) -> None:
        while length:
            count = self.source.readinto(self.buffer[: min(length, CHUNK)])  # type: ignore[attr-defined]
            if not count:
                raise OSError(errno.EIO, "the stream ends in a file")
            data = self.buffer[:count]
            while data:
                written = os.pwrite(fd, data, start)
                data, start, length = data[written:], start + written, length - written

    def finish(self) -> None:
        """Nothing that was only needed on the way stays, and the tops get their times last."""
        for store in self.stores:
            forget(f"{store['store']}/{ASIDE}")
        for path, stamp in self.twins:
            with contextlib.suppress(OSError):  # a path that is too long to be asked for
                self.stamps.append(stamp + stamp_of(path))
        for store in self.stores:
            dress({"name": store["store"], "kind": "folder", "mode": store["mode"], "times": store["times"]})


def dress(fact: Fact) -> None:
    """Permissions and times; the times last, and of folders when they are full."""
    name = fact["name"]
    for attribute, value in fact.get("attributes", {}).items():
        os.setxattr(name, attribute, base64.b64decode(value), follow_symlinks=False)
    if fact["kind"] != "link":
        os.chmod(name, fact["mode"])
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
