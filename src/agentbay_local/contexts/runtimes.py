"""Who works in a data folder now: each runtime locks a file of its own, and the lock ends with it however it ends."""

from __future__ import annotations

import contextlib
import fcntl
import os
import secrets
from pathlib import Path

__all__ = ["Presence"]


class Presence:
    """This runtime's sign in a folder. `token` stands for it wherever something lasts only as long as it does."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.token = secrets.token_hex(8)
        self._descriptor: int | None = None

    def claim(self) -> None:
        """Makes sure that the sign is there."""
        path = self._folder / self.token
        if self._descriptor is not None and _same(path, self._descriptor):
            return
        self.leave()
        self._folder.mkdir(mode=0o700, exist_ok=True)
        while self._descriptor is None:
            self._descriptor = _locked(path)

    def alive(self) -> set[str]:
        """Gives the tokens of all runtimes that run, and takes the signs of the others away."""
        found = {self.token}
        for name in os.listdir(self._folder):
            descriptor = _taken(self._folder / name)
            if descriptor is None:
                found.add(name)
                continue
            with contextlib.suppress(FileNotFoundError):
                (self._folder / name).unlink()
            os.close(descriptor)
        return found

    def leave(self) -> None:
        """Takes the sign away."""
        if self._descriptor is None:
            return
        with contextlib.suppress(OSError):
            (self._folder / self.token).unlink()
        os.close(self._descriptor)
        self._descriptor = None


def _same(path: Path, descriptor: int) -> bool:
    try:
        return os.path.samestat(path.stat(), os.fstat(descriptor))
    except FileNotFoundError:
        return False


def _locked(path: Path) -> int | None:
    """Makes and locks a file; None when somebody took it away in between."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    if _same(path, descriptor):
        return descriptor
    os.close(descriptor)
    return None


def _taken(path: Path) -> int | None:
    """Takes the lock of a runtime that is no more; None when the runtime has it."""
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    return descriptor
