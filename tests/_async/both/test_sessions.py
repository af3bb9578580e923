"""Sessions: labels, lists, links, what is known of them, their tools and variables."""

from __future__ import annotations

import json

import pytest

from agentbay import AgentBayError, AsyncAgentBay, AsyncSession, NotFoundError, SessionInfo, ToolError
from tests._async.both.conftest import Fresh
from tests._async.both.doors import UNKNOWN, Door, Script, ended, mocked, wrong
from tests.catalogue import example
from tests.gateway import GONE, SESSION_ID, Answer, Received, ok, refusal

# --- Labels -----------------------------------------------------------------------------------------------------------


def labelled() -> Script:
    """The labels of one session, as the service keeps them."""
    kept = {"Labels": "{}"}

    def write(request: Received) -> Answer:
        kept["Labels"] = request.form["Labels"]
        return ok()

    return {"SetLabel": write, "GetLabel": lambda _: ok(kept)}


@mocked(labelled)
async def test_labels_are_replaced_as_a_whole(fresh: Fresh) -> None:
    session = await fresh()
    for labels in ({"project": "demo", "größe": "1 & 2 = 3"}, {"only": "this"}):
        assert (await session.set_labels(labels)).success
        assert labels == (await session.get_labels()).data


@mocked(GetLabel=[ok({"Labels": "{}"}), ok({"Labels": json.dumps({"born": "with"})})])
async def test_a_session_is_born_with_its_labels(fresh: Fresh) -> None:
    bare, labelled = await fresh(), await fresh(born="with")
    assert ({}, {"born": "with"}) == ((await bare.get_labels()).data, (await labelled.get_labels()).data)


@pytest.mark.parametrize("labels", [{}, {"": "x"}, {" ": "x"}, {"x": ""}, {"x": None}, ["x"]], ids=str)
async def test_useless_labels_never_leave_the_client(session: AsyncSession, labels: object) -> None:
    result = await session.set_labels(labels)  # type: ignore[arg-type]
    assert (False, True) == (result.success, bool(result.error_message))


# --- Lists ------------------------------------------------------------------------------------------------------------


def page(request: Received) -> Answer:
    """Three sessions in pages of two; nothing for other labels."""
    if "wanted" not in json.loads(request.form.get("Labels", "{}")):
        return ok([], NextToken="", MaxResults=10, TotalCount=0)
    size, start = int(request.form["MaxResults"]), int(request.form.get("NextToken") or 0)
    items = [{"SessionId": SESSION_ID, "SessionStatus": "RUNNING", "AppInstanceId": "ai-1", "ImageId": "linux_latest"}]
    more = {"NextToken": str(start + size) if start + size < 3 else "", "MaxResults": size, "TotalCount": 3}
    return ok(items * min(size, 3 - start), **more)


@mocked(ListSession=page)
async def test_a_list_is_read_page_by_page(client: AsyncAgentBay, fresh: Fresh, door: Door) -> None:
    labels = {"wanted": f"page by page {door.name}"}
    made = [(await fresh(**labels)).session_id for _ in range(3)]
    first = await client.list(labels, limit=2)
    second = await client.list(labels, page=2, limit=2)
    third = await client.list(labels, page=3, limit=2)
    assert [(True, 2, 3), (True, 2, 3)] == [(one.success, one.max_results, one.total_count) for one in (first, second)]
    assert (True, False) == (bool(first.next_token), bool(second.next_token))
    assert (2, 1) == (len(first.session_ids), len(second.session_ids))
    assert sorted(made) == sorted(item["sessionId"] for item in first.session_ids + second.session_ids)
    assert (False, True) == (third.success, "page 3" in third.error_message)


@mocked(ListSession=page)
async def test_all_pages_come_one_after_the_other(client: AsyncAgentBay, fresh: Fresh, door: Door) -> None:
    labels = {"wanted": f"one after the other {door.name}"}
    made = [(await fresh(**labels)).session_id for _ in range(3)]
    items = [item async for item in client.list_all(labels, limit=2)]
    assert sorted(made) == sorted(item["sessionId"] for item in items)
    facts = {(item["sessionStatus"], item["imageId"], bool(item["appInstanceId"])) for item in items}
    assert {("RUNNING", "linux_latest", True)} == facts


