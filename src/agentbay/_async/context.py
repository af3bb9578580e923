"""Contexts: named stores of files that outlive sessions."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any, TypeVar

from attrs import evolve

from agentbay._checked import Checked
from agentbay._deadline import Deadline
from agentbay._params import Action
from agentbay._wire import Reply
from agentbay.actions import (
    ClearContext,
    ContextData,
    DeleteContext,
    DeleteContextFile,
    DescribeContextFiles,
    FileData,
    FileUrlData,
    GetContext,
    GetContextFileDownloadUrl,
    GetContextFileUploadUrl,
    ListContexts,
    ModifyContext,
)
from agentbay.errors import AgentBayError, APIError, ClearanceTimeoutError
from agentbay.types.context import (
    ClearContextResult,
    Context,
    ContextFileEntry,
    ContextFileListResult,
    ContextListParams,
    ContextListResult,
    ContextResult,
    FileUrlResult,
)
from agentbay.types.response import OperationResult

from .polling import AsyncTicks

if TYPE_CHECKING:
    from .client import AsyncAgentBay

__all__ = ["AsyncContextService"]

PAGE_SIZE = 10
FILE_PAGE_SIZE = 100

AVAILABLE = "available"
CLEARING = "clearing"

T = TypeVar("T")


class AsyncContextService(Checked):
    """Finds, makes, renames, clears and deletes contexts, and manages their files."""

    def __init__(self, agent_bay: AsyncAgentBay) -> None:
        self.agent_bay = agent_bay

    async def _send(self, action: Action[T]) -> Reply[T]:
        return await self.agent_bay._transport.send(action)

    async def get(self, name: str | None = None, create: bool = False, context_id: str | None = None) -> ContextResult:
        """Find a context by its name or id.

        Args:
            name: the name, unique in the account.
            create: make the context of this name when there is none; not together with an id.
            context_id: the id.

        Returns:
            The context in `context`, its id in `context_id`.

        Raises:
            SessionError: no usable answer came.

        Source: action `GetContext`.
        """
        fault = _lookup_fault(name, create, context_id)
        if fault:
            return ContextResult.failed(AgentBayError(fault))
        region = self.agent_bay.region_id if create else None
        return _found(await self._send(GetContext(name or None, context_id or None, create, region)), name or "")

    async def create(self, name: str) -> ContextResult:
        """Make a context, or find the one of this name; the same as `get` with `create=True`."""
        return await self.get(name, create=True)

    async def list(self, params: ContextListParams | None = None) -> ContextListResult:
        """List one page of the contexts.

        Args:
            params: which page; None means the first ten contexts.

        Raises:
            SessionError: no usable answer came.

        Source: action `ListContexts`.
        """
        return _listed(await self._send(_list_action(params)))

    async def list_all(self, params: ContextListParams | None = None) -> AsyncIterator[Context]:
        """Iterate over all contexts; pages are fetched as they are needed.

        Args:
            params: how many a page, where to begin, and of which session; None means all, ten a page.

        Raises:
            AgentBayError: the service refused, or no usable answer came.

        Source: action `ListContexts`.
        """
        query = _list_action(params)
        while True:
            page = _listed(await self._send(query)).unwrap()
            for context in page.contexts:
                yield context
            if not page.next_token:
                return
            query = evolve(query, next_token=page.next_token)

    async def update(self, context: Context) -> OperationResult:
        """Give a context the name that this object has.

        Raises:
            SessionError: no usable answer came.

        Source: action `ModifyContext`.
        """
        return _done(await self._send(ModifyContext(context.id, context.name)))

    async def delete(self, context: Context) -> OperationResult:
        """Delete a context and all its files.

        Raises:
            SessionError: no usable answer came.

        Source: action `DeleteContext`.
        """
        return _done(await self._send(DeleteContext(context.id)))

    # --- Clearing -----------------------------------------------------------------------------------------------------

    async def clear(self, context_id: str, timeout: float = 60, poll_interval: float = 2.0) -> ClearContextResult:
        """Delete all files of a context and wait until that is done. The context keeps its id and name.

        Args:
            context_id: the context.
            timeout: seconds to wait at most.
            poll_interval: seconds between two looks; the first looks follow faster.

        Returns:
            Success with the status `available`, or why the service refused.

        Raises:
            ClearanceTimeoutError: the time ran out; the service goes on clearing.
            SessionError: no usable answer came.

        Source: actions `ClearContext` and `GetContext`.
        """
        result = await self.start_clear(context_id)
        ticks = AsyncTicks(Deadline.after(timeout), poll_interval)
        while result.success and await ticks.tick():
            result = await self.get_clear_status(context_id)
            if result.status == AVAILABLE:
                return result
        if not result.success:
            return result
        raise ClearanceTimeoutError(
            f"The context was not cleared within {timeout:g} s; its state is {result.status}",
            request_id=result.request_id,
            action="ClearContext",
            context_id=context_id,
        )

    async def start_clear(self, context_id: str) -> ClearContextResult:
        """Begin to delete all files of a context; do not wait.

        Returns:
            Success with the status `clearing`, or why the service refused.

        Raises:
            SessionError: no usable answer came.

        Source: action `ClearContext`.
        """
        reply = await self._send(ClearContext(context_id))
        return ClearContextResult.of(reply, status=CLEARING if reply.success else None, context_id=context_id)

    clear_async = start_clear

    async def get_clear_status(self, context_id: str) -> ClearContextResult:
        """Look how far clearing is.

        Returns:
            `status`: `clearing`, `pre-available`, then `available`; `in-use` while a session uses the context.

        Raises:
            SessionError: no usable answer came.

        Source: action `GetContext`.
        """
        reply = await self._send(GetContext(context_id=context_id))
        state = (reply.data.state if reply.data else "") or CLEARING
        return ClearContextResult.of(reply, status=state if reply.success else None, context_id=context_id)

    # --- Files --------------------------------------------------------------------------------------------------------

    async def list_files(
        self,
        context_id: str,
        parent_folder_path: str,
        page_number: int = 1,
        page_size: int = 50,
        max_results: int | None = None,
        next_token: str | None = None,
    ) -> ContextFileListResult:
        """List one page of a folder.

        Args:
            context_id: the context.
            parent_folder_path: the folder, an absolute path as sessions see it; `/` is the top.
            page_number: the page, from 1.
            page_size: entries a page.
            max_results: entries a page, when pages are fetched from token to token instead.
            next_token: the token of the page before; with it or `max_results`, page number and size are not used.

        Raises:
            SessionError: no usable answer came.

        Source: action `DescribeContextFiles`.
        """
        if max_results is None and next_token is None:
            action = DescribeContextFiles(context_id, parent_folder_path, page_number, page_size)
        else:
            action = DescribeContextFiles(
                context_id, parent_folder_path, max_results=max_results, next_token=next_token
            )
        return _files(await self._send(action))

    async def list_all_files(
        self, context_id: str, parent_folder_path: str, page_size: int = FILE_PAGE_SIZE
    ) -> AsyncIterator[ContextFileEntry]:
        """Iterate over all entries of a folder, one level deep; pages are fetched as they are needed.

        Args:
            context_id: the context.
            parent_folder_path: the folder, an absolute path as sessions see it; `/` is the top.
            page_size: entries a page.

        Raises:
            AgentBayError: the service refused, or no usable answer came.

        Source: action `DescribeContextFiles`.
        """
        token: str | None = None
        while True:
            page = (
                await self.list_files(context_id, parent_folder_path, max_results=page_size, next_token=token)
            ).unwrap()
            for entry in page.entries:
                yield entry
            if not page.next_token:
                return
            token = page.next_token

    async def delete_file(self, context_id: str, file_path: str) -> OperationResult:
        """Delete a file; `file_path` is its absolute path as sessions see it.

        Raises:
            SessionError: no usable answer came.

        Source: action `DeleteContextFile`.
        """
        return _done(await self._send(DeleteContextFile(context_id, file_path)))

    async def get_file_upload_url(self, context_id: str, file_path: str) -> FileUrlResult:
        """Get a URL to which a file can be sent with HTTP PUT; it is good for an hour.

        Args:
            context_id: the context.
            file_path: where the file will be, an absolute path as sessions see it.

        Raises:
            SessionError: no usable answer came.

        Source: action `GetContextFileUploadUrl`.
        """
        return _address(await self._send(GetContextFileUploadUrl(context_id, file_path)))

    async def get_file_download_url(self, context_id: str, file_path: str) -> FileUrlResult:
        """Get a URL from which a file can be fetched with HTTP GET; it is good for an hour.

        Args:
            context_id: the context.
            file_path: the file, an absolute path as sessions see it.

        Raises:
            SessionError: no usable answer came.

        Source: action `GetContextFileDownloadUrl`.
        """
        return _address(await self._send(GetContextFileDownloadUrl(context_id, file_path)))


def _lookup_fault(name: str | None, create: bool, context_id: str | None) -> str:
    if not name and not context_id:
        return "Either name or context_id must be given"
    if create and context_id:
        return "context_id and create=True cannot be given together"
    return ""


def _found(reply: Reply[ContextData], name: str) -> ContextResult:
    if reply.error is not None:
        return ContextResult.of(reply)
    if reply.data is None or not reply.data.id:
        return ContextResult.failed(
            APIError("The service told of no context", reply.status, request_id=reply.request_id)
        )
    return ContextResult.of(reply, context=Context.of(reply.data, name), context_id=reply.data.id)


def _list_action(params: ContextListParams | None) -> ListContexts:
    given = params or ContextListParams()
    return ListContexts(given.max_results or PAGE_SIZE, given.next_token or None, given.session_id or None)


def _listed(reply: Reply[list[ContextData]]) -> ContextListResult:
    return ContextListResult.of(
        reply,
        contexts=[Context.of(item) for item in reply.data or ()],
        next_token=reply.next_token,
        max_results=reply.max_results,
        total_count=reply.total_count,
    )


def _files(reply: Reply[list[FileData]]) -> ContextFileListResult:
    entries = [ContextFileEntry.of(item) for item in reply.data or ()]
    return ContextFileListResult.of(reply, entries=entries, count=reply.count, next_token=reply.next_token)


def _done(reply: Reply[Any]) -> OperationResult:
    return OperationResult.of(reply, data=reply.success)


def _address(reply: Reply[FileUrlData]) -> FileUrlResult:
    if reply.error is not None:
        return FileUrlResult.of(reply)
    if reply.data is None or not reply.data.url:
        return FileUrlResult.failed(APIError("The service gave no URL", reply.status, request_id=reply.request_id))
    return FileUrlResult.of(reply, url=reply.data.url, expire_time=reply.data.expire_time)
