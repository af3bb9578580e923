"""Creating, finding and listing sessions, and the client's own life."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx
import pytest

from agentbay import (
    AgentBayError,
    AsyncAgentBay,
    AsyncSession,
    AuthenticationError,
    ClientClosedError,
    Config,
    CreateSessionParams,
    LifecyclePolicy,
    NotFoundError,
    SessionListResult,
    SessionStatus,
)
from tests.catalogue import check_action
from tests.gateway import GONE, KEY, REQUEST_ID, SESSION_ID, Answer, Gateway, ok, refusal, without

Make = Callable[..., AsyncAgentBay]


def made(gateway: Gateway) -> None:
    gateway.on("CreateMcpSession", ok(gateway.session_data()))


# --- Creating ---------------------------------------------------------------------------------------------------------

PARAMS: list[tuple[CreateSessionParams, dict[str, str]]] = [
    (CreateSessionParams(), {}),
    (CreateSessionParams({}, "", policy_id="", beta_network_id="", skill_names=[]), {}),
    (CreateSessionParams(idle_release_timeout=60), {"Timeout": "60"}),
    (CreateSessionParams(lifecycle_policy=LifecyclePolicy()), {"Timeout": "5", "MaxRuntime": "30"}),
    (CreateSessionParams(lifecycle_policy=LifecyclePolicy(max_runtime=9)), {"Timeout": "5", "MaxRuntime": "9"}),
    (CreateSessionParams(lifecycle_policy=LifecyclePolicy(manual_release=True)), {"ManualRelease": "True"}),
    (CreateSessionParams(enable_browser_replay=True), {"EnableRecord": "True"}),
    (CreateSessionParams(enable_browser_replay=False), {"EnableRecord": "False"}),
    (CreateSessionParams(load_skills=True), {"LoadSkill": "True"}),
    (CreateSessionParams(load_skills=False, skill_names=["a"]), {}),
    (CreateSessionParams(load_skills=True, skill_names=["a", "b"]), {"LoadSkill": "True", "Skills": '["a","b"]'}),
    (CreateSessionParams({"a": "b"}, "browser_latest"), {"Labels": '{"a": "b"}', "ImageId": "browser_latest"}),
]


@pytest.mark.parametrize(("params", "expected"), PARAMS, ids=range(len(PARAMS)))
async def test_creation_sends_what_was_asked_for(
    client: AsyncAgentBay, gateway: Gateway, params: CreateSessionParams, expected: dict[str, str]
) -> None:
    made(gateway)

    await client.create(params)

    assert without(check_action(gateway.requests[0]), "SdkStats", "LoginRegionId") == expected


async def test_a_created_session_knows_its_image_and_its_client(client: AsyncAgentBay, gateway: Gateway) -> None:
    made(gateway)

    result = await client.create(CreateSessionParams(image_id="code_latest"))

    session = result.session
    assert (session.image_id, session.agent_bay, result.request_id) == ("code_latest", client, REQUEST_ID)
    assert (session.get_token(), session.getLinkUrl(), session.get_link_url()) == ("", "", "")


@pytest.mark.parametrize("region", ["cn-hangzhou", "ap-southeast-1"])
async def test_creation_names_the_region(gateway: Gateway, region: str) -> None:
    """The region decides where requests go, so a transport of our own carries them to the gateway."""
    hosts: list[str] = []

    async def send(request: httpx.Request) -> None:
        hosts.append(request.url.host)
        request.url = httpx.URL(gateway.url).copy_with(raw_path=request.url.raw_path)

    made(gateway)
    async with (
        httpx.AsyncClient(event_hooks={"request": [send]}) as carrier,
        AsyncAgentBay(KEY, Config(region_id=region), http_client=carrier) as client,
    ):
        await client.create()

    assert hosts == [f"agentbay.{region}.aliyuncs.com"]
    assert gateway.requests[0].form["LoginRegionId"] == region


# --- Finding ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("blank", ["", "  \n"])
async def test_a_blank_id_is_refused_before_any_request(client: AsyncAgentBay, gateway: Gateway, blank: str) -> None:
    result = await client.get(blank)

    assert (result.success, result.error_message, gateway.requests) == (False, "session_id is required", [])


async def test_a_session_that_is_gone_is_not_found(client: AsyncAgentBay, gateway: Gateway) -> None:
    gateway.on("GetSession", GONE)

    result = await client.get(SESSION_ID)

    assert (result.success, result.session, type(result.error)) == (False, None, NotFoundError)
    assert (result.code, result.request_id) == ("InvalidMcpSession.NotFound", REQUEST_ID)


async def test_an_answer_without_data_finds_nothing(client: AsyncAgentBay, gateway: Gateway) -> None:
    gateway.on("GetSession", ok())

    result = await client.get("s-1")

    assert (result.success, result.error_message) == (False, "The service said nothing of session s-1")


async def test_a_found_session_has_the_id_that_was_asked_for(client: AsyncAgentBay, gateway: Gateway) -> None:
    gateway.on("GetSession", ok({"Status": "RUNNING"}))

    assert (await client.get("s-1")).unwrap().session.session_id == "s-1"


# --- Listing ----------------------------------------------------------------------------------------------------------


def page(*names: str, token: str = "") -> Answer:
    items = [{"SessionId": name, "SessionStatus": "RUNNING", "AppInstanceId": "", "ImageId": "i"} for name in names]
    return ok(items, NextToken=token, MaxResults=2, TotalCount=5)


def item(name: str, status: str = "RUNNING") -> dict[str, str]:
    return {"sessionId": name, "sessionStatus": status, "appInstanceId": "", "imageId": "i"}


async def test_a_list_asks_for_ten_and_no_labels(client: AsyncAgentBay, gateway: Gateway) -> None:
    gateway.on("ListSession", ok([]))

    result = await client.list()

    assert check_action(gateway.requests[0]) == {"Labels": "{}", "MaxResults": "10"}
    assert result == SessionListResult(REQUEST_ID, code="ok", success=True)


async def test_a_later_page_is_reached_through_those_before(client: AsyncAgentBay, gateway: Gateway) -> None:
    gateway.on("ListSession", page("a", "b", token="t1"), page("c", "d", token="t2"), page("e"))

    result = await client.list({"x": "y"}, 3, 2, status="PAUSED")

    asked = {"Labels": '{"x": "y"}', "MaxResults": "2", "Status": "PAUSED"}
    tokens: list[dict[str, str]] = [{}, {"NextToken": "t1"}, {"NextToken": "t2"}]
    assert [check_action(request) for request in gateway.requests] == [asked | token for token in tokens]
    assert result == SessionListResult(
        REQUEST_ID, code="ok", success=True, session_ids=[item("e")], max_results=2, total_count=5
    )


async def test_a_page_behind_the_last_is_a_failure(client: AsyncAgentBay, gateway: Gateway) -> None:
    gateway.on("ListSession", page("a", token="t1"), page("b"))

    result = await client.list(page=3)

    assert (result.success, result.error_message) == (False, "There is no page 3; the last one is 2")


async def test_a_failure_on_the_way_to_a_page_ends_the_way(client: AsyncAgentBay, gateway: Gateway) -> None:
    gateway.on("ListSession", page("a", token="t1"), refusal("NOT_LOGIN", "who"))

    result = await client.list(page=4)

    assert (result.success, result.error_message, len(gateway.requests)) == (False, "[NOT_LOGIN] who", 2)


@pytest.mark.parametrize("number", [0, -1])
async def test_page_numbers_begin_at_one(client: AsyncAgentBay, gateway: Gateway, number: int) -> None:
    result = await client.list(page=number)

    message = f"Cannot reach page {number}: page numbers begin at 1."
    assert (result.success, result.error_message, gateway.requests) == (False, message, [])


@pytest.mark.parametrize("status", ["FINISH", "running", ""])
async def test_a_state_that_cannot_be_listed_is_refused(client: AsyncAgentBay, gateway: Gateway, status: str) -> None:
    result = await client.list(status=status)

    names = ", ".join(state.value for state in SessionStatus)
    message = f"Invalid status {status!r}. Must be one of {names}."
    assert (result.success, result.error_message, gateway.requests) == (False, message, [])


async def test_items_may_lack_everything_but_their_id(client: AsyncAgentBay, gateway: Gateway) -> None:
    gateway.on("ListSession", ok([{"SessionId": "a"}, {"SessionStatus": "RUNNING"}]))

    result = await client.list()

    assert result.session_ids == [item("a", "UNKNOWN") | {"imageId": ""}]


async def test_all_sessions_come_page_by_page(client: AsyncAgentBay, gateway: Gateway) -> None:
    gateway.on("ListSession", page("a", "b", token="t1"), page(token="t2"), page("c"))

    met = [(found, len(gateway.requests)) async for found in client.list_all({"x": "y"}, 2, "RUNNING", "i")]

    assert met == [(item("a"), 1), (item("b"), 1), (item("c"), 3)]
    first = {"Labels": '{"x": "y"}', "MaxResults": "2", "Status": "RUNNING", "ImageId": "i"}
    assert check_action(gateway.requests[0]) == first
    assert gateway.requests[2].form["NextToken"] == "t2"


async def test_iterating_over_all_sessions_raises_what_a_page_refuses(client: AsyncAgentBay, gateway: Gateway) -> None:
    gateway.on("ListSession", page("a", token="t1"), refusal("NOT_LOGIN", "who"))
    met = []

    async def walk() -> None:
        async for found in client.list_all():
            met.append(found)  # noqa: PERF401  (what was met before the end counts)

    with pytest.raises(AuthenticationError, match="who"):
        await walk()

    assert met == [item("a")]


async def test_iterating_with_a_wrong_state_raises(client: AsyncAgentBay, gateway: Gateway) -> None:
    with pytest.raises(AgentBayError, match="Invalid status 'FINISH'"):
        async for _ in client.list_all(status="FINISH"):
            pass

    assert gateway.requests == []


# --- The client's own life --------------------------------------------------------------------------------------------


async def test_a_client_closes_when_its_block_ends(make: Make, gateway: Gateway) -> None:
    gateway.on("ListSession", ok([]))

    async with make() as client:
        await client.list()

    with pytest.raises(ClientClosedError, match=r"This client is closed\..* Make a new one"):
        await client.list()


async def test_closing_twice_does_nothing(make: Make) -> None:
    client = make()
    await client.aclose()
    await client.aclose()


async def test_tools_of_a_closed_client_fail_clearly(client: AsyncAgentBay, either: Any) -> None:
    await client.aclose()

    with pytest.raises(ClientClosedError, match=r"This client is closed\..* Make a new one") as caught:
        await either.command.run("ls")
    assert caught.value.session_id == either.session_id


async def test_a_client_shows_where_it_goes_but_not_its_key(make: Make, gateway: Gateway) -> None:
    name = AsyncAgentBay.__name__

    assert repr(make()) == f"<{name} endpoint={gateway.url} region=cn-hangzhou>"
    assert repr(make(endpoint="local")) == f"<{name} endpoint=local region=cn-hangzhou>"


WRONG_ARGUMENTS: dict[str, Callable[[AsyncAgentBay, AsyncSession], Any]] = {
    "params must be a CreateSessionParams or None, not a str": lambda client, _: client.create("linux_latest"),
    "session must be an? (Async)?Session, not a str": lambda client, _: client.delete("session-id"),
    "session must be an? (Async)?Session, not None": lambda client, _: client.delete(None),
    "session_id must be a str, not 1": lambda client, _: client.get(1),
    "labels must be .*, but the value of 'a' is 1": lambda client, _: client.list({"a": 1}),
    "limit must be at least 1, not -1": lambda client, _: client.list(limit=-1),
    "timeout must be at least 0 seconds, not -1": lambda _, session: session.pause(timeout=-1),
    "poll_interval must be above 0 seconds, not 0": lambda _, session: session.resume(poll_interval=0),
    "port must be a whole number or None, not a str": lambda _, session: session.get_link(port="80"),
    "args must be a dict, not a str": lambda _, session: session.call_mcp_tool("shell", "ls"),
    "read_timeout must be above 0 milliseconds, not 0": lambda _, session: session.get_metrics(read_timeout=0),
    "command must be a str, not bytes": lambda _, session: session.command.run(b"ls"),
    "timeout_ms must be a whole number, not a str": lambda _, session: session.command.run("ls", timeout_ms="5"),
    "envs must be a dict of str to str or None, not list": lambda _, session: session.command.run("ls", envs=["A=1"]),
    "envs must be a dict of str to str, not str": lambda _, session: session.env.set("A=1"),
    "keys must be a list of str or None, not a str": lambda _, session: session.env.get("A"),
    "content must be a str, not bytes": lambda _, session: session.file_system.write_file("/a", b"x"),
    "path must be a str, not 123": lambda _, session: session.file_system.read_file(123),
    "paths must be a list of str, not a str": lambda _, session: session.file_system.read_multiple_files("/a"),
    "timeout_s must be a whole number, not a str": lambda _, session: session.code.run_code("1", "py", timeout_s="9"),
    "on_stdout must be a function or None, not True": lambda _, session: session.code.run_code(
        "1", "py", stream_beta=True, on_stdout=True
    ),
    "context must be a Context, not a str": lambda client, _: client.context.delete("context-id"),
    "page_size must be at least 1, not 0": lambda client, _: client.context.list_files("c", "/", page_size=0),
    "path must be a str or None, not 1": lambda _, session: session.context.sync("c", 1),
    "files must be a list of str or None, not a str": lambda _, session: session.git.add("/r", files="a.txt"),
    "depth must be at least 1, not 0": lambda _, session: session.git.clone("https://h/r.git", depth=0),
    "cols must be a whole number, not a str": lambda _, session: session.pty.create("80"),
}


@pytest.mark.parametrize(("fault", "call"), WRONG_ARGUMENTS.items(), ids=range(len(WRONG_ARGUMENTS)))
async def test_a_wrong_argument_is_told_before_anything_is_sent(
    client: AsyncAgentBay,
    session: AsyncSession,
    gateway: Gateway,
    fault: str,
    call: Callable[[AsyncAgentBay, AsyncSession], Any],
) -> None:
    with pytest.raises((TypeError, ValueError), match=f"^{fault}$"):
        await call(client, session)

    assert gateway.requests == []


def test_a_client_refuses_wrong_arguments_of_its_own() -> None:
    with pytest.raises(TypeError, match="cfg must be a Config or None, not a dict"):
        AsyncAgentBay(KEY, cfg={"endpoint": "local"})  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="api_key must be a str, not bytes"):
        AsyncAgentBay(b"akm-secret")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="endpoint must be a host"):
        AsyncAgentBay(KEY, endpoint="ftp://example.com")


async def test_an_http_client_of_the_users_own_carries_everything_and_stays_open(gateway: Gateway) -> None:
    seen: list[str] = []

    async def look(request: httpx.Request) -> None:
        seen.append(request.url.params.get("Action"))

    gateway.on("ListSession", ok([]))
    async with httpx.AsyncClient(event_hooks={"request": [look]}) as carrier:
        async with AsyncAgentBay(KEY, endpoint=gateway.url, http_client=carrier) as client:
            result = await client.list()
        still_open = not carrier.is_closed

    assert (result.success, seen, still_open) == (True, ["ListSession"], True)


async def test_requests_go_through_a_proxy_that_is_named(gateway: Gateway) -> None:
    gateway.on("ListSession", ok([]))

    async with AsyncAgentBay(KEY, endpoint="http://nowhere.invalid", proxy=gateway.url) as client:
        result = await client.list()

    assert result.success
    assert gateway.requests[0].headers["host"] == "nowhere.invalid"


@pytest.mark.parametrize("retries", [-1, True, 1.5, "2"])
async def test_a_wrong_number_of_retries_is_refused(retries: Any) -> None:
    with pytest.raises((TypeError, ValueError), match="retries must be"):
        AsyncAgentBay(KEY, retries=retries)


async def test_a_key_is_needed() -> None:
    with pytest.raises(ValueError, match=r"An API key is needed: .* endpoint='local'"):
        AsyncAgentBay()


async def test_a_key_of_any_characters_arrives(gateway: Gateway) -> None:
    gateway.on("ListSession", ok([]))

    async with AsyncAgentBay("akm &=+ü", endpoint=gateway.url) as client:
        await client.list()

    assert gateway.requests[0].form["Authorization"] == "Bearer akm &=+ü"


async def test_text_with_half_a_character_is_refused_before_any_request(
    client: AsyncAgentBay, gateway: Gateway
) -> None:
    with pytest.raises(ValueError, match="half of a character pair"):
        await client.get("\ud800")

    assert gateway.requests == []
