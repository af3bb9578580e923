"""From the sandbox to the store: what was changed in the session, and what was deleted in it."""

from __future__ import annotations

import errno
import posixpath
from collections.abc import Collection, Iterable, Mapping
from typing import Final

from attrs import define, field

from agentbay_local.contexts import Entry, Kind, New, Staging
from agentbay_local.syncing.binding import PACKED, Binding, Known, Scope
from agentbay_local.syncing.faults import SyncFault, cannot, several
from agentbay_local.syncing.packing import Pack
from agentbay_local.syncing.selection import above, covers
from agentbay_local.syncing.tree import Node, each, stamp_of
from agentbay_local.tools.faults import size

__all__ = ["carry_up"]

OPEN: Final = 0o500
"""The permissions that its owner needs to look into a folder."""
DISKS: Final = 3
"""So many times what one holds is more than all file systems of a session can have."""
LATEST_NS: Final = 1 << 62
"""No catalogue has room for the times that a file system may tell."""
KINDS: Final = {"file": Kind.FILE, "symlink": Kind.LINK, "directory": Kind.FOLDER}


async def carry_up(scope: Scope, *, fill: bool) -> None:
    """Brings what the sandbox has into the context, all of it in one step that others see as a whole.

    What was changed here since it was carried last wins over what the context has. What was not is left alone, so that
    it undoes nothing of another session; with `fill` the context then has it as well. What was carried before and is
    gone here is deleted there, if the policy carries deletions and nobody has changed it there.

    Raises:
        SyncFault: something could not be carried; the rest was.
    """
    if scope.binding.entry.read_only:
        raise SyncFault(f"{scope.binding.place}: the context is mounted to be read only")
    up = _Up(scope, await scope.stored(), fill)
    async with scope.binding.store.staging() as staging:
        await up.run(staging)


