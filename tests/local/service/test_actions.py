"""Every action, as its page in the protocol's description has it."""

from __future__ import annotations

import asyncio
import json
import re
from urllib.parse import urlsplit

import pytest

from tests.local.service.api import Api


async def test_create_gives_all_that_a_client_needs(api: Api) -> None:
    answer = await api.call("CreateMcpSession")
    data = answer.data
    await api.call("ReleaseMcpSession", SessionId=data["SessionId"])
    assert {name: answer.body[name] for name in ("Code", "Success", "HttpStatusCode")} == {
        "Code": "ok",
        "Success": True,
        "HttpStatusCode": 200,
    }
    assert re.fullmatch(r"[0-9A-F]{8}(-[0-9A-F]{4}){3}-[0-9A-F]{12}", answer.body["RequestId"])
    assert re.fullmatch(r"session-[a-z0-9]{17}", data["SessionId"])
    assert re.fullmatch(r"p-[a-z0-9]+", data["ResourceId"])
    assert data["LinkUrl"] == f"{api.endpoint}/link/{data['SessionId']}"
    assert data["Token"]
    assert data["WsUrl"] == f"ws{api.endpoint.removeprefix('http')}/channel/{data['SessionId']}"
    assert f"resourceId={data['ResourceId']}" in data["ResourceUrl"]
    assert {entry["name"]: entry["server"] for entry in json.loads(data["ToolList"])}["shell"] == "wuying_shell"


async def test_create_takes_all_that_todays_clients_send(api: Api) -> None:
    made = await api.create(
        EnableRecord="False",
        ImageId="linux_latest",
        Labels='{"env": "t\\u00e9st", "b": "2 3&4"}',
        LoadSkill="True",
        LoginRegionId="cn-hangzhou",
        MaxRuntime="20",
        PersistenceDataList="[]",
        SdkStats='{"source":"sdk","sdk_language":"python","sdk_version":"0.22.3","is_release":true,"framework":""}',
        Skills="[]",
        Timeout="7",
        VpcResource="False",
        **{"ExtraConfigs.Mobile.LockResolution": "True", "ExtraConfigs.Mobile.UninstallBlacklist.1": "com.z"},
    )
    labels = (await api.call("GetLabel", SessionId=made["SessionId"])).data["Labels"]
    assert json.loads(labels) == {"env": "tést", "b": "2 3&4"}


async def test_many_sessions_open_at_once_are_all_their_own(api: Api) -> None:
    made = await asyncio.gather(*(api.create() for _ in range(8)))
    ids = [data["SessionId"] for data in made]
    await asyncio.gather(*(api.shell(one, f"echo {one} > ~/me") for one in ids))
    seen = await asyncio.gather(*(api.shell(one, "cat ~/me") for one in ids))
    assert [told["stdout"].strip() for told in seen] == ids


async def test_parameters_may_come_in_the_query_or_in_the_body(api: Api, session: str) -> None:
    key = f"Bearer {api.key}"
    in_query = {"Action": "GetSessionDetail", "SessionId": session, "Authorization": key}
    in_body = {"Action": "GetSessionDetail", "SessionId": session, "Authorization": key}
    answers = [await api.post("/", params=in_query), await api.post("/", data=in_body)]
    assert [answer.data["Status"] for answer in answers] == ["RUNNING", "RUNNING"]


async def test_get_session_gives_the_same_as_create_and_the_status(api: Api) -> None:
    made = await api.create()
    found = (await api.call("GetSession", SessionId=made["SessionId"])).data
    assert found == made
    assert (found["Status"], found["contexts"]) == ("RUNNING", [])


async def test_get_session_detail_tells_image_and_family(api: Api) -> None:
    made = await api.create(ImageId="code_latest")
    detail = (await api.call("GetSessionDetail", SessionId=made["SessionId"])).data
    assert (detail["ImageId"], detail["ImageType"], detail["IsDeleted"]) == ("code_latest", "CodeSpace", 0)


