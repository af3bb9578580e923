"""A session: who owns it, its sandbox, its state, and when it has to end."""

from __future__ import annotations

import asyncio
import secrets
import string
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from enum import StrEnum

from attrs import define, field, frozen

from agentbay_local.contexts import Blob
from agentbay_local.egress import NOTHING, Policy
from agentbay_local.service.journal import Journal
from agentbay_local.tools import Box

__all__ = ["Lifetime", "Session", "Sleep", "State"]

_ALPHABET = string.ascii_lowercase + string.digits

# A finished session can still be looked at for this long, so that whoever waits for its end sees it.
_LINGER = 120.0
# A paused session has no idle time. This is for those that nobody comes back to, and that may end by themselves.
_LONGEST_PAUSE = 24 * 3600.0


class State(StrEnum):
    """The states of a session, by their wire names."""

    RUNNING = "RUNNING"
    PAUSING = "PAUSING"
    PAUSED = "PAUSED"
    RESUMING = "RESUMING"
    DELETING = "DELETING"
    FINISH = "FINISH"


@frozen
class Lifetime:
    """When a session ends by itself: after seconds without use, after seconds in all; None is never."""

    idle: float | None = None
    total: float | None = None


@frozen
class Sleep:
    """Where the files of a hibernated session are: the name of a stream, and what it must be."""

    tree: str
    blob: Blob


def _name(prefix: str, length: int) -> str:
    return prefix + "".join(secrets.choice(_ALPHABET) for _ in range(length))


def _session_id() -> str:
    return _name("session-", 17)


def _instance_id() -> str:
    return _name("ai-", 17)


def _resource_id() -> str:
    return _name("p-", 17)


def _utc_now() -> datetime:
    return datetime.now(UTC)


@define(eq=False)
class Session:
    """One session. `token` opens its direct link, `auth_code` its page; times are of the monotonic clock."""

    owner: str
    image: str
    box: Box = field(repr=False)
    lifetime: Lifetime
    serial: int
    labels: dict[str, str] = field(factory=dict)
    id: str = field(factory=_session_id)
    app_instance_id: str = field(factory=_instance_id)
    resource_id: str = field(factory=_resource_id)
    token: str = field(factory=secrets.token_hex, repr=False)
    auth_code: str = field(factory=secrets.token_hex, repr=False)
    created_at: datetime = field(factory=_utc_now)
    created: float = field(factory=time.monotonic)
    state: State = State.RUNNING
    since: float = field(factory=time.monotonic)
    touched: float = field(factory=time.monotonic)
    busy: int = 0
    end_reason: str = ""
    policy: Policy = NOTHING
    asleep: Sleep | None = None
    """Set while it is hibernated: then it has no sandbox."""
    work: asyncio.Task[None] | None = field(default=None, repr=False)
    """What takes it from one state to another, hibernation included."""
    rest_at: float = 0.0
    """Not to be hibernated before this moment."""
    journal: Journal = field(factory=Journal, repr=False)
    over: asyncio.Event = field(factory=asyncio.Event, repr=False)
    """Set as soon as it is no longer there for its owner; `gone` once nothing of it is left."""
    gone: asyncio.Event = field(factory=asyncio.Event, repr=False)

    @property
    def live(self) -> bool:
        """Whether the session is there for its owner."""
        return self.state not in {State.DELETING, State.FINISH}

    @property
    def family(self) -> str:
        """The offered image that its image behaves like, or is."""
        return self.box.image

    @property
    def policy_id(self) -> str:
        return self.policy.name

    @property
    def shifting(self) -> bool:
        """Whether it is on its way to another state."""
        return self.work is not None and not self.work.done()

    def become(self, state: State) -> None:
        self.state = state
        self.since = self.touched = time.monotonic()
        if not self.live:
            self.over.set()
        if state is State.FINISH:
            self.gone.set()

    def take(self, policy: Policy) -> None:
        """From now on its programs reach what a policy allows."""
        self.policy = policy
        self.box.sandbox.egress.policy = policy
        self.box.sandbox.egress.holder = self.id

    def touch(self) -> None:
        self.touched = time.monotonic()

    @contextmanager
    def in_use(self) -> Iterator[None]:
        """Keeps the session from being idle."""
        self.busy += 1
        self.touch()
        try:
            yield
        finally:
            self.busy -= 1
            self.touch()

    def deadline(self, now: float) -> tuple[float, str]:
        """Tells when something is due, and which end reason it then gets: empty for forgetting a finished session."""
        if self.state is State.FINISH:
            return self.since + _LINGER, ""
        if self.state is State.DELETING:
            return float("inf"), ""
        total = self.created + (self.lifetime.total or float("inf"))
        return min((self._idle_deadline(now), "IdleTimeout"), (total, "MaxRuntime"))

    def _idle_deadline(self, now: float) -> float:
        if self.state is State.PAUSED and self.lifetime.idle is not None:
            return self.since + _LONGEST_PAUSE
        start = now if self.busy else self.touched
        return start + (self.lifetime.idle or float("inf"))
