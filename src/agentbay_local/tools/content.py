"""What is in files: read, write, edit."""

from __future__ import annotations

import asyncio
import base64
import errno
import os
import posixpath
import secrets
import stat
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager, suppress
from typing import Final, Literal, TypeVar

from attrs import frozen

from agentbay_local.tools.arguments import Path
from agentbay_local.tools.box import TEMPORARY, Box
from agentbay_local.tools.faults import ToolFailure, reason, size
from agentbay_local.tools.files import SERVER
from agentbay_local.tools.registry import WITH_FILES, tool
from agentbay_local.tools.texts import LOOK_AROUND, chunk_text, diff

READ_LIMIT: Final = 64 << 20
"""Bytes that one answer may carry."""
FURTHEST: Final = 1 << 60
QUICK: Final = 1 << 20
"""Bytes that are copied faster than a thread is woken."""
FIRST_READ: Final = 1 << 16
FURTHER_READ: Final = 1 << 22
MOST_EDITS: Final = 1000
MOST_FILES: Final = 1000
RUN_S: Final = 30.0

Result = TypeVar("Result")


@frozen
class Edit:
    """One replacement of `edit_file`."""

    oldText: str  # noqa: N815 - the service's name
    newText: str  # noqa: N815


@frozen
class Piece:
    """A part of a file: the bytes from `start` to `end` of the window, which shows what is around it as well."""

    window: bytes
    start: int
    end: int

    def text(self) -> str:
        return chunk_text(self.window, self.start, self.end)

    def base64(self) -> str:
        return base64.b64encode(self.window[self.start : self.end]).decode()


@tool(server=SERVER, images=WITH_FILES, doing="read file")
async def read_file(
    box: Box, path: Path, offset: int = 0, length: int = 0, format: Literal["text", "binary"] = "text"
) -> str:
    """Reads a file, or `length` bytes of it from byte `offset` on; length 0 means the rest.

    The format `binary` gives base64. Text is UTF-8; a character that the cut divides comes with the piece it begins in,
    so that consecutive pieces join to the whole. One answer carries 64 MiB at most.
    """
    if min(offset, length) < 0 or max(offset, length) > FURTHEST:
        raise ToolFailure("Invalid arguments for tool read_file: offset and length must not be negative, nor too large")
    async with opened(box, path, os.O_RDONLY) as fd:
        piece = await _piece(fd, path, offset, length)
    show = piece.text if format == "text" else piece.base64
    return await aside(show, cost=len(piece.window))


async def _piece(fd: int, path: str, offset: int, length: int, limit: int = READ_LIMIT) -> Piece:
    """Read it with what is around it. The size is only a hint: files of /proc say that they are empty, others grow."""
    wanted = min(length or limit + 1, limit + 1)
    before = min(offset, LOOK_AROUND)
    hint = min(os.fstat(fd).st_size - offset, wanted)
    _check_room(path, hint, limit)
    window = await aside(pull, fd, offset - before, before + wanted + LOOK_AROUND, cost=hint)
    found = min(max(len(window) - before, 0), wanted)
    _check_room(path, found, limit)
    return Piece(window, min(before, len(window)), min(before + found, len(window)))


def _check_room(path: str, length: int, limit: int) -> None:
    if length > limit:
        why = f"more than {size(limit)}; read it in pieces with offset and length"
        raise ToolFailure(f"Failed to read file: {path}, error: {why}")


@tool(server=SERVER, images=WITH_FILES, doing="read multiple files")
async def read_multiple_files(box: Box, paths: list[Path]) -> str:
    """Reads the text of several files; what cannot be read shows the reason in its place."""
    if not 0 < len(paths) <= MOST_FILES:
        said = f"paths must be from 1 to {MOST_FILES}, got {len(paths)}"
        raise ToolFailure(f"Invalid arguments for tool read_multiple_files: {said}")
    blocks: list[str] = []
    room = READ_LIMIT
    for path in paths:
        text = await _block(box, path, room)
        room -= min(len(text), room)
        blocks.append(f"{path}:\n{text}\n")
    return "\n---\n".join(blocks)


async def _block(box: Box, path: str, room: int) -> str:
    try:
        async with opened(box, path, os.O_RDONLY) as fd:
            piece = await _piece(fd, path, 0, 0, room)
    except OSError as error:
        return f"Error: {reason(error, box.limits)}"
    except ToolFailure as failure:
        return f"Error: {failure}"
    return await aside(piece.text, cost=len(piece.window))


@tool(server=SERVER, images=WITH_FILES, doing="write file")
async def write_file(box: Box, path: Path, content: str, mode: Literal["overwrite", "append"] = "overwrite") -> str:
    """Writes text to a file, in place of what it holds or after it; missing directories are made.

    A write that fails, for want of space too, leaves the file as it was.
    """
    write = append if mode == "append" else overwrite
    async with box.writing:
        await write(box, path, content.encode())
    return f"Successfully wrote to {path}"


