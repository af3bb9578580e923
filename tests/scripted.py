"""A server that follows a script, byte by byte, and a pair of helpers for calls at the same time."""

from __future__ import annotations

import asyncio
import socket
import ssl
import struct
import threading
from collections.abc import Awaitable, Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from types import TracebackType
from typing import Self, TypeVar

from attrs import frozen

Item = TypeVar("Item")
Result = TypeVar("Result")


@frozen
class Request:
    """One request as it came."""

    head: bytes
    body: bytes


class Peer:
    """The server's end of one connection."""

    def __init__(self, sock: socket.socket, number: int) -> None:
        self.sock = sock
        self.number = number
        self._received = b""

    def request(self) -> Request | None:
        """The next request; None when the client has gone."""
        head = self._until(lambda: self._received.find(b"\r\n\r\n") + 4 if b"\r\n\r\n" in self._received else 0)
        if head is None:
            return None
        size = int(head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0])
        body = self._until(lambda: size if len(self._received) >= size else -1) if size else b""
        return None if body is None else Request(head, body)

    def send(self, data: bytes) -> None:
        """Sends bytes as they are."""
        self.sock.sendall(data)

    def reply(self, body: bytes, *headers: bytes, status: int = 200) -> None:
        """Sends a whole answer."""
        lines = [b"HTTP/1.1 %d Fine" % status, b"Content-Length: %d" % len(body), *headers]
        self.send(b"\r\n".join(lines) + b"\r\n\r\n" + body)

    def reset(self) -> None:
        """Ends the connection the hard way."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        socket.socket.close(self.sock)

    def _until(self, wanted: Callable[[], int]) -> bytes | None:
        while (size := wanted()) <= 0:
            data = self.sock.recv(65536)
            if not data:
                return None
            self._received += data
        taken, self._received = self._received[:size], self._received[size:]
        return taken


Script = Callable[[Peer], object]


class Server:
    """Runs a script for each connection, in a thread of its own. Counts what it sees."""

    def __init__(self, script: Script, tls: ssl.SSLContext | None = None) -> None:
        self._script = script
        self._tls = tls
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=512)
        self.url = f"{'https' if tls else 'http'}://127.0.0.1:{self._listener.getsockname()[1]}"
        self._lock = threading.Lock()
        self._open: dict[int, socket.socket] = {}
        self._threads: list[threading.Thread] = []
        self.opened = 0
        self.most = 0
        self.over = threading.Event()

    def __enter__(self) -> Self:
        self._start(self._accept)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.over.set()
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        with self._lock:
            for sock in self._open.values():
                with suppress(OSError):
                    socket.socket.shutdown(sock, socket.SHUT_RDWR)
        for thread in list(self._threads):
            thread.join(10)

    def _start(self, function: Callable[[], None]) -> None:
        thread = threading.Thread(target=function, daemon=True)
        self._threads = [*filter(threading.Thread.is_alive, self._threads), thread]
        thread.start()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                sock, _ = self._listener.accept()
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                with self._lock:
                    self.opened += 1
                    number = self.opened
                    self._open[number] = sock
                    self.most = max(self.most, len(self._open))
                self._start(lambda sock=sock, number=number: self._serve(sock, number))  # type: ignore[misc]

    def _serve(self, sock: socket.socket, number: int) -> None:
        try:
            with suppress(OSError):
                if self._tls is not None:
                    sock = self._tls.wrap_socket(sock, server_side=True, do_handshake_on_connect=False)
                    with self._lock:
                        self._open[number] = sock
                    sock.do_handshake()
                self._script(Peer(sock, number))
        finally:
            with self._lock:
                self._open.pop(number).close()
            sock.close()


def actions(answer: Callable[[str, Request], bytes]) -> Script:
    """Answers actions by their names; far quicker than the gateway, and remembers nothing."""

    def script(peer: Peer) -> None:
        while request := peer.request():
            name = request.head.partition(b"Action=")[2].partition(b"&")[0]
            peer.reply(answer(name.decode(), request), b"Content-Type: application/json")

    return script


def echo(peer: Peer) -> None:
    """Answers each request with its own body."""
    while request := peer.request():
        peer.reply(request.body)


async def async_all(
    function: Callable[[Item], Awaitable[Result]],
    items: Iterable[Item],
    workers: int = 64,
) -> list[Result | BaseException]:
    """Calls the function for all items at once; gives results and exceptions in their order."""
    return await asyncio.gather(*(function(item) for item in items), return_exceptions=True)


def all(  # noqa: A001
    function: Callable[[Item], Result], items: Iterable[Item], workers: int = 64
) -> list[Result | BaseException]:
    """Calls the function for all items, as many at once as there are workers."""
    with ThreadPoolExecutor(workers) as pool:
        futures: list[Future[Result]] = [pool.submit(function, item) for item in items]
        return [future.exception() or future.result() for future in futures]
