"""What every public call gives back: the base of all results, and the results that several modules share."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

from attrs import field, fields_dict, frozen

from agentbay._tools import ToolAnswer
from agentbay._value import Value
from agentbay._wire import Reply
from agentbay.errors import AgentBayError, ToolError

__all__ = [
    "ApiResponse",
    "BaseResult",
    "BoolResult",
    "DeleteResult",
    "EnvResult",
    "McpTool",
    "McpToolResult",
    "McpToolsResult",
    "OperationResult",
    "Response",
    "ToolResult",
    "extract_request_id",
]


def extract_request_id(response: Any) -> str:
    """Find the request id in a result, or in an answer as the service sends it; empty when there is none."""
    found = getattr(response, "request_id", None)
    if found is None and isinstance(response, Mapping):
        found = response.get("RequestId") or response.get("requestId") or response.get("request_id")
        return str(found) if found else extract_request_id(response.get("body"))
    return str(found or "")


@frozen(eq=False, repr=False)
class ApiResponse(Value):
    """The base of all results.

    `request_id` is the id under which the service knows the request. `error` is the typed exception of a failed call,
    None for a successful one. `code` is the service's own code, empty for failures that have none.
    """

    request_id: str = ""
    error: AgentBayError | None = field(default=None, kw_only=True, eq=False, metadata={"quiet": True})
    code: str = field(default="", kw_only=True, repr=False)

    def get_request_id(self) -> str:
        """The request id, as an old-style getter."""
        return self.request_id

    def unwrap(self) -> Self:
        """Give the result itself if the call succeeded.

        Raises:
            AgentBayError: the typed exception of the failure.
        """
        if self.error is not None:
            raise self.error
        if not getattr(self, "success", True):
            raise AgentBayError(getattr(self, "error_message", "") or None, request_id=self.request_id)
        return self

    @classmethod
    def of(cls, reply: Reply[Any], **own: Any) -> Self:
        """Make the result of a service action from its reply; `own` are the fields of this class alone."""
        facts: dict[str, Any] = {
            "request_id": reply.request_id,
            "success": reply.success,
            "error": reply.error,
            "error_message": reply.error.message if reply.error else "",
            "code": reply.code,
            "message": reply.message,
            "http_status_code": reply.status,
        }
        names = fields_dict(cls)
        return cls(**{name: value for name, value in facts.items() if name in names} | own)

    @classmethod
    def failed(cls, error: AgentBayError, **own: Any) -> Self:
        """Make the result of a call that failed with `error`."""
        message: dict[str, Any] = {"error_message": error.message} if "error_message" in fields_dict(cls) else {}
        facts: dict[str, Any] = {"request_id": error.request_id, "success": False, "error": error, "code": error.code}
        return cls(**facts | message | own)


Response = ApiResponse


@frozen(eq=False, repr=False)
class BaseResult(ApiResponse):
    """A result with nothing but its success. `error_message` is empty on success."""

    success: bool = False
    error_message: str = ""


@frozen(eq=False, repr=False)
class OperationResult(ApiResponse):
    """The result of a service action; `data` is what the action's own page says."""

    success: bool = False
    data: Any = None
    error_message: str = ""
    code: str = ""
    message: str = ""
    http_status_code: int = 0


@frozen(eq=False, repr=False)
class DeleteResult(ApiResponse):
    """The result of deleting something."""

    success: bool = False
    error_message: str = ""
    code: str = ""
    message: str = ""
    http_status_code: int = 0


@frozen(eq=False, repr=False)
class McpToolResult(ApiResponse):
    """What a tool said: `data` is its text, `error_message` its complaint."""

    success: bool = False
    data: str = ""
    error_message: str = ""

    @classmethod
    def of_tool(cls, answer: ToolAnswer) -> Self:
        """Make the result from the tool's answer."""
        if answer.error is None:
            return cls(answer.request_id, success=True, data=answer.text)
        return cls(answer.request_id, success=False, error_message=answer.error.message, error=answer.error)


@frozen(eq=False, repr=False)
class McpTool(Value):
    """A tool that a session offers, and the server inside the session that runs it."""

    name: str
    server: str
    description: str = ""
    input_schema: dict[str, Any] = field(factory=dict, repr=False)

    @classmethod
    def of(cls, entry: Mapping[str, Any]) -> Self:
        """Read an entry of the service's list."""
        server = entry.get("server") or entry.get("serverName") or entry.get("Server") or ""
        schema = entry.get("inputSchema")
        return cls(
            str(entry.get("name") or entry.get("Name") or ""),
            str(server),
            str(entry.get("description") or ""),
            schema if isinstance(schema, dict) else {},
        )

    def get_name(self) -> str:
        """The tool's name, as an old-style getter."""
        return self.name

    def get_server(self) -> str:
        """The tool's server, as an old-style getter."""
        return self.server


@frozen(eq=False, repr=False)
class McpToolsResult(ApiResponse):
    """The tools of an image."""

    tools: list[McpTool] = field(factory=list)
    success: bool = field(default=False, kw_only=True)
    error_message: str = field(default="", kw_only=True)


@frozen(eq=False, repr=False)
class ToolResult(ApiResponse):
    """The base of results that are read from what a tool said.

    `fault` is the exception class for a tool's failure; `fallback` its text when the tool gave none.
    """

    success: bool = False

    fault = ToolError
    fallback = "The tool failed"

    @classmethod
    def of_tool(cls, answer: ToolAnswer) -> Self:
        """Make the result from the tool's answer."""
        if answer.error is not None:
            return cls.failed(answer.fault(cls.fault, cls.fallback))
        return cls.read(answer)

    @classmethod
    def read(cls, answer: ToolAnswer) -> Self:
        """Make the result from the text of a tool that succeeded."""
        return cls(request_id=answer.request_id, success=True)


@frozen(eq=False, repr=False)
class BoolResult(ToolResult):
    """The result of a tool that has nothing to say; `data` is True on success."""

    data: bool | None = None
    error_message: str = ""

    @classmethod
    def read(cls, answer: ToolAnswer) -> Self:
        """Any text means success."""
        return cls(answer.request_id, success=True, data=True)


@frozen(eq=False, repr=False)
class EnvResult(ToolResult):
    """Environment variables of a session, by name."""

    envs: dict[str, str] = field(factory=dict)
    error_message: str = ""

    fallback = "Failed to get environment variables"

    @classmethod
    def read(cls, answer: ToolAnswer) -> Self:
        """Read the JSON object; other text counts as no variables."""
        loaded = answer.json_or_none()
        envs = {str(name): str(value) for name, value in loaded.items()} if isinstance(loaded, dict) else {}
        return cls(answer.request_id, success=True, envs=envs)
