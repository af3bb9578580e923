"""Who is trusted."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from agentbay._async.engine import AsyncEngine
from agentbay._async.pool import AsyncPoolEngine
from tests._async.engines.given import (
    MAKERS,
    Trust,
    ask,
    cut_body,
    failure,
    garbage,
    hang_up,
    opened,
    reset_body,
)
from tests.scripted import Peer, Server, async_all, echo


async def test_tls_carries_calls_over_one_connection(maker: Callable[..., AsyncEngine], trust: Trust) -> None:
    body = bytes(range(256)) * 8000
    with Server(echo, trust.server("127.0.0.1")) as server:
        async with opened(maker, verify=trust.path) as engine:
            bodies = [(await ask(engine, server.url, sent)).body for sent in (b"a", body, b"b")]

    assert [len(received) for received in bodies] == [1, len(body), 1]
    assert bodies[1] == body
    assert server.opened == 1


async def test_an_unknown_authority_is_refused(engine: AsyncEngine, trust: Trust) -> None:
    with Server(echo, trust.server("127.0.0.1")) as server:
        error = await failure(engine, server.url)

    assert (error.sent, error.timed_out) == (False, False)
    assert "certificate" in str(error)


async def test_a_certificate_for_another_host_is_refused(maker: Callable[..., AsyncEngine], trust: Trust) -> None:
    with Server(echo, trust.server("elsewhere.example")) as server:
        async with opened(maker, verify=trust.path) as engine:
            error = await failure(engine, server.url)

    assert (error.sent, error.timed_out) == (False, False)


@pytest.mark.parametrize("made", ["pool", "fast"])
async def test_without_verification_anybody_is_accepted(made: str, trust: Trust) -> None:
    with Server(echo, trust.server("elsewhere.example")) as server:
        async with opened(MAKERS[made], verify=False) as engine:
            answer = await ask(engine, server.url)

    assert answer.body == b"hello"


async def test_a_server_that_speaks_no_tls_is_an_error(engine: AsyncEngine) -> None:
    with Server(lambda peer: peer.send(b"HTTP/1.1 400 Bad Request\r\n\r\n")) as server:
        error = await failure(engine, server.url.replace("http:", "https:"))

    assert (error.sent, error.timed_out) == (False, False)


@pytest.mark.parametrize("given", [{"connect": 0.3}, {"total": 0.3}])
async def test_a_handshake_that_never_ends_is_given_up(pool: AsyncPoolEngine, given: dict[str, Any]) -> None:
    with Server(lambda peer: peer.sock.recv(10_000) and server.over.wait(10)) as server:
        error = await failure(pool, server.url.replace("http:", "https:"), **given)

    assert (error.sent, error.timed_out) == (False, True)


@pytest.mark.parametrize("script", [hang_up, cut_body, reset_body, garbage])
async def test_tls_connections_fail_like_others(
    maker: Callable[..., AsyncEngine], trust: Trust, script: Callable[[Peer], None]
) -> None:
    with Server(script, trust.server("127.0.0.1")) as server:
        async with opened(maker, verify=trust.path) as engine:
            error = await failure(engine, server.url)

    assert (error.sent, error.timed_out) == (True, False)


async def test_many_tls_calls_at_once_are_kept_apart(trust: Trust) -> None:
    pool = AsyncPoolEngine(verify=trust.path, max_connections=16)

    async def call(number: int) -> bytes:
        return (await ask(pool, server.url, b"%d" % number * 1000)).body

    with Server(echo, trust.server("127.0.0.1")) as server:
        bodies = await async_all(call, range(200))
        await pool.aclose()

    assert bodies == [b"%d" % number * 1000 for number in range(200)]
