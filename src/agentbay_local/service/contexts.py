"""Actions: contexts as wholes. Those of a session are in `session_contexts`, their files in `context_files`."""

from __future__ import annotations

import asyncio
import logging
from datetime import UTC, datetime

from agentbay.actions import (
    ClearContext,
    ContextData,
    DeleteContext,
    GetContext,
    ListContexts,
    ModifyContext,
)
from agentbay_local.contexts import Context, Contexts, StoreUnavailable
from agentbay_local.service.core import Caller, Page, Service, serves
from agentbay_local.service.paging import page_size, serial_of, token_for
from agentbay_local.service.refusals import ServiceRefusal, missing

__all__ = ["wire_time"]

log = logging.getLogger("agentbay_local")

_PAUSE = 5.0


def wire_time(moment: float) -> str:
    """Gives a time as the service writes it."""
    return datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _data(context: Context) -> ContextData:
    times = wire_time(context.created), wire_time(context.used)
    return ContextData(context.id, context.name, context.state, "linux", *times)


@serves(ListContexts)
async def list_contexts(service: Service, caller: Caller, action: ListContexts) -> Page:
    size = page_size(action.max_results)
    before = serial_of(action.next_token)
    session_id = service.live(caller, action.session_id).id if action.session_id else None
    found = await service.contexts.listing(caller.owner, size, before, session_id)
    return Page([_data(context) for context in found.contexts], token_for(found.before), size, found.total)


@serves(GetContext)
async def get_context(service: Service, caller: Caller, action: GetContext) -> ContextData:
    if action.context_id and action.allow_create:
        raise ServiceRefusal("InvalidParameter", "AllowCreate goes with a Name, not with a ContextId.")
    if action.context_id:
        return _data(await service.contexts.find(caller.owner, action.context_id))
    if not action.name:
        raise missing("Name (or ContextId)")
    look = service.contexts.get_or_make if action.allow_create else service.contexts.named
    return _data(await look(caller.owner, action.name))


@serves(ModifyContext)
async def modify_context(service: Service, caller: Caller, action: ModifyContext) -> None:
    await service.contexts.rename(caller.owner, action.id, action.name)


@serves(DeleteContext)
async def delete_context(service: Service, caller: Caller, action: DeleteContext) -> None:
    await service.contexts.delete(caller.owner, action.id)


@serves(ClearContext)
async def clear_context(service: Service, caller: Caller, action: ClearContext) -> None:
    await service.contexts.begin_clear(caller.owner, action.id)
    service.spawn(_clear(service.contexts, action.id))


async def _clear(contexts: Contexts, context_id: str) -> None:
    """Clears until it is done: once begun, the context would be of no use otherwise."""
    while True:
        try:
            return await contexts.finish_clear(context_id)
        except StoreUnavailable as fault:
            log.warning("context=%s cannot be cleared now: %s", context_id, fault.message)
            await asyncio.sleep(_PAUSE)
