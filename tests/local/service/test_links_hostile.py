"""Links to servers that mean no good, and links of sessions that end: what goes wrong stays where it is."""

from __future__ import annotations

import asyncio
import base64
from pathlib import Path
from urllib.parse import urlsplit

import aiohttp
import pytest

from agentbay_local.service import linking
from tests.local.service.api import Api

PORT = "30123"
SERVER = Path(__file__).with_name("hostile_server.py").read_text("utf-8")


@pytest.fixture
async def hostile(api: Api, session: str) -> str:
    """The id of a session with a server that does what it likes."""
    await api.tool(session, "write_file", path="/tmp/server.py", content=SERVER)
    await api.shell(session, f"python3 -I /tmp/server.py {PORT} >/tmp/log 2>&1 &")
    wait = f"for _ in $(seq 200); do (echo >/dev/tcp/127.0.0.1/{PORT}) 2>/dev/null && exit 0; sleep 0.02; done; exit 1"
    assert (await api.shell(session, wait))["exit_code"] == 0, await api.shell(session, "cat /tmp/log")
    return session


async def link(api: Api, session: str, protocol: str = "https", port: str = PORT) -> str:
    answer = await api.call("GetLink", SessionId=session, ProtocolType=protocol, Port=port)
    return str(answer.data["Url"]).rstrip("/")


async def get(api: Api, url: str) -> tuple[int, bytes]:
    async with api.http.get(url) as response:
        return response.status, await response.read()


async def logged(api: Api, session: str, line: str) -> bool:
    """Whether the server inside says a line, for at most some seconds."""
    seen = f"for _ in $(seq 200); do grep -qx '{line}' /tmp/log && exit 0; sleep 0.02; done; exit 1"
    return (await api.shell(session, seen))["exit_code"] == 0


async def test_a_bad_answer_hurts_only_its_own_request(api: Api, hostile: str) -> None:
    url = await link(api, hostile)
    stuck = [asyncio.create_task(get(api, f"{url}/never")) for _ in range(5)]
    for path in ("/headers", "/minus", "/long"):
        assert (await get(api, url + path))[0] == 502
        assert await get(api, f"{url}/fine") == (200, b"fine")
    for path in ("/short", "/cut"):
        with pytest.raises(aiohttp.ClientPayloadError):
            await get(api, url + path)
        assert await get(api, f"{url}/fine") == (200, b"fine")
    assert not any(task.done() for task in stuck)
    for task in stuck:
        task.cancel()
    assert await asyncio.gather(*stuck, return_exceptions=True)
    assert await api.status(hostile) == "RUNNING"


async def test_odd_but_lawful_answers_come_through(api: Api, hostile: str) -> None:
    url = await link(api, hostile)
    for path in ("/early", "/trailers", "/drip", "/fine"):
        assert await get(api, url + path) == (200, b"fine")


async def test_headers_cannot_be_smuggled_into_an_answer(api: Api, hostile: str) -> None:
    url = await link(api, hostile)
    for path in ("/split", "/both"):
        async with api.http.get(url + path) as response:
            assert "Set-Cookie" not in response.headers
            assert response.status in {200, 502}


async def test_a_head_request_tells_the_length_and_cookies_pass_one_by_one(api: Api, hostile: str) -> None:
    url = await link(api, hostile)
    async with api.http.head(f"{url}/length") as response:
        assert (response.status, response.headers["Content-Length"]) == (200, "4000")
    async with api.http.get(f"{url}/cookies") as response:
        assert response.headers.getall("Set-Cookie") == ["a=1", "b=2; HttpOnly"]


async def test_what_a_client_gives_up_is_given_up_inside(api: Api, hostile: str) -> None:
    """A server that never answers would otherwise keep its session in use for ever."""
    task = asyncio.create_task(get(api, f"{await link(api, hostile)}/never"))
    assert await logged(api, hostile, "asked /never")
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert await logged(api, hostile, "ended /never")


async def test_a_message_without_end_ends_its_websocket_alone(api: Api, hostile: str) -> None:
    async with api.http.ws_connect(f"{await link(api, hostile, 'wss')}/socket", max_msg_size=0) as socket:
        assert (await socket.receive()).type in {aiohttp.WSMsgType.CLOSE, aiohttp.WSMsgType.CLOSED}
        assert socket.close_code == 1009
    assert await get(api, f"{await link(api, hostile)}/fine") == (200, b"fine")


