"""Terminals by push: the target PTY_SERVER."""

from __future__ import annotations

import asyncio
import base64
import binascii
from typing import Final

from agentbay_local.channel.call import Call
from agentbay_local.channel.registry import Json, Refused, message
from agentbay_local.channel.screen import PTY_SERVER, Screen
from agentbay_local.channel.shells import command, dimensions, in_known_language, place, variables
from agentbay_local.sandbox.contract import Terminal
from agentbay_local.service.session import Session
from agentbay_local.tools.faults import ToolFailure, reason
from agentbay_local.tools.variables import merged
from agentbay_local.undo import closing_on_failure

__all__ = ["MOST_TERMINALS", "Terminals"]

MOST_TERMINALS: Final = 32


class Terminals:
    """The terminals of a session; they outlive the connections that opened them."""

    def __init__(self, session: Session) -> None:
        self._box = session.box
        self._screens: dict[str, Screen] = {}
        self._opening = 0

    @property
    def names(self) -> list[str]:
        """Their ids, also of those whose end nobody has seen."""
        return list(self._screens)

    def find(self, call: Call) -> Screen:
        """The terminal that a message is about. Raises Refused."""
        name = call.param("ptySessionId", str)
        if name not in self._screens:
            raise Refused(f"PTY session not found: {name:.100}")
        return self._screens[name]

    async def open(self, call: Call) -> Screen:
        """Opens a terminal as the message says. Raises Refused."""
        await self._make_room()
        self._opening += 1
        try:
            screen = Screen(await self._start(call), self.forget)
        finally:
            self._opening -= 1
        self._screens[screen.id] = screen
        return screen

    async def _make_room(self) -> None:
        """Forgets an end that nobody has seen, if there is no room otherwise."""
        if len(self._screens) + self._opening < MOST_TERMINALS:
            return
        unseen = next((screen for screen in self._screens.values() if screen.ended), None)
        if unseen is None:
            raise Refused(f"The session has {MOST_TERMINALS} terminals, and cannot have more: end one first")
        await unseen.close()

    async def _start(self, call: Call) -> Terminal:
        box = self._box
        cols, rows = dimensions(call, 80, 24)
        argv, own = await command(box, call)
        folder = place(box, call)
        try:
            env = in_known_language(merged(own, box.env, variables(call)))
            return await box.sandbox.terminal(argv, cwd=folder, env=env, cols=cols, rows=rows)
        except ToolFailure as failure:
            raise Refused(f"pty.create: {failure}") from None
        except OSError as error:
            what = f"working directory {folder}" if error.filename == folder else f"shell {argv[0]}"
            raise Refused(f"pty.create: the {what} cannot be used: {reason(error, box.limits)}") from error

    def forget(self, screen: Screen) -> None:
        """Lets a terminal be unknown from now on."""
        self._screens.pop(screen.id, None)

    async def close(self) -> None:
        """Ends what is left; the session has ended."""
        await asyncio.gather(*(screen.close() for screen in list(self._screens.values())))


def _terminals(call: Call) -> Terminals:
    return call.connection.kept(Terminals)


@message(PTY_SERVER, "pty.create")
async def create(call: Call) -> None:
    """Opens a terminal; what it prints comes after its id."""
    screen = await _terminals(call).open(call)
    async with closing_on_failure(screen.close):  # nobody would know of it
        await call.reply({"result": {"ptySessionId": screen.id}})
    await screen.show(call.connection)


@message(PTY_SERVER, "pty.connect")
async def connect(call: Call) -> None:
    """Has the caller see a terminal, and what it printed while nobody saw it."""
    screen = _terminals(call).find(call)
    await call.reply({"result": {"ptySessionId": screen.id}})
    await screen.show(call.connection)


@message(PTY_SERVER, "pty.list")
async def names(call: Call) -> Json:
    """Tells the ids of the session's terminals."""
    return {"result": {"ptySessionIds": _terminals(call).names}}


@message(PTY_SERVER, "pty.kill")
async def kill(call: Call) -> Json:
    """Ends a terminal with all that runs in it; from now on it is unknown."""
    screen = _terminals(call).find(call)
    _terminals(call).forget(screen)
    screen.kill()
    return {"result": {}}


@message(PTY_SERVER, "pty.input")
async def take_input(call: Call) -> None:
    """Types something. Only what the program will never get is answered."""
    screen, data = _terminals(call).find(call), _typed(call)
    try:
        screen.type(data)
    except Refused as refused:  # which the client would not notice otherwise: it waits for no answer
        error = {"eventType": "pty.error", "ptySessionId": screen.id, "error": str(refused)}
        await call.connection.push(PTY_SERVER, error)


def _typed(call: Call) -> bytes:
    text, encoding = call.param("data", str), call.param("encoding", str, "utf8")
    try:
        if encoding == "base64":
            return base64.b64decode(text, validate=True)
        if encoding == "utf8":
            return text.encode()
    except (UnicodeEncodeError, binascii.Error):
        raise Refused(f"pty.input: the data are not {encoding}") from None
    raise Refused(f"pty.input: the encoding must be utf8 or base64, got {encoding:.40}")


@message(PTY_SERVER, "pty.resize")
async def resize(call: Call) -> None:
    """Changes the size of a terminal."""
    cols, rows = dimensions(call)
    _terminals(call).find(call).resize(cols, rows)
