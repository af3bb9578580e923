"""What agents are told to do, what they do, and what comes of it."""

from __future__ import annotations

from typing import Any, Self

from attrs import field, frozen

from agentbay._reading import load, parsed, text, whole
from agentbay._tools import ToolAnswer
from agentbay._value import Value
from agentbay.errors import AgentBayError, AgentError
from agentbay.types.response import ToolResult

__all__ = ["AgentEvent", "DefaultSchema", "ExecutionResult", "QueryResult"]

_KINDS = ("reasoning", "content", "tool_call", "tool_result", "error")


@frozen(eq=False, repr=False)
class DefaultSchema(Value):
    """The form of a browser agent's result when no other one is asked for."""

    result: str


@frozen(eq=False, repr=False)
class AgentEvent(Value):
    """Something that a phone's agent did while it works.

    `type` says what, and which fields are filled: `reasoning` and `content` have their text in `content`; `tool_call`
    has `tool_call_id`, `tool_name` and `args`, and in `prompt` what it asks a person for; `tool_result` has `result`;
    `error` has `error`, with `code` and `message`. `seq` counts the events, `round` the agent's turns.
    """

    type: str = ""
    seq: int = 0
    round: int = 0
    content: str = ""
    tool_call_id: str = ""
    tool_name: str = ""
    args: dict[str, Any] | None = None
    result: dict[str, Any] | None = None
    prompt: str = ""
    error: dict[str, Any] | None = None

    @property
    def asks(self) -> bool:
        """Whether the agent waits for a person's answer to `prompt`."""
        return self.type == "tool_call" and self.tool_name == "call_for_user"

    @classmethod
    def of(cls, data: dict[str, Any]) -> Self | None:
        """Read an event; None when it is of no known kind."""
        kind = data.get("eventType")
        if kind not in _KINDS:
            return None
        args = _object(data.get("args"))
        return cls(
            kind,
            whole(data.get("seq")) or 0,
            whole(data.get("round")) or 0,
            text(data.get("content")) or "",
            text(data.get("toolCallId")) or "",
            text(data.get("toolName")) or "",
            args,
            _object(data.get("result")),
            text((args or {}).get("prompt")) or "",
            _object(data.get("error")),
        )


def _object(value: Any) -> dict[str, Any] | None:
    return value if isinstance(value, dict) else None


def _first(loaded: dict[str, Any], *names: str) -> str:
    """The first of some members that has a text; numbers count as their digits, objects as nothing."""
    told = (loaded.get(name) for name in names)
    return next((str(value) for value in told if isinstance(value, str | int) and str(value)), "")


@frozen(eq=False, repr=False)
class ExecutionResult(ToolResult):
    """What became of a task.

    `task_id` names it, `task_status` is the service's word: `running`, `finished` or `completed`, `failed`,
    `cancelled`, `unsupported`. `task_result` is what the agent says in the end; JSON text where a schema was asked for.
    """

    error_message: str = ""
    task_id: str = ""
    task_status: str = ""
    task_result: str = ""

    fault = AgentError
    fallback = "Failed to execute task"

    @classmethod
    def read(cls, answer: ToolAnswer) -> Self:
        """Read the JSON object in which agents name a task."""
        return parsed(cls, answer, "the answer of the agent", _task)


def _task(told: str) -> dict[str, Any]:
    loaded = load(told, dict)
    return {"task_id": _first(loaded, "task_id", "taskId"), "task_status": _first(loaded, "status")}


@frozen(eq=False, repr=False)
class QueryResult(ToolResult):
    """How far a task has come.

    `task_status` is the service's word, `task_action` what the agent does now, `task_product` what it has made.
    `stream` holds what a phone's agent said on the way: dictionaries with `timestamp_ms`, `content` and `reasoning`.
    `error` is also the task's own error, as an `AgentError`; the look at it is a success all the same.
    """

    error_message: str = ""
    task_id: str = ""
    task_status: str = ""
    task_action: str = ""
    task_product: str = ""
    stream: list[dict[str, Any]] = field(factory=list)
    error: AgentBayError | None = field(default=None, eq=False, metadata={"quiet": True})

    fault = AgentError
    fallback = "Failed to get task status"

    def unwrap(self) -> Self:
        """Give the result itself if the look succeeded, whatever it saw.

        Raises:
            AgentBayError: the typed exception of the failure.
        """
        return self if self.success else super().unwrap()

    @classmethod
    def read(cls, answer: ToolAnswer) -> Self:
        """Read the JSON object in which agents tell of a task."""
        return parsed(cls, answer, "the task's status", lambda told: _progress(told, answer))


def _progress(told: str, answer: ToolAnswer) -> dict[str, Any]:
    loaded = load(told, dict)
    complaint = _first(loaded, "error")
    stream = loaded.get("stream")
    return {
        "task_id": _first(loaded, "task_id", "taskId"),
        "task_status": _first(loaded, "status"),
        "task_action": _first(loaded, "action"),
        "task_product": _first(loaded, "result", "product"),
        "stream": [item for item in stream if isinstance(item, dict)] if isinstance(stream, list) else [],
        "error": AgentError(complaint, **answer.facts) if complaint else None,
    }
