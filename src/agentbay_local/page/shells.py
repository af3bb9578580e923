"""The terminals of a session's page: a WebSocket each, and a shell that outlives a connection that breaks.

Binary messages are what is printed and what is typed. Texts are JSON: from the page `resize` and `seen`, to it `ready`,
`ended` and `refused`.
"""

from __future__ import annotations

import asyncio
import json
import secrets
from collections import deque
from contextlib import suppress
from typing import Any, Final

from aiohttp import WSCloseCode, WSMessage, WSMsgType, web

from agentbay_local.channel.shells import LARGEST, PROMPTS, in_known_language
from agentbay_local.logs import say
from agentbay_local.page.tickets import at_work, protocols
from agentbay_local.sandbox.contract import SandboxError, Terminal
from agentbay_local.service.core import Service
from agentbay_local.service.session import Session
from agentbay_local.tools.faults import ToolFailure, reason, size
from agentbay_local.tools.shell import find_shell
from agentbay_local.tools.variables import merged

__all__ = ["Shell", "ShellDoor"]

MOST_SHELLS: Final = 8
"""In one session."""
MOST_KEPT: Final = 256 << 10
"""Bytes of what was printed last, for a page that comes back."""
MOST_UNSEEN: Final = 128 << 10
"""Bytes that the page has not drawn yet; then the program has to wait."""
MOST_TYPED: Final = 1 << 20
"""Bytes that the program has not read yet."""
PIECE: Final = 32 << 10
STAYS_S: Final = 60.0
"""Seconds that a shell waits for its page to come back."""
LARGEST_MESSAGE: Final = 1 << 20
BEAT_S: Final = 20.0
LAST_WORDS: Final = 2.0
"""Seconds that a page has to agree to the end of a connection."""
TAKEN: Final = 4001
"""The closing code that says: another page has this terminal now."""


class Refused(Exception):
    """What a page asked for cannot be done; the text is for its user."""


