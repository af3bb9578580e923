"""Shell commands, environment variables and metrics: every form in which their tools answer."""

from __future__ import annotations

import json
from typing import Any

import pytest

from agentbay import (
    AsyncSession,
    CommandError,
    CommandResult,
    NotFoundError,
    ToolError,
)
from tests.gateway import GONE, REQUEST_ID, Gateway, Said

TRACE = "0123456789abcdef0123456789abcdef"


def shell(**members: Any) -> Said:
    return Said(json.dumps(members))


def ended(code: int = 0, out: str = "", err: str = "", message: str = "", trace: str = "") -> CommandResult:
    return CommandResult(
        REQUEST_ID,
        success=code == 0,
        output=out + err,
        error_message=message,
        exit_code=code,
        stdout=out,
        stderr=err,
        trace_id=trace,
    )


NOT_FOUND = "Execution failed. Error code:127 Error message: sh: 1: nosuchcmd: not found"
LS = "ls: cannot access '/x'\n"

ENDS: dict[str, tuple[Said, CommandResult]] = {
    "wrapped": (shell(stdout="a\n", stderr="b\n", exit_code=0), ended(0, "a\n", "b\n")),
    "wrapped, failed": (shell(stdout="", stderr=LS, exit_code=2, traceId=TRACE), ended(2, "", LS, "", TRACE)),
    "only stdout": (shell(stdout="a", exit_code=3), ended(3, "a")),
    "only stderr": (shell(stderr="a", exit_code=0), ended(0, "", "a")),
    "errorCode": (shell(stdout="", stderr="e", errorCode=4), ended(4, "", "e")),
    "no code": (shell(stdout="a", stderr=""), ended(0, "a")),
    "code is no number": (shell(stdout="a", stderr="", exit_code=True), ended(0, "a")),
    "raw": (Said("just text\n"), ended(0, "just text\n")),
    "raw JSON object": (Said('{"stdout": "a"}'), ended(0, '{"stdout": "a"}')),
    "raw JSON of another kind": (Said('{"exit_code": 1}'), ended(0, '{"exit_code": 1}')),
    "raw JSON list": (Said("[1]"), ended(0, "[1]")),
    "stdout is no text": (
        shell(stdout=1, stderr=2, exit_code=3),
        ended(0, '{"stdout": 1, "stderr": 2, "exit_code": 3}'),
    ),
    "nothing": (Said(""), ended(0)),
    "error, wrapped": (
        Said(json.dumps({"errorCode": 2, "stderr": LS, "stdout": "", "traceId": TRACE}), failed=True),
        ended(2, "", LS, LS, TRACE),
    ),
    "error, plain": (Said(NOT_FOUND, failed=True), ended(1, NOT_FOUND, "", NOT_FOUND)),
    "error, nothing": (Said("", failed=True), ended(1, "", "", "Failed to execute command")),
    "error with code 0": (
        Said(json.dumps({"exit_code": 0, "stderr": "", "stdout": "o"}), failed=True),
        ended(1, "o", "", json.dumps({"exit_code": 0, "stderr": "", "stdout": "o"})),
    ),
}


@pytest.mark.parametrize(("said", "expected"), ENDS.values(), ids=list(ENDS))
async def test_a_command_ends(session: AsyncSession, gateway: Gateway, said: Said, expected: CommandResult) -> None:
    gateway.on("shell", said)

    result = await session.command.execute_command("x")

    assert result == expected
    assert type(result.error) is (CommandError if expected.exit_code else type(None))


async def test_a_failed_command_unwraps_to_an_error_that_knows_its_code(
    session: AsyncSession, gateway: Gateway
) -> None:
    gateway.on("shell", shell(stdout="", stderr=LS, exit_code=2))

    result = await session.command.execute_command("ls /x")

    with pytest.raises(CommandError) as caught:
        result.unwrap()
    assert caught.value.message == "The command exited with code 2: ls: cannot access '/x'"
    assert (caught.value.extra["exit_code"], caught.value.request_id) == (2, REQUEST_ID)


async def test_a_command_without_words_fails_with_its_code_alone(session: AsyncSession, gateway: Gateway) -> None:
    gateway.on("shell", shell(stdout="", stderr="", exit_code=1))

    result = await session.command.execute_command("false")

    assert (result.error_message, str(result.error).partition(" (")[0]) == ("", "The command exited with code 1")


async def test_a_command_in_a_session_that_is_gone_is_not_found(session: AsyncSession, gateway: Gateway) -> None:
    gateway.on("shell", GONE)

    result = await session.command.execute_command("ls")

    assert (result.success, result.exit_code, type(result.error)) == (False, 1, NotFoundError)
    assert result.error_message == "[InvalidMcpSession.NotFound] Resource [McpSession] is not found."


