"""The client: opens, finds and lists sessions."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator
from functools import cached_property
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from attrs import evolve

from agentbay._checked import Checked, checked
from agentbay._creation import awaited_contexts, creation, phone_steps
from agentbay._engine import DEFAULT_MAX_CONNECTIONS, EngineChoice
from agentbay._retry import RetryPolicy
from agentbay._socket_address import Dialling
from agentbay._wire import Reply
from agentbay.actions import GetSession, ListSession, SessionItem
from agentbay.config import Config, Settings
from agentbay.errors import AgentBayError, APIError
from agentbay.types.response import DeleteResult
from agentbay.types.session import (
    CreateSessionParams,
    SessionListResult,
    SessionPauseResult,
    SessionResult,
    SessionResumeResult,
    SessionStatus,
)

from .engine import make_engine
from .session import AsyncSession
from .transport import AsyncTransport

if TYPE_CHECKING:
    import httpx

    from .context import AsyncContextService
    from .network import AsyncBetaNetworkService
    from .skills import AsyncBetaNamespace, AsyncBetaSkillsService
    from .streams import AsyncStreams

__all__ = ["AsyncAgentBay"]

PAGE_SIZE = 10


class AsyncAgentBay(Checked):
    """The way to the service. Use it in a `with` block, or close it when done. One client serves many sessions.

    `context` manages contexts, the stores of files that outlive sessions; `beta_network` and `beta_skills` what is new.

    Args:
        api_key: the account's key; else AGENTBAY_API_KEY in the environment or in a `.env` file.
        cfg: a configuration in place of the environment.
        env_file: the `.env` file to read; None means the first one from the working directory upwards.
        endpoint: a host or URL of the service, or `local` for a runtime on this machine, which needs no key.
        timeout: seconds that a call may take in all, retries included (default 60). Commands and code get more when
            their own time-outs ask for it.
        retries: how many times a call that is safe to repeat is tried again (default 2), or a `RetryPolicy`.
        http_client: an httpx client that carries all requests; it is never closed here. The other connection
            arguments are then its own business.
        verify: True checks certificates, a path or context names other roots, False accepts anybody.
        proxy: the URL of a proxy; None leaves it to the proxy variables of the environment.
        max_connections: how many connections there may be at most.
        engine: `pool` (built in), `fast` (needs the extra of this name), or `auto`: fast where it
            is installed and the client is asynchronous.

    Raises:
        ValueError: there is no API key, or an argument is out of its range.
    """

    @checked
    def __init__(
        self,
        api_key: str = "",
        cfg: Config | None = None,
        env_file: str | None = None,
        *,
        endpoint: str | None = None,
        timeout: float | None = None,
        retries: RetryPolicy | int | None = None,
        http_client: httpx.AsyncClient | None = None,
        verify: bool | str | ssl.SSLContext = True,
        proxy: str | None = None,
        max_connections: int = DEFAULT_MAX_CONNECTIONS,
        engine: EngineChoice = "auto",
    ) -> None:
        settings = Settings.resolve(api_key, cfg, env_file, endpoint, timeout)
        roads: dict[str, Any] = {
            "http_client": http_client,
            "verify": verify,
            "proxy": proxy,
            "trust_env": not settings.local,
            "max_connections": max_connections,
        }
        carrier = make_engine(engine, **roads)
        self.api_key = settings.api_key
        self.region_id = settings.region_id
        self._transport = AsyncTransport(settings, RetryPolicy.of(retries), carrier)
        self._transport.dialling = Dialling(verify, None if settings.local else proxy or True)
        self._roads = roads

    @cached_property
    def context(self) -> AsyncContextService:
        """The contexts of the account."""
        from .context import AsyncContextService  # noqa: PLC0415  (loaded when it is first touched)

        return AsyncContextService(self)

    @cached_property
    def beta(self) -> AsyncBetaNamespace:
        """The services that may still change: `beta.network` and `beta.skills`."""
        from .skills import AsyncBetaNamespace  # noqa: PLC0415  (loaded when it is first touched)

        return AsyncBetaNamespace(self)

    @property
    def beta_network(self) -> AsyncBetaNetworkService:
        """Networks for sessions; the same as `beta.network`."""
        return self.beta.network

    @property
    def beta_skills(self) -> AsyncBetaSkillsService:
        """Skills of agents; the same as `beta.skills`."""
        return self.beta.skills

    @cached_property
    def _streams(self) -> AsyncStreams:
        from .streams import AsyncStreams  # noqa: PLC0415  (loaded with the first transfer)

        streams = AsyncStreams(**self._roads)
        self._transport.channels.add(streams)
        return streams

    def __repr__(self) -> str:
        return f"<{type(self).__name__} endpoint={self._transport.endpoint} region={self.region_id}>"

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close all connections; end the local runtime if no other client uses it. Closing twice does nothing."""
        await self._transport.aclose()

    async def create(self, params: CreateSessionParams | None = None) -> SessionResult[AsyncSession]:
        """Open a session, make a phone as it is wanted, and wait until the files of its synced contexts are there.

        Args:
            params: what it should be like; None means the service's defaults.

        Returns:
            The session in `session`. Files that do not arrive in about three minutes do not change that, nor does a
            phone's setting that fails; both are logged.

        Raises:
            ValueError: a context's policy or a mobile setting is refused.
            SessionError: no usable answer came.

        Source: actions `CreateMcpSession` and `GetContextInfo`; tool `shell` for a phone's settings.
        """
        params = params or CreateSessionParams()
        settings, simulation = phone_steps(params)
        reply = await self._transport.send(creation(params, self.region_id))
        if reply.data is None or not reply.data.session_id:
            return _without_session(reply, "The service made no session")
        session = AsyncSession.of(self, reply.data, params.image_id or "")
        session.enable_browser_replay = params.enable_browser_replay
        if settings:
            await session.mobile._prepare(settings)
        if awaited := awaited_contexts(params):
            await session.context._await_created(awaited)
        if simulation:
            await session.mobile._prepare(simulation)
        return SessionResult.of(reply, session=session)

    async def get(self, session_id: str) -> SessionResult[AsyncSession]:
        """Find a live session by its id.

        Args:
            session_id: the id.

        Returns:
            The session in `session`; a failure with a `NotFoundError` when there is none.

        Raises:
            SessionError: no usable answer came.

        Source: action `GetSession`.
        """
        if not session_id or not session_id.strip():
            return SessionResult.failed(AgentBayError("session_id is required"))
        reply = await self._transport.send(GetSession(session_id))
        if reply.data is None:
            return _without_session(reply, f"The service said nothing of session {session_id}")
        session = AsyncSession.of(self, reply.data)
        session.session_id = session.session_id or session_id
        return SessionResult.of(reply, session=session)

    async def list(
        self,
        labels: dict[str, str] | None = None,
        page: int | None = None,
        limit: int | None = None,
        status: str | None = None,
        image_id: str | None = None,
    ) -> SessionListResult:
        """List one page of the live sessions.

        Args:
            labels: labels that must all match.
            page: the page number, from 1 (default 1). The pages before it are fetched too.
            limit: sessions a page (default 10).
            status: a name of `SessionStatus`.
            image_id: only sessions of this image.

        Returns:
            The sessions in `session_ids`, and `next_token`, empty on the last page.

        Raises:
            SessionError: no usable answer came.

        Source: action `ListSession`.
        """
        fault = _list_fault(page, status)
        if fault:
            return SessionListResult.failed(AgentBayError(fault))
        query = ListSession(labels or {}, limit or PAGE_SIZE, None, status, image_id)
        reply = await self._transport.send(query)
        for number in range(1, page or 1):
            if not reply.success:
                break
            if not reply.next_token:
                return SessionListResult.failed(AgentBayError(f"There is no page {page}; the last one is {number}"))
            reply = await self._transport.send(evolve(query, next_token=reply.next_token))
        return _list_result(reply)

    async def list_all(
        self,
        labels: dict[str, str] | None = None,
        limit: int | None = None,
        status: str | None = None,
        image_id: str | None = None,
    ) -> AsyncIterator[dict[str, str]]:
        """Iterate over all live sessions; pages are fetched as they are needed.

        Args:
            labels: labels that must all match.
            limit: sessions a page (default 10).
            status: a name of `SessionStatus`.
            image_id: only sessions of this image.

        Returns:
            An iterator over dictionaries with `sessionId`, `sessionStatus`, `appInstanceId` and `imageId`.

        Raises:
            AgentBayError: the service refused, or no usable answer came.

        Source: action `ListSession`.
        """
        fault = _list_fault(None, status)
        if fault:
            raise AgentBayError(fault)
        query = ListSession(labels or {}, limit or PAGE_SIZE, None, status, image_id)
        while True:
            result = _list_result(await self._transport.send(query)).unwrap()
            for item in result.session_ids:
                yield item
            if not result.next_token:
                return
            query = evolve(query, next_token=result.next_token)

    async def delete(self, session: AsyncSession, sync_context: bool = False) -> DeleteResult:
        """Delete a session; the same as its own `delete`."""
        return await session.delete(sync_context)

    async def pause(
        self, session: AsyncSession, timeout: float = 600, poll_interval: float = 2.0
    ) -> SessionPauseResult:
        """Pause a session; the same as its own `pause`."""
        return await session.pause(timeout, poll_interval)

    async def resume(
        self, session: AsyncSession, timeout: float = 600, poll_interval: float = 2.0
    ) -> SessionResumeResult:
        """Resume a session; the same as its own `resume`."""
        return await session.resume(timeout, poll_interval)

    beta_pause = pause
    beta_resume = resume


def _without_session(reply: Reply[Any], text: str) -> SessionResult[AsyncSession]:
    if reply.error is not None:
        return SessionResult.of(reply)
    return SessionResult.failed(APIError(text, reply.status, request_id=reply.request_id))


def _list_fault(page: int | None, status: str | None) -> str:
    if page is not None and page < 1:
        return f"Cannot reach page {page}: page numbers begin at 1."
    names = [item.value for item in SessionStatus]
    if status is not None and status not in names:
        return f"Invalid status {status!r}. Must be one of {', '.join(names)}."
    return ""


def _list_result(reply: Reply[list[SessionItem]]) -> SessionListResult:
    items = [
        {
            "sessionId": item.session_id,
            "sessionStatus": item.session_status,
            "appInstanceId": item.app_instance_id,
            "imageId": item.image_id,
        }
        for item in reply.data or ()
        if item.session_id
    ]
    return SessionListResult.of(
        reply,
        session_ids=items,
        next_token=reply.next_token,
        max_results=reply.max_results,
        total_count=reply.total_count,
    )
