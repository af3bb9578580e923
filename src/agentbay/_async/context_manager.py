"""The contexts of a session: what is bound, and carrying their files to and fro."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Sequence
from typing import TYPE_CHECKING, Any

from agentbay._deadline import Deadline
from agentbay.actions import BindContexts, DescribeSessionContexts, GetContextInfo, SyncContext
from agentbay.errors import (
    AgentBayError,
    APIConnectionError,
    APIError,
    APIResponseError,
    APITimeoutError,
    LocalRuntimeError,
)
from agentbay.types.context import (
    ContextBinding,
    ContextBindingsResult,
    ContextBindResult,
    ContextInfoResult,
    ContextStatusData,
    ContextSyncResult,
    read_context_status,
)
from agentbay.types.context_mount import BetaContextMount, persistence_entries
from agentbay.types.context_sync import ContextSync

from .module import AsyncModule
from .polling import AsyncTicks

if TYPE_CHECKING:
    from .carrying import AsyncCarrying
    from .session import AsyncSession

__all__ = ["AsyncContextManager"]

logger = logging.getLogger("agentbay")

# Seconds between two looks at a task, once the first quick ones are over.
INTERVAL = 5.0

BIND_TIMEOUT = 120.0
BIND_INTERVAL = 2.0
# Seconds without any download task after which a newly bound context counts as having nothing to download.
BIND_QUIET = 1.5
TRIES = 150
FIRST_DELAY_MS = 500


def patience(tries: int, first_delay_ms: int) -> float:
    """Seconds that so many looks take: the first delay, growing by a tenth each time, at most 5 s."""
    delay, total = first_delay_ms / 1000, 0.0
    for _ in range(tries):
        total += delay
        delay = max(delay, min(delay * 1.1, INTERVAL))
    return total


# Seconds that the files of a new session's contexts get to arrive; the session is handed over all the same.
CREATE_TIMEOUT = patience(50, FIRST_DELAY_MS)

# Seconds that a sync gets.
SYNC_TIMEOUT = patience(TRIES, FIRST_DELAY_MS)


class AsyncContextManager(AsyncModule):
    """Binds contexts to a session, carries their files, and tells how that goes."""

    def __init__(self, session: AsyncSession) -> None:
        super().__init__(session)
        self._waits: set[AsyncCarrying] = set()

    async def info(
        self, context_id: str | None = None, path: str | None = None, task_type: str | None = None
    ) -> ContextInfoResult:
        """Look at the tasks that carry files.

        Args:
            context_id: only those of this context.
            path: only those of this path in the session.
            task_type: only `upload` (from the session to the store) or `download` (from the store to the session).

        Returns:
            The tasks in `context_status_data`.

        Raises:
            SessionError: no usable answer came.

        Source: action `GetContextInfo`.
        """
        reply = await self.session._send(GetContextInfo(self.session.session_id, context_id, path, task_type))
        tasks = read_context_status(reply.data.context_status) if reply.data else []
        return ContextInfoResult.of(reply, context_status_data=tasks)

    async def sync(
        self,
        context_id: str | None = None,
        path: str | None = None,
        mode: str | None = None,
        max_retries: int = TRIES,
        retry_interval: int = FIRST_DELAY_MS,
        *,
        wait: bool = True,
        callback: Callable[[bool], object] | None = None,
    ) -> ContextSyncResult:
        """Carry the files of contexts between this session and their stores, and wait until that is done.

        Args:
            context_id: the context; None means all of the session.
            path: the path in the session; None means all.
            mode: `upload` (from the session to the store, the default) or `download`.
            max_retries: how many looks to wait at most; together with `retry_interval` it decides how long to wait
                (about 11 minutes by default).
            retry_interval: milliseconds after the first look; it grows to 5 seconds. The first looks follow faster.
            wait: False only starts the work; see `info` for how it goes.
            callback: start the work, do not wait, and call this function once with True when the files were carried,
                and with False when they were not, or when the session or its client ended before. In the synchronous
                client a thread calls it.

        Returns:
            Success; or a failure when the service refused, a file could not be carried, or the time ran out.

        Raises:
            SessionError: no usable answer came.

        Source: actions `SyncContext` and `GetContextInfo`.
        """
        reply = await self.session._send(SyncContext(self.session.session_id, context_id, path, mode))
        begun = ContextSyncResult.of(reply)
        seconds = patience(max_retries, retry_interval)
        if begun.success and callback is not None:
            from .carrying import AsyncCarrying  # noqa: PLC0415  (loaded when it is first used)

            AsyncCarrying(self, begun, (context_id, path), seconds, callback).start()
        elif begun.success and wait:
            return await self._finished(begun, context_id, path, seconds)
        return begun

    async def _finished(
        self,
        begun: ContextSyncResult,
        context_id: str | None,
        path: str | None,
        seconds: float,
        pause: Callable[[float], Any] | None = None,
    ) -> ContextSyncResult:
        """Wait for the end of a sync, and give its outcome."""
        tasks = await self._await_settled(context_id, path, seconds, pause)
        if tasks is None:
            return ContextSyncResult.failed(self._late("The files were not carried in time", begun.request_id))
        return self._outcome(begun, tasks)

    async def bind(
        self, *contexts: ContextSync | BetaContextMount, wait_for_completion: bool = True
    ) -> ContextBindResult:
        """Bind contexts to this session while it runs.

        Args:
            contexts: what to bind, each at a path that is still free.
            wait_for_completion: wait until the files of synced contexts are there. How that ends does not change the
                result; see `info`.

        Returns:
            Success, or why the service refused.

        Raises:
            TypeError: one is neither a `ContextSync` nor a `BetaContextMount`.
            SessionError: no usable answer came.

        Source: actions `BindContexts`, `DescribeSessionContexts` and `GetContextInfo`.
        """
        session_id = self.session.session_id
        if not contexts:
            return ContextBindResult.failed(AgentBayError("No contexts were given to bind", session_id=session_id))
        result = ContextBindResult.of(await self.session._send(BindContexts(session_id, persistence_entries(contexts))))
        if result.success and wait_for_completion:
            await self._await_bound([context for context in contexts if isinstance(context, ContextSync)])
        return result

    async def list_bindings(self) -> ContextBindingsResult:
        """List the contexts that this session has bound.

        Raises:
            SessionError: no usable answer came.

        Source: action `DescribeSessionContexts`.
        """
        reply = await self.session._send(DescribeSessionContexts(self.session.session_id))
        return ContextBindingsResult.of(reply, bindings=[ContextBinding.of(item) for item in reply.data or ()])

    async def _end_waits(self) -> None:
        """Let nobody wait any longer, for the session is over."""
        for wait in [*self._waits]:
            await wait.aclose()

    # --- Waiting ------------------------------------------------------------------------------------------------------

    async def _tasks(
        self, context_id: str | None = None, path: str | None = None, task_type: str | None = None
    ) -> Sequence[ContextStatusData] | None:
        """One look at the tasks; None when it failed, which the next look may mend."""
        try:
            result = await self.info(context_id, path, task_type)
        except LocalRuntimeError:
            raise
        except (APIConnectionError, APIResponseError) as lost:
            logger.debug("a look at the context tasks of %s failed: %s", self.session.session_id, type(lost).__name__)
            return None
        return result.context_status_data if result.success else None

    async def _await_settled(
        self,
        context_id: str | None,
        path: str | None,
        seconds: float | None = None,
        pause: Callable[[float], Any] | None = None,
    ) -> Sequence[ContextStatusData] | None:
        """Wait until no task is under way, and give the tasks; None when that takes too long."""
        ticks = AsyncTicks(Deadline.after(SYNC_TIMEOUT if seconds is None else seconds), INTERVAL, pause)
        while await ticks.tick():
            tasks = await self._tasks(context_id, path)
            if tasks is not None and not any(task.pending for task in tasks):
                return tasks
        return None

    def _outcome(self, begun: ContextSyncResult, tasks: Sequence[ContextStatusData]) -> ContextSyncResult:
        failed = next((task for task in tasks if task.carries and task.status == "Failed"), None)
        if failed is None:
            return begun
        text = f"The files of {failed.path} were not carried: {failed.error_message or 'no reason was given'}"
        facts: dict[str, Any] = {"session_id": self.session.session_id, "request_id": begun.request_id}
        return ContextSyncResult.failed(APIError(text, action="SyncContext", **facts))

    def _late(self, text: str, request_id: str) -> APITimeoutError:
        hint = "The service may still be at it: see session.context.info()."
        facts = {"session_id": self.session.session_id, "request_id": request_id}
        return APITimeoutError(text, hint=hint, action="SyncContext", **facts)

    async def _await_created(self, context_ids: Collection[str]) -> None:
        """Wait until the contexts of a new session have their files; no outcome of this makes creation fail."""
        ticks = AsyncTicks(Deadline.after(CREATE_TIMEOUT), INTERVAL)
        while await ticks.tick():
            latest = {task.context_id: task for task in await self._tasks() or ()}
            if all(name in latest and latest[name].ended for name in context_ids):
                self._tell_failed([latest[name] for name in context_ids])
                return
        logger.warning("the files of some contexts are not in session %s yet", self.session.session_id)

    async def _await_bound(self, syncs: Sequence[ContextSync]) -> None:
        """Wait until newly bound contexts are known, then until their files are there."""
        if not syncs:
            return
        wanted = {sync.context_id for sync in syncs}
        ticks = AsyncTicks(Deadline.after(BIND_TIMEOUT), BIND_INTERVAL)
        while await ticks.tick():
            if wanted <= await self._bound_ids():
                break
        for sync in syncs:
            await self._await_download(sync)

    async def _bound_ids(self) -> set[str]:
        try:
            return {binding.context_id for binding in (await self.list_bindings()).bindings}
        except LocalRuntimeError:
            raise
        except (APIConnectionError, APIResponseError):
            return set()

    async def _await_download(self, sync: ContextSync) -> None:
        """Wait for the downloads of one context; when none shows up for a while, there is nothing to download."""
        quiet = Deadline.after(BIND_QUIET)
        ticks = AsyncTicks(Deadline.after(SYNC_TIMEOUT), INTERVAL)
        while await ticks.tick():
            tasks = [
                task for task in await self._tasks(sync.context_id, sync.path) or () if task.task_type == "download"
            ]
            if any(task.status == "Failed" for task in tasks) or (tasks and all(task.ended for task in tasks)):
                self._tell_failed(tasks)
                return
            if not tasks and quiet.passed:
                return

    def _tell_failed(self, tasks: Sequence[ContextStatusData]) -> None:
        for task in tasks:
            if task.status == "Failed":
                logger.warning("context %s could not be loaded at %s", task.context_id, task.path)
