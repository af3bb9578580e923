"""Calls for a person: what a browser that is in need tells those who listen, and how it hears that they are done."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final

from attrs import define, field

__all__ = ["NEEDS", "Calls", "Listener"]

Json = dict[str, Any]
Listener = Callable[[Json], None]
"""Told of each message; it must not wait."""

KIND: Final = "call-for-user"
NOTICE: Final = 0
DONE: Final = 199
NEEDS: Final = {"captcha": 101, "login": 102, "pay": 103}
"""What a person is needed for, and its code."""
PATIENCE: Final = 180
LONGEST: Final = 500
"""Characters of what is said about a call."""


@define(eq=False)
class Calls:
    """The calls of one session. They outlive its browsers, and its listeners' connections."""

    patience: float = PATIENCE
    """Seconds for which a person is waited for."""
    listeners: dict[object, Listener] = field(factory=dict)
    """By whose they are."""
    _numbers: itertools.count[int] = field(factory=lambda: itertools.count(1))
    _waiting: dict[int, asyncio.Event] = field(factory=dict)

    def notice(self, text: str) -> None:
        """Tells something that nobody has to do anything about."""
        self._tell(next(self._numbers), NOTICE, text[:LONGEST], "none", {})

    @contextmanager
    def asking(self, need: str, details: str = "") -> Iterator[Callable[[], Awaitable[bool]]]:
        """Asks for a person; gives what waits until they are done, and says whether they are. `need` is of NEEDS."""
        number, over = next(self._numbers), asyncio.Event()
        self._waiting[number] = over
        more = {"details": details[:LONGEST]} if details else {}
        self._tell(number, NEEDS[need], f"{need} request", "takeover", {"max_wait_time": self.patience, **more})
        try:
            yield lambda: self._ended(over)
        finally:
            del self._waiting[number]

    async def _ended(self, over: asyncio.Event) -> bool:
        try:
            await asyncio.wait_for(over.wait(), self.patience)
        except TimeoutError:
            return False
        return True

    def take(self, told: Json, sender: object = None) -> bool:
        """Takes a client's message; whether it ended a call. All others are told then that it is over."""
        number = told.get("id")
        waiting = self._waiting.get(number) if type(number) is int else None
        if told.get("action") != "takeoverdone" or waiting is None or waiting.is_set():
            return False
        waiting.set()
        self._tell(told["id"], DONE, "user handle done", "takeoverdone", {}, but=sender)
        return True

    def _tell(self, number: int, code: int, message: str, action: str, more: Json, *, but: object = None) -> None:
        told = {"type": KIND, "id": number, "code": code, "message": message, "action": action, "extraParams": more}
        for whose, listener in list(self.listeners.items()):
            if whose is not but:
                listener(told)
