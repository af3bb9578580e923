"""What a shell command leaves behind."""

from __future__ import annotations

from typing import Any, Literal, Self, TypeGuard

from attrs import frozen

from agentbay._tools import ToolAnswer
from agentbay._value import Value
from agentbay.errors import CommandError
from agentbay.types.response import ToolResult

__all__ = ["CommandOutput", "CommandResult"]


@frozen(eq=False, repr=False)
class CommandOutput(Value):
    """A piece of what a command printed, and by which `stream`: stdout or stderr."""

    stream: Literal["stdout", "stderr"]
    text: str


def _is_exit_code(value: Any) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool)


def _wrapped(loaded: Any) -> dict[str, Any] | None:
    """Tell the shell tool's own wrapping from a command that happens to print JSON."""
    if not isinstance(loaded, dict):
        return None
    texts = [isinstance(loaded.get(name), str) for name in ("stdout", "stderr")]
    return loaded if all(texts) or (any(texts) and _is_exit_code(loaded.get("exit_code"))) else None


def _outcome(answer: ToolAnswer) -> tuple[int, str, str, str]:
    """Exit code, standard output, standard error and trace id."""
    loaded = _wrapped(answer.json_or_none())
    if loaded is None:
        return 0, answer.text, "", ""
    codes = (loaded.get("exit_code"), loaded.get("errorCode"))
    code = next((int(value) for value in codes if _is_exit_code(value)), 0)
    return code, str(loaded.get("stdout") or ""), str(loaded.get("stderr") or ""), str(loaded.get("traceId") or "")


@frozen(eq=False, repr=False)
class CommandResult(ToolResult):
    """How a command ended.

    `success` is True when it exited with 0. `output` is `stdout` followed by `stderr`. `trace_id` helps the service's
    support; it is empty on success. A command that exits with another code fails without an `error_message`, for its
    own words are in `stderr`; its `error` is a `CommandError`.
    """

    output: str = ""
    error_message: str = ""
    exit_code: int = 0
    stdout: str = ""
    stderr: str = ""
    trace_id: str = ""

    fault = CommandError
    fallback = "Failed to execute command"

    @classmethod
    def of_tool(cls, answer: ToolAnswer) -> Self:
        """Read the three forms in which the shell tool reports an end."""
        if answer.error is not None and not answer.said:
            return cls.failed(answer.fault(cls.fault, cls.fallback), exit_code=1)
        code, stdout, stderr, trace = _outcome(answer)
        failed = answer.error is not None
        exit_code = (code or 1) if failed else code
        message = (stderr or answer.text or cls.fallback) if failed else ""
        error = cls._error(answer, exit_code, message or stderr, failed and _wrapped(answer.json_or_none()) is None)
        return cls(
            answer.request_id,
            success=not exit_code,
            output=stdout + stderr,
            error_message=message,
            exit_code=exit_code,
            stdout=stdout,
            stderr=stderr,
            trace_id=trace,
            error=error if exit_code else None,
        )

    @classmethod
    def _error(cls, answer: ToolAnswer, exit_code: int, detail: str, unfinished: bool) -> CommandError:
        """What went wrong; an `unfinished` command was stopped or never began, and has no exit code of its own."""
        ended = "The command did not finish" if unfinished else f"The command exited with code {exit_code}"
        text = f"{ended}: {detail.strip()}" if detail.strip() else ended
        return CommandError(text, exit_code=exit_code, **answer.facts)
