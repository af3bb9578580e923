"""The contexts of one session: what is bound, and the tasks that carry files."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager
from typing import Any, Final

from attrs import define, field

from agentbay_local.contexts import Context, Contexts, Volume
from agentbay_local.logs import say
from agentbay_local.sandbox.contract import Limits, Sandbox, SandboxError
from agentbay_local.service.refusals import ServiceRefusal, bad, no_session
from agentbay_local.syncing.binding import Binding, Bound, Scope
from agentbay_local.syncing.carry_down import carry_down
from agentbay_local.syncing.carry_up import carry_up
from agentbay_local.syncing.faults import SyncFault
from agentbay_local.syncing.policy import Entry, Policy, clean
from agentbay_local.syncing.selection import covers
from agentbay_local.syncing.tasks import Kind, Status, Task, Tasks
from agentbay_local.syncing.tree import Stamp, Tree

__all__ = ["TRANSFER_PATH", "Desk"]

log = logging.getLogger("agentbay_local")

TRANSFER_PATH: Final = "/tmp/file-transfer/"
"""Where the session sees the files of its hidden context. That one may carry files elsewhere, too."""
MOST_BINDINGS: Final = 100
AT_ONCE: Final = 4
"""Tasks of one session that run at the same time."""
MOUNT_LOOK_S: Final = 2.0
"""How often a mount is looked at for changes."""
NOT_FILES: Final = ("proc", "sys", "dev")
SHARED_MEMORY: Final = "dev/shm"

Busy = Callable[[], AbstractContextManager[None]]


@define(eq=False)
class Desk:
    """What one session has of contexts. `busy` keeps the session from being idle."""

    session_id: str
    owner: str
    store: Contexts = field(repr=False)
    sandbox: Sandbox = field(repr=False)
    limits: Limits = field(repr=False)
    busy: Busy = field(repr=False)
    bindings: list[Binding] = field(factory=list)
    tasks: Tasks = field(factory=Tasks)
    _running: set[asyncio.Task[None]] = field(factory=set, repr=False)
    _slots: asyncio.Semaphore = field(factory=lambda: asyncio.Semaphore(AT_ONCE), repr=False)
    _binding: asyncio.Lock = field(factory=asyncio.Lock, repr=False)
    _closed: bool = False

    # --- Binding ------------------------------------------------------------------------------------------------------

    async def bind(self, entries: Iterable[Entry]) -> list[Binding]:
        """Binds contexts, all or none. Raises ServiceRefusal: NoContext, PathAlreadyBound, or a path that cannot be."""
        async with self._binding:
            self._require()
            made = [await self._bound(entry) for entry in entries]
            self._refuse_taken(made)
            for binding in made:
                await self.store.hold(binding.context_id, self.session_id)
            self.bindings += made
        return made

    def _require(self) -> None:
        if self._closed:
            raise no_session()

    async def _bound(self, entry: Entry) -> Binding:
        _refuse_place(entry)
        find = self.store.volume if entry.volume else self.store.find
        return self._of(await find(self.owner, entry.context_id), entry)

    def _of(self, context: Context | Volume, entry: Entry, *, internal: bool = False) -> Binding:
        return Binding(context.id, context.name, entry, self.store, Tree(self.sandbox, self.limits), internal)

    def _refuse_taken(self, made: list[Binding]) -> None:
        taken = {binding.place for binding in self.bindings if not binding.internal}
        for binding in made:
            if binding.place in taken:
                raise ServiceRefusal("PathAlreadyBound", f"Path {binding.place} is already bound.", 200)
            taken.add(binding.place)
        if len(taken) > MOST_BINDINGS:
            raise bad("PersistenceDataList", f"would bind more than {MOST_BINDINGS} contexts to the session")

    async def transfer(self) -> Binding:
        """The hidden context that carries single files, made when it is first asked for."""
        async with self._binding:
            self._require()
            found = next((binding for binding in self.bindings if binding.internal), None)
            if found is None:
                await Tree(self.sandbox, self.limits).folder(TRANSFER_PATH)
                context = await self.store.make_hidden(self.owner, self.session_id)
                policy = Policy(auto_upload=False, auto_download=False, extract=False)
                found = self._of(context, Entry(context.id, "/", "/", policy), internal=True)
                self.bindings.append(found)
        return found

    @property
    def shown(self) -> list[Binding]:
        """What clients have bound, volumes too."""
        return [binding for binding in self.bindings if not binding.internal]

    @property
    def contexts(self) -> dict[str, str]:
        """The names of the contexts that clients see as bound, by id."""
        return {binding.context_id: binding.name for binding in self.shown if not binding.entry.volume}

    # --- Tasks --------------------------------------------------------------------------------------------------------

    async def begin(self, made: Iterable[Binding]) -> None:
        """Brings the files of new bindings into the sandbox, each by a task; those of mounts before it returns."""
        for binding in made:
            if binding.entry.mount:
                await self._mount(binding)
            elif binding.policy.auto_download:
                self.start(Scope(binding), binding.entry.path, Kind.DOWN)
            else:
                self.tasks.add(binding.context_id, binding.entry.path, Kind.DOWN).end()

    def start(self, scope: Scope, path: str, kind: Kind) -> Task:
        """Starts a task; it can be seen at once."""
        task = self.tasks.add(scope.binding.context_id, path, kind)
        self._spawn(self._perform(task, scope))
        return task

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        running = asyncio.create_task(work)
        self._running.add(running)
        running.add_done_callback(self._over)

    def _over(self, running: asyncio.Task[None]) -> None:
        self._running.discard(running)
        if not running.cancelled() and (error := running.exception()) is not None:
            log.error("unexpected error while carrying files session=%s", self.session_id, exc_info=error)

    async def _perform(self, task: Task, scope: Scope) -> None:
        work = carry_down(scope) if task.kind is Kind.DOWN else carry_up(scope, fill=True)
        outcome = "it was interrupted"
        try:
            async with scope.binding.turn(scope.path), self._slots:
                task.status = Status.RUNNING
                with self.busy():
                    outcome = await _outcome(work)
        finally:
            work.close()
            task.end(outcome)
            facts = {"session": self.session_id, "context": task.context_id}
            say("context synced", **facts, task=str(task.kind), status=str(task.status))

    def sought(self, context_id: str, path: str) -> list[tuple[Scope, str]]:
        """What a client means by a context and a path, each of which may be empty; each with the path to show.

        Raises:
            ServiceRefusal: the session has no such context, or the context no such path.
        """
        named = [each for each in self.bindings if each.context_id == context_id] if context_id else self.shown
        if context_id and not named:
            raise ServiceRefusal("Context.NotFound", "Resource [Context] is not found in this session.")
        carried = [each for each in named if context_id or not each.entry.mount]
        if not path:
            return [(Scope(each), each.entry.path) for each in carried if not each.internal]
        scope = next(_scopes(carried, path), None)
        if scope is None:
            raise bad("Path", f"is not below a path at which the context is bound: {path[:200]}")
        return [(scope, path)]

    # --- Mounts -------------------------------------------------------------------------------------------------------

    async def _mount(self, binding: Binding) -> None:
        """Fills a mount, and from then on brings what is changed in it to the context."""
        if fault := await _outcome(carry_down(Scope(binding))):
            self.bindings.remove(binding)
            raise ServiceRefusal("ContextMount.Failed", f"The context could not be mounted: {fault}")
        if not binding.entry.read_only:
            self._spawn(self._follow(binding))

    async def _follow(self, binding: Binding) -> None:
        while True:
            await asyncio.sleep(MOUNT_LOOK_S)
            async with binding.turn(""):
                if fault := await _outcome(carry_up(Scope(binding), fill=False)):
                    log.warning("session=%s mount of context=%s: %s", self.session_id, binding.context_id, fault)

    # --- Another sandbox ----------------------------------------------------------------------------------------------

    @property
    def carrying(self) -> bool:
        """Whether any task is not over."""
        return any(not task.over for task in self.tasks)

    async def rest(self) -> None:
        """Lets the sandbox be, until `move`."""
        await self._stop()

    def move(self, sandbox: Sandbox, stamps: Mapping[Stamp, Stamp]) -> None:
        """Goes on with a sandbox that has the same files, or with the same one.

        `stamps` are the new ones, by the old. A file whose stamp is not among them has changed since it was carried.
        """
        self.sandbox = sandbox
        for binding in self.bindings:
            binding.move(Tree(sandbox, self.limits), stamps)
            if binding.entry.mount and not binding.entry.read_only:
                self._spawn(self._follow(binding))

    async def recall(self, kept: Iterable[Bound]) -> None:
        """Binds again what the session had bound when it was hibernated by an earlier runtime."""
        async with self._binding:
            for each in kept:
                try:
                    binding = await self._bound(each.entry)
                    await self.store.hold(binding.context_id, self.session_id)
                except ServiceRefusal as refusal:
                    text = "session=%s context=%s is not bound any more: %s"
                    log.warning(text, self.session_id, each.entry.context_id, refusal.message)
                    continue
                binding.bound, binding.known = each.bound, dict(each.known)
                self.bindings.append(binding)

    # --- The end ------------------------------------------------------------------------------------------------------

    @property
    def due(self) -> list[Binding]:
        """What is to be uploaded before the session ends."""
        return [binding for binding in self.bindings if binding.policy.auto_upload]

    async def leave(self, patience: float) -> None:
        """Brings what was changed to the contexts, for so many seconds at most; then nothing is bound any more."""
        self._closed = True
        await self._stop()
        if self.sandbox.closed.is_set():
            return
        due = self.due
        try:
            async with asyncio.timeout(patience):
                if due:
                    await self.sandbox.resume()
                outcomes = await asyncio.gather(*map(self._last, due), return_exceptions=True)
            for error in filter(None, outcomes):
                log.error("unexpected error while carrying files session=%s", self.session_id, exc_info=error)
        except TimeoutError:
            log.warning("session=%s: not all files were uploaded in %g s before its end", self.session_id, patience)

    async def _last(self, binding: Binding) -> None:
        if fault := await _outcome(carry_up(Scope(binding), fill=False)):
            log.warning("session=%s context=%s was not uploaded: %s", self.session_id, binding.context_id, fault)

    async def close(self) -> None:
        """Ends every task, and lets the contexts go; the hidden one is deleted."""
        self._closed = True
        await self._stop()
        async with self._binding:
            if not self.bindings:
                return
            self.bindings = []
            try:
                await self.store.release(self.session_id)
            except ServiceRefusal as refusal:
                log.warning("session=%s: its contexts stay in use: %s", self.session_id, refusal.message)

    async def _stop(self) -> None:
        running = list(self._running)
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)


async def _outcome(work: Awaitable[None]) -> str:
    """Does the work; why it failed, or nothing."""
    try:
        await work
    except SyncFault as fault:
        return str(fault)
    except ServiceRefusal as refusal:
        return refusal.message
    except SandboxError as error:
        return f"the sandbox could not do it: {error}"
    except OSError as error:
        return f"{error.filename or 'a file'}: {error.strerror or error}"
    return ""


def _refuse_place(entry: Entry) -> None:
    if entry.place == "/" or _is_no_place(entry.place):
        raise bad("PersistenceDataList", f"cannot be met: no context can be bound at {entry.place}")


def _is_no_place(path: str) -> bool:
    """Whether what is there are no files, though they may look like some."""
    given = clean(path)
    return any(covers(top, given) for top in NOT_FILES) and not covers(SHARED_MEMORY, given)


def _scopes(bindings: Iterable[Binding], path: str) -> Iterator[Scope]:
    """Where a path is, the longest binding first."""
    for binding in sorted(bindings, key=lambda each: len(each.place), reverse=True):
        below = binding.inside(path)
        if below is not None and path.startswith("/") and ".." not in below.split("/") and not _is_no_place(path):
            yield Scope(binding, below)
