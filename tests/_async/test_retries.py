"""What is tried again, how often, and when the time for it is over."""

from __future__ import annotations

import time
from collections.abc import Callable
from email.utils import formatdate
from typing import Any

import pytest

from agentbay import (
    APIConnectionError,
    APITimeoutError,
    AsyncAgentBay,
    AsyncSession,
    RateLimitError,
    RetryPolicy,
    ServerError,
)
from tests.gateway import REQUEST_ID, SESSION_ID, Answer, Gateway, Received, Said, ok, raw, refusal
from tests.scripted import Peer, Server, async_all

Make = Callable[..., AsyncAgentBay]

YES = ok()


def busy(status: int, **headers: str) -> Answer:
    return raw("", status).headed(**headers)


async def session_of(client: AsyncAgentBay, gateway: Gateway, *, direct: bool = False) -> AsyncSession:
    gateway.on("GetSession", ok(gateway.session_data(direct=direct)))
    session = (await client.get(SESSION_ID)).unwrap().session
    gateway.requests.clear()
    return session


# --- Handshakes that never succeed ------------------------------------------------------------------------------------


@pytest.mark.parametrize("engine", ["pool", "fast"])
async def test_https_to_a_server_without_tls_is_told_and_not_tried_again(engine: str) -> None:
    def plain(peer: Peer) -> None:
        peer.sock.recv(1)
        peer.send(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")

    with Server(plain) as server:
        async with AsyncAgentBay("key", endpoint=server.url.replace("http:", "https:"), engine=engine) as client:
            with pytest.raises(APIConnectionError) as caught:
                await client.list()

    hint = "The server does not speak TLS: write the endpoint with http:// if that is what you mean."
    assert (caught.value.hint, caught.value.attempts, server.opened) == (hint, 1, 1)


# --- Answers that are tried again -------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [429, 502, 503, 504])
async def test_an_action_that_does_no_harm_is_tried_three_times(
    session: AsyncSession, gateway: Gateway, status: int
) -> None:
    gateway.on("RefreshSessionIdleTime", busy(status), busy(status), YES)

    result = await session.keep_alive()

    assert (result.success, len(gateway.requests)) == (True, 3)
    assert len({request.query["SignatureNonce"] for request in gateway.requests}) == 3


@pytest.mark.parametrize(("status", "kind"), [(429, RateLimitError), (503, ServerError), (502, ServerError)])
async def test_the_last_refusal_is_the_result(
    session: AsyncSession, gateway: Gateway, status: int, kind: type[Exception]
) -> None:
    gateway.on("RefreshSessionIdleTime", refusal("Busy", "later", status))

    result = await session.keep_alive()

    assert (result.success, result.error_message, result.request_id) == (False, "[Busy] later", REQUEST_ID)
    assert type(result.error) is kind
    assert (result.error.attempts, len(gateway.requests)) == (3, 3)


@pytest.mark.parametrize("status", [400, 404, 409, 500, 501])
async def test_other_refusals_are_final(session: AsyncSession, gateway: Gateway, status: int) -> None:
    gateway.on("RefreshSessionIdleTime", refusal("No", "", status), YES)

    assert not (await session.keep_alive()).success
    assert len(gateway.requests) == 1


REFUSED = (429, 503)
UNCERTAIN = (502, 504)


@pytest.mark.parametrize("status", [*REFUSED, *UNCERTAIN])
async def test_a_command_is_repeated_only_when_it_surely_did_not_run(
    either: AsyncSession, gateway: Gateway, status: int
) -> None:
    gateway.on("shell", busy(status), Said("ran"))

    result = await either.command.run("rm x")

    assert (result.success, len(gateway.requests)) == ((True, 2) if status in REFUSED else (False, 1))


@pytest.mark.parametrize("status", [*REFUSED, *UNCERTAIN])
async def test_a_creation_is_repeated_only_when_it_surely_did_not_happen(
    client: AsyncAgentBay, gateway: Gateway, status: int
) -> None:
    gateway.on("CreateMcpSession", busy(status), ok(gateway.session_data()))

    result = await client.create()

    assert (result.success, len(gateway.requests)) == ((True, 2) if status in REFUSED else (False, 1))


READS: dict[str, Callable[[AsyncSession], Any]] = {
    "get_file_info": lambda session: session.fs.get_file_info("/f"),
    "list_directory": lambda session: session.fs.ls("/f"),
    "search_files": lambda session: session.fs.search_files("/", "x"),
    "read_multiple_files": lambda session: session.fs.read_multiple_files([]),
    "create_directory": lambda session: session.fs.create_directory("/d"),
    "get_env": lambda session: session.env.get(),
    "set_env": lambda session: session.env.set({"A": "b"}),
    "get_metrics": lambda session: session.get_metrics(),
}
EFFECTS: dict[str, Callable[[AsyncSession], Any]] = {
    "shell": lambda session: session.command.run("x"),
    "run_code": lambda session: session.code.run("x", "py"),
    "write_file": lambda session: session.fs.write("/f", ""),
    "edit_file": lambda session: session.fs.edit_file("/f", []),
    "delete_file": lambda session: session.fs.delete("/f"),
    "move_file": lambda session: session.fs.move_file("/f", "/g"),
    "get_file_change": lambda session: session.fs.get_file_change("/f"),
    "any": lambda session: session.call_mcp_tool("any", {}),
}


@pytest.mark.parametrize(("tool", "call"), READS.items(), ids=list(READS))
async def test_a_tool_that_does_no_harm_is_repeated(
    either: AsyncSession, gateway: Gateway, tool: str, call: Callable[[AsyncSession], Any]
) -> None:
    gateway.on(tool, busy(502), Said("{}"))

    assert (await call(either)).success
    assert gateway.names == [tool, tool]


@pytest.mark.parametrize(("tool", "call"), EFFECTS.items(), ids=list(EFFECTS))
async def test_a_tool_that_may_have_run_is_not_repeated(
    either: AsyncSession, gateway: Gateway, tool: str, call: Callable[[AsyncSession], Any]
) -> None:
    gateway.on(tool, busy(502), Said("{}"))

    assert not (await call(either)).success
    assert gateway.names == [tool]


@pytest.mark.parametrize("direct", [False, True])
async def test_a_caller_may_allow_repeated_tools(make: Make, gateway: Gateway, *, direct: bool) -> None:
    client = make(retries=RetryPolicy(base=0.001, repeat_tools=True))
    session = await session_of(client, gateway, direct=direct)
    gateway.on("shell", busy(502), Said("ran"))

    assert (await session.command.run("x")).success
    assert gateway.names == ["shell", "shell"]


@pytest.mark.parametrize(("retries", "attempts"), [(0, 1), (1, 2), (4, 5), (RetryPolicy(attempts=2, base=0), 2)])
async def test_the_number_of_attempts_is_the_callers(make: Make, gateway: Gateway, retries: Any, attempts: int) -> None:
    gateway.on("ListSession", busy(503, x_acs_retry_after="1"))

    result = await make(retries=retries).list()

    assert isinstance(result.error, RateLimitError)
    assert (result.error.attempts, len(gateway.requests)) == (attempts, attempts)


# --- How long the waits are -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("headers", "advice"),
    [
        ({"x_acs_retry_after": "300"}, 0.3),
        ({"Retry_After": "1"}, 1.0),
        ({"x_acs_retry_after": "300", "Retry_After": "9"}, 0.3),
    ],
)
async def test_the_services_advice_is_followed(
    session: AsyncSession, gateway: Gateway, headers: dict[str, str], advice: float
) -> None:
    gateway.on("RefreshSessionIdleTime", busy(429, **headers), YES)

    began = time.monotonic()
    result = await session.keep_alive()

    assert result.success
    assert advice <= time.monotonic() - began < advice + 5


