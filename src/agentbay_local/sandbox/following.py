"""The watch of a folder inside a sandbox, as the host holds it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

from agentbay_local.sandbox.channel import NO_ANSWER, Answer, Channel
from agentbay_local.sandbox.contract import Change, Fact, LimitReached, SandboxError, SandboxGone
from agentbay_local.undo import on_failure

PAUSE: Final = 0.1
"""Seconds before a watch that a program inside has ended begins anew."""

Open = Callable[[Answer], Awaitable[Channel]]
Read = Callable[[Channel], Awaitable[tuple[Answer, list[int]]]]


class BoxFollowing:
    """What changes below a folder; see `contract.Following`."""

    def __init__(self, open_call: Open, read: Read, request: Answer) -> None:
        self._open = open_call
        self._read = read
        self._request = request
        self._channel: Channel | None = None

    async def begin(self) -> None:
        """Have the first look, against which everything is compared.

        Raises:
            OSError: the folder does not exist or may not be read.
            LimitReached: there is too much below it, or nothing more can be started.
        """
        channel = await self._open(self._request)
        with on_failure(channel.close):
            try:
                answer, _ = await self._read(channel)
            except BlockingIOError as error:
                raise LimitReached("the sandbox has reached its limit of processes") from error
            refuse_too_many(answer)
        self._channel = channel

    async def changes(self) -> list[Change]:
        while self._channel:
            try:
                answer, _ = await self._read(self._channel)
                refuse_too_many(answer)
                return read_changes(answer)
            except (SandboxGone, LimitReached):
                raise
            except SandboxError:  # the watch is a process that its neighbours may kill
                self.close()
                await asyncio.sleep(PAUSE)
                await self.begin()
        return []

    def close(self) -> None:
        channel, self._channel = self._channel, None
        if channel:
            channel.close()


def refuse_too_many(answer: Answer) -> None:
    if isinstance(most := answer.get("limit"), int):
        raise LimitReached(f"more than {most} entries are below the folder")


def read_changes(answer: Answer) -> list[Change]:
    """What is told, by a program that its neighbours may have taken over."""
    try:
        return [Change(str(path), read_fact(before), read_fact(after)) for path, before, after in answer["changes"]]
    except (KeyError, TypeError, ValueError) as error:
        raise SandboxError(NO_ANSWER) from error


def read_fact(value: object) -> Fact | None:
    if value is None:
        return None
    if not isinstance(value, list):
        raise TypeError
    kind, size, modified = value
    return str(kind), int(size), int(modified)