@pytest.mark.parametrize("action", ["DeleteSessionAsync", "ReleaseMcpSession"])
async def test_a_deleted_session_shows_its_end_to_details_alone(api: Api, session: str, action: str) -> None:
    assert (await api.call(action, SessionId=session)).verdict == (200, "ok")
    assert await api.becomes(session, "FINISH")
    gone = (400, "InvalidMcpSession.NotFound")
    assert (await api.call("GetSession", SessionId=session)).verdict == gone
    assert (await api.call("GetMcpResource", SessionId=session)).verdict == gone
    assert (await api.tool(session, "shell", command="true")).verdict == gone
    assert (await api.call(action, SessionId=session)).verdict == gone


async def test_resource_points_at_the_page_of_the_session(api: Api, session: str) -> None:
    data = (await api.call("GetMcpResource", SessionId=session)).data
    async with api.http.get(data["ResourceUrl"]) as page:
        text = await page.text()
    assert (page.status, page.content_type, session in text, "RUNNING" in text) == (200, "text/html", True, True)
    assert data["DesktopInfo"]["ResourceType"] == "AIAgent"


async def test_the_page_needs_its_code(api: Api, session: str) -> None:
    url = (await api.call("GetMcpResource", SessionId=session)).data["ResourceUrl"]
    async with api.http.get(url.partition("authcode=")[0] + "authcode=0") as page:
        assert page.status == 404


async def test_labels_are_replaced_as_a_whole(api: Api) -> None:
    session = (await api.create(Labels='{"env": "t\\u00e9st", "owner": "a"}'))["SessionId"]
    first = json.loads((await api.call("GetLabel", SessionId=session)).data["Labels"])
    await api.call("SetLabel", SessionId=session, Labels='{"env":"é"}')
    second = json.loads((await api.call("GetLabel", SessionId=session)).data["Labels"])
    assert (first, second) == ({"env": "tést", "owner": "a"}, {"env": "é"})


async def test_a_list_has_only_sessions_whose_labels_all_match(api: Api) -> None:
    one = (await api.create(Labels='{"run": "labels", "n": "1"}', ImageId="code_latest"))["SessionId"]
    two = (await api.create(Labels='{"run": "labels", "n": "2"}'))["SessionId"]

    async def listed(**filters: str) -> list[str]:
        return [item["SessionId"] for item in (await api.call("ListSession", **filters)).data]

    assert await listed(Labels='{"run": "labels"}') == [two, one]
    assert await listed(Labels='{"run": "labels", "n": "2"}') == [two]
    assert await listed(Labels='{"run": "labels"}', ImageId="code_latest") == [one]
    assert await listed(Labels='{"run": "labels"}', Status="PAUSED") == []
    await api.call("ReleaseMcpSession", SessionId=one)
    assert await listed(Labels='{"run": "labels"}') == [two]
    assert await listed(Labels='{"run": "labels"}', Status="DELETED") == [one]


async def test_pages_of_a_list_are_chained_by_tokens(api: Api) -> None:
    made = [(await api.create(Labels='{"run": "pages"}'))["SessionId"] for _ in range(3)]
    seen: list[str] = []
    token = ""
    for expected in (2, 1):
        more = {"NextToken": token} if token else {}
        answer = await api.call("ListSession", Labels='{"run": "pages"}', MaxResults="2", **more)
        assert (len(answer.data), answer.body["TotalCount"], answer.body["MaxResults"]) == (expected, 3, 2)
        seen += [item["SessionId"] for item in answer.data]
        token = answer.body["NextToken"]
    assert (seen, token) == (made[::-1], "")


