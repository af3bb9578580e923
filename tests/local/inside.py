"""Shell commands that wait inside a session for what takes a moment, and fail when it does not come."""

from __future__ import annotations

__all__ = ["NO_BROWSER", "listening"]

NO_BROWSER = "for _ in $(seq 100); do pgrep chrom >/dev/null || exit 0; sleep 0.05; done; ps -eo stat,args; exit 1"
"""Until the last process of a browser has ended: its children do so a moment after it."""


def listening(port: int | str) -> str:
    """Until something accepts connections."""
    return f"for _ in $(seq 200); do (echo >/dev/tcp/127.0.0.1/{port}) 2>/dev/null && exit 0; sleep 0.05; done; exit 1"
