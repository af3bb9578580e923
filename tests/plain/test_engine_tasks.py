"""What only tasks and event loops can do to the asynchronous pool."""

from __future__ import annotations

import asyncio
import ssl
import threading
import time
from pathlib import Path

import pytest
import trustme

from agentbay._async.pool import AsyncPoolEngine
from agentbay._engine import Answer, EngineUnusable, Limits, Origin
from tests.scripted import Peer, Server, echo


async def ask(engine: AsyncPoolEngine, server: Server, body: bytes = b"hello") -> Answer:
    return await engine.post(Origin.parse(server.url), b"/", [], body, Limits(5, 5, time.monotonic() + 10))


async def steps(number: int) -> None:
    for _ in range(number):
        await asyncio.sleep(0)


async def cancel(task: asyncio.Task[Answer]) -> None:
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


def first_never(peer: Peer) -> None:
    """Answers on every connection but the first."""
    if peer.number == 1:
        peer.request()
        peer.sock.recv(1)
    else:
        echo(peer)


async def test_a_cancelled_call_frees_its_place_at_once() -> None:
    pool = AsyncPoolEngine(max_connections=1)
    with Server(first_never) as server:
        task = asyncio.create_task(ask(pool, server))
        await asyncio.sleep(0.1)
        await cancel(task)
        left = pool.connections
        answer = await ask(pool, server)
        await pool.aclose()

    assert (left, answer.body) == (0, b"hello")


async def test_a_cancelled_call_hands_its_place_to_the_one_who_waits() -> None:
    pool = AsyncPoolEngine(max_connections=1)
    with Server(first_never) as server:
        task = asyncio.create_task(ask(pool, server))
        await asyncio.sleep(0.1)
        waiting = asyncio.create_task(ask(pool, server, b"next"))
        await asyncio.sleep(0.01)
        await cancel(task)
        answer = await waiting
        await pool.aclose()

    assert answer.body == b"next"


async def test_a_call_cancelled_in_a_handshake_closes_its_connection() -> None:
    pool = AsyncPoolEngine()
    greeted, ended = threading.Event(), threading.Event()

    def script(peer: Peer) -> None:
        while peer.sock.recv(65536):
            greeted.set()
        ended.set()

    with Server(script) as server:
        server.url = server.url.replace("http:", "https:")
        task = asyncio.create_task(ask(pool, server))
        await asyncio.to_thread(greeted.wait, 5)
        await cancel(task)
        closed = await asyncio.to_thread(ended.wait, 5)
        left = pool.connections
        await pool.aclose()

    assert (closed, left) == (True, 0)


@pytest.mark.parametrize("tls", [False, True])
async def test_a_call_may_be_cancelled_at_any_step(tls: bool, tmp_path: Path) -> None:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    pool = AsyncPoolEngine(verify=str(tmp_path / "ca.pem"), max_connections=1)
    bodies = []

    with Server(echo, context if tls else None) as server:
        for number in range(25):
            task = asyncio.create_task(ask(pool, server))
            await steps(number)
            task.cancel()
            await asyncio.wait([task])
            bodies.append((await ask(pool, server, b"%d" % number)).body)
        most = server.most
        await pool.aclose()

    assert bodies == [b"%d" % number for number in range(25)]
    assert most <= 4  # one at a time, but a busy server hears late that one was closed


async def test_waiting_calls_may_be_cancelled_at_the_moment_of_their_turn() -> None:
    pool = AsyncPoolEngine(max_connections=2)
    with Server(echo) as server:
        for number in range(40):
            tasks = [asyncio.create_task(ask(pool, server, b"%d" % index)) for index in range(8)]
            await steps(number)
            for task in tasks[2::2]:
                task.cancel()
            results = await asyncio.wait_for(asyncio.gather(*tasks, return_exceptions=True), 10)
            kept = [result.body for result in results if isinstance(result, Answer)]
            assert {b"0", b"1", b"3", b"5", b"7"} <= set(kept)
        left = pool.connections
        await pool.aclose()

    assert left <= 2


async def test_turns_come_in_the_order_of_the_calls() -> None:
    pool = AsyncPoolEngine(max_connections=1)
    seen: list[bytes] = []

    def script(peer: Peer) -> None:
        while request := peer.request():
            seen.append(request.body)
            peer.reply(b"")

    with Server(script) as server:
        await asyncio.gather(*(ask(pool, server, b"%d" % number) for number in range(50)))
        await pool.aclose()

    assert seen == [b"%d" % number for number in range(50)]
    assert server.opened == 1


def test_a_second_event_loop_is_told_to_make_its_own_client() -> None:
    pool = AsyncPoolEngine()
    with Server(echo) as server, asyncio.Runner() as one, asyncio.Runner() as two:
        one.run(ask(pool, server))
        for use in (lambda: ask(pool, server), pool.aclose):
            with pytest.raises(EngineUnusable, match="another event loop"):
                two.run(use())
        one.run(pool.aclose())
