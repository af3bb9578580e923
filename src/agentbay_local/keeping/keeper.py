"""Hibernates paused sessions, wakes them, and finds those again that outlived their runtime."""

from __future__ import annotations

import asyncio
import contextlib
import copy
import hashlib
import logging
import time
from collections.abc import Callable, Coroutine, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO, Final, TypeVar, TypeVarTuple, cast

from agentbay_local.contexts import Staging, StoreUnavailable
from agentbay_local.contexts.faults import store_faults
from agentbay_local.contexts.threads import ended, in_thread
from agentbay_local.egress import Policy, UnfitRule
from agentbay_local.egress.policy import read_rule
from agentbay_local.images.image import Image
from agentbay_local.images.snapshot import PLACES
from agentbay_local.keeping.asleep import Asleep
from agentbay_local.keeping.records import Record
from agentbay_local.keeping.shelf import Shelf
from agentbay_local.keeping.trees import pack, unpack
from agentbay_local.logs import say
from agentbay_local.sandbox.contract import Limits, Sandbox
from agentbay_local.service.images import Gallery
from agentbay_local.service.session import Lifetime, Session, Sleep, State
from agentbay_local.syncing.binding import Bound
from agentbay_local.syncing.desk import Desk
from agentbay_local.tools.box import MakeBox

__all__ = ["Keeper"]

log = logging.getLogger("agentbay_local")

FOLDER: Final = "sessions"
HASHES: Final = 100_000
AT_ONCE: Final = 2
"""Sessions that are packed at the same time, and as many that are woken."""

Ts = TypeVarTuple("Ts")
T = TypeVar("T")


