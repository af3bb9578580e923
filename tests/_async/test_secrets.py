"""Keys, tokens and payloads stay out of logs, of the text of values, and of exceptions and their tracebacks."""

from __future__ import annotations

import json
import logging
import traceback
from collections.abc import Callable
from typing import Any

import pytest

from agentbay import AgentBayError, AsyncAgentBay, AsyncSession, SessionInfo
from agentbay.actions import SessionData
from tests.gateway import GONE, KEY, SESSION_ID, TOKEN, Gateway, Said, ok, raw

Make = Callable[..., AsyncAgentBay]

PAYLOAD = "canary-payload"
ANSWER = "canary-answer"
SECRETS = (KEY, KEY.replace("-", "%2D"), TOKEN, PAYLOAD, ANSWER)


def found_in(text: str) -> list[str]:
    return [secret for secret in SECRETS if secret in text]


async def use(session: AsyncSession) -> list[Any]:
    """Make calls that carry secrets both ways; gives results and exceptions."""
    outcomes: list[Any] = []
    for call in (
        lambda: session.command.run(PAYLOAD, envs={PAYLOAD: PAYLOAD}),
        lambda: session.fs.write("/f", PAYLOAD),
        lambda: session.code.run(PAYLOAD, "py"),
        lambda: session.call_mcp_tool("broken", {"x": PAYLOAD}),
        lambda: session.set_labels({"x": PAYLOAD}),
        session.get_status,
    ):
        try:
            outcomes.append(await call())
        except AgentBayError as error:
            outcomes.append(error)
    return outcomes


def prepare(gateway: Gateway) -> None:
    gateway.on("shell", raw("", 503), Said(ANSWER, failed=True))
    gateway.on("write_file", Said(ANSWER))
    gateway.on("run_code", Said(ANSWER))
    gateway.on("broken", raw(f"{ANSWER} is no json"))
    gateway.on("SetLabel", raw(ANSWER, 500))
    gateway.on("GetSessionDetail", GONE)


@pytest.mark.parametrize("engine", ["pool", "fast"])
@pytest.mark.parametrize("direct", [False, True])
async def test_nothing_secret_is_logged_at_any_level(
    make: Make, gateway: Gateway, caplog: pytest.LogCaptureFixture, engine: str, *, direct: bool
) -> None:
    if engine == "fast":
        pytest.importorskip("pyreqwest")
    caplog.set_level(logging.DEBUG)
    gateway.on("GetSession", ok(gateway.session_data(direct=direct)))
    prepare(gateway)

    session = (await make(engine=engine).get(SESSION_ID)).unwrap().session
    await use(session)

    ours = [record for record in caplog.records if record.name != "werkzeug"]
    assert found_in("\n".join(f"{record.getMessage()} {record.args!r}" for record in ours)) == []
    assert {record.name for record in ours if "attempt" in record.getMessage()} == {"agentbay"}


async def test_the_debug_log_names_each_attempt(
    session: AsyncSession, gateway: Gateway, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "agentbay")
    gateway.on("RefreshSessionIdleTime", raw("", 503), ok())

    await session.keep_alive()

    lines = [record.getMessage().partition(" in ")[0] for record in caplog.records if record.name == "agentbay"]
    assert lines == ["RefreshSessionIdleTime attempt 1: 503", "RefreshSessionIdleTime attempt 2: 200"]


@pytest.mark.parametrize("direct", [False, True])
async def test_exceptions_and_their_tracebacks_hold_no_secret(make: Make, gateway: Gateway, *, direct: bool) -> None:
    gateway.on("GetSession", ok(gateway.session_data(direct=direct)))
    prepare(gateway)
    session = (await make().get(SESSION_ID)).unwrap().session

    outcomes = await use(session)

    errors = [outcome if isinstance(outcome, AgentBayError) else outcome.error for outcome in outcomes]
    raised = [error for error in errors if error is not None]
    lines = [line for error in raised for line in traceback.format_exception(error)]
    assert len(raised) >= 4
    assert [name for name in found_in("".join(lines)) if name != ANSWER] == []
    assert [name for name in found_in(repr([vars(error) for error in raised])) if name != ANSWER] == []


async def test_the_text_of_values_holds_no_secret(client: AsyncAgentBay, gateway: Gateway) -> None:
    gateway.on("CreateMcpSession", ok(gateway.session_data(direct=True)))

    result = await client.create()

    holders = [client, client._transport, result, result.session, vars(client._transport)]
    assert found_in(repr(holders)) == []
    assert found_in(repr(vars(result.session)).replace(f"'token': '{TOKEN}'", "")) == []


def test_tickets_are_not_shown() -> None:
    info = SessionInfo("s", auth_code="canary-1", connection_properties="canary-2", ticket="canary-3")
    data = SessionData("s", token="canary-4", resource_url="canary-5", tool_list=json.dumps("canary-6"))

    assert "canary" not in f"{info!r} {data!r}"
