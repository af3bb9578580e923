"""Contexts, their files, and what calls about them give back."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Self

from attrs import define, field, frozen

from agentbay._checked import checked_fields
from agentbay._tools import sane
from agentbay._value import Value
from agentbay.context_actions import BindingData, ContextData, FileData
from agentbay.types.response import ApiResponse, OperationResult

__all__ = [
    "ClearContextResult",
    "Context",
    "ContextBindResult",
    "ContextBinding",
    "ContextBindingsResult",
    "ContextFileEntry",
    "ContextFileListResult",
    "ContextInfoResult",
    "ContextListParams",
    "ContextListResult",
    "ContextResult",
    "ContextStatusData",
    "ContextSyncResult",
    "FileUrlResult",
    "read_context_status",
]

_FINISHED = ("Success", "Failed")
_CARRIED = ("upload", "download")
_TEXTS = ("contextId", "path", "errorMessage", "status", "taskType")
_MOMENTS = ("startTime", "finishTime")


@frozen(eq=False, repr=False)
class ContextStatusData(Value):
    """One task that carries files: `task_type` is upload or download, times are in seconds since the epoch."""

    context_id: str = ""
    path: str = ""
    error_message: str = ""
    status: str = ""
    start_time: int = 0
    finish_time: int = 0
    task_type: str = ""

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """Read the service's object; what is missing is empty."""
        context_id, path, message, status, kind = (str(data.get(key) or "") for key in _TEXTS)
        started, finished = (int(sane(data.get(key))) for key in _MOMENTS)
        return cls(context_id, path, message, status, started, finished, kind)

    @property
    def carries(self) -> bool:
        """Whether the task carries files between a session and a store."""
        return self.task_type in _CARRIED

    @property
    def ended(self) -> bool:
        """Whether the task has succeeded or failed for good."""
        return self.status in _FINISHED

    @property
    def pending(self) -> bool:
        """Whether the task carries files and has not ended yet."""
        return self.carries and not self.ended


def _objects(text: Any) -> list[dict[str, Any]]:
    """Read a JSON array of objects from text; what is not of this form counts as nothing."""
    try:
        loaded = json.loads(text) if isinstance(text, str) else text
    except (ValueError, RecursionError):
        return []
    return [item for item in loaded if isinstance(item, dict)] if isinstance(loaded, list) else []


def read_context_status(text: str) -> list[ContextStatusData]:
    """Read the service's doubly encoded list of tasks."""
    groups = (group.get("data") for group in _objects(text) if group.get("type") == "data")
    return [ContextStatusData.from_dict(item) for group in groups for item in _objects(group)]


# --- Contexts ---------------------------------------------------------------------------------------------------------


@checked_fields()
@define
class Context:
    """A context: a named store of files that outlives sessions.

    To rename one, set its `name` and call `update`. Times are ISO 8601. `state` is `available`, `in-use` or `clearing`.
    """

    id: str
    name: str
    created_at: str | None = None
    last_used_at: str | None = None
    state: str = field(default="", kw_only=True)
    os_type: str = field(default="", kw_only=True)

    @classmethod
    def of(cls, data: ContextData, name: str = "") -> Self:
        """Read what the service says; `name` is for the case that it leaves the name out."""
        times = (data.create_time or None, data.last_used_time or None)
        return cls(data.id, data.name or name, *times, state=data.state, os_type=data.os_type)


@checked_fields()
@define
class ContextListParams:
    """One page of a list: how many (default 10), from which token on, and only those of one session."""

    max_results: int | None = None
    next_token: str | None = None
    session_id: str | None = None


@frozen(eq=False, repr=False)
class ContextResult(ApiResponse):
    """A context; None when there is none."""

    success: bool = False
    context_id: str = ""
    context: Context | None = None
    error_message: str = ""


@frozen(eq=False, repr=False)
class ContextListResult(ApiResponse):
    """One page of contexts. An empty `next_token` means the last page."""

    success: bool = False
    contexts: list[Context] = field(factory=list)
    next_token: str | None = None
    max_results: int | None = None
    total_count: int | None = None
    error_message: str = ""


@frozen(eq=False, repr=False)
class ClearContextResult(OperationResult):
    """How far the clearing of a context is: `status` is its state, `available` once it is empty."""

    error_message: str = ""
    status: str | None = None
    context_id: str | None = None
    data: Any = field(default=None, kw_only=True)
    message: str = field(default="", kw_only=True)
    http_status_code: int = field(default=0, kw_only=True)
    code: str = field(default="", kw_only=True)


# --- Files ------------------------------------------------------------------------------------------------------------


@frozen(eq=False, repr=False)
class ContextFileEntry(Value):
    """A file or folder of a context: `file_type` is FILE or FOLDER, `size` in bytes, times in ISO 8601."""

    file_id: str
    file_name: str
    file_path: str
    file_type: str | None = None
    gmt_create: str | None = None
    gmt_modified: str | None = None
    size: int | None = None
    status: str | None = None

    @classmethod
    def of(cls, data: FileData) -> Self:
        """Read what the service says."""
        names = (data.file_id, data.file_name, data.file_path)
        return cls(*names, data.file_type, data.gmt_create, data.gmt_modified, data.size, data.status)


@frozen(eq=False, repr=False)
class ContextFileListResult(ApiResponse):
    """One page of a folder: `count` is how many entries it has in all. An empty `next_token` means the last page."""

    success: bool = False
    entries: list[ContextFileEntry] = field(factory=list)
    count: int | None = None
    next_token: str | None = None
    error_message: str = field(default="", kw_only=True)


@frozen(eq=False, repr=False)
class FileUrlResult(ApiResponse):
    """A presigned URL, good for an hour. It opens the file to anybody who has it, so it is not shown."""

    success: bool = False
    url: str = field(default="", repr=False)
    expire_time: int | None = None
    error_message: str = ""


# --- Contexts of a session --------------------------------------------------------------------------------------------


@frozen(eq=False, repr=False)
class ContextInfoResult(ApiResponse):
    """The tasks that carry the files of a session's contexts."""

    success: bool = True
    context_status_data: list[ContextStatusData] = field(factory=list)
    error_message: str = ""


@frozen(eq=False, repr=False)
class ContextSyncResult(ApiResponse):
    """The result of carrying files between a session and a context."""

    success: bool = False
    error_message: str = ""


@frozen(eq=False, repr=False)
class ContextBindResult(ApiResponse):
    """The result of binding contexts to a session."""

    success: bool = False
    error_message: str = ""


@frozen(eq=False, repr=False)
class ContextBinding(Value):
    """A context that a session has bound: `policy` is JSON text, `bind_time` ISO 8601."""

    context_id: str = ""
    context_name: str = ""
    path: str = ""
    policy: str = ""
    bind_time: str = ""

    @classmethod
    def of(cls, data: BindingData) -> Self:
        """Read what the service says."""
        return cls(data.context_id, data.context_name, data.path, data.policy, data.bind_time)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """Read the service's object; what is missing is empty."""
        return cls(*(str(data.get(key) or "") for key in ("ContextId", "ContextName", "Path", "Policy", "BindTime")))


@frozen(eq=False, repr=False)
class ContextBindingsResult(ApiResponse):
    """The contexts that a session has bound."""

    success: bool = False
    bindings: list[ContextBinding] = field(factory=list)
    error_message: str = ""
