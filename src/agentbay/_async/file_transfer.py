"""Files to and from a session, of any size, by way of a store: neither side ever holds a whole file in memory."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from agentbay._checked import Checked
from agentbay._deadline import Deadline
from agentbay._engine import EngineError, EngineUnusable
from agentbay._pairs import AsyncLock, async_blocking, async_sleep
from agentbay._retry import delay_before
from agentbay._tracing import (
    NOT_FINISHED,
    Trace,
    TransferFault,
    check_destination,
    downloaded,
    judge,
    local_fault,
    lost,
    open_source,
    refused,
    task_fault,
    unsettled,
    uploaded,
    url_fault,
)
from agentbay._transfer import LocalFault, Partial, Source, Stored, Tell
from agentbay.actions import (
    GetAndLoadInternalContext,
    GetContextFileDownloadUrl,
    GetContextFileUploadUrl,
    InternalContextData,
)
from agentbay.errors import APIError, ClientClosedError
from agentbay.types.transfer import DownloadResult, UploadResult

from .polling import AsyncTicks
from .streams import AsyncDownload, AsyncUpload

if TYPE_CHECKING:
    from .client import AsyncAgentBay
    from .session import AsyncSession

__all__ = ["AsyncFileTransfer"]

# What the presigned URLs are asked for.
UPLOAD = GetContextFileUploadUrl
DOWNLOAD = GetContextFileDownloadUrl

# A try that brought this much further does not count against the number of tries.
HEADWAY = 1024 * 1024


class AsyncFileTransfer(Checked):
    """Moves files between this machine and a session.

    Args:
        agent_bay: the client.
        session: the session.
        http_timeout: seconds that the store may be silent.
        follow_redirects: go where the store redirects to.
    """

    def __init__(
        self,
        agent_bay: AsyncAgentBay,
        session: AsyncSession,
        *,
        http_timeout: float = 60.0,
        follow_redirects: bool = True,
    ) -> None:
        self.agent_bay = agent_bay
        self.session = session
        self._http_timeout = http_timeout
        self._follow_redirects = follow_redirects
        self._looking = AsyncLock()
        self._found: InternalContextData | None = None

    async def upload(
        self,
        local_path: str | os.PathLike[str],
        remote_path: str,
        *,
        content_type: str | None = None,
        wait: bool = True,
        wait_timeout: float = 30.0,
        poll_interval: float = 1.5,
        progress_cb: Callable[[int], None] | None = None,
    ) -> UploadResult:
        """Send a file to the session.

        A try that fails is repeated from the beginning; a URL that is no longer good is asked for anew once.

        Args:
            local_path: the file on this machine.
            remote_path: where it will be, an absolute path below `context_path`.
            content_type: the kind of content that the store is told.
            wait: wait until the file is in the session, not only in the store.
            wait_timeout: seconds to wait once the session has settled.
            poll_interval: seconds between two looks; the first looks follow faster.
            progress_cb: gets the number of bytes sent so far; it begins anew when the transfer does.

        Returns:
            Success, or a failure that says how far it came; a lost connection to the store is such a failure too.

        Raises:
            SessionError: the service gave no usable answer.

        Source: actions `GetAndLoadInternalContext`, `GetContextFileUploadUrl`, `SyncContext` and `GetContextInfo`.
        """
        trace = self._trace()
        try:
            with open_source(local_path) as source:
                await self._send(source, remote_path, content_type, progress_cb, trace)
            if wait:
                await self._settle("Upload", remote_path, "download", wait_timeout, poll_interval, trace)
            else:
                await self._begin_sync("upload", remote_path, "download", trace)
        except TransferFault as fault:
            return uploaded(trace, remote_path, fault)
        return uploaded(trace, remote_path)

    async def download(
        self,
        remote_path: str,
        local_path: str | os.PathLike[str],
        *,
        overwrite: bool = True,
        wait: bool = True,
        wait_timeout: float = 300.0,
        poll_interval: float = 1.5,
        progress_cb: Callable[[int], None] | None = None,
    ) -> DownloadResult:
        """Fetch a file from the session.

        Until it is complete, the file has another name beside `local_path`. A try that fails goes on where it ended, if
        the store can tell that the file is still the same; a URL that is no longer good is asked for anew once.

        Args:
            remote_path: the file, an absolute path below `context_path`.
            local_path: where it will be on this machine; directories are made as needed.
            overwrite: replace what is there.
            wait: first wait until the session's file is in the store.
            wait_timeout: seconds to wait once the session has settled.
            poll_interval: seconds between two looks; the first looks follow faster.
            progress_cb: gets the number of bytes received so far; it begins anew when the transfer does.

        Returns:
            Success, or a failure that says how far it came; a lost connection to the store is such a failure too.

        Raises:
            SessionError: the service gave no usable answer.

        Source: actions `GetAndLoadInternalContext`, `SyncContext`, `GetContextInfo` and `GetContextFileDownloadUrl`.
        """
        trace = self._trace()
        try:
            check_destination(local_path, overwrite, trace)
            if wait:
                await self._settle("Download", remote_path, "upload", wait_timeout, poll_interval, trace)
            else:
                await self._begin_sync("download", remote_path, "upload", trace)
            await self._fetch(remote_path, Path(local_path), progress_cb, trace)
        except TransferFault as fault:
            return downloaded(trace, remote_path, local_path, fault)
        return downloaded(trace, remote_path, local_path)

    async def context_path(self) -> str | None:
        """The directory in the session below which files can be transferred; None when there is none.

        Source: action `GetAndLoadInternalContext`.
        """
        try:
            return (await self._store()).context_path
        except TransferFault:
            return None

    # --- One file -----------------------------------------------------------------------------------------------------

    def _trace(self) -> Trace:
        return Trace(facts={"session_id": self.session.session_id})

    async def _store(self) -> InternalContextData:
        """The hidden context that carries the files; asked for once."""
        async with self._looking:
            if self._found is None:
                self._found = await self._find_store()
            return self._found

    async def _find_store(self) -> InternalContextData:
        action = GetAndLoadInternalContext(self.session.session_id, ["file_transfer"])
        reply = await self.session._send(action)
        if reply.error is not None:
            raise TransferFault(reply.message or reply.error.message, reply.error)
        found = next((item for item in reply.data or () if item.context_id and item.context_path), None)
        if found is None:
            text = "Response contains no data"
            raise TransferFault(text, APIError(text, reply.status, request_id=reply.request_id))
        return found

    async def _send(
        self,
        source: Source,
        remote_path: str,
        content_type: str | None,
        progress_cb: Callable[[int], None] | None,
        trace: Trace,
    ) -> None:
        """Bring a file into the store."""
        headers = {"Content-Type": content_type} if content_type else {}
        tell: Tell = lambda count: trace.told(count, progress_cb)  # noqa: E731
        job = AsyncUpload(self.agent_bay._streams, source, headers, tell, self._http_timeout, self._follow_redirects)
        stored = await self._carry("Upload", UPLOAD, job, remote_path, trace)
        trace.etag = stored.etag
        if stored.status not in (200, 201, 204):
            raise refused("Upload", stored, trace)

    async def _fetch(
        self, remote_path: str, target: Path, progress_cb: Callable[[int], None] | None, trace: Trace
    ) -> None:
        """Bring a file out of the store."""
        tell: Tell = lambda count: trace.told(count, progress_cb)  # noqa: E731
        try:
            with Partial(target) as partial:
                job = AsyncDownload(self.agent_bay._streams, partial, tell, self._http_timeout, self._follow_redirects)
                stored = await self._carry("Download", DOWNLOAD, job, remote_path, trace)
                trace.etag = stored.etag
                if stored.status not in (200, 206):
                    raise refused("Download", stored, trace)
                await async_blocking(partial.finish)
        except LocalFault as fault:
            raise local_fault("Download", fault, trace) from fault

    async def _carry(
        self,
        what: str,
        kind: type[GetContextFileUploadUrl | GetContextFileDownloadUrl],
        job: AsyncUpload | AsyncDownload,
        remote_path: str,
        trace: Trace,
    ) -> Stored:
        """Try until the store has given an answer to keep."""
        url = await self._url(kind, remote_path, trace)
        attempt, best, renewed = 0, 0, False
        while True:
            attempt = 1 if job.best >= best + HEADWAY else attempt + 1
            best = max(best, job.best)
            result = await self._once(what, job, url, trace)
            if isinstance(result, Stored) and result.status in (401, 403) and not renewed:
                renewed, url = True, await self._url(kind, remote_path, trace)
                continue
            failure = judge(result)
            delay = delay_before(attempt, failure, True, self.agent_bay._transport._policy) if failure else None
            if delay is None or delay > self._http_timeout:
                if isinstance(result, EngineError):
                    raise lost(what, result, attempt, trace) from result
                return result
            await async_sleep(delay)

    async def _once(self, what: str, job: AsyncUpload | AsyncDownload, url: str, trace: Trace) -> Stored | EngineError:
        try:
            result = await job.once(url)
        except LocalFault as fault:
            raise local_fault(what, fault, trace) from fault
        except EngineUnusable as closed:
            raise ClientClosedError("This client was closed during the transfer.", **trace.facts) from closed
        except EngineError as error:
            return error
        trace.status = result.status
        return result

    async def _url(
        self, kind: type[GetContextFileUploadUrl | GetContextFileDownloadUrl], remote_path: str, trace: Trace
    ) -> str:
        store = await self._store()
        reply = await self.session._send(kind(store.context_id, remote_path))
        trace.url_id = trace.request_id = reply.request_id
        error = reply.error or url_fault(reply.data, trace)
        if error is not None:
            name = "upload" if kind is UPLOAD else "download"
            raise TransferFault(f"get_file_{name}_url failed: {error.message}", error)
        return reply.data.url if reply.data else ""

    # --- Between the store and the session ----------------------------------------------------------------------------

    async def _begin_sync(self, what: str, path: str, mode: str, trace: Trace, *, wait: bool = False) -> None:
        """Start to carry a path between the store and the session; `wait` also waits until that has settled."""
        store = await self._store()
        begun = await self.session.context.sync(store.context_id, path, mode, wait=False)
        trace.sync_id = trace.request_id = begun.request_id
        if begun.error is not None:
            text = f"session.context.sync({what}) failed: {begun.error_message}"
            raise TransferFault(text, begun.error)
        if wait:
            await self.session.context._await_settled(store.context_id, path)

    async def _settle(self, what: str, path: str, mode: str, timeout: float, interval: float, trace: Trace) -> None:
        """Carry a path between the store and the session, and make sure that it arrived."""
        await self._begin_sync(what.lower(), path, mode, trace, wait=True)
        fault = await self._await_task(path, mode, timeout, interval)
        if fault:
            raise unsettled(what, fault, trace)

    async def _await_task(self, path: str, task_type: str, timeout: float, interval: float) -> str:
        """Wait for the task that carries exactly this path; empty when it has succeeded."""
        context_id = (await self._store()).context_id
        ticks = AsyncTicks(Deadline.after(timeout), interval)
        while await ticks.tick():
            tasks = await self.session.context._tasks(context_id, path, task_type)
            fault = task_fault(tasks or (), context_id, path, task_type)
            if fault is not None:
                return fault
        return NOT_FINISHED
