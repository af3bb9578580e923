"""The exceptions of AgentBay: one tree with `AgentBayError` at its root.

An exception carries facts as attributes, so that programs need not read its text: `code`, `status_code`, `request_id`,
`session_id`, `action`, `attempts` and `hint`. Facts that are not known are empty.
"""

from __future__ import annotations

from typing import Any

__all__ = [
    "APIConnectionError",
    "APIError",
    "APIResponseError",
    "APITimeoutError",
    "AgentBayError",
    "AgentError",
    "AgentTimeoutError",
    "AuthenticationError",
    "BrowserError",
    "BrowserPageError",
    "BrowserTimeoutError",
    "ClearanceTimeoutError",
    "ClientClosedError",
    "CodeError",
    "CommandError",
    "ConflictError",
    "EventLoopError",
    "ExecutionError",
    "FileError",
    "GitAuthError",
    "GitConflictError",
    "GitError",
    "GitNotARepoError",
    "GitNotFoundError",
    "LocalRuntimeError",
    "NotFoundError",
    "OssError",
    "PtyError",
    "PtyNotConnectedError",
    "PtySessionNotFoundError",
    "PtySizeError",
    "PtyTimeoutError",
    "RateLimitError",
    "ServerError",
    "SessionError",
    "ToolError",
    "WsCancelledError",
    "WsConnectionClosedError",
    "WsHandshakeRejectedError",
    "WsProtocolError",
    "WsRemoteError",
    "service_error",
]


class AgentBayError(Exception):
    """Anything that went wrong in AgentBay.

    `message` says what happened; keyword arguments are kept in `extra` and are readable as attributes.
    """

    summary = "AgentBay error"

    def __init__(self, message: str | None = None, *args: Any, **kwargs: Any) -> None:
        self.message = message if message is not None else self.summary
        self.extra = kwargs
        super().__init__(self.message, *args)

    @property
    def code(self) -> str:
        """The service's error code, such as `InvalidMcpSession.NotFound`; empty when the service gave none."""
        return str(self.extra.get("code") or "")

    @property
    def request_id(self) -> str:
        """The id under which the service knows the request; empty when no answer arrived."""
        return str(self.extra.get("request_id") or "")

    @property
    def session_id(self) -> str:
        """The session that the failed call was about; empty for calls that are about none."""
        return str(self.extra.get("session_id") or "")

    @property
    def action(self) -> str:
        """The service action or tool that was called."""
        return str(self.extra.get("action") or "")

    @property
    def attempts(self) -> int:
        """How many requests were sent, retries included; 0 when it never came to that."""
        return int(self.extra.get("attempts") or 0)

    @property
    def hint(self) -> str:
        """What the user can do about it; empty when nothing is known."""
        return str(self.extra.get("hint") or "")

    def __str__(self) -> str:
        facts = ((name, getattr(self, name)) for name in ("action", "session_id", "request_id", "attempts"))
        context = ", ".join(f"{name}={value}" for name, value in facts if value)
        parts = [self.message, f"({context})" if context else "", self.hint]
        return " ".join(part for part in parts if part)


class APIError(AgentBayError):
    """The service answered, and the answer was no. `status_code` is the HTTP status."""

    summary = "API error"

    def __init__(self, message: str | None = None, status_code: int | None = None, *args: Any, **kwargs: Any) -> None:
        self.status_code = status_code
        super().__init__(message, *args, **kwargs)


class AuthenticationError(APIError):
    """The API key is missing, wrong, expired, or belongs to another region's gateway."""

    summary = "Authentication failed"


class NotFoundError(APIError):
    """What the call names does not exist, or does not exist any more (a deleted or released session)."""


class ConflictError(APIError):
    """The state of things does not allow the call: a paused session, a path that has its context already."""


class RateLimitError(APIError):
    """Too many requests. `retry_after` is the service's advice in seconds, None when it gave none."""

    @property
    def retry_after(self) -> float | None:
        """Seconds to wait before the next try."""
        value = self.extra.get("retry_after")
        return None if value is None else float(value)


class ServerError(APIError):
    """The service failed on its own side (HTTP 5xx)."""


class SessionError(AgentBayError):
    """No usable answer came, so what happened in the session is not known."""

    summary = "Session error"


class APIConnectionError(SessionError):
    """The service could not be reached, or the connection broke before the answer was complete."""


class APITimeoutError(APIConnectionError, TimeoutError):
    """The time for the call ran out before the answer was complete."""


class APIResponseError(SessionError):
    """An answer came that cannot be read: not JSON, or not of the documented form."""


class ClientClosedError(SessionError, RuntimeError):
    """The client was closed before this call."""


class EventLoopError(SessionError, RuntimeError):
    """The client belongs to another event loop than the one that is running now."""


class LocalRuntimeError(APIConnectionError):
    """The local runtime did not start, or has ended, or this machine cannot run it."""


class ToolError(AgentBayError):
    """A tool ran in the session and reported a failure."""

    summary = "Tool error"


class CommandError(ToolError):
    """A command failed: it exited with another code than 0, timed out, or could not be started.

    `exit_code` is the command's own; 1 when it has none.
    """

    summary = "Command execution error"

    @property
    def exit_code(self) -> int:
        """The code with which the command exited; 1 when it did not come to that."""
        return int(self.extra.get("exit_code") or 1)


class FileError(ToolError):
    """A file operation failed."""

    summary = "File operation error"


