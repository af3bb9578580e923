"""The WebSocket channel: what goes over it, and what becomes of everybody when it breaks."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable
from typing import Any

import pytest

from agentbay import (
    AgentBayError,
    APITimeoutError,
    AsyncAgentBay,
    AsyncSession,
    ClientClosedError,
    SessionError,
    WsCancelledError,
    WsConnectionClosedError,
    WsHandshakeRejectedError,
    WsProtocolError,
    WsRemoteError,
)
from agentbay._async import socket_stream as module
from agentbay._async.socket_stream import AsyncSocketStream
from agentbay._frames import Outcome, Resend
from agentbay._socket_address import Address, Backoff
from agentbay._socket_pairs import _tell_forked
from tests.channel import Channel, Frame, Peer, workers
from tests.gateway import GONE, SESSION_ID, TOKEN, Answer, Gateway, Received, ok
from tests.waiting import async_until

Make = Callable[..., AsyncAgentBay]

EVENTS = [{"phase": "event", "seq": number} for number in range(3)]
END = {"phase": "end", "status": "finished"}


def cut(peer: Peer, _: Frame) -> None:
    peer.cut()


async def test_nothing_is_connected_before_it_is_needed(wired: AsyncSession, channel: Channel) -> None:
    assert wired.ws_url == channel.url
    assert ([], 0) == (channel.handshakes, workers())


async def test_a_call_is_one_frame_each_way(wired: AsyncSession, channel: Channel) -> None:
    channel.on("add", {"result": {"sum": 3}})
    assert {"result": {"sum": 3}} == await wired._channel.call("server", {"method": "add", "params": {"n": "é"}})
    sent = channel.frames[0]
    assert re.fullmatch("[0-9a-f]{32}", sent["invocationId"])
    assert {"source": "SDK", "target": "server", "data": {"method": "add", "params": {"n": "é"}}} == {
        name: value for name, value in sent.items() if name != "invocationId"
    }


async def test_the_token_travels_in_a_header_and_no_subprotocol_is_asked_for(
    wired: AsyncSession, channel: Channel
) -> None:
    await wired._channel.open()
    headers = channel.handshakes[0].headers
    assert (TOKEN, None) == (headers.get("X-Access-Token"), headers.get("Sec-WebSocket-Protocol"))


async def test_everything_goes_over_one_connection(wired: AsyncSession, channel: Channel) -> None:
    channel.on("add", {"result": 1})
    await wired._channel.open()
    for _ in range(5):
        await wired._channel.call("server", {"method": "add"})
    await wired._channel.send("server", {"method": "note"})
    await async_until(lambda: channel.of("note"))
    assert (1, 1) == (len(channel.handshakes), workers())


async def test_an_answer_that_refuses_is_raised(wired: AsyncSession, channel: Channel) -> None:
    channel.on("add", {"error": "no adding today"})
    with pytest.raises(WsRemoteError, match="no adding today"):
        await wired._channel.call("server", {"method": "add"})


async def test_an_answer_that_never_comes_is_a_time_out(wired: AsyncSession) -> None:
    with pytest.raises(APITimeoutError):
        await wired._channel.call("server", {"method": "add"}, timeout=0.1)


async def test_a_stream_gives_its_events_and_then_its_end(wired: AsyncSession, channel: Channel) -> None:
    channel.on("many", *EVENTS, END)
    async with wired._channel.stream("server", {"method": "many"}) as stream:
        assert EVENTS == [event async for event in stream]
        assert [] == [event async for event in stream]
    assert END == stream.end


async def test_more_on_a_stream_has_its_id_and_target(wired: AsyncSession, channel: Channel) -> None:
    channel.on("ask", {"phase": "event"})
    channel.on("resume", END)
    async with wired._channel.stream("server", {"method": "ask"}) as stream:
        async for _ in stream:
            await stream.send({"method": "resume"})
    first, second = channel.frames
    assert (first["invocationId"], first["target"]) == (second["invocationId"], second["target"])


async def test_a_stream_that_is_cancelled_says_so_and_sends_nothing(wired: AsyncSession, channel: Channel) -> None:
    channel.on("many", *EVENTS)
    async with wired._channel.stream("server", {"method": "many"}) as stream:
        stream.cancel()
        with pytest.raises(WsCancelledError, match=f"Stream {stream.id} was cancelled by caller"):
            _ = [event async for event in stream]
    await async_until(lambda: channel.frames)
    await wired._channel.send("server", {"method": "last"})
    await async_until(lambda: channel.of("last"))
    assert ["many", "last"] == [frame["data"]["method"] for frame in channel.frames]


async def test_a_stream_has_an_end_in_time(wired: AsyncSession) -> None:
    async with wired._channel.stream("server", {"method": "many"}, 0.1) as stream:
        with pytest.raises(APITimeoutError):
            _ = [event async for event in stream]


async def test_a_stream_that_nobody_reads_is_given_up_and_holds_up_no_other(
    wired: AsyncSession, channel: Channel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MOST_WAITING", 3 * 1024 * 1024)
    events = [{"phase": "event", "seq": number, "chunk": "x" * 700_000} for number in range(20)]
    channel.on("many", *events)
    channel.on("add", {"result": 1})
    got: list[Any] = []

    async def read(stream: AsyncSocketStream) -> None:
        async for event in stream:
            got.append(event)  # noqa: PERF401  (what came before the error counts)

    async with wired._channel.stream("server", {"method": "many"}) as stream:
        assert {"result": 1} == await wired._channel.call("server", {"method": "add"})
        for _ in range(2):
            with pytest.raises(WsCancelledError, match=rf"^Stream {stream.id} \(many\) was given up: more than 3 MiB"):
                await read(stream)
    assert (events[:4], {}) == (got, wired._channel._router._waiting)


async def test_a_single_event_may_be_larger_than_what_may_wait(
    wired: AsyncSession, channel: Channel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MOST_WAITING", 10)
    channel.on("many", EVENTS[0])
    channel.on("more", EVENTS[1])
    async with wired._channel.stream("server", {"method": "many"}) as stream:
        async for event in stream:
            if event == EVENTS[1]:
                break
            await stream.send({"method": "more"})


async def test_a_stream_that_is_left_early_is_forgotten(wired: AsyncSession, channel: Channel) -> None:
    channel.on("many", *EVENTS)
    async with wired._channel.stream("server", {"method": "many"}) as stream:
        async for _ in stream:
            break
    assert {} == wired._channel._router._waiting


async def test_hostile_frames_fail_their_own_stream_alone(wired: AsyncSession, channel: Channel) -> None:
    def answer(peer: Peer, frame: Frame) -> None:
        for text in (
            "",
            "{",
            "[" * 100_000,
            "null",
            '{"invocationId": 5}',
            '{"invocationId": "unknown"}',
            "\udcff".encode("utf-8", "surrogatepass").hex(),
        ):
            peer.raw(text)
        peer.raw(b"\xff\x00")
        peer.send("unknown", {"phase": "end"})
        peer.send(frame["invocationId"], [1, 2])

    channel.on("many", answer)
    channel.on("add", {"result": 1})
    async with wired._channel.stream("server", {"method": "many"}) as stream:
        with pytest.raises(WsProtocolError):
            _ = [event async for event in stream]
        with pytest.raises(WsProtocolError):
            _ = [event async for event in stream]
    assert {"result": 1} == await wired._channel.call("server", {"method": "add"})
    assert 1 == len(channel.handshakes)


async def test_a_frame_of_several_mebibytes_arrives(wired: AsyncSession, channel: Channel) -> None:
    channel.on("add", {"result": "x" * 5_000_000})
    assert 5_000_000 == len((await wired._channel.call("server", {"method": "add"}))["result"])


# The ends of connections


async def test_everybody_who_waits_is_told_when_the_line_is_cut(wired: AsyncSession, channel: Channel) -> None:
    channel.on("many", EVENTS[0])
    channel.on("cut", cut)
    async with wired._channel.stream("server", {"method": "many"}) as stream:
        await wired._channel.send("server", {"method": "cut"})
        with pytest.raises(WsConnectionClosedError):
            _ = [event async for event in stream]


@pytest.mark.parametrize("code", [1000, 1001, 1011, 4000])
async def test_a_close_of_any_code_is_a_drop(wired: AsyncSession, channel: Channel, code: int) -> None:
    channel.on("close", lambda peer, _: peer.close(code))
    channel.on("add", {"result": 1})
    with pytest.raises(WsConnectionClosedError):
        await wired._channel.call("server", {"method": "close"})
    assert {"result": 1} == await wired._channel.call("server", {"method": "add"})


async def test_after_a_cut_the_channel_connects_again_by_itself(wired: AsyncSession, channel: Channel) -> None:
    channel.on("cut", cut)
    states: list[str] = []
    forget = wired._channel.on_state(lambda state: states.append(state.value))
    wired._channel.on_state(lambda state: state.fails)  # type: ignore[attr-defined]
    with pytest.raises(WsConnectionClosedError):
        await wired._channel.call("server", {"method": "cut"})
    await async_until(lambda: states.count("OPEN") == 2)
    forget()
    assert ["RECONNECTING", "OPEN", "ERROR", "RECONNECTING", "OPEN"] == states
    assert (2, 1) == (len(channel.handshakes), workers())


@pytest.mark.parametrize("way", ["call", "send", "stream"])
async def test_what_comes_right_after_a_cut_takes_the_next_line(
    wired: AsyncSession, channel: Channel, way: str
) -> None:
    channel.on("add", {"phase": "end", "result": 1})
    await wired._channel.open()
    await async_until(lambda: channel.peers)
    channel.cut()
    match way:
        case "call":
            assert 1 == (await wired._channel.call("server", {"method": "add"}))["result"]
        case "send":
            await wired._channel.send("server", {"method": "add"})
        case _:
            async with wired._channel.stream("server", {"method": "add"}) as stream:
                assert [] == [event async for event in stream]
    await async_until(lambda: channel.of("add"))
    assert (1, 2, {}) == (len(channel.of("add")), len(channel.handshakes), wired._channel._router._waiting)


async def test_it_goes_on_trying_while_the_server_is_busy(wired: AsyncSession, channel: Channel) -> None:
    channel.on("cut", cut)
    channel.on("add", {"result": 1})
    await wired._channel.open()
    channel.refusals = [503, 502]
    with pytest.raises(WsConnectionClosedError):
        await wired._channel.call("server", {"method": "cut"})
    assert {"result": 1} == await wired._channel.call("server", {"method": "add"})
    assert 4 == len(channel.handshakes)


async def test_waits_are_short_again_after_a_connection_that_held(
    wired: AsyncSession, channel: Channel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("agentbay._socket_address.LONGEST_WAIT", 0.0)
    for number in range(1, 4):
        await wired._channel.open()
        await async_until(lambda number=number: len(channel.peers) == number)
        channel.cut()
        await async_until(lambda: wired._channel.state != "OPEN")
    await wired._channel.open()
    assert 4 == len(channel.handshakes)


async def test_a_channel_that_was_never_opened_can_be_closed(wired: AsyncSession) -> None:
    await wired._channel.aclose()
    assert "CLOSED" == wired._channel.state


async def test_it_stops_trying_when_the_session_is_refused(wired: AsyncSession, channel: Channel) -> None:
    ends: list[Any] = []
    channel.on("cut", cut)
    wired._channel.subscribe("server", lambda _: None, ended=ends.append)
    await wired._channel.open()
    channel.refusals = [401]
    with pytest.raises(WsConnectionClosedError):
        await wired._channel.call("server", {"method": "cut"})
    await async_until(lambda: ends)
    await async_until(lambda: workers() == 0)
    assert [(WsHandshakeRejectedError, 401)] == [(type(end), end.status_code) for end in ends]
    await wired._channel.open()
    assert 3 == len(channel.handshakes)


@pytest.mark.parametrize("status", [301, 302, 401, 403, 404, 429, 500, 503])
async def test_a_first_handshake_that_is_refused_is_raised_and_no_redirect_followed(
    wired: AsyncSession, channel: Channel, status: int
) -> None:
    channel.refusals = [status]
    with pytest.raises(WsHandshakeRejectedError, match=f"WS connection rejected: HTTP {status}; url=ws://") as caught:
        await wired._channel.open()
    assert (status, 1) == (caught.value.status_code, len(channel.handshakes))
    await async_until(lambda: workers() == 0)


@pytest.mark.parametrize("url", ["ws://127.0.0.1:1/", "http://127.0.0.1:1/", "nonsense", "ws://[/"])
async def test_a_place_that_cannot_be_reached_is_raised_without_what_is_secret(wired: AsyncSession, url: str) -> None:
    wired.ws_url = f"{url}?token=canary"
    with pytest.raises(WsConnectionClosedError) as caught:
        await wired._channel.open()
    assert "canary" not in str(caught.value)


@pytest.mark.parametrize(
    ("missing", "text"),
    [("ws_url", "ws_url is not available for this session"), ("token", "token is not available for WS connection")],
)
async def test_a_session_without_a_channel_says_so(wired: AsyncSession, missing: str, text: str) -> None:
    setattr(wired, missing, "")
    with pytest.raises(SessionError, match=text):
        await wired._channel.call("server", {"method": "add"})
    assert workers() == 0


async def test_subscriptions_are_restored_after_a_cut(wired: AsyncSession, channel: Channel) -> None:
    pushed: list[Any] = []
    answered: list[Outcome] = []
    channel.on("subscribe", {"phase": "end"})
    wired._channel.subscribe(
        "server",
        pushed.append,
        restore=lambda: [Resend("server", {"method": "subscribe"}, answered.append, stream=True)],
    )
    await wired._channel.open()
    await async_until(lambda: len(channel.of("subscribe")) == 1)
    channel.cut()
    await async_until(lambda: len(channel.of("subscribe")) == 2)
    channel.push("server", {"n": 1})
    await async_until(lambda: pushed)
    await async_until(lambda: len(answered) == 2)
    assert [{"n": 1}] == pushed


async def test_ending_a_subscription_leaves_the_channel_open(wired: AsyncSession, channel: Channel) -> None:
    channel.on("add", {"result": 1})
    subscription = wired._channel.subscribe("server", lambda _: None)
    await wired._channel.open()
    wired._channel.unsubscribe(subscription)
    assert {"result": 1} == await wired._channel.call("server", {"method": "add"})
    assert 1 == len(channel.handshakes)


async def test_use_after_the_close_fails(wired: AsyncSession, channel: Channel) -> None:
    await wired._channel.open()
    await wired._channel.aclose()
    await wired._channel.aclose()
    with pytest.raises(WsConnectionClosedError, match="WS client is closed"):
        await wired._channel.call("server", {"method": "add"})
    assert workers() == 0
    await async_until(lambda: channel.open == 0)


async def test_use_after_the_clients_close_fails(wired: AsyncSession, client: AsyncAgentBay) -> None:
    await wired._channel.open()
    await client.aclose()
    assert workers() == 0
    with pytest.raises(ClientClosedError):
        await wired._channel.open()


async def test_the_end_of_the_session_ends_the_channel(wired: AsyncSession, channel: Channel, gateway: Gateway) -> None:
    gateway.on("DeleteSessionAsync", ok())
    gateway.on_life("GONE")
    async with wired:
        await wired._channel.open()
    assert workers() == 0
    await async_until(lambda: channel.open == 0)


async def test_the_channel_ends_even_if_the_session_is_gone_already(wired: AsyncSession, gateway: Gateway) -> None:
    gateway.on("DeleteSessionAsync", GONE)
    async with wired:
        await wired._channel.open()
    assert workers() == 0


async def test_closing_while_it_waits_for_the_next_try_is_quick(wired: AsyncSession, channel: Channel) -> None:
    await wired._channel.open()
    await async_until(lambda: channel.peers)
    channel.refusals = [503] * 100
    channel.cut()
    await async_until(lambda: len(channel.refusals) < 100)
    await wired._channel.aclose()
    assert workers() == 0


async def test_nothing_is_left_after_many_rounds(make: Make, gateway: Gateway, channel: Channel) -> None:
    channel.on("add", {"result": 1})
    gateway.on("GetSession", ok(gateway.session_data(WsUrl=channel.url, Token=TOKEN)))
    before = threading.active_count()
    client = make()
    for _ in range(20):
        session = (await client.get(SESSION_ID)).unwrap().session
        await session._channel.call("server", {"method": "add"})
        await session._channel.aclose()
    await async_until(lambda: channel.open == 0)
    await async_until(lambda: threading.active_count() <= before)
    assert (0, False) == (workers(), session._channel in client._transport.channels)


# What has no colour


def test_the_waits_between_tries_grow_to_five_seconds() -> None:
    backoff = Backoff()
    waits = [backoff.wait() for _ in range(9)]
    limits = [0.5 * 1.5**number for number in range(6)] + [5.0] * 3
    assert [True] * 9 == [limit <= wait <= limit + 0.1 for wait, limit in zip(waits, limits, strict=True)]
    assert backoff.wait(held=6.0) <= 0.6


def test_an_address_shows_nothing_secret() -> None:
    address = Address("s", "wss://user:pass@host/path?token=canary", "canary")
    assert ("wss://host/path", True) == (address.shown, address.secure)
    assert "canary" not in repr(address)


async def test_what_cannot_be_written_is_raised_and_forgotten(wired: AsyncSession) -> None:
    with pytest.raises(TypeError):
        async with wired._channel.stream("server", {"method": object()}):
            pytest.fail("it was sent")
    assert {} == wired._channel._router._waiting


async def test_a_deletion_closes_the_channel_last_so_that_the_services_own_word_is_heard(
    wired: AsyncSession, gateway: Gateway, channel: Channel
) -> None:
    seen: list[int] = []

    def gone(_: Received) -> Answer:
        seen.append(channel.open)
        return GONE

    gateway.on("DeleteSessionAsync", ok())
    gateway.on("GetSessionDetail", gone)
    await wired._channel.open()
    channel.wait_for(lambda: channel.open == 1)
    assert (await wired.delete()).success
    channel.wait_for(lambda: channel.open == 0)
    assert [1] == seen


# A forked child


async def test_a_forked_child_has_a_connection_of_its_own_and_its_parent_keeps_the_old_one(
    wired: AsyncSession, channel: Channel
) -> None:
    """Here both are one process; tests/local/test_forks.py really forks."""
    channel.on("many", EVENTS[0])
    channel.on("add", {"result": 1})
    ends: list[AgentBayError] = []
    async with wired._channel.stream("server", {"method": "many"}) as stream:
        assert EVENTS[0] == await stream.__anext__()
        wired._channel.subscribe("server", lambda _: None, ended=ends.append)
        worker, line = wired._channel._worker, wired._channel._line
        assert worker is not None
        _tell_forked()
        assert "CLOSED" == wired._channel.state
        with pytest.raises(WsConnectionClosedError, match="belongs to the process that this one was forked from"):
            await stream.__anext__()
    assert [WsConnectionClosedError] == [type(end) for end in ends]
    assert {"result": 1} == await wired._channel.call("server", {"method": "add"})
    assert (2, 2, 2) == (len(channel.handshakes), channel.open, workers())
    await wired._channel.aclose()
    channel.wait_for(lambda: channel.open == 1)
    await worker.stop(line)
