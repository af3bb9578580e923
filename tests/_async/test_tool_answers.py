"""How tools are called and what they answer: the two routes, the forms of answers, the tables of errors, time."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from agentbay import (
    AgentBayError,
    APIError,
    APIResponseError,
    AsyncAgentBay,
    AsyncSession,
    AuthenticationError,
    DirectoryEntry,
    McpToolResult,
    NotFoundError,
    RateLimitError,
    ServerError,
    ToolError,
)
from tests.gateway import (
    GONE,
    REQUEST_ID,
    SESSION_ID,
    Answer,
    Gateway,
    Received,
    Said,
    linked,
    no,
    of_json,
    ok,
    raw,
    refusal,
)

# --- Which route ------------------------------------------------------------------------------------------------------


async def test_a_tool_of_an_unknown_server_goes_by_the_action(direct: AsyncSession, gateway: Gateway) -> None:
    gateway.on("mystery", Said("yes"))

    result = await direct.call_mcp_tool("mystery", {}, auto_gen_session=True)

    form = gateway.requests[0].form
    assert (form["Name"], form["Server"], form["Args"], form["AutoGenSession"]) == ("mystery", "", "{}", "True")
    assert result == McpToolResult(REQUEST_ID, success=True, data="yes")


@pytest.mark.parametrize("missing", ["LinkUrl", "Token"])
async def test_half_a_link_is_no_link(client: AsyncAgentBay, gateway: Gateway, missing: str) -> None:
    gateway.on("GetSession", ok(gateway.session_data(direct=True) | {missing: ""}))
    gateway.on("shell", Said("yes"))
    session = (await client.get(SESSION_ID)).unwrap().session

    await session.command.run("ls")

    assert gateway.requests[-1].action == "CallMcpTool"


@pytest.mark.parametrize("names", [("name", "server"), ("name", "serverName"), ("Name", "Server")])
async def test_the_tool_list_may_be_spelled_in_several_ways(
    client: AsyncAgentBay, gateway: Gateway, names: tuple[str, str]
) -> None:
    entries = [dict(zip(names, pair, strict=True)) for pair in (("shell", "first"), ("shell", "second"))]
    gateway.on("GetSession", ok(gateway.session_data(ToolList=[*entries, "noise", 7])))

    session = (await client.get(SESSION_ID)).unwrap().session

    assert session.tool_servers == {"shell": "first"}


@pytest.mark.parametrize("told", ["", "no json", "{}", None, 7, {"name": "shell"}])
async def test_a_tool_list_of_another_form_counts_as_none(client: AsyncAgentBay, gateway: Gateway, told: Any) -> None:
    gateway.on("GetSession", ok(gateway.session_data(ToolList=told)))

    session = (await client.get(SESSION_ID)).unwrap().session

    assert session.tool_servers == {}


async def test_a_failure_of_one_route_is_not_tried_on_the_other(direct: AsyncSession, gateway: Gateway) -> None:
    gateway.on("shell", raw("no", 500))

    await direct.call_mcp_tool("shell", {})

    assert [request.path for request in gateway.requests] == ["/link/callTool"]


async def test_keys_are_normalised_on_a_copy(either: AsyncSession, gateway: Gateway) -> None:
    gateway.on("press_keys", Said("True"))
    args = {"keys": ["control", "A", "pgup", "minus", "7"], "hold": True}

    await either.call_mcp_tool("press_keys", args)

    assert gateway.requests[0].args == {"keys": ["Ctrl", "a", "PageUp", "-", "7"], "hold": True}
    assert args["keys"] == ["control", "A", "pgup", "minus", "7"]


# --- What a tool says -------------------------------------------------------------------------------------------------


async def test_a_tool_that_fails_says_why(either: AsyncSession, gateway: Gateway) -> None:
    gateway.on("shell", Said("no such thing", failed=True))

    result = await either.call_mcp_tool("shell", {})

    assert (result.success, result.data, result.error_message) == (False, "", "no such thing")
    with pytest.raises(ToolError, match="no such thing") as caught:
        result.unwrap()
    error = caught.value
    assert (error.action, error.session_id, error.request_id) == ("shell", SESSION_ID, result.request_id)
    assert (error.attempts, result.request_id != "") == (1, True)


CONTENTS: list[tuple[Any, str]] = [
    ([], ""),
    ([{"type": "text"}], ""),
    ([{"type": "text", "text": None}], ""),
    ([{"type": "text", "text": "one"}, {"type": "text", "text": "two"}], "one"),
    (None, ""),
    ("words", ""),
]


@pytest.mark.parametrize(("content", "text"), CONTENTS)
@pytest.mark.parametrize("dump", [json.dumps, dict])
async def test_only_the_first_text_of_an_action_counts(
    session: AsyncSession, gateway: Gateway, content: Any, text: str, dump: Callable[[Any], Any]
) -> None:
    gateway.on("shell", ok(dump({"content": content, "isError": False, "parsedToolName": "shell"})))

    assert await session.call_mcp_tool("shell", {}) == McpToolResult(REQUEST_ID, success=True, data=text)


LINK_CONTENTS = [
    *CONTENTS,
    (["words"], "words"),
    ([{"text": "", "blob": "blob"}], "blob"),
    ([{"data": "data", "blob": ""}], "data"),
    ([7], "7"),
]


@pytest.mark.parametrize(("content", "text"), LINK_CONTENTS)
@pytest.mark.parametrize("dump", [linked, lambda data: of_json({"data": data}, 201)])
async def test_a_direct_answer_may_be_of_several_forms(
    direct: AsyncSession, gateway: Gateway, content: Any, text: str, dump: Callable[[Any], Answer]
) -> None:
    gateway.on("shell", dump({"result": {"content": content}}))

    result = await direct.call_mcp_tool("shell", {})

    assert (result.success, result.data) == (True, text)


async def test_a_direct_answer_without_a_result_is_an_empty_success(direct: AsyncSession, gateway: Gateway) -> None:
    gateway.on("shell", linked({"other": 1}))

    result = await direct.call_mcp_tool("shell", {})

    assert (result.success, result.data) == (True, "")


# --- The tables of errors ---------------------------------------------------------------------------------------------

ACTION_ERRORS: dict[str, tuple[Answer, str, type[AgentBayError]]] = {
    "no Data": (ok(), "Empty response data", APIError),
    "empty Data": (ok(""), "Empty response data", APIError),
    "empty object": (ok({}), "Empty response data", APIError),
    "Data is no JSON": (ok("{oops"), "Failed to parse response data: ", APIError),
    "Data is another thing": (ok("[1]"), "Invalid response format", APIError),
    "Data is a number": (ok(7), "Invalid response format", APIError),
    "form A": (GONE, "[InvalidMcpSession.NotFound] Resource [McpSession] is not found.", NotFoundError),
    "form A, key": (refusal("NOT_LOGIN", "not logged in"), "[NOT_LOGIN] not logged in", AuthenticationError),
    "form A, without JSON": (raw("<h1>Bad</h1>", 500), "HTTP status 500", ServerError),
    "form A, server": (refusal("InternalError", "oh", 500), "[InternalError] oh", ServerError),
    "form A, busy": (refusal("Throttling.User", "slow", 400), "[Throttling.User] slow", RateLimitError),
    "form B": (no("Some.Code", " what "), "[Some.Code] what", APIError),
    "form B, without a code": (no("", "what"), "what", APIError),
}


@pytest.mark.parametrize(("answer", "message", "kind"), ACTION_ERRORS.values(), ids=list(ACTION_ERRORS))
async def test_a_failed_action_is_a_failed_result(
    session: AsyncSession, gateway: Gateway, answer: Answer, message: str, kind: type[AgentBayError]
) -> None:
    gateway.on("shell", answer)

    result = await session.call_mcp_tool("shell", {})

    assert (result.success, result.data, result.error_message[: len(message)]) == (False, "", message)
    assert type(result.error) is kind
    assert (result.error.action, result.error.session_id) == ("shell", SESSION_ID)
    assert result.request_id == ("" if answer.body == b"<h1>Bad</h1>" else REQUEST_ID)


LINK_ERRORS: dict[str, tuple[Answer, str, type[AgentBayError]]] = {
    "status 302": (raw("", 302), "HTTP request failed with code: 302", APIError),
    "status 401": (raw("no", 401), "HTTP request failed with code: 401", AuthenticationError),
    "status 404": (raw("no", 404), "HTTP request failed with code: 404", NotFoundError),
    "status 500": (raw("no", 500), "HTTP request failed with code: 500", ServerError),
    "no data": (of_json({}), "No data field in LinkUrl response", APIError),
    "empty data": (of_json({"data": ""}), "No data field in LinkUrl response", APIError),
    "data is a list": (of_json({"data": [1]}), "Invalid data field type in LinkUrl response", APIError),
    "result is a list": (linked({"result": []}), "No result field in LinkUrl response data", APIError),
    "result is null": (linked({"result": None}), "No result field in LinkUrl response data", APIError),
}


@pytest.mark.parametrize(("answer", "message", "kind"), LINK_ERRORS.values(), ids=list(LINK_ERRORS))
async def test_a_failed_direct_call_is_a_failed_result(
    direct: AsyncSession, gateway: Gateway, answer: Answer, message: str, kind: type[AgentBayError]
) -> None:
    gateway.on("shell", answer)

    result = await direct.call_mcp_tool("shell", {})

    [request] = gateway.requests
    assert result == McpToolResult(request.json["requestId"], success=False, error_message=message)
    assert type(result.error) is kind
    assert (result.error.action, result.error.session_id) == ("shell", SESSION_ID)


@pytest.mark.parametrize("answer", [raw("oops"), raw("[]"), raw(""), of_json({"data": "oops"}), raw(b"\xff")])
async def test_a_direct_answer_that_is_not_json_is_an_exception(
    direct: AsyncSession, gateway: Gateway, answer: Answer
) -> None:
    gateway.on("shell", answer)

    with pytest.raises(APIResponseError, match="The answer to shell cannot be read: ") as caught:
        await direct.command.run("ls")

    [request] = gateway.requests
    assert (caught.value.request_id, caught.value.attempts) == (request.json["requestId"], 1)


@pytest.mark.parametrize("answer", [raw("oops"), raw("[]"), raw("")])
async def test_an_answer_of_an_action_that_is_not_json_is_an_exception(
    either: AsyncSession, gateway: Gateway, answer: Answer
) -> None:
    gateway.on("GetLabel", answer)

    with pytest.raises(APIResponseError, match="The answer to GetLabel cannot be read: ") as caught:
        await either.get_labels()

    assert (caught.value.action, caught.value.session_id, caught.value.attempts) == ("GetLabel", SESSION_ID, 1)


# --- Time -------------------------------------------------------------------------------------------------------------


def slow(seconds: float) -> Callable[[Received], Said]:
    """An answer that takes its time."""
    import time

    def answer(_: Received) -> Said:
        time.sleep(seconds)
        return Said("late")

    return answer


@pytest.mark.parametrize("limit", [{"read_timeout": 100}, {"read_timeout": 100, "connect_timeout": 50}])
async def test_a_single_call_may_have_a_limit_of_its_own(
    either: AsyncSession, gateway: Gateway, limit: dict[str, int]
) -> None:
    gateway.on("shell", slow(1.0))

    with pytest.raises(TimeoutError):
        await either.call_mcp_tool("shell", {}, **limit)


async def test_metrics_may_have_a_limit_of_their_own(either: AsyncSession, gateway: Gateway) -> None:
    gateway.on("get_metrics", slow(1.0))

    with pytest.raises(TimeoutError):
        await either.get_metrics(read_timeout=100, connect_timeout=100)


async def test_directory_entries_know_what_they_are(either: AsyncSession, gateway: Gateway) -> None:
    gateway.on("list_directory", Said("[DIR] sub\nnoise\n [FILE] [FILE] odd \n"))

    result = await either.file_system.list("/")

    assert result.entries == [{"name": "sub", "isDirectory": True}, {"name": "[FILE] odd", "isDirectory": False}]
    assert [(entry.name, entry.is_directory, entry.is_file, entry.size) for entry in result.entries] == [
        ("sub", True, False, 0),
        ("[FILE] odd", False, True, 0),
    ]
    assert isinstance(result.entries[0], DirectoryEntry)
