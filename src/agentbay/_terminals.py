"""Terminals without colour: their messages, and the register that hands each one its output. No I/O."""

from __future__ import annotations

import base64
import binascii
import logging
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import Any, Protocol

from agentbay._frames import Outcome, Resend, Shielded
from agentbay.errors import AgentBayError, PtyError, PtySessionNotFoundError, PtySizeError, WsRemoteError

__all__ = ["PTY_SERVER", "Terminal", "Terminals", "check_size", "created", "creation", "input_of", "pty_error"]

logger = logging.getLogger("agentbay")

PTY_SERVER = "PTY_SERVER"
STANDARD_ENVS = {"TERM": "xterm-256color", "LANG": "en_US.UTF-8"}
MOST_EARLY = 1000
MOST_EXITS = 1000
_UNKNOWN = ("not found", "no such", "not exist", "unknown pty")

Json = dict[str, Any]


def check_size(cols: int, rows: int) -> None:
    """Raise PtySizeError unless both are from 1 to 500."""
    if not (1 <= cols <= 500 and 1 <= rows <= 500):
        raise PtySizeError(f"Invalid terminal size: cols={cols}, rows={rows} (must be 1-500)")


def creation(cols: int, rows: int, cwd: str | None, envs: Mapping[str, str] | None, shell: str | None) -> Json:
    """Write the parameters of `pty.create`."""
    params: Json = {"cols": cols, "rows": rows, "cwd": cwd, "envs": STANDARD_ENVS | dict(envs or {}), "shell": shell}
    return {name: value for name, value in params.items() if value is not None}


def created(reply: Json) -> str:
    """Read the id of a new terminal.

    Raises:
        PtyError: there is none.
    """
    result = reply.get("result")
    identity = result.get("ptySessionId") if isinstance(result, dict) else None
    if not isinstance(identity, str) or not identity:
        raise PtyError(f"pty.create did not return ptySessionId: {reply}"[:500])
    return identity


def input_of(data: bytes) -> Json:
    """Write what is typed: as text where it is UTF-8, else as base64."""
    try:
        return {"encoding": "utf8", "data": data.decode()}
    except UnicodeDecodeError:
        return {"encoding": "base64", "data": base64.b64encode(data).decode()}


def _output_of(push: Json) -> bytes | None:
    """Read what was printed; None when it cannot be read."""
    data, encoding = push.get("data"), push.get("encoding", "utf8")
    if not isinstance(data, str) or encoding not in ("utf8", "base64"):
        return None
    if encoding == "utf8":
        return data.encode("utf-8", "replace")
    try:
        return base64.b64decode(data, validate=True)
    except binascii.Error:
        return None


def pty_error(error: AgentBayError, about_one: bool = True) -> PtyError:
    """What an error of the other side means. Only where it is `about_one` terminal can that be what is not found."""
    unknown = about_one and any(word in error.message.lower() for word in _UNKNOWN)
    return (PtySessionNotFoundError if unknown else PtyError)(error.message, request_id=error.request_id)


class Terminal(Protocol):
    """Who is told what a terminal does."""

    @property
    def pty_session_id(self) -> str:
        """Its id."""
        ...

    def print(self, data: bytes) -> None:
        """It printed something."""

    def finish(self, exit_code: int | None, error: AgentBayError | None) -> None:
        """It ended, or cannot be reached any more."""


class Terminals:
    """Knows the terminals that a client is connected to. Any thread may ask."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._live: dict[str, list[Terminal]] = {}
        self._exits: dict[str, int] = {}
        self._opening = 0
        self._early: list[Json] = []

    @contextmanager
    def opening(self) -> Iterator[None]:
        """Keep what terminals print while the block lasts: it may be for the handle that is about to be made."""
        with self._lock:
            self._opening += 1
        try:
            yield
        finally:
            with self._lock:
                self._opening -= 1
                if not self._opening:
                    self._early.clear()

    def add(self, terminal: Terminal) -> None:
        """Let a terminal be told, also of what came too early."""
        identity = terminal.pty_session_id
        with self._lock:
            early = [push for push in self._early if push["ptySessionId"] == identity]
            self._early = [push for push in self._early if push["ptySessionId"] != identity]
            self._live.setdefault(identity, []).append(terminal)
            if not early:
                self._exits.pop(identity, None)
            for push in early:  # before the lock is free: what comes now must come after it
                self._tell(terminal, push)

    def remove(self, terminal: Terminal) -> None:
        """Tell a terminal nothing any more."""
        with self._lock:
            others = [one for one in self._live.pop(terminal.pty_session_id, ()) if one is not terminal]
            if others:
                self._live[terminal.pty_session_id] = others

    def exit_code(self, identity: str) -> int | None:
        """The exit code of a terminal whose end was seen."""
        return self._exits.get(identity)

    def on_push(self, push: Json) -> None:
        """Hand on what came for a terminal."""
        identity = push.get("ptySessionId")
        if not isinstance(identity, str):
            return
        with self._lock:
            if push.get("eventType") == "pty.exit":
                self._note_exit(identity, _code(push.get("exitCode")))
            terminals = list(self._live.get(identity, ()))
            if self._opening and len(self._early) < MOST_EARLY:
                self._early.append(push)
        for terminal in terminals:
            self._tell(terminal, push)

    def _note_exit(self, identity: str, code: int) -> None:
        """Remember how a terminal ended, and forget the oldest of too many."""
        self._exits.pop(identity, None)
        self._exits[identity] = code
        if len(self._exits) > MOST_EXITS:
            del self._exits[next(iter(self._exits))]

    def restore(self) -> list[Resend]:
        """Connect again to each terminal; one that is gone learns it from the answer."""
        return [
            Resend(
                PTY_SERVER,
                {"method": "pty.connect", "params": {"ptySessionId": terminal.pty_session_id}},
                partial(_reconnected, terminal),
            )
            for terminals in list(self._live.values())
            for terminal in terminals[:1]
        ]

    def ended(self, error: AgentBayError) -> None:
        """No terminal can be reached any more."""
        with self._lock:
            terminals = [terminal for several in self._live.values() for terminal in several]
        for terminal in terminals:
            terminal.finish(None, error)

    def _tell(self, terminal: Terminal, push: Json) -> None:
        with Shielded():
            match push.get("eventType"):
                case "pty.output":
                    data = _output_of(push)
                    if data is None:
                        logger.warning("output of a terminal cannot be read and was dropped")
                    else:
                        terminal.print(data)
                case "pty.exit":
                    terminal.finish(_code(push.get("exitCode")), None)
                case "pty.error":
                    terminal.finish(None, PtyError(str(push.get("error") or "Unknown PTY error")))


def _code(value: Any) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) else -1


def _reconnected(terminal: Terminal, outcome: Outcome) -> None:
    """A line that broke again says nothing about the terminal; an answer that refuses does."""
    if isinstance(outcome.error, WsRemoteError):
        terminal.finish(None, pty_error(outcome.error))