@tool(server=SERVER, images=WITH_FILES, doing="edit file")
async def edit_file(box: Box, path: Path, edits: list[Edit], dryRun: bool = False) -> str:  # noqa: N803 - the service's name
    """Replaces texts in a file, each at its first place, in order, and answers with a diff.

    If one of them is not there, nothing is written. With `dryRun` nothing is written either way.
    """
    if len(edits) > MOST_EDITS:
        raise ToolFailure(f"Invalid arguments for tool edit_file: edits may be at most {MOST_EDITS}, got {len(edits)}")
    async with box.writing:
        async with opened(box, path, os.O_RDONLY) as fd:
            piece = await _piece(fd, path, 0, 0)
        old = piece.window.decode(errors="surrogateescape")
        new = await aside(edited, path, old, edits, cost=len(old) * len(edits))
        if not dryRun and new != old:
            await overwrite(box, path, new.encode(errors="surrogateescape"))
    return await aside(diff, path, old, new, cost=len(old) * 4)


def edited(path: str, text: str, edits: Iterable[Edit]) -> str:
    for number, edit in enumerate(edits, 1):
        if not edit.oldText or edit.oldText not in text:
            why = f"the text of edit {number} is not there: {edit.oldText[:200]!r}"
            raise ToolFailure(f"Failed to edit file: {path}, error: {why}")
        text = text.replace(edit.oldText, edit.newText, 1)
    return text


# ---- descriptors


@asynccontextmanager
async def opened(box: Box, path: str, flags: int, mode: int = 0o644) -> AsyncIterator[int]:
    """A file of the sandbox, for a while."""
    fd = await box.sandbox.open(box.path(path), flags, mode)
    try:
        yield fd
    finally:
        os.close(fd)


def pull(fd: int, start: int, most: int) -> bytes:
    """Up to `most` bytes; fewer only at the end of the file."""
    parts: list[bytes] = []
    step = FIRST_READ
    while most > 0 and (part := os.pread(fd, min(most, step), start)):
        parts.append(part)
        start, most, step = start + len(part), most - len(part), FURTHER_READ
    return b"".join(parts)


def push(fd: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]


async def aside(work: Callable[..., Result], *args: object, cost: int) -> Result:
    """Do it now, or in a thread when `cost` bytes of work would hold up the other sessions.

    A cancelled caller still waits for the end: the thread uses descriptors that the caller is about to close.
    """
    if cost <= QUICK:
        return work(*args)
    thread = asyncio.get_running_loop().run_in_executor(None, work, *args)
    try:
        return await asyncio.shield(thread)
    finally:
        while not thread.done():
            with suppress(asyncio.CancelledError):
                await asyncio.wait([thread])


# ---- writing


async def append(box: Box, path: str, data: bytes) -> None:
    """Add to the end; on failure the file is cut back to what it was."""
    async with made(box, path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644) as fd:
        length = os.fstat(fd).st_size
        check_size(box, length + len(data))
        try:
            await aside(push, fd, data, cost=len(data))
        except OSError:
            os.ftruncate(fd, length)
            raise


async def overwrite(box: Box, path: str, data: bytes) -> None:
    """Put a new file in the place of the old one, so that nobody ever sees half of it."""
    check_size(box, len(data))
    async with replacing(box, path) as fd:
        await aside(push, fd, data, cost=len(data))


@asynccontextmanager
async def replacing(box: Box, path: str) -> AsyncIterator[int]:
    """A new file beside the old one, whose place it takes once the block has come to its end."""
    target, mode = await _target(box, path)
    temporary = posixpath.join(posixpath.dirname(target), f"{TEMPORARY}{secrets.token_hex(8)}")
    placed = False
    try:
        async with made(box, temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode or 0o644) as fd:
            yield fd
            if mode is not None:
                os.fchmod(fd, mode)
        await box.sandbox.fs("rename", source=temporary, destination=target, replace=True)
        placed = True
    finally:
        if not placed:
            await _discard(box, temporary)


async def _discard(box: Box, temporary: str) -> None:
    with suppress(FileNotFoundError, NotADirectoryError):
        await box.sandbox.fs("remove", path=temporary)


async def _target(box: Box, path: str) -> tuple[str, int | None]:
    """The file itself where the path is a link, and the permissions it has; None when there is none yet."""
    target = box.path(path)
    try:
        found = await box.sandbox.fs("stat", path=target, follow=False)
        if found["type"] == "symlink":
            target = await _led_to(box, target)
            found = await box.sandbox.fs("stat", path=target)
    except FileNotFoundError:
        return target, None
    if found["type"] != "file":
        raise OSError(errno.EISDIR if found["type"] == "directory" else errno.EINVAL, "")
    return target, stat.S_IMODE(found["mode"]) & 0o777


async def _led_to(box: Box, link: str) -> str:
    """Where a link leads in the end, be there anything or not; a link that leads to itself stays what it is."""
    ended = await box.sandbox.run(["/usr/bin/readlink", "-mn", "--", link], timeout=RUN_S)
    return os.fsdecode(ended.stdout) or link


@asynccontextmanager
async def made(box: Box, path: str, flags: int, mode: int) -> AsyncIterator[int]:
    """A file opened for writing, and the directories above it, if need be."""
    target = box.path(path)
    try:
        fd = await box.sandbox.open(target, flags, mode)
    except FileNotFoundError:
        await box.sandbox.fs("mkdir", path=posixpath.dirname(target), parents=True)
        fd = await box.sandbox.open(target, flags, mode)
    try:
        yield fd
    finally:
        os.close(fd)


def check_size(box: Box, length: int) -> None:
    """The sandbox's own programs stop at this size; we write from outside, where nothing else would stop us."""
    if length > box.limits.file_size:
        raise OSError(errno.EFBIG, os.strerror(errno.EFBIG))
