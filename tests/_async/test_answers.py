"""What the service's refusals and odd answers become: results with typed errors, or exceptions."""

from __future__ import annotations

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
    NotFoundError,
    OperationResult,
    RateLimitError,
    ServerError,
    SessionStatusResult,
)
from tests.gateway import GONE, REQUEST_ID, SESSION_ID, Answer, Gateway, no, of_json, ok, raw, refusal

CALLS: dict[str, tuple[str, Callable[[AsyncAgentBay, AsyncSession], Any]]] = {
    "create": ("CreateMcpSession", lambda client, session: client.create()),
    "get": ("GetSession", lambda client, session: client.get(SESSION_ID)),
    "list": ("ListSession", lambda client, session: client.list()),
    "delete": ("DeleteSessionAsync", lambda client, session: session.delete()),
    "status": ("GetSessionDetail", lambda client, session: session.get_status()),
    "keep_alive": ("RefreshSessionIdleTime", lambda client, session: session.keep_alive()),
    "pause": ("PauseSessionAsync", lambda client, session: session.pause()),
    "pause_async": ("PauseSessionAsync", lambda client, session: session.pause_async()),
    "resume": ("ResumeSessionAsync", lambda client, session: session.resume()),
    "resume_async": ("ResumeSessionAsync", lambda client, session: session.resume_async()),
    "set_labels": ("SetLabel", lambda client, session: session.set_labels({"a": "b"})),
    "get_labels": ("GetLabel", lambda client, session: session.get_labels()),
    "info": ("GetMcpResource", lambda client, session: session.info()),
    "get_link": ("GetLink", lambda client, session: session.get_link()),
    "tools": ("ListMcpTools", lambda client, session: session.list_mcp_tools()),
}

each_call = pytest.mark.parametrize(("action", "call"), CALLS.values(), ids=list(CALLS))

REFUSALS: dict[str, tuple[Answer, str, type[AgentBayError], int]] = {
    "form A": (GONE, "[InvalidMcpSession.NotFound] Resource [McpSession] is not found.", NotFoundError, 400),
    "form A, key": (refusal("NOT_LOGIN", "Log in"), "[NOT_LOGIN] Log in", AuthenticationError, 400),
    "form A, action": (refusal("InvalidAction.NotFound", "", 404), "[InvalidAction.NotFound] ", NotFoundError, 404),
    "form B": (no("Some.Code", "what"), "[Some.Code] what", APIError, 200),
    "form B, small letters": (of_json({"Success": False, "code": "C", "message": "m"}), "[C] m", APIError, 200),
}


@each_call
@pytest.mark.parametrize(("answer", "message", "kind", "status"), REFUSALS.values(), ids=list(REFUSALS))
async def test_every_call_reports_a_refusal_as_a_failed_result(
    client: AsyncAgentBay,
    session: AsyncSession,
    gateway: Gateway,
    action: str,
    call: Callable[[AsyncAgentBay, AsyncSession], Any],
    answer: Answer,
    message: str,
    kind: type[AgentBayError],
    status: int,
) -> None:
    gateway.on(action, answer)

    result = await call(client, session)

    assert (result.success, result.error_message) == (False, message)
    assert type(result.error) is kind
    assert (result.error.status_code, result.error.action, result.error.attempts) == (status, action, 1)
    assert result.code == result.error.code == message[1:].partition("]")[0]
    assert result.request_id == result.error.request_id
    with pytest.raises(kind) as caught:
        result.unwrap()
    assert caught.value is result.error


@each_call
@pytest.mark.parametrize(
    "answer",
    [raw("<html>"), raw(""), raw("{}"), raw("[]"), raw("7"), raw(b"\xff\xfe"), raw("[" * 100_000)],
    ids=range(7),
)
async def test_every_call_raises_when_a_good_answer_is_not_json(
    client: AsyncAgentBay,
    session: AsyncSession,
    gateway: Gateway,
    action: str,
    call: Callable[[AsyncAgentBay, AsyncSession], Any],
    answer: Answer,
) -> None:
    gateway.on(action, answer)

    with pytest.raises(APIResponseError, match=f"The answer to {action} cannot be read") as caught:
        await call(client, session)

    assert (caught.value.action, caught.value.attempts) == (action, 1)
    assert caught.value.__cause__ is not None


@pytest.mark.parametrize(
    ("status", "kind"),
    [(401, AuthenticationError), (403, AuthenticationError), (429, RateLimitError), (500, ServerError)],
)
async def test_an_error_page_that_is_not_json_is_judged_by_its_status(
    session: AsyncSession, gateway: Gateway, status: int, kind: type[AgentBayError]
) -> None:
    gateway.on("GetLabel", raw("<html>sorry</html>", status))

    result = await session.get_labels()

    assert result == OperationResult("", success=False, error_message=f"HTTP status {status}", http_status_code=status)
    assert type(result.error) is kind


async def test_a_redirect_is_not_followed(session: AsyncSession, gateway: Gateway) -> None:
    gateway.on("GetLabel", raw("", 307).headed(Location=gateway.url))

    with pytest.raises(APIResponseError, match="HTTP status 307"):
        await session.get_labels()

    assert len(gateway.requests) == 1


