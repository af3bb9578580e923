"""Every action: the complete request against the catalogue, and the catalogue's answer as a result."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

import agentbay.actions
from agentbay import (
    AdbUrlResult,
    AppManagerRule,
    AsyncAgentBay,
    AsyncSession,
    BetaContextMount,
    BrowserContext,
    BrowserFingerprintContext,
    BrowserOption,
    BrowserSyncMode,
    ContextSync,
    CreateSessionParams,
    DeleteResult,
    ExtensionOption,
    ExtraConfigs,
    LifecyclePolicy,
    McpTool,
    McpToolResult,
    McpToolsResult,
    MobileExtraConfig,
    MobileSimulateConfig,
    MobileSimulateMode,
    OperationResult,
    SessionInfo,
    SessionListResult,
    SessionPauseResult,
    SessionResumeResult,
    SessionStatusResult,
    __version__,
)
from agentbay._params import Action
from tests._async.beta_rows import BETA_ROWS
from tests._async.context_rows import ARCHIVE, ARCHIVE_TEXT, CONTEXT_ROWS, DEFAULT_POLICY, Row, in_json
from tests.catalogue import check_action, example
from tests.gateway import REQUEST_ID, SESSION_ID, Answer, Gateway, Said, ok

ID = {"SessionId": SESSION_ID}
YES: dict[str, Any] = {"request_id": REQUEST_ID, "success": True, "code": "ok", "http_status_code": 200}
SHELL = McpTool("shell", "wuying_shell", "...", {"type": "object"})
STATS = {
    "source": "sdk",
    "sdk_language": "python",
    "sdk_version": __version__,
    "is_release": True,
    "framework": "langchain",
}

# What no public method sends: kept for older clients, or offered to none yet; the runtime serves it all the same.
UNSENT = {"ReleaseMcpSession", "GetVolume", "ListVolumes", "DeleteVolume"}


async def endpoint_of(session: AsyncSession) -> str:
    """The address of a browser that was just started."""
    await session.browser.initialize()
    return await session.browser.get_endpoint_url()


def seen(result: Any) -> Any:
    """A result that can be compared: of a session, what is known of it."""
    session = getattr(result, "session", None)
    if session is None:
        return result
    names = "session_id resource_url app_instance_id link_url ws_url token vpc_ip vpc_id tool_servers image_id"
    return {name: getattr(session, name) for name in names.split()} | {"success": result.success, "code": result.code}


EXAMPLE_SESSION = {
    "session_id": SESSION_ID,
    "resource_url": "https://console.example.com/session?resourceId=p-0a1b2c3d4e5fexmpl&authcode=xxxx",
    "app_instance_id": "ai-04bdw8o39c9uexmpl",
    "link_url": "",
    "ws_url": "wss://gw.example.com:8008/ws",
    "token": "",
    "vpc_ip": "",
    "vpc_id": "",
    "tool_servers": {"shell": "wuying_shell"},
    "image_id": "",
    "success": True,
    "code": "ok",
}
FULL = CreateSessionParams(
    labels={"env": "tést", "b": "2 3&4"},
    image_id="code_latest",
    lifecycle_policy=LifecyclePolicy(7, 20),
    context_syncs=[ContextSync("c1", "/tmp/a"), ContextSync("c2", "/tmp/é", ARCHIVE, beta_wait_for_completion=False)],
    beta_context_mounts=[BetaContextMount("c4", "/mnt/x")],
    browser_context=BrowserContext(
        "c5", False, BrowserSyncMode.MINIMAL, ExtensionOption("c6", ["ext_1", "ext_2"]), BrowserFingerprintContext("c7")
    ),
    extra_configs=ExtraConfigs(
        MobileExtraConfig(
            lock_resolution=True,
            app_manager_rule=AppManagerRule("White", ["com.a", "com.b"]),
            hide_navigation_bar=False,
            uninstall_blacklist=["com.z"],
            simulate_config=MobileSimulateConfig(True, "/p", MobileSimulateMode.ALL, "c8"),
        )
    ),
    policy_id="pol-1",
    beta_network_id="net-1",
    enable_browser_replay=False,
    framework="langchain",
    load_skills=True,
    skill_names=["a", "é"],
)


def white(*paths: str) -> str:
    entries = (
        f'{{"path": "{path}", "excludePaths": [], "isPathRegex": false, "isExcludeRegex": false}}' for path in paths
    )
    return f'"whiteLists": [{", ".join(entries)}]'


def entry(context_id: str, path: str, policy: str) -> str:
    return f'{{"ContextId":"{context_id}","Path":"{path}","Policy":"{in_json(policy)}"}}'


NO_UPLOAD = DEFAULT_POLICY.replace('"autoUpload": true', '"autoUpload": false')
MOUNT = (
    '{"ContextId":"c4","Path":"/mnt/x","Type":"mount",'
    '"MountConfig":{"AccessMode":"readWrite","StorageMode":"standard","SourcePath":""}}'
)
PERSISTENCE = ",".join(
    [
        '[{"ContextId":"c1","Path":"/tmp/a"}',
        entry("c2", "/tmp/é", ARCHIVE_TEXT),
        '{"ContextId":"c8","Path":"/data/agentbay_mobile_info"}',
        entry(
            "c6",
            "/tmp/extensions/",
            NO_UPLOAD.replace('"syncLocalFile": true', '"syncLocalFile": false').replace(
                white(""), white("ext_1", "ext_2")
            ),
        ),
        entry("c7", "/tmp/browser_fingerprint", NO_UPLOAD.replace(white(""), white())),
        MOUNT,
        entry(
            "c5",
            "/tmp/agentbay_browser",
            NO_UPLOAD.replace(white(""), white("/Local State", "/Default/Cookies", "/Default/Cookies-journal")),
        )
        + "]",
    ]
)


def loaded(*context_ids: str) -> Answer:
    """What GetContextInfo tells once these contexts have their files."""
    tasks = [{"contextId": name, "status": "Success", "taskType": "download"} for name in context_ids]
    return ok({"ContextStatus": json.dumps([{"type": "data", "data": json.dumps(tasks)}])})


ROWS = {
    "create": Row(
        "CreateMcpSession",
        lambda client, session: client.create(FULL),
        {
            "ImageId": "code_latest",
            "Labels": '{"env": "t\\u00e9st", "b": "2 3&4"}',
            "Timeout": "7",
            "MaxRuntime": "20",
            "McpPolicyId": "pol-1",
            "NetworkId": "net-1",
            "EnableRecord": "False",
            "LoadSkill": "True",
            "Skills": '["a","é"]',
            "SdkStats": json.dumps(STATS, separators=(",", ":")),
            "LoginRegionId": "cn-hangzhou",
            "PersistenceDataList": PERSISTENCE,
            "ExtraConfigs.Mobile.LockResolution": "True",
            "ExtraConfigs.Mobile.AppManagerRule.RuleType": "White",
            "ExtraConfigs.Mobile.AppManagerRule.AppPackageNameList.1": "com.a",
            "ExtraConfigs.Mobile.AppManagerRule.AppPackageNameList.2": "com.b",
            "ExtraConfigs.Mobile.HideNavigationBar": "False",
            "ExtraConfigs.Mobile.UninstallBlacklist.1": "com.z",
        },
        EXAMPLE_SESSION | {"image_id": "code_latest"},
        answers={"GetContextInfo": loaded("c1", "c5", "c6", "c7", "c8"), "shell": Said("")},
    ),
    "get": Row("GetSession", lambda client, session: client.get(SESSION_ID), ID, EXAMPLE_SESSION),
    "get_status": Row(
        "GetSessionDetail",
        lambda client, session: session.get_status(),
        ID,
        SessionStatusResult(**YES, status="RUNNING"),
    ),
    "list": Row(
        "ListSession",
        lambda client, session: client.list({"a": "ü"}, 1, 5, "RUNNING", "linux_latest"),
        {"Labels": '{"a": "\\u00fc"}', "MaxResults": "5", "Status": "RUNNING", "ImageId": "linux_latest"},
        SessionListResult(
            REQUEST_ID,
            code="ok",
            success=True,
            session_ids=[
                {
                    "sessionId": SESSION_ID,
                    "sessionStatus": "RUNNING",
                    "appInstanceId": "ai-04bdw8o39c9uexmpl",
                    "imageId": "linux_latest",
                }
            ],
            max_results=10,
            total_count=1,
        ),
    ),
    "delete": Row(
        "DeleteSessionAsync", lambda client, session: client.delete(session), ID, DeleteResult(**YES), ("FINISH",)
    ),
    "delete with sync_context": Row(
        "SyncContext",
        lambda client, session: session.delete(sync_context=True),
        ID,
        DeleteResult(**YES),
        ("GONE",),
        {"GetContextInfo": example("GetContextInfo"), "DeleteSessionAsync": ok()},
    ),
    "wait for contexts": Row(
        "GetContextInfo",
        lambda client, session: client.delete(session, sync_context=True),
        ID,
        DeleteResult(**YES),
        ("DELETED",),
        {"SyncContext": ok(), "DeleteSessionAsync": ok()},
    ),
    "pause": Row(
        "PauseSessionAsync",
        lambda client, session: client.pause(session),
        ID,
        SessionPauseResult(**YES, status="PAUSED"),
        ("PAUSED",),
    ),
    "resume": Row(
        "ResumeSessionAsync",
        lambda client, session: client.resume(session),
        ID,
        SessionResumeResult(**YES, status="RUNNING"),
        ("RUNNING",),
    ),
    "keep_alive": Row(
        "RefreshSessionIdleTime", lambda client, session: session.keep_alive(), ID, OperationResult(**YES)
    ),
    "set_labels": Row(
        "SetLabel",
        lambda client, session: session.set_labels({"a": "é", "b": "2"}),
        ID | {"Labels": '{"a": "\\u00e9", "b": "2"}'},
        OperationResult(**YES),
    ),
    "get_labels": Row(
        "GetLabel",
        lambda client, session: session.get_labels(),
        ID,
        OperationResult(**YES, data={"project": "demo"}),
    ),
    "info": Row(
        "GetMcpResource",
        lambda client, session: session.info(),
        ID,
        OperationResult(
            **YES,
            data=SessionInfo(
                session_id=SESSION_ID,
                resource_url="https://console.example.com/session?resourceId=p-0a1b2c3d4e5fexmpl&authcode=xxxx",
                app_id="app-id",
                auth_code="auth-code",
                connection_properties='{"k":"v"}',
                resource_id="p-0a1b2c3d4e5fexmpl",
                resource_type="AIAgent",
                ticket="base64-ticket",
            ),
        ),
    ),
    "get_link": Row(
        "GetLink",
        lambda client, session: session.get_link("https", 30100, "opt é"),
        ID | {"ProtocolType": "https", "Port": "30100", "Option": "opt é"},
        OperationResult(**YES, data="wss://gw-cn-hangzhou-ai-linux.example.com:8008/websocket_ai/TOKEN"),
    ),
    "get_adb_url": Row(
        "GetAdbLink",
        lambda client, session: session.mobile.get_adb_url("QAAAAé= me@here"),
        ID | {"Option": '{"adbkey_pub": "QAAAA\\u00e9= me@here"}'},
        AdbUrlResult(REQUEST_ID, code="ok", success=True, data="adb connect 203.0.113.10:54321"),
    ),
    "browser.initialize": Row(
        "InitBrowser",
        lambda client, session: session.browser.initialize(BrowserOption(extension_path=None, cmd_args=["é"])),
        ID
        | {
            "PersistentPath": "/tmp/agentbay_browser",
            "BrowserOption": '{"useStealth": false, "solveCaptchas": false, "autoLogin": false, "callForUser": false, '
            '"cmdArgs": ["\\u00e9"]}',
        },
        True,
    ),
    "browser.get_endpoint_url": Row(
        "GetCdpLink",
        lambda client, session: endpoint_of(session),
        ID,
        "wss://gw-cn-hangzhou-ai-linux.example.com:8008/websocket_ai/TOKEN",
        answers={"InitBrowser": example("InitBrowser")},
    ),
    "list_mcp_tools": Row(
        "ListMcpTools",
        lambda client, session: session.list_mcp_tools("browser_latest"),
        {"ImageId": "browser_latest"},
        McpToolsResult(REQUEST_ID, code="ok", success=True, tools=[SHELL]),
    ),
    "call_mcp_tool": Row(
        "CallMcpTool",
        lambda client, session: session.call_mcp_tool("shell", {"command": "echo é", "timeout_ms": 9}),
        ID
        | {
            "Name": "shell",
            "Args": '{"command": "echo é", "timeout_ms": 9}',
            "Server": "wuying_shell",
            "AutoGenSession": "False",
        },
        McpToolResult(REQUEST_ID, success=True, data="hello\n"),
    ),
}
ROWS |= CONTEXT_ROWS | BETA_ROWS


@pytest.mark.parametrize("row", ROWS.values(), ids=list(ROWS))
async def test_a_call_sends_what_the_catalogue_says_and_reads_its_example(
    client: AsyncAgentBay, session: AsyncSession, gateway: Gateway, row: Row
) -> None:
    gateway.on("shell" if row.action == "CallMcpTool" else row.action, example(row.action))
    for name, answer in row.answers.items():
        gateway.on(name, answer)
    if row.life:
        gateway.on_life(*row.life)

    result = await row.call(client, session)

    requests = [request for request in gateway.requests if request.action == row.action]
    assert [check_action(request) for request in requests] == [row.params]
    assert seen(result) == row.result


def action_names() -> set[str]:
    kinds = [item for item in vars(agentbay.actions).values() if isinstance(item, type) and item is not Action]
    return {kind.__name__ for kind in kinds if issubclass(kind, Action)}


def covered() -> set[str]:
    """The actions that have a row."""
    return {row.action for row in ROWS.values()}


def test_every_action_has_a_row() -> None:
    assert action_names() == covered() | UNSENT


async def test_a_plain_create_sends_nothing_that_was_not_asked_for(client: AsyncAgentBay, gateway: Gateway) -> None:
    gateway.on("CreateMcpSession", example("CreateMcpSession"))

    result = await client.create()

    stats = json.dumps(STATS | {"framework": ""}, separators=(",", ":"))
    assert check_action(gateway.requests[0]) == {"SdkStats": stats, "LoginRegionId": "cn-hangzhou"}
    assert seen(result) == EXAMPLE_SESSION


async def test_every_request_has_a_nonce_of_its_own(session: AsyncSession, gateway: Gateway) -> None:
    gateway.on("RefreshSessionIdleTime", ok())

    for _ in range(20):
        await session.keep_alive()

    assert len({request.query["SignatureNonce"] for request in gateway.requests}) == 20


async def test_the_environment_adds_to_the_user_agent(
    gateway: Gateway, make: Callable[..., AsyncAgentBay], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ALIBABA_CLOUD_USER_AGENT", "mine/1")
    gateway.on("ListSession", ok([]))

    await make().list()

    assert gateway.last("ListSession").headers["user-agent"].endswith(" TeaDSL/2 mine/1")
