"""Tasks of agents: begun, watched, ended; by looking again and again, or by the events of the WebSocket."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

from agentbay._agent_pairs import AsyncOnCall, async_answer
from agentbay._agents import AgentRun, Kind, outcome, settled, too_late
from agentbay._checked import Checked
from agentbay._deadline import Deadline
from agentbay._input import words
from agentbay.errors import AgentError, APITimeoutError, SessionError
from agentbay.types.agent import AgentEvent, ExecutionResult, QueryResult

from .module import AsyncModule
from .polling import AsyncTicks
from .run_stream import AsyncRunStream
from .socket_stream import AsyncSocketStream

__all__ = ["AsyncTaskAgent", "AsyncTaskExecution", "AsyncTaskStream"]

INTERVAL = 3.0

OnEvent = Callable[[AgentEvent], None]


class AsyncTaskAgent(AsyncModule):
    """The base of the agents."""

    _kind: Kind

    async def get_task_status(self, task_id: str) -> QueryResult:
        """See how far a task has come.

        Args:
            task_id: the id that `execute_task` gave.

        Returns:
            The status, what the agent does now, and what it has made.

        Raises:
            ValueError: the id is blank.
            SessionError: no usable answer came.

        Source: tools `flux_get_task_status`, `browser_use_get_task_status` and `get_task_status`.
        """
        named = words("task_id", task_id)
        found = await self._call(self._kind.status, QueryResult, repeatable=True, task_id=named)
        return settled(found, task_id=named, task_status=self._kind.done)

    async def terminate_task(self, task_id: str) -> ExecutionResult:
        """Tell the agent to give a task up.

        Args:
            task_id: the id that `execute_task` gave.

        Returns:
            The status that the task has now.

        Raises:
            ValueError: the id is blank.
            SessionError: no usable answer came.

        Source: tools `flux_terminate_task`, `browser_use_terminate_task` and `terminate_task`.
        """
        named = words("task_id", task_id)
        told = await self._call(self._kind.terminate, ExecutionResult, repeatable=True, task_id=named)
        return settled(told, task_id=named, task_status=self._kind.ended)

    def _facts(self, task_id: str) -> dict[str, Any]:
        return {"action": self._kind.execute, "session_id": self.session.session_id, "task_id": task_id}

    async def _watch(self, task_id: str, timeout: float) -> ExecutionResult:
        """Look until the task has ended; one that runs out of time is given up."""
        ticks = AsyncTicks(Deadline.after(timeout), INTERVAL)
        looks = 0
        query: QueryResult | None = None
        while await ticks.tick():
            query = await self.get_task_status(task_id)
            looks += 1
            result = outcome(self._kind, query, self._facts(task_id))
            if result is not None:
                return result
        with suppress(SessionError):  # what matters to the caller is that the time is over
            await self.terminate_task(task_id)
        return await self._late(task_id, timeout, looks, query)

    async def _late(self, task_id: str, timeout: float, looks: int, query: QueryResult | None) -> ExecutionResult:
        """The result of a task that ran out of time."""
        del query
        text = f"Task execution timed out after {timeout:g} seconds."
        error = too_late(timeout, self._facts(task_id), f" Polled {looks} times.")
        return ExecutionResult.failed(error, task_id=task_id, task_status="failed", task_result=text)


class AsyncTaskExecution(Checked):
    """A task of a phone's agent that was begun. `task_id` is empty where the service gives none."""

    def __init__(self, task_id: str = "", *, result: ExecutionResult | None = None) -> None:
        self.task_id = task_id
        self._result = result

    async def wait(self, timeout: float = 300) -> ExecutionResult:
        """Wait for the task's end, and tell the callbacks meanwhile what it does.

        A second wait gives the same result; after one that was cancelled, or that a callback broke, it goes on.

        Args:
            timeout: seconds after which the task is given up.

        Returns:
            What became of it; out of time is a failure with an `AgentTimeoutError`.

        Raises:
            SessionError: no usable answer came.

        Source: tool `get_task_status`, or the WebSocket message `exec_task`.
        """
        if self._result is None:
            self._result = await self._wait(timeout)
        return self._result

    async def _wait(self, timeout: float) -> ExecutionResult:
        del timeout
        return ExecutionResult.failed(AgentError("This execution was not begun by an agent"))

    async def _drop(self) -> None:
        """Nobody waits any more."""


class AsyncPolledTask(AsyncTaskExecution):
    """A task that is looked at again and again."""

    def __init__(self, task_id: str, agent: AsyncTaskAgent) -> None:
        super().__init__(task_id)
        self._agent = agent

    async def _wait(self, timeout: float) -> ExecutionResult:
        return await self._agent._watch(self.task_id, timeout)


class AsyncTaskStream(AsyncRunStream[AgentEvent, ExecutionResult]):
    """A task of a phone's agent, event by event. Use it in a `with` block and iterate; `result` is what it came to.

    When an event `asks`, the agent waits until `answer`. Leaving the block early stops listening; the agent goes on.
    """

    def __init__(self, stream: AsyncSocketStream, session_id: str) -> None:
        super().__init__(stream, AgentRun(stream.id, session_id))

    async def answer(self, event: AgentEvent, response: str) -> None:
        """Answer an event that asks a person; the agent goes on.

        Args:
            event: the event.
            response: the answer; empty means that there is none.

        Raises:
            SessionError: it could not be sent.

        Source: WebSocket message `resume_task`.
        """
        params = {"toolCallId": event.tool_call_id, "response": response}
        await self._stream.send({"method": "resume_task", "params": params})


class AsyncStreamedTask(AsyncTaskExecution):
    """A task whose events go to callbacks."""

    def __init__(
        self, stream: AsyncTaskStream, takers: Mapping[str, OnEvent | None], on_call: AsyncOnCall | None
    ) -> None:
        super().__init__()
        self._stream = stream
        self._takers = takers
        self._on_call = on_call

    async def _wait(self, timeout: float) -> ExecutionResult:
        self._stream._stream._deadline = Deadline.after(timeout)
        while (event := await self._following(timeout)) is not None:
            await self._tell(event)
        await self._drop()
        return self._stream.result or ExecutionResult()

    async def _following(self, timeout: float) -> AgentEvent | None:
        """The next event; None when the task, or its time, is over."""
        try:
            return await self._stream.__anext__()
        except StopAsyncIteration:
            return None
        except APITimeoutError:
            run = self._stream._run
            facts = {"action": "execute_task", "session_id": run.session_id, "request_id": run.request_id}
            self._stream.result = run.broken(too_late(timeout, facts))
            return None

    async def _drop(self) -> None:
        await self._stream.__aexit__(None, None, None)

    async def _tell(self, event: AgentEvent) -> None:
        taker = self._takers.get(event.type)
        if taker is not None:
            taker(event)
        if event.asks:
            await self._stream.answer(event, await async_answer(self._on_call, event))
