"""Watching directories: by pushes, by looking, and from one to the other when the line breaks."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from agentbay import AsyncSession, FileChangeEvent, NotFoundError, WsCancelledError
from agentbay._async import watching as module
from agentbay._pairs import async_sleep
from agentbay._watch import Events, StopEvent, Watcher
from tests.catalogue import WS
from tests.channel import Channel
from tests.gateway import GONE, Gateway, Received, Said
from tests.waiting import async_until

SERVER = "wuying_filesystem"
NONE = Said("[]")
FAST = 0.01


def told(*names: str) -> list[dict[str, str]]:
    return [{"eventType": "create", "path": f"/w/{name}", "pathType": "file"} for name in names]


def found(*names: str) -> Said:
    return Said(json.dumps(told(*names)))


def events(*names: str) -> Events:
    return [FileChangeEvent("create", f"/w/{name}", "file") for name in names]


def push(*names: str, path: str = "/w", **more: Any) -> dict[str, Any]:
    return {"eventType": "file_change", "path": path, "events": told(*names)} | more


@pytest.fixture
def subscribed(channel: Channel) -> Channel:
    """A server that takes subscriptions."""
    channel.on("subscribe_file_change", {"phase": "event"}, {"phase": "end"})
    return channel


async def ready(watcher: Watcher, subscribed: Channel, gateway: Gateway) -> None:
    """Until the watch has its subscription and has looked once more."""
    await async_until(lambda: subscribed.of("subscribe_file_change"))
    await async_until(lambda: len(gateway.of("get_file_change")) >= 2)
    assert watcher.ready_event.is_set()


async def end(watcher: Watcher) -> None:
    watcher.stop_event.set()
    await async_until(lambda: not watcher.is_alive())


async def gather(session: AsyncSession, got: list[Events]) -> None:
    async for changes in session.fs.watch_directory("/w", interval=FAST):
        got.append(changes)  # noqa: PERF401  (what came before an error counts)


async def start(session: AsyncSession, got: list[Events], path: str = "/w") -> Watcher:
    watcher = session.fs.watch_directory(path, got.append, FAST)
    watcher.start()
    return watcher


# By pushes


async def test_a_push_reaches_the_callback_and_no_more_looks_are_taken(
    wired: AsyncSession, subscribed: Channel, gateway: Gateway
) -> None:
    gateway.on("get_file_change", NONE)
    got: list[Events] = []
    watcher = await start(wired, got)
    await ready(watcher, subscribed, gateway)
    subscribed.push(SERVER, push("a", "b"))
    await async_until(lambda: got)
    await end(watcher)
    assert ([events("a", "b")], 2) == (got, len(gateway.of("get_file_change")))


async def test_a_quiet_watch_ends_when_it_is_told_to(
    wired: AsyncSession, subscribed: Channel, gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "TICK", 0.001)
    gateway.on("get_file_change", NONE)
    got: list[Events] = []
    watcher = await start(wired, got)
    await ready(watcher, subscribed, gateway)
    await async_sleep(0.05)
    await end(watcher)
    assert ([], 2) == (got, len(gateway.of("get_file_change")))


async def test_a_watch_that_nobody_reads_is_given_up(
    wired: AsyncSession, subscribed: Channel, gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MOST_WAITING", 3)
    gateway.on("get_file_change", NONE, found("first"), NONE)
    got: list[Events] = []

    async def follow() -> None:
        async for changes in wired.fs.watch_directory("/w", interval=FAST):
            got.append(changes)
            if got == [events("first")]:
                for name in "abcd":
                    subscribed.push(SERVER, push(name, name))
                await async_until(lambda: not wired._channel._router._subscriptions)

    with pytest.raises(WsCancelledError, match="The watch of /w was given up: more than 3 changes were not read"):
        await follow()

    assert [events("first"), events("a", "a")] == got
    await async_until(lambda: subscribed.of("unsubscribe_file_change"))


async def test_the_messages_are_the_catalogues(wired: AsyncSession, subscribed: Channel, gateway: Gateway) -> None:
    gateway.on("get_file_change", NONE)
    watcher = await start(wired, [])
    await ready(watcher, subscribed, gateway)
    await end(watcher)
    await async_until(lambda: subscribed.of("unsubscribe_file_change"))
    for frame in subscribed.frames:
        wanted = WS[frame["data"]["method"]]["data"]
        assert ("SDK", SERVER) == (frame["source"], frame["target"])
        assert wanted | {"params": {"path": "/w"}} == frame["data"]
    assert ["subscribe_file_change", "unsubscribe_file_change"] == [
        frame["data"]["method"] for frame in subscribed.frames
    ]


async def test_a_watch_that_is_stopped_while_it_subscribes_ends_the_subscription(
    wired: AsyncSession, channel: Channel, gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "SUBSCRIBE_TIMEOUT", 0.5)
    gateway.on("get_file_change", NONE)
    watcher = await start(wired, [])
    await async_until(lambda: channel.of("subscribe_file_change"))
    await end(watcher)
    await async_until(lambda: channel.of("unsubscribe_file_change"))


async def test_what_changed_before_the_subscription_is_caught_up(
    wired: AsyncSession, subscribed: Channel, gateway: Gateway
) -> None:
    gateway.on("get_file_change", found("baseline"), found("late"), NONE)
    got: list[Events] = []
    watcher = await start(wired, got)
    await async_until(lambda: got)
    await end(watcher)
    assert ([events("late")], 1) == (got, len(subscribed.of("subscribe_file_change")))


async def test_pushes_about_something_else_are_passed_over(
    wired: AsyncSession, subscribed: Channel, gateway: Gateway
) -> None:
    gateway.on("get_file_change", NONE)
    got: list[Events] = []
    watcher = await start(wired, got)
    await ready(watcher, subscribed, gateway)
    for other in (push("x", path="/v"), push("x", eventType="other"), push("x", path=5), push(events="x"), {}):
        subscribed.push(SERVER, other)
    subscribed.push(SERVER, push("a", path="/w/"))
    await async_until(lambda: got)
    await end(watcher)
    assert [events("a")] == got


async def test_two_watches_of_one_directory_end_one_by_one(
    wired: AsyncSession, subscribed: Channel, gateway: Gateway
) -> None:
    gateway.on("get_file_change", NONE)
    got: list[Events] = []
    first, second = await start(wired, []), await start(wired, got)
    await async_until(lambda: len(gateway.of("get_file_change")) >= 4)
    await end(first)
    assert [] == subscribed.of("unsubscribe_file_change")
    subscribed.push(SERVER, push("a"))
    await async_until(lambda: got)
    await end(second)
    await async_until(lambda: subscribed.of("unsubscribe_file_change"))


async def test_after_a_cut_the_subscription_is_restored_and_what_was_missed_is_told(
    wired: AsyncSession, subscribed: Channel, gateway: Gateway
) -> None:
    gateway.on("get_file_change", NONE)
    got: list[Events] = []
    watcher = await start(wired, got)
    await ready(watcher, subscribed, gateway)
    gateway.on("get_file_change", found("missed"), NONE)
    subscribed.cut()
    await async_until(lambda: got)
    await async_until(lambda: len(subscribed.of("subscribe_file_change")) == 2)
    subscribed.push(SERVER, push("new"))
    await async_until(lambda: len(got) == 2)
    await end(watcher)
    assert [events("missed"), events("new")] == got


# By looking


REFUSALS: dict[str, Callable[[Channel, AsyncSession], object]] = {
    "no channel": lambda _, session: setattr(session, "ws_url", ""),
    "no server": lambda _, session: session.tool_servers.pop("get_file_change"),
    "refused": lambda channel, _: channel.on("subscribe_file_change", {"error": "not here"}),
    "cut": lambda channel, _: channel.on("subscribe_file_change", lambda peer, _: peer.cut()),
    "not admitted": lambda channel, _: channel.refusals.append(403),
}


@pytest.mark.parametrize("spoil", REFUSALS.values(), ids=REFUSALS)
async def test_where_pushes_are_not_to_be_had_it_looks(
    wired: AsyncSession, subscribed: Channel, gateway: Gateway, spoil: Callable[..., object]
) -> None:
    spoil(subscribed, wired)
    gateway.on("get_file_change", found("baseline"), NONE, found("a"), Said("broken", failed=True), found("b"), NONE)
    got: list[Events] = []
    watcher = await start(wired, got)
    await async_until(lambda: len(got) == 2)
    await end(watcher)
    assert [events("a"), events("b")] == got


async def test_a_subscription_that_is_never_confirmed_leaves_looking(
    wired: AsyncSession, channel: Channel, gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "SUBSCRIBE_TIMEOUT", 0.1)
    gateway.on("get_file_change", NONE, found("a"), NONE)
    got: list[Events] = []
    watcher = await start(wired, got)
    await async_until(lambda: got)
    await end(watcher)
    assert ([events("a")], 1) == (got, len(channel.of("subscribe_file_change")))


async def test_a_restored_subscription_that_is_refused_leaves_looking(
    wired: AsyncSession, subscribed: Channel, gateway: Gateway
) -> None:
    gateway.on("get_file_change", NONE)
    got: list[Events] = []
    watcher = await start(wired, got)
    await ready(watcher, subscribed, gateway)
    subscribed.on("subscribe_file_change", {"error": "no more"})
    subscribed.cut()
    await async_until(lambda: len(gateway.of("get_file_change")) > 8)
    gateway.on("get_file_change", found("a"), NONE)
    await async_until(lambda: got)
    await end(watcher)
    assert [events("a")] == got


async def test_the_end_of_the_channel_leaves_looking(
    wired: AsyncSession, subscribed: Channel, gateway: Gateway
) -> None:
    gateway.on("get_file_change", NONE)
    got: list[Events] = []
    watcher = await start(wired, got)
    await ready(watcher, subscribed, gateway)
    await wired._channel.aclose()
    gateway.on("get_file_change", found("a"), NONE)
    await async_until(lambda: got)
    await end(watcher)


ENDS = [GONE, Said("the session is expired", failed=True), Said("Invalid session", failed=True)]


@pytest.mark.parametrize("ending", ENDS)
async def test_the_end_of_the_session_ends_the_watch(session: AsyncSession, gateway: Gateway, ending: Any) -> None:
    gateway.on("get_file_change", NONE, ending)
    watcher = await start(session, [])
    await async_until(lambda: not watcher.is_alive())
    assert 2 == len(gateway.of("get_file_change"))


async def test_the_end_of_the_client_ends_the_watch(session: AsyncSession, gateway: Gateway) -> None:
    gateway.on("get_file_change", NONE)
    watcher = await start(session, [])
    await async_until(lambda: gateway.of("get_file_change"))
    await session.agent_bay.aclose()
    await async_until(lambda: not watcher.is_alive())


async def test_a_stop_event_of_the_callers_own_ends_the_watch(session: AsyncSession, gateway: Gateway) -> None:
    gateway.on("get_file_change", NONE)
    stop = StopEvent()
    watcher = session.fs.watch_directory("/w", lambda _: None, 30, stop)
    assert watcher.stop_event is stop
    watcher.start()
    await async_until(watcher.ready_event.is_set)
    stop.set()
    await async_until(lambda: not watcher.is_alive())


# Without a callback


async def test_without_a_callback_it_is_an_iterator(session: AsyncSession, gateway: Gateway) -> None:
    gateway.on("get_file_change", found("baseline"), NONE, found("a"), found("b"), GONE)
    got: list[Events] = []
    with pytest.raises(NotFoundError):
        await gather(session, got)
    assert [events("a"), events("b")] == got


async def test_the_iterator_ends_when_it_is_stopped(wired: AsyncSession, subscribed: Channel, gateway: Gateway) -> None:
    gateway.on("get_file_change", NONE, found("a"), NONE)
    stop = StopEvent()
    got: list[Events] = []
    async for changes in wired.fs.watch_directory("/w", interval=FAST, stop_event=stop):
        got.append(changes)
        stop.set()
    assert [events("a")] == got
    await async_until(lambda: subscribed.of("unsubscribe_file_change"))


async def test_a_look_that_gets_no_answer_is_taken_again(session: AsyncSession, gateway: Gateway) -> None:
    def broken(_: Received) -> Any:
        from tests.gateway import raw

        return raw("no JSON at all")

    gateway.on("get_file_change", NONE, broken, found("a"), GONE)
    got: list[Events] = []
    with pytest.raises(NotFoundError):
        await gather(session, got)
    assert [events("a")] == got
