"""The contexts of one data folder, for the event loop."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import AsyncIterator, Callable, Collection
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TypeVar, TypeVarTuple

from agentbay_local.contexts.blobs import Blobs
from agentbay_local.contexts.books import Books
from agentbay_local.contexts.catalogue import Catalogue, patience
from agentbay_local.contexts.faults import NoFile, StoreUnavailable, store_faults
from agentbay_local.contexts.quota import Quota
from agentbay_local.contexts.reading import Reading
from agentbay_local.contexts.runtimes import Presence
from agentbay_local.contexts.staging import Staging
from agentbay_local.contexts.threads import in_thread
from agentbay_local.contexts.values import Blob, Context, Entry, Folder, Kind, Listing, New, Volume, Volumes
from agentbay_local.contexts.volumes import Filter

__all__ = ["Contexts"]

log = logging.getLogger("agentbay_local")

Ts = TypeVarTuple("Ts")
T = TypeVar("T")

# How often what is over is looked for: files whose time has come, and what dead runtimes left.
_PERIOD = 60.0
_COPIES = 16


class Contexts:
    """All contexts of a data folder. Nothing is touched before the first use; several runtimes may share the folder.

    Every method may raise StoreUnavailable (folder locked, full, read-only or damaged): then nothing has changed, and
    the next call tries anew. Methods with an `owner` raise NoContext for a context of another owner. Those without
    expect that the context was found for its owner before; they raise NoContext when it has been deleted since.

    Paths are as `paths.clean_path` gives them. Where a task is cancelled in a call, its work has ended before the task
    goes on.
    """

    def __init__(self, folder: Path, quota: Quota | None = None) -> None:
        self.folder = folder
        presence = Presence(folder / "runtimes")
        self._blobs = Blobs(folder / "blobs", presence.token)
        catalogue = Catalogue(folder, [presence.claim, self._blobs.prepare])
        self._books = Books(catalogue, self._blobs, presence, quota or Quota())
        self._thread = ThreadPoolExecutor(1, "catalogue")
        # Of their own, so that long copies keep nothing else waiting. Threads start when there is work.
        self._pool = ThreadPoolExecutor(_COPIES, "contexts")
        self._caretaker: asyncio.Task[None] | None = None
        self._opening = asyncio.Lock()
        self._closed = False

    # --- Contexts -----------------------------------------------------------------------------------------------------

    async def find(self, owner: str, context_id: str, *, hidden: bool = False) -> Context:
        """Gives a context by its id; a hidden one only when that is asked for. Raises NoContext."""
        return await self._do(self._books.find, owner, context_id, hidden)

    async def named(self, owner: str, name: str) -> Context:
        """Gives a context by its name. Raises NoContext."""
        return await self._do(self._books.named, owner, name)

    async def get_or_make(self, owner: str, name: str) -> Context:
        """Gives the context of a name, which is made if there is none. Raises ServiceRefusal for a bad name."""
        return await self._do(self._books.get_or_make, owner, name)

    async def make_hidden(self, owner: str, session_id: str) -> Context:
        """Makes a context that only one session has. It is held by the session, and goes when that is released."""
        return await self._do(self._books.make_hidden, owner, session_id)

    async def listing(self, owner: str, size: int, before: int | None = None, session_id: str | None = None) -> Listing:
        """Lists contexts, newest first: those of an owner, or of these only those that a session holds."""
        return await self._do(self._books.listing, owner, size, before, session_id)

    async def rename(self, owner: str, context_id: str, name: str) -> None:
        """Raises NoContext, NameTaken, or ServiceRefusal for a bad name."""
        await self._do(self._books.rename, owner, context_id, name)

    async def delete(self, owner: str, context_id: str) -> None:
        """Deletes a context with its files, also while sessions hold it. Raises NoContext."""
        await self._do(self._books.delete, owner, context_id)

    async def begin_clear(self, owner: str, context_id: str) -> None:
        """Makes the state `clearing`; changes are refused now. Raises NoContext, or ContextBusy while in use."""
        await self._do(self._books.begin_clear, owner, context_id)

    async def finish_clear(self, context_id: str) -> None:
        """Removes all files of a context whose state is `clearing`; then it is available. May be repeated."""
        await self._do(self._books.remove_files, context_id)
        await self._do(self._books.end_clear, context_id)

    async def hold(self, context_id: str, session_id: str) -> None:
        """Notes that a session uses a context: it is `in-use` until `release`, or until this runtime is no more."""
        await self._do(self._books.hold, context_id, session_id)

    async def release(self, session_id: str) -> None:
        """Notes that a session uses nothing any more; deletes its hidden contexts."""
        await self._do(self._books.release, session_id)

    # --- Volumes ------------------------------------------------------------------------------------------------------

    async def volume(self, owner: str, volume_id: str) -> Volume:
        """Gives a volume by its id. Raises NoVolume."""
        return await self._do(self._books.volume, owner, volume_id)

    async def volume_named(self, owner: str, image: str, name: str, *, make: bool = False) -> Volume:
        """Gives an image's volume by its name; with `make` there is one then. Raises NoVolume, or ServiceRefusal."""
        return await self._do(self._books.volume_named, owner, image, name, make)

    async def volumes(self, owner: str, wanted: Filter, size: int, before: int | None = None) -> Volumes:
        """Lists volumes, newest first."""
        return await self._do(self._books.volume_list, owner, wanted, size, before)

    async def delete_volume(self, owner: str, volume_id: str) -> None:
        """Deletes a volume with its files. Raises NoVolume, or VolumeBusy while a session uses it."""
        await self._do(self._books.delete_volume, owner, volume_id)

    # --- Files --------------------------------------------------------------------------------------------------------

    async def entries(self, context_id: str, path: str = "/") -> list[Entry]:
        """Gives what stands at a path and below it, folders before what is in them; empty when there is nothing."""
        return await self._do(self._books.entries, context_id, path)

    async def entry(self, context_id: str, path: str) -> Entry:
        """Gives what stands at a path itself. Raises NoFile."""
        return await self._do(self._books.entry, context_id, path)

    async def children(self, context_id: str, path: str, size: int, *, after: str = "", skip: int = 0) -> Folder:
        """Lists what a folder has, one level deep: from where the page before ended, or without the first `skip`."""
        return await self._do(self._books.children, context_id, path, size, after, skip)

    def staging(self) -> Staging:
        """Gives a context manager that takes bytes in, for the files of `apply`."""
        return Staging(self._blobs, self.folder, self._pool, self._open)

    async def remove(self, context_id: str, path: str) -> None:
        """Removes what stands at one path. Raises NoFile, or InTheWay for a folder that has something in it."""
        await self._do(self._books.remove, context_id, path)

    async def apply(
        self, context_id: str, put: Collection[New] = (), drop: Collection[str] = (), *, careful: bool = False
    ) -> None:
        """Changes many files at once: first every path of `drop` goes with all below it, then `put` comes.

        All of it is seen at once, and is on the disk when this returns; or nothing has changed. What cannot stand
        beside something new goes: a file in the place of a folder of its path, or whatever is below a new file or link.

        Raises:
            NoContext: the context has been deleted.
            ContextBusy: it is being cleared.
            NoFile: the bytes of an entry that was given as `blob` are no longer there.
            InTheWay: with `careful`, something else would have to go.
            OverQuota: the owner would have more than they may.
        """
        blobs = [new.blob for new in put if new.blob is not None]
        await self._open()
        await in_thread(self._pool, self._flush, blobs)
        await self._do(self._books.apply, context_id, put, drop, careful)

    async def require_room(self, context_id: str, size: int) -> None:
        """Makes sure that a context may get so many bytes. Raises OverQuota or NoContext."""
        await self._do(self._books.require_room, context_id, size)

    def _flush(self, blobs: Collection[Blob]) -> None:
        with store_faults(self.folder):
            self._blobs.flush(blobs)

    @asynccontextmanager
    async def reading(self, entry: Entry) -> AsyncIterator[Reading]:
        """Opens the bytes of a FILE; they stay as they are while the block lasts. Raises NoFile when they are gone."""
        reading = await in_thread(self._pool, self._opened, entry)
        try:
            yield reading
        finally:
            os.close(reading.descriptor)

    def _opened(self, entry: Entry) -> Reading:
        if entry.kind is not Kind.FILE:
            raise NoFile(entry.path, f" (it is a {entry.kind})")
        try:
            descriptor = os.open(self._blobs.path(entry.digest), os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            raise NoFile(entry.path, " (it was replaced or deleted at this moment)") from None
        return Reading(descriptor, entry.size, self._pool)

    async def secret(self) -> bytes:
        """Gives the key with which this folder's addresses are signed; the same for all runtimes that share it."""
        return await self._do(self._books.secret)

    # --- Opening and closing ------------------------------------------------------------------------------------------

    async def _do(self, work: Callable[[*Ts], T], *args: *Ts) -> T:
        # Counted from here: whoever waits behind others for a catalogue that is locked has no longer to wait than they.
        until = patience()
        await self._open(until)
        return await in_thread(self._thread, lambda: self._books.by(until, work, *args))

    async def _open(self, until: float | None = None) -> None:
        """Tidies up before the first use, and from then on now and then."""
        until = until or patience()
        async with self._opening:
            if self._caretaker is not None:
                return
            await in_thread(self._thread, self._books.by, until, self._books.tidy)
            self._caretaker = asyncio.create_task(self._take_care())

    async def _take_care(self) -> None:
        while True:
            await asyncio.sleep(_PERIOD)
            try:
                await in_thread(self._thread, self._books.by, patience(), self._books.tidy)
            except StoreUnavailable as fault:
                log.warning("the contexts could not be tidied up: %s", fault.message)

    async def close(self) -> None:
        """Ends the work on the folder for good."""
        if self._closed:
            return
        self._closed = True
        if self._caretaker is not None:
            self._caretaker.cancel()
            await asyncio.gather(self._caretaker, return_exceptions=True)
        await in_thread(self._thread, self._books.close)
        self._pool.shutdown()
        self._thread.shutdown()
