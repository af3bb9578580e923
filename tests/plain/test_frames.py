"""The frames of the WebSocket: what goes out, what may come in, and whom it is for."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentbay._frames import (
    Backlog,
    BadFrame,
    Frame,
    Outcome,
    Router,
    Subscription,
    judge,
    new_id,
    read_frame,
    write_frame,
)
from agentbay.errors import WsConnectionClosedError, WsProtocolError, WsRemoteError

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
MEMBERS = ("invocationId", "requestId", "source", "target", "data", "error")
FRAMES = st.dictionaries(st.sampled_from(MEMBERS), JSON | st.sampled_from(["a", "SDK", "WEBSOCKET_SERVER"]))


def frame(**members: Any) -> str:
    return json.dumps({"invocationId": "a", "source": "s", "target": "SDK", "data": {}} | members)


def test_an_id_is_32_hexadecimal_digits() -> None:
    assert re.fullmatch("[0-9a-f]{32}", new_id())


@given(st.text(), st.dictionaries(st.text(), JSON))
def test_what_is_written_can_be_read(target: str, data: dict[str, Any]) -> None:
    assert {"invocationId": "a", "source": "SDK", "target": target, "data": data} == json.loads(
        write_frame("a", target, data)
    )


READABLE: dict[str, tuple[str, Frame]] = {
    "invocationId": (frame(), Frame("a", "s", "SDK", {})),
    "requestId": (frame(invocationId="", requestId="b"), Frame("b", "s", "SDK", {})),
    "both": (frame(requestId="b"), Frame("a", "s", "SDK", {})),
    "no source": (frame(source=None), Frame("a", "", "SDK", {})),
    "data as text": (frame(data='{"x": 1}'), Frame("a", "s", "SDK", {"x": 1})),
    "gateway without target and data": (
        frame(source="WEBSOCKET_SERVER", target=None, data=None, error="e"),
        Frame("a", "WEBSOCKET_SERVER", "", {}, "e"),
    ),
    "gateway with an error that is no text": (
        frame(source="WEBSOCKET_SERVER", error={"x": 1}),
        Frame("a", "WEBSOCKET_SERVER", "SDK", {}),
    ),
}

UNREADABLE: dict[str, tuple[str | bytes, str]] = {
    "not JSON": ("{", ""),
    "no object": ("[]", ""),
    "not UTF-8": (b"\xff", ""),
    "nested too deeply": ("[" * 200_000, ""),
    "no id": (frame(invocationId=None), ""),
    "id is a number": (frame(invocationId=7, requestId="b"), ""),
    "source is a number": (frame(source=7), "a"),
    "target is a number": (frame(target=7), "a"),
    "no target": (frame(target=""), "a"),
    "data is a list": (frame(data=[]), "a"),
    "data is text of another kind": (frame(data="x"), "a"),
    "no data": (frame(data=None), "a"),
}


@pytest.mark.parametrize(("text", "expected"), READABLE.values(), ids=READABLE)
def test_a_frame_is_read(text: str, expected: Frame) -> None:
    assert expected == read_frame(text)


@pytest.mark.parametrize(("text", "identity"), UNREADABLE.values(), ids=UNREADABLE)
def test_a_frame_of_another_form_is_refused(text: str | bytes, identity: str) -> None:
    with pytest.raises(BadFrame) as caught:
        read_frame(text)
    assert identity == caught.value.id


@given(FRAMES.map(json.dumps) | st.text() | st.binary())
def test_any_message_is_a_frame_or_a_bad_frame(message: str | bytes) -> None:
    try:
        read = read_frame(message)
    except BadFrame:
        return
    judge(read, stream=True)
    judge(read, stream=False)
    Router().receive(message)


ROUTES = {("server", "SDK"): "server", ("", "SDK"): "SDK", ("SDK", "SDK"): "SDK", ("server", "other"): "other"}


@pytest.mark.parametrize(("names", "route"), ROUTES.items())
def test_a_push_goes_by_its_target_or_else_by_its_source(names: tuple[str, str], route: str) -> None:
    assert route == Frame("a", *names, {}).route


def outcome(data: dict[str, Any], *, stream: bool, source: str = "s", error: str = "") -> Any:
    told = judge(Frame("a", source, "SDK", data, error), stream)
    return (type(told.error), told.error.message) if told.error else (told.data, told.last)


GATEWAY = {"source": "WEBSOCKET_SERVER"}

MEANINGS: list[tuple[dict[str, Any], dict[str, Any], Any]] = [
    ({}, {"stream": True, "error": "e"} | GATEWAY, (WsRemoteError, "e")),
    ({"error": "inner"}, {"stream": True} | GATEWAY, (WsRemoteError, "inner")),
    ({"x": 1}, {"stream": True} | GATEWAY, ({"x": 1}, True)),
    ({"error": "e", "phase": "event"}, {"stream": True}, (WsRemoteError, "e")),
    ({"error": "e", "result": 1}, {"stream": False}, (WsRemoteError, "e")),
    ({"error": {"message": "m"}, "result": 1}, {"stream": False}, ({"error": {"message": "m"}, "result": 1}, True)),
    ({"error": {"message": "m"}}, {"stream": False}, (WsRemoteError, "m")),
    ({"error": {"code": 5}}, {"stream": False}, (WsRemoteError, '{"code":5}')),
    ({"error": ""}, {"stream": False}, (WsRemoteError, "WebSocket remote error")),
    ({"x": 1}, {"stream": False}, ({"x": 1}, True)),
    ({"phase": "event", "error": {"code": 1}}, {"stream": True}, ({"phase": "event", "error": {"code": 1}}, False)),
    ({"phase": "end"}, {"stream": True}, ({"phase": "end"}, True)),
    ({"phase": "error", "error": {"message": "m"}}, {"stream": True}, (WsRemoteError, "m")),
    ({"phase": "error", "message": "m"}, {"stream": True}, (WsRemoteError, "m")),
    ({"phase": "other"}, {"stream": True}, (WsProtocolError, "A stream's frame has no known phase")),
    ({}, {"stream": True}, (WsProtocolError, "A stream's frame has no known phase")),
]


@pytest.mark.parametrize(("data", "how", "expected"), MEANINGS)
def test_a_frame_means_what_the_matching_order_says(data: dict[str, Any], how: dict[str, Any], expected: Any) -> None:
    assert expected == outcome(data, **how)


def test_a_bad_frame_fails_the_one_it_belongs_to_and_no_other() -> None:
    router, mine, other = Router(), list[Outcome](), list[Outcome]()
    router.expect("a", mine.append, stream=True)
    router.expect("b", other.append, stream=True)
    router.receive(frame(data=[]))
    assert ([WsProtocolError], []) == ([type(one.error) for one in mine], other)


def test_nothing_comes_after_the_last_frame() -> None:
    router, mine, pushed = Router(), list[Outcome](), list[dict[str, Any]]()
    router.expect("a", mine.append, stream=False)
    router.subscribe(Subscription("s", pushed.append))
    for number in (1, 2):
        router.receive(frame(data={"result": number}))
    assert ([Outcome({"result": 1})], [{"result": 2}]) == (mine, pushed)


def test_a_numbered_event_that_comes_twice_counts_once() -> None:
    router, mine = Router(), list[Outcome]()
    router.expect("a", mine.append, stream=True)
    for seq in (1, 1, 2, 2, 2):
        router.receive(frame(data={"phase": "event", "seq": seq}))
    assert [1, 2] == [one.data["seq"] for one in mine]


@given(st.integers(1, 50), st.lists(st.integers(0, 40)))
def test_a_backlog_has_room_for_one_thing_and_for_as_much_as_was_said(most: int, sizes: list[int]) -> None:
    backlog, waiting = Backlog(), list[int]()
    for size in sizes:
        assert backlog.add(size, most) == (sum(waiting) == 0 or sum(waiting) + size <= most)
        waiting.append(size)
        while sum(waiting) > most:
            backlog.remove(waiting.pop(0))


def test_events_without_a_number_all_count() -> None:
    router, mine = Router(), list[Outcome]()
    router.expect("a", mine.append, stream=True)
    for _ in range(3):
        router.receive(frame(data={"phase": "event", "chunk": "x"}))
    assert 3 == len(mine)


def test_a_push_reaches_each_subscriber_of_its_route_until_it_leaves() -> None:
    router, one, two = Router(), list[dict[str, Any]](), list[dict[str, Any]]()
    first = router.subscribe(Subscription("s", one.append))
    router.subscribe(Subscription("s", two.append))
    router.subscribe(Subscription("other", lambda _: pytest.fail("not its route")))
    router.receive(frame(data={"n": 1}))
    router.unsubscribe(first)
    router.unsubscribe(first)
    router.receive(frame(data={"n": 2}))
    assert ([{"n": 1}], [{"n": 1}, {"n": 2}]) == (one, two)


def test_a_callback_that_fails_harms_nobody_else(caplog: pytest.LogCaptureFixture) -> None:
    router, got = Router(), list[dict[str, Any]]()
    router.subscribe(Subscription("s", lambda data: data["missing"]))
    router.subscribe(Subscription("s", got.append))
    router.receive(frame(data={"n": 1}))
    assert ([{"n": 1}], 1) == (got, len(caplog.records))


def test_a_dropped_frame_is_logged_without_its_content(caplog: pytest.LogCaptureFixture) -> None:
    Router().receive(frame(target="", data={"secret": "canary"}))
    assert (1, False) == (len(caplog.records), "canary" in caplog.text)


def test_the_end_is_told_to_waiters_and_subscribers_once() -> None:
    router, mine, ends = Router(), list[Outcome](), list[Any]()
    error = WsConnectionClosedError()
    router.expect("a", mine.append, stream=True)
    router.subscribe(Subscription("s", lambda _: None, ended=ends.append))
    router.subscribe(Subscription("s", lambda _: None))
    router.end(error)
    router.end(error)
    assert ([error], [error]) == ([one.error for one in mine], ends)
