"""Watching directories on the runtime by pushes: what a program hears of changes while it looks at nothing itself."""

from __future__ import annotations

import pytest

from agentbay import AsyncSession, FileChangeEvent
from agentbay._watch import Watcher
from tests._async.both.doors import FOLDER
from tests.waiting import async_until

# The mocked server has no WebSocket of its own; what is said on it is compared in test_watching.py.
pytestmark = pytest.mark.parametrize("door", ["link"], indirect=True)

# So long a time between two looks that only pushes can tell of a change.
NEVER = 3600.0

Seen = list[FileChangeEvent]


async def begun(session: AsyncSession, seen: Seen, path: str = FOLDER) -> Watcher:
    """A watch that adds to a list. It looks once after it has begun; of the second probe only a push can tell."""
    watcher = session.file_system.watch_directory(path, seen.extend, interval=NEVER)
    watcher.start()
    await async_until(watcher.ready_event.is_set)
    for name in (".probe-1", ".probe-2"):
        await session.command.run(f"echo > {path}/{name}")
        await async_until(lambda name=name: ("modify", name, "file") in told(seen, path))  # type: ignore[misc]
    seen.clear()
    return watcher


async def ended(watcher: Watcher) -> None:
    watcher.stop_event.set()
    await async_until(lambda: not watcher.is_alive())


def told(seen: Seen, folder: str = FOLDER) -> set[tuple[str, str, str]]:
    return {(event.event_type, event.path.removeprefix(f"{folder}/"), event.path_type) for event in seen}


async def test_what_happens_in_a_directory_is_told(session: AsyncSession) -> None:
    seen: Seen = []
    watcher = await begun(session, seen)
    await session.command.run(f"cd {FOLDER}; echo x > a; mkdir -p d/e; echo x > d/e/b; echo x > d/gone")
    made = {("create", name, "file") for name in ("a", "d/e/b", "d/gone")} | {("create", "d/e", "directory")}
    await async_until(lambda: made <= told(seen))
    seen.clear()
    await session.command.run(f"cd {FOLDER}; echo y >> a; rm d/gone; mv d/e e")
    changed = {("modify", "a", "file"), ("delete", "d/gone", "file"), ("delete", "d/e/b", "file")}
    await async_until(lambda: changed | {("create", "e", "directory"), ("create", "e/b", "file")} <= told(seen))
    await ended(watcher)


async def test_files_that_tools_write_are_told_without_their_temporary_names(session: AsyncSession) -> None:
    seen: Seen = []
    watcher = await begun(session, seen)
    for name in ("a.txt", "deep/b.txt"):
        (await session.file_system.write_file(f"{FOLDER}/{name}", "x" * 100_000)).unwrap()
    await async_until(lambda: ("modify", "deep/b.txt", "file") in told(seen))
    assert {"a.txt", "deep", "deep/b.txt"} == {path for _, path, _ in told(seen)}
    await ended(watcher)


async def test_many_changes_at_once_are_all_told(session: AsyncSession) -> None:
    seen: Seen = []
    watcher = await begun(session, seen)
    script = "for d in 1 2 3 4 5; do mkdir -p $d/x && (cd $d/x && seq 400 | xargs touch) & done; wait"
    await session.command.run(f"cd {FOLDER}; {script}", 20_000)
    files = {("create", f"{folder}/x/{name}", "file") for folder in range(1, 6) for name in range(1, 401)}
    await async_until(lambda: files <= told(seen))
    await ended(watcher)


async def test_watches_of_two_directories_do_not_mix(session: AsyncSession) -> None:
    await session.command.run(f"mkdir {FOLDER}/a {FOLDER}/b")
    one: Seen = []
    two: Seen = []
    watchers = [await begun(session, one, f"{FOLDER}/a"), await begun(session, two, f"{FOLDER}/b")]
    await session.command.run(f"echo x > {FOLDER}/a/mine; echo x > {FOLDER}/b/yours")
    await async_until(lambda: one and two)
    assert ({f"{FOLDER}/a/mine"}, {f"{FOLDER}/b/yours"}) == tuple({event.path for event in seen} for seen in (one, two))
    for watcher in watchers:
        await ended(watcher)


async def test_two_watches_of_one_directory_are_both_told_and_end_alone(session: AsyncSession) -> None:
    one: Seen = []
    two: Seen = []
    first, second = await begun(session, one), await begun(session, two)
    await session.command.run(f"echo x > {FOLDER}/both")
    await async_until(lambda: one and two)
    await ended(first)
    two.clear()
    await session.command.run(f"echo x > {FOLDER}/later")
    await async_until(lambda: ("create", "later", "file") in told(two))
    assert "later" not in {path for _, path, _ in told(one)}
    await ended(second)


async def test_a_watch_is_an_iterator_too(session: AsyncSession) -> None:
    await session.command.run(f"(sleep 0.3; echo x > {FOLDER}/new) >/dev/null 2>&1 &")
    seen: Seen = []
    async for events in session.file_system.watch_directory(FOLDER, interval=NEVER):
        seen += events
        break
    assert ("create", "new", "file") in told(seen)


async def test_a_directory_that_is_removed_and_made_again_is_watched_on(session: AsyncSession) -> None:
    seen: Seen = []
    await session.command.run(f"mkdir {FOLDER}/d; echo x > {FOLDER}/d/a")
    watcher = await begun(session, seen, f"{FOLDER}/d")
    await session.command.run(f"rm -r {FOLDER}/d")
    await async_until(lambda: ("delete", "d/a", "file") in told(seen))
    await session.command.run(f"mkdir {FOLDER}/d; echo x > {FOLDER}/d/b")
    await async_until(lambda: ("create", "d/b", "file") in told(seen))
    await ended(watcher)


async def test_nothing_is_left_in_the_session_of_watches_that_ended(session: AsyncSession) -> None:
    seen: Seen = []
    for _ in range(3):
        await ended(await begun(session, seen))
        hasty = session.file_system.watch_directory(FOLDER, seen.extend, interval=NEVER)
        hasty.start()
        await async_until(hasty.ready_event.is_set)
        await ended(hasty)
    # The first process of the session looks like its watches, which come from it.
    waiting = "until [ $(pgrep -fc '[b]oxd.pyc') = 1 ]; do sleep 0.02; done"
    assert (await session.command.run(waiting, 10_000)).success
