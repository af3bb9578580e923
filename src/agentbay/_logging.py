"""Logging by the standard library: the logger `agentbay`, silent until the application configures it."""

from __future__ import annotations

import logging

__all__ = ["get_logger", "log"]

log = logging.getLogger("agentbay")
log.addHandler(logging.NullHandler())


def get_logger(name: str = "agentbay") -> logging.Logger:
    """Give a logger below `agentbay`; configure it by the standard library's means."""
    return logging.getLogger(name if f"{name}.".startswith("agentbay.") else f"agentbay.{name}")
