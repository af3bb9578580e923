"""The actions about contexts, in the form that `actions` describes; that module offers them all."""

from __future__ import annotations

from typing import Any

from attrs import frozen

from agentbay._params import Action, in_query, json_text
from agentbay._value import Value

__all__ = [
    "BindContexts",
    "BindingData",
    "ClearContext",
    "ContextData",
    "ContextInfoData",
    "DeleteContext",
    "DeleteContextFile",
    "DescribeContextFiles",
    "DescribeSessionContexts",
    "FileData",
    "FileUrlData",
    "GetAndLoadInternalContext",
    "GetContext",
    "GetContextFileDownloadUrl",
    "GetContextFileUploadUrl",
    "GetContextInfo",
    "InternalContextData",
    "ListContexts",
    "ModifyContext",
    "SyncContext",
]


# --- Answers ----------------------------------------------------------------------------------------------------------


@frozen(eq=False, repr=False)
class ContextData(Value):
    """A context: a named store of files that outlives sessions."""

    id: str = ""
    name: str = ""
    state: str = ""
    os_type: str = ""
    create_time: str = ""
    last_used_time: str = ""


@frozen(eq=False, repr=False)
class ContextInfoData(Value):
    """The state of context tasks, as JSON text within JSON text."""

    context_status: str = ""


@frozen(eq=False, repr=False)
class FileData(Value):
    """A file or folder of a context."""

    file_id: str = ""
    file_name: str = ""
    file_path: str = ""
    relative_path: str = ""
    file_type: str | None = None
    size: int | None = None
    status: str | None = None
    gmt_create: str | None = None
    gmt_modified: str | None = None


@frozen(eq=False, repr=False)
class FileUrlData(Value):
    """A presigned URL: who has it may read or write one file for an hour."""

    url: str = ""
    expire_time: int | None = None


@frozen(eq=False, repr=False)
class InternalContextData(Value):
    """A hidden context of a session, and where the session sees its files."""

    context_id: str = ""
    context_path: str = ""
    context_type: str = ""


@frozen(eq=False, repr=False)
class BindingData(Value):
    """A context that a session has bound; `policy` is JSON text."""

    context_id: str = ""
    context_name: str = ""
    path: str = ""
    policy: str = ""
    bind_time: str = ""


# --- Contexts ---------------------------------------------------------------------------------------------------------


@frozen(eq=False, repr=False)
class ListContexts(Action[list[ContextData]]):
    """List contexts, a page at a time."""

    repeatable = True
    max_results: int | None = None
    next_token: str | None = None
    session_id: str | None = None
    context_type: str | None = None


@frozen(eq=False, repr=False)
class GetContext(Action[ContextData]):
    """Find a context by name or id; `allow_create` makes the one of that name when there is none."""

    repeatable = True
    name: str | None = None
    context_id: str | None = None
    allow_create: bool = False
    login_region_id: str | None = None


@frozen(eq=False, repr=False)
class ModifyContext(Action[Any]):
    """Rename a context."""

    repeatable = True
    id: str
    name: str


@frozen(eq=False, repr=False)
class DeleteContext(Action[Any]):
    """Delete a context and all its files."""

    repeatable = True
    id: str


@frozen(eq=False, repr=False)
class ClearContext(Action[Any]):
    """Begin to delete all files of a context; its state is `clearing`, then `available`."""

    repeatable = True
    id: str


# --- The files of a context -------------------------------------------------------------------------------------------


@frozen(eq=False, repr=False)
class DescribeContextFiles(Action[list[FileData]]):
    """List a folder of a context: page by page with a number and size, or from token to token."""

    repeatable = True
    context_id: str
    parent_folder_path: str
    page_number: int | None = None
    page_size: int | None = None
    max_results: int | None = in_query(default=None)
    next_token: str | None = in_query(default=None)


@frozen(eq=False, repr=False)
class DeleteContextFile(Action[Any]):
    """Delete a file of a context."""

    repeatable = True
    context_id: str
    file_path: str


@frozen(eq=False, repr=False)
class GetContextFileUploadUrl(Action[FileUrlData]):
    """Get a URL to which a file's bytes can be PUT."""

    repeatable = True
    context_id: str
    file_path: str


@frozen(eq=False, repr=False)
class GetContextFileDownloadUrl(Action[FileUrlData]):
    """Get a URL from which a file's bytes can be fetched."""

    repeatable = True
    context_id: str
    file_path: str


# --- Contexts of a session --------------------------------------------------------------------------------------------


@frozen(eq=False, repr=False)
class SyncContext(Action[Any]):
    """Begin to carry context files between a session and their store; without ids, those of every context."""

    repeatable = True
    key_in_query = True
    session_id: str
    context_id: str | None = None
    path: str | None = None
    mode: str | None = None


@frozen(eq=False, repr=False)
class GetContextInfo(Action[ContextInfoData]):
    """Look at the state of context tasks."""

    repeatable = True
    session_id: str
    context_id: str | None = None
    path: str | None = None
    task_type: str | None = None


@frozen(eq=False, repr=False)
class BindContexts(Action[Any]):
    """Bind contexts to a running session; the entries are those of CreateMcpSession."""

    session_id: str
    persistence_data_list: list[dict[str, Any]] = json_text("compact", required=True)


@frozen(eq=False, repr=False)
class DescribeSessionContexts(Action[list[BindingData]]):
    """List the contexts that a session has bound."""

    repeatable = True
    session_id: str


@frozen(eq=False, repr=False)
class GetAndLoadInternalContext(Action[list[InternalContextData]]):
    """Make and bind the hidden contexts of a session, such as the one that carries files."""

    repeatable = True
    session_id: str
    context_types: list[str]
