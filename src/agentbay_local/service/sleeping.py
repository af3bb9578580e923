"""Sessions between two states: paused, hibernated, woken, and found again after a restart."""

from __future__ import annotations

import asyncio
import logging
import time
from typing import TYPE_CHECKING, Final

from agentbay_local.contexts import StoreUnavailable
from agentbay_local.sandbox.contract import SandboxError, SandboxGone
from agentbay_local.service.refusals import ServiceRefusal
from agentbay_local.service.session import Session, State

if TYPE_CHECKING:
    from agentbay_local.service.core import Service

__all__ = ["begin_rest", "find_again", "keep_looking", "rest_all", "resting_due", "rouse", "settle"]

log = logging.getLogger("agentbay_local")

BUSY_S: Final = 5.0
"""Seconds until a session in which something still waits for an answer is looked at again."""
RETRY_S: Final = 300.0
"""Seconds until it is tried again to hibernate one that could not be."""
LOOK_S: Final = 60.0
"""How often sessions are looked for that another runtime has left."""
STOP_S: Final = 20.0


def resting_due(service: Service, session: Session) -> float:
    """When a session is to be hibernated, in seconds of the monotonic clock."""
    after = service.settings.hibernate
    if session.state is not State.PAUSED or session.asleep or session.shifting or not after:
        return float("inf")
    return max(session.since + after, session.rest_at)


def begin_rest(service: Service, session: Session) -> None:
    """Hibernates a paused session beside the requests; what is under way in it comes first."""
    if session.busy or service.is_carrying(session):
        session.rest_at = time.monotonic() + BUSY_S
        return
    session.work = service.spawn(_rest(service, session))


async def _rest(service: Service, session: Session) -> None:
    try:
        await service.keeper.hibernate(session, service.desk_of(session), service.store.ports(session))
    except (SandboxError, StoreUnavailable, OSError, TimeoutError) as error:
        session.rest_at = time.monotonic() + RETRY_S
        why = error.message if isinstance(error, StoreUnavailable) else error
        log.warning("session=%s is not hibernated and stays in memory: %s", session.id, why)
    finally:
        if session.asleep is not None:  # also where a resume came too late to keep it from that
            await asyncio.gather(*(leave(session) for leave in service.at_rest))
        service.changed.set()


async def settle(session: Session) -> None:
    """Ends what takes a session from one state to another; it is then in the one or in the other."""
    work = session.work
    if work is not None and not work.done() and work is not asyncio.current_task():
        work.cancel()
        await asyncio.wait([work])


async def rouse(service: Service, session: Session) -> None:
    """Lets a paused session go on, in a new sandbox if it is hibernated.

    Raises:
        SandboxError, OSError, StoreUnavailable: that is not possible; it stays as it was.
    """
    if not session.asleep:
        await session.box.sandbox.resume()
        return
    try:
        await service.keeper.wake(session, service.desk_of(session))
    except SandboxGone as gone:  # the new one, not the session
        raise SandboxError(f"the new sandbox has ended: {gone}") from gone
    service.attend(session)


# --- The server comes and goes ----------------------------------------------------------------------------------------


async def find_again(service: Service) -> None:
    """Takes over the sessions that an earlier runtime has kept for our keys."""
    try:
        found = await service.keeper.adopt()
    except StoreUnavailable as fault:
        log.warning("hibernated sessions cannot be looked for: %s", fault.message)
        return
    for session, record in found:
        service.add(session)
        for port, token in record.links.items():
            service.store.link(session, port, token)
        if record.contexts:
            await service.desk(session).recall(record.contexts)
    service.changed.set()


async def keep_looking(service: Service) -> None:
    """Looks again and again: runtimes that share a folder come and go."""
    while True:
        await asyncio.sleep(LOOK_S)
        await find_again(service)


async def rest_all(service: Service) -> None:
    """Hibernates all paused sessions, as far as there is time."""
    paused = [session for session in service.store if session.state is State.PAUSED]
    for session in paused:
        if not session.asleep and not session.shifting:
            session.work = service.spawn(_rest(service, session))
    work = [session.work for session in paused if session.work is not None]
    if work:
        await asyncio.wait(work, timeout=STOP_S)
    for session in paused:
        await settle(session)


def refusal_of(error: Exception, state: State) -> ServiceRefusal:
    """How a client is told that a session stays as it is."""
    said = error.message if isinstance(error, ServiceRefusal) else error
    return ServiceRefusal("ServiceUnavailable", f"The session stays {state}: {said}", 503)