@pytest.mark.parametrize(
    ("envs", "message"),
    [
        ({1: "a"}, "key '1' (type: int)"),
        ({"a": 1}, "value for key 'a' (type: int)"),
        ({1: None}, "key '1' (type: int), value for key '1' (type: NoneType)"),
    ],
)
async def test_variables_of_a_command_must_be_text(
    session: AsyncSession, gateway: Gateway, envs: Any, message: str
) -> None:
    with pytest.raises(ValueError, match=r"^Invalid environment variables: ") as caught:
        await session.command.execute_command("ls", envs=envs)

    assert str(caught.value).endswith(f"Found invalid entries: {message}")
    assert gateway.requests == []


@pytest.mark.parametrize("timeout_ms", [0, -1])
async def test_a_command_needs_time(session: AsyncSession, gateway: Gateway, timeout_ms: int) -> None:
    with pytest.raises(ValueError, match="timeout_ms must be above 0"):
        await session.command.execute_command("ls", timeout_ms)

    assert gateway.requests == []


# --- Environment variables --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("envs", "message"),
    [
        ({}, "envs must not be empty"),
        ({1: "a"}, "All environment variable keys must be strings, got int for key '1'"),
        ({"a": 1}, "All environment variable values must be strings, got int for key 'a'"),
        ({"a": None, 2: "b"}, "All environment variable keys must be strings, got int for key '2'"),
    ],
)
async def test_wrong_variables_are_refused(session: AsyncSession, gateway: Gateway, envs: Any, message: str) -> None:
    with pytest.raises(ValueError, match="env") as caught:
        await session.env.set(envs)

    assert (str(caught.value), gateway.requests) == (message, [])


@pytest.mark.parametrize(
    ("text", "envs"), [("no json", {}), ("[1]", {}), ("", {}), ('{"A": 1, "B": "ü"}', {"A": "1", "B": "ü"})]
)
async def test_variables_are_read_whatever_the_tool_says(
    either: AsyncSession, gateway: Gateway, text: str, envs: dict[str, str]
) -> None:
    gateway.on("get_env", Said(text))

    result = await either.env.get()

    assert (result.success, result.envs) == (True, envs)


async def test_variables_that_cannot_be_read_are_a_failure(session: AsyncSession, gateway: Gateway) -> None:
    gateway.on("get_env", Said("", failed=True))

    result = await session.env.get()

    assert (result.success, result.envs, result.error_message) == (False, {}, "Failed to get environment variables")
    assert type(result.error) is ToolError


async def test_a_session_that_lists_the_server_of_variables_keeps_it(session: AsyncSession, gateway: Gateway) -> None:
    gateway.on("get_env", Said("{}"))
    session.tool_servers["get_env"] = "elsewhere"

    await session.env.get()

    assert gateway.requests[0].form["Server"] == "elsewhere"


# --- Metrics ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", ["_kbps _kb", "_KBps _KB"])
async def test_metrics_have_older_names(session: AsyncSession, gateway: Gateway, suffix: str) -> None:
    rate, used = suffix.split()
    told = {f"rx_rate{rate}": 1, f"tx_rate{rate}": 2.5, f"rx_used{used}": 3, f"tx_used{used}": "4.5", "cpu_count": None}
    gateway.on("get_metrics", Said(json.dumps(told)))

    result = await session.get_metrics()

    metrics = result.unwrap().metrics
    assert metrics is not None
    assert (metrics.rx_rate_kbps, metrics.tx_rate_kbps, metrics.rx_used_kb, metrics.tx_used_kb) == (1.0, 2.5, 3.0, 4.5)
    assert (metrics.cpu_count, metrics.timestamp, result.raw) == (0, "", told)


@pytest.mark.parametrize("text", ["no json", "[]", "7", '{"cpu_count": "many"}', '{"mem_used": []}'])
async def test_metrics_that_cannot_be_read_are_a_failure(session: AsyncSession, gateway: Gateway, text: str) -> None:
    gateway.on("get_metrics", Said(text))

    result = await session.get_metrics()

    assert (result.success, result.metrics, result.raw, result.request_id) == (False, None, {}, REQUEST_ID)
    assert result.error_message.startswith("Failed to parse get_metrics response: ")


async def test_metrics_that_are_refused_are_a_failure(session: AsyncSession, gateway: Gateway) -> None:
    gateway.on("get_metrics", Said("", failed=True))

    assert (await session.get_metrics()).error_message == "Failed to get metrics"
