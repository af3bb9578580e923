"""What every engine says about servers that do not behave."""

from __future__ import annotations

import gzip
import time
from collections.abc import Callable
from typing import Any

import pytest

from agentbay._async.engine import AsyncEngine
from agentbay._async.pool import AsyncPoolEngine
from agentbay._engine import AnswerTooLarge, EngineError, Origin
from agentbay._pairs import async_sleep
from tests._async.engines.given import (
    ask,
    closed_port,
    cut_body,
    failure,
    garbage,
    hang_up,
    limits,
    never,
    opened,
    reset_body,
)
from tests.scripted import Peer, Server, echo


async def test_a_refused_connection_has_sent_nothing(engine: AsyncEngine) -> None:
    error = await failure(engine, f"http://127.0.0.1:{closed_port()}")

    assert (error.sent, error.timed_out) == (False, False)
    assert "cannot reach http://127.0.0.1:" in str(error)
    assert error.__cause__ is not None


async def test_an_unknown_host_has_sent_nothing(engine: AsyncEngine) -> None:
    error = await failure(engine, "http://no-such-host.invalid")

    assert (error.sent, error.timed_out) == (False, False)


def reset_after(peer: Peer) -> None:
    peer.request()
    peer.reset()


def cut_head(peer: Peer) -> None:
    peer.request()
    peer.send(b"HTTP/1.1 200 OK\r\nContent-")


def cut_chunk(peer: Peer) -> None:
    peer.request()
    peer.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab")


def bad_gzip(peer: Peer) -> None:
    peer.request()
    peer.reply(b"not gzip at all", b"Content-Encoding: gzip")


def other_protocol(peer: Peer) -> None:
    peer.request()
    peer.send(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: nonsense\r\nConnection: upgrade\r\n\r\n")


BAD = [hang_up, reset_after, cut_head, cut_body, cut_chunk, reset_body, garbage, bad_gzip, other_protocol]


@pytest.mark.parametrize("script", BAD)
async def test_a_lost_answer_may_have_had_its_effect(engine: AsyncEngine, script: Callable[[Peer], None]) -> None:
    with Server(script) as server:
        error = await failure(engine, server.url)

    assert (error.sent, error.timed_out) == (True, False)
    assert error.__cause__ is not None
    assert "path" not in str(error)


async def test_a_call_after_a_failure_gets_a_new_connection(engine: AsyncEngine) -> None:
    def script(peer: Peer) -> None:
        cut_body(peer) if peer.number == 1 else echo(peer)

    with Server(script) as server:
        await failure(engine, server.url)
        answer = await ask(engine, server.url)

    assert answer.body == b"hello"


async def test_a_connection_closed_while_idle_is_not_used_again(engine: AsyncEngine) -> None:
    def script(peer: Peer) -> None:
        peer.request()
        peer.reply(b"%d" % peer.number)

    with Server(script) as server:
        bodies = []
        for _ in range(3):
            bodies.append((await ask(engine, server.url)).body)
            await async_sleep(0.05)

    assert bodies == [b"1", b"2", b"3"]


@pytest.mark.parametrize("given", [{"read": 0.2}, {"total": 0.2}])
async def test_a_server_that_never_answers_is_given_up(engine: AsyncEngine, given: dict[str, Any]) -> None:
    start = time.monotonic()
    with Server(never) as server:
        error = await failure(engine, server.url, **given)

    assert (error.sent, error.timed_out) == (True, True)
    assert 0.15 < time.monotonic() - start < 3


async def test_a_slow_trickle_does_not_outlive_the_deadline(engine: AsyncEngine) -> None:
    with Server(lambda peer: trickle(peer, server)) as server:
        start = time.monotonic()
        error = await failure(engine, server.url, total=0.5)

    assert (error.sent, error.timed_out) == (True, True)
    assert time.monotonic() - start < 3


def trickle(peer: Peer, server: Server) -> None:
    peer.request()
    peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
    while not server.over.wait(0.05):
        peer.send(b"x")


async def test_a_trickle_in_the_head_does_not_outlive_the_deadline(pool: AsyncPoolEngine) -> None:
    def script(peer: Peer) -> None:
        peer.request()
        peer.send(b"HTTP/1.1 200 OK\r\nX-Long: ")
        while not server.over.wait(0.05):
            peer.send(b"x")

    with Server(script) as server:
        start = time.monotonic()
        error = await failure(pool, server.url, total=0.5)

    assert (error.sent, error.timed_out) == (True, True)
    assert time.monotonic() - start < 3


async def test_a_deadline_in_the_past_sends_nothing(pool: AsyncPoolEngine) -> None:
    with Server(echo) as server:
        error = await failure(pool, server.url, total=-1)

    assert (error.sent, error.timed_out) == (False, True)


async def test_a_server_that_does_not_read_is_given_up(pool: AsyncPoolEngine) -> None:
    with Server(lambda _: server.over.wait(10)) as server:
        error = await failure(pool, server.url, bytes(64_000_000), read=0.3)

    assert (error.sent, error.timed_out) == (True, True)


@pytest.mark.parametrize("chunked", [False, True])
async def test_an_answer_that_is_too_large_is_refused(maker: Callable[..., AsyncEngine], chunked: bool) -> None:
    def script(peer: Peer) -> None:
        while peer.request():
            peer.send(b"HTTP/1.1 200 OK\r\n")
            peer.send(b"Transfer-Encoding: chunked\r\n\r\n7d0\r\n" if chunked else b"Content-Length: 2000\r\n\r\n")
            peer.send(b"x" * 2000 + (b"\r\n0\r\n\r\n" if chunked else b""))

    with Server(script) as server:
        async with opened(maker, max_answer=1000) as engine:
            with pytest.raises(AnswerTooLarge, match="larger than 1000 bytes"):
                await ask(engine, server.url)


async def test_a_small_answer_cannot_unpack_to_a_large_one(maker: Callable[..., AsyncEngine]) -> None:
    def script(peer: Peer) -> None:
        while peer.request():
            peer.reply(gzip.compress(bytes(1_000_000), mtime=0), b"Content-Encoding: gzip")

    with Server(script) as server:
        async with opened(maker, max_answer=10_000) as engine:
            with pytest.raises(AnswerTooLarge):
                await ask(engine, server.url)


async def test_a_header_that_would_smuggle_a_line_is_not_sent(engine: AsyncEngine) -> None:
    with Server(echo) as server, pytest.raises(EngineError) as caught:
        await engine.post(Origin.parse(server.url), b"/", [(b"x-mark", b"a\r\nx-evil: b")], b"", limits())

    assert caught.value.sent is False


async def test_a_target_that_is_no_ascii_is_not_sent(engine: AsyncEngine) -> None:
    with Server(echo) as server, pytest.raises(EngineError) as caught:
        await engine.post(Origin.parse(server.url), b"/\xff", [], b"", limits())

    assert caught.value.sent is False
