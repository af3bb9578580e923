"""The bytes of all files, each content once, in a file named by its SHA-256. What is here is whole and on the disk."""

from __future__ import annotations

import contextlib
import ctypes
import os
import re
import secrets
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path

from agentbay_local.contexts.values import Blob

__all__ = ["Blobs", "flush_all"]

_DIGEST = re.compile(r"[0-9a-f]{64}")
_TEMPORARY = re.compile(r"part-([0-9a-f]+)-[0-9a-f]+")

# From here on, telling the whole filesystem to write costs less than telling it for one file after the other.
_MANY = 16


class Blobs:
    """The folder of one data folder. `token` is that of the runtime, which temporary files bear."""

    def __init__(self, folder: Path, token: str) -> None:
        self._folder = folder
        self._token = token

    def prepare(self) -> None:
        self._folder.mkdir(mode=0o700, exist_ok=True)

    def path(self, digest: str) -> Path:
        return self._folder / digest

    def has(self, blob: Blob) -> bool:
        """Whether the bytes are here, as many as they must be."""
        try:
            return os.stat(self.path(blob.digest)).st_size == blob.size
        except FileNotFoundError:
            return False

    # --- Coming -------------------------------------------------------------------------------------------------------

    def temporary(self) -> Path:
        """Gives a new name for bytes that are still coming."""
        return self._folder / f"part-{self._token}-{secrets.token_hex(8)}"

    def flush(self, blobs: Collection[Blob]) -> None:
        """Brings the bytes of temporary files to the disk."""
        names = {blob.temporary for blob in blobs if blob.temporary}
        if len(names) < _MANY or not flush_all(self._folder):
            for name in names:
                _flush(self._folder / name)

    def settle(self, blobs: Iterable[Blob]) -> None:
        """Gives temporary files their own names. Only while the catalogue is being written: a sweep could take them."""
        coming = [blob for blob in blobs if blob.temporary]
        for blob in coming:
            self._settle(blob)
        if coming:
            _flush(self._folder)

    def _settle(self, blob: Blob) -> None:
        temporary = self._folder / blob.temporary
        if self.has(blob):
            temporary.unlink(missing_ok=True)
        else:
            temporary.rename(self.path(blob.digest))

    def discard(self, temporaries: Iterable[str]) -> None:
        """Takes temporary files away, those that are there still."""
        for name in temporaries:
            with contextlib.suppress(OSError):
                (self._folder / name).unlink()

    # --- Going --------------------------------------------------------------------------------------------------------

    def remove(self, digests: Iterable[str]) -> None:
        """Takes bytes away. Only while the catalogue is being written, and has no file that needs them."""
        for digest in digests:
            self.path(digest).unlink(missing_ok=True)

    def digests(self) -> set[str]:
        """Which bytes are here."""
        return {name for name in self._names() if _DIGEST.fullmatch(name)}

    def temporaries(self) -> dict[str, str]:
        """Gives the names of all temporary files, each with the token of its runtime."""
        matches = (_TEMPORARY.fullmatch(name) for name in self._names())
        return {match[0]: match[1] for match in matches if match}

    def _names(self) -> Iterator[str]:
        with os.scandir(self._folder) as entries:
            for entry in entries:
                yield entry.name


def _flush(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def flush_all(folder: Path) -> bool:
    """Brings all that the folder's filesystem has to the disk; tells whether this system can do that."""
    flush = getattr(ctypes.CDLL(None, use_errno=True), "syncfs", None)
    if flush is None:
        return False
    descriptor = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        if flush(descriptor) != 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number), str(folder))
    finally:
        os.close(descriptor)
    return True
