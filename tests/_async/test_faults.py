"""A client against bad servers on real sockets: each fault is a typed error in time, and the next call works."""

from __future__ import annotations

import threading
import time
from collections.abc import AsyncIterator, Callable

import pytest

from agentbay import APIConnectionError, APIResponseError, APITimeoutError, AsyncAgentBay, ClientClosedError
from agentbay._pairs import async_blocking, async_sleep
from tests.gateway import KEY
from tests.scripted import Peer, Server, async_all
from tests.surroundings import closed_port

GOOD = b'{"Success": true, "RequestId": "r", "Data": {"SessionId": "s-1", "Status": "RUNNING"}}'
HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n"

Open = Callable[..., AsyncAgentBay]


@pytest.fixture(params=["pool", "fast"])
async def open_client(request: pytest.FixtureRequest) -> AsyncIterator[Open]:
    """Opens clients with each engine; without retries, so that each fault is seen."""
    if request.param == "fast":
        pytest.importorskip("pyreqwest")
    opened: list[AsyncAgentBay] = []

    def open_client(url: str, timeout: float = 20.0, retries: int = 0) -> AsyncAgentBay:
        opened.append(AsyncAgentBay(KEY, endpoint=url, timeout=timeout, retries=retries, engine=request.param))
        return opened[-1]

    yield open_client
    for client in opened:
        await client.aclose()


def good(peer: Peer) -> None:
    while peer.request():
        peer.reply(GOOD)


def reset_before(peer: Peer) -> None:
    peer.request()
    peer.reset()


def reset_within(peer: Peer) -> None:
    peer.request()
    peer.send(HEAD + b'{"Success"')
    peer.reset()


def hang_up(peer: Peer) -> None:
    peer.request()


def cut(peer: Peer) -> None:
    peer.request()
    peer.send(HEAD + b'{"Success"')


def garbage(peer: Peer) -> None:
    peer.request()
    peer.send(b"\x00\x01 this is no HTTP at all\r\n\r\n" * 10)


def cut_head(peer: Peer) -> None:
    peer.request()
    peer.send(b"HTTP/1.1 200 OK\r\nContent-Le")


FAULTS = [reset_before, reset_within, hang_up, cut, garbage, cut_head]


@pytest.mark.parametrize("fault", FAULTS)
async def test_a_broken_answer_is_an_exception_and_the_next_call_works(
    open_client: Open, fault: Callable[[Peer], None]
) -> None:
    def script(peer: Peer) -> None:
        (fault if peer.number == 1 else good)(peer)

    with Server(script) as server:
        client = open_client(server.url)
        with pytest.raises(APIConnectionError, match=r"^GetSession failed: ") as caught:
            await client.get("s-1")
        after = await client.get("s-1")

    assert not isinstance(caught.value, APITimeoutError)
    assert (caught.value.attempts, caught.value.session_id) == (1, "s-1")
    assert (caught.value.__cause__ is not None, after.success) == (True, True)


async def test_a_refused_connection_is_an_exception(open_client: Open) -> None:
    with pytest.raises(APIConnectionError, match=r"^ListSession failed: cannot reach http://127.0.0.1"):
        await open_client(f"http://127.0.0.1:{closed_port()}").list()


async def test_a_host_that_does_not_exist_is_an_exception(open_client: Open) -> None:
    with pytest.raises(APIConnectionError, match=r"cannot reach http://nowhere.invalid"):
        await open_client("http://nowhere.invalid").list()


async def test_an_answer_that_is_no_json_is_an_exception(open_client: Open) -> None:
    with (
        Server(lambda peer: peer.request() and peer.reply(b"<html>")) as server,
        pytest.raises(APIResponseError, match="The answer to ListSession cannot be read"),
    ):
        await open_client(server.url).list()


def never(peer: Peer) -> None:
    """Take all and say nothing."""
    while peer.sock.recv(65536):
        pass


