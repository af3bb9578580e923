"""What is known of a session's terminals."""

from __future__ import annotations

from attrs import frozen

from agentbay._value import Value

__all__ = ["PtySession"]


@frozen(eq=False, repr=False)
class PtySession(Value):
    """A terminal of a session, as listed.

    `status` is `running`, or `exited` when this client saw its end, with the `exit_code`. The service does not tell the
    size of a listed terminal: `cols` and `rows` are then 0.
    """

    pty_session_id: str
    cols: int
    rows: int
    status: str
    exit_code: int | None = None
