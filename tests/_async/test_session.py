"""What a session knows of itself: labels, information, links, tools, names."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from agentbay import (
    AgentBayError,
    AsyncAgentBay,
    AsyncCode,
    AsyncCommand,
    AsyncEnv,
    AsyncFileSystem,
    AsyncSession,
    CreateSessionParams,
    McpTool,
    OperationResult,
)
from tests.catalogue import check_action
from tests.gateway import SESSION_ID, TOKEN, Gateway, ok

Make = Callable[..., AsyncAgentBay]


# --- Labels -----------------------------------------------------------------------------------------------------------

NOT_A_DICT = "Labels must be a dictionary of names and values."
EMPTY = "Labels cannot be empty; give at least one name and value."
BLANK_NAME = "Label names cannot be empty or blank."

WRONG_LABELS: list[tuple[Any, str]] = [
    (None, NOT_A_DICT),
    ([("a", "b")], NOT_A_DICT),
    ("a=b", NOT_A_DICT),
    ({}, EMPTY),
    ({"": "b"}, BLANK_NAME),
    ({"a": "b", " \t": "c"}, BLANK_NAME),
    ({"a": ""}, "Label values cannot be empty or blank: a."),
    ({"a": "b", "c": None, "d": "  "}, "Label values cannot be empty or blank: c, d."),
]


@pytest.mark.parametrize(("labels", "message"), WRONG_LABELS, ids=range(len(WRONG_LABELS)))
async def test_wrong_labels_are_refused_before_any_request(
    session: AsyncSession, gateway: Gateway, labels: Any, message: str
) -> None:
    result = await session.set_labels(labels)

    assert result == OperationResult(success=False, error_message=message)
    assert (type(result.error), gateway.requests) == (AgentBayError, [])


async def test_label_values_need_not_be_text(session: AsyncSession, gateway: Gateway) -> None:
    gateway.on("SetLabel", ok())
    labels: Any = {"n": 7, "yes": True}

    await session.set_labels(labels)

    assert check_action(gateway.requests[0])["Labels"] == '{"n": 7, "yes": true}'


# --- Links and tools --------------------------------------------------------------------------------------------------

LINKS: list[tuple[dict[str, Any], dict[str, str]]] = [
    ({}, {}),
    ({"port": 8080}, {"Port": "8080"}),
    ({"protocol_type": "wss"}, {"ProtocolType": "wss"}),
    ({"options": ""}, {"Option": ""}),
]


@pytest.mark.parametrize(("given", "sent"), LINKS, ids=range(len(LINKS)))
async def test_a_link_needs_nothing(
    session: AsyncSession, gateway: Gateway, given: dict[str, Any], sent: dict[str, str]
) -> None:
    gateway.on("GetLink", ok({"Url": "wss://x"}))

    result = await session.get_link(**given)

    assert check_action(gateway.requests[0]) == {"SessionId": SESSION_ID} | sent
    assert result.unwrap().data == "wss://x"


async def test_tools_are_listed_of_the_sessions_own_image(client: AsyncAgentBay, gateway: Gateway) -> None:
    gateway.on("CreateMcpSession", ok(gateway.session_data()))
    gateway.on("ListMcpTools", ok('[{"Name": "x", "serverName": "y", "inputSchema": 7}, 8]'))
    session = (await client.create(CreateSessionParams(image_id="code_latest"))).unwrap().session
    routes = dict(session.tool_servers)

    result = await session.list_mcp_tools()

    assert check_action(gateway.last("ListMcpTools")) == {"ImageId": "code_latest"}
    assert [(tool, tool.get_name(), tool.get_server()) for tool in result.tools] == [(McpTool("x", "y"), "x", "y")]
    assert session.tool_servers == routes


async def test_tools_of_a_session_of_unknown_image_are_those_of_the_usual_one(
    session: AsyncSession, gateway: Gateway
) -> None:
    gateway.on("ListMcpTools", ok("no json"))

    result = await session.list_mcp_tools()

    assert check_action(gateway.requests[0]) == {"ImageId": "linux_latest"}
    assert (result.success, result.tools) == (True, [])


# --- Names ------------------------------------------------------------------------------------------------------------


async def test_the_modules_belong_to_their_session(session: AsyncSession) -> None:
    kinds = [AsyncCommand, AsyncFileSystem, AsyncCode, AsyncEnv]
    modules = [session.command, session.file_system, session.code, session.env]

    assert [type(module) for module in modules] == kinds
    assert {module.session for module in modules} == {session}
    assert {session.fs, session.files, session.filesystem} == {session.file_system}


async def test_aliases_are_the_same_functions() -> None:
    pairs = [
        (AsyncCommand, "execute_command", "run exec"),
        (AsyncCode, "run_code", "run execute"),
        (AsyncFileSystem, "read_file", "read"),
        (AsyncFileSystem, "write_file", "write"),
        (AsyncFileSystem, "delete_file", "delete remove rm"),
        (AsyncFileSystem, "list_directory", "list ls"),
    ]

    for kind, name, aliases in pairs:
        assert {getattr(kind, alias) for alias in aliases.split()} == {getattr(kind, name)}


async def test_the_repr_of_a_session_tells_its_id_and_no_secret(direct: AsyncSession) -> None:
    assert (direct.token, TOKEN in repr(direct), SESSION_ID in repr(direct)) == (TOKEN, False, True)


async def test_a_direct_link_may_be_asked_for(direct: AsyncSession, gateway: Gateway) -> None:
    told = [direct.get_token(), direct.getToken(), direct.get_link_url(), direct.getLinkUrl()]

    assert told == [TOKEN, TOKEN, f"{gateway.link_url}/", f"{gateway.link_url}/"]