async def test_advice_may_be_a_date(session: AsyncSession, gateway: Gateway) -> None:
    gateway.on("RefreshSessionIdleTime", busy(503, Retry_After=formatdate(time.time() - 5, usegmt=True)), YES)

    assert (await session.keep_alive()).success


@pytest.mark.parametrize("headers", [{"x_acs_retry_after": "3600000"}, {"Retry_After": "3600"}])
async def test_advice_beyond_the_time_of_the_call_is_told_at_once(
    either: AsyncSession, gateway: Gateway, headers: dict[str, str]
) -> None:
    gateway.on("shell", busy(429, **headers))

    result = await either.command.run("x")

    assert isinstance(result.error, RateLimitError)
    assert (result.error.retry_after, result.error.attempts, len(gateway.requests)) == (3600.0, 1, 1)


@pytest.mark.parametrize("advice", ["soon", "-5", "0", "1.5", ""])
async def test_advice_that_makes_no_sense_is_passed_over(session: AsyncSession, gateway: Gateway, advice: str) -> None:
    gateway.on("RefreshSessionIdleTime", busy(503, x_acs_retry_after=advice), YES)

    assert (await session.keep_alive()).success


async def test_throttling_may_come_with_any_status(session: AsyncSession, gateway: Gateway) -> None:
    gateway.on("RefreshSessionIdleTime", refusal("Busy", "", 400).headed(x_acs_retry_after="3600000"))

    result = await session.keep_alive()

    assert isinstance(result.error, RateLimitError)
    assert result.error.retry_after == 3600.0


