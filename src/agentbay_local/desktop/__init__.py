"""The desktop of a session: an X server, a window manager and programs inside the sandbox, worked from out here.

Nothing of ours runs inside. The sandbox's daemon passes out a connection to the X server, and all else is its
protocol.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from agentbay_local.desktop import parts
from agentbay_local.desktop.apps import AppFailed, Apps, Place, Running
from agentbay_local.desktop.keys import UnknownKey
from agentbay_local.desktop.parts import NoDesktop
from agentbay_local.desktop.picture import NoPicture, Picture, take
from agentbay_local.desktop.pointer import OffScreen
from agentbay_local.desktop.screen import Screen
from agentbay_local.desktop.windows import NoWindow, Window
from agentbay_local.desktop.xlink import XGone, XLink, XRefused, XSilent
from agentbay_local.desktop.xproto import XFault
from agentbay_local.sandbox.contract import Sandbox, SandboxGone

__all__ = [
    "AppFailed",
    "Apps",
    "Desktop",
    "NoDesktop",
    "NoPicture",
    "NoWindow",
    "OffScreen",
    "Picture",
    "Place",
    "Running",
    "Screen",
    "UnknownKey",
    "Window",
    "XFault",
    "XLink",
    "XRefused",
    "XSilent",
    "take",
]


class Desktop:
    """A session's desktop, started when it is first used. One call at a time has its mouse and keyboard.

    `path` has the folders with the programs that it is made of.
    """

    def __init__(self, sandbox: Sandbox, path: str = parts.PATH) -> None:
        self.apps = Apps(sandbox)
        self._path = path
        self._sandbox = sandbox
        self._turn = asyncio.Lock()
        self._screen: Screen | None = None

    @property
    def running(self) -> bool:
        """Whether it runs now; asking starts none."""
        return self._screen is not None and self._screen.alive

    async def renew(self) -> None:
        """Let go of one that has ended, so that the next call starts one without telling of that."""
        async with self._turn:
            if self._screen is not None and not self._screen.alive:
                await self._lost()

    @asynccontextmanager
    async def using(self) -> AsyncIterator[Screen]:
        """The desktop, for one call.

        Raises:
            NoDesktop: there can be none on this machine, it does not start, or it has ended since the last call; then
                the next call starts a new one.
        """
        async with self._turn:
            try:
                yield await self._ready()
            except (XGone, XFault):
                raise await self._lost() from None

    async def _ready(self) -> Screen:
        if self._screen is None:
            self._screen = await Screen.started(self._sandbox, parts.required(self._path))
        if not self._screen.alive:
            raise await self._lost()
        await self._screen.mend()
        return self._screen

    async def close(self) -> None:
        """Let go of it, once its sandbox has ended."""
        await self.apps.close()
        screen, self._screen = self._screen, None
        if screen is not None:
            await screen.close()

    async def _lost(self) -> NoDesktop:
        screen, how = self._screen, ""
        if screen is not None:  # until it is closed it is remembered: who gives up here leaves that to the next call
            how = await screen.end()
            await screen.close()
            self._screen = None
        if self._sandbox.closed.is_set():
            raise SandboxGone("the sandbox has ended")
        return NoDesktop(f"The desktop ended{how}; its windows are gone, and the next call starts a new one")
