"""Agents of a session: they do in a desktop, a browser or a phone what they are told in words."""

from __future__ import annotations

from functools import cached_property
from typing import Any

from agentbay._agent_pairs import AsyncOnCall
from agentbay._agents import BROWSER, COMPUTER, PHONE, begun, form_of, last_words, outcome, phone_task, too_late
from agentbay._deadline import Deadline
from agentbay._input import number, words
from agentbay.errors import AgentBayError, AgentError, SessionError
from agentbay.types.agent import ExecutionResult, QueryResult
from agentbay.types.browser import BrowserOption

from .agent_tasks import (
    AsyncPolledTask,
    AsyncStreamedTask,
    AsyncTaskAgent,
    AsyncTaskExecution,
    AsyncTaskStream,
    OnEvent,
)
from .module import AsyncModule
from .polling import AsyncTicks

__all__ = ["AsyncAgent", "AsyncBrowserAgent", "AsyncComputerAgent", "AsyncMobileAgent"]

SERVER = "wuying_mobile_agent"
MAX_STEPS = 50
MOST_STEPS = 1_000_000
STOP_SECONDS = 30.0
STOP_INTERVAL = 1.0


class AsyncComputerAgent(AsyncTaskAgent):
    """Works on the desktop of a `windows_latest` session."""

    _kind = COMPUTER

    async def execute_task(self, task: str) -> ExecutionResult:
        """Begin a task and return at once.

        Args:
            task: what to do, in words.

        Returns:
            The task's id in `task_id`, its status in `task_status`.

        Raises:
            ValueError: the task is blank.
            SessionError: no usable answer came.

        Source: tool `flux_execute_task`.
        """
        told = await self._call(self._kind.execute, ExecutionResult, task=words("task", task))
        return begun(told, self._facts(""))

    async def execute_task_and_wait(self, task: str, timeout: float) -> ExecutionResult:
        """Begin a task and wait for its end.

        Args:
            task: what to do, in words.
            timeout: seconds after which the task is given up.

        Returns:
            What the agent says in the end in `task_result`; out of time is a failure with an `AgentTimeoutError`.

        Raises:
            ValueError: the task is blank.
            SessionError: no usable answer came; the task may go on.

        Source: tools `flux_execute_task`, `flux_get_task_status` and `flux_terminate_task`.
        """
        told = await self.execute_task(task)
        return await self._watch(told.task_id, timeout) if told.success else told


class AsyncBrowserAgent(AsyncTaskAgent):
    """Works in the browser of a browser image."""

    _kind = BROWSER

    async def initialize(self, option: BrowserOption | None = None) -> bool:
        """Start the session's browser; the same as `session.browser.initialize`. A task starts it when it must.

        Args:
            option: how to start it; None means the defaults.

        Returns:
            Whether it runs.

        Raises:
            ValueError: an option is not of its kind.
            SessionError: no usable answer came.

        Source: action `InitBrowser`.
        """
        return await self.session.browser.initialize(option)

    async def execute_task(
        self,
        task: str,
        use_vision: bool = False,
        output_schema: Any = None,
        full_page_screenshot: bool | None = False,
    ) -> ExecutionResult:
        """Begin a task and return at once. The browser is started first, unless it runs.

        Args:
            task: what to do, in words.
            use_vision: let the agent look at pictures of the pages.
            output_schema: the form of the result: a pydantic model, an attrs class, a dataclass or a JSON Schema; None
                means an object with one text, `result`.
            full_page_screenshot: let those pictures show whole pages.

        Returns:
            The task's id in `task_id`, its status in `task_status`.

        Raises:
            ValueError: the task is blank.
            TypeError: the schema is none.
            SessionError: no usable answer came.

        Source: tool `browser_use_execute_task`, and action `InitBrowser` before it.
        """
        given: dict[str, Any] = {
            "task": words("task", task),
            "use_vision": use_vision,
            "full_page_screenshot": full_page_screenshot,
            "output_schema": form_of(output_schema),
        }
        browser = self.session.browser
        if not await browser.initialize():
            why = browser.error.message if browser.error is not None else "it does not say why"
            return ExecutionResult.failed(AgentError(f"Failed to initialize browser: {why}", **self._facts("")))
        return begun(await self._call(self._kind.execute, ExecutionResult, **given), self._facts(""))

    async def execute_task_and_wait(
        self,
        task: str,
        timeout: float,
        use_vision: bool = False,
        output_schema: Any = None,
        full_page_screenshot: bool | None = False,
    ) -> ExecutionResult:
        """Begin a task and wait for its end.

        Args:
            task: what to do, in words.
            timeout: seconds after which the task is given up.
            use_vision: let the agent look at pictures of the pages.
            output_schema: the form of the result, as for `execute_task`.
            full_page_screenshot: let those pictures show whole pages.

        Returns:
            JSON text of that form in `task_result`; out of time is a failure with an `AgentTimeoutError`.

        Raises:
            ValueError: the task is blank.
            TypeError: the schema is none.
            SessionError: no usable answer came; the task may go on.

        Source: tools `browser_use_execute_task`, `browser_use_get_task_status` and `browser_use_terminate_task`.
        """
        told = await self.execute_task(task, use_vision, output_schema, full_page_screenshot)
        return await self._watch(told.task_id, timeout) if told.success else told


