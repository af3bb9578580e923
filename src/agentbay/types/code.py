"""What running code leaves behind: outputs, results of many kinds, and errors."""

from __future__ import annotations

import json as jsonlib
from typing import Any, Literal, Self

from attrs import field, fields_dict, frozen

from agentbay._tools import ToolAnswer, sane
from agentbay._value import Value
from agentbay.errors import AgentBayError, CodeError, ExecutionError
from agentbay.types.response import ToolResult

__all__ = ["CodeEvent", "CodeExecutionResult", "EnhancedCodeExecutionResult", "ExecutionError", "ExecutionLogs"]

FORMS = {
    "text/plain": "text",
    "text/html": "html",
    "text/markdown": "markdown",
    "image/png": "png",
    "image/jpeg": "jpeg",
    "image/svg+xml": "svg",
    "application/json": "json",
    "text/latex": "latex",
    "application/vnd.vegalite.v4+json": "chart",
    "application/vnd.vegalite.v5+json": "chart",
}
"""What each form of a result is called, by its MIME type. Of two forms with one name the later here counts."""

_NAMES = FORMS | {"isMainResult": "is_main_result"}


@frozen(eq=False, repr=False)
class ExecutionLogs(Value):
    """What the code printed, in pieces as they came."""

    stdout: list[str] = field(factory=list)
    stderr: list[str] = field(factory=list)


@frozen(eq=False, repr=False)
class CodeExecutionResult(Value):
    """One thing that the code showed, in each form it offers.

    `png` and `jpeg` are base64 text. `is_main_result` marks the value of the last expression.
    """

    text: str | None = None
    html: str | None = None
    markdown: str | None = None
    png: str | None = None
    jpeg: str | None = None
    svg: str | None = None
    json: dict[str, Any] | None = None
    latex: str | None = None
    chart: dict[str, Any] | None = None
    is_main_result: bool = False

    def formats(self) -> list[str]:
        """The names of the forms that are there, such as `["text", "png"]`."""
        return [name for name in fields_dict(type(self)) if name != "is_main_result" and getattr(self, name)]


@frozen(eq=False, repr=False)
class CodeEvent(Value):
    """Something that code did while it runs.

    `type` says what, and which field holds it: `stdout` and `stderr` have their piece in `text`, `result` has the thing
    shown in `result`, `error` has what was raised in `error`.
    """

    type: Literal["stdout", "stderr", "result", "error"]
    text: str = ""
    result: CodeExecutionResult | None = None
    error: ExecutionError | None = None


def read_item(raw: Any) -> CodeExecutionResult:
    """Read one result; it may be JSON text, JSON text within JSON text, or plain text."""
    for _ in range(2):
        if not isinstance(raw, str):
            break
        try:
            raw = jsonlib.loads(raw)
        except (ValueError, RecursionError):
            break
    if not isinstance(raw, dict):
        return CodeExecutionResult(text=str(raw))
    names = fields_dict(CodeExecutionResult)
    short = {_NAMES.get(name, name): value for name, value in raw.items()}
    return CodeExecutionResult(**{name: value for name, value in short.items() if name in names})


def _texts(value: Any) -> list[str]:
    return [str(item) for item in value] if isinstance(value, list) else []


def read_count(value: Any) -> int | None:
    """Read a count of runs."""
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def read_seconds(value: Any) -> float:
    """Read a duration."""
    return float(sane(value))


@frozen(eq=False, repr=False)
class EnhancedCodeExecutionResult(ToolResult):
    """How a piece of code ran.

    `logs` holds what it printed, `results` what it showed, `error` what it raised (None when it ran through).
    `execution_count` counts the runs of the session's interpreter, `execution_time` is in seconds.
    """

    execution_count: int | None = None
    execution_time: float = 0.0
    logs: ExecutionLogs = field(factory=ExecutionLogs)
    results: list[CodeExecutionResult] = field(factory=list)
    error: AgentBayError | None = field(default=None, eq=False, metadata={"quiet": True})
    error_message: str = ""

    fault = CodeError
    fallback = "Failed to run code"

    @property
    def result(self) -> str:
        """The text of the main result, else of the first result, else all that was printed, else nothing."""
        main = next((item.text for item in self.results if item.is_main_result and item.text), None)
        first = self.results[0].text if self.results else None
        return main or first or "".join(self.logs.stdout)

    @classmethod
    def read(cls, answer: ToolAnswer) -> Self:
        """Read the forms in which the code tool reports: two kinds of JSON objects, or plain text."""
        loaded = answer.json_or_none()
        if not isinstance(loaded, dict):
            lone = CodeExecutionResult(text=answer.text, is_main_result=True)
            return cls(answer.request_id, success=True, logs=ExecutionLogs([answer.text]), results=[lone])
        if isinstance(loaded.get("result"), list):
            return cls._flat(answer, loaded)
        if "logs" in loaded or "results" in loaded:
            return cls._nested(answer, loaded)
        reason = "Unknown response format" if loaded else "No data field in response"
        return cls.failed(CodeError(f"AgentBay error: {reason}", **answer.facts))

    @classmethod
    def _flat(cls, answer: ToolAnswer, loaded: dict[str, Any]) -> Self:
        said = loaded.get("executionError")
        error = ExecutionError("ExecutionError", str(said), "", **answer.facts) if said else None
        return cls._make(answer, loaded, loaded["result"], loaded, error)

    @classmethod
    def _nested(cls, answer: ToolAnswer, loaded: dict[str, Any]) -> Self:
        raised = loaded.get("error")
        error = None
        if isinstance(raised, dict):
            name, value, traceback = (str(raised.get(key) or "") for key in ("name", "value", "traceback"))
            error = ExecutionError(name, value, traceback, **answer.facts)
        logs, results = loaded.get("logs"), loaded.get("results")
        return cls._make(answer, loaded, results, logs if isinstance(logs, dict) else {}, error)

    @classmethod
    def _make(
        cls,
        answer: ToolAnswer,
        loaded: dict[str, Any],
        results: Any,
        logs: dict[str, Any],
        error: ExecutionError | None,
    ) -> Self:
        failed = bool(error or loaded.get("isError"))
        return cls(
            answer.request_id,
            success=not failed,
            execution_count=read_count(loaded.get("execution_count")),
            execution_time=read_seconds(loaded.get("execution_time")),
            logs=ExecutionLogs(_texts(logs.get("stdout")), _texts(logs.get("stderr"))),
            results=[read_item(raw) for raw in results] if isinstance(results, list) else [],
            error=error or (CodeError("The code failed", **answer.facts) if failed else None),
        )
