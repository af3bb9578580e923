"""Actions: contexts. There are none yet, so there is nothing to carry and no task to report."""

from __future__ import annotations

from typing import Any

from agentbay import context_actions
from agentbay._params import Action
from agentbay.actions import ContextInfoData, GetContextInfo, SyncContext
from agentbay_local.service.core import Caller, Service, serves
from agentbay_local.service.refusals import ServiceRefusal, bad

NOT_SERVED = (
    context_actions.BindContexts,
    context_actions.ClearContext,
    context_actions.DeleteContext,
    context_actions.DeleteContextFile,
    context_actions.DescribeContextFiles,
    context_actions.DescribeSessionContexts,
    context_actions.GetAndLoadInternalContext,
    context_actions.GetContext,
    context_actions.GetContextFileDownloadUrl,
    context_actions.GetContextFileUploadUrl,
    context_actions.ListContexts,
    context_actions.ModifyContext,
)


async def _refuse(service: Service, caller: Caller, action: Action[Any]) -> None:
    """Say what is missing, to those who may ask."""
    if session_id := getattr(action, "session_id", None):
        service.live(caller, session_id)
    raise ServiceRefusal("InvalidAction.NotFound", "This runtime does not serve contexts and file transfer yet.", 404)


for _action in NOT_SERVED:
    serves(_action)(_refuse)


@serves(SyncContext)
async def sync_context(service: Service, caller: Caller, action: SyncContext) -> None:
    service.live(caller, action.session_id)
    if action.mode not in {None, "", "upload", "download"}:
        raise bad("Mode", "must be upload or download")
    if action.context_id:
        raise ServiceRefusal("Context.NotFound", "Resource [Context] is not found.")


@serves(GetContextInfo)
async def get_context_info(service: Service, caller: Caller, action: GetContextInfo) -> ContextInfoData:
    service.live(caller, action.session_id)
    return ContextInfoData("[]")
