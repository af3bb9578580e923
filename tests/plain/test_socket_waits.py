"""What only one colour can do with a channel: cancel a wait, or wait in the thread that reads."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from agentbay import AgentBay, AgentBayError, AsyncAgentBay, EventLoopError, SessionError
from agentbay._async.session import AsyncSession
from agentbay._sync.session import Session
from agentbay._terminals import Terminals
from tests.channel import Channel, workers
from tests.waiting import async_until, until


@pytest.fixture
def channel() -> Iterator[Channel]:
    with Channel() as channel:
        yield channel


def made(kind: Any, client: Any, channel: Channel) -> Any:
    session = kind(client, "s")
    session.ws_url, session.token = channel.url, "T"
    return session


async def opened(channel: Channel) -> tuple[AsyncAgentBay, AsyncSession]:
    client = AsyncAgentBay("k", endpoint="http://127.0.0.1:1", engine="pool")
    return client, made(AsyncSession, client, channel)


async def a_call(session: AsyncSession) -> None:
    await session._channel.call("server", {"method": "never"})


async def a_stream(session: AsyncSession) -> None:
    async with session._channel.stream("server", {"method": "never"}) as stream:
        _ = [event async for event in stream]


async def a_terminal(session: AsyncSession) -> None:
    await session.pty.create()


async def the_end_of_a_terminal(session: AsyncSession) -> None:
    await (await session.pty.connect("p1")).wait()


WAITS = [a_call, a_stream, a_terminal, the_end_of_a_terminal]


@pytest.mark.parametrize("wait", WAITS)
async def test_a_wait_can_be_cancelled_and_leaves_nothing(
    wait: Callable[[AsyncSession], Any], channel: Channel
) -> None:
    channel.on("pty.connect", {"result": {}})
    client, session = await opened(channel)
    task = asyncio.create_task(wait(session))
    await async_until(lambda: channel.frames)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert {} == session._channel._router._waiting
    await client.aclose()
    assert 0 == workers()


async def test_the_first_connection_can_be_cancelled_by_one_of_those_who_wait(channel: Channel) -> None:
    channel.on("add", {"result": 1})
    client, session = await opened(channel)
    first = asyncio.create_task(session._channel.open())
    second = asyncio.create_task(session._channel.call("server", {"method": "add"}))
    await asyncio.sleep(0)
    first.cancel()
    assert {"result": 1} == await second
    await client.aclose()
    assert (1, 0) == (len(channel.handshakes), workers())


async def test_many_calls_at_once_share_the_connection(channel: Channel) -> None:
    channel.on("add", lambda peer, frame: peer.reply(frame, {"result": frame["data"]["n"]}))
    client, session = await opened(channel)
    calls = [session._channel.call("server", {"method": "add", "n": n}) for n in range(1, 201)]
    assert list(range(1, 201)) == [answer["result"] for answer in await asyncio.gather(*calls)]
    await client.aclose()
    assert 1 == len(channel.handshakes)


def test_a_channel_belongs_to_its_event_loop(channel: Channel) -> None:
    async def first() -> AsyncSession:
        _, session = await opened(channel)
        await session._channel.open()
        return session

    session = asyncio.run(first())
    with pytest.raises(EventLoopError):
        asyncio.run(session._channel.open())


def test_the_reading_thread_cannot_wait_for_what_it_would_have_to_read(channel: Channel) -> None:
    raised: list[SessionError] = []
    with AgentBay("k", endpoint="http://127.0.0.1:1", engine="pool") as client:
        session = made(Session, client, channel)

        def take(_: Any) -> None:
            with pytest.raises(SessionError, match="cannot wait") as caught:
                session._channel.call("server", {"method": "add"})
            raised.append(caught.value)

        session._channel.subscribe("server", take)
        session._channel.open()
        until(lambda: channel.peers)
        channel.push("server", {})
        until(lambda: raised)
    assert 0 == workers()


def test_the_reading_thread_can_end_the_channel(channel: Channel) -> None:
    with AgentBay("k", endpoint="http://127.0.0.1:1", engine="pool") as client:
        session = made(Session, client, channel)
        session._channel.subscribe("server", lambda _: session._channel.close())
        session._channel.open()
        until(lambda: channel.peers)
        channel.push("server", {})
        until(lambda: workers() == 0)


def test_closing_while_it_connects_leaves_nothing(channel: Channel) -> None:
    channel.delay = 0.3
    with AgentBay("k", endpoint="http://127.0.0.1:1", engine="pool") as client:
        session = made(Session, client, channel)
        raised: list[BaseException] = []

        def wait() -> None:
            with pytest.raises(SessionError) as caught:
                session._channel.open()
            raised.append(caught.value)

        waiting = threading.Thread(target=wait)
        waiting.start()
        until(lambda: channel.handshakes)
        session._channel.close()
        waiting.join(10)
    assert (0, 1) == (workers(), len(raised))


async def test_closing_while_a_task_connects_leaves_nothing(channel: Channel) -> None:
    channel.delay = 0.3
    client, session = await opened(channel)
    waiting = asyncio.create_task(session._channel.open())
    await async_until(lambda: channel.handshakes)
    await session._channel.aclose()
    with pytest.raises(SessionError):
        await waiting
    await client.aclose()
    assert 0 == workers()


def test_two_terminals_that_are_opened_at_once_both_get_what_came_early() -> None:
    terminals, got = Terminals(), list[Any]()

    class One:
        pty_session_id = "p1"

        def print(self, data: bytes) -> None:
            got.append(data)

        def finish(self, exit_code: int | None, error: AgentBayError | None) -> None:
            got.append((exit_code, error))

    push = {"eventType": "pty.output", "ptySessionId": "p1", "encoding": "utf8", "data": "x"}
    with terminals.opening():
        with terminals.opening():
            terminals.on_push(push)
        terminals.add(One())
    assert ([b"x"], []) == (got, terminals._early)


def test_only_the_latest_exit_codes_are_remembered() -> None:
    terminals = Terminals()
    for number in range(1002):
        terminals.on_push({"eventType": "pty.exit", "ptySessionId": f"p{number}", "exitCode": number % 200})
        terminals.on_push({"eventType": "pty.exit", "ptySessionId": "p1", "exitCode": 7})
    assert [None, 7, None, 3, 1] == [terminals.exit_code(name) for name in ("p0", "p1", "p2", "p3", "p1001")]
