"""Files on their way between this machine and a store: what to read, what to keep, what may be resumed. No network."""

from __future__ import annotations

import base64
import hashlib
import os
import re
import secrets
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

import httpx
from attrs import frozen

from agentbay._engine import EngineError, Headers, Origin
from agentbay._value import Value

__all__ = ["CHUNK", "Held", "LocalFault", "Partial", "Source", "Stored", "Tell", "local", "next_url", "store_code"]

CHUNK = 256 * 1024

REDIRECTS = (301, 302, 303, 307, 308)

Tell = Callable[[int], None]


class LocalFault(Exception):
    """The local file cannot be read or written. The message says why."""


@contextmanager
def local() -> Iterator[None]:
    """Turn the operating system's errors into ours, so that nobody takes them for the network's."""
    try:
        yield
    except (OSError, ValueError) as error:
        raise LocalFault(getattr(error, "strerror", None) or str(error)) from error


@frozen(eq=False, repr=False)
class Stored(Value):
    """What a store answered: the HTTP status, the `ETag` without its quotes, and its own code for a refusal."""

    status: int
    etag: str | None = None
    code: str = ""
    retry_after: str | None = None

    @classmethod
    def of(cls, status: int, headers: Mapping[str, str] | Headers, body: bytes = b"") -> Self:
        """Read the head of an answer, and the beginning of its body."""
        etag = (headers.get("etag") or "").strip().strip('"') or None
        return cls(status, etag, store_code(body), headers.get("retry-after"))


def store_code(body: bytes) -> str:
    """The code in a store's XML refusal, such as AccessDenied; empty when there is none."""
    found = re.search(rb"<Code>([\w.-]{1,64})</Code>", body)
    return found[1].decode("ascii", "replace") if found else ""


def next_url(status: int, location: str | None, url: str) -> str | None:
    """Where a redirect leads; None when the answer is none.

    Raises:
        EngineError: it leads to what is not an http or https URL.
    """
    if status not in REDIRECTS or not location:
        return None
    try:
        target = httpx.URL(url).join(location)
        Origin.parse(str(target))
    except (ValueError, httpx.InvalidURL) as broken:
        raise EngineError("the store redirects to what is not a usable URL", sent=True) from broken
    return str(target)


# --- From this machine ------------------------------------------------------------------------------------------------


class Source:
    """A local file to be sent; its size is fixed when it is opened, for that is what the store is told."""

    def __init__(self, path: Path) -> None:
        with local():
            self._file = path.open("rb", buffering=0)
            self.size = os.fstat(self._file.fileno()).st_size

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._file.close()

    def read(self, offset: int) -> bytes:
        """The piece at an offset.

        Raises:
            LocalFault: the file has become shorter, or cannot be read.
        """
        with local():
            self._file.seek(offset)
            piece = self._file.read(min(CHUNK, self.size - offset)) or b""
        if not piece:
            raise LocalFault("the file became shorter while it was sent")
        return piece


class Held(Source):
    """Content that is in memory already, to be sent as a file would be."""

    def __init__(self, content: bytes) -> None:
        self._content = content
        self.size = len(content)

    def read(self, offset: int) -> bytes:
        """The piece at an offset."""
        return self._content[offset : offset + CHUNK]


# --- To this machine --------------------------------------------------------------------------------------------------


def _random_name(target: Path) -> Path:
    return target.with_name(f".{target.name[:80]}.{secrets.token_hex(6)}.part")


class Partial:
    """A file that is still arriving. It has a name of its own until it is complete; leaving the block removes it."""

    def __init__(self, target: Path) -> None:
        with local():
            if target.exists() and not target.is_file():
                raise LocalFault(f"{target} is there and is not a regular file")
            target.parent.mkdir(parents=True, exist_ok=True)
            self._path = _random_name(target)
            self._file: IO[bytes] = self._path.open("xb")
        self._target = target
        self.size = 0
        self.best = 0
        self._validator = ""
        self._total: int | None = None
        self._checksum = b""
        self._digest: Any = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._file.close()
        self._path.unlink(missing_ok=True)

    def headers(self) -> dict[str, str]:
        """What to ask for: the rest, if it can be told that the file is still the same, else everything."""
        if not (self.size and self._validator):
            return {}
        return {"Range": f"bytes={self.size}-", "If-Range": self._validator}

    def accept(self, status: int, headers: Mapping[str, str] | Headers) -> bool:
        """Look at the head of an answer; True means that its body belongs at the end of what is here.

        Raises:
            EngineError: it is another part than the one that was asked for.
            LocalFault: the file cannot be written.
        """
        if status == 200:
            self._begin(headers)
            return True
        if status not in (206, 416):
            return False
        if status == 416 or not (headers.get("content-range") or "").startswith(f"bytes {self.size}-"):
            self._validator = ""
            raise EngineError("the store gave another part of the file than was asked for", sent=True)
        return True

    def _begin(self, headers: Mapping[str, str] | Headers) -> None:
        with local():
            self._file.seek(0)
            self._file.truncate()
        encoded = (headers.get("content-encoding") or "identity") != "identity"
        etag, length = headers.get("etag") or "", headers.get("content-length") or ""
        self.size = 0
        self._total = int(length) if length.isdecimal() and not encoded else None
        # What is decoded on its way has other offsets here than there.
        self._validator = "" if encoded or etag.startswith("W/") else etag
        self._checksum = b"" if encoded else _md5_of(headers.get("content-md5") or "")
        self._digest = hashlib.md5(usedforsecurity=False) if self._checksum else None

    def write(self, piece: bytes) -> None:
        """Append a piece. Raises LocalFault."""
        with local():
            self._file.write(piece)
        if self._digest is not None:
            self._digest.update(piece)
        self.size += len(piece)
        self.best = max(self.best, self.size)

    def check(self) -> None:
        """Compare what is here with what the store promised.

        Raises:
            EngineError: it is not complete, or not the same.
        """
        if self._total is not None and self.size != self._total:
            self._validator = ""
            raise EngineError(f"{self.size} of {self._total} bytes came", sent=True)
        if self._digest is not None and self._digest.digest() != self._checksum:
            self._validator = ""
            raise EngineError("the bytes do not match the store's checksum", sent=True)

    def finish(self) -> None:
        """Give the file its name, in place of what had it, once the disk has all of it. Raises LocalFault."""
        with local():
            self._file.flush()
            os.fsync(self._file.fileno())  # else a power cut could leave the name with nothing behind it
            self._file.close()
            self._path.replace(self._target)


def _md5_of(text: str) -> bytes:
    """Read a Content-MD5 field; what is none counts as nothing."""
    try:
        digest = base64.b64decode(text, validate=True)
    except ValueError:
        return b""
    return digest if len(digest) == 16 else b""
