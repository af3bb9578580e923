"""How the service says no: always in its own form, never with a bare status, never 500 for what a caller sent."""

from __future__ import annotations

import asyncio
import json
import re
from urllib.parse import urlsplit

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from attrs import NOTHING, fields
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agentbay_local.answers import in_service_form
from agentbay_local.service.core import ACTIONS, HANDLERS
from tests.local.conftest import Served
from tests.local.service.api import Answer, Api

NOT_FOUND = (400, "InvalidMcpSession.NotFound")
OF_A_SESSION = sorted(
    name for name in HANDLERS if any(a.name == "session_id" and a.default is NOTHING for a in fields(ACTIONS[name]))
)
MORE: dict[str, dict[str, str]] = {
    "BindContexts": {"PersistenceDataList": '[{"ContextId": "SdkCtx-1", "Path": "/tmp/a"}]'},
    "GetAndLoadInternalContext": {"ContextTypes.1": "file_transfer"},
    "SetLabel": {"Labels": '{"a": "b"}'},
    "CallMcpTool": {"Name": "shell", "Args": '{"command": "id"}'},
    "InitBrowser": {"PersistentPath": "/tmp/agentbay_browser", "BrowserOption": "{}"},
    "GetLink": {"ProtocolType": "https", "Port": "30100"},
}


def form(answer: Answer) -> set[str]:
    return set(answer.body)


@pytest.mark.parametrize("action", OF_A_SESSION)
async def test_no_action_shows_anything_of_another_keys_session(
    api: Api, stranger: Api, session: str, action: str
) -> None:
    answer = await stranger.call(action, SessionId=session, **MORE.get(action, {}))
    assert (answer.verdict, answer.body["Message"]) == (NOT_FOUND, "Resource [McpSession] is not found.")
    assert await api.status(session) == "RUNNING"


async def test_a_list_has_only_the_callers_own_sessions(stranger: Api, session: str) -> None:
    listed = (await stranger.call("ListSession", MaxResults="100")).data
    assert session not in {item["SessionId"] for item in listed}


@pytest.mark.parametrize("action", OF_A_SESSION)
async def test_an_unknown_session_is_not_found(api: Api, action: str) -> None:
    answer = await api.call(action, SessionId="session-00000000000000000", **MORE.get(action, {}))
    assert (answer.verdict, form(answer)) == (
        NOT_FOUND,
        {"RequestId", "HostId", "Code", "Message", "Success", "HttpStatusCode"},
    )


@pytest.mark.parametrize("action", OF_A_SESSION)
async def test_a_missing_session_id_is_named(api: Api, action: str) -> None:
    answers = [await api.call(action, **more, **MORE.get(action, {})) for more in ({}, {"SessionId": ""})]
    assert {answer.verdict for answer in answers} == {(400, "MissingParameter")}
    assert all("SessionId" in answer.body["Message"] for answer in answers)


@pytest.mark.parametrize("action", sorted(HANDLERS))
@pytest.mark.parametrize("authorization", ["Bearer akm-wrong", "", "Bearer ", "akm-wrong", "Bearer \u00e9", "Basic x"])
async def test_a_wrong_key_is_not_logged_in(api: Api, session: str, action: str, authorization: str) -> None:
    answer = await api.call(action, Authorization=authorization, SessionId=session, **MORE.get(action, {}))
    assert answer.verdict == (400, "NOT_LOGIN")


async def test_the_key_counts_only_as_a_parameter(api: Api) -> None:
    headers = {"Authorization": f"Bearer {api.key}"}
    answer = await api.post("/", params={"Action": "ListSession"}, headers=headers)
    assert answer.verdict == (400, "NOT_LOGIN")


async def test_an_unknown_action_is_not_found(api: Api) -> None:
    answers = [await api.call(name) for name in ("DropAllTables", "Action", "Service", "serves")]
    assert {answer.verdict for answer in answers} == {(404, "InvalidAction.NotFound")}


async def test_a_request_without_an_action_is_told_so(api: Api) -> None:
    answer = await api.post("/", data={"Authorization": f"Bearer {api.key}"})
    assert (answer.verdict, "Action" in answer.body["Message"]) == ((400, "MissingParameter"), True)


@pytest.mark.parametrize(
    ("action", "name", "value"),
    [
        ("CreateMcpSession", "Timeout", "soon"),
        ("CreateMcpSession", "Timeout", "0"),
        ("CreateMcpSession", "MaxRuntime", "-1"),
        ("CreateMcpSession", "Labels", "{"),
        ("CreateMcpSession", "Labels", "[1]"),
        ("CreateMcpSession", "ManualRelease", "perhaps"),
        ("ListSession", "MaxResults", "0"),
        ("ListSession", "MaxResults", "101"),
        ("ListSession", "MaxResults", "9" * 5000),
        ("ListSession", "NextToken", "no token"),
        ("ListSession", "NextToken", "YmVmb3JlIHg"),
        ("ListSession", "Status", "FINISH"),
        ("ListSession", "Labels", '"x"'),
    ],
)
async def test_a_malformed_parameter_is_named(api: Api, action: str, name: str, value: str) -> None:
    answer = await api.call(action, **{name: value})
    assert (answer.verdict, name in answer.body["Message"]) == ((400, "InvalidParameter"), True)