@mocked(ListSession=page)
async def test_labels_that_nobody_has_find_nothing(client: AsyncAgentBay) -> None:
    result = await client.list({"nobody": "has this"})
    assert (True, [], "", 0) == (result.success, result.session_ids, result.next_token, result.total_count)
    assert [] == [item async for item in client.list_all({"nobody": "has this"})]


@mocked(ListSession=page)
async def test_a_list_can_be_narrowed_by_state_and_image(client: AsyncAgentBay, fresh: Fresh, door: Door) -> None:
    labels = {"wanted": f"narrowed {door.name}"}
    session = await fresh(**labels)
    result = await client.list(labels, limit=1, status="RUNNING", image_id="linux_latest")
    assert [session.session_id] == [item["sessionId"] for item in result.session_ids]


async def test_a_page_or_state_that_cannot_be_never_leaves_the_client(client: AsyncAgentBay) -> None:
    for result in (await client.list(page=0), await client.list(status="ASLEEP")):
        assert (False, []) == (result.success, result.session_ids)
    with pytest.raises(AgentBayError, match="Invalid status 'ASLEEP'"):
        assert [item async for item in client.list_all(status="ASLEEP")]


# --- What is known of a session ---------------------------------------------------------------------------------------


@mocked(GetMcpResource=example("GetMcpResource"))
async def test_a_session_tells_where_it_can_be_seen(session: AsyncSession) -> None:
    result = await session.info()
    assert (True, SessionInfo, session.session_id) == (result.success, type(result.data), result.data.session_id)
    assert "authcode=" in result.data.resource_url
    assert [True, True, True] == [bool(result.data.auth_code), bool(result.data.resource_id), bool(result.data.app_id)]
    assert result.data.auth_code not in repr(result)


@mocked(GetSessionDetail=[example("GetSessionDetail"), GONE])
async def test_a_session_tells_its_state(fresh: Fresh) -> None:
    result = await (await fresh()).get_status()
    assert (True, "RUNNING", 200, "") == (result.success, result.status, result.http_status_code, result.error_message)


@mocked(RefreshSessionIdleTime=ok())
async def test_a_session_is_kept_alive(session: AsyncSession) -> None:
    assert (await session.keep_alive()).success


@mocked(GetLink=[ok({"Url": "https://gateway.example/request_ai/t/path/"}), ok({"Url": "wss://gateway.example/ai/t"})])
async def test_a_link_leads_to_a_port(session: AsyncSession) -> None:
    page = await session.get_link(protocol_type="https", port=30123)
    socket = await session.get_link("wss", 30123)
    assert (True, True) == (page.success, socket.success)
    assert ("http", "ws") == (page.data[:4], socket.data[:2])


@mocked(
    GetLink=[
        refusal("InvalidParameter", "http not supported"),
        refusal("MissingParameter", "no port specified, cdp default, but only BrowserUse image support cdp"),
    ]
)
async def test_a_link_needs_a_protocol_and_a_port(session: AsyncSession) -> None:
    plain, nowhere = await session.get_link("http", 30123), await session.get_link("https")
    assert [(False, None), (False, None)] == [(plain.success, plain.data), (nowhere.success, nowhere.data)]
    assert (True, True) == ("http not supported" in plain.error_message, "no port specified" in nowhere.error_message)


@mocked()
async def test_a_session_is_found_again_by_its_id(client: AsyncAgentBay, fresh: Fresh) -> None:
    session = await fresh()
    found = (await client.get(session.session_id)).unwrap().session
    assert (session.session_id, session.tool_servers) == (found.session_id, found.tool_servers)


@mocked(GetSession=GONE)
async def test_an_unknown_session_is_not_found(client: AsyncAgentBay) -> None:
    result = await client.get(UNKNOWN)
    assert (False, None, "InvalidMcpSession.NotFound") == (result.success, result.session, result.code)
    assert isinstance(result.error, NotFoundError)
    assert "[InvalidMcpSession.NotFound] Resource [McpSession] is not found." == result.error_message


