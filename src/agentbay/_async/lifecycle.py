"""The life of a session: its state, its pauses, its end."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from agentbay._checked import Checked
from agentbay._deadline import Deadline
from agentbay._params import Action
from agentbay._wire import Reply
from agentbay.actions import (
    DeleteSessionAsync,
    GetContextInfo,
    GetSession,
    GetSessionDetail,
    PauseSessionAsync,
    RefreshSessionIdleTime,
    ResumeSessionAsync,
    SyncContext,
)
from agentbay.errors import AgentBayError, APITimeoutError, ConflictError, NotFoundError
from agentbay.types.context import read_context_status
from agentbay.types.response import DeleteResult, OperationResult
from agentbay.types.session import SessionPauseResult, SessionResumeResult, SessionStatusResult

from .polling import AsyncTicks

if TYPE_CHECKING:
    from .client import AsyncAgentBay
    from .socket import AsyncSocket
    from .transport import AsyncTransport

__all__ = ["AsyncSessionLifecycle"]

DELETE_TIMEOUT = 300.0
DELETE_INTERVAL = 1.0
SYNC_TIMEOUT = 600.0
SYNC_INTERVAL = 5.0

_GONE = ("FINISH", "DELETED")

T = TypeVar("T")
P = TypeVar("P", bound=SessionPauseResult)


class AsyncSessionLifecycle(Checked):
    """What happens to a session as a whole."""

    _channel: AsyncSocket

    def __init__(self, agent_bay: AsyncAgentBay, session_id: str) -> None:
        self.agent_bay = agent_bay
        self.session_id = session_id

    @property
    def _transport(self) -> AsyncTransport:
        return self.agent_bay._transport

    async def _send(self, action: Action[T]) -> Reply[T]:
        return await self._transport.send(action)

    async def delete(self, sync_context: bool = False) -> DeleteResult:
        """Delete this session and release all that it holds; wait until it is gone, at most 300 seconds.

        Args:
            sync_context: first carry the files of the session's contexts to their store. The session is deleted even if
                that fails.

        Returns:
            Success, or why the service refused. A session that is already gone is a failure with a `NotFoundError`.

        Raises:
            SessionError: no usable answer came.

        Source: actions `DeleteSessionAsync` and `GetSessionDetail` (with `sync_context` also `SyncContext` and
        `GetContextInfo`).
        """
        if sync_context:
            await self._sync_contexts()
        reply = await self._send(DeleteSessionAsync(self.session_id))
        try:
            return await self._gone(reply) if reply.success else DeleteResult.of(reply)
        finally:
            # Last, so that the service's own word about the end reaches who still reads from the session.
            if reply.success or isinstance(reply.error, NotFoundError):
                await self._release()

    async def _gone(self, reply: Reply[None]) -> DeleteResult:
        """Look until the session is gone."""
        ticks = AsyncTicks(Deadline.after(DELETE_TIMEOUT), DELETE_INTERVAL)
        while await ticks.tick():
            status = await self.get_status()
            if status.status in _GONE or isinstance(status.error, NotFoundError):
                return DeleteResult.of(reply)
        return DeleteResult.failed(self._too_late("deleted", DELETE_TIMEOUT, reply))

    async def _release(self) -> None:
        """End all that works beside the program for this session."""
        await self._channel.aclose()

    async def _sync_contexts(self) -> None:
        """Carry context files to their store and wait for the end; failures are for the deletion to outlive."""
        if not (await self._send(SyncContext(self.session_id))).success:
            return
        ticks = AsyncTicks(Deadline.after(SYNC_TIMEOUT), SYNC_INTERVAL)
        while await ticks.tick():
            reply = await self._send(GetContextInfo(self.session_id))
            if not reply.data or not any(task.pending for task in read_context_status(reply.data.context_status)):
                return

    async def get_status(self) -> SessionStatusResult:
        """Look at the session's state.

        Returns:
            `status`: RUNNING, PAUSING, PAUSED, RESUMING, DELETING, DELETED or FINISH.

        Raises:
            SessionError: no usable answer came.

        Source: action `GetSessionDetail`.
        """
        reply = await self._send(GetSessionDetail(self.session_id))
        return SessionStatusResult.of(reply, status=reply.data.status if reply.data else "")

    async def keep_alive(self) -> OperationResult:
        """Start the session's idle time anew.

        Source: action `RefreshSessionIdleTime`.
        """
        return OperationResult.of(await self._send(RefreshSessionIdleTime(self.session_id)))

    async def pause(self, timeout: float = 600, poll_interval: float = 2.0) -> SessionPauseResult:
        """Pause this session and wait until it is PAUSED. Its processes stop; files and memory stay.

        Args:
            timeout: seconds to wait at most.
            poll_interval: seconds between two looks; the first looks follow faster.

        Returns:
            Success with the status PAUSED; a failure with the last status seen when the time ran out or the state is
            another one.

        Raises:
            SessionError: no usable answer came.

        Source: actions `PauseSessionAsync` and `GetSession`.
        """
        begun = await self.pause_async()
        return await self._settle(begun, "PAUSED", timeout, poll_interval) if begun.success else begun

    async def pause_async(self) -> SessionPauseResult:
        """Begin to pause this session; do not wait.

        Returns:
            Success with the status PAUSING, or why the service refused.

        Source: action `PauseSessionAsync`.
        """
        reply = await self._send(PauseSessionAsync(self.session_id))
        return SessionPauseResult.of(reply, status="PAUSING" if reply.success else None)

    async def resume(self, timeout: float = 600, poll_interval: float = 2.0) -> SessionResumeResult:
        """Resume this session from its pause and wait until it is RUNNING.

        Args:
            timeout: seconds to wait at most.
            poll_interval: seconds between two looks; the first looks follow faster.

        Returns:
            Success with the status RUNNING; a failure with the last status seen when the time ran out or the state is
            another one.

        Raises:
            SessionError: no usable answer came.

        Source: actions `ResumeSessionAsync` and `GetSession`.
        """
        begun = await self.resume_async()
        return await self._settle(begun, "RUNNING", timeout, poll_interval) if begun.success else begun

    async def resume_async(self) -> SessionResumeResult:
        """Begin to resume this session; do not wait.

        Returns:
            Success with the status RESUMING, or why the service refused.

        Source: action `ResumeSessionAsync`.
        """
        reply = await self._send(ResumeSessionAsync(self.session_id))
        return SessionResumeResult.of(reply, status="RESUMING" if reply.success else None)

    beta_pause = pause
    beta_pause_async = pause_async
    beta_resume = resume
    beta_resume_async = resume_async

    async def _settle(self, begun: P, goal: str, timeout: float, interval: float) -> P:
        """Look until the state is `goal`; any other state than the one on the way there is a failure."""
        on_the_way, status = begun.status, begun.status
        kind = type(begun)
        ticks = AsyncTicks(Deadline.after(timeout), interval)
        while await ticks.tick():
            reply = await self._send(GetSession(self.session_id))
            if isinstance(reply.error, NotFoundError):
                return kind.of(reply)
            if reply.data is None:
                continue
            status = reply.data.status
            if status == goal:
                return kind.of(reply, status=status)
            if status != on_the_way:
                text = f"The session is {status or 'in an unknown state'} instead of {goal}"
                return kind.failed(ConflictError(text, **self._facts(reply)), status=status)
        return kind.failed(self._too_late(goal, timeout, begun), status=status)

    def _facts(self, answer: Reply[Any] | SessionPauseResult) -> dict[str, Any]:
        return {"session_id": self.session_id, "request_id": answer.request_id}

    def _too_late(self, goal: str, timeout: float, answer: Reply[Any] | SessionPauseResult) -> AgentBayError:
        text = f"The session was not {goal} within {timeout:g} s"
        return APITimeoutError(text, hint="It may still get there: see get_status().", **self._facts(answer))
