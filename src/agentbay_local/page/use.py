"""What runs in a session, what it uses, and what it was asked to do: for its page."""

from __future__ import annotations

import asyncio
import os
import time
from typing import Any, Final

from aiohttp import web
from attrs import asdict

from agentbay_local.answers import json_response
from agentbay_local.logs import say
from agentbay_local.page.files import asked
from agentbay_local.page.tickets import allowed, at_work
from agentbay_local.sandbox.contract import Running, SandboxError, SandboxGone
from agentbay_local.service.core import Service
from agentbay_local.service.refusals import ServiceRefusal, bad, no_session
from agentbay_local.service.session import Session

__all__ = ["UseDoors", "used"]

GRACE_S: Final = 2.0
"""Seconds that a program has to end by itself."""
LOOK_S: Final = 0.1
STOP: Final = 'kill -s "$1" "$2"'


class UseDoors:
    """Programs, metrics and tool calls, for whoever has a session's code."""

    def __init__(self, service: Service) -> None:
        self._service = service

    def routes(self) -> list[web.RouteDef]:
        here = "/session/{session}"
        return [
            web.get(f"{here}/use", self.use),
            web.post(f"{here}/end", self.end),
            web.get(f"{here}/calls", self.calls),
        ]

    async def use(self, request: web.Request) -> web.Response:
        """What the session uses of what it may, its programs, and the links into it. Works while it is paused."""
        session = allowed(self._service, request)
        metrics, programs = await asyncio.gather(used(self._service, session), running(session))
        answer = {
            **metrics,
            "programs": [shown(each) for each in programs],
            "links": [
                {"port": port, "url": f"/request_ai/{token}/path/"}
                for port, token in sorted(self._service.store.ports(session).items())
            ],
        }
        return json_response(answer)

    async def end(self, request: web.Request) -> web.Response:
        """Ends one program: asks it to, and does not ask any more after two seconds."""
        session = at_work(self._service, request, "its programs cannot be ended now")
        wish = await asked(request)
        pid, started = wish.get("pid"), wish.get("started")
        if not isinstance(pid, int) or isinstance(pid, bool) or not isinstance(started, int | float):
            raise bad("pid", "and started must be numbers, as the list of programs has them")
        say("page", did="end", session=session.id, owner=session.owner)
        with session.in_use():
            gone = await self._end(session, pid, started)
        return json_response({"ended": gone})

    async def _end(self, session: Session, pid: int, started: float) -> bool:
        for signal in ("TERM", "KILL"):
            if not await there(session, pid, started):
                return True
            await stop(session, signal, pid)
            for _ in range(round(GRACE_S / LOOK_S)):
                await asyncio.sleep(LOOK_S)
                if not await there(session, pid, started):
                    return True
        return False

    async def calls(self, request: web.Request) -> web.Response:
        """The tool calls that are new, or have changed, since the page looked last."""
        session = allowed(self._service, request)
        after = request.query.get("after", "0")
        if not after.isascii() or not after.isdecimal() or len(after) > 15:
            raise bad("after", "must be a number that an earlier answer gave as change")
        journal = session.journal
        return json_response({"change": journal.change, "calls": [each.shown() for each in journal.since(int(after))]})


async def used(service: Service, session: Session) -> dict[str, Any]:
    """What a session uses of what it may: bytes, seconds, and numbers of programs. Nothing while it is hibernated."""
    limits = service.settings.limits
    about = {"now": time.monotonic(), "cores": len(os.sched_getaffinity(0)), "hibernated": session.asleep is not None}
    about |= {"memory_limit": 2 * limits.memory, "processes_limit": limits.processes}
    if session.asleep:
        return about
    try:
        usage = await session.box.sandbox.usage()
    except SandboxError:
        return about
    return about | asdict(usage)


async def running(session: Session) -> list[Running]:
    """The programs of a session; none once it has lost its sandbox."""
    try:
        return [] if session.asleep else await session.box.sandbox.running()
    except SandboxError:
        return []


async def there(session: Session, pid: int, started: float) -> bool:
    """Whether exactly this program runs."""
    return any(each.pid == pid and each.started == started for each in await running(session))


async def stop(session: Session, signal: str, pid: int) -> None:
    """Signals a program from inside, where nothing else can be meant by its id. Raises ServiceRefusal."""
    try:
        await session.box.sandbox.run(["/bin/sh", "-c", STOP, "stop", signal, str(pid)], timeout=GRACE_S)
    except SandboxGone:
        raise no_session() from None
    except (SandboxError, OSError) as error:
        raise ServiceRefusal("Program.Refused", f"The program cannot be ended: {error}.", 409) from error


def shown(each: Running) -> dict[str, Any]:
    """A program, with its age in seconds."""
    return {**asdict(each), "age": max(0.0, time.clock_gettime(time.CLOCK_BOOTTIME) - each.started)}
