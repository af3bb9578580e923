"""What one call sends: the prepared request of an action or of a tool call by the direct link. No I/O."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from functools import lru_cache
from typing import Any

from attrs import field, frozen

from agentbay._engine import Origin, RequestHeaders
from agentbay._params import Action, dump_params, quote
from agentbay._tools import direct_call_body
from agentbay._value import Value

__all__ = ["Call", "Place", "direct_call", "rpc_call"]

API_VERSION = "2025-05-06"
_CORE_VERSION = "0.4.3"


def user_agent() -> str:
    """The user agent that the service knows SDKs by, with what ALIBABA_CLOUD_USER_AGENT adds."""
    import platform  # noqa: PLC0415  (with the first client, not with the package)

    system = f"AlibabaCloud ({platform.system()}; {platform.machine()})"
    text = f"{system} Python/{platform.python_version()} Core/{_CORE_VERSION} TeaDSL/2"
    return " ".join(filter(None, (text, os.environ.get("ALIBABA_CLOUD_USER_AGENT"))))


@frozen(eq=False, repr=False)
class Place(Value):
    """Where the actions of a client go, and the key that opens it; encoded once."""

    origin: Origin
    key: str = field(repr=False)
    agent: bytes = field(factory=lambda: user_agent().encode())

    @classmethod
    def at(cls, base_url: str, api_key: str) -> Place:
        """Make the place from a base URL and an API key."""
        return cls(Origin.parse(base_url), quote(f"Bearer {api_key}"))


@frozen(eq=False, repr=False)
class Call(Value):
    """One call, ready to be sent as often as needed. `target` is made anew for each attempt, for its nonce must be."""

    action: str
    session_id: str
    origin: Origin
    target: Callable[[], bytes]
    headers: RequestHeaders = field(repr=False)
    body: bytes = field(repr=False)
    repeatable: bool = False
    request_id: str = ""

    def facts(self, attempts: int) -> dict[str, Any]:
        """What an exception about this call should know."""
        return {
            "action": self.action,
            "session_id": self.session_id,
            "request_id": self.request_id,
            "attempts": attempts,
        }


@lru_cache(maxsize=512)
def _rpc_headers(agent: bytes, action: str) -> RequestHeaders:
    return (
        (b"x-acs-version", API_VERSION.encode()),
        (b"x-acs-action", action.encode()),
        (b"user-agent", agent),
        (b"content-type", b"application/x-www-form-urlencoded"),
        (b"accept-encoding", b"identity"),
    )


def rpc_call(action: Action[Any], place: Place, repeatable: bool | None = None) -> Call:
    """Prepare an action; `repeatable` replaces what the action itself says."""
    name = type(action).__name__
    query, body = dump_params(action, place.key)
    head = f"/?Action={name}&Format=json&Version={API_VERSION}&Timestamp="

    def target() -> bytes:
        now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        return f"{head}{now}&SignatureNonce={os.urandom(16).hex()}{query}".encode()

    again = action.repeatable if repeatable is None else repeatable
    session_id = getattr(action, "session_id", None) or ""
    return Call(name, session_id, place.origin, target, _rpc_headers(place.agent, name), body, again)


@lru_cache(maxsize=512)
def _link_place(link_url: str) -> tuple[Origin, bytes]:
    origin = Origin.parse(link_url)
    return origin, origin.path.rstrip(b"/") + b"/callTool"


def direct_call(
    link_url: str, token: str, session_id: str, tool: str, server: str, args: dict[str, Any], repeatable: bool = False
) -> Call:
    """Prepare a tool call by a session's direct link."""
    origin, path = _link_place(link_url)
    request_id = f"link-{time.time_ns() // 1_000_000}-{int.from_bytes(os.urandom(4)) % 10**9:09d}"
    headers = (
        (b"content-type", b"application/json"),
        (b"x-access-token", token.encode()),
        (b"accept-encoding", b"identity"),
    )
    body = direct_call_body(tool, server, args, request_id, token)
    return Call(tool, session_id, origin, lambda: path, headers, body, repeatable, request_id)
