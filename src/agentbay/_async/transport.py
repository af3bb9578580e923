"""The road of every call: key, deadline, retries, and the one wait for the engine that does the HTTP.

One action or tool call goes in, one answer comes out. Failures of the network become our exceptions here and nowhere
else.
"""

from __future__ import annotations

import logging
from typing import Any, Protocol, TypeVar

from attrs import frozen

from agentbay import _local
from agentbay._deadline import Deadline, now, stopwatch
from agentbay._engine import Answer, EngineError, EngineUnusable, Limits
from agentbay._pairs import AsyncHome, AsyncLock, async_blocking, async_sleep
from agentbay._params import Action
from agentbay._request import Call, Place, direct_call, rpc_call
from agentbay._retry import Failure, RetryPolicy, delay_before, retry_after, tls_hint
from agentbay._socket_address import Dialling
from agentbay._tools import ToolAnswer, read_direct, read_tool
from agentbay._wire import Reply, Unreadable, read_reply
from agentbay.actions import CallMcpTool
from agentbay.config import LOCAL, Settings
from agentbay.errors import (
    APIConnectionError,
    APIResponseError,
    APITimeoutError,
    ClientClosedError,
    LocalRuntimeError,
    SessionError,
)

from .engine import AsyncEngine

__all__ = ["AsyncTransport", "Patience"]

logger = logging.getLogger("agentbay")

T = TypeVar("T")


@frozen
class Patience:
    """How long one call may take, in seconds: to connect, between two pieces of the answer, and in all."""

    connect: float
    read: float
    total: float

    def for_work(self, seconds: float) -> Patience:
        """Leave room for work that takes up to `seconds` on the other side, and for its answer to arrive."""
        total = max(self.total, seconds + 10.0)
        return Patience(self.connect, max(self.read, total), total)

    def replaced(self, read_ms: int | None, connect_ms: int | None) -> Patience:
        """Apply the limits that a caller gives for a single call, in milliseconds."""
        connect = self.connect if connect_ms is None else connect_ms / 1000
        return (
            Patience(connect, self.read, self.total)
            if read_ms is None
            else Patience(connect, read_ms / 1000, connect + read_ms / 1000)
        )


class AsyncClosing(Protocol):
    """Something that is open beside the engine, and must end with the client."""

    async def aclose(self) -> None:
        """End it. Closing twice does nothing."""


