"""A program's pipes on the host's side: fed and emptied by the event loop, none waiting for another."""

from __future__ import annotations

import asyncio
import fcntl
import os
import termios
from collections.abc import Callable
from typing import Final

from agentbay_local.sandbox.channel import Channel, host_descriptors

CHUNK: Final = 1 << 16

Drain = Callable[[int], asyncio.Task[Channel | None]]
"""Has somebody else read a pipe to its end; on the channel, once hung up, comes how many bytes that were."""


def make_pipe(owner: int | None) -> tuple[int, int]:
    """A pipe: read end, write end.

    It belongs to the host user who runs the sandbox, or else programs inside could not open /dev/stdout once more.
    """
    with host_descriptors():
        reader, writer = os.pipe()
    if owner is not None:
        os.fchown(reader, owner, owner)
    return reader, writer


class Collector:
    """Keeps the first bytes that come out of a pipe, and owns its read end. The rest is left to `drain`."""

    def __init__(self, fd: int, most: int, drain: Drain) -> None:
        os.set_blocking(fd, False)
        self._fd = fd
        self._kept = bytearray()
        self._dropped = 0
        self._ended = False
        self._most = most
        self._drain = drain
        self._drained: asyncio.Task[Channel | None] | None = None
        asyncio.get_running_loop().add_reader(fd, self._pull, CHUNK)

    def _pull(self, most: int) -> int:
        """Take in what is there; how many bytes that was."""
        try:
            data = os.read(self._fd, most)
        except BlockingIOError:
            return 0
        kept = data[: self._most - len(self._kept)]
        self._kept += kept
        self._dropped += len(data) - len(kept)
        self._ended = not data
        if self._dropped:
            self._drained = self._drain(self._fd)
        if self._ended or self._drained:
            self._stop()
        return len(data)

    async def finish(self) -> tuple[bytes, int]:
        """What the program, which has ended, wrote: what is kept of it, and how many bytes are not.

        What it left in the pipe is taken, but nobody waits for others who still write to it.
        """
        left = int.from_bytes(fcntl.ioctl(self._fd, termios.FIONREAD, bytes(4)), "little") + 1
        while left > 0 and not self._ended and not self._drained:
            taken = self._pull(min(left, CHUNK))
            left = left - taken if taken else 0
        self._stop()
        if self._dropped:
            self._dropped += await self._swallowed()
        elif not self._ended:
            self._drained = self._drain(self._fd)
        return bytes(self._kept), self._dropped

    async def _swallowed(self) -> int:
        """How many bytes the other reader has thrown away until now."""
        assert self._drained
        if not (channel := await asyncio.shield(self._drained)):
            return 0
        channel.hang_up()
        try:
            answer, _ = await channel.answer()
        except EOFError:
            return 0
        count = answer.get("dropped")
        return count if isinstance(count, int) else 0

    def _stop(self) -> None:
        asyncio.get_running_loop().remove_reader(self._fd)

    def close(self) -> None:
        self._stop()
        os.close(self._fd)
        if self._drained:
            self._drained.add_done_callback(let_go)


def let_go(drained: asyncio.Task[Channel | None]) -> None:
    """Nobody asks any more how much is thrown away; that it is goes on."""
    if not drained.cancelled() and (channel := drained.result()):
        channel.close()


class Feeder:
    """Writes all it has into a pipe, as fast as the other side reads, and owns its write end."""

    def __init__(self, fd: int, data: bytes) -> None:
        os.set_blocking(fd, False)
        self._fd = fd
        self._left = memoryview(data)
        asyncio.get_running_loop().add_writer(fd, self._push)

    def _push(self) -> None:
        try:
            self._left = self._left[os.write(self._fd, self._left[:CHUNK]) :]
        except BlockingIOError:
            return
        except BrokenPipeError:  # the program does not want it
            self._left = self._left[:0]
        if not self._left:
            self.close()

    def close(self) -> None:
        """Stop writing. May be repeated."""
        if self._fd >= 0:
            asyncio.get_running_loop().remove_writer(self._fd)
            os.close(self._fd)
            self._fd = -1
