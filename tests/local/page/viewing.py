"""Somebody who looks at a session's screen by its WebSocket: what they see, and what they do."""

from __future__ import annotations

import asyncio
import io
import struct
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
from attrs import define, field
from PIL import Image

from tests.local.page.looking import Looker

HEAD = struct.Struct("<IHHHHHH")
PATIENCE = 20.0

Pixel = tuple[int, int, int]


@define(eq=False)
class Eye:
    """One connection; `told` has the newest of each kind of facts, `picture` what is on the screen."""

    socket: aiohttp.ClientWebSocketResponse
    told: dict[str, dict[str, Any]] = field(factory=dict)
    picture: Image.Image = field(factory=lambda: Image.new("RGB", (1, 1)))
    frames: int = 0
    sizes: list[int] = field(factory=list)
    acknowledges: bool = True

    async def send(self, kind: str, /, **fields: Any) -> None:
        await self.socket.send_json({"type": kind, **fields})

    async def next(self) -> bool:
        """Takes a message; false once the connection has ended."""
        message = await self.socket.receive()
        if message.type is aiohttp.WSMsgType.TEXT:
            told = message.json()
            self.told[told["type"]] = told
        elif message.type is aiohttp.WSMsgType.BINARY:
            await self._draw(message.data)
        return message.type in {aiohttp.WSMsgType.TEXT, aiohttp.WSMsgType.BINARY}

    async def _draw(self, data: bytes) -> None:
        number, x, y, width, height, *size = HEAD.unpack_from(data)
        part = Image.open(io.BytesIO(data[HEAD.size :])).convert("RGB")
        if self.picture.size != tuple(size):
            self.picture = Image.new("RGB", tuple(size))
        self.picture.paste(part.resize((width, height)), (x, y))
        self.frames += 1
        self.sizes.append(len(data))
        if self.acknowledges:
            await self.send("ack", frame=number)

    async def until(self, seen: Callable[[], Any], patience: float = PATIENCE) -> None:
        """Looks until something is seen."""
        async with asyncio.timeout(patience):
            while not seen():
                assert await self.next(), (self.socket.close_code, self.told)

    async def state(self, wanted: str) -> dict[str, Any]:
        await self.until(lambda: self.told.get("state", {}).get("state") == wanted)
        return self.told["state"]

    async def shown(self, colour: Pixel, at: tuple[int, int]) -> None:
        await self.until(lambda: near(colour, self.pixel(at)))

    def pixel(self, at: tuple[int, int]) -> Any:
        return self.picture.getpixel(at) if at[0] < self.picture.width and at[1] < self.picture.height else (0, 0, 0)

    def first(self, colour: Pixel) -> tuple[int, int]:
        """The uppermost place, and there the leftmost, that has a colour."""
        width, height = self.picture.size
        places = ((x, y) for y in range(height) for x in range(width))
        return next(at for at in places if near(colour, self.pixel(at)))

    async def ended(self) -> tuple[int, str]:
        """The code and the reason with which the server ends the connection."""
        async with asyncio.timeout(PATIENCE):
            while True:
                message = await self.socket.receive()
                if message.type is aiohttp.WSMsgType.CLOSE:
                    return int(message.data), message.extra or ""
                assert message.type in {aiohttp.WSMsgType.TEXT, aiohttp.WSMsgType.BINARY}, message

    async def pointer(self, action: str, x: int, y: int, button: str = "left") -> None:
        await self.send("pointer", action=action, button=button, count=1, x=x, y=y, modifiers=0)

    async def click(self, x: int, y: int, button: str = "left") -> None:
        for action in ("down", "up"):
            await self.pointer(action, x, y, button)

    async def key(self, key: str, code: str = "", modifiers: int = 0, *actions: str) -> None:
        for action in actions or ("down", "up"):
            await self.send("key", action=action, key=key, code=code or key, repeat=False, modifiers=modifiers)


def near(wanted: Pixel, seen: Any) -> bool:
    """JPEG keeps colours nearly."""
    return all(abs(one - other) < 12 for one, other in zip(wanted, seen, strict=True))


@asynccontextmanager
async def looking(looker: Looker, **query: str) -> AsyncIterator[Eye]:
    where = looker.address("/view", **query)
    async with looker.api.http.ws_connect(where, protocols=[f"agentbay.{looker.code}"], max_msg_size=0) as socket:
        yield Eye(socket)


async def begun(looker: Looker, of: str) -> None:
    """Has a screen started by the button of the page."""
    async with looking(looker, of=of) as eye:
        await eye.state("off")
        await eye.send("start")
        await eye.state("on")
        await eye.until(lambda: eye.frames)