@pytest.mark.parametrize("status", [400, 404, 405])
async def test_the_page_of_another_server_is_no_refusal(session: AsyncSession, gateway: Gateway, status: int) -> None:
    """A wrong endpoint must not look like a session that is gone."""
    gateway.on("GetLabel", raw("<html>Not here</html>", status))

    with pytest.raises(APIResponseError, match=f"HTTP status {status} with b'<html>Not here") as caught:
        await session.get_labels()

    assert "Is the endpoint an AgentBay service?" in str(caught.value)


async def test_creation_may_be_refused_within_its_data(client: AsyncAgentBay, gateway: Gateway) -> None:
    gateway.on("CreateMcpSession", ok({"Success": False, "ErrMsg": "no authorized app"}))

    result = await client.create()

    assert (result.success, result.error_message, result.session) == (False, "no authorized app", None)
    assert (type(result.error), result.request_id) == (APIError, REQUEST_ID)


@pytest.mark.parametrize("data", [None, {}, {"SessionId": None}, {"Success": False}])
async def test_creation_without_a_session_is_a_failure(client: AsyncAgentBay, gateway: Gateway, data: Any) -> None:
    gateway.on("CreateMcpSession", ok(data))

    result = await client.create()

    assert (result.success, result.error_message) == (False, "The service made no session")
    assert (result.request_id, type(result.error)) == (REQUEST_ID, APIError)


async def test_null_counts_as_absent(client: AsyncAgentBay, gateway: Gateway) -> None:
    told = dict.fromkeys(gateway.session_data()) | {"SessionId": "s-1", "wsUrl": "ws://x"}
    gateway.on("GetSession", ok(told, Message=None, Code=None))

    session = (await client.get("s-1")).unwrap().session

    assert (session.session_id, session.token, session.link_url, session.ws_url) == ("s-1", "", "", "ws://x")


async def test_unknown_members_are_passed_over(session: AsyncSession, gateway: Gateway) -> None:
    gateway.on("GetSessionDetail", ok({"Status": "RUNNING", "New": {"deep": [1]}}, AlsoNew=1))

    assert await session.get_status() == SessionStatusResult(
        REQUEST_ID, code="ok", success=True, http_status_code=200, status="RUNNING"
    )


@pytest.mark.parametrize("data", ["text", 7, [1], True])
async def test_data_of_another_form_cannot_be_read(session: AsyncSession, gateway: Gateway, data: Any) -> None:
    gateway.on("GetSessionDetail", ok(data))

    with pytest.raises(APIResponseError, match="not of the documented form"):
        await session.get_status()


async def test_success_is_never_judged_by_the_code(session: AsyncSession, gateway: Gateway) -> None:
    gateway.on("RefreshSessionIdleTime", of_json({"Code": "Whatever", "RequestId": "r"}))

    assert await session.keep_alive() == OperationResult("r", success=True, code="Whatever", http_status_code=200)


@pytest.mark.parametrize(
    ("action", "call", "empty"),
    [
        ("GetSessionDetail", lambda session: session.get_status(), ""),
        ("GetLabel", lambda session: session.get_labels(), None),
        ("GetMcpResource", lambda session: session.info(), None),
        ("GetLink", lambda session: session.get_link(), None),
        ("ListMcpTools", lambda session: session.list_mcp_tools(), []),
    ],
)
async def test_a_yes_without_data_is_an_empty_success(
    session: AsyncSession, gateway: Gateway, action: str, call: Callable[[AsyncSession], Any], empty: Any
) -> None:
    gateway.on(action, ok())

    result = await call(session)

    told = [getattr(result, name) for name in ("status", "data", "tools") if hasattr(result, name)]
    assert (result.success, told) == (True, [empty])


@pytest.mark.parametrize("text", ["", "no json", "[1]", "null", '{"a": 1, "b": "ü"}'])
async def test_labels_that_cannot_be_read_count_as_none(session: AsyncSession, gateway: Gateway, text: str) -> None:
    gateway.on("GetLabel", ok({"Labels": text}))

    expected = {"a": "1", "b": "ü"} if "ü" in text else {}
    assert (await session.get_labels()).data == expected


async def test_an_error_says_what_can_be_done_about_it(session: AsyncSession, gateway: Gateway) -> None:
    gateway.on("GetLabel", GONE)
    gateway.on("GetLink", refusal("NOT_LOGIN", "x"))
    gateway.on("GetMcpResource", refusal("Throttling.Api", "x"))

    gone, key, busy = [await session.get_labels(), await session.get_link(), await session.info()]

    assert str(gone.error) == (
        "[InvalidMcpSession.NotFound] Resource [McpSession] is not found. "
        f"(action=GetLabel, session_id={SESSION_ID}, request_id={REQUEST_ID}, attempts=1) "
        "The session was deleted, was released after its idle time, or belongs to another key: create a new one."
    )
    assert key.error is not None
    assert "api_key=" in key.error.hint
    assert isinstance(busy.error, RateLimitError)
    assert (busy.error.retry_after, busy.error.hint != "") == (None, True)
