"""A session's files are kept as an image of their own, from which other sessions can be made."""

from __future__ import annotations

import asyncio
import threading
import time
from contextlib import AsyncExitStack
from typing import BinaryIO, Final

from attrs import define

from agentbay_local.contexts.faults import store_faults
from agentbay_local.contexts.threads import ended, in_thread, stoppable
from agentbay_local.images.faults import ImageTaken
from agentbay_local.images.image import Image
from agentbay_local.images.snapshot import SnapshotFault, plant
from agentbay_local.images.store import FILES, Images, Kept, fit_name
from agentbay_local.logs import say
from agentbay_local.sandbox.contract import SandboxError, SandboxGone
from agentbay_local.service.core import Service
from agentbay_local.service.refusals import ServiceRefusal, no_session, not_now
from agentbay_local.service.session import Session, State

__all__ = ["snapshot"]

LASTING: Final = frozenset({State.RUNNING, State.PAUSED})


@define
class Copying:
    """Takes a session's files while nothing in it runs; what takes it to another state ends this first."""

    service: Service
    session: Session
    image: Image
    stream: BinaryIO | None = None
    refusal: ServiceRefusal | None = None

    async def run(self, held: AsyncExitStack) -> None:
        try:
            self.stream = await self.service.keeper.copy(self.session, self.image, held)
        except ServiceRefusal as refusal:
            self.refusal = refusal
        except SandboxGone:
            self.refusal = no_session()
        except (SandboxError, OSError, TimeoutError) as error:
            self.refusal = SnapshotFault(str(error) or "copying them took too long", 503)

    async def taken(self, held: AsyncExitStack) -> BinaryIO:
        """The files as one stream, open as long as it is held. Raises ServiceRefusal."""
        if self.session.state not in LASTING or self.session.shifting:
            raise not_now(self.session.state, "its files cannot be kept at this moment")
        self.session.work = task = self.service.spawn(self.run(held))
        try:
            await asyncio.wait([task])
        except asyncio.CancelledError:
            task.cancel()
            await ended(task)
            raise
        if self.refusal is None and self.stream is not None:
            return self.stream
        raise self.refusal or not_now(self.session.state, "its files were not kept, because it was paused or deleted")


async def snapshot(service: Service, session: Session, name: str, *, replace: bool = False) -> Kept:
    """Keeps the home folder and /workspace of a session, as they are now, as an image.

    The session is stopped while its files are copied, and then goes on; a paused or hibernated one stays so.

    Raises:
        ServiceRefusal: the name cannot be or is taken, the session cannot be copied now, or there is no room.
    """
    store = service.gallery.store
    fit_name(name)
    if await in_thread(None, store.find, name) is not None and not replace:
        raise ImageTaken(name)
    image = await service.gallery.image_of(session)
    begun = time.perf_counter()
    with session.in_use():
        async with AsyncExitStack() as held:
            stream = await Copying(service, session, image).taken(held)
            still = time.perf_counter() - begun
            kept = await stoppable(None, _keep, store, stream, name, image, session.id, replace)
    seconds = {"still": round(still, 3), "seconds": round(time.perf_counter() - begun, 3)}
    say("image taken of a session", session=session.id, image=name, bytes=kept.size, **seconds)
    return kept


def _keep(
    stop: threading.Event, store: Images, stream: BinaryIO, name: str, image: Image, source: str, replace: bool
) -> Kept:
    with store.held(image), store.staged() as staged:
        below = next((layer for layer in image.layers if layer.name == FILES), None)
        with store_faults(store.folder):
            shared = plant(stop, stream, staged.files, below)
        return store.keep_snapshot(staged, name, image, source, shared=shared, replace=replace)
