"""A server whose data folder is on a small disk that only it sees: in a mount namespace, gone with it."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import pytest
from attrs import frozen

from tests.local.conftest import Served, serve

MOUNT = 'mount -t tmpfs -o size="$1" tmpfs "$2" && shift 2 && exec "$@"'
AS_OURSELVES = ("unshare", "-U", f"--map-user={os.getuid()}", f"--map-group={os.getgid()}")


def on_disk(size: str, folder: Path) -> list[str]:
    """A command that becomes a program before which a disk of that size is mounted at the folder.

    An ordinary user may mount in a user namespace, as its root; in one more the program is that user again.
    """
    if os.getuid() == 0:
        return ["unshare", "-m", "sh", "-c", MOUNT, "sh", size, str(folder)]
    return ["unshare", "-U", "-r", "-m", "sh", "-c", MOUNT, "sh", size, str(folder), *AS_OURSELVES]


@cache
def why_not(folder: Path) -> str:
    """Why there can be none here; empty if there can."""
    if shutil.which("unshare") is None:
        return "unshare (util-linux) is missing"
    done = subprocess.run([*on_disk("1m", folder), "true"], capture_output=True, text=True, timeout=20, check=False)
    return "" if done.returncode == 0 else f"this user may not mount a disk: {done.stderr.strip()[:200]}"


@frozen
class Disk:
    """The folder as the server sees it, and as it can be reached from outside."""

    server: Served
    path: Path

    @property
    def seen(self) -> Path:
        return Path(f"/proc/{self.server.process.pid}/root{self.path}")

    def fill(self, leave: int = 0) -> Path:
        """Takes all room but so many bytes. Gives the file that has it."""
        filler = self.seen / "filler"
        left = shutil.disk_usage(self.seen).free - leave
        with open(filler, "wb", buffering=0) as file:
            while left > 0:
                left -= file.write(bytes(min(left, 1 << 16)))
        return filler


@contextmanager
def small_disk(path: Path, size: str, *options: str) -> Iterator[Disk]:
    """Serves with a data folder on a disk of its own, and in the end stops the server."""
    path.mkdir(exist_ok=True)
    if why := why_not(path):
        pytest.skip(why)
    served = serve("--data", str(path / "data"), "--warm", "0", *options, before=on_disk(size, path))
    try:
        yield Disk(served, path)
    finally:
        assert served.stop() == 0
