"""The service: its sessions over one engine, who may see them, and how one request finds its handler."""

from __future__ import annotations

import asyncio
import hmac
import logging
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from typing import Any, TypeVar

from attrs import frozen

from agentbay import actions
from agentbay._params import Action
from agentbay._wire import MalformedParameter, load_action
from agentbay_local.contexts import Contexts, Quota
from agentbay_local.contexts.place import data_folder
from agentbay_local.egress import PolicyBook
from agentbay_local.images.image import Image
from agentbay_local.images.store import FOLDER, Images
from agentbay_local.keeping import Keeper
from agentbay_local.logs import note, say
from agentbay_local.pictures import Pictures
from agentbay_local.sandbox.contract import Engine, Sandbox, SandboxError
from agentbay_local.service.images import PRESTARTED, Gallery
from agentbay_local.service.refusals import ServiceRefusal, bad, missing, no_session, not_now
from agentbay_local.service.session import Lifetime, Session, State
from agentbay_local.service.sleeping import rest_all, settle
from agentbay_local.service.warming import Warm
from agentbay_local.settings import Settings
from agentbay_local.shortage import shortage
from agentbay_local.skills.catalogue import Skills
from agentbay_local.store import Store
from agentbay_local.syncing.desk import Desk
from agentbay_local.tcp_links import TcpLinks
from agentbay_local.tools import Box
from agentbay_local.unserved import why_no_action

__all__ = ["ACTIONS", "HANDLERS", "Caller", "Counted", "Page", "Service", "serves"]

log = logging.getLogger("agentbay_local")

# Seconds that an ending session has to bring its files to its contexts; fewer when the whole server ends.
_UPLOAD = 240.0
_LAST_UPLOAD = 20.0
_LAST_WORDS = 5.0
_STOPPED = "ServerStopped"

ACTIONS: dict[str, type[Action[Any]]] = {
    name: kind
    for name, kind in vars(actions).items()
    if isinstance(kind, type) and issubclass(kind, Action) and kind is not Action
}


@frozen
class Caller:
    """Who calls: the owner that the key stands for, and the parameters as they came."""

    owner: str
    params: Mapping[str, str]


@frozen
class Page:
    """One page of a list, with what stands beside its data."""

    items: list[Any]
    next_token: str
    max_results: int
    total: int
    total_name: str = "TotalCount"


@frozen
class Counted:
    """Data, and beside it how many items it has."""

    data: Any
    total: int


Handler = Callable[["Service", Caller, Any], Awaitable[Any]]
H = TypeVar("H", bound=Handler)
HANDLERS: dict[str, Handler] = {}


def serves(action: type[Action[Any]]) -> Callable[[H], H]:
    """Makes a function the handler of an action."""

    def register(handler: H) -> H:
        HANDLERS[action.__name__] = handler
        return handler

    return register


