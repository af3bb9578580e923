"""What the connections of one session share: the session, what it keeps for them, and its end."""

from __future__ import annotations

import asyncio
from typing import Any, Protocol, TypeVar, cast

from agentbay_local.channel.connection import GOING_AWAY, Connection
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
        await asyncio.gather(*(self.dismiss(connection) for connection in self.connections))
        await asyncio.gather(*(kept.close() for kept in self._kept.values()))

    async def dismiss(self, connection: Connection) -> None:
        """Ends a connection with its session."""
        await connection.settle()
        await connection.close(GOING_AWAY, f"the session has ended: {self.session.end_reason}")