class Shell:
    """One shell, and the page that shows it."""

    def __init__(self, session: Session, terminal: Terminal) -> None:
        self.id = secrets.token_urlsafe(12)
        self.ended = asyncio.Event()
        self.socket: web.WebSocketResponse | None = None
        self.left = 0
        """How often a page has left it."""
        self._session = session
        self._terminal = terminal
        self._kept = bytearray()
        self._printed = self._seen = 0
        self._news = asyncio.Condition()
        self._typed: deque[bytes] = deque()
        self._waiting = 0
        self._typing: asyncio.Task[None] | None = None
        self._pump = asyncio.create_task(self._print(), name="agentbay-page-shell")

    # --- What it prints -----------------------------------------------------------------------------------------------

    async def _print(self) -> None:
        try:
            while data := await self._terminal.read():
                await self._keep(data)
        finally:
            self._terminal.close()
            self.ended.set()
            async with self._news:
                self._news.notify_all()

    async def _keep(self, data: bytes) -> None:
        """Takes output in, once the page has drawn enough of what was before."""
        async with self._news:
            self._kept += data
            del self._kept[:-MOST_KEPT]
            self._printed += len(data)
            self._news.notify_all()
            await self._news.wait_for(lambda: self.socket is None or self._printed - self._seen <= MOST_UNSEEN)

    async def show(self, socket: web.WebSocketResponse, seen: int) -> None:
        """Sends a page what it has not seen, and goes on until the end."""
        async with self._news:
            start = self._printed - len(self._kept)
            lost = not start <= seen <= self._printed
            position = self._seen = start if lost else seen
            self._news.notify_all()
        await socket.send_json({"type": "ready", "terminal": self.id, "from": position, "lost": lost})
        while piece := await self._next(position):
            await socket.send_bytes(piece)
            position += len(piece)
        await socket.send_json({"type": "ended", "text": await self._last_words()})
        await socket.close()

    async def _next(self, position: int) -> bytes:
        """The next output; nothing after the end."""
        async with self._news:
            await self._news.wait_for(lambda: self._printed > position or self.ended.is_set())
            start = max(0, position - (self._printed - len(self._kept)))
            return bytes(self._kept[start : start + PIECE])

    async def _last_words(self) -> str:
        if not self._session.live:
            return "The session has ended."
        if self._session.asleep:
            return "The session is hibernated: its programs are gone. Resume it to open a new terminal."
        try:
            return f"The shell has ended with exit code {await self._terminal.wait()}."
        except SandboxError:
            return "The shell has ended with its sandbox."

    # --- Its page -----------------------------------------------------------------------------------------------------

    async def take(self, socket: web.WebSocketResponse) -> None:
        """Has it shown by a page from now on, and by no other."""
        before, self.socket = self.socket, socket
        if before is not None:
            await before.close(code=TAKEN, message=b"another page shows this terminal")

    async def leave(self, socket: web.WebSocketResponse) -> bool:
        """Lets a page go; whether nobody shows it now."""
        if self.socket is not socket:
            return False
        async with self._news:
            self.socket = None
            self.left += 1
            self._news.notify_all()
        return True

    async def heed(self, message: WSMessage) -> None:
        """Does what a message says. Raises Refused."""
        self._session.touch()
        if message.type is WSMsgType.BINARY:
            self._type(message.data)
            return
        wish = told(message.data)
        match wish.get("type"):
            case "seen":
                async with self._news:
                    self._seen = min(max(self._seen, number(wish, "bytes", 1 << 60)), self._printed)
                    self._news.notify_all()
            case "resize":
                self._terminal.resize(number(wish, "cols", LARGEST), number(wish, "rows", LARGEST))
            case _:
                raise Refused("the message is of no known type")

    # --- What is typed ------------------------------------------------------------------------------------------------

    def _type(self, data: bytes) -> None:
        if self._waiting + len(data) > MOST_TYPED:
            raise Refused(f"The program does not read: {size(MOST_TYPED)} of input may wait, and no more.")
        self._typed.append(data)
        self._waiting += len(data)
        if self._typing is None:
            self._typing = asyncio.create_task(self._write(), name="agentbay-page-shell")

    async def _write(self) -> None:
        while self._typed:
            await self._terminal.write(self._typed[0])
            self._waiting -= len(self._typed.popleft())
        self._typing = None

    async def close(self) -> None:
        """Ends it, with all that runs in it."""
        self._terminal.close()
        tasks = [task for task in (self._pump, self._typing) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def told(text: str) -> dict[str, Any]:
    """Reads a message. Raises Refused."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        raise Refused("the message is not JSON") from None
    if not isinstance(found, dict):
        raise Refused("the message is no object")
    return found


def number(wish: dict[str, Any], name: str, most: int) -> int:
    """A whole number from 1 on. Raises Refused."""
    found = wish.get(name)
    if not isinstance(found, int) or isinstance(found, bool) or not 0 < found <= most:
        raise Refused(f"{name} must be from 1 to {most}")
    return found


class ShellDoor:
    """Opens terminals, and finds those again whose connection broke."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._shells: dict[str, tuple[Session, Shell]] = {}
        self._opening: list[str] = []

    def routes(self) -> list[web.RouteDef]:
        return [web.get("/session/{session}/terminal", self.connect)]

    async def connect(self, request: web.Request) -> web.WebSocketResponse:
        """One connection; `terminal` and `seen` name the shell to come back to, and how much of it was seen."""
        session = at_work(self._service, request, "it opens no terminals now")
        socket = web.WebSocketResponse(
            protocols=protocols(request),
            timeout=LAST_WORDS,
            heartbeat=BEAT_S,
            max_msg_size=LARGEST_MESSAGE,
            compress=False,
        )
        await socket.prepare(request)
        try:
            shell = self._known(session, request.query.get("terminal", "")) or await self._open(session)
        except Refused as refused:
            await dismiss(socket, str(refused))
            return socket
        await shell.take(socket)
        try:
            await self._serve(shell, socket, request.query.get("seen", "0"))
        finally:
            if await shell.leave(socket):
                self._service.spawn(self._outlast(shell))
        return socket

    async def _serve(self, shell: Shell, socket: web.WebSocketResponse, seen: str) -> None:
        position = int(seen) if seen.isascii() and seen.isdecimal() and len(seen) < 19 else -1
        showing = asyncio.create_task(shell.show(socket, position))
        try:
            async for message in socket:
                await shell.heed(message)
        except Refused as refused:
            await dismiss(socket, str(refused))
        finally:
            showing.cancel()
            with suppress(asyncio.CancelledError, ConnectionError):
                await showing

    def _known(self, session: Session, name: str) -> Shell | None:
        found = self._shells.get(name)
        return found[1] if found is not None and found[0] is session else None

    async def _open(self, session: Session) -> Shell:
        """Starts a shell. Raises Refused."""
        opened = sum(owner is session for owner, _ in self._shells.values())
        if opened + self._opening.count(session.id) >= MOST_SHELLS:
            raise Refused(f"The session's pages have {MOST_SHELLS} terminals open: close one first.")
        self._opening.append(session.id)
        try:
            shell = Shell(session, await started(session))
        finally:
            self._opening.remove(session.id)
        self._shells[shell.id] = (session, shell)
        say("page terminal opened", session=session.id, owner=session.owner)
        return shell

    async def _outlast(self, shell: Shell) -> None:
        """Waits for a page to come back, or for the end; then lets go of the shell."""
        left = shell.left
        with suppress(TimeoutError):
            async with asyncio.timeout(STAYS_S):
                await shell.ended.wait()
        if shell.socket is None and shell.left == left and shell.id in self._shells:
            del self._shells[shell.id]
            await shell.close()

    async def close(self) -> None:
        """Ends all of them."""
        shells = [shell for _, shell in self._shells.values()]
        self._shells.clear()
        await asyncio.gather(*(shell.close() for shell in shells))


async def started(session: Session) -> Terminal:
    """A login shell on a terminal. Raises Refused."""
    box = session.box
    try:
        box.shell = box.shell or await find_shell(box)
        own = {"TERM": "xterm-256color", "COLORTERM": "truecolor", "LANG": "C.UTF-8", **PROMPTS.get(box.shell, {})}
        env = in_known_language(merged(own, box.env))
        return await box.sandbox.terminal([box.shell, "-l"], cwd=box.workdir, env=env)
    except OSError as error:
        raise Refused(f"No shell can be started: {reason(error, box.limits)}.") from error
    except (SandboxError, ToolFailure) as error:
        raise Refused(f"No shell can be started: {error}.") from error


async def dismiss(socket: web.WebSocketResponse, text: str) -> None:
    """Says why, and closes."""
    with suppress(ConnectionError):
        await socket.send_json({"type": "refused", "text": text})
    await socket.close(code=WSCloseCode.POLICY_VIOLATION, message=b"refused")
