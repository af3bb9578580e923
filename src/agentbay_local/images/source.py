"""Folders and archives of the user's, brought into a new layer as files of the server's. No link is ever followed."""

from __future__ import annotations

import asyncio
import contextlib
import lzma
import os
import stat
import tarfile
import threading
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Final

from agentbay_local.images.layers import OURS, PARTS, is_root, part
from agentbay_local.images.recipe import UnfitSource

__all__ = ["Bringing", "layer_of"]

CHUNK: Final = 1 << 20
USER: Final = "wuying"
TOPS: Final = frozenset(name.partition("/")[0] for name in PARTS)
NAMED: Final = ", ".join(PARTS)
UNREADABLE: Final = (tarfile.TarError, EOFError, zlib.error, lzma.LZMAError, OverflowError, ValueError)
"""What a damaged archive, or one with numbers that cannot be, raises."""


def layer_of(stop: threading.Event, source: Path, layer: Path) -> bool:
    """Bring a folder or an archive into a new layer; whether it is a root of its own.

    Raises:
        UnfitSource: it is not laid out as an image is, or has something in it that images do not have.
        OSError: it cannot be read, or the disk is full.
    """
    bring = Bringing(layer, stop)
    if source.is_dir():
        return bring.folder(source)
    if not source.exists():
        raise UnfitSource(f"{source} does not exist: give a folder, a tar archive or a recipe (.toml)")
    return bring.archive(source)


class Bringing:
    """The filling of a layer, up to when `stop` is set."""

    def __init__(self, layer: Path, stop: threading.Event) -> None:
        self._layer = layer
        self._stop = stop

    def place_for(self, name: str) -> Path:
        """The path of something in the layer, whose folders are made if they are not there.

        Raises:
            UnfitSource: a link, or a file, stands where a folder has to be.
        """
        *folders, last = name.split("/")
        path = self._layer
        for step in folders:
            path = path / step
            with contextlib.suppress(FileExistsError):
                path.mkdir(mode=0o755)
            if not is_folder(path):
                raise UnfitSource(
                    f"{name!r} cannot be put into the image: {path.relative_to(self._layer)} is no folder"
                )
        return path / last

    def copy(self, source: Path, place: Path) -> None:
        """Copy a file, link or folder with all in it, with permissions and times.

        Raises:
            UnfitSource: it is nothing that an image can have, a device for one.
        """
        status = source.lstat()
        kind = stat.S_IFMT(status.st_mode)
        if kind == stat.S_IFDIR:
            self._copy_folder(source, place)
        elif kind == stat.S_IFLNK:
            make_link(os.readlink(source), place)
        elif kind == stat.S_IFREG:
            with open(os.open(source, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC), "rb") as file:
                self._write(file, place)
        else:
            raise UnfitSource(f"{source} is neither a file nor a folder nor a link, and images have nothing else")
        dress(place, status.st_mode, status.st_mtime_ns)

    def _copy_folder(self, source: Path, place: Path) -> None:
        with contextlib.suppress(FileExistsError):
            place.mkdir()
        if not is_folder(place):
            raise UnfitSource(f"{source} is a folder, and {place.relative_to(self._layer)} is something else already")
        for name in os.listdir(source):
            self.copy(source / name, place / name)

    def _write(self, source: IO[bytes], place: Path) -> None:
        with contextlib.suppress(FileNotFoundError):
            place.unlink()
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        with open(os.open(place, flags, 0o600), "wb") as file:
            while data := source.read(CHUNK):
                self.go_on()
                file.write(data)

    def go_on(self) -> None:
        """Raises CancelledError once nobody waits for the layer any more."""
        if self._stop.is_set():
            raise asyncio.CancelledError

    def folder(self, source: Path) -> bool:
        """Copy what is in a folder; whether it is a root of its own."""
        root = is_root(source)
        for name in wanted(source, root, str(source)):
            if name == "home":
                self._home(source / name)
            else:
                self.copy(source / name, self._layer / name)
        return root

    def _home(self, source: Path) -> None:
        """The home folder of sessions. A root may have others, which they do not see."""
        if (source / USER).is_dir():
            self.copy(source / USER, self.place_for(f"home/{USER}"))

    def archive(self, source: Path) -> bool:
        """Unpack an archive; whether it is a root of its own."""
        try:
            with tarfile.open(source, "r:*") as archive:
                self._unpack(archive)
        except UnfitSource:
            raise
        except UNREADABLE as error:
            raise UnfitSource(f"{source} is no tar archive that can be read ({error})") from error
        root = is_root(self._layer)
        list(wanted(self._layer, root, str(source)))
        return root

    def _unpack(self, archive: tarfile.TarFile) -> None:
        folders: list[tuple[Path, tarfile.TarInfo]] = []
        for member in archive:
            self.go_on()
            name = safe_name(member.name)
            if not name or name.partition("/")[0] in OURS - {"home"}:
                continue
            place = self.place_for(name)
            if member.isdir():
                self.place_for(f"{name}/.")
                folders.append((place, member))
            else:
                self._unpack_one(archive, member, place)
        for place, member in reversed(folders):
            dress(place, member.mode, int(member.mtime * 1e9))

    def _unpack_one(self, archive: tarfile.TarFile, member: tarfile.TarInfo, place: Path) -> None:
        """One member that is no folder."""
        if os.path.lexists(place) and is_folder(place):
            raise UnfitSource(f"{member.name!r} is a folder and something else in one archive")
        if member.islnk():
            self._twin(member, place)
            return
        if member.issym():
            make_link(member.linkname, place)
        elif (content := archive.extractfile(member)) is not None:
            self._write(content, place)
        else:
            kinds = "neither a file nor a folder nor a link, and images have nothing else"
            raise UnfitSource(f"{member.name!r} in the archive is {kinds}")
        dress(place, member.mode, int(member.mtime * 1e9))

    def _twin(self, member: tarfile.TarInfo, place: Path) -> None:
        """Another name of a file that is in the archive itself."""
        first = self.place_for(safe_name(member.linkname))
        if not os.path.lexists(first) or not stat.S_ISREG(first.lstat().st_mode):
            raise UnfitSource(
                f"{member.name!r} is another name of {member.linkname!r}, which is no file in the archive"
            )
        with contextlib.suppress(FileNotFoundError):
            place.unlink()
        os.link(first, place, follow_symlinks=False)


