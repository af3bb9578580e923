"""The sandbox engine: the interface, and the engine that this machine gets."""

from __future__ import annotations

from agentbay_local.sandbox.bwrap import DEFAULT_ENV
from agentbay_local.sandbox.contract import (
    CannotIsolate,
    Completed,
    Engine,
    LimitReached,
    Limits,
    Process,
    Sandbox,
    SandboxError,
    SandboxGone,
    Usage,
)
from agentbay_local.sandbox.pool import BwrapEngine

__all__ = [
    "DEFAULT_ENV",
    "CannotIsolate",
    "Completed",
    "Engine",
    "LimitReached",
    "Limits",
    "Process",
    "Sandbox",
    "SandboxError",
    "SandboxGone",
    "Usage",
    "default_engine",
]


def default_engine(limits: Limits, *, warm: int = 2) -> Engine:
    """The engine of this machine, not yet started.

    Args:
        limits: What each sandbox may use.
        warm: How many sandboxes are kept ready.
    """
    return BwrapEngine(limits, warm=warm)
