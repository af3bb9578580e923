"""All files of a sandbox as one stream of bytes, which means nothing out here, and back again."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import os
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any, Final

from agentbay_local.contexts import Blob, Staging
from agentbay_local.contexts.threads import in_thread
from agentbay_local.sandbox.bwrap import stores
from agentbay_local.sandbox.contract import Limits, Process, Sandbox, SandboxError, SandboxGone
from agentbay_local.syncing.tree import Stamp, all_integers

__all__ = ["CannotThaw", "pack", "unpack"]

SCRIPTS: Final = Path(__file__).with_name("inside")
CHUNK: Final = 1 << 20
ROOM_FOR_NAMES: Final = 1 << 30
TIDY_S: Final = 5.0
PATIENCE_S: Final = 900.0
MOST_REPORTED: Final = 256 << 20


class CannotThaw(SandboxError):
    """The files could not be brought into the new sandbox; where they are kept, they still are."""


async def pack(
    sandbox: Sandbox,
    staging: Staging,
    limits: Limits,
    *,
    of_image: int = 0,
    places: Sequence[str] = (),
    hashed: bool = True,
) -> Blob:
    """Takes all files of a sandbox, in which nothing else may run; or those in some places.

    Args:
        sandbox: Where they are.
        staging: Where they go.
        limits: What the sandbox may use.
        of_image: Bytes of its image, which are among its files.
        places: Which of its writable folders; all by default.
        hashed: Whether the blob is to have its digest, which takes time.

    Raises:
        SandboxError: not all could be packed.
        StoreUnavailable: the disk is full, or cannot be written.
    """
    places = places or [path for _, path, _ in stores(limits)]
    most = sum(size for _, _, size in stores(limits)) + of_image + ROOM_FOR_NAMES
    async with asyncio.timeout(PATIENCE_S):
        process = await _started(sandbox, "freeze.py", *places)
        try:
            blob = await staging.take(_output(process), most, hashed=hashed)
            await _require(process, "pack the session's files")
        finally:
            await _end(process)
    return blob


async def unpack(sandbox: Sandbox, path: Path, blob: Blob) -> dict[Stamp, Stamp]:
    """Makes the files in a new sandbox, and gives for the stamp that each had the one that it has now.

    Raises:
        SandboxError: they could not be made.
        OSError: the stream cannot be read.
    """
    async with asyncio.timeout(PATIENCE_S):
        process = await _started(sandbox, "thaw.py")
        try:
            digest = await _feed(process, path)
            said = await _said(process)
            await _require(process, "unpack the session's files")
        finally:
            await _end(process)
    if digest != blob.digest:
        raise CannotThaw(f"the hibernated files are damaged: {path} is not what was written")
    return _stamps(said)


async def _started(sandbox: Sandbox, script: str, *arguments: str) -> Process:
    argv = [sandbox.interpreter, "-I", "-S", "-c", (SCRIPTS / script).read_text("utf-8"), *arguments]
    return await sandbox.spawn(argv, cwd="/")


async def _output(process: Process) -> AsyncIterator[bytes]:
    while data := await process.reader.read(CHUNK):
        yield data


async def _feed(process: Process, path: Path) -> str:
    """Writes the stream to the program as fast as it reads; its digest."""
    found = hashlib.sha256()
    fd = await in_thread(None, os.open, path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        while data := await in_thread(None, _hashed, fd, found):
            process.writer.write(data)
            try:
                await process.writer.drain()
            except ConnectionError:  # it has ended, and its exit code says why
                return ""
    finally:
        os.close(fd)
    with contextlib.suppress(OSError):
        process.writer.write_eof()
    return found.hexdigest()


def _hashed(fd: int, digest: Any) -> bytes:
    data = os.read(fd, CHUNK)
    digest.update(data)
    return data


async def _said(process: Process) -> bytes:
    said = bytearray()
    with contextlib.suppress(ConnectionError):
        async for data in _output(process):
            said += data
            if len(said) > MOST_REPORTED:
                raise SandboxError("the sandbox says more about its files than there can be")
    return bytes(said)


async def _require(process: Process, doing: str) -> None:
    code = await process.wait()
    if code:
        why = os.strerror(code) if code < 128 else f"the program was ended by signal {code - 128}"
        raise SandboxError(f"could not {doing}: {why}")


async def _end(process: Process) -> None:
    """The program ends when nobody listens any more, and leaves everything as it was."""
    process.writer.close()
    with contextlib.suppress(TimeoutError, SandboxGone):
        async with asyncio.timeout(TIDY_S):
            await process.wait()
            return
    await process.kill()


def _stamps(said: bytes) -> dict[Stamp, Stamp]:
    """What runs inside is not to be trusted: a wrong word about a file only concerns the session's own files."""
    try:
        rows = [row for row in json.loads(said) if len(row) == 8 and all_integers(row)]
    except (ValueError, TypeError, RecursionError):
        return {}
    return {(row[0], row[1], row[2], row[3]): (row[4], row[5], row[6], row[7]) for row in rows}
