"""Bytes on their way into the store: written and counted, but part of no context yet."""

from __future__ import annotations

import asyncio
import hashlib
import os
import threading
from collections.abc import AsyncIterable, Awaitable, Callable
from concurrent.futures import Executor
from pathlib import Path
from types import TracebackType
from typing import Self

from agentbay_local.contexts.blobs import Blobs
from agentbay_local.contexts.faults import store_faults
from agentbay_local.contexts.threads import ended, in_thread, stoppable
from agentbay_local.contexts.values import LARGEST, Blob
from agentbay_local.service.refusals import ServiceRefusal

__all__ = ["CHUNK", "Staging"]

CHUNK = 1 << 20


class Staging:
    """Takes bytes in, in constant memory. A context manager: what no change has taken by its end is thrown away.

    Made by `Contexts.staging`. The blobs that it gives go into `New` values for `Contexts.apply`, inside the block.
    """

    def __init__(self, blobs: Blobs, folder: Path, pool: Executor, prepare: Callable[[], Awaitable[None]]) -> None:
        self._blobs = blobs
        self._pool = pool
        self._folder = folder
        self._prepare = prepare
        self._names: list[str] = []

    async def __aenter__(self) -> Self:
        await self._prepare()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await in_thread(self._pool, self._blobs.discard, self._names)

    async def take(self, chunks: AsyncIterable[bytes], limit: int = LARGEST, *, hashed: bool = True) -> Blob:
        """Takes what comes, in pieces of any size. What is not hashed is quicker there, and cannot be stored.

        Raises:
            ServiceRefusal: there are more than `limit` bytes.
            StoreUnavailable: the disk is full, or the folder cannot be written.
        """
        writer = self._writer(limit, hashed=hashed)
        writing: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        writing.set_result(None)
        waiting = bytearray()
        try:
            async for chunk in chunks:
                waiting += chunk
                if len(waiting) >= CHUNK:
                    await writing
                    # While this is written, more comes.
                    writing = asyncio.ensure_future(in_thread(self._pool, writer.write, waiting))
                    waiting = bytearray()
            await writing
            return await in_thread(self._pool, writer.finish, waiting)
        finally:
            await ended(writing)
            writer.close()

    async def take_from(self, descriptor: int, limit: int = LARGEST) -> Blob:
        """Takes all that an open regular file has from where it stands. The descriptor stays open.

        Raises:
            ServiceRefusal: there are more than `limit` bytes.
            StoreUnavailable: the disk is full, or the folder cannot be written.
            OSError: the file cannot be read.
        """
        writer = self._writer(limit)
        try:
            return await stoppable(self._pool, writer.copy, descriptor)
        finally:
            writer.close()

    def release(self, blob: Blob) -> None:
        """Leaves bytes where they are, for good: somebody else takes care of them."""
        if blob.temporary in self._names:
            self._names.remove(blob.temporary)

    def _writer(self, limit: int, *, hashed: bool = True) -> _Writer:
        path = self._blobs.temporary()
        self._names.append(path.name)
        return _Writer(path, self._folder, limit, hashed=hashed)


class _Writer:
    """One temporary file while it grows."""

    def __init__(self, path: Path, folder: Path, limit: int, *, hashed: bool) -> None:
        self._path = path
        self._folder = folder
        self._limit = limit
        self._descriptor: int | None = None
        self._size = 0
        self._hash = hashlib.sha256() if hashed else None

    def write(self, data: bytes | bytearray) -> None:
        self._size += len(data)
        if self._size > self._limit:
            raise ServiceRefusal("EntityTooLarge", f"The file is larger than the limit of {self._limit} bytes.", 413)
        if self._hash is not None:
            self._hash.update(data)
        with store_faults(self._folder):
            rest = memoryview(data)
            while rest:
                rest = rest[os.write(self._opened(), rest) :]

    def _opened(self) -> int:
        if self._descriptor is None:
            self._descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        return self._descriptor

    def copy(self, stop: threading.Event, source: int) -> Blob:
        while not stop.is_set() and (data := os.read(source, CHUNK)):
            self.write(data)
        return self.finish()

    def finish(self, data: bytes | bytearray = b"") -> Blob:
        self.write(data)
        with store_faults(self._folder):
            self._opened()
        self.close()
        return Blob(self._hash.hexdigest() if self._hash else "", self._size, self._path.name)

    def close(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None