class AsyncMobileAgent(AsyncTaskAgent):
    """Works on the phone of a `mobile_latest` session."""

    _kind = PHONE

    async def execute_task(
        self,
        task: str,
        max_steps: int = MAX_STEPS,
        on_reasoning: OnEvent | None = None,
        on_content: OnEvent | None = None,
        on_tool_call: OnEvent | None = None,
        on_tool_result: OnEvent | None = None,
        on_error: OnEvent | None = None,
        on_call_for_user: AsyncOnCall | None = None,
    ) -> AsyncTaskExecution:
        """Begin a task and return at once. With any callback the task runs by the WebSocket, which tells what it does.

        Args:
            task: what to do, in words.
            max_steps: how many steps the agent may take.
            on_reasoning: gets what the agent thinks.
            on_content: gets what the agent says.
            on_tool_call: gets each step before it is taken.
            on_tool_result: gets what came of a step.
            on_error: gets an error of the agent.
            on_call_for_user: gets a question for a person, its text in `prompt`, and gives the answer.

        Returns:
            The task. Its `wait` waits for the end; there the callbacks are called.

        Raises:
            ValueError: the task is blank, or a number of steps is none.
            AgentError: the agent did not take the task.
            SessionError: no usable answer came, or the session has no WebSocket.

        Source: tool `execute_task`, or the WebSocket message `exec_task`.
        """
        takers = {
            "reasoning": on_reasoning,
            "content": on_content,
            "tool_call": on_tool_call,
            "tool_result": on_tool_result,
            "error": on_error,
        }
        if on_call_for_user is not None or any(taker is not None for taker in takers.values()):
            stream = self.stream(task, max_steps)
            await stream.__aenter__()
            return AsyncStreamedTask(stream, takers, on_call_for_user)
        given = _steps(task, max_steps)
        told = phone_task(await self.session._run_tool("execute_task", given, work=0, repeatable=False))
        return AsyncPolledTask(told.task_id, self) if told.task_id else AsyncTaskExecution(result=told)

    async def execute_task_and_wait(
        self,
        task: str,
        timeout: float,
        max_steps: int = MAX_STEPS,
        on_reasoning: OnEvent | None = None,
        on_content: OnEvent | None = None,
        on_tool_call: OnEvent | None = None,
        on_tool_result: OnEvent | None = None,
        on_error: OnEvent | None = None,
        on_call_for_user: AsyncOnCall | None = None,
    ) -> ExecutionResult:
        """Begin a task and wait for its end.

        Args:
            task: what to do, in words.
            timeout: seconds after which the task is given up.
            max_steps: how many steps the agent may take.
            on_reasoning: gets what the agent thinks.
            on_content: gets what the agent says.
            on_tool_call: gets each step before it is taken.
            on_tool_result: gets what came of a step.
            on_error: gets an error of the agent.
            on_call_for_user: gets a question for a person, its text in `prompt`, and gives the answer.

        Returns:
            What the agent says in the end in `task_result`; out of time is a failure with an `AgentTimeoutError`.

        Raises:
            ValueError: the task is blank, or a number of steps is none.
            SessionError: no usable answer came, or the session has no WebSocket; the task may go on.

        Source: tools `execute_task`, `get_task_status` and `terminate_task`, or the WebSocket message `exec_task`.
        """
        takers = (on_reasoning, on_content, on_tool_call, on_tool_result, on_error)
        try:
            execution = await self.execute_task(task, max_steps, *takers, on_call_for_user)
        except SessionError:
            raise
        except AgentBayError as refused:
            return ExecutionResult.failed(refused, task_status="failed")
        try:
            return await execution.wait(timeout)
        finally:
            await execution._drop()

    def stream(self, task: str, max_steps: int = MAX_STEPS) -> AsyncTaskStream:
        """Have a task done and see what the agent does meanwhile.

        Args:
            task: what to do, in words.
            max_steps: how many steps the agent may take.

        Returns:
            A `with` block to iterate in: events. When one `asks`, the agent waits for `answer`. After the last one,
            `result` is that of `execute_task_and_wait`. The task begins when the block is entered.

        Raises:
            ValueError: the task is blank, or a number of steps is none.
            SessionError: the session has no WebSocket; from the block also: no usable answer came.

        Source: WebSocket message `exec_task`.
        """
        data = {"method": "exec_task", "params": _steps(task, max_steps)}
        channel = self.session._channel
        channel.check_available()
        target = self.session.tool_servers.get("execute_task") or SERVER
        return AsyncTaskStream(channel.stream(target, data), self.session.session_id)

    async def _late(self, task_id: str, timeout: float, looks: int, query: QueryResult | None) -> ExecutionResult:
        """Wait until the phone has really stopped, so that the next task finds it free."""
        del looks
        ticks = AsyncTicks(Deadline.after(STOP_SECONDS), STOP_INTERVAL)
        last = query
        while await ticks.tick():
            try:
                found = await self.get_task_status(task_id)
            except SessionError:
                break
            if not found.success or outcome(self._kind, found, self._facts(task_id)) is not None:
                break
            last = found
        error = too_late(timeout, self._facts(task_id))
        text = last_words(f"Task execution timed out after {timeout:g} seconds.", last)
        return ExecutionResult.failed(error, task_id=task_id, task_status="failed", task_result=text)


def _steps(task: str, max_steps: int) -> dict[str, Any]:
    return {"task": words("task", task), "max_steps": number("max_steps", max_steps, 1, MOST_STEPS)}


class AsyncAgent(AsyncModule):
    """The agents of a session: `computer`, `browser` and `mobile`, each for its image."""

    Computer = AsyncComputerAgent
    Browser = AsyncBrowserAgent
    Mobile = AsyncMobileAgent

    @cached_property
    def computer(self) -> AsyncComputerAgent:
        """Works on the desktop."""
        return AsyncComputerAgent(self.session)

    @cached_property
    def browser(self) -> AsyncBrowserAgent:
        """Works in the browser."""
        return AsyncBrowserAgent(self.session)

    @cached_property
    def mobile(self) -> AsyncMobileAgent:
        """Works on the phone."""
        return AsyncMobileAgent(self.session)
