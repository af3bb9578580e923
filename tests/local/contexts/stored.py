"""What tests put into a store and look for in it."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path

from agentbay_local.contexts import Contexts, Entry, Kind, New

OWNER = "key-1"


async def chunks(data: bytes, size: int = 100_000) -> AsyncIterator[bytes]:
    for start in range(0, len(data), size):
        yield data[start : start + size]
        await asyncio.sleep(0)


async def made(contexts: Contexts, name: str = "one") -> str:
    return (await contexts.get_or_make(OWNER, name)).id


async def put(contexts: Contexts, context: str, *drop: str, **files: bytes | str) -> None:
    """Stores files as one change. A path is written with `_` for `/`; text stands for a link to it."""
    async with contexts.staging() as staging:
        new = []
        for name, content in files.items():
            path = "/" + name.replace("_", "/")
            if isinstance(content, str):
                new.append(New(path, Kind.LINK, target=content))
            else:
                new.append(New(path, blob=await staging.take(chunks(content))))
        await contexts.apply(context, new, drop)


async def read(contexts: Contexts, entry: Entry) -> bytes:
    async with contexts.reading(entry) as reading:
        parts = []
        while part := await reading.read(sum(map(len, parts))):
            parts.append(part)
    return b"".join(parts)


async def content(contexts: Contexts, context: str, path: str = "/") -> dict[str, bytes | str | None]:
    """All that a context has: the bytes of files, the targets of links, None for folders."""
    found: dict[str, bytes | str | None] = {}
    for entry in await contexts.entries(context, path):
        is_file = entry.kind is Kind.FILE
        found[entry.path] = await read(contexts, entry) if is_file else entry.target or None
    return found


def blobs(folder: Path) -> set[str]:
    """The names of all files that hold bytes."""
    return {path.name for path in (folder / "blobs").iterdir()}


def names(folder: Path) -> set[str]:
    """Everything below a folder."""
    return {str(path.relative_to(folder)) for path in folder.rglob("*")}


def open_to_others(folder: Path) -> set[str]:
    """What a folder and all below it let others than the owner do anything with."""
    return {str(path) for path in (folder, *folder.rglob("*")) if path.stat().st_mode & 0o077}


async def begun(folder: Path) -> None:
    """Waits until the first bytes have come."""
    for _ in range(2000):
        if blobs(folder):
            return
        await asyncio.sleep(0.005)
    raise TimeoutError


def needed(folder: Path) -> set[str]:
    """The names of those that the catalogue knows."""
    database = sqlite3.connect(folder / "catalogue.sqlite")
    rows = database.execute("SELECT DISTINCT digest FROM files WHERE kind = 'file'").fetchall()
    assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    database.close()
    return {digest for [digest] in rows}
