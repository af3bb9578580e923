"""The images that sessions can be made from: the offered ones, and those of the machine's user."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import TYPE_CHECKING

from agentbay_local.contexts.threads import in_thread
from agentbay_local.images.faults import ImageGone, NoImage
from agentbay_local.images.image import Image
from agentbay_local.images.store import Images
from agentbay_local.sandbox.contract import Engine, Sandbox
from agentbay_local.service.refusals import ServiceRefusal
from agentbay_local.undo import on_failure

if TYPE_CHECKING:
    from agentbay_local.service.session import Session

__all__ = ["DEFAULT_IMAGE", "FAMILIES", "PRESTARTED", "Gallery"]

log = logging.getLogger("agentbay_local")

DEFAULT_IMAGE = "linux_latest"

# Image id to family. All have the same root; the tools on offer differ.
FAMILIES = {"linux_latest": "ComputerUse", "code_latest": "CodeSpace", "browser_latest": "BrowserUse"}

# Images whose sessions have a Python interpreter started before anybody asks.
PRESTARTED = frozenset({"code_latest"})


class Gallery:
    """Finds images, and makes sandboxes of them. The layers of an image stay as long as one of them stands on them."""

    def __init__(self, store: Images, engine: Engine) -> None:
        self.store = store
        self._engine = engine
        self._made: dict[Sandbox, Image] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def find(self, name: str | None) -> Image:
        """Gives the image to use. Raises ServiceRefusal when it is neither offered here nor one of the user's."""
        wanted = name or DEFAULT_IMAGE
        if wanted in FAMILIES:
            return Image(wanted, wanted)
        kept = await in_thread(None, self.store.find, wanted)
        if kept is None:
            own = [each.name for each in await in_thread(None, self.store.all)]
            raise NoImage(wanted, sorted(FAMILIES), own)
        return self.store.image(kept)

    async def image_of(self, session: Session) -> Image:
        """Gives the image that a session was made from. Raises ImageGone when its sandbox and the image are gone."""
        if made := self._made.get(session.box.sandbox):
            return made
        if session.image in FAMILIES:
            return Image(session.image, session.image)
        kept = await in_thread(None, self.store.find, session.image)
        if kept is None:
            raise ImageGone(session.image)
        return self.store.image(kept)

    async def sandbox(self, image: Image) -> Sandbox:
        """A new sandbox. Raises SandboxError and OSError, and ImageGone."""
        if not image.layers:
            return await self._engine.create()
        locks = contextlib.ExitStack()
        with on_failure(locks.close):
            await in_thread(None, self.store.hold, image, locks)
            sandbox = await self._engine.create(image)
        self._made[sandbox] = image
        task = asyncio.get_running_loop().create_task(self._let_go(sandbox, locks))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return sandbox

    async def _let_go(self, sandbox: Sandbox, locks: contextlib.ExitStack) -> None:
        with locks:
            await sandbox.closed.wait()
        image = self._made.pop(sandbox)
        try:
            await in_thread(None, self._tidy, image)
        except ServiceRefusal as fault:
            log.warning("what is left of removed images stays for now: %s", fault.message)

    def _tidy(self, image: Image) -> None:
        """Takes away what an image leaves that was removed while it was used."""
        kept = self.store.find(image.name)
        if kept is None or self.store.image(kept) != image:
            self.store.sweep()

    async def close(self) -> None:
        """Ends the work on the store, after all sandboxes have ended."""
        await asyncio.gather(*self._tasks)
        await in_thread(None, self.store.leave)
