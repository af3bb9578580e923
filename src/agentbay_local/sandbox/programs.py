"""Programs that go on inside a sandbox, as the host holds them: on a socket, or on a terminal."""

from __future__ import annotations

import asyncio
import errno
import os
import stat
import termios
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, Final

from agentbay_local.sandbox.channel import NO_ANSWER, Channel, close_all, set_pending
from agentbay_local.sandbox.contract import SandboxError
from agentbay_local.undo import on_failure

CHUNK: Final = 1 << 16
MASTER: Final = os.makedev(5, 2)
"""The device number of the host's side of a terminal."""
LAST_WORDS: Final = 0.1
"""Seconds after the program's end in which what others printed may still come, if they hold the terminal open."""


class BoxProcess:
    """A program that goes on; see `contract.Process`. Its input and output are one socket."""

    def __init__(
        self,
        channel: Channel,
        code: Coroutine[Any, Any, int],
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> None:
        self.reader = reader
        self.writer = writer
        self._channel = channel
        self._code = asyncio.get_running_loop().create_task(code)
        self._code.add_done_callback(self._over)

    def _over(self, code: asyncio.Task[int]) -> None:
        self._channel.close()
        seen(code)

    async def wait(self) -> int:
        return await asyncio.shield(self._code)

    async def kill(self) -> None:
        self.writer.close()
        if not self._code.done():
            self._channel.hang_up()


class BoxTerminal:
    """A program on a terminal; see `contract.Terminal`. It owns the terminal's descriptor `fd`."""

    def __init__(self, fd: int, channel: Channel, code: Callable[[], Coroutine[Any, Any, int]]) -> None:
        with on_failure(lambda: os.close(fd)):
            require_terminal(fd)
        os.set_blocking(fd, False)
        self._fd = fd
        self._loop = asyncio.get_running_loop()
        self._channel = channel
        self._waiting: set[asyncio.Future[None]] = set()
        self._over = False
        self._code = self._loop.create_task(code())
        self._code.add_done_callback(self._ended)

    def _ended(self, code: asyncio.Task[int]) -> None:
        self._channel.close()
        seen(code)
        self._loop.call_later(LAST_WORDS, self._finish)

    def _finish(self) -> None:
        self._over = True
        for waiting in self._waiting:
            set_pending(waiting)

    async def read(self) -> bytes:
        while self._fd >= 0:
            data, ended = self._taken()
            if data or ended or self._over:
                return data
            await self._ready(self._loop.add_reader, self._loop.remove_reader)
        return b""

    def _taken(self) -> tuple[bytes, bool]:
        """What is there, which the kernel gives a line or a page at a time; and whether nothing will follow."""
        taken = bytearray()
        try:
            while len(taken) < CHUNK and (piece := os.read(self._fd, CHUNK - len(taken))):
                taken += piece
        except BlockingIOError:
            return bytes(taken), False
        except OSError as error:
            if error.errno != errno.EIO:
                raise
            return bytes(taken), True
        return bytes(taken), False

    async def write(self, data: bytes) -> None:
        left = memoryview(data)
        while left and self._fd >= 0 and not self._over:
            try:
                left = left[os.write(self._fd, left[:CHUNK]) :]
            except BlockingIOError:
                await self._ready(self._loop.add_writer, self._loop.remove_writer)
            except OSError as error:
                if error.errno != errno.EIO:
                    raise
                return

    async def _ready(self, add: Callable[..., None], remove: Callable[[int], bool]) -> None:
        """Wait until the terminal can be read, or written; or is over."""
        waiting: asyncio.Future[None] = self._loop.create_future()
        fd = self._fd
        self._waiting.add(waiting)
        add(fd, set_pending, waiting)
        try:
            await waiting
        finally:
            self._waiting.discard(waiting)
            if self._fd == fd:
                remove(fd)

    def resize(self, cols: int, rows: int) -> None:
        if self._fd >= 0:
            termios.tcsetwinsize(self._fd, (rows, cols))

    async def wait(self) -> int:
        return await asyncio.shield(self._code)

    def kill(self) -> None:
        if not self._code.done():
            self._channel.hang_up()

    def close(self) -> None:
        self.kill()
        if self._fd >= 0:
            self._loop.remove_reader(self._fd)
            self._loop.remove_writer(self._fd)
            os.close(self._fd)
            self._fd = -1
        self._finish()


def require_terminal(fd: int) -> None:
    """What a sandbox sends may be something else, on which reading would wait."""
    about = os.fstat(fd)
    if not stat.S_ISCHR(about.st_mode) or about.st_rdev != MASTER:
        raise SandboxError(NO_ANSWER)


def seen(code: asyncio.Task[int]) -> None:
    """An error is no surprise: whoever waits for the code is told it again."""
    if not code.cancelled():
        code.exception()


def words(argv: Sequence[str]) -> list[str]:
    """A command that is fit to be started."""
    if isinstance(argv, str) or not argv:
        raise ValueError("a command is a list with the program first")
    return list(argv)


def only(fds: list[int]) -> int:
    """The one descriptor that an answer has to bring."""
    if len(fds) == 1:
        return fds[0]
    close_all(fds)
    raise SandboxError(NO_ANSWER)