@define
class _Up:
    """One way up while it lasts. `carried` becomes known once the context has it."""

    scope: Scope
    stored: Mapping[str, Entry]
    fill: bool
    put: list[New] = field(factory=list)
    carried: dict[str, Known] = field(factory=dict)
    failures: list[str] = field(factory=list)

    @property
    def binding(self) -> Binding:
        return self.scope.binding

    async def run(self, staging: Staging) -> None:
        found = await self._found()
        paths = {*found, *self.binding.known}
        wanted = await self.scope.wanted(sorted(path for path in paths if covers(self.scope.path, path)))
        wanted -= self._hidden(found, wanted)
        occupied = {posixpath.dirname(path) for path in found}
        nodes = {path: node for path, node in found.items() if path in wanted and _is_carried(path, node, occupied)}
        self._refuse_bomb(nodes.values())
        singles = {path: node for path, node in nodes.items() if self._is_single(path)}
        packed = {path: node for path, node in nodes.items() if path not in singles}
        await each(lambda path: self._single(path, singles[path], staging), sorted(singles))
        drop = self._deleted(found, wanted)
        if self._has_news(packed):
            drop |= await self._pack(packed, staging)
        await self._settle(drop)
        self._forget(found)
        if self.failures:
            raise SyncFault(several(self.failures))

    def _hidden(self, found: Mapping[str, Node], wanted: Collection[str]) -> set[str]:
        """What is in folders that cannot be looked into, which is a failure: it only seems to be gone."""
        closed = {path for path, node in found.items() if node.kind == "directory" and node.mode & OPEN != OPEN}
        hidden = {path for path in wanted if path in closed or not closed.isdisjoint(above(path))}
        for folder in sorted(hidden & closed):
            self._failed(folder, PermissionError(errno.EACCES, "closed"))
        return hidden

    def _refuse_bomb(self, nodes: Iterable[Node]) -> None:
        """Files with holes, and names of one file, take no room here but all of it in the store."""
        limits = self.binding.tree.limits
        if sum(node.size for node in nodes if node.kind == "file") > DISKS * limits.workspace:
            text = f"its files are larger than the session's disks, which hold {size(limits.workspace)} each"
            raise SyncFault(f"{self.binding.here(self.scope.path)}: {text}")

    async def _found(self) -> dict[str, Node]:
        """What the sandbox has in the scope, by path relative to the binding."""
        tree, top = self.binding.tree, self.scope.path
        here = self.binding.here(top)
        try:
            node = await tree.look(here) if top else None
            if node is not None and node.kind != "directory":
                return {top: node}
            below = await self.scope.present()
        except OSError as error:
            raise SyncFault(cannot(here, error, tree.limits)) from error
        if below is None and top and (self.binding.internal or not self._knows(top)):
            await self._settle(self._deleted({}, {top}))
            raise SyncFault(f"{here}: No such file or directory")
        return below or {}

    def _knows(self, top: str) -> bool:
        return any(covers(top, path) for path in self.binding.known)

    # --- Files one by one ---------------------------------------------------------------------------------------------

    async def _single(self, path: str, node: Node, staging: Staging) -> None:
        entry, known = self.stored.get(path), self.binding.known.get(path)
        if self._is_settled(node, entry, known):
            return
        try:
            new = await self._new(path, node, staging)
        except FileNotFoundError as error:
            if path == self.scope.path:
                self._failed(path, error)
        except OSError as error:
            self._failed(path, error)
        else:
            if entry is None or not _same(entry, new):
                self.put.append(new)

    def _is_settled(self, node: Node, entry: Entry | None, known: Known | None) -> bool:
        """Whether there is nothing to do for a file: it was not changed here, and the context need not get it anew."""
        if known is None or not _is_unchanged(node, known):
            return False
        if not self.fill or (node.kind == "file" and not known.digest):
            return True
        if entry is None or entry.kind is not KINDS[node.kind]:
            return False
        return (entry.digest, entry.target) == (known.digest, known.target)

    async def _new(self, path: str, node: Node, staging: Staging) -> New:
        there, expires = self.binding.there(path), self.scope.expires(path)
        if node.kind == "directory":
            self.carried[path] = Known()
            return New(there, Kind.FOLDER, mode=node.mode, expires=expires)
        if node.kind == "symlink":
            self.carried[path] = Known(target=node.target)
            return New(there, Kind.LINK, target=node.target, expires=expires)
        async with self.binding.tree.reading(self.binding.here(path)) as fd:
            before = stamp_of(fd)
            blob = await staging.take_from(fd, self.binding.tree.limits.file_size)
            self.carried[path] = Known(blob.digest, before if before == stamp_of(fd) else None)
        moment = max(-LATEST_NS, min(LATEST_NS, before[2]))
        return New(there, Kind.FILE, blob, node.mode, moment, expires=expires)

    def _failed(self, path: str, error: OSError) -> None:
        if error.errno == errno.ELOOP:
            return  # a link has taken the file's place at this moment; the next sync carries that one
        self.failures.append(cannot(self.binding.here(path), error, self.binding.tree.limits))

    # --- One archive --------------------------------------------------------------------------------------------------

    def _is_single(self, path: str) -> bool:
        """Whether a file goes by itself, and not in an archive; that is always of the whole binding."""
        policy = self.binding.policy
        return not policy.archive or bool(self.scope.path) or any(covers(each, path) for each in policy.unpacked)

    def _has_news(self, packed: Mapping[str, Node]) -> bool:
        """Whether the archive in the context is not what it would be if it were made now."""
        if not self.binding.policy.archive or self.scope.path:
            return False
        known = self.binding.known
        changed = any(path not in known or not _is_unchanged(node, known[path]) for path, node in packed.items())
        gone = any(path not in packed and each.stamp and not each.digest for path, each in known.items())
        return changed or gone or (self.fill and bool(packed) and self._archive() not in self.stored)

    def _archive(self) -> str:
        return f"{posixpath.basename(self.binding.source) or 'context'}{PACKED}"

    async def _pack(self, nodes: Mapping[str, Node], staging: Staging) -> set[str]:
        """Makes the archive. Gives what the context has as single files of the same, which it takes the place of."""
        pack = Pack(self.binding.tree, self.binding.here, self._failed)
        blob = await staging.take(pack.chunks(sorted(nodes.items())))
        path = self._archive()
        self.put.append(New(self.binding.there(path), Kind.FILE, blob, expires=self.scope.expires(path)))
        self.carried |= {each: _packed(node, pack.stamps.get(each)) for each, node in nodes.items()}
        return {each for each in nodes if each in self.stored}

    # --- The end ------------------------------------------------------------------------------------------------------

    def _deleted(self, found: Mapping[str, Node], wanted: Iterable[str]) -> set[str]:
        """What was carried before, is gone here, and is still the same there."""
        if not self.binding.policy.carry_deletions:
            return set()
        known = self.binding.known
        gone = {path for path in wanted if path in known and path not in found and path in self.stored}
        gone -= {path for path in gone if self._is_changed_there(path, known[path])}
        # Deleting a folder deletes all below it, of which others may have added something.
        needed = {folder for path in self.stored if path not in gone for folder in above(path)}
        return gone - needed

    def _is_changed_there(self, path: str, known: Known) -> bool:
        entry = self.stored[path]
        return entry.digest != known.digest or (entry.kind is Kind.LINK and entry.target != known.target)

    async def _settle(self, drop: set[str]) -> None:
        """Changes the context, then what is known of it."""
        binding = self.binding
        if self.put or drop:
            await binding.store.apply(binding.context_id, self.put, [binding.there(path) for path in sorted(drop)])
        binding.known |= self.carried
        for path in drop - self.carried.keys():
            del binding.known[path]

    def _forget(self, found: Mapping[str, Node]) -> None:
        """What is neither here nor there needs no memory."""
        known = self.binding.known
        gone = [path for path in known if path not in found and path not in self.stored]
        for path in gone:
            if covers(self.scope.path, path):
                del known[path]


def _is_carried(path: str, node: Node, occupied: Collection[str]) -> bool:
    """Files, links and empty folders are; a pipe or a socket is nothing without the programs at its ends."""
    if node.kind == "directory":
        return path not in occupied
    return node.kind != "other" and not path.endswith(PACKED)


def _is_unchanged(node: Node, known: Known) -> bool:
    if node.kind == "directory":
        return True
    if node.kind == "symlink":
        return known.target == node.target
    return known.stamp == node.stamp


def _same(entry: Entry, new: New) -> bool:
    """Whether the context has it already. Being stored anew only matters where that begins its time of keeping anew."""
    if entry.kind is not new.kind or new.expires is not None:
        return False
    if entry.kind is Kind.FILE and new.blob is not None:
        return (entry.digest, entry.mode, entry.mtime_ns) == (new.blob.digest, new.mode, new.mtime_ns)
    return entry.target == new.target


def _packed(node: Node, stamp: tuple[int, int, int, int] | None) -> Known:
    """A file in an archive has no digest of its own."""
    return Known(target=node.target) if node.kind == "symlink" else Known(stamp=stamp)