def is_folder(path: Path) -> bool:
    """Whether a folder itself is there, and not a link to one."""
    return stat.S_ISDIR(path.lstat().st_mode)


def make_link(target: str, place: Path) -> None:
    with contextlib.suppress(FileNotFoundError):
        place.unlink()
    place.symlink_to(target)


def dress(place: Path, mode: int, mtime_ns: int) -> None:
    """Permissions, as far as an image has them, and the time of the last change."""
    if not stat.S_ISLNK(place.lstat().st_mode):
        place.chmod(mode & 0o777 | (0o700 if is_folder(place) else 0o400))
    os.utime(place, ns=(mtime_ns, mtime_ns), follow_symlinks=False)


def wanted(folder: Path, root: bool, source: str) -> Iterator[str]:
    """What at the top of a folder is part of an image. Raises UnfitSource."""
    names = sorted(os.listdir(folder))
    if not names:
        raise UnfitSource(f"{source} is empty: an image has {NAMED}, or is a root of its own")
    homes = sorted(os.listdir(folder / "home")) if part(folder, "home") else []
    strange = [name for name in names if name not in TOPS] + [f"home/{name}" for name in homes if name != USER]
    if strange and not root:
        raise UnfitSource(
            f"{source} has {strange[0]!r}, and images do not: they have {NAMED}. Put files of a project into "
            "workspace. A root of its own has usr/bin and bin as well"
        )
    return (name for name in names if not root or name == "home" or name not in OURS)


def safe_name(name: str) -> str:
    """The name of a member below the top of a layer. Raises UnfitSource."""
    steps = [step for step in name.split("/") if step not in {"", "."}]
    if name.startswith("/") or ".." in steps or "\0" in name:
        raise UnfitSource(f"{name[:300]!r} in the archive leads out of it: names are relative and without ..")
    return "/".join(steps)