def trickle(peer: Peer) -> None:
    """Send a byte now and then, so that no single wait is long."""
    peer.request()
    peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
    while True:
        peer.send(b" ")
        time.sleep(0.02)


@pytest.mark.parametrize("script", [never, trickle])
@pytest.mark.parametrize("retries", [0, 3])
async def test_a_server_that_never_finishes_is_given_up_in_time(
    open_client: Open, script: Callable[[Peer], None], retries: int
) -> None:
    with Server(script) as server:
        client = open_client(server.url, timeout=0.4, retries=retries)
        began = time.monotonic()
        with pytest.raises(APITimeoutError, match=r"No complete answer to ListSession came within 0.4 s"):
            await client.list()
        took = time.monotonic() - began

    assert 0.3 < took < 5


async def test_a_connection_that_the_server_closes_while_idle_is_replaced(open_client: Open) -> None:
    def once(peer: Peer) -> None:
        peer.request()
        peer.reply(GOOD)

    with Server(once) as server:
        client = open_client(server.url)
        successes = []
        for _ in range(5):
            successes.append((await client.get("s-1")).success)
            await async_sleep(0.05)

    assert (successes, server.opened) == ([True] * 5, 5)


async def test_closing_during_a_call_ends_it(open_client: Open) -> None:
    waiting = threading.Event()

    def script(peer: Peer) -> None:
        peer.request()
        waiting.set()
        peer.sock.recv(1)

    with Server(script) as server:
        client = open_client(server.url)

        async def close() -> None:
            await async_blocking(waiting.wait, 10)
            await client.aclose()

        async def call() -> None:
            await client.get("s-1")

        results = await async_all(lambda function: function(), [call, close])

    assert [type(result) for result in results] == [ClientClosedError, type(None)]
    assert str(results[0]).startswith("This client was closed during the call. (action=GetSession")


async def test_a_closed_client_says_so_without_a_request(open_client: Open) -> None:
    with Server(good) as server:
        client = open_client(server.url)
        await client.get("s-1")
        await client.aclose()
        with pytest.raises(ClientClosedError, match=r"This client is closed\..* Make a new one"):
            await client.get("s-1")

    assert isinstance(ClientClosedError(), RuntimeError)


async def test_many_calls_at_once_share_few_connections(open_client: Open) -> None:
    with Server(good) as server:
        client = open_client(server.url)
        results = await async_all(lambda number: client.get(f"s-{number}"), range(200), workers=64)

    assert [getattr(result, "success", result) for result in results] == [True] * 200
    assert server.most <= 200


async def test_connections_never_exceed_their_limit() -> None:
    with Server(good) as server:
        async with AsyncAgentBay(KEY, endpoint=server.url, engine="pool", max_connections=8) as client:
            results = await async_all(lambda number: client.get(f"s-{number}"), range(200), workers=64)

    assert [getattr(result, "success", result) for result in results] == [True] * 200
    assert server.most <= 8
    assert server.opened <= 8


async def test_both_routes_and_many_sessions_use_one_connection(open_client: Open) -> None:
    def script(peer: Peer) -> None:
        while request := peer.request():
            peer.reply(LINKED if b"/callTool" in request.head else DATA.replace(b"URL", server.url.encode()))

    with Server(script) as server:
        client = open_client(server.url, timeout=60.0)
        for number in range(5):
            session = (await client.get(f"s-{number}")).unwrap().session
            assert (await session.command.run("ls")).stdout == "hi"
            assert (await session.get_labels()).success

    assert server.opened == 1


DATA = b"""{"Success": true, "Data": {"SessionId": "s", "LinkUrl": "URL/link", "Token": "t",
"ToolList": [{"name": "shell", "server": "x"}]}}"""
LINKED = b'{"data": {"result": {"content": ["hi"]}}}'


async def test_keep_alive_is_used(open_client: Open) -> None:
    with Server(good) as server:
        client = open_client(server.url)
        for _ in range(50):
            await client.get("s-1")

    assert server.opened == 1
