"""Actions: sessions begin, are looked at, are kept alive, and end."""

from __future__ import annotations

import asyncio

from agentbay.actions import (
    CreateMcpSession,
    DeleteSessionAsync,
    DesktopInfo,
    GetMcpResource,
    GetSession,
    GetSessionDetail,
    RefreshSessionIdleTime,
    ReleaseMcpSession,
    ResourceData,
    SessionData,
    SessionDetailData,
)
from agentbay_local.service.calls import page_url, tool_text
from agentbay_local.service.core import Caller, Service, serves
from agentbay_local.service.images import FAMILIES
from agentbay_local.service.policies import policy_of
from agentbay_local.service.refusals import ServiceRefusal, bad, no_session, not_now
from agentbay_local.service.session import Lifetime, Session, State
from agentbay_local.service.session_contexts import entries_of
from agentbay_local.service.skills import bring_skills, skills_for
from agentbay_local.service.volumes import volume_entries
from agentbay_local.undo import closing_on_failure
from agentbay_local.unserved import NETWORKS

# The answer to a delete waits this long for the end, so that the client's first look already finds it.
_QUICK_END = 1.0
_LONGEST = 10**9

# Parameters whose effect would be missed if they were silently left out.
_NOT_SERVED = {"NetworkId": NETWORKS}


def _lifetime(action: CreateMcpSession, default_idle: float) -> Lifetime:
    """Reads when a session ends by itself: `Timeout` is in seconds alone, in minutes beside `MaxRuntime`."""
    for name, value in (("Timeout", action.timeout), ("MaxRuntime", action.max_runtime)):
        if value is not None and not 0 < value <= _LONGEST:
            raise bad(name, f"must be from 1 to {_LONGEST}")
    if action.manual_release:
        return Lifetime()
    if action.max_runtime is None:
        return Lifetime(idle=action.timeout or default_idle)
    return Lifetime(idle=60 * action.timeout if action.timeout else default_idle, total=60 * action.max_runtime)


def _only_served(params: Caller) -> None:
    for name, reason in _NOT_SERVED.items():
        if params.params.get(name, "").strip() not in {"", "[]"}:
            raise bad(name, f"cannot be met: this server has {reason}")


def _socket_url(service: Service, session: Session) -> str:
    scheme, _, place = service.base.partition("://")
    return f"{'wss' if scheme.lower() == 'https' else 'ws'}://{place}/channel/{session.id}"


def _session_data(service: Service, session: Session) -> SessionData:
    return SessionData(
        session_id=session.id,
        app_instance_id=session.app_instance_id,
        resource_id=session.resource_id,
        resource_url=page_url(service, session),
        link_url=f"{service.base}/link/{session.id}",
        ws_url=_socket_url(service, session),
        token=session.token,
        tool_list=tool_text(session.family),
        status=session.state,
        contexts=[{"id": context_id, "name": name} for context_id, name in service.desk(session).contexts.items()],
    )


@serves(CreateMcpSession)
async def create_mcp_session(service: Service, caller: Caller, action: CreateMcpSession) -> SessionData:
    _only_served(caller)
    lifetime = _lifetime(action, service.settings.idle)
    image = await service.gallery.find(action.image_id)
    entries = entries_of(action.persistence_data_list) + await volume_entries(service, caller, image.name)
    policy = await policy_of(service, action.mcp_policy_id)
    skills = await skills_for(service, caller, action)
    session = await service.open(caller.owner, image, lifetime, action.labels or {})
    session.take(policy)
    async with closing_on_failure(lambda: service.end(session, "NotCreated")):
        await bring_skills(session, skills)
        if entries:
            desk = service.desk(session)
            await desk.begin(await desk.bind(entries))
    return _session_data(service, session)


@serves(GetSession)
async def get_session(service: Service, caller: Caller, action: GetSession) -> SessionData:
    return _session_data(service, service.live(caller, action.session_id))


@serves(GetSessionDetail)
async def get_session_detail(service: Service, caller: Caller, action: GetSessionDetail) -> SessionDetailData:
    session = service.store.find(action.session_id)
    if session is None or session.owner != caller.owner:
        raise no_session()
    return SessionDetailData(
        status=session.state,
        image_id=session.image,
        image_type=FAMILIES[session.family],
        app_instance_id=session.app_instance_id,
        apikey_id=session.owner,
        region_id="local",
        end_reason=session.end_reason,
        id=session.serial,
        is_deleted=int(session.state is State.FINISH),
        policy_id=session.policy_id,
    )


@serves(GetMcpResource)
async def get_mcp_resource(service: Service, caller: Caller, action: GetMcpResource) -> ResourceData:
    session = service.live(caller, action.session_id)
    desktop = DesktopInfo(
        app_id=session.image,
        auth_code=session.auth_code,
        connection_properties="{}",
        resource_id=session.resource_id,
        resource_type="AIAgent",
    )
    return ResourceData(session.id, page_url(service, session), desktop)


@serves(RefreshSessionIdleTime)
async def refresh_session_idle_time(service: Service, caller: Caller, action: RefreshSessionIdleTime) -> None:
    service.live(caller, action.session_id).touch()


def _ending(service: Service, caller: Caller, session_id: str) -> Session | None:
    """Finds a session to end; None when its end has begun, so that deleting twice does no harm."""
    session = service.store.find(session_id)
    if session is None or session.owner != caller.owner or session.state is State.FINISH:
        raise no_session()
    if session.state in {State.PAUSED, State.PAUSING}:
        raise not_now(session.state, "it cannot be deleted now")
    return session if session.live else None


@serves(DeleteSessionAsync)
async def delete_session_async(service: Service, caller: Caller, action: DeleteSessionAsync) -> None:
    session = _ending(service, caller, action.session_id)
    if session is not None:
        await asyncio.wait([service.spawn(service.end(session, "Deleted"))], timeout=_QUICK_END)


@serves(ReleaseMcpSession)
async def release_mcp_session(service: Service, caller: Caller, action: ReleaseMcpSession) -> None:
    session = _ending(service, caller, action.session_id)
    if session is None:
        return
    await asyncio.wait([service.spawn(service.end(session, "Released"))], timeout=30 * _QUICK_END)
    if session.state is not State.FINISH:
        raise ServiceRefusal("ServiceUnavailable", "The session is still ending.", 503)
