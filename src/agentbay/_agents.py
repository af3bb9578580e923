"""What the agents have in common without colour: their tools, their words, and what their tasks came to. No I/O."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from typing import Any, TypeVar

from attrs import define, evolve, field, frozen

from agentbay._schema import schema_of
from agentbay._tools import ToolAnswer
from agentbay.errors import AgentBayError, AgentError, AgentTimeoutError
from agentbay.types.agent import AgentEvent, DefaultSchema, ExecutionResult, QueryResult
from agentbay.types.response import ToolResult

__all__ = [
    "BROWSER",
    "COMPUTER",
    "PHONE",
    "AgentRun",
    "Kind",
    "begun",
    "form_of",
    "last_words",
    "outcome",
    "phone_task",
    "settled",
    "too_late",
]

logger = logging.getLogger("agentbay")

R = TypeVar("R", bound=ToolResult)

DONE = ("finished", "completed")

DEFAULT_SCHEMA = {
    "description": "Basic schema for agent output.",
    "properties": {"result": {"title": "Result", "type": "string"}},
    "required": ["result"],
    "title": "DefaultSchema",
    "type": "object",
}
"""What `DefaultSchema` is on the wire."""


@frozen
class Kind:
    """The tools of one kind of agent, and what its tasks are when the service does not say."""

    execute: str
    status: str
    terminate: str
    done: str = "finished"
    ended: str = "finished"


COMPUTER = Kind("flux_execute_task", "flux_get_task_status", "flux_terminate_task")
BROWSER = Kind("browser_use_execute_task", "browser_use_get_task_status", "browser_use_terminate_task")
PHONE = Kind("execute_task", "get_task_status", "terminate_task", "completed", "cancelling")


def form_of(schema: Any) -> str:
    """The form of the result as a browser's agent takes it.

    Raises:
        TypeError: it is no schema.
    """
    return json.dumps(DEFAULT_SCHEMA if schema in (None, DefaultSchema) else schema_of(schema))


def settled(result: R, **usual: str) -> R:
    """A successful result with the usual values where the service said nothing."""
    missing: dict[str, Any] = {name: value for name, value in usual.items() if not getattr(result, name)}
    return evolve(result, **missing) if result.success and missing else result


def begun(result: ExecutionResult, facts: Mapping[str, Any]) -> ExecutionResult:
    """A task that was begun; without an id it is none."""
    if result.success and not result.task_id:
        error = AgentError(
            "Failed to execute task: the service told of no task_id", request_id=result.request_id, **facts
        )
        return ExecutionResult.failed(error)
    return settled(result, task_status="running")


# --- The end of a task ------------------------------------------------------------------------------------------------

_COMPLAINTS = {"failed": "Failed to execute task.", "unsupported": "Unsupported task."}


def outcome(kind: Kind, query: QueryResult, facts: Mapping[str, Any]) -> ExecutionResult | None:
    """What a task came to, by the last look at it; None while it works."""
    told: dict[str, Any] = {"task_id": facts["task_id"], "task_result": query.task_product}
    if not query.success and query.error is not None:
        return ExecutionResult.failed(query.error, **told, task_status="failed")
    status = query.task_status
    if status in DONE:
        return ExecutionResult(query.request_id, success=True, task_status=status, **told)
    if status not in ("failed", "cancelled", "unsupported"):
        return None
    usual = f"Task {status}." if kind is PHONE else _COMPLAINTS.get(status, f"Task {status}.")
    text = query.error.message if query.error is not None else usual
    error = AgentError(text, request_id=query.request_id, **facts)
    return ExecutionResult.failed(error, **told, task_status=status)


def last_words(text: str, query: QueryResult | None) -> str:
    """What a phone's task that ran out of time came to, as far as it is known."""
    if query is None or not query.success:
        return text
    said = query.stream[-1].get("content") if query.stream else ""
    known = {
        "task status output": said,
        "action": query.task_action,
        "result": query.task_product,
        "error": query.error.message if query.error is not None else "",
        "status": query.task_status,
    }
    return " | ".join([text, *(f"Last {name}: {value}" for name, value in known.items() if value)])


def too_late(seconds: float, facts: Mapping[str, Any], more: str = "") -> AgentTimeoutError:
    """The exception for a task that ran out of time."""
    named = f" Task ID: {facts['task_id']}." if facts.get("task_id") else ""
    return AgentTimeoutError(f"Task execution timed out after {seconds:g} seconds.{named}{more}", **facts)


# --- A task whose events come in --------------------------------------------------------------------------------------


@define
class AgentRun:
    """One task of a phone's agent, as far as it has come."""

    request_id: str
    session_id: str
    content: list[str] = field(factory=list)
    error: AgentBayError | None = None

    def take(self, data: dict[str, Any]) -> AgentEvent | None:
        """Read an event and add it up; None when it is of no known kind."""
        event = AgentEvent.of(data)
        if event is None:
            logger.warning("an event of an agent is of no known kind and was dropped")
            return None
        if event.type == "content":
            self.content.append(event.content)
        if event.type == "error":
            self.error = self._failure(str((event.error or {}).get("message") or "The agent reported an error"))
        return event

    def end(self, data: dict[str, Any]) -> ExecutionResult:
        """Make the result from the last frame and all that came before."""
        status = str(data.get("status") or "")
        told: dict[str, Any] = {
            "task_status": status,
            "task_result": str(data.get("taskResult") or "") or "".join(self.content),
        }
        good = status in DONE
        error = self.error or (None if good else self._failure(f"Task ended with status: {status or 'unknown'}"))
        if error is None:
            return ExecutionResult(self.request_id, success=True, **told)
        return ExecutionResult.failed(error, **told | {"task_status": "failed" if good else status})

    def broken(self, error: AgentBayError) -> ExecutionResult:
        """Make the result of a task that ended with an error."""
        return ExecutionResult.failed(error, task_status="failed", task_result="".join(self.content))

    def _failure(self, text: str) -> AgentError:
        return AgentError(text, action="execute_task", request_id=self.request_id, session_id=self.session_id)


def phone_task(answer: ToolAnswer) -> ExecutionResult:
    """What a phone's agent says to a new task: its id, or the result of one that is done already.

    Raises:
        AgentBayError: it was not begun.
    """
    if answer.error is not None:
        raise answer.fault(AgentError, "Failed to execute task")
    named = ExecutionResult.read(answer)
    if named.task_id:
        return settled(named, task_status="running")
    return ExecutionResult(answer.request_id, success=True, task_status=PHONE.done, task_result=answer.text)
