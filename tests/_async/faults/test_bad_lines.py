"""The WebSocket by a line that delays, repeats and cuts: everybody is told, nothing is done twice, nothing is left."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from typing import Any

import pytest

from agentbay import AsyncAgentBay, AsyncSession, WsConnectionClosedError
from agentbay._frames import Resend
from agentbay._pairs import async_each
from tests.channel import Channel, Frame, Peer, workers
from tests.gateway import SESSION_ID, TOKEN, Gateway, ok
from tests.proxy import Line, Proxy
from tests.waiting import async_until

EVENTS = [{"phase": "event", "seq": number} for number in range(5)]
END = {"phase": "end", "status": "finished"}
LOST = "lost"


def add(peer: Peer, frame: Frame) -> None:
    peer.reply(frame, {"result": frame["data"]["n"]})


@pytest.fixture
async def proxy(client: AsyncAgentBay, channel: Channel, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Proxy]:
    """A bad line to the server, another one in each run; nothing of a channel is left when the test is over."""
    monkeypatch.setattr("agentbay._socket_address.LONGEST_WAIT", 0.02)
    channel.on("add", add)
    channel.on("count", *EVENTS, END)
    seed = random.getrandbits(32)
    print(f"the seed of the line is {seed}")
    with Proxy(channel.url, seed) as proxy:
        yield proxy
        await client.aclose()
    assert 0 == workers()


@pytest.fixture
async def shaky(client: AsyncAgentBay, gateway: Gateway, proxy: Proxy) -> AsyncSession:
    """A session whose WebSocket is behind the proxy."""
    gateway.on("GetSession", ok(gateway.session_data(WsUrl=proxy.url, Token=TOKEN)))
    return (await client.get(SESSION_ID)).unwrap().session


async def added(session: AsyncSession, number: int) -> Any:
    """The answer to a call, or that the line was lost meanwhile. That nobody told is an error of ours."""
    try:
        return (await session._channel.call("server", {"method": "add", "n": number}, timeout=20))["result"]
    except WsConnectionClosedError:
        return LOST


async def counted(session: AsyncSession, number: int) -> Any:
    """The events of a stream and its end, or the events until the line was lost."""
    events: list[Any] = []
    try:
        async with session._channel.stream("server", {"method": "count", "n": number}, 20) as stream:
            async for event in stream:
                events.append(event)  # noqa: PERF401  (what came before an error counts)
        return [*events, stream.end]
    except WsConnectionClosedError:
        return [*events, LOST]


@pytest.mark.parametrize("place", ["head", "down", "up"])
async def test_a_line_that_is_cut_at_any_point_is_told_and_nothing_is_sent_again(
    shaky: AsyncSession, channel: Channel, proxy: Proxy, place: str
) -> None:
    answers: list[Any] = []
    points = range(proxy.chance.randrange(3), 160, 3)
    for point in points:
        proxy.lines = [Line(**{place: point})]
        shaky._channel = type(shaky._channel)(shaky)
        answers.append(await counted(shaky, point))
        assert point == await added(shaky, point) or place == "up"
        await shaky._channel.aclose()

    whole = [*EVENTS, END]
    for answer in answers:
        assert answer in (whole, [*whole[: len(answer) - 1], LOST])
    asked = [frame["data"]["n"] for frame in channel.of("count")]
    assert sorted(set(asked)) == sorted(asked)
    assert LOST in answers[0]


async def test_calls_and_streams_by_bad_lines_are_told_and_never_mixed_up(
    shaky: AsyncSession, channel: Channel, proxy: Proxy
) -> None:
    proxy.lines = [Line.bad(proxy.chance) for _ in range(30)]
    outcomes: dict[int, Any] = {}

    async def work(number: int) -> None:
        outcomes[number] = await (added if number % 2 else counted)(shaky, number)

    await async_each(work, range(200), 10)

    whole = [*EVENTS, END]
    for number, outcome in outcomes.items():
        if number % 2:
            assert outcome in (number, LOST)
        else:
            assert outcome in (whole, [*whole[: len(outcome) - 1], LOST])
    asked = [frame["data"]["n"] for frame in channel.frames]
    assert sorted(set(asked)) == sorted(asked)
    assert (200, {}) == (len(outcomes), shaky._channel._router._waiting)


async def test_subscriptions_come_back_by_bad_lines(shaky: AsyncSession, channel: Channel, proxy: Proxy) -> None:
    pushed, ends, restored = list[Any](), list[Any](), list[Any]()
    channel.on("subscribe", END)
    resend = Resend("server", {"method": "subscribe"}, restored.append, stream=True)
    shaky._channel.subscribe("server", pushed.append, lambda: [resend], ends.append)
    await shaky._channel.open()
    proxy.lines = [Line.bad(proxy.chance) for _ in range(10)]
    while proxy.lines:
        if await added(shaky, 1) != LOST:
            channel.cut()
    while await added(shaky, 2) == LOST:
        pass

    before = len(pushed)
    for number in range(20):
        channel.push("server", {"push": number})
    await async_until(lambda: len(pushed) >= before + 20)
    assert [{"push": number} for number in range(20)] == [push for push in pushed if "push" in push]
    assert ([], True) == (ends, len(channel.of("subscribe")) <= len(channel.peers))
    assert restored[-1].data == END
