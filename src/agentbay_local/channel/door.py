"""The door to a session's WebSocket."""

from __future__ import annotations

import asyncio
import logging
from typing import Final

from aiohttp import web

from agentbay_local.channel import code, people, terminals, watches
from agentbay_local.channel.connection import LAST_WORDS, Connection
from agentbay_local.channel.room import Room
from agentbay_local.guard import linked
from agentbay_local.logs import say
from agentbay_local.service.core import Service
from agentbay_local.service.refusals import ServiceRefusal
from agentbay_local.service.session import Session

__all__ = ["TARGET_MODULES", "ChannelDoor"]

log = logging.getLogger("agentbay_local")

# Importing them makes their messages known.
TARGET_MODULES = (code, people, terminals, watches)

LARGEST_FRAME: Final = 16 << 20
MOST_CONNECTIONS: Final = 100


class ChannelDoor:
    """Lets those in who have a session's token, and keeps what the connections of a session share."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._rooms: dict[str, Room] = {}
        self._stays: set[asyncio.Task[None]] = set()
        service.at_rest.append(self.empty)

    def routes(self) -> list[web.RouteDef]:
        return [web.get("/channel/{session}", self.connect)]

    async def connect(self, request: web.Request) -> web.WebSocketResponse:
        """One connection, from its beginning to its end."""
        room = self._room(self._session(request))
        if len(room.connections) >= MOST_CONNECTIONS:
            text = f"The session has {MOST_CONNECTIONS} connections open: close one that is not needed."
            raise ServiceRefusal("QuotaExceeded.Connection", text, 429)
        # Deflating costs more than it saves on the way to oneself.
        socket = web.WebSocketResponse(timeout=LAST_WORDS, autoping=False, max_msg_size=LARGEST_FRAME, compress=False)
        await socket.prepare(request)
        connection = Connection(room, socket, request.transport)
        room.connections.add(connection)
        say("channel opened", session=room.session.id, owner=room.session.owner)
        try:
            if not room.session.live:  # it ended meanwhile
                await room.dismiss(connection)
            with people.hearing(connection):
                await connection.serve()
        finally:
            room.connections.discard(connection)
            say("channel closed", session=room.session.id)
        return socket

    def _session(self, request: web.Request) -> Session:
        session = linked(self._service, request)
        try:
            return self._service.usable(session, "it takes no connections now")
        except ServiceRefusal as refusal:
            # Those who wait for a session try again after a conflict, and give up after a bad request.
            refusal.status = 409
            raise

    def _room(self, session: Session) -> Room:
        if session.id not in self._rooms:
            room = self._rooms[session.id] = Room(self._service, session)
            stay = asyncio.create_task(self._stay(room))
            self._stays.add(stay)
            stay.add_done_callback(self._stays.discard)
        return self._rooms[session.id]

    async def _stay(self, room: Room) -> None:
        try:
            await room.stay()
        finally:
            del self._rooms[room.session.id]

    async def empty(self, session: Session) -> None:
        """Ends the connections of a session that is hibernated."""
        if room := self._rooms.get(session.id):
            await room.empty()

    async def close(self, _: web.Application) -> None:
        """Waits until the rooms of the sessions, which have all ended, are empty."""
        for outcome in await asyncio.gather(*self._stays, return_exceptions=True):
            if outcome is not None:
                log.error("unexpected error at the end of a session's connections", exc_info=outcome)
