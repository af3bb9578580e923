"""The rows of `test_actions` about contexts: public calls, the parameters of one action, and the results."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from attrs import field, frozen

from agentbay import (
    AsyncAgentBay,
    AsyncSession,
    BetaContextMount,
    ClearContextResult,
    Context,
    ContextBinding,
    ContextBindingsResult,
    ContextBindResult,
    ContextFileEntry,
    ContextFileListResult,
    ContextInfoResult,
    ContextListParams,
    ContextListResult,
    ContextResult,
    ContextStatusData,
    ContextSync,
    ContextSyncResult,
    FileUrlResult,
    MappingPolicy,
    OperationResult,
    SyncPolicy,
    UploadMode,
    UploadPolicy,
)
from tests.catalogue import example
from tests.gateway import REQUEST_ID, SESSION_ID

ID = "SdkCtx-04bdvpz4zzyyexmpl"
TIME = "2025-05-29T12:00:00Z"
URL = "https://bucket.example.com/key?Expires=1748523600&Signature=x"
OK: dict[str, Any] = {"request_id": REQUEST_ID, "success": True, "code": "ok"}
YES: dict[str, Any] = OK | {"http_status_code": 200}
CONTEXT = Context(ID, "my-context", TIME, "2025-05-29T12:30:00Z", state="available", os_type="linux")
ENTRY = ContextFileEntry("fid-1", "a.txt", "/tmp/data/a.txt", "FILE", TIME, TIME, 21, "ready")
TASK = ContextStatusData(ID, "/tmp/data", "", "Success", 1748520000, 1748520003, "download")
FILES = ContextFileListResult(**OK, entries=[ENTRY], count=1, next_token="")

DEFAULT_POLICY = (
    '{"uploadPolicy": {"autoUpload": true, "uploadStrategy": "UploadBeforeResourceRelease", "uploadMode": "File"}, '
    '"downloadPolicy": {"autoDownload": true, "downloadStrategy": "DownloadAsync"}, '
    '"deletePolicy": {"syncLocalFile": true}, '
    '"extractPolicy": {"extract": true, "deleteSrcFile": true, "extractToCurrentFolder": false}, '
    '"recyclePolicy": {"lifecycle": "Lifecycle_Forever", "paths": [""]}, '
    '"bwList": {"whiteLists": [{"path": "", "excludePaths": [], "isPathRegex": false, "isExcludeRegex": false}]}}'
)
ARCHIVE = SyncPolicy(UploadPolicy(upload_mode=UploadMode.ARCHIVE, archive_exclude_paths=["é"]))
MAPPED = SyncPolicy(mapping_policy=MappingPolicy("c:\\x"))


def in_json(text: str) -> str:
    """The text as it is within a JSON text."""
    return text.replace("\\", "\\\\").replace('"', '\\"')


ARCHIVE_TEXT = DEFAULT_POLICY.replace('"File"}', '"Archive", "archiveExcludePaths": ["é"]}')
MAPPED_TEXT = DEFAULT_POLICY[:-1] + ', "mappingPolicy": {"path": "c:\\\\x"}}'
BOUND = (
    '[{"ContextId":"c1","Path":"/tmp/a"},'
    f'{{"ContextId":"c2","Path":"/tmp/é","Policy":"{in_json(ARCHIVE_TEXT)}"}},'
    f'{{"ContextId":"c3","Path":"/tmp/c","Policy":"{in_json(MAPPED_TEXT)}"}},'
    '{"ContextId":"c4","Path":"/mnt/x","Type":"mount",'
    '"MountConfig":{"AccessMode":"readWrite","StorageMode":"standard","SourcePath":""}}]'
)
BINDABLE = (
    ContextSync("c1", "/tmp/a"),
    BetaContextMount("c4", "/mnt/x"),
    ContextSync("c2", "/tmp/é", ARCHIVE),
    ContextSync.new("c3", "/tmp/c").with_policy(MAPPED),
)


@frozen
class Row:
    """A public call, the one action of it that is looked at, its parameters, and the result of the whole call."""

    action: str
    call: Callable[[AsyncAgentBay, AsyncSession], Any]
    params: dict[str, str]
    result: Any
    life: tuple[str, ...] = ()
    answers: dict[str, Any] = field(factory=dict)


CONTEXT_ROWS = {
    "context.get": Row(
        "GetContext",
        lambda client, session: client.context.get("my-context"),
        {"Name": "my-context", "AllowCreate": "False"},
        ContextResult(**OK, context_id=ID, context=CONTEXT),
    ),
    "context.get by id": Row(
        "GetContext",
        lambda client, session: client.context.get(context_id=ID),
        {"ContextId": ID, "AllowCreate": "False"},
        ContextResult(**OK, context_id=ID, context=CONTEXT),
    ),
    "context.create": Row(
        "GetContext",
        lambda client, session: client.context.create("é"),
        {"Name": "é", "AllowCreate": "True", "LoginRegionId": "cn-hangzhou"},
        ContextResult(**OK, context_id=ID, context=CONTEXT),
    ),
    "context.list": Row(
        "ListContexts",
        lambda client, session: client.context.list(),
        {"MaxResults": "10"},
        ContextListResult(**OK, contexts=[CONTEXT], next_token="", max_results=10, total_count=1),
    ),
    "context.list with parameters": Row(
        "ListContexts",
        lambda client, session: client.context.list(ContextListParams(3, "t", SESSION_ID)),
        {"MaxResults": "3", "NextToken": "t", "SessionId": SESSION_ID},
        ContextListResult(**OK, contexts=[CONTEXT], next_token="", max_results=10, total_count=1),
    ),
    "context.update": Row(
        "ModifyContext",
        lambda client, session: client.context.update(Context(ID, "new")),
        {"Id": ID, "Name": "new"},
        OperationResult(**YES, data=True),
    ),
    "context.delete": Row(
        "DeleteContext",
        lambda client, session: client.context.delete(CONTEXT),
        {"Id": ID},
        OperationResult(**YES, data=True),
    ),
    "context.start_clear": Row(
        "ClearContext",
        lambda client, session: client.context.start_clear(ID),
        {"Id": ID},
        ClearContextResult(**YES, status="clearing", context_id=ID),
    ),
    "context.get_clear_status": Row(
        "GetContext",
        lambda client, session: client.context.get_clear_status(ID),
        {"ContextId": ID, "AllowCreate": "False"},
        ClearContextResult(**YES, status="available", context_id=ID),
    ),
    "context.list_files": Row(
        "DescribeContextFiles",
        lambda client, session: client.context.list_files(ID, "/tmp/data"),
        {"ContextId": ID, "ParentFolderPath": "/tmp/data", "PageNumber": "1", "PageSize": "50"},
        FILES,
    ),
    "context.list_files by token": Row(
        "DescribeContextFiles",
        lambda client, session: client.context.list_files(ID, "/tmp/data", max_results=7, next_token="t"),
        {"ContextId": ID, "ParentFolderPath": "/tmp/data", "MaxResults": "7", "NextToken": "t"},
        FILES,
    ),
    "context.delete_file": Row(
        "DeleteContextFile",
        lambda client, session: client.context.delete_file(ID, "/tmp/é"),
        {"ContextId": ID, "FilePath": "/tmp/é"},
        OperationResult(**YES, data=True),
    ),
    "context.get_file_upload_url": Row(
        "GetContextFileUploadUrl",
        lambda client, session: client.context.get_file_upload_url(ID, "/tmp/x"),
        {"ContextId": ID, "FilePath": "/tmp/x"},
        FileUrlResult(**OK, url=URL, expire_time=3600),
    ),
    "context.get_file_download_url": Row(
        "GetContextFileDownloadUrl",
        lambda client, session: client.context.get_file_download_url(ID, "/tmp/x"),
        {"ContextId": ID, "FilePath": "/tmp/x"},
        FileUrlResult(**OK, url=URL, expire_time=3600),
    ),
    "session.context.sync": Row(
        "SyncContext",
        lambda client, session: session.context.sync(ID, "/tmp/data", "download"),
        {"SessionId": SESSION_ID, "ContextId": ID, "Path": "/tmp/data", "Mode": "download"},
        ContextSyncResult(**OK),
        answers={"GetContextInfo": example("GetContextInfo")},
    ),
    "session.context.info": Row(
        "GetContextInfo",
        lambda client, session: session.context.info(ID, "/tmp/data", "download"),
        {"SessionId": SESSION_ID, "ContextId": ID, "Path": "/tmp/data", "TaskType": "download"},
        ContextInfoResult(**OK, context_status_data=[TASK]),
    ),
    "session.context.bind": Row(
        "BindContexts",
        lambda client, session: session.context.bind(*BINDABLE, wait_for_completion=False),
        {"SessionId": SESSION_ID, "PersistenceDataList": BOUND},
        ContextBindResult(**OK),
    ),
    "session.context.list_bindings": Row(
        "DescribeSessionContexts",
        lambda client, session: session.context.list_bindings(),
        {"SessionId": SESSION_ID},
        ContextBindingsResult(
            **OK, bindings=[ContextBinding(ID, "my-context", "/tmp/data", "{}", "2026-03-06T10:00:00Z")]
        ),
    ),
    "get_file_transfer_context_path": Row(
        "GetAndLoadInternalContext",
        lambda client, session: session.fs.get_file_transfer_context_path(),
        {"SessionId": SESSION_ID, "ContextTypes.1": "file_transfer"},
        "/home/wuying",
    ),
}
