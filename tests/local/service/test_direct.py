"""Tool calls by a session's direct link."""

from __future__ import annotations

import json
from io import BytesIO
from typing import Any

import pytest

from tests.local.service.api import Answer, Api


async def direct(api: Api, made: dict[str, Any], header: str | None = None, **changes: Any) -> Answer:
    """Calls the shell by the direct link."""
    call: dict[str, Any] = {
        "args": {"command": "echo 中"},
        "server": "wuying_shell",
        "requestId": "link-1-000000001",
        "tool": "shell",
    }
    headers = {"X-Access-Token": made["Token"] if header is None else header}
    body = call | {"token": made["Token"], "requestId": "link-1-000000001"} | changes
    return await api.post(
        f"/link/{made['SessionId']}/callTool", data=BytesIO(json.dumps(body).encode()), headers=headers
    )


def result(answer: Answer) -> dict[str, Any]:
    """What the tool said."""
    told: dict[str, Any] = json.loads(answer.body["data"])["result"]
    return told


async def test_a_direct_call_answers_with_the_result_as_text(api: Api) -> None:
    made = await api.create()
    answer = await direct(api, made)
    said = result(answer)
    assert (answer.status, answer.body["requestId"], said["isError"]) == (200, "link-1-000000001", False)
    assert json.loads(said["content"][0]["text"]) == {"stdout": "中\n", "stderr": "", "exit_code": 0}


async def test_half_characters_in_what_is_asked_and_answered_do_no_harm(api: Api) -> None:
    made = await api.create()
    answer = await direct(api, made, args={"command": "printf '\\xff'; echo \ud800"}, requestId="\ud800")
    assert answer.status == 200


async def test_a_big_file_goes_both_ways_in_one_call(api: Api) -> None:
    made = await api.create()
    content = "0123456789äöü中\n" * 500_000
    await direct(api, made, tool="write_file", args={"path": "/tmp/big", "content": content})
    answer = await direct(api, made, tool="read_file", args={"path": "/tmp/big"})
    assert result(answer)["content"][0]["text"] == content


@pytest.mark.parametrize("token", ["", "wrong", "ü"])
async def test_a_wrong_token_in_the_header_is_refused(api: Api, token: str) -> None:
    answer = await direct(api, await api.create(), header=token)
    assert answer.verdict == (401, "NOT_LOGIN")


async def test_a_wrong_token_in_the_body_is_refused(api: Api) -> None:
    answer = await direct(api, await api.create(), token="wrong")
    assert answer.verdict == (401, "NOT_LOGIN")


async def test_one_sessions_token_does_not_open_another(api: Api) -> None:
    one, two = await api.create(), await api.create()
    answer = await direct(api, {"SessionId": two["SessionId"], "Token": one["Token"]})
    assert answer.verdict == (401, "NOT_LOGIN")


@pytest.mark.parametrize(
    "changes",
    [{"tool": None}, {"tool": 1}, {"args": "x"}, {"args": None}, {"args": []}],
    ids=str,
)
async def test_a_malformed_call_is_refused(api: Api, changes: dict[str, Any]) -> None:
    answer = await direct(api, await api.create(), **changes)
    assert answer.verdict == (400, "InvalidParameter")


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"\xff", b"[" * 100_000, b"null"])
async def test_a_body_that_is_no_object_is_refused(api: Api, body: bytes) -> None:
    made = await api.create()
    headers = {"X-Access-Token": made["Token"]}
    answer = await api.post(f"/link/{made['SessionId']}/callTool", data=body, headers=headers)
    assert answer.verdict == (400, "InvalidParameter")


async def test_the_direct_link_ends_with_its_session(api: Api) -> None:
    made = await api.create()
    await api.call("ReleaseMcpSession", SessionId=made["SessionId"])
    assert (await direct(api, made)).verdict == (404, "InvalidMcpSession.NotFound")
    never = {"SessionId": "session-0", "Token": made["Token"]}
    assert (await direct(api, never)).verdict == (404, "InvalidMcpSession.NotFound")


async def test_a_paused_session_takes_no_direct_calls(api: Api) -> None:
    made = await api.create()
    await api.call("PauseSessionAsync", SessionId=made["SessionId"])
    assert (await direct(api, made)).verdict == (400, "InvalidMcpSession.Paused")


async def test_web_pages_of_other_sites_may_not_use_the_direct_link(api: Api) -> None:
    made = await api.create()
    headers = {"X-Access-Token": made["Token"], "Origin": "https://evil.example"}
    answer = await api.post(f"/link/{made['SessionId']}/callTool", json={"tool": "shell"}, headers=headers)
    assert answer.verdict == (403, "Forbidden.Origin")
