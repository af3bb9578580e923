"""Actions: a session is put to sleep, so that nothing in it runs, and woken again."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from agentbay.actions import PauseSessionAsync, ResumeSessionAsync
from agentbay_local.sandbox.contract import SandboxError, SandboxGone
from agentbay_local.service.core import Caller, Service, serves
from agentbay_local.service.refusals import ServiceRefusal, no_session
from agentbay_local.service.session import Session, State


async def _shift(session: Session, way: tuple[State, State, State], work: Callable[[], Awaitable[None]]) -> None:
    """Takes a session from one state through another to a third; back to the first if the work fails."""
    start, between, end = way
    if session.state is not start:
        text = f"The session is {session.state}: only a session that is {start} can become {end}."
        raise ServiceRefusal("InvalidMcpSession.InvalidStatus", text)
    session.become(between)
    reached = start
    try:
        await work()
        reached = end
    except SandboxGone:
        raise no_session() from None
    except SandboxError as error:
        raise ServiceRefusal("ServiceUnavailable", f"The session stays {start}: {error}", 503) from error
    finally:
        # The sandbox may have died meanwhile: what its end made of the state stays.
        if session.state is between:
            session.become(reached)


@serves(PauseSessionAsync)
async def pause_session_async(service: Service, caller: Caller, action: PauseSessionAsync) -> None:
    session = service.live(caller, action.session_id)
    await _shift(session, (State.RUNNING, State.PAUSING, State.PAUSED), session.box.sandbox.pause)
    service.changed.set()


@serves(ResumeSessionAsync)
async def resume_session_async(service: Service, caller: Caller, action: ResumeSessionAsync) -> None:
    session = service.live(caller, action.session_id)
    await _shift(session, (State.PAUSED, State.RESUMING, State.RUNNING), session.box.sandbox.resume)
    service.changed.set()
