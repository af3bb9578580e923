"""What the connections of one session share: the session, what it keeps for them, and its end."""

from __future__ import annotations

import asyncio
from typing import Any, Protocol, TypeVar, cast

from agentbay_local.channel.connection import GOING_AWAY, Connection
from agentbay_local.logs import say
from agentbay_local.service.core import Service
from agentbay_local.service.session import Session

__all__ = ["Kept", "Room"]


class Kept(Protocol):
    """Something that a session has once, and that outlives its connections: its terminals, for instance."""

    def __init__(self, session: Session) -> None: ...

    async def close(self) -> None:
        """Ends what is left of it; the session has ended, and its sandbox with it."""
        ...


K = TypeVar("K", bound=Kept)


class Room:
    """The connections of one session."""

    def __init__(self, service: Service, session: Session) -> None:
        self.session = session
        self.connections: set[Connection] = set()
        self._service = service
        self._kept: dict[type[Any], Kept] = {}

    def streamed(self, tool: str, outcome: str, seconds: float) -> None:
        """Counts a call that was answered piece by piece, and writes its line."""
        metrics = self._service.metrics
        metrics.tools.add(tool, outcome)
        metrics.tool_seconds.add(seconds, tool)
        session = self.session
        say("streamed", tool=tool, session=session.id, owner=session.owner, outcome=outcome, ms=1000 * seconds)

    def check_usable(self) -> None:
        """Makes sure that the session can work now. Raises ServiceRefusal."""
        self._service.usable(self.session, "messages are not answered now")

    def kept(self, kind: type[K]) -> K:
        """The session's one object of a class."""
        if kind not in self._kept:
            self._kept[kind] = kind(self.session)
        return cast("K", self._kept[kind])

    async def stay(self) -> None:
        """Waits for the end of the session, then ends all that hangs on it."""
        await self.session.gone.wait()
        await self.empty()

    async def empty(self) -> None:
        """Ends all that hangs on the session's sandbox, which is gone."""
        await asyncio.gather(*(self.dismiss(connection) for connection in list(self.connections)))
        kept, self._kept = self._kept, {}
        await asyncio.gather(*(each.close() for each in kept.values()))

    async def dismiss(self, connection: Connection) -> None:
        """Ends a connection with its session, or with the session's sandbox."""
        await connection.settle()
        ended = f"the session has ended: {self.session.end_reason}"
        await connection.close(GOING_AWAY, "the session is hibernated: resume it first" if self.session.live else ended)
