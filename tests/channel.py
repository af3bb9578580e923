"""A WebSocket server that follows a script: answers, pushes, delays, repeats itself, and cuts the line at any point."""

from __future__ import annotations

import asyncio
import json
import socket
import struct
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from http import HTTPStatus
from types import TracebackType
from typing import Any, Self

from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response
from websockets.sync.server import ServerConnection, serve

Frame = dict[str, Any]
Answerer = Callable[["Peer", Frame], object]


def workers() -> int:
    """How many readers of channels there are, threads and tasks of the running loop."""
    names = [thread.name for thread in threading.enumerate()]
    with suppress(RuntimeError):
        names += [task.get_name() for task in asyncio.all_tasks()]
    return names.count("agentbay-socket")


class Peer:
    """The server's end of one connection."""

    def __init__(self, connection: ServerConnection, channel: Channel, number: int) -> None:
        self._connection = connection
        self._channel = channel
        self.number = number

    def receive(self) -> Frame:
        """The next frame; raises ConnectionClosed when the client has gone."""
        frame: Frame = json.loads(self._connection.recv())
        with self._channel.changed:
            self._channel.frames.append(frame)
            self._channel.changed.notify_all()
        return frame

    def raw(self, message: str | bytes) -> None:
        """Sends anything."""
        self._connection.send(message)

    def send(self, identity: str, data: Any, target: str = "SDK", source: str = "server", **more: Any) -> None:
        """Sends one frame."""
        self.raw(json.dumps({"invocationId": identity, "source": source, "target": target, "data": data} | more))

    def reply(self, frame: Frame, *datas: Any) -> None:
        """Answers a frame, as often as there are data."""
        for data in datas:
            self.send(frame["invocationId"], data, source=frame["target"])

    def push(self, route: str, data: Any, identity: str = "push-1") -> None:
        """Sends what nobody asked for."""
        self.send(identity, data, source=route)

    def cut(self) -> None:
        """Ends the connection the hard way."""
        with suppress(OSError):
            self._connection.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._connection.close_socket()

    def close(self, code: int = 1000) -> None:
        """Ends the connection with a word."""
        self._connection.close(code)


class Channel:
    """Answers by method; keeps each frame and each handshake.

    A handshake takes `delay` seconds; the statuses in `refusals` are given first.
    """

    def __init__(self) -> None:
        self.frames: list[Frame] = []
        self.handshakes: list[Request] = []
        self.refusals: list[int] = []
        self.peers: list[Peer] = []
        self.answers: dict[str, Answerer] = {}
        self.changed = threading.Condition()
        self.open = 0
        self.delay = 0.0

    def on(self, method: str, *answers: Any) -> None:
        """Say what a method is answered with: data in their order, or a function of the peer and the frame."""
        if len(answers) == 1 and callable(answers[0]):
            self.answers[method] = answers[0]
        else:
            self.answers[method] = lambda peer, frame: peer.reply(frame, *answers)

    def of(self, method: str) -> list[Frame]:
        """The frames of a method."""
        return [frame for frame in self.frames if frame["data"].get("method") == method]

    def wait_for(self, condition: Callable[[], object], seconds: float = 10) -> None:
        """Waits until something of this server has come to be."""
        with self.changed:
            assert self.changed.wait_for(condition, seconds), "it never came"

    def wait_frames(self, method: str, count: int = 1) -> list[Frame]:
        """Waits until a method was called so often."""
        self.wait_for(lambda: len(self.of(method)) >= count)
        return self.of(method)

    def push(self, route: str, data: Any) -> None:
        """Pushes to the client that connected last."""
        self.peers[-1].push(route, data)

    def cut(self) -> None:
        """Cuts the last connection."""
        self.peers[-1].cut()

    def _admit(self, connection: ServerConnection, request: Request) -> Response | None:
        with self.changed:
            self.handshakes.append(request)
            self.changed.notify_all()
        time.sleep(self.delay)
        with self.changed:
            if not self.refusals:
                return None
            status = self.refusals.pop(0)
        response = connection.respond(HTTPStatus(status), "no\n")
        response.headers["Location"] = self.url
        return response

    def _serve(self, connection: ServerConnection) -> None:
        with self.changed:
            self.open += 1
            peer = Peer(connection, self, len(self.peers) + 1)
            self.peers.append(peer)
            self.changed.notify_all()
        try:
            while True:
                frame = peer.receive()
                answer = self.answers.get(frame["data"].get("method", ""))
                if answer is not None:
                    answer(peer, frame)
        except (ConnectionClosed, OSError):
            pass
        finally:
            with self.changed:
                self.open -= 1
                self.changed.notify_all()

    def __enter__(self) -> Self:
        self._server = serve(self._serve, "127.0.0.1", 0, process_request=self._admit)
        self.url = f"ws://127.0.0.1:{self._server.socket.getsockname()[1]}/ws"
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._thread.join(10)
        for peer in self.peers:
            peer.cut()
        self.wait_for(lambda: self.open == 0)
