"""What every engine does with servers that behave."""

from __future__ import annotations

import gzip
import threading
import time
import zlib

import pytest

from agentbay._async.engine import AsyncEngine
from agentbay._async.pool import AsyncPoolEngine
from tests._async.engines.given import (
    ask,
)
from tests.scripted import Peer, Server, echo


async def test_a_request_arrives_as_it_was_given(engine: AsyncEngine) -> None:
    seen: list[bytes] = []

    def script(peer: Peer) -> None:
        while request := peer.request():
            seen.append(request.head)
            peer.reply(request.body)

    with Server(script) as server:
        answer = await ask(engine, server.url, b"\x00\xff body")

    lines = seen[0].lower().split(b"\r\n")
    assert (answer.status, answer.body) == (200, b"\x00\xff body")
    assert lines[0] == b"post /some/%2fpath?a=%20b http/1.1"
    assert {b"content-type: text/plain", b"x-mark: one", b"content-length: 7"} <= set(lines)
    assert b"host: " + server.url.removeprefix("http://").encode() in lines


@pytest.mark.parametrize("status", [204, 301, 404, 500])
async def test_every_status_is_an_answer(engine: AsyncEngine, status: int) -> None:
    def script(peer: Peer) -> None:
        while peer.request():
            peer.send(b"HTTP/1.1 %d X\r\nContent-Length: 0\r\nLocation: /else\r\nX-Kind: Odd\r\n\r\n" % status)

    with Server(script) as server:
        answer = await ask(engine, server.url)

    assert (answer.status, answer.body) == (status, b"")
    assert (answer.headers.get("x-KIND"), answer.headers.get("x-none")) == ("Odd", None)


async def test_a_connection_is_kept_for_the_next_calls(engine: AsyncEngine) -> None:
    with Server(echo) as server:
        bodies = [(await ask(engine, server.url, b"%d" % number)).body for number in range(20)]

    assert bodies == [b"%d" % number for number in range(20)]
    assert server.opened == 1


async def test_a_chunked_body_is_joined(engine: AsyncEngine) -> None:
    def script(peer: Peer) -> None:
        while peer.request():
            peer.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
            for part in (b"ab", b"c" * 5000, b"d"):
                peer.send(b"%x\r\n%s\r\n" % (len(part), part))
            peer.send(b"0\r\n\r\n")

    with Server(script) as server:
        bodies = [(await ask(engine, server.url)).body for _ in range(2)]

    assert bodies == [b"ab" + b"c" * 5000 + b"d"] * 2
    assert server.opened == 1


async def test_a_body_that_ends_with_the_connection_is_whole(engine: AsyncEngine) -> None:
    def script(peer: Peer) -> None:
        peer.request()
        peer.send(b"HTTP/1.0 200 OK\r\n\r\nuntil the end")

    with Server(script) as server:
        bodies = [(await ask(engine, server.url)).body for _ in range(2)]

    assert bodies == [b"until the end"] * 2
    assert server.opened == 2


async def test_interim_answers_are_skipped(engine: AsyncEngine) -> None:
    def script(peer: Peer) -> None:
        while request := peer.request():
            peer.send(b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n")
            peer.reply(request.body)

    with Server(script) as server:
        answer = await ask(engine, server.url)

    assert (answer.status, answer.body) == (200, b"hello")


async def test_large_bodies_travel_both_ways(engine: AsyncEngine) -> None:
    body = bytes(range(256)) * 20_000

    with Server(echo) as server:
        bodies = [(await ask(engine, server.url, body)).body for _ in range(2)]

    assert [body == other for other in bodies] == [True, True]
    assert server.opened == 1


@pytest.mark.parametrize(
    ("encoding", "packed"),
    [(b"gzip", gzip.compress(b"plain text", mtime=0)), (b"deflate", zlib.compress(b"plain text"))],
)
async def test_a_compressed_answer_is_unpacked(engine: AsyncEngine, encoding: bytes, packed: bytes) -> None:
    def script(peer: Peer) -> None:
        while peer.request():
            peer.reply(packed, b"Content-Encoding: " + encoding)

    with Server(script) as server:
        answer = await ask(engine, server.url)

    assert answer.body == b"plain text"


@pytest.mark.parametrize("rude", [False, True])
async def test_an_early_answer_to_a_large_request_counts(pool: AsyncPoolEngine, rude: bool) -> None:
    def script(peer: Peer) -> None:
        peer.sock.recv(1000)
        peer.reply(b"too much", b"Connection: close", status=413)
        if rude:
            time.sleep(0.1)
            peer.reset()
        while peer.sock.recv(1 << 20):
            pass

    with Server(script) as server:
        answer = await ask(pool, server.url, bytes(32_000_000))

    assert (answer.status, answer.body) == (413, b"too much")


async def test_an_answer_may_come_while_the_request_is_still_under_way(pool: AsyncPoolEngine) -> None:
    def script(peer: Peer) -> None:
        talking = threading.Thread(target=peer.reply, args=(bytes(4_000_000), b"Connection: close"))
        talking.start()
        time.sleep(0.2)
        peer.request()
        talking.join()

    with Server(script) as server:
        answer = await ask(pool, server.url, bytes(16_000_000))

    assert len(answer.body) == 4_000_000
