"""Watching a directory, as an iterator and by a callback."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from typing import Any

import pytest

from agentbay import AsyncAgentBay, AsyncSession, FileChangeEvent, NotFoundError, ToolError
from agentbay._pairs import async_blocking, async_sleep
from tests.gateway import GONE, Gateway, Received, Said, raw, refusal

NOTHING = Said("[]")


def changed(name: str) -> Said:
    return Said(json.dumps([{"eventType": "create", "path": name, "pathType": "file"}]))


def event(name: str) -> FileChangeEvent:
    return FileChangeEvent("create", name, "file")


async def until(condition: Callable[[], bool]) -> None:
    """Wait, with an end that only a broken program reaches."""
    pause = threading.Event()
    for _ in range(2000):
        if condition():
            return
        await async_blocking(pause.wait, 0.005)
    pytest.fail("it never happened")


# --- The iterator -----------------------------------------------------------------------------------------------------


async def test_the_first_look_is_the_baseline_and_quiet_looks_are_silent(
    either: AsyncSession, gateway: Gateway
) -> None:
    gateway.on("get_file_change", changed("/old"), NOTHING, changed("/a"), NOTHING, changed("/b"), NOTHING)
    seen = []

    async for events in either.file_system.watch_directory("/w", interval=0.001):
        seen.append(events)
        if len(seen) == 2:
            break

    assert seen == [[event("/a")], [event("/b")]]
    assert {request.args["path"] for request in gateway.requests} == {"/w"}


async def test_a_stop_event_ends_the_iterator(session: AsyncSession, gateway: Gateway) -> None:
    gateway.on("get_file_change", NOTHING, changed("/a"), NOTHING)
    stop = threading.Event()
    seen = []

    async for events in session.file_system.watch_directory("/w", interval=0.001, stop_event=stop):
        seen.append(events)
        stop.set()

    assert seen == [[event("/a")]]


async def test_a_stop_event_that_is_set_before_ends_the_iterator_at_once(
    session: AsyncSession, gateway: Gateway
) -> None:
    gateway.on("get_file_change", NOTHING)
    stop = threading.Event()
    stop.set()

    seen = [events async for events in session.file_system.watch_directory("/w", stop_event=stop)]

    assert (seen, len(gateway.requests)) == ([], 1)


@pytest.mark.parametrize(
    ("end", "kind"), [(GONE, NotFoundError), (Said("The session has EXPIRED", failed=True), ToolError)]
)
async def test_the_iterator_raises_when_the_session_has_ended(
    session: AsyncSession, gateway: Gateway, end: Any, kind: type[Exception]
) -> None:
    gateway.on("get_file_change", NOTHING, changed("/a"), end)
    seen = []

    async def walk() -> None:
        async for events in session.file_system.watch_directory("/w", interval=0.001):
            seen.append(events)  # noqa: PERF401  (what was seen before the end counts)

    with pytest.raises(kind):
        await walk()

    assert seen == [[event("/a")]]


async def test_the_iterator_outlives_other_failures(session: AsyncSession, gateway: Gateway) -> None:
    failures = [Said("busy", failed=True), refusal("InternalError", "x", 500)]
    gateway.on("get_file_change", *failures, changed("/a"), NOTHING)

    async for events in session.file_system.watch_directory("/w", interval=0.001):
        assert events == [event("/a")]
        break


# --- The callback -----------------------------------------------------------------------------------------------------


async def test_a_callback_hears_of_changes_in_a_thread_of_its_own(either: AsyncSession, gateway: Gateway) -> None:
    gateway.on("get_file_change", changed("/old"), changed("/a"), NOTHING, changed("/b"), NOTHING)
    heard: list[tuple[list[FileChangeEvent], bool]] = []

    def listen(events: list[FileChangeEvent]) -> None:
        heard.append((events, threading.current_thread() is watcher))

    watcher = either.file_system.watch_directory("/w", listen, interval=0.001)
    began = (watcher.is_alive(), watcher.ready_event.is_set(), watcher.daemon)
    watcher.start()
    await async_blocking(watcher.ready_event.wait, 10)
    await until(lambda: len(heard) == 2)
    watcher.stop_event.set()
    await async_blocking(watcher.join, 10)

    assert began == (False, False, True)
    assert heard == [([event("/a")], True), ([event("/b")], True)]
    assert not watcher.is_alive()


async def test_a_watch_uses_the_stop_event_that_it_is_given(session: AsyncSession, gateway: Gateway) -> None:
    gateway.on("get_file_change", NOTHING)
    stop = threading.Event()

    watcher = session.file_system.watch_directory("/w", print, 60, stop)
    watcher.start()
    await async_blocking(watcher.ready_event.wait, 10)
    stop.set()
    await async_blocking(watcher.join, 10)

    assert (watcher.stop_event, watcher.is_alive(), len(gateway.requests)) == (stop, False, 1)


@pytest.mark.parametrize("end", [GONE, Said("session is invalid", failed=True)])
async def test_a_watch_ends_with_its_session(session: AsyncSession, gateway: Gateway, end: Any) -> None:
    gateway.on("get_file_change", NOTHING, changed("/a"), end)
    heard: list[list[FileChangeEvent]] = []

    watcher = session.file_system.watch_directory("/w", heard.append, 0.001)
    watcher.start()
    await async_blocking(watcher.join, 10)

    assert (watcher.is_alive(), heard) == (False, [[event("/a")]])


async def test_a_watch_outlives_answers_that_are_lost(session: AsyncSession, gateway: Gateway) -> None:
    gateway.on("get_file_change", raw("no json"), raw("no json"), Said("busy", failed=True), changed("/a"), NOTHING)
    heard: list[list[FileChangeEvent]] = []

    watcher = session.file_system.watch_directory("/w", heard.append, 0.001)
    watcher.start()
    await until(lambda: bool(heard))
    watcher.stop_event.set()
    await async_blocking(watcher.join, 10)

    assert heard == [[event("/a")]]


async def test_a_watch_ends_with_its_client(client: AsyncAgentBay, session: AsyncSession, gateway: Gateway) -> None:
    gateway.on("get_file_change", NOTHING)

    watcher = session.file_system.watch_directory("/w", print, 0.001)
    watcher.start()
    await async_blocking(watcher.ready_event.wait, 10)
    await client.aclose()
    await async_blocking(watcher.join, 10)

    assert not watcher.is_alive()


async def test_a_watch_may_be_stopped_before_it_looks(session: AsyncSession, gateway: Gateway) -> None:
    watcher = session.file_system.watch_directory("/w", print, 0.001)
    watcher.stop_event.set()
    watcher.start()
    await async_blocking(watcher.join, 10)

    assert (watcher.ready_event.is_set(), watcher.is_alive()) == (True, False)
    assert gateway.requests == []


async def test_a_watch_may_be_stopped_during_a_look(session: AsyncSession, gateway: Gateway) -> None:
    looking, go_on = threading.Event(), threading.Event()

    def hang(_: Received) -> Said:
        looking.set()
        go_on.wait(10)
        return NOTHING

    gateway.on("get_file_change", NOTHING, hang)
    watcher = session.file_system.watch_directory("/w", print, 0.001)
    watcher.start()
    await async_blocking(looking.wait, 10)
    await async_sleep(0.15)
    watcher.stop_event.set()
    await until(lambda: go_on.set() or not watcher.is_alive())

    assert len(gateway.requests) == 2
