"""From the store to the sandbox."""

from __future__ import annotations

import errno
from collections.abc import Iterable, Mapping
from itertools import groupby
from typing import Final

from attrs import define, field

from agentbay_local.contexts import Entry, Kind, NoFile
from agentbay_local.syncing.binding import Binding, Known, Scope
from agentbay_local.syncing.faults import SyncFault, cannot, several
from agentbay_local.syncing.selection import above, is_archive
from agentbay_local.syncing.tree import AT_ONCE, Node, each
from agentbay_local.syncing.unpacking import unpacked

__all__ = ["carry_down"]

READABLE: Final = 0o555
"""The permissions that are left in a mount which must not be written."""
HOPELESS: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EROFS})


async def carry_down(scope: Scope) -> None:
    """Brings what the context has into the sandbox; what was stored later wins over what an archive has.

    Raises:
        SyncFault: something could not be carried; the rest was. No file is ever half there.
    """
    stored = await scope.stored()
    if scope.path and not stored:
        raise SyncFault(f"{scope.binding.here(scope.path)}: the context has no such file")
    wanted = await scope.wanted(list(stored))
    await _Down(scope, stored).run(wanted)


@define
class _Down:
    """One way down while it lasts. `blocked` are folders that cannot be made, `present` is what was there before."""

    scope: Scope
    stored: Mapping[str, Entry]
    failures: list[str] = field(factory=list)
    blocked: set[str] = field(factory=set)
    present: dict[str, Node] = field(factory=dict)

    @property
    def binding(self) -> Binding:
        return self.scope.binding

    async def run(self, wanted: Iterable[str]) -> None:
        tree = self.binding.tree
        try:
            await tree.folder(self.binding.place)
            if self.binding.known and self.scope.path not in self.stored:
                self.present = await self.scope.present() or {}
        except OSError as error:
            raise SyncFault(cannot(self.binding.place, error, tree.limits)) from error
        paths = [path for path in sorted(wanted) if path]
        await self._folders(paths)
        later = sorted(paths, key=lambda path: self.stored[path].stored)
        for packed, group in groupby(later, key=self._is_packed):
            await each(self._unpack if packed else self._place, sorted(group), 1 if packed else AT_ONCE)
        if self.failures:
            raise SyncFault(several(self.failures))

    def _is_packed(self, path: str) -> bool:
        return self.binding.policy.extract and self.stored[path].kind is Kind.FILE and is_archive(path)

    def _failed(self, path: str, error: OSError) -> None:
        """Notes a failure; where nothing more can be written, the rest is not tried."""
        self.failures.append(cannot(self.binding.here(path), error, self.binding.tree.limits))
        if error.errno in HOPELESS:
            raise SyncFault(several(self.failures)) from error

    # --- Folders ------------------------------------------------------------------------------------------------------

    async def _folders(self, paths: Iterable[str]) -> None:
        """Makes all folders. A link in the place of one is not followed."""
        listed = {path for path in paths if self.stored[path].kind is Kind.FOLDER}
        needed = {folder for path in paths for folder in above(path)}
        for path in sorted(listed | needed):
            if self.blocked.isdisjoint(above(path)):
                await self._folder(path)
        self.binding.known |= {path: Known() for path in listed}

    async def _folder(self, path: str) -> None:
        tree, here = self.binding.tree, self.binding.here(path)
        try:
            node = self.present.get(path) or await tree.look(here)
            if node is None:
                await tree.folder(here)
            elif node.kind != "directory" and not self.binding.internal:
                raise NotADirectoryError(errno.ENOTDIR, "", here)
        except OSError as error:
            self.blocked.add(path)
            self._failed(path, error)

    # --- Files and links ----------------------------------------------------------------------------------------------

    async def _place(self, path: str) -> None:
        entry = self.stored[path]
        if entry.kind is Kind.FOLDER or self._same(path, entry) or not self.blocked.isdisjoint(above(path)):
            return
        try:
            if entry.kind is Kind.LINK:
                await self.binding.tree.link(self.binding.here(path), entry.target)
                self.binding.known[path] = Known(target=entry.target)
            else:
                await self._write(path, entry)
        except OSError as error:
            self._failed(path, error)
        except NoFile as gone:
            self.failures.append(gone.message)

    def _same(self, path: str, entry: Entry) -> bool:
        """Whether the sandbox has it already, as it was carried before."""
        node, known = self.present.get(path), self.binding.known.get(path)
        if node is None or known is None:
            return False
        if entry.kind is Kind.LINK:
            return node.kind == "symlink" and node.target == entry.target
        return known.stamp == node.stamp and known.digest == entry.digest

    async def _write(self, path: str, entry: Entry) -> None:
        limits = self.binding.tree.limits
        if entry.size > limits.file_size:
            raise OSError(errno.EFBIG, "", path)
        mode = entry.mode & READABLE if self.binding.entry.read_only else entry.mode
        async with self.binding.store.reading(entry) as source:
            stamp = await self.binding.tree.write(self.binding.here(path), source, mode, entry.mtime_ns)
        self.binding.known[path] = Known(entry.digest, stamp)

    async def _unpack(self, path: str) -> None:
        """Unpacks an archive. One that cannot be unpacked is there as a file."""
        try:
            self.binding.known |= await unpacked(self.binding, path, self.stored[path])
        except SyncFault as fault:
            self.failures.append(f"{self.binding.here(path)}: {fault}")
            await self._place(path)
            return
        except OSError as error:
            self._failed(path, error)
            return
        if not self.binding.policy.drop_archive:
            await self._place(path)