async def test_a_client_that_asks_before_it_sends_is_answered_at_once(api: Api, hostile: str) -> None:
    place = urlsplit(await link(api, hostile))
    reader, writer = await asyncio.open_connection(place.hostname, place.port)
    headers = f"Host: {place.netloc}\r\nContent-Length: 2\r\nExpect: 100-continue"
    writer.write(f"POST {place.path}/fine HTTP/1.1\r\n{headers}\r\n\r\n".encode())
    assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
    writer.write(b"hi")
    assert (await reader.readuntil(b"\r\n")).startswith(b"HTTP/1.1 200 ")
    writer.close()


async def test_a_request_with_huge_headers_is_refused(api: Api, hostile: str) -> None:
    url = await link(api, hostile)
    async with api.http.get(f"{url}/fine", headers={"X": "y" * 100_000}) as response:
        assert response.status == 400
    assert await get(api, f"{url}/fine") == (200, b"fine")


async def test_the_end_of_a_session_breaks_whatever_goes_through_its_links(api: Api, hostile: str) -> None:
    url = await link(api, hostile)
    waiting = asyncio.create_task(get(api, f"{url}/never"))
    assert await logged(api, hostile, "asked /never")
    async with api.http.get(f"{url}/body") as response:
        await response.content.readexactly(1 << 20)
        await api.call("ReleaseMcpSession", SessionId=hostile)
        with pytest.raises(aiohttp.ClientPayloadError):
            await response.read()
    assert (await waiting)[0] == 404


async def test_a_token_cannot_be_guessed_and_a_dead_one_looks_like_one_that_never_was(api: Api, session: str) -> None:
    tokens = [urlsplit(await link(api, session, port=port)).path.split("/")[2] for port in ("30123", "30124")]
    assert len({*tokens}) == 2
    assert [len(base64.urlsafe_b64decode(token)) for token in tokens] == [24, 24]
    await api.call("ReleaseMcpSession", SessionId=session)
    dead, none = [await api.post(f"/request_ai/{token}/path/") for token in (tokens[0], "x" * 32)]
    assert dead.verdict == (404, "InvalidLink.NotFound")
    assert {**dead.body, "RequestId": ""} == {**none.body, "RequestId": ""}


async def test_a_stranger_gets_no_link_and_learns_nothing(api: Api, stranger: Api, session: str) -> None:
    answers = [
        await stranger.call("GetLink", SessionId=name, ProtocolType=protocol, Port=PORT)
        for name in (session, "session-none")
        for protocol in ("https", "tcp")
    ]
    bodies = [{**answer.body, "RequestId": ""} for answer in answers]
    assert (answers[0].verdict, bodies) == ((400, "InvalidMcpSession.NotFound"), [bodies[0]] * 4)
    assert (await api.call("GetLink", SessionId=session, ProtocolType="https", Port=PORT)).status == 200


async def test_a_session_has_so_many_links(runtime_alone: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(linking, "MOST_LINKS", 2)
    session = str((await runtime_alone.create())["SessionId"])
    first = await link(runtime_alone, session, port="30101")
    await link(runtime_alone, session, port="30102")
    refused = await runtime_alone.call("GetLink", SessionId=session, ProtocolType="https", Port="30103")
    assert refused.verdict == (429, "QuotaExceeded.Link")
    assert await link(runtime_alone, session, port="30101") == first


ONE_BY_ONE = f"""
import socket
server = socket.create_server(("127.0.0.1", {PORT}))
while True:
    with server.accept()[0] as peer:
        while peer.recv(65536):
            peer.sendall(b"HTTP/1.1 200 OK\\r\\nContent-Length: 4\\r\\n\\r\\nfine")
"""


async def test_a_server_that_takes_one_connection_at_a_time_gets_on(api: Api, session: str) -> None:
    """It waits for the end of a connection before it takes the next, so that none may be kept for long."""
    await api.shell(session, f"python3 -c '{ONE_BY_ONE}' >/tmp/log 2>&1 &")
    await api.shell(session, f"until (: >/dev/tcp/127.0.0.1/{PORT}) 2>/dev/null; do sleep 0.02; done")
    url = await link(api, session)
    assert [await get(api, url) for _ in range(3)] == [(200, b"fine")] * 3
    async with asyncio.timeout(10), api.http.post(url, data=b"x") as response:
        assert (response.status, await response.read()) == (200, b"fine")
