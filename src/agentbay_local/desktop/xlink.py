"""A connection to an X server inside a sandbox. What comes from there is as little to be trusted as all of it."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Callable
from typing import Final, Self

from agentbay_local.desktop import xproto
from agentbay_local.desktop.xproto import ERROR, GENERIC, HEADER, MAPPING_NOTIFY, REPLY, Setup, XFault, unpack
from agentbay_local.undo import on_failure

__all__ = ["XGone", "XLink", "XRefused", "XSilent"]

PATIENCE: Final = 20.0
"""Seconds that an answer may take; a program can hold the server for itself."""
MOST_BYTES: Final = 64 << 20
"""Of one answer: a picture of sixteen million pixels."""
BUFFER: Final = 1 << 20


class XGone(Exception):
    """The connection has ended."""


class XSilent(Exception):
    """The server does not answer; the message is for users."""

    def __init__(self) -> None:
        super().__init__(f"the desktop did not answer within {PATIENCE:g} s: a program may hold the screen for itself")


class XRefused(Exception):
    """The server refused a request; `code` is its number for the reason, and the message for users."""

    def __init__(self, code: int) -> None:
        gone = code in (xproto.BAD_WINDOW, xproto.BAD_DRAWABLE)
        super().__init__("the window has closed" if gone else f"the X server refused the request (error {code})")
        self.code = code


class XLink:
    """Sends requests, and gives each reply to who waits for it."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, setup: Setup) -> None:
        self.setup = setup
        self.keys_changed = True
        """Whether the meaning of keys may be another than when this was last set to False."""
        self.on_event: Callable[[bytes], None] | None = None
        """Told of each event; must not wait."""
        self._reader = reader
        self._writer = writer
        self._sent = 0
        self._waiting: dict[int, asyncio.Future[bytes]] = {}
        self._names: dict[str, int] = {}
        self._majors: dict[str, tuple[int, int]] = {}
        self._listening = asyncio.get_running_loop().create_task(self._listen())

    @classmethod
    async def over(cls, dialled: socket.socket) -> Self:
        """Begin a connection. Raises XGone, XFault, XSilent."""
        reader, writer = await asyncio.open_unix_connection(sock=dialled, limit=BUFFER)
        with on_failure(writer.close):
            try:
                async with asyncio.timeout(PATIENCE):
                    writer.write(xproto.hello())
                    size = xproto.setup_size(await reader.readexactly(8))
                    return cls(reader, writer, xproto.setup(await reader.readexactly(size)))
            except TimeoutError:
                raise XSilent from None
            except (asyncio.IncompleteReadError, ConnectionError) as error:
                raise XGone from error

    @property
    def alive(self) -> bool:
        return not self._listening.done()

    async def close(self) -> None:
        self._listening.cancel()
        await asyncio.gather(self._listening, return_exceptions=True)
        self._writer.close()

    # --- What comes ---------------------------------------------------------------------------------------------------

    async def _listen(self) -> None:
        try:
            while True:
                head = await self._reader.readexactly(HEADER)
                self._take(head, await self._rest(head))
        except (asyncio.IncompleteReadError, ConnectionError, XFault):
            return
        finally:
            for waiting in self._waiting.values():
                settle(waiting, XGone())

    async def _rest(self, head: bytes) -> bytes:
        if head[0] & 0x7F not in (REPLY, GENERIC):
            return b""
        size = 4 * unpack("I", head, 4)[0]
        if size > MOST_BYTES:
            raise XFault("the X server sent more than an answer may hold")
        return await self._reader.readexactly(size)

    def _take(self, head: bytes, rest: bytes) -> None:
        if head[0] == MAPPING_NOTIFY:
            self.keys_changed = True
        if head[0] not in (ERROR, REPLY):
            if self.on_event is not None:
                self.on_event(head)
            return
        waiting = self._waiting.pop(unpack("H", head, 2)[0], None)
        if waiting is not None:
            settle(waiting, XRefused(head[1]) if head[0] == ERROR else head + rest)

    # --- What goes ----------------------------------------------------------------------------------------------------

    async def ask(self, *requests: bytes) -> list[bytes]:
        """Send requests that have replies, all at once, and wait for all of them.

        Raises:
            XRefused: the server refused one of them.
            XSilent: it does not answer.
            XGone: it has ended.
        """
        return await self._answers([self._send(each) for each in requests])

    async def do(self, *requests: bytes) -> None:
        """Send requests that have no reply, and wait until they were carried out. Errors as in `ask`."""
        sent = [self._send(each) for each in requests]
        done = self._send(xproto.get_input_focus())
        try:
            await self._answers([done])
            for each in sent:
                settle(each, b"")
        finally:
            self._forget(sent)
        for each in sent:
            each.result()

    async def _answers(self, sent: list[asyncio.Future[bytes]]) -> list[bytes]:
        try:
            async with asyncio.timeout(PATIENCE):
                with contextlib.suppress(ConnectionError):  # then the reader sees the end, too
                    await self._writer.drain()
                await asyncio.wait(sent)
        except TimeoutError:
            raise XSilent from None
        finally:
            self._forget(sent)
        return [each.result() for each in sent]

    def _send(self, request: bytes) -> asyncio.Future[bytes]:
        """Whoever sends has to see to it that the future is forgotten."""
        if not self.alive:
            raise XGone
        self._sent += 1
        waiting: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self._waiting[self._sent & 0xFFFF] = waiting
        self._writer.write(request)
        return waiting

    def _forget(self, sent: list[asyncio.Future[bytes]]) -> None:
        """Nobody waits for these any more; an error that comes late is nobody's."""
        gone = set(map(id, sent))
        self._waiting = {number: each for number, each in self._waiting.items() if id(each) not in gone}
        for each in sent:
            if each.done() and not each.cancelled():
                each.exception()
            else:
                each.cancel()

    # --- Words that are asked for once --------------------------------------------------------------------------------

    async def atoms(self, *names: str) -> list[int]:
        """The numbers of names."""
        missing = [name for name in names if name not in self._names]
        if missing:
            replies = await self.ask(*map(xproto.intern_atom, missing))
            self._names |= {name: unpack("I", reply, 8)[0] for name, reply in zip(missing, replies, strict=True)}
        return [self._names[name] for name in names]

    async def extension(self, name: str) -> int:
        """The first byte of an extension's requests; 0 when the server has not got it."""
        return (await self.numbers(name))[0]

    async def numbers(self, name: str) -> tuple[int, int]:
        """The first byte of an extension's requests, and of its first event; both 0 when the server has not got it."""
        if name not in self._majors:
            [reply] = await self.ask(xproto.query_extension(name))
            present, major, event = unpack("BBB", reply, 8)
            self._majors[name] = (major, event) if present else (0, 0)
        return self._majors[name]

    async def properties(self, window: int, *names: str, most: int = xproto.MOST_OF_A_PROPERTY) -> list[bytes]:
        """The values of a window's properties, or their first bytes; empty where there is none. Errors as in `ask`."""
        atoms = await self.atoms(*names)
        replies = await self.ask(*(xproto.get_property(window, atom, most) for atom in atoms))
        return [value(reply) for reply in replies]


def value(reply: bytes) -> bytes:
    """What a property holds."""
    count = unpack("I", reply, 16)[0]
    return reply[HEADER : HEADER + count * reply[1] // 8]


def settle(waiting: asyncio.Future[bytes], outcome: bytes | Exception) -> None:
    if waiting.done():
        return
    if isinstance(outcome, Exception):
        waiting.set_exception(outcome)
    else:
        waiting.set_result(outcome)
