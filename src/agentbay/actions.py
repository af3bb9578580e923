"""The actions of the service: a class each, named as on the wire.

The fields are the parameters (`session_id` travels as `SessionId`), the type argument is the answer's `Data`. A field
that is None is left out. To add an action, add its class, a handler in the runtime, and the line that sends it. Those
about contexts, and those that are beta, have files of their own.
"""

from __future__ import annotations

from typing import Any

from attrs import field, frozen

from agentbay._params import Action, in_query, json_text
from agentbay._value import Value
from agentbay.beta_actions import (
    BindContextSkillAsync,
    CreateNetwork,
    DeleteVolume,
    DescribeNetwork,
    GetSkillMetaData,
    GetVolume,
    ListSkillMetaData,
    ListVolumes,
    NetworkData,
    NetworkStatusData,
    SkillItem,
    SkillMetaData,
    UnbindContextSkillAsync,
    VolumeData,
)
from agentbay.context_actions import (
    BindContexts,
    BindingData,
    ClearContext,
    ContextData,
    ContextInfoData,
    DeleteContext,
    DeleteContextFile,
    DescribeContextFiles,
    DescribeSessionContexts,
    FileData,
    FileUrlData,
    GetAndLoadInternalContext,
    GetContext,
    GetContextFileDownloadUrl,
    GetContextFileUploadUrl,
    GetContextInfo,
    InternalContextData,
    ListContexts,
    ModifyContext,
    SyncContext,
)

__all__ = [
    "BindContextSkillAsync",
    "BindContexts",
    "BindingData",
    "CallMcpTool",
    "ClearContext",
    "ContextData",
    "ContextInfoData",
    "CreateMcpSession",
    "CreateNetwork",
    "DeleteContext",
    "DeleteContextFile",
    "DeleteSessionAsync",
    "DeleteVolume",
    "DescribeContextFiles",
    "DescribeNetwork",
    "DescribeSessionContexts",
    "DesktopInfo",
    "FileData",
    "FileUrlData",
    "GetAdbLink",
    "GetAndLoadInternalContext",
    "GetCdpLink",
    "GetContext",
    "GetContextFileDownloadUrl",
    "GetContextFileUploadUrl",
    "GetContextInfo",
    "GetLabel",
    "GetLink",
    "GetMcpResource",
    "GetSession",
    "GetSessionDetail",
    "GetSkillMetaData",
    "GetVolume",
    "InitBrowser",
    "InternalContextData",
    "LabelData",
    "LinkData",
    "ListContexts",
    "ListMcpTools",
    "ListSession",
    "ListSkillMetaData",
    "ListVolumes",
    "ModifyContext",
    "NetworkData",
    "NetworkStatusData",
    "PauseSessionAsync",
    "RefreshSessionIdleTime",
    "ReleaseMcpSession",
    "ResourceData",
    "ResumeSessionAsync",
    "SessionData",
    "SessionDetailData",
    "SessionItem",
    "SetLabel",
    "SkillItem",
    "SkillMetaData",
    "SyncContext",
    "UnbindContextSkillAsync",
    "VolumeData",
]


# --- Answers ----------------------------------------------------------------------------------------------------------


@frozen(eq=False, repr=False)
class SessionData(Value):
    """A session as CreateMcpSession and GetSession give it. `token` opens `link_url` and `ws_url`."""

    session_id: str = ""
    app_instance_id: str = ""
    resource_id: str = ""
    resource_url: str = field(default="", repr=False)
    link_url: str = ""
    ws_url: str = ""
    token: str = field(default="", repr=False)
    tool_list: Any = field(default="", repr=False)
    http_port: str = ""
    network_interface_ip: str = ""
    vpc_resource: bool = False
    vpc_ip: str = ""
    vpc_id: str = ""
    status: str = ""
    contexts: list[dict[str, str]] = field(factory=list, metadata={"wire": "contexts"})
    success: bool = True
    err_msg: str = ""


@frozen(eq=False, repr=False)
class SessionDetailData(Value):
    """A session as GetSessionDetail gives it, also for a while after its end."""

    status: str = ""
    image_id: str = ""
    image_type: str = ""
    app_instance_id: str = ""
    app_instance_group_id: str = ""
    apikey_id: str = ""
    app_user_id: str = ""
    aliuid: str = ""
    policy_id: str = ""
    region_id: str = ""
    resource_config_id: str = ""
    end_reason: str = ""
    biz_type: int = 0
    id: int = 0
    is_deleted: int = 0


@frozen(eq=False, repr=False)
class SessionItem(Value):
    """A session as ListSession gives it."""

    session_id: str = ""
    session_status: str = "UNKNOWN"
    app_instance_id: str = ""
    image_id: str = ""


@frozen(eq=False, repr=False)
class LabelData(Value):
    """Labels, as JSON text."""

    labels: str = ""


