"""A bad line to a WebSocket server: it delays, repeats and cuts what goes through, and reorders nothing."""

from __future__ import annotations

import random
import re
import socket
import struct
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

from attrs import define

PIECE = 65536
TEXT = 0x81  # the first byte of a whole text message


@define
class Line:
    """What is wrong with one connection.

    It is cut after so many bytes of the server's handshake (`head`), of what comes to the client after that (`down`),
    or of what the client sends after its own (`up`), the hard way unless `gently`; -1 means never. Each piece is held
    up to `delay` seconds, and torn into parts of at most `torn` bytes. Each message to the client is repeated with a
    chance of `twice`.
    """

    head: int = -1
    down: int = -1
    up: int = -1
    gently: bool = False
    delay: float = 0.0
    torn: int = PIECE
    twice: float = 0.0

    @classmethod
    def bad(cls, chance: random.Random) -> Self:
        """Any of all that."""
        cut = {chance.choice(["head", "down", "down", "up", "up"]): chance.randrange(chance.choice([100, 3000]))}
        torn, twice = chance.choice([7, 100, PIECE]), chance.choice([0, 0.3])
        return cls(**cut, gently=chance.random() < 0.5, delay=chance.choice([0, 0.001]), torn=torn, twice=twice)


class Proxy:
    """Leads to a server by lines that are as `lines` say, one after the other; then by good ones."""

    def __init__(self, url: str, seed: int) -> None:
        self.lines: list[Line] = []
        self.chance = random.Random(seed)
        self._target = urlsplit(url)
        self._threads: list[threading.Thread] = []
        self._sockets: list[socket.socket] = []
        self._lock = threading.Lock()

    def __enter__(self) -> Self:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"ws://127.0.0.1:{self._listener.getsockname()[1]}{self._target.path}"
        self._start(self._accept)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        with self._lock:
            for one in self._sockets:
                end(one)
        while self._threads:
            self._threads.pop().join(10)
        for one in self._sockets:
            one.close()

    def _start(self, work: object, *arguments: object) -> None:
        thread = threading.Thread(target=work, args=arguments)  # type: ignore[arg-type]
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                server = socket.create_connection((self._target.hostname, self._target.port))
                with self._lock:
                    self._sockets += [client, server]
                    line = self.lines.pop(0) if self.lines else Line()
                    chance = random.Random(self.chance.getrandbits(32))
                for one in (client, server):
                    one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                self._start(carry, server, client, line, (line.head, line.down), down(server, line, chance))
                self._start(carry, client, server, line, (-1, line.up), up(client))


class Cut(Exception):
    """So much was handed on, and no more may be."""


def carry(
    here: socket.socket, there: socket.socket, line: Line, limits: tuple[int, int], pieces: Iterator[bytes]
) -> None:
    """Hand on the head and then the rest, until one of the ends goes or the line has to be cut."""
    hard = False
    try:
        hand_on([next(pieces)], there, line, limits[0])
        hand_on(pieces, there, line, limits[1])
    except Cut:
        hard = not line.gently
    except OSError:
        pass
    end(here, hard=hard)
    end(there, hard=hard)


def hand_on(pieces: Iterable[bytes], there: socket.socket, line: Line, limit: int) -> None:
    """Hand on at most so many bytes; raises Cut when that is over."""
    left = limit
    for piece in pieces:
        for start in range(0, len(piece), line.torn):
            time.sleep(line.delay)
            part = piece[start : start + line.torn]
            there.sendall(part if limit < 0 else part[:left])
            left -= len(part)
            if limit >= 0 and left <= 0:
                raise Cut


def end(one: socket.socket, *, hard: bool = False) -> None:
    """Ends a connection, with a reset where it is to be hard."""
    with suppress(OSError):
        if hard:
            one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        one.shutdown(socket.SHUT_RDWR)


def up(client: socket.socket) -> Iterator[bytes]:
    """What the client sends; compression is not offered, for what is compressed cannot be repeated."""
    head, rest = handshake(client)
    yield re.sub(rb"(?i)\r\nSec-WebSocket-Extensions:[^\r]*", b"", head)
    yield rest
    while piece := client.recv(PIECE):
        yield piece


def down(server: socket.socket, line: Line, chance: random.Random) -> Iterator[bytes]:
    """What the server sends, message by message; some of them twice."""
    head, rest = handshake(server)
    yield head
    while True:
        size = length(rest)
        if size is not None and len(rest) >= size:
            frame, rest = rest[:size], rest[size:]
            yield frame * (1 + (frame[0] == TEXT and chance.random() < line.twice))
        elif more := server.recv(PIECE):
            rest += more
        else:
            yield rest
            return


def handshake(one: socket.socket) -> tuple[bytes, bytes]:
    """The head of an HTTP message, and what came with it."""
    got = b""
    while b"\r\n\r\n" not in got and (more := one.recv(PIECE)):
        got += more
    head, mark, rest = got.partition(b"\r\n\r\n")
    return head + mark, rest


def length(data: bytes) -> int | None:
    """How long the frame is that begins here; servers do not mask. None when that cannot be seen yet."""
    if len(data) < 2:
        return None
    short = data[1] & 127
    wide = {126: 2, 127: 8}.get(short, 0)
    if len(data) < 2 + wide:
        return None
    return 2 + wide + (int.from_bytes(data[2 : 2 + wide]) if wide else short)
