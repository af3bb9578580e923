"""Uploads as one archive: a zip that grows while it is taken into the store, in constant memory."""

from __future__ import annotations

import errno
import os
import stat
import time
import zipfile
from collections.abc import AsyncIterator, Callable, Iterable
from typing import Final

from attrs import define, field

from agentbay_local.contexts.threads import in_thread
from agentbay_local.syncing.tree import Node, Stamp, Tree, stamp_of

__all__ = ["MARK", "Pack"]

MARK: Final = "agentbay archive upload"
"""The comment of an archive that an upload made: it goes back to where its files were."""
CHUNK: Final = 1 << 20
EARLIEST: Final = 315_532_800
LATEST: Final = 4_354_819_198
"""From 1980 to 2107: no archive of this kind has another time."""


class _Sink:
    """Takes what a zip writes, until somebody collects it."""

    def __init__(self) -> None:
        self._bytes = bytearray()

    def write(self, data: bytes) -> int:
        self._bytes += data
        return len(data)

    def flush(self) -> None:
        """Nothing is held back."""

    def close(self) -> None:
        """Nothing has to be closed."""

    def collect(self) -> bytes:
        collected = bytes(self._bytes)
        self._bytes.clear()
        return collected


@define
class Pack:
    """One archive while it is made. `stamps` tells which files are in it, as they were; `failed` gets the others."""

    tree: Tree
    here: Callable[[str], str]
    failed: Callable[[str, OSError], None]
    stamps: dict[str, Stamp] = field(factory=dict)

    async def chunks(self, nodes: Iterable[tuple[str, Node]]) -> AsyncIterator[bytes]:
        """The archive of some files, links and empty folders, piece by piece."""
        sink = _Sink()
        with zipfile.ZipFile(sink, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.comment = MARK.encode()
            for path, node in nodes:
                async for chunk in self._entry(archive, sink, path, node):
                    yield chunk
        yield sink.collect()

    async def _entry(self, archive: zipfile.ZipFile, sink: _Sink, path: str, node: Node) -> AsyncIterator[bytes]:
        try:
            path.encode()
        except UnicodeEncodeError:
            self.failed(path, OSError(errno.EILSEQ, "no name for an archive"))
            return
        info = _info(path, node)
        if node.kind != "file":
            archive.writestr(info, os.fsencode(node.target))
            self.stamps[path] = node.stamp
            return
        try:
            async with self.tree.reading(self.here(path)) as fd:
                before = stamp_of(fd)
                with archive.open(info, "w", force_zip64=True) as target:
                    while data := await in_thread(None, os.read, fd, CHUNK):
                        await in_thread(None, target.write, data)
                        yield sink.collect()
                if before == stamp_of(fd):
                    self.stamps[path] = before
        except OSError as error:
            self.failed(path, error)


def _info(path: str, node: Node) -> zipfile.ZipInfo:
    moment = time.gmtime(max(EARLIEST, min(LATEST, node.mtime_ns // 10**9)))
    info = zipfile.ZipInfo(path + "/" * (node.kind == "directory"), moment[:6])
    kind = {"file": stat.S_IFREG, "directory": stat.S_IFDIR, "symlink": stat.S_IFLNK}[node.kind]
    info.external_attr = (kind | node.mode) << 16
    info.compress_type = zipfile.ZIP_DEFLATED if node.kind == "file" else zipfile.ZIP_STORED
    return info
