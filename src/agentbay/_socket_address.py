"""Where a session's WebSocket is, how to get there, and how patiently to try again. No I/O."""

from __future__ import annotations

import random
import ssl
from enum import StrEnum
from typing import Literal

from attrs import define, field, frozen

from agentbay._value import Value
from agentbay.errors import WsConnectionClosedError

__all__ = ["Address", "Backoff", "ChannelState", "Dialling", "Unsent"]

FIRST_WAIT = 0.5
JITTER = 0.1
GROWTH = 1.5
LONGEST_WAIT = 5.0


class Unsent(WsConnectionClosedError):
    """The connection had ended before anything of a frame was sent, so the frame may be sent by another one."""


class ChannelState(StrEnum):
    """The states of a session's WebSocket, as listeners are told them."""

    OPEN = "OPEN"
    CLOSED = "CLOSED"
    RECONNECTING = "RECONNECTING"
    ERROR = "ERROR"


@frozen(eq=False, repr=False)
class Dialling(Value):
    """How a client opens WebSockets. `proxy`: a URL, None for none, True for what the environment says."""

    verify: bool | str | ssl.SSLContext = True
    proxy: str | Literal[True] | None = field(default=True, repr=False)


@frozen(eq=False, repr=False)
class Address(Value):
    """Where one session's WebSocket is, and what opens it."""

    session_id: str
    url: str = field(repr=False)
    token: str = field(repr=False)
    verify: bool | str | ssl.SSLContext = True
    proxy: str | Literal[True] | None = field(default=True, repr=False)

    @property
    def secure(self) -> bool:
        """Whether TLS is spoken."""
        return self.url.lower().startswith("wss:")

    @property
    def shown(self) -> str:
        """The URL without what may be secret in it."""
        scheme, _, rest = self.url.partition("?")[0].partition("://")
        return f"{scheme}://{rest.rpartition('@')[2]}"


@define
class Backoff:
    """How long to wait before the next try to connect; longer each time."""

    _next: float = field(factory=lambda: FIRST_WAIT)

    def wait(self, held: float = 0.0) -> float:
        """Seconds to wait now. It begins anew after a connection that has `held` for long enough."""
        seconds = FIRST_WAIT if held > LONGEST_WAIT else self._next
        self._next = min(seconds * GROWTH, LONGEST_WAIT)
        return seconds + random.uniform(0, JITTER)