class AsyncTransport:
    """Sends actions and tool calls for one client.

    `channels` holds the WebSockets that are open, `dialling` how they are opened.
    """

    def __init__(self, settings: Settings, policy: RetryPolicy, engine: AsyncEngine) -> None:
        self.patience = Patience(settings.timeout, settings.timeout, settings.timeout)
        self._settings = settings
        self._policy = policy
        self._engine = engine
        self._place = None if settings.local else Place.at(settings.base_url, settings.api_key)
        self._starting = AsyncLock()
        self._ticket = object() if settings.local else None
        self._home = AsyncHome()
        self._closed = False
        self.dialling = Dialling()
        self.channels: set[AsyncClosing] = set()

    @property
    def endpoint(self) -> str:
        """The base URL of the service, or `local`."""
        return self._settings.base_url or LOCAL

    async def send(self, action: Action[T], patience: Patience | None = None) -> Reply[T]:
        """Send an action and read the answer; a refusal by the service is an answer too.

        Raises:
            SessionError: no usable answer came.
        """
        call = rpc_call(action, await self._find_place(action))
        answer, facts = await self._exchange(call, patience or self.patience)
        return self._read(action, answer, facts)

    async def call_tool(self, action: CallMcpTool, patience: Patience, repeatable: bool) -> ToolAnswer:
        """Run a tool by the CallMcpTool action.

        Raises:
            SessionError: no usable answer came.
        """
        call = rpc_call(action, await self._find_place(action), repeatable or self._policy.repeat_tools)
        answer, facts = await self._exchange(call, patience)
        facts["action"] = action.name
        return read_tool(self._read(action, answer, facts), facts)

    async def call_link(
        self, link_url: str, token: str, tool: CallMcpTool, patience: Patience, repeatable: bool
    ) -> ToolAnswer:
        """Run a tool by the session's direct link.

        Raises:
            SessionError: no usable answer came.
        """
        self.check_usable(tool.session_id)
        again = repeatable or self._policy.repeat_tools
        call = direct_call(link_url, token, tool.session_id, tool.name, tool.server, tool.args, again)
        answer, facts = await self._exchange(call, patience)
        try:
            return read_direct(answer.status, answer.body, facts)
        except Unreadable as broken:
            raise APIResponseError(f"The answer to {tool.name} cannot be read: {broken}.", **facts) from broken

    async def aclose(self) -> None:
        """Close all connections; calls under way fail. Closing twice does nothing."""
        if self._closed:
            return
        self._home.check()
        self._closed = True
        for channel in list(self.channels):
            await channel.aclose()
        await self._engine.aclose()
        if self._ticket is not None:
            await async_blocking(_local.release, self._ticket)

    def _read(self, action: Action[T], answer: Answer, facts: dict[str, Any]) -> Reply[T]:
        try:
            return read_reply(action, answer.status, answer.body, facts)
        except Unreadable as broken:
            text = f"The answer to {facts['action']} cannot be read: {broken}."
            raise APIResponseError(text, hint="Is the endpoint an AgentBay service?", **facts) from broken

    async def _find_place(self, action: Action[Any]) -> Place:
        """Where actions go. The first call to the local runtime starts it."""
        self.check_usable(getattr(action, "session_id", None) or "")
        return self._place or await self._start()

    async def _start(self) -> Place:
        """Start the local runtime, unless another call just did."""
        async with self._starting:
            self._place = self._place or Place.at(*await async_blocking(_local.acquire, self._ticket))
        return self._place

    def check_usable(self, session_id: str = "") -> None:
        """Raise a SessionError unless this client is open and belongs here; `session_id` is for its text."""
        if self._closed:
            hint = "Make a new one; a session that still lives is found with its get(session_id)."
            raise ClientClosedError("This client is closed.", session_id=session_id, hint=hint)
        self._home.check()

    async def _exchange(self, call: Call, patience: Patience) -> tuple[Answer, dict[str, Any]]:
        """Send until there is an answer to keep; give it with the facts for exceptions."""
        deadline = Deadline.after(patience.total)
        limits = Limits(patience.connect, patience.read, deadline.moment)
        attempt = 0
        while True:
            attempt += 1
            result = await self._attempt(call, limits, attempt)
            failure = self._judge(result)
            delay = delay_before(attempt, failure, call.repeatable, self._policy) if failure else None
            if delay is None or delay >= deadline.left():
                facts = call.facts(attempt)
                ended = await self.end_of_runtime(facts) if isinstance(result, EngineError) else None
                return self._settle(call, result, failure, facts, patience, ended)
            await async_sleep(delay)

    async def _attempt(self, call: Call, limits: Limits, number: int) -> Answer | EngineError:
        elapsed = stopwatch()
        result: Answer | EngineError
        try:
            result = await self._engine.post(call.origin, call.target(), call.headers, call.body, limits)
        except EngineUnusable as closed:
            raise ClientClosedError("This client was closed during the call.", **call.facts(number)) from closed
        except EngineError as error:
            result = error
        if logger.isEnabledFor(logging.DEBUG):
            outcome = result.status if isinstance(result, Answer) else type(result).__name__
            logger.debug("%s attempt %d: %s in %.1f ms", call.action, number, outcome, elapsed() * 1000)
        return result

    def _judge(self, result: Answer | EngineError) -> Failure | None:
        if isinstance(result, EngineError):
            return Failure(sent=result.sent, final=bool(tls_hint(str(result))))
        if result.status < 400:
            return None
        get = result.headers.get
        return Failure(result.status, retry_after=retry_after(get("x-acs-retry-after"), get("retry-after"), now()))

    async def end_of_runtime(self, facts: dict[str, Any]) -> LocalRuntimeError | None:
        """How the local runtime of this client ended; None while it runs, or when there is none."""
        ended = await async_blocking(_local.end_of_runtime, self._ticket) if self._ticket is not None else ""
        return LocalRuntimeError(ended, hint="Make a new client to start another one.", **facts) if ended else None

    def _settle(
        self,
        call: Call,
        result: Answer | EngineError,
        failure: Failure | None,
        facts: dict[str, Any],
        patience: Patience,
        ended: LocalRuntimeError | None,
    ) -> tuple[Answer, dict[str, Any]]:
        if isinstance(result, EngineError):
            raise ended or self._lost(call, result, facts, patience) from result.__cause__ or result
        if failure is not None and failure.retry_after is not None:
            facts["retry_after"] = failure.retry_after
        return result, facts

    def _lost(self, call: Call, error: EngineError, facts: dict[str, Any], patience: Patience) -> SessionError:
        """Turn the end of all attempts into the exception that says what happened and what to do."""
        effect = "It may have taken effect, so it was not repeated." if error.sent and not call.repeatable else ""
        if error.timed_out:
            text = f"No complete answer to {call.action} came within {patience.total:g} s."
            return APITimeoutError(text, hint=effect or "Allow more time with timeout=, or try again.", **facts)
        text = f"{call.action} failed: {error}."
        hint = effect or tls_hint(str(error)) or "Check the endpoint and the network."
        return APIConnectionError(text, hint=hint, **facts)