class Keeper:
    """Hibernation in one data folder, which is first touched when it is needed. `keeps` over a restart, or not."""

    def __init__(
        self, folder: Path, gallery: Gallery, limits: Limits, keys: Sequence[str], make: MakeBox, *, keeps: bool
    ) -> None:
        self.keeps = keeps
        self._shelf = Shelf(folder / FOLDER)
        self._gallery = gallery
        self._limits = limits
        self._keys = keys
        self._make = make
        self._hashes: dict[str, str] = {}
        self._pool = ThreadPoolExecutor(4, "keeping")
        self._packing = asyncio.Semaphore(AT_ONCE)
        self._waking = asyncio.Semaphore(AT_ONCE)
        self._closed = False

    # --- To sleep -----------------------------------------------------------------------------------------------------

    async def hibernate(self, session: Session, desk: Desk | None, links: Mapping[int, str]) -> None:
        """Brings the files of a paused session to the disk, and ends its sandbox. If that fails, nothing has changed.

        Raises:
            SandboxError: the files cannot be packed.
            StoreUnavailable: there is no room for them.
        """
        box, left = session.box.sandbox, copy.copy(session.box)
        begun = time.perf_counter()
        if desk is not None:
            await desk.rest()
        try:
            async with self._packing, self._staging() as staging, box.attended():
                blob = await pack(box, staging, self._limits, of_image=await self._size(session))
                await self._do(self._shelf.flush, blob)
                record = await self._record(session, desk, links, Sleep(blob.temporary, blob))
                # From here on it is asleep, whoever wants it to be otherwise.
                await _through(self._keep(session, record, staging))
        finally:
            if desk is not None and session.asleep is None:
                desk.move(box, {})
            if session.asleep is not None:
                await _through(left.close())
        seconds = round(time.perf_counter() - begun, 3)
        say("session hibernated: files kept, processes gone", session=session.id, bytes=blob.size, seconds=seconds)

    def _staging(self) -> Staging:
        return Staging(self._shelf.blobs, self._shelf.folder, self._pool, self._prepare)

    async def _prepare(self) -> None:
        await self._do(self._shelf.prepare)

    async def _keep(self, session: Session, record: Record, staging: Staging) -> None:
        kept = await self._do(self._shelf.commit, record) if self.keeps else record
        staging.release(record.blob)
        session.asleep = Sleep(kept.tree, kept.blob)
        session.box.move(cast("Sandbox", Asleep()))

    async def _record(self, session: Session, desk: Desk | None, links: Mapping[int, str], sleep: Sleep) -> Record:
        now, clock = time.time(), time.monotonic()
        limit = session.deadline(clock)[0]
        policy = session.policy
        return Record(
            id=session.id,
            keeper="",
            owner=await self._hash(self._key(session.owner)) if self.keeps else "",
            tree=sleep.tree,
            blob=sleep.blob,
            image=session.image,
            family=session.family,
            labels=session.labels,
            app_instance_id=session.app_instance_id,
            resource_id=session.resource_id,
            token=session.token,
            auth_code=session.auth_code,
            created=now - (clock - session.created),
            paused=now - (clock - session.since),
            idle=session.lifetime.idle,
            total=session.lifetime.total,
            policy=policy.name,
            rules=[str(rule) for rule in policy.rules],
            env=session.box.env,
            browser=session.box.browser.options,
            links=dict(links),
            contexts=[Bound(each.entry, each.bound, each.known) for each in (desk.shown if desk else [])],
            ends=now + limit - clock if limit != float("inf") else None,
        )

    # --- Awake --------------------------------------------------------------------------------------------------------

    async def wake(self, session: Session, desk: Desk | None) -> None:
        """Gives a hibernated session a new sandbox with its files. If that fails, it stays hibernated.

        Raises:
            SandboxError: there is no new sandbox, or the files could not be brought into it.
            ImageGone: the image that it was made from is not there any more.
            OSError: the files cannot be read.
        """
        sleep = session.asleep
        assert sleep is not None
        async with self._waking:
            box = await self._gallery.sandbox(await self._gallery.image_of(session))
            async with contextlib.AsyncExitStack() as undo:
                undo.push_async_callback(box.close)
                with store_faults(self._shelf.folder):
                    stamps = await unpack(box, self._shelf.folder / sleep.tree, sleep.blob)
                undo.pop_all()
        session.box.move(box)
        session.take(session.policy)
        session.asleep = None
        if desk is not None:
            desk.move(box, stamps)
        await self._remove(session.id, sleep)
        say("session woken from hibernation", session=session.id)

    # --- Copies -------------------------------------------------------------------------------------------------------

    async def copy(self, session: Session, image: Image, held: contextlib.AsyncExitStack) -> BinaryIO:
        """Gives the files of a session as one stream, which is there as long as it is held.

        Raises:
            SandboxError: the files cannot be packed.
            StoreUnavailable: there is no room for them.
        """
        path = session.asleep.tree if session.asleep else await self._packed(session, image, held)
        with store_faults(self._shelf.folder):
            stream = await self._do(Path.open, self._shelf.folder / path, "rb")
        held.callback(stream.close)
        return cast("BinaryIO", stream)

    async def _packed(self, session: Session, image: Image, held: contextlib.AsyncExitStack) -> str:
        """The same as a temporary file; the session stands still as long as that takes, and no longer."""
        box, size = session.box.sandbox, await self._do(self._gallery.store.files_size, image)
        async with self._packing:
            staging = await held.enter_async_context(self._staging())
            async with contextlib.AsyncExitStack() as still:
                if session.state is State.RUNNING:
                    still.push_async_callback(box.resume)
                    await box.pause()
                await still.enter_async_context(box.attended())
                blob = await pack(box, staging, self._limits, of_image=size, places=list(PLACES), hashed=False)
        return blob.temporary

    async def _size(self, session: Session) -> int:
        return await self._do(self._gallery.store.files_size, await self._gallery.image_of(session))

    # --- The end ------------------------------------------------------------------------------------------------------

    async def forget(self, session: Session) -> None:
        """Takes away what is kept of a session that has ended."""
        sleep, session.asleep = session.asleep, None
        if sleep is not None:
            await self._remove(session.id, sleep)

    async def _remove(self, session_id: str, sleep: Sleep) -> None:
        try:
            await self._do(self._shelf.remove, session_id, sleep.tree)
        except StoreUnavailable as fault:
            log.warning("session=%s the files of its hibernation stay: %s", session_id, fault.message)

    # --- After a restart ----------------------------------------------------------------------------------------------

    async def adopt(self) -> list[tuple[Session, Record]]:
        """Gives the sessions of our keys that no runtime has, oldest first, and tidies up the folder.

        Raises:
            StoreUnavailable: the folder cannot be used.
        """
        if not await self._do(self._shelf.there):
            return []
        owners = {await self._hash(key): f"key-{at}" for at, key in enumerate(self._keys, 1)} if self.keeps else {}
        records = await self._do(self._shelf.adopt, list(owners), time.time())
        return [
            (self._again(record, owners[record.owner]), record)
            for record in sorted(records, key=lambda one: one.created)
        ]

    def _again(self, record: Record, owner: str) -> Session:
        box = self._make(cast("Sandbox", Asleep()), record.family or record.image, dict(record.env))
        box.browser.options = record.browser
        passed = time.monotonic() - time.time()
        session = Session(
            owner,
            record.image,
            box,
            Lifetime(record.idle, record.total),
            0,
            record.labels,
            id=record.id,
            app_instance_id=record.app_instance_id,
            resource_id=record.resource_id,
            token=record.token,
            auth_code=record.auth_code,
            created_at=datetime.fromtimestamp(record.created, UTC),
            created=record.created + passed,
            state=State.PAUSED,
            since=record.paused + passed,
            asleep=Sleep(record.tree, record.blob),
        )
        session.take(_policy(record))
        say("session found again, hibernated", session=record.id, image=record.image, owner=owner)
        return session

    def _key(self, owner: str) -> str:
        return self._keys[int(owner.removeprefix("key-")) - 1]

    async def _hash(self, key: str) -> str:
        """What stands for a key in the folder. It is slow to make, so that short keys cannot be guessed from it."""
        if key not in self._hashes:
            salt = await self._do(self._shelf.salt)
            made = await self._do(hashlib.pbkdf2_hmac, "sha256", key.encode(), salt, HASHES)
            self._hashes[key] = made.hex()
        return self._hashes[key]

    async def _do(self, work: Callable[[*Ts], T], *args: *Ts) -> T:
        return await in_thread(self._pool, work, *args)

    async def close(self) -> None:
        """Ends the work on the folder for good."""
        if self._closed:
            return
        self._closed = True
        await self._do(self._shelf.leave)
        self._pool.shutdown()


async def _through(work: Coroutine[Any, Any, None]) -> None:
    """Does all of it, also when the caller is cancelled meanwhile."""
    task = asyncio.ensure_future(work)
    try:
        await asyncio.shield(task)
    except asyncio.CancelledError:
        await ended(task)
        raise


def _policy(record: Record) -> Policy:
    """What the session may reach; a rule that is no longer one lists nothing."""
    rules: list[Any] = []
    for text in record.rules:
        try:
            rules.append(read_rule(text))
        except UnfitRule as error:
            log.warning("session=%s may no longer reach %s: %s", record.id, text, error)
    return Policy(record.policy, tuple(rules))
