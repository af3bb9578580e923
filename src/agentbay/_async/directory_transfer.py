"""Whole directories to and from a session: many files at once, and a summary that names what failed."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from attrs import define, field

from agentbay._folders import Patterns, child_name, inside, scan
from agentbay._pairs import async_blocking, async_each
from agentbay._tracing import Trace, TransferFault, check_destination, make_folder, open_source
from agentbay.errors import AgentBayError, APIConnectionError, APIError, APIResponseError, FileError
from agentbay.types.context import ContextFileEntry
from agentbay.types.transfer import DirectoryTransferResult

if TYPE_CHECKING:
    from .file_transfer import AsyncFileTransfer

__all__ = ["AsyncDirectoryTransfer"]

# So many files in a row without any connection mean that the rest would only wait for nothing.
HOPELESS = 10

POLL_INTERVAL = 1.5

# No tree that people make is deeper; one that has no end is.
MAX_DEPTH = 100


@define
class Summary:
    """What has become of the files so far."""

    local_path: str
    path: str
    trace: Trace
    sizes: dict[str, int] = field(factory=dict)
    failures: dict[str, str] = field(factory=dict)
    skipped: list[str] = field(factory=list)
    lost_in_a_row: int = 0

    def note(self, error: AgentBayError) -> None:
        """Take notice of a failure."""
        self.lost_in_a_row = self.lost_in_a_row + 1 if isinstance(error, APIConnectionError) else 0

    def result(self, fault: AgentBayError | None = None, text: str = "") -> DirectoryTransferResult:
        """Make the result; `fault` is what ended it early."""
        if fault is None and self.failures:
            text = f"{len(self.failures)} of {len(self.sizes) + len(self.failures)} files failed"
            fault = FileError(text, **self.trace.facts)
        return DirectoryTransferResult(
            self.trace.request_id or (fault.request_id if fault else ""),
            success=fault is None,
            path=self.path,
            local_path=self.local_path,
            files=sorted(self.sizes),
            failures=dict(sorted(self.failures.items())),
            skipped=sorted(self.skipped),
            bytes_moved=sum(self.sizes.values()),
            error_message=text,
            error=fault,
        )


class _AsyncMove(ABC):
    """Moves files one by one, any number of them at once, and notes what becomes of each."""

    def __init__(
        self, transfer: AsyncFileTransfer, summary: Summary, progress_cb: Callable[[str], None] | None
    ) -> None:
        self.transfer = transfer
        self.summary = summary
        self.root = Path(summary.local_path)
        self._progress_cb = progress_cb

    async def one(self, name: str) -> None:
        """Move one file."""
        trace = self.transfer._trace()
        reason = await self._try(name, trace)
        if reason:
            self.summary.failures[name] = reason
            return
        self.summary.sizes[name] = trace.size
        if self._progress_cb is not None:
            self._progress_cb(name)

    async def _try(self, name: str, trace: Trace) -> str:
        """Move one file; why that failed, or empty."""
        if self.summary.lost_in_a_row >= HOPELESS:
            return "not tried, for the service cannot be reached"
        try:
            await self.carry(name, trace)
        except TransferFault as fault:
            self.summary.note(fault.error)
            return str(fault)
        except (APIConnectionError, APIResponseError) as lost:
            self.summary.note(lost)
            return lost.message
        self.summary.lost_in_a_row = 0
        return ""

    @abstractmethod
    async def carry(self, name: str, trace: Trace) -> None:
        """Move one file, or raise."""

    def remote(self, name: str) -> str:
        """Where a file is in the session."""
        return f"{self.summary.path}/{name}"


class _AsyncSending(_AsyncMove):
    async def carry(self, name: str, trace: Trace) -> None:
        """Send one file to the store."""
        _check_name(name)
        with open_source(self.root / name) as source:
            await self.transfer._send(source, self.remote(name), None, None, trace)


class _AsyncMaking(_AsyncMove):
    async def carry(self, name: str, trace: Trace) -> None:
        """Make one empty directory in the session; the store knows files only."""
        _check_name(name)
        files, path = self.transfer.session.file_system, self.remote(name).rstrip("/")
        made = await files.create_directory(path)
        trace.request_id = made.request_id
        self.summary.trace.request_id = self.summary.trace.request_id or trace.request_id
        # Some services refuse to make what is there already.
        if made.error is not None and not (await files.get_file_info(path)).is_directory:
            raise TransferFault(f"create_directory failed: {made.error_message}", made.error)


def _check_name(name: str) -> None:
    """Refuse what no service can be told."""
    if not name.isascii() and any("\ud800" <= sign <= "\udfff" for sign in name):
        raise TransferFault("its name is not UTF-8", FileError("A name is not UTF-8"))


class _AsyncFetching(_AsyncMove):
    overwrite = True

    async def carry(self, name: str, trace: Trace) -> None:
        """Fetch one file from the store, or make an empty directory."""
        target = self.root / name
        if not inside(target if name.endswith("/") else target.parent, self.root.resolve()):
            raise TransferFault("it would be outside of the directory", FileError("A link leads out of the directory"))
        if name.endswith("/"):
            make_folder(target, trace)
            return
        check_destination(target, self.overwrite, trace)
        await self.transfer._fetch(self.remote(name), target, None, trace)


class AsyncDirectoryTransfer:
    """Moves directories by the road of single files, and between store and session as a whole."""

    def __init__(
        self, transfer: AsyncFileTransfer, patterns: Patterns, concurrency: int, wait: bool, wait_timeout: float
    ) -> None:
        self._transfer = transfer
        self._patterns = patterns
        self._concurrency = concurrency
        self._wait = wait
        self._wait_timeout = wait_timeout

    async def upload(
        self,
        local_path: str | os.PathLike[str],
        remote_path: str,
        progress_cb: Callable[[str], None] | None,
    ) -> DirectoryTransferResult:
        """Send all files to the store, let the session have them, then make the directories that are empty."""
        summary = self._summary(local_path, remote_path)
        try:
            found = await async_blocking(scan, Path(local_path), self._patterns)
            summary.skipped += found.skipped
            await self._store()
            await async_each(_AsyncSending(self._transfer, summary, progress_cb).one, found.files, self._concurrency)
            if summary.sizes:
                await self._sync("Upload", "download", summary)
            empty = [f"{path}/" for path in found.empty]
            await async_each(_AsyncMaking(self._transfer, summary, progress_cb).one, empty, self._concurrency)
        except OSError as unreadable:
            text = f"Local directory cannot be read: {unreadable}"
            return summary.result(FileError(text, **summary.trace.facts), text)
        except TransferFault as fault:
            return summary.result(fault.error, str(fault))
        return summary.result()

    async def download(
        self,
        remote_path: str,
        local_path: str | os.PathLike[str],
        overwrite: bool,
        progress_cb: Callable[[str], None] | None,
    ) -> DirectoryTransferResult:
        """Let the store have all files of the session, then fetch them."""
        summary = self._summary(local_path, remote_path)
        fetching = _AsyncFetching(self._transfer, summary, progress_cb)
        fetching.overwrite = overwrite
        try:
            await self._store()
            await self._sync("Download", "upload", summary)
            names = await self._list("", summary)
            await async_each(fetching.one, names, self._concurrency)
        except TransferFault as fault:
            return summary.result(fault.error, str(fault))
        return summary.result()

    def _summary(self, local_path: str | os.PathLike[str], remote_path: str) -> Summary:
        return Summary(os.fspath(local_path), remote_path.rstrip("/"), self._transfer._trace())

    async def _store(self) -> str:
        return (await self._transfer._store()).context_id

    async def _sync(self, what: str, mode: str, summary: Summary) -> None:
        if self._wait:
            await self._transfer._settle(what, summary.path, mode, self._wait_timeout, POLL_INTERVAL, summary.trace)
        else:
            await self._transfer._begin_sync(what.lower(), summary.path, mode, summary.trace)

    async def _list(self, folder: str, summary: Summary) -> list[str]:
        """The wanted files below a folder of the store, and its empty folders with a `/` at the end.

        Names that cannot be used here are noted as failed.
        """
        names: list[str] = []
        folders = [folder]
        while folders:
            above = folders.pop()
            entries = await self._entries(f"{summary.path}/{above}".rstrip("/"))
            if above and not entries and self._patterns.wants(above):
                names.append(f"{above}/")
            for entry in entries:
                name = child_name(f"{summary.path}/{above}", entry.file_path)
                path = f"{above}/{name}".lstrip("/")
                if name is None or path.count("/") > MAX_DEPTH:
                    summary.failures[entry.file_path] = "the store gave a path that cannot be used"
                elif entry.file_type == "FOLDER":
                    folders += [] if self._patterns.excludes(path) else [path]
                elif self._patterns.wants(path):
                    names.append(path)
        return names

    async def _entries(self, folder: str) -> list[ContextFileEntry]:
        """All entries of one folder of the store."""
        entries = self._transfer.agent_bay.context.list_all_files(await self._store(), folder or "/")
        try:
            return [entry async for entry in entries]
        except APIError as refused:
            raise TransferFault(f"list_files failed: {refused.message}", refused) from refused
