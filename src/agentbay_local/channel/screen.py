"""One terminal as the connections of a session see it."""

from __future__ import annotations

import asyncio
import base64
import secrets
from collections import deque
from collections.abc import Callable
from typing import Final

from agentbay_local.channel.connection import Connection, ConnectionOver
from agentbay_local.channel.registry import Json, Refused
from agentbay_local.sandbox.contract import SandboxError, Terminal
from agentbay_local.tools.faults import size

__all__ = ["PTY_SERVER", "Screen", "output", "whole"]

PTY_SERVER: Final = "PTY_SERVER"
TASK: Final = "agentbay-terminal"
MOST_WAITING: Final = 8 << 20
"""Bytes that were typed and are not taken in yet."""
MOST_MISSED: Final = 256 << 10
"""Bytes that were printed while nobody was connected; of more, the latest are kept."""
PAUSE: Final = 0.05
"""Seconds that half a character waits for its other half."""


class Screen:
    """One terminal, and who sees it: `over` is called when nothing of it is left to be told.

    It prints at the pace of the slowest who sees it. What it prints while there is nobody, and its end, wait for the
    next one who comes.
    """

    def __init__(self, terminal: Terminal, over: Callable[[Screen], None]) -> None:
        self.id = f"pty-{secrets.token_hex(8)}"
        self.ended = False
        self._terminal = terminal
        self._over = over
        self._viewers: dict[Connection, Callable[[], None]] = {}
        self._turn = asyncio.Lock()
        self._half = b""
        self._missed = bytearray()
        self._exit: int | None = None
        self._typed: deque[bytes] = deque()
        self._waiting = 0
        self._typing: asyncio.Task[None] | None = None
        self._pump = asyncio.create_task(self._print(), name=TASK)

    # --- Who sees it --------------------------------------------------------------------------------------------------

    async def show(self, connection: Connection) -> None:
        """Lets a connection see it from now on, and what nobody has seen yet."""
        async with self._turn:
            if connection not in self._viewers and not connection.over.is_set():
                self._viewers[connection] = connection.on_close(lambda: self._leave(connection))
            missed, self._missed = self._missed, bytearray()
            await self._put(bytes(missed))
            await self._tell_end()

    async def _leave(self, connection: Connection) -> None:
        if forget := self._viewers.pop(connection, None):
            forget()

    async def _push(self, event: Json) -> bool:
        """Tells all that see it; whether anybody did."""
        told = False
        for connection in list(self._viewers):
            try:
                await connection.push(PTY_SERVER, event | {"ptySessionId": self.id})
                told = True
            except ConnectionOver:
                await self._leave(connection)
        return told

    # --- What it prints -----------------------------------------------------------------------------------------------

    async def _print(self) -> None:
        try:
            while data := await self._read():
                async with self._turn:
                    ready, self._half = whole(self._half + data)
                    await self._put(ready)
            await self._flush()
            self._exit = await self._code()
        finally:
            self.ended = True
            self._terminal.close()
        async with self._turn:
            await self._tell_end()

    async def _read(self) -> bytes:
        """The next output; half a character that stays alone is put out by itself."""
        await asyncio.sleep(0)  # a program that floods makes nobody wait here, and others want their turn
        if self._half:
            try:
                async with asyncio.timeout(PAUSE):
                    return await self._terminal.read()
            except TimeoutError:
                await self._flush()
        return await self._terminal.read()

    async def _flush(self) -> None:
        async with self._turn:
            half, self._half = self._half, b""
            await self._put(half)

    async def _put(self, data: bytes) -> None:
        """Shows output, or keeps it for the next one who comes."""
        if data and not await self._push({"eventType": "pty.output"} | output(data)):
            self._missed += data
            del self._missed[:-MOST_MISSED]

    async def _code(self) -> int | None:
        """The exit code; None when the whole sandbox has ended, of which the end of the connection tells more."""
        try:
            return await self._terminal.wait()
        except SandboxError:
            return None

    async def _tell_end(self) -> None:
        if self._exit is not None and await self._push({"eventType": "pty.exit", "exitCode": self._exit}):
            self._let_go()

    # --- What is typed ------------------------------------------------------------------------------------------------

    def type(self, data: bytes) -> None:
        """Takes input, which the program gets in its own time.

        Raises:
            Refused: too much waits already.
        """
        if self._waiting + len(data) > MOST_WAITING:
            raise Refused(f"The program does not read: {size(MOST_WAITING)} of input may wait, and no more")
        self._typed.append(data)
        self._waiting += len(data)
        if self._typing is None:
            self._typing = asyncio.create_task(self._write(), name=TASK)

    async def _write(self) -> None:
        while self._typed:
            await self._terminal.write(self._typed[0])
            self._waiting -= len(self._typed.popleft())
        self._typing = None

    def resize(self, cols: int, rows: int) -> None:
        """Changes the size; the program is told."""
        self._terminal.resize(cols, rows)

    # --- Its end ------------------------------------------------------------------------------------------------------

    def kill(self) -> None:
        """Ends the program and what it has started; those who see it are told."""
        self._terminal.kill()

    def _let_go(self) -> None:
        for forget in self._viewers.values():
            forget()
        self._viewers.clear()
        self._over(self)

    async def close(self) -> None:
        """Ends all of it, whatever nobody has seen."""
        self._terminal.close()
        self._let_go()
        tasks = [task for task in (self._pump, self._typing) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def whole(data: bytes) -> tuple[bytes, bytes]:
    """Splits off the beginning of a UTF-8 character whose rest is still to come."""
    for length in range(1, min(4, len(data) + 1)):
        byte = data[-length]
        if byte & 0xC0 == 0x80:  # goes on with a character
            continue
        needed = 4 if byte >= 0xF0 else 3 if byte >= 0xE0 else 2
        cut = 0xC2 <= byte <= 0xF4 and needed > length
        return (data[:-length], data[-length:]) if cut else (data, b"")
    return data, b""


def output(data: bytes) -> Json:
    """Writes what was printed: as text where it is UTF-8, else as base64."""
    try:
        return {"encoding": "utf8", "data": data.decode()}
    except UnicodeDecodeError:
        return {"encoding": "base64", "data": base64.b64encode(data).decode()}
