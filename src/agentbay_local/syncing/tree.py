"""A sandbox's files as syncs see them: by descriptors and verbs of its daemon. No path is the host's to follow."""

from __future__ import annotations

import asyncio
import contextlib
import os
import posixpath
import secrets
import stat
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator
from typing import Any, Final, TypeVar

from attrs import frozen

from agentbay_local.contexts import Reading
from agentbay_local.sandbox.contract import Limits, Sandbox, SandboxGone
from agentbay_local.syncing.faults import SyncFault
from agentbay_local.tools.box import TEMPORARY as WRITING

__all__ = ["TEMPORARY", "Node", "Stamp", "Tree", "each"]

TEMPORARY: Final = ".agentbay-sync-"
"""How the names of files begin that are on their way to their places."""
MOST_ENTRIES: Final = 100_000
BUDGET_S: Final = 60.0
AT_ONCE: Final = 8
KINDS: Final = frozenset({"file", "directory", "symlink", "other"})

T = TypeVar("T")
Stamp = tuple[int, int, int, int]
"""Inode, size, and times of change in nanoseconds: whoever changes a file cannot keep it."""


@frozen
class Node:
    """What is at a path of the sandbox. `target` is where a link leads."""

    kind: str
    mode: int
    mtime_ns: int
    stamp: Stamp
    target: str = ""

    @classmethod
    def of(cls, fact: dict[str, Any]) -> Node:
        numbers = [fact[name] for name in ("mode", "inode", "size", "mtime_ns", "ctime_ns")]
        if fact["type"] not in KINDS or not isinstance(fact["target"], str) or not all_integers(numbers):
            raise ValueError("no fact about a file")
        mode, inode, size, mtime_ns, ctime_ns = numbers
        return cls(
            fact["type"], stat.S_IMODE(mode) & 0o777, mtime_ns, (inode, size, mtime_ns, ctime_ns), fact["target"]
        )

    @property
    def size(self) -> int:
        return self.stamp[1]


def all_integers(values: Iterable[Any]) -> bool:
    return all(isinstance(value, int) and not isinstance(value, bool) for value in values)


def stamp_of(fd: int) -> Stamp:
    found = os.fstat(fd)
    return found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns


@frozen
class Tree:
    """The files of one sandbox."""

    sandbox: Sandbox
    limits: Limits

    async def scan(self, place: str) -> dict[str, Node] | None:
        """Everything below a folder by relative path, without what is on its way; None if there is no such folder.

        Raises:
            SyncFault: there is too much, or the answer cannot be understood.
            OSError: the folder cannot be read.
        """
        try:
            found = await self.sandbox.fs("scan", path=place, limit=MOST_ENTRIES, budget_s=BUDGET_S, detail=True)
        except FileNotFoundError:
            return None
        try:
            nodes, truncated = dict(_nodes(found["entries"], place)), found["truncated"]
        except (KeyError, TypeError, ValueError):
            raise SyncFault(f"{place}: the sandbox gave no usable list of files") from None
        if truncated:
            raise SyncFault(f"{place}: it has more than {MOST_ENTRIES} files, or looking at them took too long")
        return nodes

    async def look(self, path: str) -> Node | None:
        """What is at a path, links not followed; None if nothing is."""
        try:
            return Node.of(await self.sandbox.fs("stat", path=path, follow=False, detail=True))
        except (FileNotFoundError, NotADirectoryError):
            return None
        except (KeyError, TypeError, ValueError):
            raise SyncFault(f"{path}: the sandbox gave no usable answer") from None

    async def folder(self, path: str) -> None:
        await self.sandbox.fs("mkdir", path=path, parents=True)

    @contextlib.asynccontextmanager
    async def reading(self, path: str) -> AsyncIterator[int]:
        """A descriptor of a regular file; a link in its place is an error."""
        fd = await self.sandbox.open(path, os.O_RDONLY | os.O_NOFOLLOW)
        try:
            yield fd
        finally:
            os.close(fd)

    async def write(self, path: str, source: Reading, mode: int, mtime_ns: int) -> Stamp | None:
        """Puts a file in its place in one step, with its time and permissions; its stamp, unless it changed at once."""
        with contextlib.ExitStack() as held:
            async with self.placing(path) as temporary:
                fd = await self.sandbox.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
                held.callback(os.close, fd)
                await source.copy_to(fd)
                os.fchmod(fd, mode & 0o777)
                os.utime(fd, ns=(mtime_ns, mtime_ns))
            made = stamp_of(fd)
        return made if made[2] == mtime_ns else None

    async def link(self, path: str, target: str) -> None:
        """Puts a link in its place in one step."""
        async with self.placing(path) as temporary:
            await self.sandbox.fs("symlink", target=target, path=temporary)

    @contextlib.asynccontextmanager
    async def placing(self, path: str) -> AsyncIterator[str]:
        """Gives what the block makes its name; takes it away if that does not come about, whatever the reason."""
        temporary, placed = self.beside(path), False
        try:
            yield temporary
            await self.sandbox.fs("rename", source=temporary, destination=path, replace=True)
            placed = True
        finally:
            if not placed:
                await self.discard(temporary)

    async def discard(self, path: str) -> None:
        with contextlib.suppress(OSError, SandboxGone):
            await self.sandbox.fs("remove", path=path)

    @staticmethod
    def beside(path: str) -> str:
        """A new name in the same folder."""
        return posixpath.join(posixpath.dirname(path), f"{TEMPORARY}{secrets.token_hex(8)}")


def _nodes(entries: Iterable[dict[str, Any]], place: str) -> Iterator[tuple[str, Node]]:
    top = place.rstrip("/") + "/"
    for fact in entries:
        whole = str(fact["path"])
        path = whole.removeprefix(top)
        parts = path.split("/")
        if not whole.startswith(top) or ".." in parts or "" in parts:
            raise ValueError("a path from elsewhere")
        if not any(part.startswith((TEMPORARY, WRITING)) for part in parts):
            yield path, Node.of(fact)


async def each(work: Callable[[T], Awaitable[None]], items: Iterable[T], at_once: int = AT_ONCE) -> None:
    """Does work on all items, some at once. The first failure ends it, and so does being cancelled; nothing goes on."""
    queue = iter(items)

    async def worker() -> None:
        for item in queue:
            await work(item)

    workers = [asyncio.create_task(worker()) for _ in range(at_once)]
    try:
        await asyncio.gather(*workers)
    finally:
        for task in workers:
            if not task.cancelling():  # a second time would interrupt its tidying up
                task.cancel()
        await asyncio.gather(*workers, return_exceptions=True)
