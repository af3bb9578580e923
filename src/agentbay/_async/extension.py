"""Browser extensions: kept in a context, brought into sessions."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, cast

from agentbay._deadline import now
from agentbay._frames import new_id
from agentbay._pairs import AsyncLock, async_blocking
from agentbay._tracing import TransferFault
from agentbay._transfer import LocalFault, Source
from agentbay.errors import FileError, NotFoundError
from agentbay.types.browser_context import EXTENSIONS_PATH, ExtensionOption
from agentbay.types.context import Context, ContextFileEntry
from agentbay.types.extension import Extension

from .storing import async_store

if TYPE_CHECKING:
    from .client import AsyncAgentBay

__all__ = ["AsyncExtensionsService"]

FOLDER = EXTENSIONS_PATH.rstrip("/")
SUFFIX = ".zip"
PAGE_SIZE = 100
ID_START = "SdkCtx-"

Extensions = list[Extension]
Names = list[str]


class AsyncExtensionsService:
    """Manages the extensions that browsers of sessions can have: ZIP files in a context.

    Args:
        agent_bay: the client.
        context_id: the name or id of the context that keeps them; a name that is not there yet is made. Without it,
            a context with a new name is made, which `cleanup` deletes.
    """

    def __init__(self, agent_bay: AsyncAgentBay, context_id: str = "") -> None:
        self.agent_bay = agent_bay
        self._wanted = context_id
        self._made = False
        self._context: Context | None = None
        self._finding = AsyncLock()

    async def list(self) -> Extensions:
        """List the extensions.

        Raises:
            AgentBayError: the service refused, or no usable answer came.

        Source: actions `GetContext` and `DescribeContextFiles`.
        """
        kept = await self._store()
        found, number = list[ContextFileEntry](), 1
        while True:
            page = (await self.agent_bay.context.list_files(kept.id, FOLDER, number, PAGE_SIZE)).unwrap().entries
            found += page
            number += 1
            if len(page) < PAGE_SIZE:
                return [Extension(one.file_name, one.file_name, one.gmt_create) for one in found]

    async def create(self, local_path: str | os.PathLike[str]) -> Extension:
        """Send an extension to the store.

        Args:
            local_path: a ZIP file on this machine.

        Returns:
            The extension with its new id.

        Raises:
            FileNotFoundError: there is no such file.
            ValueError: its name does not end in `.zip`.
            AgentBayError: the service or the store refused, or no usable answer came.

        Source: actions `GetContext` and `GetContextFileUploadUrl`.
        """
        with await _opened(local_path, "The specified local file was not found") as source:
            identity = f"ext_{new_id()}{SUFFIX}"
            await self._send(source, identity)
        return Extension(identity, Path(local_path).name)

    async def update(self, extension_id: str, new_local_path: str | os.PathLike[str]) -> Extension:
        """Send another file in place of an extension, which keeps its id.

        Args:
            extension_id: the extension.
            new_local_path: a ZIP file on this machine.

        Raises:
            FileNotFoundError: there is no such file.
            ValueError: there is no such extension, or the file's name does not end in `.zip`.
            AgentBayError: the service or the store refused, or no usable answer came.

        Source: actions `DescribeContextFiles` and `GetContextFileUploadUrl`.
        """
        with await _opened(new_local_path, "The specified new local file was not found") as source:
            if extension_id not in {one.id for one in await self.list()}:
                text = f"Browser extension with ID '{extension_id}' not found in the context. Cannot update."
                raise ValueError(text)
            await self._send(source, extension_id)
        return Extension(extension_id, Path(new_local_path).name)

    async def delete(self, extension_id: str) -> bool:
        """Delete an extension.

        Returns:
            Whether the service deleted it.

        Raises:
            ValueError: the id is blank.
            SessionError: no usable answer came.

        Source: action `DeleteContextFile`.
        """
        kept = await self._store()
        result = await self.agent_bay.context.delete_file(kept.id, _path(extension_id))
        return result.success

    async def create_extension_option(self, extension_ids: Names) -> ExtensionOption:
        """Make the option by which a `BrowserContext` brings extensions into a session.

        Args:
            extension_ids: the ids of the extensions.

        Raises:
            ValueError: there are no ids.
            AgentBayError: the service refused, or no usable answer came.

        Source: action `GetContext`.
        """
        if not extension_ids:
            raise ValueError("extension_ids cannot be empty")
        return ExtensionOption((await self._store()).id, [*extension_ids])

    async def cleanup(self) -> bool:
        """Delete the context if it was made without a name of yours; otherwise do nothing.

        Returns:
            Whether nothing of it is left.

        Raises:
            SessionError: no usable answer came.

        Source: action `DeleteContext`.
        """
        async with self._finding:
            if self._context is None or not self._made:
                return True
            result = await self.agent_bay.context.delete(self._context)
            gone = result.success or isinstance(result.error, NotFoundError)
            self._context = None if gone else self._context
            return gone

    # --- Inside -------------------------------------------------------------------------------------------------------

    async def _store(self) -> Context:
        """The context; looked up once."""
        async with self._finding:
            if self._context is None:
                self._context = await self._find()
            return self._context

    async def _find(self) -> Context:
        contexts = self.agent_bay.context
        if self._wanted.startswith(ID_START):
            found = await contexts.get(context_id=self._wanted)
            if found.context is not None:
                return found.context
            if not isinstance(found.error, NotFoundError):
                found.unwrap()
        self._made = not self._wanted
        result = await contexts.get(self._wanted or f"extensions-{int(now())}", create=True)
        return cast("Context", result.unwrap().context)

    async def _send(self, source: Source, extension_id: str) -> None:
        kept = await self._store()
        try:
            await async_store(self.agent_bay, kept.id, _path(extension_id), source)
        except TransferFault as fault:
            raise fault.error from fault
        except LocalFault as fault:
            raise FileError(f"The file cannot be read: {fault}") from fault


def _path(extension_id: str) -> str:
    if not extension_id or not extension_id.strip() or "/" in extension_id:
        raise ValueError(f"extension_id must be the id of an extension, not {extension_id!r}")
    return f"{FOLDER}/{extension_id}"


async def _opened(path: str | os.PathLike[str], missing: str) -> Source:
    local = Path(path)
    if not await async_blocking(local.is_file):
        raise FileNotFoundError(f"{missing}: {path}")
    if local.suffix.lower() != SUFFIX:
        raise ValueError(f"Unsupported plugin format '{local.suffix}'. Only ZIP format (.zip) is supported.")
    try:
        return await async_blocking(Source, local)
    except LocalFault as fault:
        raise FileError(f"{path} cannot be read: {fault}") from fault
