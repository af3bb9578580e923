"""What the transfer of files between this machine and a session gives back."""

from __future__ import annotations

from attrs import field, frozen

from agentbay.types.response import ApiResponse

__all__ = ["DirectoryTransferResult", "DownloadResult", "UploadResult"]


@frozen(eq=False, repr=False)
class UploadResult(ApiResponse):
    """The result of sending a file: the bytes sent, and the `etag` under which the store keeps them."""

    success: bool = False
    request_id_upload_url: str | None = None
    request_id_sync: str | None = None
    http_status: int | None = None
    etag: str | None = None
    bytes_sent: int = 0
    path: str = ""
    error_message: str | None = None
    request_id: str = field(default="", kw_only=True)


@frozen(eq=False, repr=False)
class DownloadResult(ApiResponse):
    """The result of fetching a file: the bytes received, and the store's `etag` of them."""

    success: bool = False
    request_id_download_url: str | None = None
    request_id_sync: str | None = None
    http_status: int | None = None
    bytes_received: int = 0
    path: str = ""
    local_path: str = ""
    error_message: str | None = None
    etag: str | None = field(default=None, kw_only=True)
    request_id: str = field(default="", kw_only=True)


@frozen(eq=False, repr=False)
class DirectoryTransferResult(ApiResponse):
    """The result of moving a directory.

    Paths are relative to the directory, with `/` between their parts. `files` are those that arrived; `failures` tells
    for each of the others why; an empty directory counts as a file and has a `/` at its end. `skipped` are links and
    special files, which are never followed or copied. `success` means that nothing failed.
    `bytes_moved` counts the files that arrived.
    """

    success: bool = False
    path: str = ""
    local_path: str = ""
    files: list[str] = field(factory=list)
    failures: dict[str, str] = field(factory=dict)
    skipped: list[str] = field(factory=list)
    bytes_moved: int = 0
    error_message: str = ""
