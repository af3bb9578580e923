"""One who looks at a screen: pictures and facts go out at the pace of the client, input comes in."""

from __future__ import annotations

import asyncio
import contextlib
import json
import struct
from collections import deque
from typing import TYPE_CHECKING, Any, Final

import aiohttp
from aiohttp import WSMsgType, web
from attrs import define, field

from agentbay_local.desktop.watch import Area
from agentbay_local.page.view_input import BadInput, read

if TYPE_CHECKING:
    from agentbay_local.page.view_room import Room

__all__ = ["BUG", "GOING_AWAY", "POLICY", "Frame", "Held", "Viewer"]

Json = dict[str, Any]
GOING_AWAY, POLICY, BUG = 1001, 1008, 1011
LAST_WORDS: Final = 2.0
MOST_WAITING: Final = 500
"""Inputs that wait for the session; moves of the pointer and turns of the wheel are put together before that."""
HEAD: Final = struct.Struct("<IHHHHHH")


@define(eq=False)
class Frame:
    """A picture of a part of the screen, or of all of it, as a JPEG file; `size` is that of the screen."""

    area: Area
    size: tuple[int, int]
    data: bytes

    def packed(self, number: int) -> bytes:
        """As clients read it: its number, its place, the screen's size (little-endian), then the file."""
        place = (self.area.x, self.area.y, self.area.width, self.area.height)
        return HEAD.pack(number & 0xFFFFFFFF, *place, *self.size) + self.data


@define
class Held:
    """What a viewer holds down, so that it can be let go when they leave."""

    keys: dict[str, int] = field(factory=dict)
    buttons: dict[str, tuple[int, int]] = field(factory=dict)
    wheel: list[float] = field(factory=lambda: [0.0, 0.0])
    """What was turned and is less than a step."""


class Viewer:
    """A client's connection. The newest of each kind of facts is kept for it, and one picture: nothing piles up."""

    def __init__(self, room: Room, socket: web.WebSocketResponse, transport: asyncio.Transport | None) -> None:
        self.dirty: Area | None = None
        """What it has not been shown."""
        self.ready = True
        """Whether it has drawn the last picture."""
        self.held = Held()
        self._room = room
        self._socket, self._transport = socket, transport
        self._facts: dict[str, Json] = {}
        self._frame: Frame | None = None
        self._shown = 0
        self._news = asyncio.Event()
        self._inputs: deque[Json] = deque()
        self._asked = asyncio.Event()

    # --- What goes out ------------------------------------------------------------------------------------------------

    def tell(self, kind: str, /, **facts: Any) -> None:
        """Sends facts soon; those of the same kind that are newer replace them."""
        self._facts[kind] = {"type": kind, **facts}
        self._news.set()

    def show(self, frame: Frame) -> None:
        """Sends a picture; it is `ready` for another one when its client says so."""
        self.ready = False
        self._frame = frame
        self._news.set()

    async def _send(self) -> None:
        while True:
            await self._news.wait()
            self._news.clear()
            facts, self._facts = self._facts, {}
            frame, self._frame = self._frame, None
            for each in facts.values():
                await self._socket.send_str(json.dumps(each))
            if frame is not None:
                self._shown += 1
                await self._socket.send_bytes(frame.packed(self._shown))

    # --- What comes in ------------------------------------------------------------------------------------------------

    async def serve(self) -> None:
        """Serves it until either side closes."""
        works = [asyncio.create_task(self._send()), asyncio.create_task(self._act())]
        try:
            async for message in self._socket:
                self._take(read(message.data if message.type is WSMsgType.TEXT else ""))
        except BadInput as bad:
            await self.close(POLICY, str(bad))
        finally:
            for work in works:
                work.cancel()
            outcomes = await asyncio.gather(*works, return_exceptions=True)
        for outcome in outcomes:
            if isinstance(outcome, Exception) and not isinstance(outcome, ConnectionError | aiohttp.ClientError):
                raise outcome

    def _take(self, told: Json) -> None:
        if told["type"] == "ack":
            self.ready = self.ready or int(told["frame"]) == self._shown & 0xFFFFFFFF
            self._room.stir()
        elif told["type"] == "ping":
            self.tell("pong", time=told["time"])
        else:
            self._queue(told)

    def _queue(self, told: Json) -> None:
        last = self._inputs[-1] if self._inputs else {}
        if joined := _joined(last, told):
            self._inputs[-1] = joined
        elif len(self._inputs) >= MOST_WAITING:
            raise BadInput("more input comes than the session takes in")
        else:
            self._inputs.append(told)
        self._asked.set()

    async def _act(self) -> None:
        while True:
            await self._asked.wait()
            self._asked.clear()
            while self._inputs:
                await self._room.act(self, self._inputs.popleft())

    # --- The end ------------------------------------------------------------------------------------------------------

    async def close(self, code: int, reason: str) -> None:
        """Ends it, telling the client why; one that does not listen is cut off."""
        if self._transport is not None:
            asyncio.get_running_loop().call_later(LAST_WORDS, self._transport.abort)
        with contextlib.suppress(TimeoutError, ConnectionError):
            async with asyncio.timeout(LAST_WORDS):
                await self._socket.close(code=code, message=_short(reason))


def _joined(last: Json, told: Json) -> Json:
    """Two inputs as one, if nobody would see the first; nothing otherwise."""
    moves = told["type"] == "pointer" and told["action"] == "move"
    if moves and last.get("type") == "pointer" and last["action"] == "move":
        return told
    if told["type"] == last.get("type") == "wheel" and told["modifiers"] == last["modifiers"]:
        return {**told, "dx": told["dx"] + last["dx"], "dy": told["dy"] + last["dy"]}
    return {}


def _short(reason: str) -> bytes:
    """As much as a closing frame may hold."""
    return reason.encode()[:120].decode(errors="ignore").encode()
