"""Actions: the contexts of a session. What is bound, carrying files to and fro, and how that goes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from agentbay.actions import (
    BindContexts,
    BindingData,
    ContextInfoData,
    DescribeSessionContexts,
    GetAndLoadInternalContext,
    GetContextInfo,
    InternalContextData,
    SyncContext,
)
from agentbay_local.service.contexts import wire_time
from agentbay_local.service.core import Caller, Service, serves
from agentbay_local.service.refusals import ServiceRefusal, bad, missing
from agentbay_local.syncing.desk import TRANSFER_PATH
from agentbay_local.syncing.policy import Entry, UnreadablePolicy, read_entries
from agentbay_local.syncing.tasks import Kind

__all__ = ["entries_of"]

_TRANSFER = "file_transfer"


def entries_of(given: Sequence[Any] | None) -> list[Entry]:
    """Reads a PersistenceDataList. Raises ServiceRefusal."""
    try:
        return read_entries(given or [])
    except UnreadablePolicy as error:
        raise ServiceRefusal("InvalidParameter", f"The parameter {error}.") from None


@serves(BindContexts)
async def bind_contexts(service: Service, caller: Caller, action: BindContexts) -> None:
    session = service.usable(service.live(caller, action.session_id), "no context can be bound now")
    entries = entries_of(action.persistence_data_list)
    if not entries:
        raise missing("PersistenceDataList")
    desk = service.desk(session)
    await desk.begin(await desk.bind(entries))


@serves(DescribeSessionContexts)
async def describe_session_contexts(
    service: Service, caller: Caller, action: DescribeSessionContexts
) -> list[BindingData]:
    desk = service.desk(service.live(caller, action.session_id))
    return [
        BindingData(each.context_id, each.name, each.entry.path, each.entry.policy_text, wire_time(each.bound))
        for each in desk.shown
        if not each.entry.volume
    ]


@serves(GetAndLoadInternalContext)
async def get_and_load_internal_context(
    service: Service, caller: Caller, action: GetAndLoadInternalContext
) -> list[InternalContextData]:
    session = service.usable(service.live(caller, action.session_id), "no context can be made for it now")
    if unknown := [kind for kind in action.context_types if kind != _TRANSFER]:
        raise bad("ContextTypes", f"must be {_TRANSFER}, not {unknown[0][:100]}")
    if not action.context_types:
        raise missing("ContextTypes")
    found = await service.desk(session).transfer()
    return [InternalContextData(found.context_id, TRANSFER_PATH, _TRANSFER)]


def _kind(name: str, given: str | None) -> Kind | None:
    if not given:
        return None
    try:
        return Kind(given)
    except ValueError:
        raise bad(name, f"must be {Kind.UP} or {Kind.DOWN}") from None


@serves(SyncContext)
async def sync_context(service: Service, caller: Caller, action: SyncContext) -> None:
    session = service.usable(service.live(caller, action.session_id), "no files can be carried now")
    kind = _kind("Mode", action.mode) or Kind.UP
    desk = service.desk(session)
    for scope, path in desk.sought(action.context_id or "", action.path or ""):
        desk.start(scope, path, kind)


@serves(GetContextInfo)
async def get_context_info(service: Service, caller: Caller, action: GetContextInfo) -> ContextInfoData:
    session = service.live(caller, action.session_id)
    kind = _kind("TaskType", action.task_type) or ""
    return ContextInfoData(service.desk(session).tasks.report(action.context_id or "", action.path or "", kind))
