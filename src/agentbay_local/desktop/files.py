"""Small files inside a sandbox."""

from __future__ import annotations

import os
from typing import Final

from agentbay_local.sandbox.contract import Sandbox

__all__ = ["read", "there", "write"]

LAST: Final = 2048
"""Bytes."""
KEPT: Final = os.O_WRONLY | os.O_CREAT | os.O_TRUNC


async def write(sandbox: Sandbox, path: str, content: bytes) -> None:
    """A small file."""
    fd = await sandbox.open(path, KEPT)
    try:
        os.write(fd, content)
    finally:
        os.close(fd)


async def read(sandbox: Sandbox, path: str) -> bytes:
    """The end of a small file; nothing if there is none."""
    try:
        fd = await sandbox.open(path, os.O_RDONLY)
    except OSError:
        return b""
    try:
        return os.pread(fd, LAST, max(0, os.fstat(fd).st_size - LAST))
    except OSError:  # the process has ended
        return b""
    finally:
        os.close(fd)


async def there(sandbox: Sandbox, path: str) -> bool:
    """Whether there is a file that can be read."""
    try:
        os.close(await sandbox.open(path, os.O_RDONLY))
    except OSError:
        return False
    return True
