"""What a build needs under its feet: this machine's system folders, as if they were its own.

A build has one user, who takes itself for root, but the files of this machine belong to the real root, whom nobody in
there is. Such files can be replaced, though, where their folder is one's own. So right above this machine lies one more
layer that has all its folders (the folders alone, in memory, which is quick), and those few files that installers write
in place. It is gone with the build; what the build changes goes to the new layer, and nothing else does.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import stat
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from attrs import evolve

from agentbay_local.images import trees
from agentbay_local.images.image import Image
from agentbay_local.images.layers import OPAQUE, accounts, listed, opaque, part
from agentbay_local.sandbox.bwrap import SETTINGS

__all__ = ["ground", "remove_tree"]

DEPTHS: Final = {"usr": 64, "etc": 16, "var": 4}
"""How many levels of folders are needed."""
EMPTY: Final = (
    "var/log", "var/log/apt", "var/cache/apt", "var/cache/debconf", "var/cache/man", "var/lib/apt/lists",
    "var/tmp", "var/mail", "var/spool", "var/backups", "var/crash", "var/www",
)  # fmt: skip
"""Folders that a build begins with new: what is in them is of no use to it, and may be the business of people."""
REWRITTEN: Final = ("etc", "var/lib/dpkg", "var/lib/dpkg/triggers", "var/lib/apt", "var/lib/pam", "var/lib/ucf")
"""Folders with files that installers open to write, locks mostly: their files are copied, those of others made anew."""
LARGEST: Final = 64 << 20
ACCOUNTS: Final = ("passwd", "group")
PASSING: Final = (
    "etc/shadow", "etc/gshadow", "etc/shadow-", "etc/gshadow-", "etc/passwd-", "etc/group-", "etc/.pwd.lock",
    "home/wuying/.cache", "home/wuying/.npm", "workspace/.agentbay-build", "usr/sbin/policy-rc.d",
    "var/log", "var/cache", "var/lib/apt/lists", "var/tmp",
)  # fmt: skip
"""What a build leaves behind that no session needs."""
SYSTEM: Final = ("usr", "etc", "opt", "var")
MEMORY: Final = Path("/dev/shm")
PREFIX: Final = "agentbay-build-"
YOUNG_S: Final = 60.0
"""One that is younger may not be held yet."""
FOR_ALL: Final = 0o005


@contextlib.contextmanager
def ground(base: Image, new: Path) -> Iterator[Image]:
    """What a build begins with: its base, upon what it needs of this machine. The new layer is made ready, too."""
    below = (*base.layers, *([] if base.root else [Path("/")]))
    known = {name: accounts(below, name, SETTINGS[name]) for name in ACCOUNTS}
    with in_memory() as layer:
        if not base.root:
            lay(layer)
        (new / "etc").mkdir(mode=0o755, exist_ok=True)
        for name, text in known.items():
            anew(new / "etc" / name, text)
        # Nobody may log in, but installers may become anybody.
        names = (line.partition(":")[0] for line in known["passwd"].splitlines())
        anew(new / "etc/shadow", "".join(f"{name}:*:1:0:99999:7:::\n" for name in names))
        yield evolve(base, layers=(*base.layers, *([] if base.root else [layer])))
    for name, text in known.items():
        keep_new_accounts(new, name, set(text.splitlines()))
    for name in PASSING:
        if part(new, name.rpartition("/")[0]):
            remove_tree(new / name)
    for name in SYSTEM:
        if folder := part(new, name):
            prune(folder, same(below, name))


@contextlib.contextmanager
def in_memory() -> Iterator[Path]:
    """A folder in memory. Those of one's own builds that were killed are taken away.

    What is another user's, that one may move away at any moment, and it is none of ours.
    """
    place = MEMORY if MEMORY.is_dir() else Path(tempfile.gettempdir())
    for left in place.glob(f"{PREFIX}*"):
        with contextlib.suppress(OSError):  # somebody uses it, or has taken it away
            found = left.lstat()
            if found.st_uid == os.geteuid() and time.time() - found.st_mtime > YOUNG_S:
                with locked(left):
                    remove_tree(left)
    made = Path(tempfile.mkdtemp(prefix=PREFIX, dir=place))
    with locked(made):
        made.chmod(0o755)
        try:
            yield made
        finally:
            remove_tree(made)


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Holds a folder for as long as the block lasts, or the process lives. Raises OSError."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    finally:
        os.close(fd)


def lay(layer: Path) -> None:
    """Make the folders, and the files that have to be the build's own."""
    for top, depth in DEPTHS.items():
        folders(layer, top, depth)
    for name in EMPTY:
        (layer / name).mkdir(parents=True, exist_ok=True)
        os.setxattr(layer / name, OPAQUE, b"y")
    for name in REWRITTEN:
        rewritten(Path("/") / name, layer / name)
    # Packages are told that no service can be started, as they are wherever a root is prepared for later.
    refusing = layer / "usr/sbin/policy-rc.d"
    refusing.parent.mkdir(parents=True, exist_ok=True)
    refusing.write_text("#!/bin/sh\nexit 101\n")
    refusing.chmod(0o755)


