"""One message that is being answered: what it says, and the ways to answer it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final, TypeVar

from agentbay_local.channel.frames import Frame
from agentbay_local.channel.registry import Json, Refused

if TYPE_CHECKING:
    from agentbay_local.channel.connection import Connection

__all__ = ["Call"]

T = TypeVar("T")

_NEEDED: Final[Any] = object()
_NAMES: Final[dict[type, str]] = {
    str: "text",
    int: "a whole number",
    dict: "an object",
    list: "a list",
    bool: "a boolean",
}


class Call:
    """A message of a client, for as long as its handler runs. `size` is that of its frame, in characters."""

    def __init__(self, connection: Connection, frame: Frame, size: int) -> None:
        self.connection = connection
        self.id = frame.id
        self.target = frame.target
        self.method = frame.method
        self.data = frame.data
        self.held = size
        self._seq = 0
        self._further: asyncio.Queue[tuple[Json, int]] = asyncio.Queue()

    @property
    def params(self) -> Json:
        """The message's parameters; none when they are left out.

        Raises:
            Refused: they are no object.
        """
        found = self.data.get("params")
        if found is None:
            return {}
        if not isinstance(found, dict):
            raise Refused(f"{self.method}: params must be an object")
        return found

    def param(self, name: str, kind: type[T], default: T = _NEEDED) -> T:
        """A parameter; null counts as left out.

        Raises:
            Refused: it is of another type, or it is left out and has no default.
        """
        value = self.params.get(name)
        if value is None:
            if default is _NEEDED:
                raise Refused(f"{self.method}: the parameter {name} is missing")
            return default
        if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
            raise Refused(f"{self.method}: the parameter {name} must be {_NAMES[kind]}")
        return value

    async def event(self, data: Json) -> None:
        """Sends one event of a stream, numbered; waits while the client is slow.

        Raises:
            ConnectionOver: the client has gone.
        """
        await self.reply(data | {"phase": "event", "seq": self._next()})

    def end(self, data: Json) -> Json:
        """Makes the last frame of a stream, for the handler to return."""
        return data | {"phase": "end", "seq": self._next()}

    async def reply(self, data: Json) -> None:
        """Sends a frame for the caller at once; as the last one, where something must come after it.

        Raises:
            ConnectionOver: the client has gone.
        """
        await self.connection.send(self.id, self.target, data)

    async def more(self) -> Json:
        """Waits for the next message that a client sends on this stream, with its id and target."""
        data, size = await self._further.get()
        self.connection.release(self, size)
        return data

    def follow(self, frame: Frame, size: int) -> None:
        """Takes in a further message of the client."""
        self.held += size
        self._further.put_nowait((frame.data, size))

    def _next(self) -> int:
        self._seq += 1
        return self._seq
