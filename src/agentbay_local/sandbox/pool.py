"""Makes sandboxes with bwrap, and keeps some ready."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import resource
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final, TypeVar

from agentbay_local.browser import installed
from agentbay_local.egress import Reach, WayOut
from agentbay_local.egress.door import Door
from agentbay_local.images.image import Image
from agentbay_local.metrics import Metrics
from agentbay_local.sandbox import bwrap, layering, reasons, root
from agentbay_local.sandbox.box import Box
from agentbay_local.sandbox.channel import NO_DESCRIPTORS, close_all, host_descriptors
from agentbay_local.sandbox.contract import CannotIsolate, LimitReached, Limits, SandboxError, SandboxGone
from agentbay_local.sandbox.idmap import Mounts
from agentbay_local.sandbox.layered import Plan
from agentbay_local.sandbox.watch import watch
from agentbay_local.shortage import KEPT, descriptors_left
from agentbay_local.undo import closing_on_failure

LULL: Final = 0.1
"""Seconds that a refill waits: the first command of the sandbox just given away needs the processor more."""
PAUSE_AFTER_FAILURE: Final = 1.0
START_DESCRIPTORS: Final = 32
"""So many are open at most while a sandbox starts; a third of them stay open."""
NOT_RUNNING: Final = "the engine is not running"

T = TypeVar("T")

log = logging.getLogger("agentbay.local")


class BwrapEngine:
    """The engine for Linux; see `contract.Engine`."""

    def __init__(self, limits: Limits, *, warm: int = 2, reach: Reach | None = None) -> None:
        self.metrics = Metrics()
        self._limits = limits
        self._reach = reach or Reach()
        self._warm = warm
        self._ready: deque[Box] = deque()
        self._boxes: set[Box] = set()
        self._wanted = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self._bwrap = Path()
        self._users: Iterator[int] | None = None
        self._starter: ThreadPoolExecutor | None = None
        self._mounts = Mounts()

    @property
    def ready(self) -> int:
        return sum(not box.closed.is_set() for box in self._ready)

    async def start(self) -> None:
        if self._starter:
            return
        allow_all_descriptors()
        # A sandbox ends with the thread that started it, so there is one thread for all, as long-lived as this engine.
        self._starter = ThreadPoolExecutor(1, thread_name_prefix="agentbay-starter")
        async with closing_on_failure(self.close):
            self._ready.append(await self._first())
        self._wanted.set()
        loop = asyncio.get_running_loop()
        self._tasks = [
            loop.create_task(self._refill()),
            loop.create_task(watch(lambda: self._boxes, 2 * self._limits.memory)),
        ]

    async def _first(self) -> Box:
        """A sandbox with the best bwrap that can make one: there is no better probe."""
        candidates = list(bwrap.bwraps())
        if os.geteuid() == 0:
            self._users = root.users()
            folders = {*bwrap.prefixes(), *(program.parent for program in candidates if program.exists())}
            folders |= {folder for folder in (installed.shown(),) if folder}
            await self._on_starter(root.uncover, folders)
        said = ""
        for self._bwrap in candidates:
            try:
                return await self._make()
            except (SandboxGone, OSError) as error:
                said = str(error)
        if not candidates:
            raise CannotIsolate(f"{reasons.NO_BWRAP.cause}. This mends it: {reasons.NO_BWRAP.remedy}")
        raise CannotIsolate(reasons.explain(said))

    async def create(self, image: Image | None = None) -> Box:
        if not self._starter:
            raise SandboxError(NOT_RUNNING)
        begun = time.perf_counter()
        if image and image.layers:
            kind, box = "image", await self._make(image)
        else:
            self._wanted.set()
            kind, box = await self._plain()
        self.metrics.starts.add(kind)
        self.metrics.start_seconds.add(time.perf_counter() - begun, kind)
        return box

    async def builder(self, image: Image, new: Path) -> Box:
        """A sandbox whose programs may change everything; what they change goes to a folder. Errors as in `create`."""
        box = await self._make(image, new)
        # These two are the host's disk: what that holds is nothing that the sandbox holds in memory.
        close_all(box.stores[:2])
        del box.stores[:2]
        return box

    async def _plain(self) -> tuple[str, Box]:
        """A sandbox without layers, and whether it was waiting."""
        box = self._waiting()
        return ("warm", box) if box else ("cold", await self._make())

    def _waiting(self) -> Box | None:
        """One that is ready."""
        while self._ready:
            box = self._ready.popleft()
            if not box.closed.is_set():
                return box
        return None

    async def _make(self, image: Image | None = None, new: Path | None = None) -> Box:
        """A new sandbox, up to its egress door."""
        user = next(self._users) if self._users else None
        if image is None:
            return await self._opened(await self._launch(user))
        program = layering.bwrap_with_overlays()
        plan = layering.plan(image, new)
        place = await self._shown(program, plan, user) if user else None
        try:
            box = await self._launch(user, program, plan.found_in(place))
            return await self._opened(box)
        except SandboxGone as error:
            raise layering.refused(image, str(error)) from error
        finally:
            if place is not None:
                await asyncio.shield(self._on_starter(self._mounts.remove, place))

    async def _shown(self, program: Path, plan: Plan, user: int) -> Path:
        """Show an image's files to a host user. What is already being done when this is cancelled is undone again."""
        work = self._on_starter(self._mounts.add, program, plan.folders_shown(), user)
        try:
            return await asyncio.shield(work)
        except asyncio.CancelledError:
            with contextlib.suppress(SandboxError):
                await self._on_starter(self._mounts.remove, await work)
            raise

    async def _opened(self, box: Box) -> Box:
        """A sandbox that has been started, once it can be used."""
        self._boxes.add(box)
        box.at_end(lambda: self._boxes.discard(box))
        async with closing_on_failure(box.close):
            await box.ready()
            box.way = WayOut(box.egress, self._reach, self.metrics)
            door = Door(await box.listen(bwrap.DOOR), box.way)
            await door.open()
        box.at_end(door.close)
        return box

    async def _launch(self, user: int | None, program: Path | None = None, plan: Plan | None = None) -> Box:
        """Start one on the starter thread. What is already starting when this is cancelled is ended again."""
        with host_descriptors():
            if descriptors_left() < KEPT + START_DESCRIPTORS:
                raise LimitReached(NO_DESCRIPTORS)
        work = self._on_starter(bwrap.launch, program or self._bwrap, self._limits, user, plan)
        try:
            with host_descriptors():
                return Box(await asyncio.shield(work), user, plan.image if plan else None)
        except asyncio.CancelledError:
            with contextlib.suppress(OSError):
                await Box(await work, user).close()
            raise

    def _on_starter(self, function: Callable[..., T], *args: object) -> asyncio.Future[T]:
        if not self._starter:  # the default threads, which would be taken instead, do not live long enough
            raise SandboxError(NOT_RUNNING)
        return asyncio.get_running_loop().run_in_executor(self._starter, function, *args)

    async def _refill(self) -> None:
        """Keep the pool filled, one sandbox after the other."""
        while True:
            await self._wanted.wait()
            self._wanted.clear()
            while len(self._ready) < self._warm:
                await asyncio.sleep(LULL)
                try:
                    self._ready.append(await self._make())
                except (SandboxError, OSError) as error:
                    log.warning("no sandbox could be made ready: %s", error)
                    await asyncio.sleep(PAUSE_AFTER_FAILURE)

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks = []
        self._ready.clear()
        await asyncio.gather(*(box.close() for box in list(self._boxes)))
        starter, self._starter = self._starter, None
        if starter:
            starter.shutdown()


def allow_all_descriptors() -> None:
    """Each sandbox holds about ten descriptors: use as many as this process may have."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