def folders(layer: Path, name: str, depth: int) -> None:
    """A folder of this machine, and those in it. There are ten thousands: so no more is asked than has to be."""
    try:
        mode = os.lstat(f"/{name}").st_mode
    except OSError:
        return
    if not stat.S_ISDIR(mode):
        return
    os.mkdir(f"{layer}/{name}", mode & 0o755 | 0o700)
    if mode & FOR_ALL != FOR_ALL:
        os.setxattr(f"{layer}/{name}", OPAQUE, b"y")
    elif depth:
        with os.scandir(f"/{name}") as entries:
            below = [entry.name for entry in entries if entry.is_dir(follow_symlinks=False)]
        for each in below:
            folders(layer, f"{name}/{each}", depth - 1)


def rewritten(host: Path, folder: Path) -> None:
    """The files of a folder that installers write in place."""
    for name in os.listdir(host) if folder.is_dir() else ():
        if stat.S_ISREG((host / name).lstat().st_mode):
            own_file(host / name, folder / name)


def own_file(host: Path, place: Path) -> None:
    status = host.stat()
    readable = bool(status.st_mode & 0o004)
    replaced = place.parent.name == "etc" and not place.name.endswith("-")
    if readable and (replaced or status.st_size > LARGEST):
        return  # settings are replaced, but for the old lists of users; the rest is nothing that installers write
    place.write_bytes(host.read_bytes() if readable else b"")
    place.chmod(0o644 if readable else 0o600)


def anew(place: Path, text: str) -> None:
    """Write a file where anything may be, a link or a pipe too. Its folder is ours."""
    remove_tree(place)
    with place.open("x", encoding="utf-8") as file:
        file.write(text)


def keep_new_accounts(new: Path, name: str, known: set[str]) -> None:
    """Leave only the users, or groups, that the build has made."""
    lines = [line for line in listed(new, name) if line not in known]
    if part(new, "etc"):
        remove_tree(new / "etc" / name)
    if lines:
        anew(new / "etc" / name, "".join(f"{line}\n" for line in lines))


def prune(folder: Path, below: Sequence[Path]) -> None:
    """Remove folders that are there anyway, in `below`, and in which nothing has been changed in the end."""
    for name in os.listdir(folder):
        if inner := part(folder, name):
            prune(inner, same(below, name))
    if below and not opaque(folder):
        with contextlib.suppress(OSError):  # something is in it
            folder.rmdir()


def same(below: Sequence[Path], name: str) -> list[Path]:
    """The folders of that name, where we may look."""
    found = (part(each, name) for each in below if os.access(each, os.X_OK))
    return [each for each in found if each]


def remove_tree(path: Path) -> None:
    """Remove whatever is there, also in folders that are closed to their owner. Nothing happens if nothing is."""
    if not os.path.lexists(path):
        return
    if stat.S_ISDIR(path.lstat().st_mode):
        trees.remove(path)
    else:
        path.unlink()