@pytest.mark.parametrize("args", ["", "{", "[]", "null", '"x"', "1", "[" * 100_000])
async def test_tool_arguments_must_be_an_object(api: Api, session: str, args: str) -> None:
    answer = await api.call("CallMcpTool", SessionId=session, Name="shell", Args=args)
    assert (answer.verdict, "Args" in answer.body["Message"]) == ((400, "InvalidParameter"), True)


async def test_an_image_that_is_not_offered_is_refused_with_those_that_are(api: Api) -> None:
    for action in ("CreateMcpSession", "ListMcpTools"):
        answer = await api.call(action, ImageId="windows_latest")
        message = answer.body["Message"]
        assert answer.verdict == (400, "InvalidImage.NotFound")
        assert [word in message for word in ("no authorized app", "windows_latest", "linux_latest", "code_latest")] == [
            True
        ] * 4


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", "/?Action=ListSession", 405), ("GET", "/x", 404), ("POST", "/a/b", 404), ("PUT", "/", 405)],
)
async def test_other_paths_and_methods_get_the_form_too(api: Api, method: str, path: str, status: int) -> None:
    async with api.http.request(method, api.endpoint + path) as response:
        body = await response.json()
    assert (response.status, body["HttpStatusCode"], body["Success"]) == (status, status, False)


async def test_too_many_parameters_are_refused(api: Api) -> None:
    answer = await api.post("/", params={"Action": "ListSession"}, data="&".join(f"a{n}=1" for n in range(2000)))
    assert answer.verdict == (400, "InvalidParameter")


async def test_deeply_nested_names_are_refused(api: Api) -> None:
    answer = await api.call("GetSession", **{"SessionId" + ".a" * 5000: "x"})
    assert answer.verdict == (400, "InvalidParameter")


TEXT = st.text(max_size=30)
ODD = st.sampled_from(["{}", "[]", "-1", '{"a": {"b": []}}', "\ud7ff", "%00"])
NAMES = st.sampled_from(
    (
        "SessionId Labels Args Name Timeout MaxRuntime MaxResults NextToken Status Port Mode ProtocolType ImageId"
        " Labels.1 SessionId.a.b Option ContextId Skills SdkStats Authorization"
    ).split()
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    action=st.sampled_from([name for name in sorted(HANDLERS) if name != "CreateMcpSession"]) | TEXT,
    params=st.dictionaries(NAMES | TEXT, TEXT | ODD, max_size=6),
)
async def test_whatever_is_sent_is_answered_in_form(runtime: Served, action: str, params: dict[str, str]) -> None:
    async with Api(runtime.endpoint, runtime.key) as api:
        answer = await api.call(action, **params)
    assert answer.status in {200, 400, 404}
    assert re.fullmatch(r"[0-9A-F-]{36}", answer.body["RequestId"])


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(body=st.binary(max_size=200))
async def test_bodies_of_noise_are_answered_in_form(runtime: Served, body: bytes) -> None:
    async with Api(runtime.endpoint, runtime.key) as api:
        answer = await api.post("/", params={"Action": "GetSession"}, data=body)
    assert answer.status == 400


async def test_an_oversize_body_gets_the_form(runtime: Served) -> None:
    place = urlsplit(runtime.endpoint)
    reader, writer = await asyncio.open_connection(place.hostname, place.port)
    size = 66 << 20
    head = (
        f"POST /?Action=CallMcpTool HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: {size}\r\n\r\n"
    )
    writer.write(head.encode())
    for _ in range(size >> 20):
        writer.write(b"x" * (1 << 20))
        await writer.drain()
    head, _, body = (await reader.read()).decode().partition("\r\n\r\n")
    writer.close()
    await writer.wait_closed()
    answer = json.loads(body)
    assert head.startswith("HTTP/1.1 413 ")
    assert (answer["Code"], "64 MiB" in answer["Message"]) == ("RequestEntityTooLarge", True)


async def test_a_bug_is_a_500_in_form_that_tells_nothing(caplog: pytest.LogCaptureFixture) -> None:
    async def broken(_: web.Request) -> web.Response:
        raise ZeroDivisionError("secret")

    app = web.Application(middlewares=[in_service_form])
    app.router.add_get("/", broken)
    async with TestClient(TestServer(app)) as client, client.get("/") as response:
        body = await response.json()
    assert (response.status, body["Code"], "secret" in str(body)) == (500, "InternalError", False)
    assert body["RequestId"] in caplog.text
    assert "ZeroDivisionError" in caplog.text


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:80", "http://evil.example", "127.0.0.1.evil.example", "", "[bad"]
)
async def test_a_foreign_name_in_the_host_header_is_refused(api: Api, host: str) -> None:
    answer = await api.post("/", headers={"Host": host})
    assert answer.verdict == (403, "Forbidden.Host")


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "localhost:1", "x.localhost", "[::1]:80", "http://127.0.0.1:8080", "LOCALHOST"]
)
async def test_the_servers_own_names_are_accepted_in_the_host_header(api: Api, host: str) -> None:
    answer = await api.post("/", headers={"Host": host}, data={"Authorization": "x"})
    assert answer.verdict == (400, "MissingParameter")


@pytest.mark.parametrize(
    "origin", ["https://evil.example", "null", "http://localhost:1", "http://127.0.0.1.evil.example"]
)
async def test_web_pages_of_other_sites_are_refused(api: Api, origin: str) -> None:
    answer = await api.post("/", headers={"Origin": origin})
    assert answer.verdict == (403, "Forbidden.Origin")
