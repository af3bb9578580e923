"""What those who serve messages can rely on: calls, streams, further messages, pushes, and the end of a connection."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any, Protocol, TypeVar

import pytest

from agentbay_local.channel import connection as limits
from agentbay_local.channel.call import Call
from agentbay_local.channel.connection import Connection, ConnectionOver
from agentbay_local.channel.registry import MESSAGES, Handler, Json, Refused, message
from agentbay_local.service.session import Session
from tests.local.channel.wire import Closed, Wire, connect
from tests.local.service.api import Api

TARGET = "test_target"
H = TypeVar("H", bound=Handler)
BIG = "x" * (1 << 20)


class Serve(Protocol):
    """Makes a function answer the method of its name, for the length of a test."""

    def __call__(self, handler: H) -> H: ...


class Seen:
    """Something that the session keeps, and what it saw."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.things: list[Any] = []
        self.ended = asyncio.Event()

    async def close(self) -> None:
        self.ended.set()


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Serves a method of the test's target for the length of the test."""
    before = dict(MESSAGES)

    def register(handler: H) -> H:
        return message(TARGET, handler.__name__)(handler)

    yield register
    MESSAGES.clear()
    MESSAGES.update(before)


@pytest.fixture
async def line(here: Api) -> AsyncIterator[Wire]:
    """A connection to a runtime in this process."""
    opened = await connect(here, await here.create())
    yield opened
    await opened.socket.close()


async def ask(line: Wire, method: str, identity: str = "", **params: Any) -> str:
    return await line.send(TARGET, {"method": method, "params": params}, identity)


async def test_a_call_gets_the_one_answer_that_its_handler_returns(serve: Serve, line: Wire) -> None:
    @serve
    async def add(call: Call) -> Json:
        return {"result": {"sum": call.param("a", int) + call.param("b", int, 10)}}

    identity = await ask(line, "add", a=1)
    assert await line.next() == {
        "invocationId": identity,
        "source": TARGET,
        "target": "SDK",
        "data": {"result": {"sum": 11}},
    }


async def test_a_message_that_nobody_waits_for_gets_no_answer(serve: Serve, line: Wire) -> None:
    seen = []

    @serve
    async def note(call: Call) -> None:
        seen.append(call.params)

    await ask(line, "note", a=1)
    await ask(line, "note", a=2)
    assert await line.answered()
    assert seen == [{"a": 1}, {"a": 2}]


async def test_messages_begin_in_the_order_in_which_they_came(serve: Serve, line: Wire) -> None:
    seen: list[int] = []

    @serve
    async def put(call: Call) -> Json | None:
        seen.append(call.param("n", int))
        await asyncio.sleep(0)
        return {"result": {}} if call.params["n"] == 199 else None

    for number in range(200):
        await ask(line, "put", n=number)
    await line.next()
    assert seen == list(range(200))


async def test_a_refusal_and_a_bug_are_errors_and_the_connection_lives_on(
    serve: Serve, line: Wire, caplog: Any
) -> None:
    @serve
    async def refuse(_: Call) -> None:
        raise Refused("it cannot be done")

    @serve
    async def fail(_: Call) -> None:
        raise ZeroDivisionError

    await ask(line, "refuse")
    assert (await line.next())["data"] == {"method": "refuse", "phase": "error", "error": "it cannot be done"}
    await ask(line, "fail")
    text = "Something went wrong in the server; its log says what."
    assert (await line.next())["data"] == {"method": "fail", "phase": "error", "error": text}
    assert "unexpected error in fail" in caplog.text
    assert await line.answered()


async def test_further_messages_reach_the_stream_that_runs(serve: Serve, line: Wire) -> None:
    @serve
    async def echo(call: Call) -> Json:
        await call.event({"heard": "nothing yet"})
        while (word := (await call.more())["params"]["word"]) != "stop":
            await call.event({"heard": word})
        return call.end({})

    identity = await ask(line, "echo")
    for word in ("one", "two", "stop"):
        await ask(line, "echo", identity, word=word)
    assert await line.rest(identity) == [
        {"heard": "nothing yet", "phase": "event", "seq": 1},
        {"heard": "one", "phase": "event", "seq": 2},
        {"heard": "two", "phase": "event", "seq": 3},
        {"phase": "end", "seq": 4},
    ]


async def test_pushes_come_from_their_target_with_ids_of_their_own(serve: Serve, line: Wire) -> None:
    @serve
    async def start(call: Call) -> None:
        await call.reply({"result": {}})
        for number in range(3):
            await call.connection.push("bell", {"n": number})

    identity = await ask(line, "start")
    frames = [await line.next() for _ in range(4)]
    assert [(frame["source"], frame["target"], frame["data"]) for frame in frames] == [
        (TARGET, "SDK", {"result": {}}),
        *(("bell", "SDK", {"n": number}) for number in range(3)),
    ]
    assert len({frame["invocationId"] for frame in frames} | {identity}) == 4


