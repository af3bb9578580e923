"""The server that `bench.links` measures, on this machine and in a session: HTTP at a port, WebSocket at the next."""

from __future__ import annotations

import asyncio
import sys

from websockets.asyncio.server import ServerConnection, serve

PIECE = bytes(1 << 20)
SHORT = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"


class Pages(asyncio.Protocol):
    """`/` is five bytes, `/N` is N MiB; no header is looked at."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self.left = 0
        self.choked = False

    def data_received(self, data: bytes) -> None:
        path = data.split(b" ", 2)[1]
        if path == b"/":
            self.transport.write(SHORT)
            return
        self.left = int(path[1:])
        self.transport.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (self.left << 20))
        self.go_on()

    def go_on(self) -> None:
        while self.left and not self.choked:
            self.left -= 1
            self.transport.write(PIECE)

    def pause_writing(self) -> None:
        self.choked = True

    def resume_writing(self) -> None:
        self.choked = False
        self.go_on()


async def talk(socket: ServerConnection) -> None:
    """A number is answered with so many MiB, anything else with itself."""
    async for message in socket:
        if isinstance(message, str) and message.isdecimal():
            for _ in range(int(message)):
                await socket.send(PIECE)
        else:
            await socket.send(message)


async def main(port: int) -> None:
    pages = await asyncio.get_running_loop().create_server(Pages, "127.0.0.1", port)
    async with serve(talk, "127.0.0.1", port + 1, compression=None, max_size=None):
        await pages.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1])))
