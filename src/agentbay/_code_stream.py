"""Code that runs while its events come in: how they are read, and what they add up to. No I/O."""

from __future__ import annotations

import logging
from typing import Any

from attrs import define, field

from agentbay.errors import AgentBayError, CodeError, ExecutionError
from agentbay.types.code import (
    CodeEvent,
    CodeExecutionResult,
    EnhancedCodeExecutionResult,
    ExecutionLogs,
    read_count,
    read_item,
    read_seconds,
)

__all__ = ["CodeRun", "language_of"]

logger = logging.getLogger("agentbay")

_LANGUAGES = {
    "python": "python",
    "py": "python",
    "python3": "python",
    "javascript": "javascript",
    "js": "javascript",
    "node": "javascript",
    "nodejs": "javascript",
    "r": "r",
    "java": "java",
    "bash": "bash",
    "sh": "bash",
    "shell": "bash",
}


def language_of(name: str) -> str:
    """The service's name of a language.

    Raises:
        CodeError: it is not offered.
    """
    known = _LANGUAGES.get(name.strip().lower())
    if known is None:
        offered = "Supported languages are 'python', 'javascript', 'r', and 'java'"
        raise CodeError(f"Unsupported language: {name}. {offered}")
    return known


@define
class CodeRun:
    """One run of code, as far as it has come."""

    request_id: str
    session_id: str
    stdout: list[str] = field(factory=list)
    stderr: list[str] = field(factory=list)
    results: list[CodeExecutionResult] = field(factory=list)
    error: ExecutionError | None = None

    def take(self, data: dict[str, Any]) -> CodeEvent | None:
        """Read an event and add it up; None when it is of no known kind."""
        match data.get("eventType"):
            case "stdout":
                return self._printed("stdout", self.stdout, data)
            case "stderr":
                return self._printed("stderr", self.stderr, data)
            case "result":
                return self._shown(data.get("result"))
            case "error":
                return self._raised(data.get("error"))
        logger.warning("an event of running code is of no known kind and was dropped")
        return None

    def end(self, data: dict[str, Any]) -> EnhancedCodeExecutionResult:
        """Make the result from the last frame and all that came before."""
        said = data.get("executionError")
        error = self.error or (self._execution_error("ExecutionError", _text(said), "") if said else None)
        failed = error is not None or data.get("status") == "failed"
        return EnhancedCodeExecutionResult(
            self.request_id,
            success=not failed,
            execution_count=read_count(data.get("executionCount")),
            execution_time=read_seconds(data.get("executionTime")),
            logs=ExecutionLogs(self.stdout, self.stderr),
            results=self.results,
            error=error or (CodeError("The code failed", **self._facts()) if failed else None),
        )

    def broken(self, error: AgentBayError) -> EnhancedCodeExecutionResult:
        """Make the result of code that the service gave up."""
        return EnhancedCodeExecutionResult.failed(error)

    def _printed(self, kind: Any, log: list[str], data: dict[str, Any]) -> CodeEvent:
        text = _text(data.get("chunk"))
        log.append(text)
        return CodeEvent(kind, text)

    def _shown(self, raw: Any) -> CodeEvent:
        shown = raw if isinstance(raw, dict) else {}
        mime = shown.get("mime")
        forms = mime if isinstance(mime, dict) else {}
        item = read_item(forms | {"isMainResult": bool(shown.get("isMainResult"))})
        self.results.append(item)
        return CodeEvent("result", item.text or "", result=item)

    def _raised(self, raw: Any) -> CodeEvent:
        told = raw if isinstance(raw, dict) else {}
        trace = told.get("traceId")
        value = _text(told.get("message") or told.get("error"))
        name = _text(told.get("code")) or "ExecutionError"
        self.error = self._execution_error(name, value, f"traceId={trace}" if trace else _text(told.get("traceback")))
        return CodeEvent("error", value, error=self.error)

    def _execution_error(self, name: str, value: str, traceback: str) -> ExecutionError:
        return ExecutionError(name, value, traceback, **self._facts())

    def _facts(self) -> dict[str, Any]:
        return {"action": "run_code", "request_id": self.request_id, "session_id": self.session_id}


def _text(value: Any) -> str:
    return "" if value is None else str(value)
