"""Links into the ports of a session: HTTP, streams, WebSocket."""

from __future__ import annotations

import asyncio
import shlex
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.local.inside import listening
from tests.local.service.api import Api

PORT = "30123"
SERVER = Path(__file__).with_name("page_server.py").read_text("utf-8")


@pytest.fixture
async def serving(api: Api, session: str) -> str:
    """The id of a session in which a server runs."""
    await api.tool(session, "write_file", path="/tmp/server.py", content=SERVER)
    command = f"{shlex.quote(sys.executable)} -I /tmp/server.py {PORT} >/tmp/log 2>&1 &"
    await api.shell(session, command)
    assert (await api.shell(session, listening(PORT)))["exit_code"] == 0, await api.shell(session, "cat /tmp/log")
    return session


async def link(api: Api, session: str, protocol: str = "https", port: str = PORT) -> str:
    answer = await api.call("GetLink", SessionId=session, ProtocolType=protocol, Port=port)
    return str(answer.data["Url"])


async def test_a_request_arrives_as_it_was_sent(api: Api, serving: str) -> None:
    url = await link(api, serving)
    headers = {"X-Own": "1", "User-Agent": "mine", "Connection": "X-Hop", "X-Hop": "1"}
    async with api.http.put(f"{url}a%2Fb/c?x=1&y=%20", data=b"body", headers=headers) as response:
        got: dict[str, Any] = await response.json()
    assert (got["method"], got["path"], got["body"]) == ("PUT", "/a%2Fb/c?x=1&y=%20", "body")
    assert (got["headers"]["x-own"], got["headers"]["user-agent"]) == ("1", "mine")
    assert "x-hop" not in got["headers"]
    assert got["headers"]["host"] == f"localhost:{PORT}"
    assert url.endswith(got["headers"]["x-forwarded-prefix"] + "/")


@pytest.mark.parametrize("method", ["GET", "HEAD", "DELETE", "PATCH", "OPTIONS"])
async def test_every_method_goes_through(api: Api, serving: str, method: str) -> None:
    async with api.http.request(method, await link(api, serving)) as response:
        body = await response.read()
    assert (response.status, f'"method": "{method}"' in body.decode()) == (200, method != "HEAD")


async def test_the_websocket_link_carries_plain_http_too(api: Api, serving: str) -> None:
    url = (await link(api, serving, "wss")).replace("ws://", "http://")
    async with api.http.get(f"{url}/x?y") as response:
        assert (await response.json())["path"] == "/x?y"


async def test_streams_flow_both_ways_at_once(api: Api, serving: str) -> None:
    heard: asyncio.Queue[bytes] = asyncio.Queue()

    async def talk() -> AsyncIterator[bytes]:
        yield b"one"
        for word in (b"two", b"three"):
            assert await heard.get()
            yield word

    answers = []
    async with api.http.post(f"{await link(api, serving)}echo", data=talk()) as response:
        async for piece in response.content.iter_any():
            answers.append(piece)
            heard.put_nowait(piece)
    assert answers == [b"one", b"two", b"three"]


async def test_redirects_within_the_session_stay_within_the_link(api: Api, serving: str) -> None:
    url = await link(api, serving)

    async def location(to: str) -> str:
        async with api.http.get(f"{url}away", params={"to": to}, allow_redirects=False) as response:
            return response.headers["Location"]

    prefix = url.removeprefix(api.endpoint)
    assert await location("/next?a=1") == f"{prefix}next?a=1"
    assert await location(f"http://localhost:{PORT}/next") == f"{prefix}next"
    assert await location("https://elsewhere.example/") == "https://elsewhere.example/"
    assert await location("next") == "next"


async def test_an_answer_that_breaks_off_breaks_off_for_the_client(api: Api, serving: str) -> None:
    with pytest.raises(aiohttp.ClientPayloadError):
        async with api.http.get(f"{await link(api, serving)}broken") as response:
            await response.read()


