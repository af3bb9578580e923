"""What the layers of an image hold. They are on this machine, but may come from anywhere: no link is followed."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

__all__ = [
    "MERGED",
    "OPAQUE",
    "PARTS",
    "accounts",
    "extras",
    "holders",
    "is_root",
    "links",
    "misplaced",
    "opaque",
    "part",
    "python",
]

PARTS: Final = ("usr", "etc", "opt", "var", "home/wuying", "workspace")
"""The folders of a layer that a session sees at the same places."""
MERGED: Final = ("bin", "sbin", "lib", "lib32", "lib64", "libx32")
"""What stands beside /usr, as links into it or as folders."""
OURS: Final = frozenset({"boot", "dev", "home", "lost+found", "media", "mnt", "proc", "run", "sys", "tmp"})
"""What a root has, but not for sessions: they have their own, or none."""
OPAQUE: Final = "user.overlay.opaque"
"""The attribute, with the value y, of a folder that hides what older layers have there."""
PYTHONS: Final = ("usr/bin/python3", "usr/local/bin/python3")
LARGEST_LIST: Final = 1 << 20


def part(layer: Path, name: str) -> Path | None:
    """A folder of a layer, if it has one; a link is none, wherever it leads."""
    path = layer
    for step in name.split("/"):
        path = path / step
        try:
            if not stat.S_ISDIR(path.lstat().st_mode):
                return None
        except FileNotFoundError:
            return None
    return path


def misplaced(layer: Path) -> str | None:
    """Where a layer has something else than a folder, and may not: the host would follow a link."""
    names = dict.fromkeys(each for name in PARTS for each in (name.partition("/")[0], name))
    return next((name for name in names if os.path.lexists(layer / name) and part(layer, name) is None), None)


def holders(layers: Sequence[Path], name: str) -> list[int]:
    """The numbers of the layers that have a folder, newest first, up to one that hides what is older."""
    found: list[int] = []
    for number, layer in enumerate(layers):
        if path := part(layer, name):
            found.append(number)
            if opaque(path):
                break
    return found


def opaque(path: Path) -> bool:
    """Whether a folder hides what older layers have there."""
    try:
        return os.getxattr(path, OPAQUE, follow_symlinks=False) == b"y"
    except OSError:  # no such attribute, or a file system without any
        return False


def is_root(folder: Path) -> bool:
    """Whether a folder is a whole root of its own, and not only something over another one."""
    return part(folder, "usr/bin") is not None and os.path.lexists(folder / "bin")


def python(layers: Sequence[Path]) -> str:
    """Where a root of its own has its Python."""
    found = (name for name in PYTHONS if any(os.path.lexists(layer / name) for layer in layers))
    return f"/{next(found, PYTHONS[0])}"


def links(layers: Sequence[Path]) -> Iterator[tuple[str, str | None]]:
    """What stands beside /usr in a root of its own: the name, and where it leads if it is a link."""
    for name in MERGED:
        found = next((layer / name for layer in layers if os.path.lexists(layer / name)), None)
        if found is not None:
            yield name, os.readlink(found) if found.is_symlink() else None


def extras(layers: Sequence[Path]) -> list[str]:
    """The other folders at the top of a root of its own."""
    known = {*OURS, *MERGED, *(name.partition("/")[0] for name in PARTS)}
    names = {entry.name for layer in layers for entry in os.scandir(layer) if entry.is_dir(follow_symlinks=False)}
    return sorted(names - known)


def accounts(layers: Sequence[Path], name: str, first: str) -> str:
    """The users (`passwd`) or groups (`group`) of all layers, after those of `first`, which win."""
    lines = first.splitlines()
    known = {line.partition(":")[0] for line in lines}
    for layer in layers:
        for line in listed(layer, name):
            who, colon, _ = line.partition(":")
            if colon and who not in known:
                known.add(who)
                lines.append(line)
    return "".join(f"{line}\n" for line in lines)


def listed(layer: Path, name: str) -> list[str]:
    """The lines of a file in a layer's etc; none if it is no ordinary file."""
    folder = part(layer, "etc")
    if folder is None:
        return []
    try:
        fd = os.open(folder / name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return []
    try:
        known = os.read(fd, LARGEST_LIST) if stat.S_ISREG(os.fstat(fd).st_mode) else b""
    finally:
        os.close(fd)
    return known.decode("utf-8", "replace").splitlines()