@frozen(eq=False, repr=False)
class DesktopInfo(Value):
    """What a viewer needs to open a session."""

    app_id: str = ""
    auth_code: str = field(default="", repr=False)
    connection_properties: str = field(default="", repr=False)
    resource_id: str = ""
    resource_type: str = ""
    ticket: str = field(default="", repr=False)


@frozen(eq=False, repr=False)
class ResourceData(Value):
    """Where a session can be seen."""

    session_id: str = ""
    resource_url: str = field(default="", repr=False)
    desktop_info: DesktopInfo = field(factory=DesktopInfo)


@frozen(eq=False, repr=False)
class LinkData(Value):
    """A link into a session."""

    url: str = ""


# --- Sessions ---------------------------------------------------------------------------------------------------------


@frozen(eq=False, repr=False)
class CreateMcpSession(Action[SessionData]):
    """Open a session. `timeout` is in seconds alone, in minutes together with `max_runtime`."""

    image_id: str | None = None
    labels: dict[str, str] | None = json_text("spaced")
    timeout: int | None = None
    max_runtime: int | None = None
    manual_release: bool | None = None
    persistence_data_list: list[dict[str, Any]] | None = json_text("compact")
    mcp_policy_id: str | None = None
    network_id: str | None = None
    enable_record: bool | None = None
    load_skill: bool | None = None
    skills: list[str] | None = json_text("compact")
    extra_configs: Any = None  # an object, flat; some clients send it as JSON text
    sdk_stats: dict[str, Any] | None = json_text("compact")
    login_region_id: str | None = None


@frozen(eq=False, repr=False)
class GetSession(Action[SessionData]):
    """Find a live session."""

    repeatable = True
    session_id: str


@frozen(eq=False, repr=False)
class GetSessionDetail(Action[SessionDetailData]):
    """Look at a session's state."""

    repeatable = True
    session_id: str = in_query()


@frozen(eq=False, repr=False)
class ListSession(Action[list[SessionItem]]):
    """List live sessions whose labels match, a page at a time."""

    repeatable = True
    labels: dict[str, str] | None = json_text("spaced")
    max_results: int | None = None
    next_token: str | None = None
    status: str | None = None
    image_id: str | None = None


@frozen(eq=False, repr=False)
class DeleteSessionAsync(Action[Any]):
    """Begin to delete a session."""

    repeatable = True
    session_id: str


@frozen(eq=False, repr=False)
class ReleaseMcpSession(Action[Any]):
    """Delete a session at once; the older form."""

    repeatable = True
    session_id: str


@frozen(eq=False, repr=False)
class PauseSessionAsync(Action[Any]):
    """Begin to pause a session."""

    session_id: str


@frozen(eq=False, repr=False)
class ResumeSessionAsync(Action[Any]):
    """Begin to resume a session."""

    session_id: str


@frozen(eq=False, repr=False)
class RefreshSessionIdleTime(Action[Any]):
    """Start a session's idle time anew."""

    repeatable = True
    session_id: str


@frozen(eq=False, repr=False)
class SetLabel(Action[Any]):
    """Replace a session's labels."""

    repeatable = True
    session_id: str
    labels: dict[str, str] = json_text("spaced", required=True)


@frozen(eq=False, repr=False)
class GetLabel(Action[LabelData]):
    """Read a session's labels."""

    repeatable = True
    session_id: str


@frozen(eq=False, repr=False)
class GetMcpResource(Action[ResourceData]):
    """Find where a session can be seen."""

    repeatable = True
    session_id: str


@frozen(eq=False, repr=False)
class GetLink(Action[LinkData]):
    """Get a link to a port of a session."""

    repeatable = True
    session_id: str
    protocol_type: str | None = None
    port: int | None = None
    option: str | None = None


@frozen(eq=False, repr=False)
class GetAdbLink(Action[LinkData]):
    """Let adb reach a phone; `option` has the public key of the machine that connects."""

    repeatable = True
    session_id: str
    option: dict[str, str] = json_text("spaced", required=True)


@frozen(eq=False, repr=False)
class InitBrowser(Action[Any]):
    """Start the browser of a session; the answer has its port."""

    session_id: str
    persistent_path: str
    browser_option: dict[str, Any] = field(repr=False, metadata={"dialect": "spaced"})


@frozen(eq=False, repr=False)
class GetCdpLink(Action[LinkData]):
    """Get a link to the browser's CDP endpoint."""

    repeatable = True
    session_id: str


# --- Tools ------------------------------------------------------------------------------------------------------------


@frozen(eq=False, repr=False)
class ListMcpTools(Action[Any]):
    """List the tools of an image, as JSON text."""

    repeatable = True
    image_id: str | None = None


@frozen(eq=False, repr=False)
class CallMcpTool(Action[Any]):
    """Run a tool in a session. The service finds the server by the tool's name when `server` is empty."""

    session_id: str
    name: str
    args: dict[str, Any] = json_text("raw", required=True)
    server: str = ""
    auto_gen_session: bool = False
