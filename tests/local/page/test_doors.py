"""Who may look at a session and what is then done with it as a whole."""

from __future__ import annotations

import asyncio
import json
import re
import signal
import sys
from typing import Any

import aiohttp
import pytest
from attrs import evolve

from agentbay_local.page.front import front_urls
from tests.local.conftest import Served, environment
from tests.local.page.looking import HEADER, Looker
from tests.local.service.api import Api

DOORS = (
    ("GET", "/state"), ("POST", "/do/pause"), ("POST", "/do/delete"), ("GET", "/files"), ("POST", "/files"),
    ("GET", "/file"), ("PUT", "/file"), ("POST", "/ticket"), ("GET", "/use"), ("POST", "/end"), ("GET", "/calls"),
    ("GET", "/terminal"),
)  # fmt: skip
NOWHERE = (404, "InvalidMcpSession.NotFound")


async def verdicts(looker: Looker) -> set[tuple[int, str]]:
    return {(await looker.ask(path, method, path='"."')).verdict for method, path in DOORS}


async def test_every_door_is_shut_alike_without_the_code_with_another_one_and_after_the_end(api: Api) -> None:
    one, other = [await Looker.of(api, (await api.create())["SessionId"]) for _ in range(2)]
    for code in ("", other.code, one.code[:-1], (await api.call("GetSession", SessionId=one.session)).data["Token"]):
        assert {NOWHERE} == await verdicts(evolve(one, code=code))
    assert {NOWHERE} == await verdicts(evolve(one, session="session-never"))
    assert "RUNNING" == await api.status(one.session)
    await api.call("ReleaseMcpSession", SessionId=one.session)
    assert {NOWHERE} == await verdicts(one)


async def test_the_code_in_the_address_opens_the_page_alone(looker: Looker) -> None:
    async with looker.api.http.get(looker.address("/state", authcode=looker.code)) as answer:
        assert 404 == answer.status


async def test_a_page_says_what_browsers_must_hold_to(looker: Looker) -> None:
    async with looker.api.http.get(looker.url) as one, looker.api.http.get(looker.url) as two:
        policy, headers, text = one.headers["Content-Security-Policy"], one.headers, await one.text()
    nonces = set(re.findall(r"'nonce-([\w-]+)'", policy))
    assert (1, False) == (len(nonces), policy == two.headers["Content-Security-Policy"])
    assert nonces == set(re.findall(r'<(?:script|style) nonce="([^"]+)"', text))
    assert {"default-src 'none'", "frame-ancestors 'none'", "connect-src 'self'"} <= set(policy.split("; "))
    expected = {"Cache-Control": "no-store", "Referrer-Policy": "no-referrer", "X-Content-Type-Options": "nosniff"}
    assert expected | {"Cross-Origin-Opener-Policy": "same-origin"} == {
        name: headers[name] for name in (*expected, "Cross-Origin-Opener-Policy")
    }
    assert "Set-Cookie" not in headers


async def test_what_a_label_says_stays_text_in_the_page(api: Api) -> None:
    labels = {"a": "</script><script>alert(1)</script>"}
    session = (await api.create(Labels=json.dumps(labels)))["SessionId"]
    async with api.http.get((await Looker.of(api, session)).url) as page:
        text = await page.text()
    assert ["alert" in text, "<script>alert" in text, "@@" in text] == [True, False, False]


async def test_the_page_pauses_and_resumes_a_session(looker: Looker) -> None:
    paused = await looker.ask("/do/pause", "POST")
    assert ["PAUSED", "PAUSED"] == [paused.body["state"], (await looker.get("/state"))["state"]]
    for method, path in (
        ("GET", "/files"),
        ("PUT", "/file"),
        ("POST", "/ticket"),
        ("POST", "/end"),
        ("GET", "/terminal"),
    ):
        assert (409, "InvalidMcpSession.Paused") == (await looker.ask(path, method, path='"."')).verdict
    assert 400 == (await looker.ask("/do/delete", "POST")).status
    assert [] == (await looker.get("/calls"))["calls"]
    assert "RUNNING" == (await looker.ask("/do/resume", "POST")).body["state"]


async def test_the_page_deletes_a_session(looker: Looker) -> None:
    assert (200, {}) == ((answer := await looker.ask("/do/delete", "POST")).status, answer.body)
    assert await looker.api.becomes(looker.session, "FINISH")


async def test_nothing_else_can_be_done(looker: Looker) -> None:
    assert 404 == (await looker.ask("/do/reboot", "POST")).status


async def test_another_page_on_this_machine_may_not_ask(looker: Looker) -> None:
    headers = {HEADER: looker.code, "Origin": "http://127.0.0.1:1"}
    async with looker.api.http.get(looker.address("/state"), headers=headers) as answer:
        assert 403 == answer.status
    with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
        await looker.api.http.ws_connect(
            looker.address("/terminal"), protocols=[f"agentbay.{looker.code}"], origin="http://evil.example"
        )
    assert 403 == refused.value.status


