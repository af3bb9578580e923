"""The host's half of a call: a request in, answers and descriptors back, on a socket pair made for it alone."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import json
import marshal
import os
import socket
from collections.abc import Iterator, Sequence
from typing import Any, Final

from agentbay_local.sandbox.contract import LimitReached, SandboxError, SandboxGone
from agentbay_local.undo import on_failure

CHUNK: Final = 1 << 18
MOST_BYTES: Final = 256 << 20
"""Of one answer; what is inside the sandbox may be hostile, the daemon too."""
ROOM: Final = socket.CMSG_SPACE(4 * 8)
CREDENTIALS: Final = socket.CMSG_SPACE(12)
HEADER: Final = 4
NO_ANSWER: Final = "the sandbox sent something that is no answer"
NO_DESCRIPTORS: Final = "this server has no file descriptors left; raise its limit (ulimit -n)"

Answer = dict[str, Any]


@contextlib.contextmanager
def host_descriptors() -> Iterator[None]:
    """Say clearly when it is this server, not the sandbox, that has no descriptors left."""
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.EMFILE, errno.ENFILE, errno.ETOOMANYREFS):
            raise
        raise LimitReached(NO_DESCRIPTORS) from error


def set_pending(future: asyncio.Future[None]) -> None:
    """Wake a waiter that has not given up."""
    if not future.done():
        future.set_result(None)


async def readable(fd: int) -> None:
    """Wait until `fd` can be read. One waiter at a time for a descriptor."""
    loop = asyncio.get_running_loop()
    ready: asyncio.Future[None] = loop.create_future()
    loop.add_reader(fd, set_pending, ready)
    try:
        await ready
    finally:
        loop.remove_reader(fd)


async def writable(fd: int) -> None:
    """Wait until `fd` can be written."""
    loop = asyncio.get_running_loop()
    ready: asyncio.Future[None] = loop.create_future()
    loop.add_writer(fd, set_pending, ready)
    try:
        await ready
    finally:
        loop.remove_writer(fd)


def received(controls: list[tuple[int, int, bytes]]) -> list[int]:
    """The descriptors that came with one read."""
    rights = (data for level, kind, data in controls if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS))
    cells = (data[at : at + 4] for data in rights for at in range(0, len(data) - 3, 4))
    return [int.from_bytes(cell, "little") for cell in cells]


def close_all(fds: Sequence[int]) -> None:
    for fd in fds:
        os.close(fd)


def raise_failure(answer: Answer) -> None:
    """The error inside, raised outside."""
    number, path = answer.get("errno"), answer.get("path")
    if isinstance(number, int):
        raise OSError(number, os.strerror(number), *([path] if path else []))


class Control:
    """The one socket that a daemon is born with: it brings a channel for each call."""

    def __init__(self, end: socket.socket) -> None:
        end.setblocking(False)
        self._socket = end
        self._turn = asyncio.Lock()

    async def ready(self) -> tuple[int, list[int]]:
        """Wait for the daemon; its process id as the host sees it, and descriptors of its file systems."""
        async with self._turn:
            await readable(self._socket.fileno())
            data, controls, _, _ = self._socket.recvmsg(1, ROOM + CREDENTIALS, socket.MSG_CMSG_CLOEXEC)
        if not data:
            raise SandboxGone("the sandbox ended while it was starting")
        credentials = (cell for _, kind, cell in controls if kind == socket.SCM_CREDENTIALS)
        return int.from_bytes(next(credentials)[:4], "little"), received(controls)

    async def open(self, request: Answer, fds: Sequence[int] = ()) -> Channel:
        """Send a request on a new channel."""
        with host_descriptors():
            ours, theirs = socket.socketpair()
        channel = Channel(ours)
        with on_failure(channel.close):
            with theirs:
                await self._pass_on(theirs)
            await channel.send(request, fds)
        return channel

    async def _pass_on(self, end: socket.socket) -> None:
        """Hand one end to the daemon; a paused one takes it later."""
        async with self._turn:
            while True:
                try:
                    with host_descriptors():
                        socket.send_fds(self._socket, [b"c"], [end.fileno()])
                    return
                except BlockingIOError:
                    await writable(self._socket.fileno())
                except OSError as error:
                    raise SandboxGone("the sandbox has ended") from error

    def shut(self) -> None:
        """Tell whoever waits that there is nothing to wait for."""
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)

    async def close(self) -> None:
        """The descriptor goes last: nobody must be left waiting for one that is not there any more."""
        self.shut()
        async with self._turn:
            self._socket.close()


class Channel:
    """One call."""

    def __init__(self, end: socket.socket) -> None:
        end.setblocking(False)
        self._socket = end
        self._bytes = bytearray()
        self._fds: list[int] = []

    async def send(self, request: Answer, fds: Sequence[int]) -> None:
        """The request, with descriptors for it. The daemon trusts us, so the quickest encoding will do."""
        body = marshal.dumps(request)
        frame = len(body).to_bytes(4, "big") + body
        try:
            with host_descriptors():
                sent = socket.send_fds(self._socket, [frame[:CHUNK]], list(fds))
            if sent < len(frame):  # else the daemon may have answered and gone by now
                await asyncio.get_running_loop().sock_sendall(self._socket, frame[sent:])
        except (BrokenPipeError, ConnectionResetError) as error:
            raise SandboxGone("the sandbox has ended") from error

    async def answer(self) -> tuple[Answer, list[int]]:
        """The next answer and the descriptors with it, which are then the caller's.

        Raises:
            OSError: the daemon reports one.
            EOFError: no answer will come.
        """
        while len(self._bytes) < HEADER or len(self._bytes) < HEADER + self._length():
            await self._read()
        end = HEADER + self._length()
        body = bytes(self._bytes[HEADER:end])
        del self._bytes[:end]
        answer = understood(body)
        raise_failure(answer)
        fds, self._fds = self._fds, []
        return answer, fds

    def _length(self) -> int:
        return int.from_bytes(self._bytes[:HEADER], "big")

    async def _read(self) -> None:
        """Take in what has come, or wait for something to come."""
        try:
            data, controls, flags, _ = self._socket.recvmsg(CHUNK, ROOM, socket.MSG_CMSG_CLOEXEC)
        except BlockingIOError:
            return await readable(self._socket.fileno())
        except ConnectionResetError as error:
            raise EOFError from error
        self._fds += received(controls)
        if not data:
            raise EOFError
        if flags & socket.MSG_CTRUNC:
            raise LimitReached(NO_DESCRIPTORS)
        self._bytes += data
        if len(self._bytes) > MOST_BYTES:
            raise SandboxError("the sandbox sent more than an answer may hold")
        return None

    def hang_up(self) -> None:
        """Order the end of the work; its answer still comes."""
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        """The end of the call, and of its work if that still goes on."""
        self._socket.close()
        close_all(self._fds)
        self._fds = []


def understood(body: bytes) -> Answer:
    """An answer, which a hostile sandbox may have written."""
    try:
        answer = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise SandboxError(NO_ANSWER) from error
    if not isinstance(answer, dict):
        raise SandboxError(NO_ANSWER)
    return answer
