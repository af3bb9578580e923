"""Ends sessions whose time is over, hibernates those that were paused long enough, and forgets finished ones."""

from __future__ import annotations

import asyncio
import time

from agentbay_local.service.core import Service
from agentbay_local.service.session import Session
from agentbay_local.service.sleeping import begin_rest, resting_due

__all__ = ["keep_time"]


def _due(service: Service, session: Session, reason: str) -> None:
    if reason:
        service.spawn(service.end(session, reason))
    else:
        service.store.forget(session)


def _rest(service: Service, session: Session, now: float) -> float:
    """Hibernates a session that was paused long enough; tells in how many seconds that is to be looked at again."""
    if resting_due(service, session) <= now:
        begin_rest(service, session)
    return resting_due(service, session) - now


def _look(service: Service) -> float:
    """Does what is due; tells how many seconds there are until the next look."""
    now = time.monotonic()
    waits = [float("inf")]
    for session in service.store:
        waits.append(_rest(service, session, now))
        moment, reason = session.deadline(now)
        if moment <= now:
            _due(service, session, reason)
        else:
            waits.append(moment - now)
    return min(waits)


async def keep_time(service: Service) -> None:
    """Sleeps until the next session's time is over. Use only moves that moment away, so nobody has to wake this."""
    while True:
        service.changed.clear()
        wait = _look(service)
        try:
            await asyncio.wait_for(service.changed.wait(), None if wait == float("inf") else wait)
        except TimeoutError:
            continue
