"""What the runtime remembers: its sessions, the links into them, and the key that it keeps between starts."""

from __future__ import annotations

import os
import secrets
import uuid
from collections.abc import Iterator
from pathlib import Path

from attrs import define, field, frozen

from agentbay_local.service.session import Session

__all__ = ["Link", "Store", "kept_key", "new_key"]


@frozen
class Link:
    """A way from outside to one port of a session."""

    session: Session
    port: int


@define
class Store:
    """Sessions by id and links by token, in memory."""

    _sessions: dict[str, Session] = field(factory=dict)
    _links: dict[str, Link] = field(factory=dict)
    _tokens: dict[tuple[str, int], str] = field(factory=dict)

    def __iter__(self) -> Iterator[Session]:
        """Gives every session, the finished ones included, oldest first."""
        return iter(list(self._sessions.values()))

    def add(self, session: Session) -> None:
        self._sessions[session.id] = session

    def find(self, session_id: str) -> Session | None:
        return self._sessions.get(session_id)

    def forget(self, session: Session) -> None:
        self._sessions.pop(session.id, None)

    def link(self, session: Session, port: int, known: str = "") -> str:
        """Gives the token of the link to a port, a `known` one if there is none yet; asking again gives the same."""
        token = self._tokens.setdefault((session.id, port), known or secrets.token_urlsafe(24))
        self._links[token] = Link(session, port)
        return token

    def ports(self, session: Session) -> dict[int, str]:
        """Gives the tokens of all links into a session, by their ports."""
        return {port: token for (session_id, port), token in self._tokens.items() if session_id == session.id}

    def follow(self, token: str) -> Link | None:
        return self._links.get(token)

    def unlink(self, session: Session) -> None:
        """Takes all links into a session away."""
        for place in [place for place in self._tokens if place[0] == session.id]:
            del self._links[self._tokens.pop(place)]


def new_key() -> str:
    """Makes an API key of the form that the service gives out."""
    return f"akm-{uuid.UUID(bytes=secrets.token_bytes(16), version=4)}"


def kept_key(folder: Path) -> str:
    """Reads the key of a data folder; the first time, makes the folder and the key, readable by their owner alone."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = folder / "api-key"
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return path.read_text("ascii").strip() or _refilled(path)
    with open(descriptor, "w", encoding="ascii") as file:
        made = new_key()
        file.write(made + "\n")
    return made


def _refilled(path: Path) -> str:
    """Writes a new key where an earlier start was killed before it could."""
    made = new_key()
    path.write_text(made + "\n", "ascii")
    return made
