"""Tool calls on the wire: the list of tools, a call by the direct link, and what a tool said. No I/O."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from attrs import define, field

from agentbay._params import compact_json, utf8
from agentbay._wire import Reply, read_object, read_refusal
from agentbay.errors import AgentBayError, APIError, ToolError

__all__ = ["ToolAnswer", "direct_call_body", "read_direct", "read_tool", "sane", "tool_entries", "utf8_pieces"]


def tool_entries(tool_list: Any) -> list[dict[str, Any]]:
    """Read a list of tools, JSON text or an array; what is not of this form counts as nothing."""
    if isinstance(tool_list, str):
        try:
            tool_list = json.loads(tool_list)
        except (ValueError, RecursionError):
            return []
    return [item for item in tool_list if isinstance(item, dict)] if isinstance(tool_list, list) else []


@define
class ToolAnswer:
    """What a tool call came to: the tool's `text`; `error` when it failed; `said` is True if the tool itself spoke."""

    request_id: str
    text: str = ""
    error: AgentBayError | None = None
    said: bool = True
    facts: dict[str, Any] = field(factory=dict)

    def json_or_none(self) -> Any:
        """The text read as JSON; None when it is not JSON."""
        try:
            return json.loads(self.text)
        except (ValueError, RecursionError):
            return None

    def fault(self, kind: type[ToolError], fallback: str) -> AgentBayError:
        """The failure as an exception of the tool's own class; what the service itself refused stays as it is."""
        if not self.said and self.error is not None:
            return self.error
        return kind(self.text or fallback, **self.facts)


def _refused(request_id: str, message: str, facts: dict[str, Any]) -> ToolAnswer:
    return ToolAnswer(request_id, error=APIError(message, **facts), said=False, facts=facts)


def _spoken(request_id: str, text: str, failed: bool, facts: dict[str, Any]) -> ToolAnswer:
    return ToolAnswer(request_id, text, ToolError(text, **facts) if failed else None, facts=facts)


def read_tool(reply: Reply[Any], facts: dict[str, Any]) -> ToolAnswer:
    """Read a tool's answer that came by the CallMcpTool action."""
    facts = facts | {"request_id": reply.request_id}
    if reply.error is not None:
        return ToolAnswer(reply.request_id, error=reply.error, said=False, facts=facts)
    data = reply.data
    if isinstance(data, str) and data:
        try:
            data = json.loads(data)
        except (ValueError, RecursionError) as broken:
            return _refused(reply.request_id, f"Failed to parse response data: {broken}", facts)
    if not data:
        return _refused(reply.request_id, "Empty response data", facts)
    if not isinstance(data, dict):
        return _refused(reply.request_id, "Invalid response format", facts)
    first = _first(data.get("content"))
    text = first.get("text") if isinstance(first, dict) else ""
    return _spoken(reply.request_id, str(text or ""), bool(data.get("isError")), facts)


def _first(content: Any) -> Any:
    return content[0] if isinstance(content, list) and content else None


def direct_call_body(tool: str, server: str, args: dict[str, Any], request_id: str, token: str) -> bytes:
    """Write the body of a tool call by the session's direct link."""
    call = {"args": args, "server": server, "requestId": request_id, "tool": tool, "token": token}
    return utf8(compact_json(call))


def read_direct(status: int, body: bytes, facts: dict[str, Any]) -> ToolAnswer:
    """Read a tool's answer that came by the session's direct link.

    Raises:
        Unreadable: the body is not JSON.
    """
    request_id = facts["request_id"]
    if not 200 <= status < 300:
        error = read_refusal(status, body, facts, f"HTTP request failed with code: {status}").error
        return ToolAnswer(request_id, error=error, said=False, facts=facts)
    data = read_object(body).get("data")
    if not data:
        return _refused(request_id, "No data field in LinkUrl response", facts)
    if not isinstance(data, str | dict):
        return _refused(request_id, "Invalid data field type in LinkUrl response", facts)
    result = (read_object(data.encode("utf-8", "surrogatepass")) if isinstance(data, str) else data).get("result", {})
    if not isinstance(result, dict):
        return _refused(request_id, "No result field in LinkUrl response data", facts)
    first = _first(result.get("content"))
    parts = (first.get("text"), first.get("blob"), first.get("data")) if isinstance(first, dict) else (first,)
    text = next((str(part) for part in parts if part), "")
    return _spoken(request_id, text, bool(result.get("isError")), facts)


def sane(value: Any) -> float:
    """A number as it came; 0 for what is none, and for the endless and absurd ones that JSON text may hold."""
    return value if isinstance(value, int | float) and abs(value) < 1e18 else 0


def utf8_pieces(text: str, limit: int) -> Iterator[str]:
    """Cut text into pieces of at most `limit` UTF-8 bytes, between characters; empty text is one empty piece."""
    data = utf8(text)
    start = 0
    while len(data) - start > limit:
        end = start + limit
        while data[end] & 0xC0 == 0x80:  # inside a character
            end -= 1
        yield data[start:end].decode()
        start = end
    yield data[start:].decode()
