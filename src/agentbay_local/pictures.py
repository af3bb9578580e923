"""Screenshots that were given an address: whoever has it may fetch the picture for 64 minutes."""

from __future__ import annotations

import asyncio
import secrets
from typing import Final

from attrs import define, field, frozen

__all__ = ["PREFIX", "VALID", "Kept", "Pictures", "Shelf"]

PREFIX: Final = "/screenshot/"
VALID: Final = 64 * 60.0
"""Seconds that a picture is kept."""
MOST_PICTURES: Final = 32
MOST_BYTES: Final = 8 << 20
"""Of one session; the oldest pictures make room for the newest, which is always kept."""


@frozen
class Kept:
    """A file's bytes."""

    data: bytes = field(repr=False)
    media_type: str


@define
class Pictures:
    """All pictures of one server, in memory, by the secret part of their addresses. `base` begins the addresses."""

    base: str
    _kept: dict[str, Kept] = field(factory=dict)

    def find(self, token: str) -> Kept | None:
        return self._kept.get(token)

    def shelf(self) -> Shelf:
        """A place for the pictures of one session."""
        return Shelf(self)

    def add(self, token: str, picture: Kept) -> str:
        """Keeps a picture for its time, and gives its address."""
        self._kept[token] = picture
        asyncio.get_running_loop().call_later(VALID, self.remove, token)
        return f"{self.base}{PREFIX}{token}.png"

    def remove(self, token: str) -> None:
        self._kept.pop(token, None)


@define
class Shelf:
    """The pictures of one session."""

    _pictures: Pictures
    _tokens: dict[str, int] = field(factory=dict)

    def publish(self, data: bytes, media_type: str) -> str:
        """Gives a picture an address."""
        token = secrets.token_urlsafe(24)
        self._tokens[token] = len(data)
        while len(self._tokens) > MOST_PICTURES or (len(self._tokens) > 1 and sum(self._tokens.values()) > MOST_BYTES):
            oldest = next(iter(self._tokens))
            del self._tokens[oldest]
            self._pictures.remove(oldest)
        return self._pictures.add(token, Kept(data, media_type))