async def test_what_a_session_keeps_is_shared_by_its_connections_and_ends_with_it(serve: Serve, here: Api) -> None:
    kept: list[Seen] = []

    @serve
    async def note(call: Call) -> Json:
        kept.append(call.connection.kept(Seen))
        kept[-1].things.append(call.params["n"])
        return {"result": kept[-1].things}

    made = await here.create()
    for number, expected in ((1, [1]), (2, [1, 2])):
        line = await connect(here, made)
        await ask(line, "note", n=number)
        assert (await line.next())["data"]["result"] == expected
        await line.socket.close()
    other = await connect(here, await here.create())
    await ask(other, "note", n=3)
    assert (await other.next())["data"]["result"] == [3]
    assert not kept[0].ended.is_set()
    await here.call("ReleaseMcpSession", SessionId=made["SessionId"])
    await asyncio.wait_for(kept[0].ended.wait(), 20)
    assert not kept[-1].ended.is_set()


async def test_the_end_of_a_connection_stops_its_handlers_and_runs_its_hooks(serve: Serve, line: Wire) -> None:
    steps: list[str] = []
    done = asyncio.Event()
    connections: list[Connection] = []

    async def hook() -> None:
        steps.append("hook")
        done.set()

    @serve
    async def wait(call: Call) -> None:
        connections.append(call.connection)
        call.connection.on_close(hook)
        call.connection.on_close(unwanted)()
        await call.event({})
        try:
            await asyncio.sleep(60)
        finally:
            steps.append("stopped")

    async def unwanted() -> None:
        steps.append("unwanted")

    await ask(line, "wait")
    await line.next()
    await line.socket.close()
    await asyncio.wait_for(done.wait(), 20)
    assert steps == ["stopped", "hook"]
    with pytest.raises(ConnectionOver):
        await connections[0].push("bell", {})


@pytest.fixture
def short_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "STALLED", 0.3)
    monkeypatch.setattr(limits, "PING_EVERY", 0.1)


async def test_a_client_that_never_reads_is_cut_off_and_little_is_held_for_it(
    serve: Serve, line: Wire, short_patience: None
) -> None:
    sent: list[int] = []
    over = asyncio.Event()

    @serve
    async def flood(call: Call) -> None:
        try:
            while True:
                await call.connection.push("bell", {"text": BIG})
                sent.append(len(BIG))
        finally:
            over.set()

    transport: Any = line.socket._response.connection.transport  # type: ignore[union-attr]
    transport.pause_reading()
    await ask(line, "flood")
    await asyncio.wait_for(over.wait(), 20)
    assert sum(sent) < 32 << 20  # what the system's own buffers take
    transport.abort()


async def test_a_client_that_answers_no_ping_is_given_up(here: Api, short_patience: None) -> None:
    made = await here.create()
    headers = {"X-Access-Token": made["Token"]}
    socket = await here.http.ws_connect(made["WsUrl"], headers=headers, autoping=False, autoclose=False)
    async with asyncio.timeout(20):
        while (await socket.receive()).type.name == "PING":
            pass
    assert socket.close_code == 1008


async def test_a_client_that_answers_pings_stays(serve: Serve, line: Wire, short_patience: None) -> None:
    @serve
    async def late(call: Call) -> Json:
        await asyncio.sleep(1)
        return {"result": {}}

    await ask(line, "late")
    assert (await line.next())["data"] == {"result": {}}


async def test_too_many_messages_at_once_are_refused(serve: Serve, line: Wire, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "MOST_CALLS", 2)
    free = asyncio.Event()

    @serve
    async def wait(_: Call) -> Json:
        await free.wait()
        return {"result": {}}

    for _ in range(3):
        await ask(line, "wait")
    text = "This connection has 2 messages in work: wait until some are done"
    assert (await line.next())["data"] == {"error": text}
    free.set()
    assert [(await line.next())["data"] for _ in range(2)] == [{"result": {}}] * 2


async def test_a_client_is_read_no_faster_than_its_messages_are_dealt_with(
    serve: Serve, line: Wire, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "MOST_HELD", 100)
    begun: list[int] = []
    free = asyncio.Event()

    @serve
    async def take(call: Call) -> Json:
        begun.append(call.param("n", int))
        await free.wait()
        return {"result": call.params["n"]}

    for number in range(4):
        await ask(line, "take", n=number, ballast="x" * 200)
    await asyncio.sleep(0.2)
    assert begun == [0]
    free.set()
    assert [(await line.next())["data"]["result"] for _ in range(4)] == [0, 1, 2, 3]


async def test_the_servers_end_reaches_a_client_that_does_not_read(serve: Serve, here: Api) -> None:
    made = await here.create()
    line = await connect(here, made)
    await here.call("ReleaseMcpSession", SessionId=made["SessionId"])
    assert await line.closed() == Closed(1001, "the session has ended: Released")
