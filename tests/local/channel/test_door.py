"""Who may connect to a session, what is done with frames, and how a connection ends."""

from __future__ import annotations

import asyncio
import json
import struct

import aiohttp
import pytest

from tests.local.channel.wire import Closed, Json, Wire, connect, refused
from tests.local.conftest import serve
from tests.local.service.api import Api

GONE = (404, "InvalidMcpSession.NotFound")
LARGEST = 16 << 20


# --- Who may connect --------------------------------------------------------------------------------------------------


async def test_every_session_has_a_path_of_its_own(api: Api) -> None:
    one, two = await api.create(), await api.create()
    address = "ws" + api.endpoint.removeprefix("http")
    assert [one["WsUrl"], two["WsUrl"]] == [f"{address}/channel/{made['SessionId']}" for made in (one, two)]


async def test_get_session_tells_the_address_too(api: Api, made: Json) -> None:
    found = (await api.call("GetSession", SessionId=made["SessionId"])).data
    assert (found["WsUrl"], found["Token"]) == (made["WsUrl"], made["Token"])


@pytest.mark.parametrize("token", ["", "wrong", "ü"])
async def test_a_wrong_token_is_refused_before_the_upgrade(api: Api, made: Json, token: str) -> None:
    assert await refused(api, made, **{"X-Access-Token": token}) == (401, "NOT_LOGIN")


async def test_a_missing_token_is_refused(api: Api, made: Json) -> None:
    with pytest.raises(aiohttp.WSServerHandshakeError) as caught:
        await api.http.ws_connect(made["WsUrl"])
    assert caught.value.status == 401


async def test_one_sessions_token_does_not_open_another(api: Api, made: Json) -> None:
    other = await api.create()
    assert await refused(api, other | {"Token": made["Token"]}) == (401, "NOT_LOGIN")


async def test_a_session_that_never_was_is_not_found(api: Api, made: Json) -> None:
    never = made["WsUrl"].replace(made["SessionId"], "session-0")
    assert await refused(api, {"WsUrl": never, "Token": made["Token"]}) == GONE


async def test_a_session_that_has_ended_is_not_found(api: Api) -> None:
    made = await api.create()
    await api.call("ReleaseMcpSession", SessionId=made["SessionId"])
    assert await refused(api, made) == GONE


async def test_a_paused_session_takes_no_connection_until_it_is_resumed(api: Api, made: Json) -> None:
    await api.call("PauseSessionAsync", SessionId=made["SessionId"])
    assert await refused(api, made) == (409, "InvalidMcpSession.Paused")
    await api.call("ResumeSessionAsync", SessionId=made["SessionId"])
    assert await (await connect(api, made)).answered()


async def test_web_pages_of_other_sites_may_not_connect(api: Api, made: Json) -> None:
    assert await refused(api, made, Origin="https://evil.example") == (403, "Forbidden.Origin")


async def test_a_name_that_was_made_to_point_here_is_refused(api: Api, made: Json) -> None:
    assert await refused(api, made, Host="evil.example") == (403, "Forbidden.Host")


async def test_what_is_no_websocket_request_is_refused(api: Api, made: Json) -> None:
    url = made["WsUrl"].replace("ws", "http", 1)
    async with api.http.get(url, headers={"X-Access-Token": made["Token"]}) as response:
        assert (response.status, (await response.json())["Code"]) == (400, "InvalidRequest")


async def test_a_session_takes_many_connections_but_not_any_number(api: Api, made: Json) -> None:
    await api.http.close()
    api.http = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0))
    wires = await asyncio.gather(*(connect(api, made) for _ in range(100)))
    assert await refused(api, made) == (429, "QuotaExceeded.Connection")
    assert all(await asyncio.gather(*(wire.answered() for wire in wires)))
    await asyncio.gather(*(wire.socket.close() for wire in wires))
    assert await (await connected(api, made)).answered()


async def connected(api: Api, made: Json) -> Wire:
    """Connects as soon as there is a place."""
    for _ in range(200):
        try:
            return await connect(api, made)
        except aiohttp.WSServerHandshakeError:
            await asyncio.sleep(0.02)
    return await connect(api, made)


# --- Frames -----------------------------------------------------------------------------------------------------------


async def test_pings_are_answered_with_what_they_carry(api: Api, made: Json) -> None:
    headers = {"X-Access-Token": made["Token"]}
    async with api.http.ws_connect(made["WsUrl"], headers=headers, autoping=False) as socket:
        await socket.ping(b"are you there")
        message = await socket.receive(20)
    assert (message.type, message.data) == (aiohttp.WSMsgType.PONG, b"are you there")


BAD = [
    "",
    "{",
    "[]",
    "null",
    '"x"',
    '{"data":{}}',
    '{"invocationId":7}',
    '{"invocationId":"%s"}' % ("x" * 201),
    "[" * 9999,
]


