"""Actions: lists of sessions, and the labels that lists are narrowed by."""

from __future__ import annotations

import json

from agentbay.actions import GetLabel, LabelData, ListSession, SessionItem, SetLabel
from agentbay_local.service.core import Caller, Page, Service, serves
from agentbay_local.service.paging import page_size, serial_of, token_for
from agentbay_local.service.refusals import bad
from agentbay_local.service.session import Session, State

_FILTERS = ("RUNNING", "PAUSING", "PAUSED", "RESUMING", "DELETING", "DELETED")


def _shown(session: Session) -> str:
    """Gives the state by the name that lists have for it."""
    return "DELETED" if session.state is State.FINISH else str(session.state)


def _matches(session: Session, action: ListSession) -> bool:
    right_state = _shown(session) == action.status if action.status else session.live
    right_image = not action.image_id or session.image == action.image_id
    return right_state and right_image and (action.labels or {}).items() <= session.labels.items()


@serves(ListSession)
async def list_session(service: Service, caller: Caller, action: ListSession) -> Page:
    size = page_size(action.max_results)
    if action.status and action.status not in _FILTERS:
        raise bad("Status", f"must be one of {', '.join(_FILTERS)}")
    before = serial_of(action.next_token) or float("inf")
    mine = [session for session in service.store if session.owner == caller.owner and _matches(session, action)]
    rest = [session for session in reversed(mine) if session.serial < before]
    page = rest[:size]
    items = [SessionItem(one.id, _shown(one), one.app_instance_id, one.image) for one in page]
    return Page(items, token_for(page[-1].serial) if len(rest) > size else "", size, len(mine))


@serves(SetLabel)
async def set_label(service: Service, caller: Caller, action: SetLabel) -> None:
    service.live(caller, action.session_id).labels = action.labels


@serves(GetLabel)
async def get_label(service: Service, caller: Caller, action: GetLabel) -> LabelData:
    return LabelData(json.dumps(service.live(caller, action.session_id).labels, ensure_ascii=False))
