"""A client of a session's WebSocket that knows nothing: raw frames out, raw frames in."""

from __future__ import annotations

import asyncio
import contextlib
import json
import uuid
from typing import Any

import aiohttp
from attrs import frozen
from yarl import URL

from tests.local.service.api import Api

Json = dict[str, Any]

PATIENCE = 20.0


@frozen
class Closed:
    """How the server closed a connection."""

    code: int | None
    reason: str


@frozen
class Wire:
    """One open connection."""

    socket: aiohttp.ClientWebSocketResponse

    async def send(self, target: str, data: Json, identity: str = "") -> str:
        """Sends a message as clients do, and gives its id."""
        identity = identity or uuid.uuid4().hex
        frame = {"invocationId": identity, "source": "SDK", "target": target, "data": data}
        await self.socket.send_str(json.dumps(frame, separators=(",", ":")))
        return identity

    async def code(self, code: str, language: str = "python", **params: Any) -> str:
        """Runs code as a stream, and gives its id."""
        params = {"language": language, "code": code} | params
        return await self.send("wuying_codespace", {"method": "run_code", "mode": "stream", "params": params})

    async def next(self) -> Json:
        """The next frame."""
        async with asyncio.timeout(PATIENCE):
            message = await self.socket.receive()
        assert message.type is aiohttp.WSMsgType.TEXT, message
        frame: Json = json.loads(message.data)
        return frame

    async def rest(self, identity: str) -> list[Json]:
        """The data of the frames of a stream until its end; those of others are passed over."""
        found: list[Json] = []
        while not found or found[-1].get("phase") == "event":
            frame = await self.next()
            if frame["invocationId"] == identity:
                found.append(frame["data"])
        return found

    async def printed(self, identity: str) -> str:
        """What a stream of code prints, once it is clear that nothing failed."""
        found = await self.rest(identity)
        assert found[-1]["status"] == "finished", found[-2:]
        return "".join(data["chunk"] for data in found if data.get("eventType") == "stdout")

    async def answered(self) -> bool:
        """Whether the connection still works."""
        answer = await self.send("nobody", {"method": "nothing"})
        return bool((await self.next())["invocationId"] == answer)

    async def closed(self) -> Closed:
        """Waits until the server closes."""
        async with asyncio.timeout(PATIENCE):
            while True:
                message = await self.socket.receive()
                if message.type is aiohttp.WSMsgType.CLOSE:
                    return Closed(message.data, message.extra or "")
                assert message.type is aiohttp.WSMsgType.TEXT, message


async def connect(api: Api, made: Json, **headers: str) -> Wire:
    """Connects to a session; headers say what differs from usual."""
    socket = await api.http.ws_connect(
        made["WsUrl"], headers={"X-Access-Token": made["Token"]} | headers, max_msg_size=0, autoclose=False
    )
    return Wire(socket)


async def refused(api: Api, made: Json, **headers: str) -> tuple[int, str]:
    """The status and the code with which a connection is refused."""
    url = made["WsUrl"].replace("ws", "http", 1)
    upgrade = {
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
    }
    async with api.http.get(url, headers=upgrade | {"X-Access-Token": made["Token"]} | headers) as response:
        body = await response.json(content_type=None)
    return response.status, body["Code"]


class Proxy:
    """A way to a server that can be cut; `url` leads through it."""

    def __init__(self, target: URL) -> None:
        self._target = target
        self._writers: set[asyncio.StreamWriter] = set()
        self._server: asyncio.Server | None = None
        self.url = ""

    @classmethod
    async def before(cls, url: str) -> Proxy:
        """One that leads to where an address leads."""
        proxy = cls(URL(url))
        proxy._server = await asyncio.start_server(proxy._pass, "127.0.0.1", 0)
        # The server knows itself by its own port alone.
        proxy.url = str(proxy._target.with_port(proxy._server.sockets[0].getsockname()[1]))
        return proxy

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        assert self._target.host
        assert self._target.port
        there, back = await asyncio.open_connection(self._target.host, self._target.port)
        self._writers |= {writer, back}
        await asyncio.gather(_copy(reader, back), _copy(there, writer))

    def cut(self) -> None:
        """Ends all connections the hard way."""
        for writer in self._writers:
            writer.transport.abort()
        self._writers.clear()

    async def close(self) -> None:
        self.cut()
        assert self._server
        self._server.close()
        await asyncio.sleep(0.01)


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(ConnectionError):
        while data := await reader.read(1 << 16):
            writer.write(data)
            await writer.drain()
    writer.close()
