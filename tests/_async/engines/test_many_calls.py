"""Many calls at once, and how long connections live."""

from __future__ import annotations

import time

import pytest

from agentbay._async.engine import AsyncEngine
from agentbay._async.pool import AsyncPoolEngine
from agentbay._pairs import async_sleep
from tests._async.engines.given import (
    ask,
    closed_port,
    failure,
    never,
)
from tests.scripted import Peer, Server, async_all, echo


@pytest.mark.parametrize("limit", [1, 3, 40])
async def test_a_thousand_calls_share_a_few_connections(limit: int) -> None:
    pool = AsyncPoolEngine(max_connections=limit)

    async def call(number: int) -> bytes:
        return (await ask(pool, server.url, b"%d" % number)).body

    with Server(echo) as server:
        bodies = await async_all(call, range(1000))
        most = server.most
        await pool.aclose()

    assert bodies == [b"%d" % number for number in range(1000)]
    assert most <= limit


async def test_there_are_never_more_connections_than_calls_under_way(engine: AsyncEngine) -> None:
    async def call(number: int) -> bytes:
        return (await ask(engine, server.url, b"%d" % number)).body

    with Server(echo) as server:
        for _ in range(5):
            await async_all(call, range(8), workers=8)
        most = server.most

    assert most <= 8


async def test_a_call_that_finds_no_place_in_time_has_sent_nothing() -> None:
    pool = AsyncPoolEngine(max_connections=1)

    async def call(total: float) -> tuple[bool, bool, str]:
        error = await failure(pool, server.url, total=total)
        return error.sent, error.timed_out, str(error)

    with Server(never) as server:
        results = await async_all(call, [0.9, 0.3])
        await pool.aclose()

    assert sorted(results, key=str) == [
        (False, True, "no free connection in time: 1 are in use"),
        (True, True, f"no complete answer from {server.url}: time ran out"),
    ]


async def test_failing_connections_free_their_places() -> None:
    pool = AsyncPoolEngine(max_connections=2)
    url = f"http://127.0.0.1:{closed_port()}"

    async def call(_: int) -> bool:
        return (await failure(pool, url)).sent

    assert await async_all(call, range(20)) == [False] * 20
    assert pool.connections == 0
    await pool.aclose()


async def test_a_full_pool_gives_up_an_idle_connection_to_another_origin() -> None:
    pool = AsyncPoolEngine(max_connections=1)

    with Server(echo) as one, Server(echo) as two:
        bodies = [(await ask(pool, server.url, b"x")).body for server in (one, two, one)]
        assert pool.connections == 1
        await pool.aclose()

    assert bodies == [b"x", b"x", b"x"]
    assert (one.opened, two.opened) == (2, 1)


async def test_calls_to_two_origins_wait_for_the_same_places() -> None:
    pool = AsyncPoolEngine(max_connections=2)

    async def call(number: int) -> bytes:
        return (await ask(pool, (one, two)[number % 2].url, b"%d" % number)).body

    with Server(echo) as one, Server(echo) as two:
        bodies = await async_all(call, range(100))
        left = pool.connections
        await pool.aclose()

    assert bodies == [b"%d" % number for number in range(100)]
    assert left <= 2


async def test_an_idle_connection_expires() -> None:
    pool = AsyncPoolEngine(idle_expiry=0.1)

    with Server(echo) as server:
        await ask(pool, server.url)
        await async_sleep(0.2)
        await ask(pool, server.url)
        left = pool.connections
        await pool.aclose()

    assert (server.opened, left) == (2, 1)


async def test_old_connections_go_while_others_are_used() -> None:
    pool = AsyncPoolEngine(idle_expiry=0.3)

    def script(peer: Peer) -> None:
        while request := peer.request():
            time.sleep(0.1)
            peer.reply(request.body)

    with Server(script) as server:
        await async_all(lambda _: ask(pool, server.url), range(3))
        before = pool.connections
        for _ in range(4):
            await ask(pool, server.url)
        after = pool.connections
        await pool.aclose()

    assert (before, after, server.opened) == (3, 1, 3)


async def test_a_connection_that_speaks_out_of_turn_is_not_used_again(pool: AsyncPoolEngine) -> None:
    def script(peer: Peer) -> None:
        while request := peer.request():
            peer.reply(request.body)
            peer.reply(b"nobody asked")

    with Server(script) as server:
        bodies = []
        for number in range(3):
            bodies.append((await ask(pool, server.url, b"%d" % number)).body)
            await async_sleep(0.05)

    assert bodies == [b"0", b"1", b"2"]
