"""What is known of a file's transfer while it goes on, and the results that are made of that."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from attrs import define, field

from agentbay._deadline import now
from agentbay._engine import EngineError, Origin
from agentbay._retry import Failure, retry_after
from agentbay._transfer import LocalFault, Source, Stored, local
from agentbay.actions import FileUrlData
from agentbay.errors import (
    AgentBayError,
    APIConnectionError,
    APIError,
    APITimeoutError,
    FileError,
    service_error,
)
from agentbay.types.context import ContextStatusData
from agentbay.types.transfer import DownloadResult, UploadResult

__all__ = [
    "Trace",
    "TransferFault",
    "check_destination",
    "downloaded",
    "judge",
    "local_fault",
    "lost",
    "make_folder",
    "open_source",
    "refused",
    "task_fault",
    "unsettled",
    "uploaded",
    "url_fault",
]

NOT_FINISHED = "task not finished"

_DONE = frozenset({"success", "successful", "ok", "finished", "done", "completed", "complete"})


class TransferFault(Exception):
    """A transfer ended early; `error` is for the result."""

    def __init__(self, text: str, error: AgentBayError) -> None:
        super().__init__(text)
        self.error = error


@define
class Trace:
    """What is known of a transfer so far."""

    url_id: str | None = None
    sync_id: str | None = None
    status: int | None = None
    etag: str | None = None
    size: int = 0
    request_id: str = ""
    facts: dict[str, Any] = field(factory=dict)

    def told(self, count: int, progress_cb: Callable[[int], None] | None) -> None:
        """Note how many bytes have moved."""
        self.size = count
        if progress_cb is not None:
            progress_cb(count)


def lost(what: str, error: EngineError, attempts: int, trace: Trace) -> TransferFault:
    """The fault of a store that gave no usable answer."""
    kind = APITimeoutError if error.timed_out else APIConnectionError
    text = f"{what} exception: {error}"
    return TransferFault(text, kind(text, action=what.lower(), attempts=attempts, **trace.facts))


def refused(what: str, stored: Stored, trace: Trace) -> TransferFault:
    """The fault of a store that said no."""
    detail = f" ({stored.code})" if stored.code else ""
    text = f"{what} failed with HTTP {stored.status}{detail}"
    # Most hints are about the service and its sessions, of which a store knows nothing.
    own = {} if stored.status == 429 else {"hint": ""}
    return TransferFault(text, service_error("", text, stored.status, action=what.lower(), **own, **trace.facts))


def task_fault(tasks: Sequence[ContextStatusData], context_id: str, path: str, task_type: str) -> str | None:
    """How the task that carries exactly this path ended: empty for success; None while it has not."""
    mine = [task for task in tasks if (task.context_id, task.path, task.task_type) == (context_id, path, task_type)]
    if not mine:
        return None
    if mine[-1].error_message or mine[-1].status == "Failed":
        return f"Task error: {mine[-1].error_message or 'no reason was given'}"
    return "" if mine[-1].status.lower() in _DONE else None


def unsettled(what: str, text: str, trace: Trace) -> TransferFault:
    """The fault of a file that did not get from the store to the session, or the other way."""
    kind = APITimeoutError if text == NOT_FINISHED else APIError
    text = f"{what} sync not finished: {text}"
    return TransferFault(text, kind(text, action="SyncContext", request_id=trace.request_id, **trace.facts))


def open_source(path: str | os.PathLike[str]) -> Source:
    """Open a local file."""
    try:
        if Path(path).is_file():
            return Source(Path(path))
    except LocalFault as fault:
        raise TransferFault(f"Upload exception: {fault}", FileError(f"{path}: {fault}")) from fault
    text = f"Local file not found: {path}"
    raise TransferFault(text, FileError(text))


def check_destination(path: str | os.PathLike[str], overwrite: bool, trace: Trace) -> None:
    if not overwrite and os.path.lexists(path):
        text = f"Destination exists and overwrite=False: {path}"
        raise TransferFault(text, FileError(text, **trace.facts))


def make_folder(path: Path, trace: Trace) -> None:
    """Make a local directory, unless it is there."""
    try:
        with local():
            path.mkdir(parents=True, exist_ok=True)
    except LocalFault as fault:
        raise local_fault("Download", fault, trace) from fault


def local_fault(what: str, fault: LocalFault, trace: Trace) -> TransferFault:
    text = f"{what} exception: {fault}"
    return TransferFault(text, FileError(text, **trace.facts))


def url_fault(data: FileUrlData | None, trace: Trace) -> APIError | None:
    """What is wrong with a URL of the service; the URL itself is never told."""
    try:
        Origin.parse(data.url if data else "")
    except ValueError:
        return APIError("The service gave no usable URL", request_id=trace.request_id, **trace.facts)
    return None


def judge(result: Stored | EngineError) -> Failure | None:
    """A file can be sent and fetched twice, so that every failure that may pass is worth another try."""
    if isinstance(result, EngineError):
        return Failure(sent=result.sent)
    if result.status < 400:
        return None
    status = 503 if result.status == 500 else result.status
    return Failure(status, retry_after=retry_after(None, result.retry_after, now()))


def _outcome(trace: Trace, fault: TransferFault | None) -> dict[str, Any]:
    own: dict[str, Any] = {"success": fault is None, "request_id_sync": trace.sync_id, "http_status": trace.status}
    own |= {"etag": trace.etag, "request_id": trace.request_id}
    if fault is not None:
        own |= {"error_message": str(fault), "error": fault.error, "code": fault.error.code}
        own["request_id"] = trace.request_id or fault.error.request_id
    return own


def uploaded(trace: Trace, path: str, fault: TransferFault | None = None) -> UploadResult:
    own: dict[str, Any] = {"request_id_upload_url": trace.url_id, "bytes_sent": trace.size, "path": path}
    return UploadResult(**own, **_outcome(trace, fault))


def downloaded(
    trace: Trace, path: str, local_path: str | os.PathLike[str], fault: TransferFault | None = None
) -> DownloadResult:
    own: dict[str, Any] = {"request_id_download_url": trace.url_id, "bytes_received": trace.size, "path": path}
    return DownloadResult(**own, local_path=os.fspath(local_path), **_outcome(trace, fault))