async def test_waits_between_attempts_end_with_the_time_of_the_call(make: Make, gateway: Gateway) -> None:
    """Each wait is 0.7 s, so that after the third attempt there is no time for another one in the 2 seconds."""
    gateway.on("ListSession", busy(503, x_acs_retry_after="700"))

    began = time.monotonic()
    result = await make(timeout=2.0, retries=99).list()

    assert isinstance(result.error, RateLimitError)
    assert 2 <= result.error.attempts <= 3
    assert 0.7 <= time.monotonic() - began < 5


# --- Time for work ----------------------------------------------------------------------------------------------------


def late(seconds: float, said: Answer | Said) -> Callable[[Received], Answer | Said]:
    def answer(_: Received) -> Answer | Said:
        time.sleep(seconds)
        return said

    return answer


@pytest.mark.parametrize("direct", [False, True])
async def test_commands_and_code_have_the_time_that_they_ask_for(make: Make, gateway: Gateway, *, direct: bool) -> None:
    session = await session_of(make(timeout=0.3), gateway, direct=direct)
    gateway.on("shell", late(0.5, Said("done")))
    gateway.on("run_code", late(0.5, Said("done")))
    calls = [lambda: session.command.run("sleep", 5000), lambda: session.code.run("sleep", "py", timeout_s=5)]

    results = await async_all(lambda call: call(), calls)

    assert [getattr(result, "success", result) for result in results] == [True, True]


async def test_a_whole_file_by_the_direct_link_has_time(make: Make, gateway: Gateway) -> None:
    session = await session_of(make(timeout=0.3), gateway, direct=True)
    gateway.on("read_file", late(0.5, Said("done")))
    gateway.on("write_file", late(0.5, Said("done")))
    calls = [lambda: session.fs.read("/f"), lambda: session.fs.write("/f", "x")]

    results = await async_all(lambda call: call(), calls)

    assert [getattr(result, "success", result) for result in results] == [True, True]


async def test_other_calls_end_with_the_clients_time(make: Make, gateway: Gateway) -> None:
    session = await session_of(make(timeout=0.3), gateway)
    gateway.on("GetLabel", late(1.0, YES))

    with pytest.raises(APITimeoutError, match=r"No complete answer to GetLabel came within 0.3 s") as caught:
        await session.get_labels()

    assert (caught.value.action, caught.value.session_id) == ("GetLabel", SESSION_ID)
    assert isinstance(caught.value, TimeoutError)
    assert "timeout=" in caught.value.hint


async def test_a_command_that_got_no_answer_in_time_is_not_repeated(make: Make, gateway: Gateway) -> None:
    session = await session_of(make(timeout=0.3), gateway)
    gateway.on("any", late(1.0, Said("late")))

    with pytest.raises(APITimeoutError) as caught:
        await session.call_mcp_tool("any", {})

    assert caught.value.hint == "It may have taken effect, so it was not repeated."
    assert (caught.value.action, caught.value.attempts, len(gateway.requests)) == ("CallMcpTool", 1, 1)


# --- Answers that are lost --------------------------------------------------------------------------------------------


def losing(times: int) -> Callable[[Peer], None]:
    """Take that many requests without an answer, each on a connection of its own; then answer."""

    def script(peer: Peer) -> None:
        while peer.request():
            if peer.number <= times:
                return peer.reset()
            peer.reply(b'{"Success": true, "RequestId": "r", "Data": {"SessionId": "s-1"}}')
        return None

    return script


async def test_a_lost_answer_is_asked_for_again(make: Make) -> None:
    with Server(losing(2)) as server:
        result = await make(endpoint=server.url).get("s-1")

    assert (result.success, server.opened) == (True, 3)


async def test_an_answer_that_stays_lost_is_an_exception(make: Make) -> None:
    with (
        Server(losing(99)) as server,
        pytest.raises(APIConnectionError, match=r"^GetSession failed: no complete answer from ") as caught,
    ):
        await make(endpoint=server.url).get("s-1")

    assert (caught.value.attempts, server.opened, caught.value.hint) == (3, 3, "Check the endpoint and the network.")
    assert caught.value.__cause__ is not None


async def test_a_creation_whose_answer_is_lost_is_not_repeated(make: Make) -> None:
    with Server(losing(1)) as server, pytest.raises(APIConnectionError) as caught:
        await make(endpoint=server.url).create()

    assert (caught.value.attempts, server.opened) == (1, 1)
    assert caught.value.hint == "It may have taken effect, so it was not repeated."


async def test_what_surely_was_not_sent_is_repeated_whatever_it_is(make: Make) -> None:
    with pytest.raises(APIConnectionError) as caught:
        await make(endpoint="http://127.0.0.1:9").create()

    assert (caught.value.attempts, caught.value.action) == (3, "CreateMcpSession")
    assert caught.value.hint == "Check the endpoint and the network."