async def test_link_urls_have_the_form_of_their_protocol(api: Api, session: str) -> None:
    async def url(**params: str) -> str:
        return str((await api.call("GetLink", SessionId=session, **params)).data["Url"])

    https, wss = await url(ProtocolType="https", Port="30100"), await url(ProtocolType="wss", Port="30100")
    host = urlsplit(api.endpoint).netloc
    assert re.fullmatch(rf"http://{host}/request_ai/[\w-]+/path/", https)
    assert re.fullmatch(rf"ws://{host}/websocket_ai/[\w-]+", wss)
    assert await url(Port="30100") == wss


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"ProtocolType": "http", "Port": "30100"}, "http not supported"),
        ({}, "no port specified, cdp default, but only BrowserUse image support cdp"),
        ({"ProtocolType": "https", "Port": "0"}, "The parameter Port must be from 1 to 65535."),
        ({"ProtocolType": "https", "Port": "65536"}, "The parameter Port must be from 1 to 65535."),
        ({"ProtocolType": "ftp", "Port": "1"}, "The parameter ProtocolType must be https, wss or tcp."),
    ],
)
async def test_links_that_cannot_be_are_refused(api: Api, session: str, params: dict[str, str], message: str) -> None:
    answer = await api.call("GetLink", SessionId=session, **params)
    assert (answer.status, answer.body["Message"]) == (400, message)


async def test_only_the_code_image_lists_run_code(api: Api) -> None:
    async def names(**params: str) -> set[str]:
        return {entry["name"] for entry in json.loads((await api.call("ListMcpTools", **params)).data)}

    assert "run_code" in await names(ImageId="code_latest")
    assert "run_code" not in await names()
    assert {"shell", "read_file", "write_file"} <= await names()


async def test_a_tool_is_found_without_its_server(api: Api, session: str) -> None:
    answer = await api.tool(session, "shell", command="echo 中 $((6*7))", timeout_ms=5000)
    assert isinstance(answer.data, str)
    text, failed = answer.said
    assert (json.loads(text), failed) == ({"stdout": "中 42\n", "stderr": "", "exit_code": 0}, False)


async def test_a_failing_tool_says_so_in_an_ok_answer(api: Api, session: str) -> None:
    answer = await api.tool(session, "read_file", path="/nowhere")
    assert (answer.verdict, answer.said[1]) == ((200, "ok"), True)
    assert "No such file" in answer.said[0]


async def test_an_unknown_tool_is_the_tools_failure(api: Api, session: str) -> None:
    text, failed = (await api.tool(session, "no_such_tool")).said
    assert ("no_such_tool" in text, failed) == (True, True)


async def test_code_keeps_its_state_between_calls(api: Api) -> None:
    session = (await api.create(ImageId="code_latest"))["SessionId"]
    await api.tool(session, "run_code", language="python", code="x = 20", timeout_s=40)
    text, failed = (await api.tool(session, "run_code", language="python", code="x + 1", timeout_s=40)).said
    assert ("21" in text, failed) == (True, False)


async def test_the_sessions_contexts_are_none(api: Api, session: str) -> None:
    assert (await api.call("SyncContext", SessionId=session)).verdict == (200, "ok")
    assert (await api.call("GetContextInfo", SessionId=session)).data == {"ContextStatus": "[]"}


async def test_a_context_that_cannot_be_there_is_refused(api: Api, session: str) -> None:
    answer = await api.call("SyncContext", SessionId=session, ContextId="SdkCtx-1", Path="/tmp/a")
    assert answer.verdict == (400, "Context.NotFound")
    created = await api.call("CreateMcpSession", PersistenceDataList='[{"ContextId":"SdkCtx-1","Path":"/tmp/a"}]')
    assert created.verdict == (400, "Context.NotFound")


async def test_keep_alive_is_accepted(api: Api, session: str) -> None:
    assert (await api.call("RefreshSessionIdleTime", SessionId=session)).verdict == (200, "ok")


async def test_the_server_says_that_it_is_well(api: Api) -> None:
    async with api.http.get(f"{api.endpoint}/healthz") as response:
        assert (response.status, await response.json()) == (200, {"status": "ok"})
