"""What closing an engine ends."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

from agentbay._async.engine import AsyncEngine
from agentbay._async.pool import AsyncPoolEngine
from agentbay._engine import EngineError, EngineUnusable
from agentbay._pairs import async_sleep
from tests._async.engines.given import (
    MAKERS,
    Trust,
    ask,
    failure,
    never,
)
from tests.scripted import Peer, Server, async_all, echo


async def test_closing_twice_is_allowed_and_use_afterwards_is_not(maker: Callable[..., AsyncEngine]) -> None:
    engine = maker()
    with Server(echo) as server:
        await ask(engine, server.url)
        await engine.aclose()
        await engine.aclose()
        error = await failure(engine, server.url)

    assert type(error) is EngineUnusable
    assert (error.sent, str(error)) == (False, "the client is closed")


@pytest.mark.parametrize("tls", [False, True])
@pytest.mark.parametrize("made", ["pool", "fast"])
async def test_closing_ends_the_calls_under_way(made: str, tls: bool, trust: Trust) -> None:
    engine = MAKERS[made](verify=trust.path)

    def script(peer: Peer) -> None:
        peer.request()
        arrived.append(peer.number)
        peer.sock.recv(1)

    async def call() -> str:
        return str(await failure(engine, server.url))

    async def close() -> str:
        while len(arrived) < 3:
            await async_sleep(0.01)
        await engine.aclose()
        return "closed"

    arrived: list[int] = []
    with Server(script, trust.server("127.0.0.1") if tls else None) as server:
        results = await async_all(lambda do: do(), [call, call, call, close])

    assert results == ["the client was closed during the call"] * 3 + ["closed"]


async def test_closing_ends_a_call_that_is_still_connecting(trust: Trust) -> None:
    pool = AsyncPoolEngine(verify=trust.path)
    context = trust.server("127.0.0.1")

    def script(peer: Peer) -> None:
        arrived.set()
        closed.wait(5)
        with context.wrap_socket(peer.sock, server_side=True) as secure:
            secure.recv(1)

    async def call() -> tuple[type[EngineError], bool]:
        error = await failure(pool, server.url.replace("http:", "https:"))
        return type(error), error.sent

    async def close() -> str:
        while not arrived.is_set():
            await async_sleep(0.01)
        await pool.aclose()
        closed.set()
        return "closed"

    arrived, closed = threading.Event(), threading.Event()
    with Server(script) as server:
        results = await async_all(lambda do: do(), [call, close])

    assert results == [(EngineUnusable, False), "closed"]


async def test_closing_ends_the_calls_that_wait_for_a_connection() -> None:
    pool = AsyncPoolEngine(max_connections=1)

    async def call(_: int) -> str:
        return str(await failure(pool, server.url))

    async def close(_: int) -> str:
        await async_sleep(0.2)
        await pool.aclose()
        return "closed"

    with Server(never) as server:
        results = await async_all(lambda number: (close if number == 3 else call)(number), range(4))

    assert sorted(map(str, results)) == [
        "closed",
        "the client was closed during the call",
        "the client was closed while the call waited for a connection",
        "the client was closed while the call waited for a connection",
    ]


async def test_closing_closes_the_connections() -> None:
    pool = AsyncPoolEngine()
    gone: list[int] = []

    def script(peer: Peer) -> None:
        echo(peer)
        gone.append(peer.number)

    with Server(script) as server:
        await ask(pool, server.url)
        await pool.aclose()
        while not gone:
            await async_sleep(0.01)

    assert gone == [1]
