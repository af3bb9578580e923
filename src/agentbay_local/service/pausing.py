"""Actions: a session is put to sleep, so that nothing in it runs, and woken again."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from typing import Any, Final

from attrs import define, field

from agentbay.actions import PauseSessionAsync, ResumeSessionAsync
from agentbay_local.sandbox.contract import SandboxError, SandboxGone
from agentbay_local.service.core import Caller, Service, serves
from agentbay_local.service.refusals import ServiceRefusal, no_session
from agentbay_local.service.session import Session, State
from agentbay_local.service.sleeping import refusal_of, rouse, settle

log = logging.getLogger("agentbay_local")

QUICK_S: Final = 5.0
"""The answer waits this long for the new state. What takes longer goes on, and is seen in the state."""


@define
class _Shift:
    """Takes a session from one state through another to a third; back to the first if the work fails."""

    session: Session
    start: State
    between: State
    end: State
    refusal: ServiceRefusal | None = None
    reached: State = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.reached = self.start
        if self.session.state is not self.start:
            text = f"The session is {self.session.state}: only a session that is {self.start} can become {self.end}."
            raise ServiceRefusal("InvalidMcpSession.InvalidStatus", text)

    async def run(self, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        try:
            await work()
            self.reached = self.end
        except SandboxGone:
            self.refusal = no_session()
        except (SandboxError, OSError, TimeoutError, ServiceRefusal) as error:
            self.refusal = refusal_of(error, self.start)
            log.warning("session=%s stays %s: %s", self.session.id, self.start, self.refusal.message)
        finally:
            # The session may have ended meanwhile: what its end made of the state stays.
            if self.session.state is self.between:
                self.session.become(self.reached)


async def _shifted(service: Service, shift: _Shift, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
    session = shift.session
    session.become(shift.between)
    await settle(session)
    session.work = task = service.spawn(shift.run(work))
    await asyncio.wait([task], timeout=QUICK_S)
    service.changed.set()
    if shift.refusal is not None:
        raise shift.refusal
    if task.cancelled():
        raise no_session()


@serves(PauseSessionAsync)
async def pause_session_async(service: Service, caller: Caller, action: PauseSessionAsync) -> None:
    session = service.live(caller, action.session_id)
    shift = _Shift(session, State.RUNNING, State.PAUSING, State.PAUSED)
    await _shifted(service, shift, session.box.sandbox.pause)


@serves(ResumeSessionAsync)
async def resume_session_async(service: Service, caller: Caller, action: ResumeSessionAsync) -> None:
    session = service.live(caller, action.session_id)
    shift = _Shift(session, State.PAUSED, State.RESUMING, State.RUNNING)
    await _shifted(service, shift, lambda: rouse(service, session))