@mocked(
    **dict.fromkeys(("DeleteSessionAsync GetSessionDetail GetLabel GetLink SetLabel shell read_file").split(), GONE)
)
async def test_nothing_works_in_an_unknown_session(client: AsyncAgentBay) -> None:
    lost = AsyncSession(client, UNKNOWN)
    results = [
        await lost.command.run("true"),
        await lost.call_mcp_tool("read_file", {"path": "/tmp/x"}),
        await lost.get_labels(),
        await lost.set_labels({"a": "b"}),
        await lost.get_link("https", 30123),
        await lost.get_status(),
        await lost.delete(),
        await client.delete(lost),
    ]
    assert [(False, True)] * 8 == [(one.success, isinstance(one.error, NotFoundError)) for one in results]
    assert [True] * 8 == ["InvalidMcpSession.NotFound" in one.error_message for one in results]


# --- Tools and variables ----------------------------------------------------------------------------------------------


@mocked(ListMcpTools=example("ListMcpTools"))
async def test_the_tools_of_an_image_are_listed(session: AsyncSession) -> None:
    for result in (await session.list_mcp_tools(), await session.list_mcp_tools("code_latest")):
        servers = {tool.name: tool.server for tool in result.tools}
        assert (True, "wuying_shell") == (result.success, servers["shell"])
        assert {"object"} == {tool.input_schema["type"] for tool in result.tools}


@mocked(shell=[ended("by name\n"), wrong("Invalid arguments for tool shell: command must be a string, got a number")])
async def test_a_tool_is_called_by_its_name(session: AsyncSession) -> None:
    result = await session.call_mcp_tool("shell", {"command": "echo by name", "timeout_ms": 5000})
    assert (True, "by name\n", "") == (result.success, json.loads(result.data)["stdout"], result.error_message)


@mocked(read_file=wrong("Failed to read file: /nowhere, error: No such file or directory"))
async def test_a_tool_complains_in_the_error_message(session: AsyncSession) -> None:
    result = await session.call_mcp_tool("read_file", {"path": "/nowhere", "offset": 0, "length": 0})
    assert (False, "", ToolError) == (result.success, result.data, type(result.error))
    assert result.error_message.startswith("Execution failed. Error code:-32602 Error message: ")


@mocked(no_such_tool=wrong("Tool no_such_tool is not offered by image code_latest"))
async def test_a_tool_that_is_not_there_complains_too(session: AsyncSession) -> None:
    result = await session.call_mcp_tool("no_such_tool", {})
    assert (False, "", True) == (result.success, result.data, "no_such_tool" in result.error_message)


@mocked(set_env="True", get_env='{"BOTH_A": "1", "BOTH_B": "ü =2"}', shell=ended("1 ü =2\n"))
async def test_variables_reach_later_commands(session: AsyncSession) -> None:
    envs = {"BOTH_A": "1", "BOTH_B": "ü =2"}
    assert (True, True) == ((done := await session.env.set(envs)).success, done.data)
    assert envs == (await session.env.get(["BOTH_A", "BOTH_B", "BOTH_NONE"])).envs
    assert "1 ü =2\n" == (await session.command.run("echo $BOTH_A $BOTH_B")).stdout


@mocked(set_env="True", get_env='{"BOTH_ALL": "x", "HOME": "/home/wuying"}')
async def test_all_variables_are_told_when_none_is_named(session: AsyncSession) -> None:
    await session.env.set({"BOTH_ALL": "x"})
    told = (await session.env.get()).envs
    assert ("x", "/home/wuying") == (told["BOTH_ALL"], told["HOME"])


METRICS = {
    "cpu_count": 4,
    "cpu_used_pct": 1.0,
    "disk_total": 105286258688,
    "disk_used": 30269431808,
    "mem_total": 7918718976,
    "mem_used": 2139729920,
    "rx_rate_kbyte_per_s": 0.22,
    "tx_rate_kbyte_per_s": 0.38,
    "rx_used_kbyte": 1247.27,
    "tx_used_kbyte": 120.13,
    "timestamp": "2025-12-24T10:54:23+08:00",
}


@mocked(get_metrics=json.dumps(METRICS))
async def test_a_session_tells_how_busy_it_is(fresh: Fresh) -> None:
    result = await (await fresh()).get_metrics()
    metrics = result.unwrap().metrics
    assert metrics is not None
    assert METRICS.keys() == result.raw.keys()
    assert (True, True) == (metrics.cpu_count >= 1, 0 <= metrics.cpu_used_pct <= 100)
    assert (True, True) == (0 < metrics.mem_used <= metrics.mem_total, 0 <= metrics.disk_used <= metrics.disk_total)
    assert "T" in metrics.timestamp
