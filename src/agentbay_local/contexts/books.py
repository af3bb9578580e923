"""The catalogue and the blobs kept in step. Blocking: all of it runs in the one thread of `Contexts`."""

from __future__ import annotations

import logging
import sqlite3
import time
from collections.abc import Callable, Collection, Iterable
from itertools import islice
from typing import TypeVar, TypeVarTuple

from attrs import evolve

from agentbay_local.contexts import files, records, volumes
from agentbay_local.contexts.blobs import Blobs
from agentbay_local.contexts.catalogue import Catalogue
from agentbay_local.contexts.faults import InTheWay, NoContext, NoFile, StoreUnavailable
from agentbay_local.contexts.names import clean_name
from agentbay_local.contexts.quota import Quota
from agentbay_local.contexts.runtimes import Presence
from agentbay_local.contexts.values import Context, Entry, Folder, Listing, New, Volume, Volumes
from agentbay_local.undo import on_failure

__all__ = ["Books"]

log = logging.getLogger("agentbay_local")

Ts = TypeVarTuple("Ts")
T = TypeVar("T")

# The catalogue is locked for so many bytes' names at a time.
_BATCH = 500


class Books:
    """What `Contexts` offers, without the event loop."""

    def __init__(self, catalogue: Catalogue, blobs: Blobs, presence: Presence, quota: Quota) -> None:
        self._catalogue = catalogue
        self._blobs = blobs
        self._presence = presence
        self._quota = quota
        self._freed: set[str] = set()
        self._swept = False

    def close(self) -> None:
        self._catalogue.close()
        self._presence.leave()

    def by(self, moment: float, work: Callable[[*Ts], T], *args: *Ts) -> T:
        """Does some work, and waits for other programs until then at most."""
        self._catalogue.wait_until(moment)
        return work(*args)

    def secret(self) -> bytes:
        with self._catalogue.reading() as database:
            [secret] = database.execute("SELECT value FROM facts WHERE name = 'secret'").fetchone()
        return bytes(secret)

    # --- Contexts -----------------------------------------------------------------------------------------------------

    def find(self, owner: str, context_id: str, hidden: bool) -> Context:
        with self._catalogue.reading() as database:
            return records.find(database, owner, context_id, hidden=hidden)

    def named(self, owner: str, name: str) -> Context:
        with self._catalogue.reading() as database:
            found = records.find_named(database, owner, name)
        if found is None:
            raise NoContext
        return found

    def get_or_make(self, owner: str, name: str) -> Context:
        clean_name(name)
        with self._catalogue.writing() as database:
            found = records.find_named(database, owner, name) or records.insert(database, owner, name, time.time())
            self._quota.check_contexts(database, owner)
            return found

    def make_hidden(self, owner: str, session_id: str) -> Context:
        with self._catalogue.writing() as database:
            made = records.insert(database, owner, session_id, time.time(), kind=1)
            records.hold(database, made.serial, session_id, self._presence.token)
            return records.find(database, owner, made.id, hidden=True)

    def listing(self, owner: str, size: int, before: int | None, session_id: str | None) -> Listing:
        with self._catalogue.reading() as database:
            return records.listing(database, owner, size, before, session_id)

    def rename(self, owner: str, context_id: str, name: str) -> None:
        clean_name(name)
        with self._catalogue.writing() as database:
            records.rename(database, records.find(database, owner, context_id, hidden=False), name)

    def delete(self, owner: str, context_id: str) -> None:
        with self._catalogue.writing() as database:
            context = records.find(database, owner, context_id, hidden=False)
            freed = files.remove_all(database, context.serial)
            records.delete(database, context.serial)
        self._sweep(freed)

    def hold(self, context_id: str, session_id: str) -> None:
        with self._catalogue.writing() as database:
            serial = records.writable(database, context_id)
            records.hold(database, serial, session_id, self._presence.token)
            records.touch(database, serial, time.time())

    def release(self, session_id: str) -> None:
        with self._catalogue.writing() as database:
            records.release(database, session_id)
            freed = self._drop_hidden(database)
        self._sweep(freed)

    def _drop_hidden(self, database: sqlite3.Connection) -> set[str]:
        """Deletes the hidden contexts that no session holds."""
        freed: set[str] = set()
        for serial in records.abandoned(database):
            freed |= files.remove_all(database, serial)
            records.delete(database, serial)
        return freed

    # --- Volumes ------------------------------------------------------------------------------------------------------

    def volume(self, owner: str, volume_id: str) -> Volume:
        with self._catalogue.reading() as database:
            return volumes.find(database, owner, volume_id)

    def volume_named(self, owner: str, image: str, name: str, make: bool) -> Volume:
        clean_name(name, "VolumeName")
        if not make:
            with self._catalogue.reading() as database:
                return volumes.named(database, owner, image, name)
        with self._catalogue.writing() as database:
            found = volumes.get_or_make(database, owner, image, name, time.time())
            self._quota.check_contexts(database, owner)
            return found

    def volume_list(self, owner: str, wanted: volumes.Filter, size: int, before: int | None) -> Volumes:
        with self._catalogue.reading() as database:
            return volumes.listing(database, owner, wanted, size, before)

    def delete_volume(self, owner: str, volume_id: str) -> None:
        with self._catalogue.writing() as database:
            serial = volumes.delete(database, owner, volume_id)
            freed = files.remove_all(database, serial)
            records.delete(database, serial)
        self._sweep(freed)

    # --- Clearing -----------------------------------------------------------------------------------------------------

    def begin_clear(self, owner: str, context_id: str) -> None:
        with self._catalogue.writing() as database:
            context = records.find(database, owner, context_id, hidden=False)
            records.begin_clear(database, context, self._presence.token)

    def remove_files(self, context_id: str) -> None:
        """The first half of clearing: the files are gone, their space is not there yet."""
        with self._catalogue.writing() as database:
            serial = records.cleared(database, context_id)
            if serial is None:
                return
            freed = files.remove_all(database, serial)
            records.set_phase(database, serial, "pre-available", self._presence.token)
        self._sweep(freed)

    def end_clear(self, context_id: str) -> None:
        with self._catalogue.writing() as database:
            serial = records.cleared(database, context_id)
            if serial is not None:
                records.set_phase(database, serial, "")

    # --- Files --------------------------------------------------------------------------------------------------------

    def entries(self, context_id: str, path: str) -> list[Entry]:
        with self._catalogue.reading() as database:
            return files.below(database, records.serial(database, context_id), path, time.time())

    def entry(self, context_id: str, path: str) -> Entry:
        with self._catalogue.reading() as database:
            found = files.at(database, records.serial(database, context_id), path, time.time())
        if found is None:
            raise NoFile(path)
        return found

    def children(self, context_id: str, path: str, size: int, after: str, skip: int) -> Folder:
        with self._catalogue.reading() as database:
            serial = records.serial(database, context_id)
            return files.children(database, serial, path, size, after, skip, time.time())

    def remove(self, context_id: str, path: str) -> None:
        with self._catalogue.writing() as database:
            serial = records.writable(database, context_id)
            found = files.below(database, serial, path, time.time())
            if not found:
                raise NoFile(path)
            if len(found) > 1 or found[0].path != path:
                raise InTheWay(path, "is a folder that has something in it")
            freed = files.replace(database, serial, (), [path], time.time())
        self._sweep(freed)

    def apply(self, context_id: str, put: Collection[New], drop: Collection[str], careful: bool) -> None:
        blobs = [new.blob for new in put if new.blob is not None]
        # Looked at again even if this does not come to its end.
        self._freed.update(blob.digest for blob in blobs if blob.temporary)
        # At once, for on a full disk nothing else may be possible before that.
        with on_failure(lambda: self._sweep(set())), self._catalogue.writing() as database:
            serial = records.writable(database, context_id)
            self._check(put)
            now, before = time.time(), self._quota.use(database, serial)
            freed = files.replace(database, serial, put, drop, now, careful=careful)
            self._quota.check(before, self._quota.use(database, serial))
            records.touch(database, serial, now)
            # The rows count once this block ends. Should it not, there are bytes that nobody needs; never the reverse.
            self._blobs.settle(blobs)
        self._sweep(freed)

    def _check(self, put: Collection[New]) -> None:
        for new in put:
            if new.blob is not None and not new.blob.temporary and not self._blobs.has(new.blob):
                raise NoFile(new.path, " (its bytes are no longer in the store)")

    def require_room(self, context_id: str, size: int) -> None:
        with self._catalogue.reading() as database:
            before = self._quota.use(database, records.serial(database, context_id))
        self._quota.check(before, evolve(before, bytes=before.bytes + size))

    # --- Order --------------------------------------------------------------------------------------------------------

    def tidy(self) -> None:
        """Takes away what is over: files whose time has come, and what runtimes left that are no more."""
        with self._catalogue.writing() as database:
            # Looked at in this order, since a runtime shows its presence before it makes anything.
            temporaries = self._blobs.temporaries()
            alive = self._presence.alive()
            freed = files.remove_expired(database, time.time())
            records.release_dead(database, alive)
            freed |= self._drop_hidden(database)
            for serial in records.left_uncleared(database, alive):
                freed |= files.remove_all(database, serial)
                records.set_phase(database, serial, "")
        left = [name for name, token in temporaries.items() if token not in alive]
        self._blobs.discard(left)
        self._sweep(freed | (self._unneeded() if left or not self._swept else set()))
        self._swept = True

    def _unneeded(self) -> set[str]:
        """Gives all bytes that no file had when this looked, such as those of a change that did not come to its end."""
        with self._catalogue.reading() as database:
            needed = {digest for [digest] in database.execute("SELECT DISTINCT digest FROM files")}
        return self._blobs.digests() - needed

    def _sweep(self, digests: set[str]) -> None:
        """Removes bytes that no file needs. Should that fail, nothing is wrong yet: the next look tries again."""
        self._freed |= digests - {""}
        waiting = iter(sorted(self._freed))
        try:
            while batch := list(islice(waiting, _BATCH)):
                self._remove(batch)
                self._freed.difference_update(batch)
        except StoreUnavailable as fault:
            log.warning("space could not be given back: %s", fault.message)

    def _remove(self, batch: Iterable[str]) -> None:
        with self._catalogue.writing() as database:
            self._blobs.remove(digest for digest in batch if not files.needed(database, digest))
