"""The bytes of a file on their way out of the store."""

from __future__ import annotations

import os
import threading
from concurrent.futures import Executor

from agentbay_local.contexts.threads import in_thread, stoppable

__all__ = ["Reading"]

CHUNK = 1 << 20


class Reading:
    """An open file of the store; a change of the context does not touch it. Made by `Contexts.reading`."""

    def __init__(self, descriptor: int, size: int, pool: Executor | None = None) -> None:
        self._pool = pool
        self.descriptor = descriptor
        self.size = size

    async def read(self, offset: int, size: int = CHUNK) -> bytes:
        """Reads at most `size` bytes at an offset; nothing at the end. Raises OSError."""
        return await in_thread(self._pool, os.pread, self.descriptor, size, offset)

    async def copy_to(self, descriptor: int) -> None:
        """Writes everything to an open file, in one thread and in constant memory. Raises OSError."""
        await stoppable(self._pool, _copy, self.descriptor, descriptor)


def _copy(stop: threading.Event, source: int, target: int) -> None:
    offset = 0
    while not stop.is_set() and (count := os.sendfile(target, source, offset, CHUNK)):
        offset += count