class Service:
    """All that one runtime serves. `base` is the address under which clients reach it, `keys` are those it accepts."""

    def __init__(self, engine: Engine, settings: Settings, base: str, keys: tuple[str, ...]) -> None:
        self.engine = engine
        self.settings = settings
        self.base = base
        self.store = Store()
        self.contexts = Contexts(data_folder(settings.data), Quota(settings.store_quota))
        self.policies = PolicyBook(data_folder(settings.data))
        self.skills = Skills(settings.skills or data_folder(settings.data) / "skills")
        self.pictures = Pictures(base)
        self.metrics = engine.metrics
        self.tcp_links = TcpLinks(settings.host, base, engine.metrics, self.spawn)
        self.changed = asyncio.Event()
        self.at_rest: list[Callable[[Session], Awaitable[None]]] = []
        self.gallery = Gallery(Images(data_folder(settings.data) / FOLDER), engine)
        keeps = settings.data is not None and settings.parent is None
        self.keeper = Keeper(data_folder(settings.data), self.gallery, settings.limits, keys, self._box, keeps=keeps)
        self.warm = Warm(self.gallery, self._box, settings.warm_code)
        self.stopping = False
        self._keys = keys
        self._desks: dict[str, Desk] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._opening = 0
        self._serial = 0

    # --- Requests -----------------------------------------------------------------------------------------------------

    async def perform(self, params: Mapping[str, str]) -> Any:
        """Does what an action's parameters ask for. Raises ServiceRefusal."""
        name = params.get("Action") or ""
        if not name:
            raise missing("Action")
        if name not in HANDLERS:
            text = f"This endpoint does not offer the action{why_no_action(name)}."
            raise ServiceRefusal("InvalidAction.NotFound", text, 404)
        caller = Caller(self.owner(params.get("Authorization", "")), params)
        note(owner=caller.owner)
        return await HANDLERS[name](self, caller, _read(ACTIONS[name], params))

    def owner(self, authorization: str) -> str:
        """Tells whose key it is."""
        scheme, _, given = authorization.partition(" ")
        # Every key is compared, so that the time taken tells nothing.
        same = [hmac.compare_digest(given.strip().encode("utf-8", "replace"), key.encode()) for key in self._keys]
        if scheme.lower() != "bearer" or True not in same:
            raise ServiceRefusal("NOT_LOGIN", "You are not logged in, or the login token has expired.")
        return f"key-{same.index(True) + 1}"

    def live(self, caller: Caller, session_id: str) -> Session:
        """Finds a session of the caller that has not ended."""
        session = self.store.find(session_id)
        if session is None or session.owner != caller.owner or not session.live:
            raise no_session()
        return session

    def usable(self, session: Session, wanted: str) -> Session:
        """Makes sure that a session can work now."""
        if not session.live:
            raise no_session()
        if session.state is not State.RUNNING:
            raise not_now(session.state, wanted)
        return session

    def require_lasting(self, session: Session) -> None:
        """Makes sure that what was just done in a session lasts: of a paused one, the files may be packed already."""
        if self.stopping and session.state is State.PAUSED:
            raise not_now(session.state, "the server stops, and nobody knows whether the call was done")

    # --- Sessions come and go -----------------------------------------------------------------------------------------

    async def open(self, owner: str, image: Image, lifetime: Lifetime, labels: dict[str, str]) -> Session:
        """Opens a session. Raises ServiceRefusal when there are enough, or the machine has no room."""
        limit = self.settings.max_sessions
        if sum(session.state is not State.FINISH for session in self.store) + self._opening >= limit:
            text = f"All {limit} sessions of this server are in use: delete one, or raise its --max-sessions."
            raise ServiceRefusal("QuotaExceeded.McpSession", text)
        self._opening += 1
        try:
            box = await self.warm.open(image)
        except (SandboxError, OSError) as error:
            log.warning("no sandbox could be started: %s", error)
            why = shortage(error) or error
            raise ServiceRefusal("ServiceUnavailable", f"No sandbox could be started: {why}", 503) from error
        finally:
            self._opening -= 1
        session = Session(owner, image.name, box, lifetime, 0, labels)
        self.add(session)
        self.attend(session)
        self.changed.set()
        note(session=session.id)
        say("session opened", session=session.id, image=image.name, owner=owner)
        return session

    def _box(self, sandbox: Sandbox, image: str, env: dict[str, str]) -> Box:
        """What the tools of a session work on; every one is made here."""
        publish = self.pictures.shelf().publish
        return Box(sandbox, image, self.settings.limits, env, publish=publish, model=self.settings.model)

    def add(self, session: Session) -> None:
        """Has a session found from now on, as the newest one."""
        self._serial += 1
        session.serial = self._serial
        self.store.add(session)

    def attend(self, session: Session) -> None:
        """Looks after a session's new sandbox."""
        self.spawn(self._watch(session, session.box.sandbox))
        if session.family in PRESTARTED:
            self.spawn(session.box.prestart())

    async def _watch(self, session: Session, sandbox: Sandbox) -> None:
        await sandbox.closed.wait()
        if session.box.sandbox is sandbox:
            await self.end(session, "SandboxDied")

    async def end(self, session: Session, reason: str) -> None:
        """Ends a session and waits until nothing of it runs; the first reason counts."""
        if not session.live:
            await session.gone.wait()
            return
        session.become(State.DELETING)
        session.end_reason = reason
        self.store.unlink(session)
        self.tcp_links.unlink(session)
        await settle(session)
        try:
            await self._save(session, reason)
        finally:
            await self._finish(session, reason)

    def _keeps(self, session: Session, reason: str) -> bool:
        """Whether a session goes on after the end of this server."""
        return reason == _STOPPED and self.keeper.keeps and session.asleep is not None

    def desk_of(self, session: Session) -> Desk | None:
        """Gives the contexts of a session, if it ever had any."""
        return self._desks.get(session.id)

    def is_carrying(self, session: Session) -> bool:
        """Whether files are on their way between a session and its contexts."""
        desk = self.desk_of(session)
        return desk is not None and desk.carrying

    def desk(self, session: Session) -> Desk:
        """Gives the contexts of a session."""
        if session.id not in self._desks:
            where = (self.contexts, session.box.sandbox, self.settings.limits)
            self._desks[session.id] = Desk(session.id, session.owner, *where, session.in_use)
        return self._desks[session.id]

    async def _save(self, session: Session, reason: str) -> None:
        """Brings what was changed to the contexts of an ending session, within bounds, and lets them go."""
        desk = self._desks.pop(session.id, None)
        if desk is None:
            return
        patience = _LAST_UPLOAD if reason == _STOPPED else _UPLOAD
        try:
            if session.asleep and desk.due and not self._keeps(session, reason):
                await self._wake(session, desk, patience)
            await self._write_down(session)
            await desk.leave(patience)
        finally:
            await desk.close()

    async def _write_down(self, session: Session) -> None:
        """Has the browser bring its profile to the disk, if one runs: cookies are in its memory for half a minute."""
        if not session.box.browser.running:
            return
        try:
            await session.box.sandbox.resume()
            await session.box.browser.stop()
        except (SandboxError, OSError) as error:
            log.warning("session=%s the browser's profile may lack what is new: %s", session.id, error)

    async def _wake(self, session: Session, desk: Desk, patience: float) -> None:
        """Gives an ending session a sandbox once more, for its uploads."""
        try:
            async with asyncio.timeout(patience):
                await self.keeper.wake(session, desk)
        except (SandboxError, OSError, TimeoutError, ServiceRefusal) as error:
            log.warning("session=%s was hibernated, and its contexts are not uploaded: %s", session.id, error)

    async def _finish(self, session: Session, reason: str) -> None:
        kept = self._keeps(session, reason)
        try:
            await session.box.close()
            if not kept:
                await self.keeper.forget(session)
        finally:
            session.become(State.FINISH)
            self.changed.set()
            say("session kept, hibernated" if kept else "session ended", session=session.id, reason=reason)

    def spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Runs work beside the requests, until it is done or the service closes."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)
        return task

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("unexpected error beside the requests", exc_info=error)

    # --- The service comes and goes -----------------------------------------------------------------------------------

    async def close(self) -> None:
        """Ends every session and the engine; where sessions are kept, those that are paused are hibernated."""
        self.stopping = True
        if self.keeper.keeps:
            await rest_all(self)
        ends = [self.spawn(self.end(session, _STOPPED)) for session in self.store]
        if ends:  # a session that was ending before may take longer than a stop allows
            await asyncio.wait(ends, timeout=_LAST_UPLOAD + _LAST_WORDS)
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.warm.close()
        await self.engine.close()
        await self.gallery.close()
        await self.keeper.close()


def _read(kind: type[Action[Any]], params: Mapping[str, str]) -> Action[Any]:
    try:
        action: Action[Any] = load_action(kind, params)
    except MalformedParameter as error:
        raise (missing(error.name) if error.missing else bad(error.name, str(error).partition(" ")[2])) from None
    if getattr(action, "session_id", None) == "":
        raise missing("SessionId")
    return action
