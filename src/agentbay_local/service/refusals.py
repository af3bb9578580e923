"""How the service says no: a code that programs read, a message that people read, an HTTP status."""

from __future__ import annotations

__all__ = ["ServiceRefusal", "bad", "missing", "no_session", "not_now"]


class ServiceRefusal(Exception):
    """The service's answer is no."""

    def __init__(self, code: str, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.status = status


def missing(name: str) -> ServiceRefusal:
    return ServiceRefusal("MissingParameter", f"The parameter {name} is missing.")


def bad(name: str, reason: str) -> ServiceRefusal:
    return ServiceRefusal("InvalidParameter", f"The parameter {name} {reason}.")


def no_session() -> ServiceRefusal:
    """The one answer for sessions that never were, are no more, or belong to another key."""
    return ServiceRefusal("InvalidMcpSession.NotFound", "Resource [McpSession] is not found.")


def not_now(state: str, wanted: str) -> ServiceRefusal:
    """The session is there, but in a state in which it cannot do what is `wanted`."""
    code = "InvalidMcpSession.Paused" if state in {"PAUSED", "PAUSING"} else "InvalidMcpSession.InvalidStatus"
    hint = " Resume it first." if code.endswith("Paused") else ""
    return ServiceRefusal(code, f"The session is {state}: {wanted}.{hint}")
