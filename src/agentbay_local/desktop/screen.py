"""A desktop that runs: an X server and a window manager inside a sandbox, and our connection to them."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Final, Self

from attrs import define

from agentbay_local.desktop import parts, xproto
from agentbay_local.desktop.files import read, write
from agentbay_local.desktop.keyboard import Keyboard
from agentbay_local.desktop.parts import NoDesktop, Parts
from agentbay_local.desktop.pointer import Pointer
from agentbay_local.desktop.windows import Windows
from agentbay_local.desktop.xlink import XGone, XLink, XSilent
from agentbay_local.desktop.xproto import XFault
from agentbay_local.sandbox.contract import Process, Sandbox, SandboxGone
from agentbay_local.sandbox.programs import seen
from agentbay_local.undo import closing_on_failure

__all__ = ["Screen"]

START_S: Final = 20.0
END_S: Final = 2.0
COLOUR: Final = 0x3B4252
STARTER: Final = 'log=$1; shift; exec 2>"$log"; exec "$@"'
QUIET: Final = 'log=$1; shift; exec >"$log" 2>&1; exec "$@"'
NO_COMPOSING: Final = {"XCOMPOSEFILE": "/dev/null"}
"""Openbox reads the rules for composing characters again whenever a key changes, and does nothing else for a while."""


class Part:
    """A program of the desktop. Its end is known as soon as it comes, whoever else holds its output."""

    def __init__(self, process: Process) -> None:
        self.process = process
        self._code = asyncio.get_running_loop().create_task(process.wait())
        self._code.add_done_callback(seen)

    @property
    def ended(self) -> bool:
        return self._code.done()

    async def code(self) -> int | None:
        """Its exit code, if it is ending."""
        with contextlib.suppress(TimeoutError, SandboxGone):
            async with asyncio.timeout(END_S):
                return await asyncio.shield(self._code)
        return None

    async def kill(self) -> None:
        """End it, and wait until it has ended."""
        await self.process.kill()
        try:
            await asyncio.wait([self._code], timeout=END_S)
        finally:
            self._code.cancel()
        await asyncio.gather(self._code, return_exceptions=True)


@define(eq=False)
class Screen:
    """The desktop of one session, as long as its X server runs."""

    sandbox: Sandbox
    parts: Parts
    server: Part
    manager: Part
    link: XLink
    keyboard: Keyboard
    pointer: Pointer
    windows: Windows

    @classmethod
    async def started(cls, sandbox: Sandbox, found: Parts) -> Self:
        """Start one.

        Raises:
            NoDesktop: it does not start; the message says which part, and its last words.
            SandboxError: nothing more can be started.
        """
        await _prepare(sandbox)
        async with contextlib.AsyncExitStack() as undo:
            server = await _spawn(sandbox, STARTER, "server", found.server_argv)
            undo.push_async_callback(server.kill)
            link = await _linked(sandbox, server)
            undo.push_async_callback(link.close)
            manager = await _manager(sandbox, found)
            undo.push_async_callback(manager.kill)
            windows = Windows(link)
            await _managed(sandbox, windows)
            undo.pop_all()
        keyboard = Keyboard(link, lambda: _at_work(sandbox, windows))
        return cls(sandbox, found, server, manager, link, keyboard, Pointer(link), windows)

    @property
    def alive(self) -> bool:
        return self.link.alive and not self.server.ended

    async def mend(self) -> None:
        """Start the window manager anew if it has ended; windows outlive it. Raises NoDesktop."""
        if self.manager.ended:
            await self.manager.kill()
            self.manager = await _manager(self.sandbox, self.parts)
            await _managed(self.sandbox, self.windows)

    async def keep_focus(self, *, on: bool) -> None:
        """Whether new windows leave the focus where it is."""
        await write(self.sandbox, parts.SETTINGS, parts.settings(focus_new=not on))
        await self.windows.reconfigure_manager()

    async def end(self) -> str:
        """How the X server ended, for people, if it is its end that ended the connection."""
        code = await self.server.code()
        return "" if code is None else f" (its X server ended with exit code {code})"

    async def close(self) -> None:
        """End it."""
        await self.link.close()
        await self.manager.kill()
        await self.server.kill()


async def _at_work(sandbox: Sandbox, windows: Windows) -> bool:
    """Whether the program that has the keyboard is running, or about to: then it may have keys yet to read."""
    pid = await windows.working_pid()
    said = await read(sandbox, f"/proc/{pid}/stat") if pid else b""
    return said.rpartition(b")")[2].split()[:1] in ([b"R"], [b"D"])


async def _prepare(sandbox: Sandbox) -> None:
    """The folders and the settings that the programs need; nothing of a desktop that was killed may be in the way."""
    with contextlib.suppress(OSError):
        (await sandbox.dial_path(parts.SOCKET)).close()
        raise NoDesktop(f"The desktop did not start: another program in the session has the display {parts.DISPLAY}")
    for path in (parts.LOCK, parts.SOCKET):
        with contextlib.suppress(FileNotFoundError):
            await sandbox.fs("remove", path=path)
    for folder in (parts.FOLDER, parts.SOCKET.rpartition("/")[0]):
        await sandbox.fs("mkdir", path=folder, parents=True)
    await write(sandbox, parts.SETTINGS, parts.settings(focus_new=True))


async def _spawn(sandbox: Sandbox, starter: str, part: str, argv: list[str]) -> Part:
    """A program whose complaints go to a file inside."""
    words = ["/bin/sh", "-c", starter, "sh", f"{parts.FOLDER}/{part}.log", *argv]
    return Part(await sandbox.spawn(words, env={"DISPLAY": parts.DISPLAY, **NO_COMPOSING}))


async def _manager(sandbox: Sandbox, found: Parts) -> Part:
    return await _spawn(sandbox, QUIET, "manager", found.manager_argv)


async def _linked(sandbox: Sandbox, server: Part) -> XLink:
    """Wait until the X server is ready, and connect to it."""
    try:
        async with asyncio.timeout(START_S):
            ready = await server.process.reader.readline()
        if ready.strip() == parts.DISPLAY[1:].encode():
            link = await XLink.over(await sandbox.dial_path(parts.SOCKET))
            async with closing_on_failure(link.close):
                await _dressed(link)
            return link
    except (TimeoutError, ValueError, OSError, XGone, XFault, XSilent) as error:
        raise await _failed(sandbox, "server", "the X server") from error
    raise await _failed(sandbox, "server", "the X server")


async def _dressed(link: XLink) -> None:
    """A colour for the screen: black looks as if nothing worked."""
    if not await link.extension("XTEST"):
        raise XFault("the X server has no extension XTEST")
    await link.do(*xproto.background(link.setup.root, COLOUR))


async def _managed(sandbox: Sandbox, windows: Windows) -> None:
    try:
        async with asyncio.timeout(START_S):
            await windows.ready()
    except TimeoutError:
        raise await _failed(sandbox, "manager", "the window manager") from None


async def _failed(sandbox: Sandbox, part: str, name: str) -> NoDesktop:
    said = await _last_words(sandbox, f"{parts.FOLDER}/{part}.log")
    return NoDesktop(f"The desktop did not start: {name} failed{': ' + said if said else ''}")


async def _last_words(sandbox: Sandbox, path: str) -> str:
    lines = (await read(sandbox, path)).decode(errors="replace").strip().splitlines()
    return " ".join(line.strip() for line in lines[-3:])