async def test_a_page_of_a_session_cannot_watch_over_the_whole_origin(api: Api) -> None:
    session = (await api.create())["SessionId"]
    headers = "".join(f"{name}: 1\\r\\n" for name in (*WHOLE_ORIGIN, "X-Own"))
    serve = f"printf 'HTTP/1.0 200 OK\\r\\n{headers}\\r\\nself' > answer"
    script = f"{serve}; nohup python3 -c '{ANSWERER}' >/dev/null 2>&1 &"
    await api.shell(session, script)
    link = (await api.call("GetLink", SessionId=session, Port="8000", ProtocolType="https")).data["Url"]
    for _ in range(100):
        async with api.http.get(link) as answer:
            if answer.status == 200:
                break
        await asyncio.sleep(0.05)
    assert ("1", []) == (answer.headers["X-Own"], [name for name in WHOLE_ORIGIN if name in answer.headers])
    for header in ({"Service-Worker": "script"}, {"Sec-Fetch-Dest": "serviceworker"}):
        async with api.http.get(link, headers=header) as answer:
            assert (403, "Forbidden.ServiceWorker") == (answer.status, (await answer.json())["Code"])


WHOLE_ORIGIN = (
    "Alt-Svc", "Clear-Site-Data", "NEL", "Report-To", "Reporting-Endpoints", "Service-Worker-Allowed",
    "Strict-Transport-Security", "Use-As-Dictionary",
)  # fmt: skip
ANSWERER = (
    'import socket; s = socket.create_server(("127.0.0.1", 8000)); data = open("answer", "rb").read()\n'
    "while True: c, _ = s.accept(); c.recv(4096); c.sendall(data); c.close()"
)


# --- The front page ---------------------------------------------------------------------------------------------------


async def front(served: Served, api: Api, key: str) -> tuple[list[dict[str, Any]], str]:
    """What the front page of a key shows, and its text."""
    [url] = front_urls(served.endpoint, [key])
    async with api.http.get(url) as page:
        assert (200, "text/html") == (page.status, page.content_type)
        text = await page.text()
    headers = {HEADER: url.partition("token=")[2]}
    async with api.http.get(f"{served.endpoint}/sessions", headers=headers) as answer:
        return (await answer.json())["sessions"], text


async def test_the_front_page_lists_the_sessions_of_its_key_and_leads_to_their_pages(
    runtime: Served, looker: Looker
) -> None:
    shown, text = await front(runtime, looker.api, runtime.key)
    [mine] = [each for each in shown if each["id"] == looker.session]
    assert ["RUNNING", "linux_latest", {}] == [mine["state"], mine["image"], mine["labels"]]
    assert {"memory", "cpu_seconds", "workspace_used"} <= set(mine["use"])
    async with looker.api.http.get(runtime.endpoint + mine["page"]) as page:
        assert (200, True) == (page.status, looker.session in await page.text())
    assert looker.session not in text
    others, _ = await front(runtime, looker.api, runtime.other_key)
    assert looker.session not in [each["id"] for each in others]


@pytest.mark.parametrize("query", ["", "?token=", "?token=0", "?token={key}"])
async def test_without_its_token_the_front_page_says_what_to_do(runtime: Served, api: Api, query: str) -> None:
    query = query.format(key=runtime.key)
    async with api.http.get(f"{runtime.endpoint}/{query}") as answer:
        text = await answer.text()
    assert (401, "text/plain", True) == (answer.status, answer.content_type, "agentbay serve" in text)
    async with api.http.get(f"{runtime.endpoint}/sessions", headers={HEADER: query[7:]}) as answer:
        assert 401 == answer.status


async def said_by(*options: str) -> tuple[str, str, str]:
    """What `agentbay serve` prints: its endpoint and key, and what comes on standard error."""
    command = (sys.executable, "-m", "agentbay_local", "serve", "--warm", "0", "--key", "akm-own", *options)
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(*command, stdout=pipe, stderr=pipe, env=environment())
    assert process.stdout is not None
    endpoint, key = [(await process.stdout.readline()).decode().strip().partition("=")[2] for _ in range(2)]
    await asyncio.sleep(0.1)
    process.send_signal(signal.SIGTERM)
    rest, errors = await process.communicate()
    assert b"" == rest
    return endpoint, key, errors.decode()


async def test_a_server_that_starts_tells_people_where_the_front_page_is() -> None:
    endpoint, key, errors = await said_by()
    [url] = front_urls(endpoint, ["akm-own"])
    assert ("akm-own", [f"sessions to look at: {url}"]) == (
        key,
        [line for line in errors.splitlines() if "token=" in line],
    )


@pytest.mark.parametrize("option", [("--quiet",), ("--log-format", "json")])
async def test_a_log_for_machines_and_a_quiet_server_have_no_token_in_them(option: tuple[str, ...]) -> None:
    assert "token=" not in (await said_by(*option))[2]
