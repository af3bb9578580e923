"""Runs inside a sandbox: unpacks one archive into a folder, wholly or not at all, and never outside of it.

JSON in: `archive`, `folder`, the most `entries` and `bytes` it may have, and the `mark` of archives that are unpacked
to `own` instead. JSON out: for each file its path below `folder`, inode, size, and times of change in nanoseconds.
"""

from __future__ import annotations

import calendar
import json
import lzma
import os
import posixpath
import shutil
import stat
import sys
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from typing import IO, Any

CHUNK = 1 << 20
LONGEST_TARGET = 4096
BROKEN = (
    *(zipfile.BadZipFile, tarfile.TarError, zlib.error, lzma.LZMAError),
    *(EOFError, NotImplementedError, ValueError, KeyError, RuntimeError),
)


def safe(name: str) -> str:
    """A name of an archive as a path below the folder; empty for the folder itself."""
    parts = [part for part in name.split("/") if part not in ("", ".")]
    if name.startswith("/") or ".." in parts or "\0" in name:
        sys.exit(f"the archive has an entry that leads out of its folder: {name[:200]!r}")
    return "/".join(parts)


def safe_target(name: str, target: str) -> str:
    """Where a link leads, which must be below the folder too."""
    led = posixpath.normpath(posixpath.join(posixpath.dirname(name), target))
    if target.startswith("/") or led == ".." or led.startswith("../") or not target or len(target) > LONGEST_TARGET:
        sys.exit(f"the archive has a link that leads out of its folder: {name[:200]!r}")
    return target


class Stage:
    """A folder beside the target in which everything is unpacked first."""

    def __init__(self, folder: str, entries: int, size: int, *, own: bool) -> None:
        self.folder = tempfile.mkdtemp(prefix=".agentbay-sync-", dir=folder)
        self.links: dict[str, str] = {}
        self._entries = entries
        self._size = size
        self._own = own

    def place(self, name: str) -> str:
        """Where an entry goes; its folder is made."""
        self._entries -= 1
        if self._entries < 0:
            sys.exit("the archive has too many entries")
        path = f"{self.folder}/{safe(name)}"
        os.makedirs(os.path.dirname(path), exist_ok=True)
        return path

    def directory(self, name: str) -> None:
        os.makedirs(self.place(name), exist_ok=True)

    def link(self, name: str, target: str) -> None:
        """Links are made last: nothing can be written through them. What an upload has packed may lead anywhere."""
        self.place(name)
        self.links[safe(name)] = target if self._own else safe_target(safe(name), target)

    def file(self, name: str, source: IO[bytes], mode: int, moment: float) -> None:
        path = self.place(name)
        with open(path, "wb") as file:
            while chunk := source.read(CHUNK):
                self._size -= len(chunk)
                if self._size < 0:
                    sys.exit("the archive holds more than there is room for")
                file.write(chunk)
        os.chmod(path, mode & 0o777 if self._own else 0o755 if mode & stat.S_IXUSR else 0o644)
        os.utime(path, (moment, moment))

    def finish(self) -> None:
        for name, target in self.links.items():
            os.symlink(target, f"{self.folder}/{name}")


def from_zip(path: str, stage: Stage) -> None:
    with zipfile.ZipFile(path) as archive:
        for info in archive.infolist():
            mode = info.external_attr >> 16
            kind = stat.S_IFMT(mode)
            if info.flag_bits & 1:
                sys.exit(f"the archive has an encrypted entry: {info.filename[:200]!r}")
            if info.is_dir():
                stage.directory(info.filename)
            elif kind == stat.S_IFLNK:
                with archive.open(info) as source:
                    stage.link(info.filename, os.fsdecode(source.read(LONGEST_TARGET + 1)))
            elif kind in (0, stat.S_IFREG):
                with archive.open(info) as source:
                    stage.file(info.filename, source, mode, calendar.timegm((*info.date_time, 0, 0, 0)))
            else:
                sys.exit(f"the archive has a device or another special file: {info.filename[:200]!r}")


def from_tar(path: str, stage: Stage) -> None:
    with tarfile.open(path, "r:*") as archive:
        for member in archive:
            if member.isdir():
                stage.directory(member.name)
            elif member.issym():
                stage.link(member.name, member.linkname)
            elif member.islnk():
                safe(member.linkname)
                copy(archive, member, stage)
            elif member.isfile():
                copy(archive, member, stage)
            else:
                sys.exit(f"the archive has a device or another special file: {member.name[:200]!r}")


def copy(archive: tarfile.TarFile, member: tarfile.TarInfo, stage: Stage) -> None:
    """A file; a hard link is the file it stands for, which is in the archive before it."""
    source = archive.extractfile(member)
    if source is None:
        sys.exit(f"the archive has a link to something else than a file: {member.name[:200]!r}")
    with source:
        stage.file(member.name, source, member.mode, member.mtime)


def merge(stage: str, folder: str) -> Iterator[list[Any]]:
    """Moves everything to its place, links not followed."""
    for above, folders, files in os.walk(stage):
        place = os.path.normpath(f"{folder}/{os.path.relpath(above, stage)}")
        for name in [each for each in folders if not os.path.islink(f"{above}/{each}")]:
            own_folder(f"{place}/{name}")
        for name in [*files, *(each for each in folders if os.path.islink(f"{above}/{each}"))]:
            os.replace(f"{above}/{name}", f"{place}/{name}")
            found = os.lstat(f"{place}/{name}")
            below = os.path.relpath(f"{place}/{name}", folder)
            yield [below, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns]


def own_folder(path: str) -> None:
    if os.path.islink(path) or not os.path.isdir(path):
        if os.path.lexists(path):
            sys.exit(f"something else is where the archive has a folder: {path[:200]!r}")
        os.mkdir(path)


def marked(path: str, mark: str) -> bool:
    """Whether it is an archive that an upload made, which goes back to where its files were."""
    if not zipfile.is_zipfile(path):
        return False
    with zipfile.ZipFile(path) as archive:
        return archive.comment == mark.encode()


def main(asked: dict[str, Any]) -> None:
    try:
        own = marked(asked["archive"], asked["mark"])
        folder = asked["own"] if own else asked["folder"]
        os.makedirs(folder, exist_ok=True)
        unpack(asked, folder, Stage(folder, asked["entries"], asked["bytes"], own=own))
    except BROKEN as error:
        sys.exit(f"it is no archive that can be unpacked ({' '.join(str(error).split())[:200]})")
    except OSError as error:
        sys.exit(f"it cannot be unpacked: {error.strerror or error}")


def unpack(asked: dict[str, Any], folder: str, stage: Stage) -> None:
    path = asked["archive"]
    try:
        (from_zip if zipfile.is_zipfile(path) else from_tar)(path, stage)
        stage.finish()
        json.dump({"folder": folder, "files": list(merge(stage.folder, folder))}, sys.stdout)
    finally:
        shutil.rmtree(stage.folder, ignore_errors=True)


main(json.load(sys.stdin))