@pytest.mark.parametrize("frame", ['{"type":"ping"}', *BAD], ids=lambda frame: f"{frame:.20}")
async def test_what_is_a_heartbeat_or_has_no_id_gets_no_answer(wire: Wire, frame: str) -> None:
    await wire.socket.send_str(frame)
    await wire.socket.send_bytes(frame.encode())
    assert await wire.answered()


async def test_bytes_that_are_not_utf8_get_no_answer(wire: Wire) -> None:
    await wire.socket.send_bytes(b'{"invocationId":"\xff"')
    assert await wire.answered()


async def test_a_frame_of_bytes_counts_as_one_of_text(wire: Wire) -> None:
    await wire.socket.send_bytes(b'{"invocationId":"1","target":"nobody","data":{}}')
    assert (await wire.next())["invocationId"] == "1"


@pytest.mark.parametrize(
    ("frame", "said"),
    [
        ({"invocationId": "1", "data": {}}, "The frame has no target: the name of a tool's server, or PTY_SERVER"),
        ({"requestId": "1", "target": "", "data": {}}, "The frame has no target: "),
        ({"invocationId": "1", "target": "PTY_SERVER"}, "The frame's data must be an object"),
        ({"invocationId": "1", "target": "PTY_SERVER", "data": []}, "The frame's data must be an object"),
    ],
    ids=str,
)
async def test_a_bad_frame_with_an_id_is_answered_with_an_error(wire: Wire, frame: Json, said: str) -> None:
    await wire.socket.send_str(json.dumps(frame))
    answer = await wire.next()
    assert answer["data"]["error"].startswith(said)
    assert answer | {"data": {}} == {"invocationId": "1", "source": "WEBSOCKET_SERVER", "target": "SDK", "data": {}}


async def test_an_unknown_target_is_named_with_those_that_are_served(wire: Wire) -> None:
    identity = await wire.send("nobody", {"method": "x"})
    answer = await wire.next()
    assert (answer["invocationId"], answer["source"]) == (identity, "WEBSOCKET_SERVER")
    assert answer["data"]["error"].startswith("The target nobody is not served here. Served are: ")
    assert "wuying_codespace" in answer["data"]["error"]


@pytest.mark.parametrize(("method", "named"), [("fly", "fly"), (None, "(none)"), (7, "(none)")])
async def test_an_unknown_method_is_named_with_those_there_are(wire: Wire, method: object, named: str) -> None:
    await wire.send("wuying_codespace", {"method": method})
    expected = f"The target wuying_codespace has no method {named}. It has: run_code"
    assert (await wire.next())["data"] == {"error": expected}


async def test_half_characters_in_an_id_come_back_as_they_were(wire: Wire) -> None:
    await wire.send("nobody", {"method": "\udfff"}, "\ud800")
    assert (await wire.next())["invocationId"] == "\ud800"


async def test_a_frame_beyond_the_limit_closes_the_connection(wire: Wire) -> None:
    # Only the head: the server need not wait for the rest to say no.
    wire.socket._response.connection.transport.write(struct.pack("!BBQI", 0x81, 0xFF, LARGEST + 1, 0))  # type: ignore[union-attr]
    assert (await wire.closed()).code == aiohttp.WSCloseCode.MESSAGE_TOO_BIG


# --- The end ----------------------------------------------------------------------------------------------------------


async def test_every_connection_is_told_that_its_session_ended(api: Api, made: Json) -> None:
    wires = [await connect(api, made) for _ in range(3)]
    await api.call("ReleaseMcpSession", SessionId=made["SessionId"])
    told = [await wire.closed() for wire in wires]
    assert told == [Closed(1001, "the session has ended: Released")] * 3


async def test_an_open_connection_alone_does_not_keep_a_session() -> None:
    served = serve("--idle", "1", "--warm", "0")
    try:
        async with Api(served.endpoint, served.key) as api:
            wire = await connect(api, await api.create())
            assert await wire.closed() == Closed(1001, "the session has ended: IdleTimeout")
    finally:
        assert served.stop() == 0


async def test_a_server_that_stops_says_so() -> None:
    served = serve("--warm", "0")
    async with Api(served.endpoint, served.key) as api:
        wire = await connect(api, await api.create(ImageId="code_latest"))
        await wire.code("import time; time.sleep(60)")
        await asyncio.sleep(0.2)
        api._made.clear()
        ended = asyncio.create_task(asyncio.to_thread(served.stop))
        assert await wire.closed() == Closed(1001, "the session has ended: ServerStopped")
        assert await ended == 0


async def test_a_pause_keeps_connections_and_refuses_messages(api: Api, made: Json, wire: Wire) -> None:
    await api.call("PauseSessionAsync", SessionId=made["SessionId"])
    identity = await wire.code("1")
    text = "The session is PAUSED: messages are not answered now. Resume it first."
    assert await wire.rest(identity) == [{"method": "run_code", "phase": "error", "error": text}]
    await api.call("ResumeSessionAsync", SessionId=made["SessionId"])
    assert await wire.printed(await wire.code("print(1)")) == "1\n"
