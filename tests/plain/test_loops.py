"""What only the asynchronous client promises: event loops, cancelled calls, nothing left behind."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable
from typing import TypeVar

import pytest

from agentbay import AgentBay, AsyncAgentBay, EventLoopError
from agentbay._pairs import AsyncCaller
from tests.gateway import KEY
from tests.scripted import Peer, Server
from tests.surroundings import clear_environment, closed_port, resources

GOOD = b'{"Success": true, "RequestId": "r", "Data": {"SessionId": "s-1", "Status": "RUNNING"}}'
T = TypeVar("T")


@pytest.fixture(autouse=True)
def surroundings(monkeypatch: pytest.MonkeyPatch) -> None:
    clear_environment(monkeypatch)


@pytest.fixture(params=["pool", "fast"])
def engine(request: pytest.FixtureRequest) -> str:
    if request.param == "fast":
        pytest.importorskip("pyreqwest")
    return str(request.param)


def good(peer: Peer) -> None:
    while peer.request():
        peer.reply(GOOD)


def silent_first(peer: Peer) -> None:
    """Never answer on the first connection."""
    if peer.number == 1:
        while peer.sock.recv(65536):
            pass
    good(peer)


# --- Event loops ------------------------------------------------------------------------------------------------------


def test_a_client_may_be_made_outside_of_a_loop(engine: str) -> None:
    with Server(good) as server:
        client = AsyncAgentBay(KEY, endpoint=server.url, engine=engine)

        async def use() -> bool:
            async with client:
                return (await client.get("s-1")).success

        assert asyncio.run(use())


def test_a_client_of_another_loop_says_so(engine: str) -> None:
    with Server(good) as server:
        client = AsyncAgentBay(KEY, endpoint=server.url, engine=engine)

        async def use() -> None:
            await client.get("s-1")

        with asyncio.Runner() as first, asyncio.Runner() as second:
            first.run(use())
            with pytest.raises(EventLoopError, match="belongs to another event loop; make one client for each loop"):
                second.run(use())
            with pytest.raises(EventLoopError, match="belongs to another event loop"):
                second.run(client.aclose())
            first.run(client.aclose())


def test_one_client_for_each_of_several_loops_works(engine: str) -> None:
    async def use() -> bool:
        async with AsyncAgentBay(KEY, endpoint=server.url, engine=engine) as client:
            return (await client.get("s-1")).success

    with Server(good) as server:
        assert [asyncio.run(use()) for _ in range(3)] == [True, True, True]


async def test_the_synchronous_client_works_within_a_loop(engine: str) -> None:
    with Server(good) as server, AgentBay(KEY, endpoint=server.url, engine=engine) as client:
        assert client.get("s-1").success
        assert (await asyncio.to_thread(client.get, "s-1")).success


# --- Cancelled calls --------------------------------------------------------------------------------------------------


async def started(call: Awaitable[T]) -> asyncio.Task[T]:
    """The call as a task that has had time to send its request."""
    task = asyncio.ensure_future(call)
    await asyncio.sleep(0.1)
    assert isinstance(task, asyncio.Task)
    return task


async def test_the_next_call_works_after_one_that_was_cancelled(engine: str) -> None:
    with Server(silent_first) as server:
        async with AsyncAgentBay(KEY, endpoint=server.url, engine=engine) as client:
            task = await started(client.get("s-1"))
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            after = await client.get("s-1")

    assert (after.success, server.opened) == (True, 2)


async def test_a_time_limit_of_the_callers_own_ends_a_call(engine: str) -> None:
    with Server(silent_first) as server:
        async with AsyncAgentBay(KEY, endpoint=server.url, engine=engine) as client:
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.1):
                    await client.get("s-1")
            assert (await client.get("s-1")).success


async def test_a_wait_between_attempts_can_be_cancelled(engine: str) -> None:
    def busy(peer: Peer) -> None:
        while peer.request():
            peer.reply(b"{}", b"Retry-After: 50", status=503)

    with Server(busy) as server:
        async with AsyncAgentBay(KEY, endpoint=server.url, engine=engine) as client:
            task = await started(client.get("s-1"))
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task


async def test_a_look_at_a_pausing_session_can_be_cancelled(engine: str) -> None:
    def pausing(peer: Peer) -> None:
        while peer.request():
            peer.reply(GOOD.replace(b"RUNNING", b"PAUSING"))

    with Server(pausing) as server:
        async with AsyncAgentBay(KEY, endpoint=server.url, engine=engine) as client:
            session = (await client.get("s-1")).unwrap().session
            task = await started(session.pause())
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task


async def test_a_call_that_is_cancelled_within_its_block_still_deletes_the_session() -> None:
    seen: list[bytes] = []
    running = threading.Event()

    def script(peer: Peer) -> None:
        while request := peer.request():
            seen.append(request.head.partition(b"Action=")[2].partition(b"&")[0])
            if seen[-1] == b"CallMcpTool":
                running.set()
                peer.sock.recv(1)
                return
            peer.reply(GOOD.replace(b"RUNNING", b"FINISH"))

    async def use() -> None:
        async with (
            AsyncAgentBay(KEY, endpoint=server.url, engine="pool") as client,
            (await client.get("s-1")).unwrap().session as session,
        ):
            await session.command.run("sleep 100")

    with Server(script) as server:
        task = asyncio.ensure_future(use())
        await asyncio.to_thread(running.wait, 10)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    assert seen == [b"GetSession", b"CallMcpTool", b"DeleteSessionAsync", b"GetSessionDetail"]


# --- A thread's way into the loop -------------------------------------------------------------------------------------


def test_a_thread_gets_nothing_from_a_loop_that_has_ended() -> None:
    async def make() -> AsyncCaller:
        return AsyncCaller()

    async def never() -> None:
        pytest.fail("the loop has ended")

    assert asyncio.run(make()).call(never, threading.Event()) is None


def cancel(loop: asyncio.AbstractEventLoop, tasks: set[asyncio.Task[object]]) -> None:
    """End tasks as `asyncio.run` does."""
    for task in tasks:
        task.cancel()
    loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))


@pytest.mark.parametrize("orderly", [True, False])
def test_a_thread_that_waits_is_released_when_the_loop_ends(orderly: bool) -> None:
    looking = threading.Event()
    results: list[object] = []

    async def hang() -> str:
        looking.set()
        await asyncio.sleep(60)
        return "late"

    async def begin() -> threading.Thread:
        caller = AsyncCaller()
        thread = threading.Thread(target=lambda: results.append(caller.call(hang, threading.Event())))
        thread.start()
        await asyncio.to_thread(looking.wait, 10)
        return thread

    loop = asyncio.new_event_loop()
    thread = loop.run_until_complete(begin())
    loop.run_until_complete(loop.shutdown_default_executor())
    pending = asyncio.all_tasks(loop)
    if orderly:
        cancel(loop, pending)
        thread.join(10)
    loop.close()
    thread.join(10)

    assert (thread.is_alive(), results) == (False, [None])
    for task in pending:
        task.get_coro().close()  # type: ignore[union-attr]
        task._log_destroy_pending = False  # type: ignore[attr-defined]


# --- Nothing is left behind -------------------------------------------------------------------------------------------


async def settled(files: int, threads: int) -> tuple[int, int]:
    """The resources in use, after those that are going have gone."""
    for _ in range(50):
        if all(now <= then + 2 for now, then in zip(resources(), (files, threads), strict=True)):
            break
        await asyncio.sleep(0.02)
    return resources()


async def rounds(number: int, one: Callable[[], Awaitable[object]]) -> tuple[int, int, int]:
    """How many files, threads and tasks are more after many rounds than after a few."""
    for _ in range(10):
        await one()
    files, threads = resources()
    tasks = len(asyncio.all_tasks())
    for _ in range(number):
        await one()
    after_files, after_threads = await settled(files, threads)
    return after_files - files, after_threads - threads, len(asyncio.all_tasks()) - tasks


async def test_clients_leave_nothing_behind(engine: str) -> None:
    async def one() -> None:
        async with AsyncAgentBay(KEY, endpoint=server.url, engine=engine) as client:
            assert (await client.get("s-1")).success

    with Server(good) as server:
        more = await rounds(150, one)

    assert all(number <= 2 for number in more)


async def test_cancelled_calls_leave_nothing_behind() -> None:
    arrived = threading.Semaphore(0)

    def silent(peer: Peer) -> None:
        while peer.request():
            arrived.release()

    with Server(silent) as server:
        async with AsyncAgentBay(KEY, endpoint=server.url, engine="pool") as client:

            async def one() -> None:
                task = asyncio.ensure_future(client.get("s-1"))
                while not arrived.acquire(blocking=False):  # noqa: ASYNC110  (a thread releases it)
                    await asyncio.sleep(0.001)
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)

            more = await rounds(200, one)

    assert all(number <= 2 for number in more)


async def test_failing_calls_leave_nothing_behind(engine: str) -> None:
    async with AsyncAgentBay(KEY, endpoint=f"http://127.0.0.1:{closed_port()}", retries=0, engine=engine) as client:

        async def one() -> None:
            await asyncio.gather(client.get("s-1"), return_exceptions=True)

        more = await rounds(200, one)

    assert all(number <= 2 for number in more)