class CodeError(ToolError):
    """Code raised an error, timed out, or is in a language that is not offered."""

    summary = "Code execution error"


class ExecutionError(CodeError):
    """An error that code raised while it ran: its class `name`, its text `value`, and the `traceback`."""

    def __init__(self, name: str, value: str, traceback: str, **facts: Any) -> None:
        self.name = name
        self.value = value
        self.traceback = traceback
        super().__init__(f"{name}: {value}" if name else value, **facts)

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.name, self.value, self.traceback), self.__dict__


class BrowserError(AgentBayError):
    """A browser operation failed."""

    summary = "Browser error"


class BrowserPageError(BrowserError, RuntimeError):
    """The library that drives the page failed; its own exception is the cause."""


class BrowserTimeoutError(BrowserError, TimeoutError):
    """A task of the page operator did not end in time; it may go on in the session."""


class AgentError(ToolError):
    """An agent task failed."""

    summary = "Agent action error"


class AgentTimeoutError(AgentError, TimeoutError):
    """A task did not end in time. The agent was told to give it up, but for a task that has no id."""


class OssError(ToolError):
    """An object storage operation failed."""

    summary = "OSS operation error"


class ClearanceTimeoutError(AgentBayError):
    """Clearing a context took longer than allowed."""

    summary = "Context clearing operation timed out"


class PtyError(AgentBayError):
    """A terminal operation failed."""

    summary = "PTY operation error"


class PtyNotConnectedError(PtyError):
    """The terminal handle is not connected."""

    summary = "PTY handle is not connected"


class PtySessionNotFoundError(PtyError):
    """There is no terminal with this id."""

    summary = "PTY session not found"


class PtySizeError(PtyError, ValueError):
    """A terminal cannot have this size."""


class PtyTimeoutError(PtyError, TimeoutError):
    """A terminal did not end in time; it goes on."""


class WsConnectionClosedError(APIConnectionError):
    """The WebSocket is closed, or broke before the answer was complete."""

    summary = "WebSocket connection closed"


class WsHandshakeRejectedError(APIConnectionError):
    """The server refused to open the WebSocket; `status_code` is its HTTP status."""

    summary = "WebSocket connection rejected"

    def __init__(self, message: str | None = None, status_code: int | None = None, *args: Any, **kwargs: Any) -> None:
        self.status_code = status_code
        super().__init__(message, *args, **kwargs)


class WsProtocolError(APIResponseError):
    """An answer came by the WebSocket that cannot be read."""

    summary = "WebSocket protocol error"


class WsCancelledError(SessionError):
    """The stream was given up on this side."""

    summary = "WebSocket stream cancelled"


class WsRemoteError(AgentBayError):
    """The other side of the WebSocket answered with an error."""

    summary = "WebSocket remote error"


class GitError(AgentBayError):
    """A git command failed. `exit_code` and `stderr` are git's own."""

    summary = "Git operation error"
    default_exit_code = 1

    def __init__(
        self, message: str | None = None, exit_code: int | None = None, stderr: str = "", *args: Any, **kwargs: Any
    ) -> None:
        self.exit_code = self.default_exit_code if exit_code is None else exit_code
        self.stderr = stderr
        super().__init__(message, *args, **kwargs)


class GitAuthError(GitError):
    """The remote refused the credentials."""

    summary = "Git authentication error"


class GitConflictError(GitError):
    """A merge stopped at a conflict."""

    summary = "Git merge conflict"


class GitNotARepoError(GitError):
    """The folder is not a git repository."""

    summary = "Not a git repository"
    default_exit_code = 128


class GitNotFoundError(GitError):
    """There is no git in the session."""

    summary = "Git not found"
    default_exit_code = 127


_HINTS = {
    AuthenticationError: "Check the API key (api_key= or AGENTBAY_API_KEY), and that it is of this endpoint's region.",
    ConflictError: "See what state it is in: session.get_status(), session.context.list_bindings().",
    RateLimitError: "Wait and try again, or send fewer requests at once.",
}
_SESSION_GONE = (
    "The session was deleted, was released after its idle time, or belongs to another key: create a new one."
)
_SESSION_PAUSED = "The session is paused: call its resume() first."

_CONFLICTS = ("Paused", "InvalidStatus", "IncorrectStatus", "AlreadyBound", "Conflict")


def _error_class(code: str, status: int) -> type[APIError]:
    if code == "NOT_LOGIN" or status in (401, 403):
        return AuthenticationError
    if "NotFound" in code or status == 404:
        return NotFoundError
    if code.startswith("Throttling") or status == 429:
        return RateLimitError
    if status == 409 or any(part in code for part in _CONFLICTS):
        return ConflictError
    return ServerError if status >= 500 else APIError


def _hint(kind: type[APIError], code: str) -> str:
    if code == "InvalidMcpSession.NotFound":
        return _SESSION_GONE
    return _SESSION_PAUSED if code.endswith("Paused") else _HINTS.get(kind, "")


def service_error(code: str, message: str, status: int, **facts: Any) -> APIError:
    """Make the typed exception for a refusal by the service; `facts` become the exception's attributes.

    Without a `hint` among them it has the one of its class, which is about the service.
    """
    kind = RateLimitError if facts.get("retry_after") is not None else _error_class(code, status)
    text = f"[{code}] {message.strip()}" if code else message.strip() or f"HTTP status {status}"
    return kind(text, status, code=code, **{"hint": _hint(kind, code)} | facts)
