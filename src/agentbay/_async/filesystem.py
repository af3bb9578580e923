"""Files and directories in a session."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Literal, TypeVar, overload

from agentbay._tools import utf8_pieces
from agentbay.errors import FileError
from agentbay.types.filesystem import (
    BinaryFileContentResult,
    DirectoryListResult,
    FileContentResult,
    FileInfoResult,
    FileSearchResult,
    FileWriteResult,
    MultipleFileContentResult,
)

from .watching import AsyncWatching

if TYPE_CHECKING:
    from agentbay.types.transfer import DirectoryTransferResult, DownloadResult, UploadResult

    from .directory_transfer import AsyncDirectoryTransfer

__all__ = ["AsyncFileSystem"]

READ_CHUNK = 51200
WRITE_CHUNK = 52224
WHOLE_FILE_SECONDS = 900.0
DIRECTORY_SECONDS = 300.0
CONCURRENCY = 8

_MODES = ("overwrite", "append")

C = TypeVar("C", FileContentResult, BinaryFileContentResult)


class AsyncFileSystem(AsyncWatching):
    """Reads, writes, lists, searches and watches files."""

    async def create_directory(self, path: str) -> FileWriteResult:
        """Make a directory, and those above it; one that exists is fine.

        Source: tool `create_directory`.
        """
        return await self._call("create_directory", FileWriteResult, repeatable=True, path=path)

    async def delete_file(self, path: str) -> FileWriteResult:
        """Remove a file. A missing file is a failure.

        Source: tool `delete_file`.
        """
        return await self._call("delete_file", FileWriteResult, path=path)

    async def edit_file(self, path: str, edits: Sequence[Mapping[str, str]], dry_run: bool = False) -> FileWriteResult:
        """Replace texts in a file.

        Args:
            path: the file.
            edits: dictionaries with `oldText` and `newText`, applied in order; each replaces the first occurrence.
            dry_run: only check that the edits fit; write nothing.

        Source: tool `edit_file`.
        """
        changes = [dict(edit) for edit in edits]
        return await self._call("edit_file", FileWriteResult, path=path, edits=changes, dryRun=dry_run)

    async def get_file_info(self, path: str) -> FileInfoResult:
        """Look at a file or directory: size in bytes, kind, times, permissions.

        Source: tool `get_file_info`.
        """
        return await self._call("get_file_info", FileInfoResult, repeatable=True, path=path)

    async def list_directory(self, path: str) -> DirectoryListResult:
        """List the names in a directory, one level deep.

        Source: tool `list_directory`.
        """
        return await self._call("list_directory", DirectoryListResult, repeatable=True, path=path)

    async def move_file(self, source: str, destination: str) -> FileWriteResult:
        """Move or rename a file or directory. A destination that exists is a failure.

        Source: tool `move_file`.
        """
        return await self._call("move_file", FileWriteResult, source=source, destination=destination)

    async def read_multiple_files(self, paths: Sequence[str]) -> MultipleFileContentResult:
        """Read several text files at once. A file that cannot be read has the reason in place of its text.

        White space at both ends of each text is lost, and a file with a line of `---` followed by a line that begins
        with another one of these paths and a colon cannot be told from two files: read such files one by one.

        Source: tool `read_multiple_files`.
        """
        args = {"paths": [*paths]}
        answer = await self.session._run_tool("read_multiple_files", args, work=0.0, repeatable=True)
        return MultipleFileContentResult.of_paths(answer, paths)

    async def search_files(
        self, path: str, pattern: str, exclude_patterns: Sequence[str] | None = None
    ) -> FileSearchResult:
        """Find files by name, in the directory and all below it.

        Args:
            path: where to begin.
            pattern: `*` and `?` are wildcards; plain text matches a part of a name.
            exclude_patterns: patterns of names to leave out.

        Source: tool `search_files`.
        """
        excluded = ",".join(exclude_patterns) if exclude_patterns else None
        return await self._call(
            "search_files", FileSearchResult, repeatable=True, path=path, pattern=pattern, excludePatterns=excluded
        )

    @overload
    async def read_file(self, path: str, *, format: Literal["text"] = "text") -> FileContentResult: ...
    @overload
    async def read_file(self, path: str, *, format: Literal["bytes"]) -> BinaryFileContentResult: ...

    async def read_file(
        self, path: str, *, format: Literal["text", "bytes"] = "text"
    ) -> FileContentResult | BinaryFileContentResult:
        """Read a whole file.

        Args:
            path: the file.
            format: `text` (UTF-8) or `bytes`.

        Returns:
            The file's `content`, a str or bytes.

        Raises:
            ValueError: `format` is neither.
            SessionError: no usable answer came.

        Source: tools `read_file` and `get_file_info`.
        """
        if format not in ("text", "bytes"):
            raise ValueError(f"Invalid format: {format!r}. Must be 'text' or 'bytes'.")
        if format == "text":
            return FileContentResult.joined(await self._read_parts(path, FileContentResult, None))
        return BinaryFileContentResult.joined(await self._read_parts(path, BinaryFileContentResult, "binary"))

    async def _read_parts(self, path: str, kind: type[C], format: str | None) -> Sequence[C]:
        """Read a file in pieces that the route can carry; a piece that fails is the last."""
        if self.session._goes_direct("read_file"):
            return [await self._read_part(path, kind, format, work=WHOLE_FILE_SECONDS)]
        info = await self.get_file_info(path)
        if info.error is not None:
            return [kind.failed(info.error)]
        if info.is_directory or not info.file_info:
            text = f"Path does not exist or is a directory: {path}"
            return [kind.failed(FileError(text, request_id=info.request_id, session_id=self.session.session_id))]
        parts = []
        for offset in range(0, info.size, READ_CHUNK):
            parts.append(await self._read_part(path, kind, format, offset, min(READ_CHUNK, info.size - offset)))
            if not parts[-1].success:
                break
        return parts or [kind(info.request_id, success=True)]

    async def _read_part(
        self, path: str, kind: type[C], format: str | None, offset: int = 0, length: int = 0, work: float = 0.0
    ) -> C:
        return await self._call(
            "read_file", kind, work=work, repeatable=True, path=path, offset=offset, length=length, format=format
        )

    async def write_file(self, path: str, content: str, mode: str = "overwrite") -> FileWriteResult:
        """Write text to a file, and make the directories above it.

        Args:
            path: the file.
            content: the text; it is stored as UTF-8.
            mode: `overwrite` or `append`.

        Source: tool `write_file`.
        """
        if mode not in _MODES:
            text = f"Invalid write mode: {mode}. Must be 'overwrite' or 'append'."
            return FileWriteResult.failed(FileError(text, session_id=self.session.session_id), data=False)
        if self.session._goes_direct("write_file"):
            return await self._write_part(path, content, mode, WHOLE_FILE_SECONDS)
        pieces = utf8_pieces(content, WRITE_CHUNK)
        result = await self._write_part(path, next(pieces), mode)
        for piece in pieces:
            if not result.success:
                break
            result = await self._write_part(path, piece, "append")
        return result

    async def _write_part(self, path: str, content: str, mode: str, work: float = 0.0) -> FileWriteResult:
        return await self._call("write_file", FileWriteResult, work=work, path=path, content=content, mode=mode)

    async def upload_file(
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
        """Send a file of any size to this session, below `get_file_transfer_context_path`.

        The same as `AsyncFileTransfer.upload`, where arguments, results and errors are told.
        """
        return await self.session.file_transfer.upload(
            local_path,
            remote_path,
            content_type=content_type,
            wait=wait,
            wait_timeout=wait_timeout,
            poll_interval=poll_interval,
            progress_cb=progress_cb,
        )

    async def download_file(
        self,
        remote_path: str,
        local_path: str | os.PathLike[str],
        *,
        overwrite: bool = True,
        wait: bool = True,
        wait_timeout: float = 30.0,
        poll_interval: float = 1.5,
        progress_cb: Callable[[int], None] | None = None,
    ) -> DownloadResult:
        """Fetch a file of any size from this session, from below `get_file_transfer_context_path`.

        The same as `AsyncFileTransfer.download`, where arguments, results and errors are told.
        """
        return await self.session.file_transfer.download(
            remote_path,
            local_path,
            overwrite=overwrite,
            wait=wait,
            wait_timeout=wait_timeout,
            poll_interval=poll_interval,
            progress_cb=progress_cb,
        )

    async def upload_directory(
        self,
        local_path: str | os.PathLike[str],
        remote_path: str,
        *,
        include: Sequence[str] | None = None,
        exclude: Sequence[str] | None = None,
        concurrency: int = CONCURRENCY,
        wait: bool = True,
        wait_timeout: float = DIRECTORY_SECONDS,
        progress_cb: Callable[[str], None] | None = None,
    ) -> DirectoryTransferResult:
        """Send a directory and all below it to this session; empty directories are made by the tool `create_directory`.

        Args:
            local_path: the directory on this machine. Links to directories, and links that lead out of it, are skipped.
            remote_path: where it will be, an absolute path below `get_file_transfer_context_path`.
            include: patterns of what to send; None means everything. A pattern is for a relative path, or for a name
                anywhere in it, and holds for all below a directory; `*`, `?` and `[...]` are wildcards.
            exclude: patterns of what to leave out.
            concurrency: how many files at a time.
            wait: wait until the files are in the session, not only in the store.
            wait_timeout: seconds to wait once the session has settled.
            progress_cb: gets the relative path of each file that is in the store, and of each empty directory made.

        Returns:
            What was sent, what was skipped, and why which files failed.

        Raises:
            TypeError, ValueError: a wrong argument.
            SessionError: the service gave no usable answer.

        Source: actions `GetContextFileUploadUrl`, `SyncContext` and `GetContextInfo`, tool `create_directory`.
        """
        mover = self._mover(include, exclude, concurrency, wait, wait_timeout)
        return await mover.upload(local_path, remote_path, progress_cb)

    async def download_directory(
        self,
        remote_path: str,
        local_path: str | os.PathLike[str],
        *,
        include: Sequence[str] | None = None,
        exclude: Sequence[str] | None = None,
        concurrency: int = CONCURRENCY,
        overwrite: bool = True,
        wait: bool = True,
        wait_timeout: float = DIRECTORY_SECONDS,
        progress_cb: Callable[[str], None] | None = None,
    ) -> DirectoryTransferResult:
        """Fetch a directory and all below it from this session.

        Nothing is ever written outside of `local_path`, whatever names the store tells, and whatever links are there.

        Args:
            remote_path: the directory, an absolute path below `get_file_transfer_context_path`.
            local_path: where it will be on this machine; directories are made as needed.
            include: patterns of what to fetch; None means everything. They work as for `upload_directory`.
            exclude: patterns of what to leave out.
            concurrency: how many files at a time.
            overwrite: replace files that are there; else they count as failed.
            wait: first wait until the session's files are in the store.
            wait_timeout: seconds to wait once the session has settled.
            progress_cb: gets the relative path of each file that has arrived.

        Returns:
            What was fetched, and why which files failed.

        Raises:
            TypeError, ValueError: a wrong argument.
            SessionError: the service gave no usable answer.

        Source: actions `SyncContext`, `GetContextInfo`, `DescribeContextFiles` and `GetContextFileDownloadUrl`.
        """
        mover = self._mover(include, exclude, concurrency, wait, wait_timeout)
        return await mover.download(remote_path, local_path, overwrite, progress_cb)

    def _mover(
        self,
        include: Sequence[str] | None,
        exclude: Sequence[str] | None,
        concurrency: int,
        wait: bool,
        wait_timeout: float,
    ) -> AsyncDirectoryTransfer:
        from agentbay._folders import Patterns  # noqa: PLC0415  (loaded when it is first used)

        from .directory_transfer import AsyncDirectoryTransfer  # noqa: PLC0415

        patterns = Patterns.of(include, exclude)
        return AsyncDirectoryTransfer(self.session.file_transfer, patterns, concurrency, wait, wait_timeout)

    async def get_file_transfer_context_path(self) -> str | None:
        """The directory in this session below which files can be transferred; None when there is none.

        Source: action `GetAndLoadInternalContext`.
        """
        return await self.session.file_transfer.context_path()

    read = read_file
    write = write_file
    delete = delete_file
    remove = delete_file
    rm = delete_file
    list = list_directory
    ls = list_directory
