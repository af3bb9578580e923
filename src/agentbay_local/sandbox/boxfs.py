"""The file verbs of the daemon: plain functions from arguments to an answer.

Runs inside the sandbox beside boxd.py, under the same rule: nothing is imported that is slow to import.
"""

from __future__ import annotations

import errno
import os
import stat
import time

TYPE_CHECKING = False
if TYPE_CHECKING:  # `typing` itself would be the slowest import of all
    from collections.abc import Callable, Iterator
    from typing import Any, Final

    Answer = dict[str, Any]

OUT_OF_MEANS: Final = (errno.EMFILE, errno.ENFILE, errno.ENOMEM)
KINDS: Final = {stat.S_IFREG: "file", stat.S_IFDIR: "directory", stat.S_IFLNK: "symlink"}


def walk(path: str, limit: int, until: float, detail: bool = False) -> Answer:
    """Everything below `path`, links not followed; what cannot be read, or vanishes meanwhile, is passed over."""
    found: list[Answer] = []
    folders = [path]
    while folders:
        for entry in contents(folders.pop(), passable=bool(found)):
            if len(found) >= limit or time.monotonic() > until:
                return {"entries": found, "truncated": True}
            if fact := facts(entry, detail):
                found.append(fact)
                if fact["type"] == "directory":
                    folders.append(entry.path)
    return {"entries": found, "truncated": False}


def contents(path: str, passable: bool) -> Iterator[os.DirEntry[str]]:
    """The entries of a folder, which is open only meanwhile. Where it is this machine that cannot, that is told."""
    try:
        with os.scandir(path) as folder:
            yield from folder
    except OSError as error:
        if not passable or error.errno in OUT_OF_MEANS:
            raise


def facts(entry: os.DirEntry[str], detail: bool) -> Answer | None:
    """What the walk tells of an entry; nothing if it has vanished."""
    try:
        status = entry.stat(follow_symlinks=False)
        more = details(entry.path, status) if detail else {}
    except OSError:
        return None
    kind = kind_of(status.st_mode)
    return {"path": entry.path, "type": kind, "size": status.st_size, "mtime_ns": status.st_mtime_ns} | more


def details(path: str, status: os.stat_result) -> Answer:
    """What tells whether something was changed: nobody inside can set an inode or a ctime."""
    target = os.readlink(path) if stat.S_ISLNK(status.st_mode) else ""
    return {"mode": status.st_mode, "ctime_ns": status.st_ctime_ns, "inode": status.st_ino, "target": target}


def kind_of(mode: int) -> str:
    return KINDS.get(stat.S_IFMT(mode), "other")


def look(path: str, follow: bool = True, detail: bool = False) -> Answer:
    """The `stat` verb."""
    status = os.stat(path, follow_symlinks=follow)
    times = {"mtime": status.st_mtime, "atime": status.st_atime, "ctime": status.st_ctime}
    found = {"size": status.st_size, "mode": status.st_mode, "type": kind_of(status.st_mode), **times}
    return found | details(path, status) | {"mtime_ns": status.st_mtime_ns} if detail else found


def names(path: str) -> Answer:
    """The `list` verb."""
    with os.scandir(path) as folder:
        found = {entry.name: entry for entry in folder}
    return {"value": [{"name": name, "type": type_of(found[name])} for name in sorted(found)]}


def type_of(entry: os.DirEntry[str]) -> str:
    """Read off the folder itself: no look at each file."""
    if entry.is_symlink():
        return "symlink"
    return "directory" if entry.is_dir() else "file" if entry.is_file() else "other"


def mkdir(path: str, parents: bool = False) -> Answer:
    """The `mkdir` verb."""
    if not parents:
        os.mkdir(path)
        return {}
    for folder in reversed(list(absent(path))):
        try:
            os.mkdir(folder)
        except FileExistsError:
            if not os.path.isdir(folder):
                raise
    return {}


def absent(path: str) -> Iterator[str]:
    """`path`, then the folders above it up to one that is there. No recursion: a path may have thousands of parts."""
    yield path
    while (above := os.path.dirname(path)) not in ("", path) and not os.path.exists(above):
        yield above
        path = above


def remove(path: str) -> Answer:
    os.unlink(path)
    return {}


def symlink(target: str, path: str) -> Answer:
    os.symlink(target, path)
    return {}


def rename(source: str, destination: str, replace: bool = False) -> Answer:
    if not replace and os.path.lexists(destination):
        raise FileExistsError(errno.EEXIST, "exists", destination)
    os.rename(source, destination)
    return {}


VERBS: Final[dict[str, Callable[..., Answer]]] = {
    "stat": look, "list": names, "mkdir": mkdir, "remove": remove, "rename": rename,
    "symlink": symlink,
}  # fmt: skip
