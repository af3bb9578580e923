"""The files of an image as a sandbox's own, where the server runs as root and each sandbox has a host user of its own.

On the disk all files of an image belong to the server. An idmapped mount shows them, to one sandbox, as that sandbox's:
nothing is copied and nothing is changed. The mounts are in the mount namespace of the thread that starts the sandboxes,
where nobody else sees them, on a small file system over `STAGE`, and are taken away once the sandbox has its own.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import itertools
import json
import os
import select
import signal
import struct
import subprocess
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Final

from agentbay_local.sandbox.contract import CannotIsolate
from agentbay_local.sandbox.root import mount, private_mounts
from agentbay_local.undo import on_failure

__all__ = ["STAGE", "Mounts"]

STAGE: Final = "/sys"
"""Every Linux has this folder, and no sandbox is shown anything of it: so it may be covered while one is started."""
OPEN_TREE: Final = 428
MOVE_MOUNT: Final = 429
MOUNT_SETATTR: Final = 442
HERE: Final = -100  # AT_FDCWD
CLONE: Final = 1  # OPEN_TREE_CLONE
EMPTY_PATH: Final = 0x1000
FROM_EMPTY_PATH: Final = 4
READ_ONLY: Final = 0x1
NO_SETUID: Final = 0x2
NO_DEVICES: Final = 0x4
IDMAP: Final = 0x100000
DETACH: Final = 2
PATIENCE_S: Final = 10.0


class Mounts:
    """The mounts of one thread. All is done on that thread."""

    def __init__(self) -> None:
        self._numbers: Iterator[int] | None = None

    def add(self, bwrap: Path, folders: Mapping[Path, bool], user: int) -> Path:
        """Show folders to a host user as its own, by their numbers below the folder that comes back.

        Args:
            bwrap: The program that makes a user namespace.
            folders: What is to be shown, and whether it may be written.
            user: The host user; its group has the same number.

        Raises:
            CannotIsolate: root may not do this here, or not with these files.
        """
        owner = one_owner(folders)
        try:
            place = self._place()
            with namespace(bwrap, owner, user) as known, on_failure(lambda: self.remove(place)):
                for number, (folder, writable) in enumerate(folders.items()):
                    show(folder, place / str(number), known, writable)
        except OSError as error:
            raise CannotIsolate(
                f"the files of this image cannot be shown to a sandbox of root's server ({error.strerror}). "
                "That needs Linux 5.19 and a file system such as ext4, xfs or btrfs. This mends it: keep images on one "
                "(agentbay serve --data FOLDER), or run the server as an ordinary user"
            ) from error
        return place

    def _place(self) -> Path:
        """A new folder for mounts."""
        if self._numbers is None:
            private_mounts()
            mount("tmpfs", Path(STAGE), "tmpfs", 0, "mode=0755,size=1m")
            self._numbers = itertools.count()
        place = Path(STAGE) / str(next(self._numbers))
        place.mkdir(mode=0o755)
        return place

    def remove(self, place: Path) -> None:
        """Take away what `add` has made. The sandbox keeps what it has."""
        for folder in place.iterdir():
            ctypes.CDLL(None).umount2(os.fsencode(folder), DETACH)
            with contextlib.suppress(OSError):  # one that could not be taken away ends with this thread
                folder.rmdir()
        with contextlib.suppress(OSError):
            place.rmdir()


def one_owner(folders: Iterable[Path]) -> tuple[int, int]:
    """The user and group that all folders belong to.

    Raises:
        CannotIsolate: there are several, and a sandbox can be only one of them.
    """
    found = {(status.st_uid, status.st_gid) for status in map(os.stat, folders)}
    if len(found) != 1:
        raise CannotIsolate(
            "the layers of this image belong to several users. "
            "This mends it: chown -R the folder of images to the server's user"
        )
    return found.pop()


@contextlib.contextmanager
def namespace(bwrap: Path, owner: tuple[int, int], user: int) -> Iterator[int]:
    """A user namespace in which a file's owner on the disk is `user`. A process has to hold it until it is used."""
    wait, go = os.pipe()
    told, tell = os.pipe()
    with contextlib.ExitStack() as held:
        for pipe_end in (wait, go, told, tell):
            held.callback(os.close, pipe_end)
        program = subprocess.Popen(
            ["bwrap", "--unshare-user", "--userns-block-fd", str(wait), "--info-fd", str(tell), "--", "/"],
            executable=bwrap,
            env={},
            cwd="/",
            pass_fds=[wait, tell],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        held.callback(end, program)
        known = mapped(child(told), owner, user)
        held.callback(os.close, known)
        yield known


def child(told: int) -> int:
    """The process in the new namespace, as bwrap tells it."""
    said = b""
    while not said.rstrip().endswith(b"}"):
        if not select.select([told], [], [], PATIENCE_S)[0]:
            raise OSError(errno.ETIMEDOUT, os.strerror(errno.ETIMEDOUT))
        said += os.read(told, 1024)
    return int(json.loads(said)["child-pid"])


def mapped(process: int, owner: tuple[int, int], user: int) -> int:
    """A descriptor of a process's user namespace, whose ids are set first."""
    for kind, each in zip(("uid", "gid"), owner, strict=True):
        Path(f"/proc/{process}/{kind}_map").write_text(f"{each} {user} 1\n")
    return os.open(f"/proc/{process}/ns/user", os.O_RDONLY | os.O_CLOEXEC)


def end(program: subprocess.Popen[bytes]) -> None:
    """End bwrap with its child, which waits for a word that never comes."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(program.pid, signal.SIGKILL)
    program.wait()


def show(folder: Path, place: Path, known: int, writable: bool) -> None:
    """Mount a folder in another place, under another owner."""
    place.mkdir()
    tree = system_call(OPEN_TREE, HERE, os.fsencode(folder), CLONE | os.O_CLOEXEC)
    try:
        flags = IDMAP | NO_SETUID | NO_DEVICES | (0 if writable else READ_ONLY)
        settings = struct.pack("=QQQQ", flags, 0, 0, known)
        system_call(MOUNT_SETATTR, tree, b"", EMPTY_PATH, settings, len(settings))
        system_call(MOVE_MOUNT, tree, b"", HERE, os.fsencode(place), FROM_EMPTY_PATH)
    finally:
        os.close(tree)


def system_call(number: int, *arguments: int | bytes) -> int:
    result = int(ctypes.CDLL(None, use_errno=True).syscall(number, *arguments))
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result