@pytest.mark.parametrize("protocol", ["wss", "https"])
async def test_websocket_messages_pass_both_ways(api: Api, serving: str, protocol: str) -> None:
    url = (await link(api, serving, protocol)).rstrip("/")
    async with api.http.ws_connect(f"{url}/socket?q=1", protocols=["first", "second"]) as socket:
        await socket.send_str("中")
        await socket.send_bytes(b"\x00\xff" * 100_000)
        heard = [await socket.receive_str(), await socket.receive_bytes()]
        assert (socket.protocol, heard) == ("second", ["/socket?q=1 中", b"\x00\xff" * 100_000])
        await socket.send_str("close")
        await socket.receive()
        assert socket.close_code == 4000


async def test_a_websocket_that_the_session_refuses_is_a_clear_error(api: Api, serving: str) -> None:
    with pytest.raises(aiohttp.WSServerHandshakeError) as caught:
        await api.http.ws_connect(f"{await link(api, serving, 'wss')}/seen")
    assert caught.value.status == 502


RAW = """
import socket, sys
server = socket.create_server(("127.0.0.1", int(sys.argv[1])))
while True:
    peer = server.accept()[0]
    peer.recv(65536)
    peer.sendall(ANSWER)
    peer.close()
"""


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"garbage\r\n\r\n",
        b"HTTP/1.1 200 O\x01K\r\nX: \x01\x7f\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"y" * 100_000 + b"\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 999 What\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nx",
    ],
    ids=range(7),
)
async def test_whatever_a_program_answers_does_the_server_no_harm(api: Api, session: str, answer: bytes) -> None:
    await api.tool(session, "write_file", path="/tmp/raw.py", content=f"ANSWER = {answer!r}\n{RAW}")
    await api.shell(session, f"python3 /tmp/raw.py {PORT} >/dev/null 2>&1 &")
    url = await link(api, session)
    await api.shell(session, f"until (echo >/dev/tcp/127.0.0.1/{PORT}) 2>/dev/null; do sleep 0.02; done")
    try:
        async with api.http.get(url) as response:
            await response.read()
            assert response.status != 500
    except aiohttp.ClientError:
        pass
    assert await api.status(session) == "RUNNING"


async def test_asking_again_gives_the_same_link(api: Api, session: str) -> None:
    assert await link(api, session) == await link(api, session)
    assert await link(api, session) != await link(api, session, port="30124")


async def test_a_port_where_nobody_listens_is_a_clear_error(api: Api, session: str) -> None:
    async with api.http.get(await link(api, session, port="30199")) as response:
        body = await response.json()
    assert (response.status, body["Code"], "30199" in body["Message"]) == (502, "InvalidLink.NotReachable", True)


async def test_a_link_that_nobody_made_is_not_found(api: Api) -> None:
    for path in ("/request_ai/none/path/", "/websocket_ai/none", "/request_ai/none/path"):
        assert (await api.post(path)).verdict == (404, "InvalidLink.NotFound")


async def test_a_link_ends_with_its_session(api: Api, serving: str) -> None:
    url = await link(api, serving)
    async with api.http.ws_connect(f"{await link(api, serving, 'wss')}/socket") as socket:
        await api.call("ReleaseMcpSession", SessionId=serving)
        assert (await socket.receive()).type in {aiohttp.WSMsgType.CLOSE, aiohttp.WSMsgType.CLOSED}
    async with api.http.get(url) as response:
        assert (response.status, (await response.json())["Code"]) == (404, "InvalidLink.NotFound")


async def test_links_do_not_work_while_the_session_is_paused(api: Api, serving: str) -> None:
    url = await link(api, serving)
    await api.call("PauseSessionAsync", SessionId=serving)
    async with api.http.get(url) as response:
        assert (response.status, (await response.json())["Code"]) == (400, "InvalidMcpSession.Paused")
    await api.call("ResumeSessionAsync", SessionId=serving)
    async with api.http.get(url) as response:
        assert response.status == 200


async def test_pages_of_other_sites_may_open_links(api: Api, serving: str) -> None:
    async with api.http.get(await link(api, serving), headers={"Origin": "https://other.example"}) as response:
        assert response.status == 200
