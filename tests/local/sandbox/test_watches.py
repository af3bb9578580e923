"""Watching folders inside a sandbox: what is told, what is not, and how it ends."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from agentbay_local.sandbox.box import Box
from agentbay_local.sandbox.bwrap import interpreter
from agentbay_local.sandbox.contract import Change, Completed, LimitReached, SandboxGone
from agentbay_local.sandbox.following import BoxFollowing

Run = Callable[..., Awaitable[Completed]]
Until = Callable[[Callable[[], bool]], Awaitable[None]]
Seen = dict[str, tuple[str, str]]

PLACE = "/tmp/watched"


@pytest.fixture
async def following(box: Box, shell: Run) -> AsyncIterator[BoxFollowing]:
    """A watch of a folder in which there is something already."""
    await shell(f"mkdir -p {PLACE}/old/deep && echo kept > {PLACE}/old/file && echo kept > {PLACE}/old/deep/file")
    following = await box.follow(PLACE, skip=".own-")
    yield following
    following.close()


def kinds(change: Change) -> tuple[str, str]:
    """The types before and after, without sizes and times."""
    return (change.before[0] if change.before else "", change.after[0] if change.after else "")


async def until_seen(following: BoxFollowing, last: str) -> Seen:
    """What is told until something about `last`, by path below the folder."""
    seen: Seen = {}
    while last not in seen:
        for change in await asyncio.wait_for(following.changes(), 20):
            path = change.path.removeprefix(PLACE + "/")
            before = seen[path][0] if path in seen else kinds(change)[0]
            seen[path] = (before, kinds(change)[1])
    return seen


async def after(following: BoxFollowing, shell: Run, command: str) -> Seen:
    """What is told of a command's doing."""
    await shell(f"cd {PLACE} && {command}")
    await asyncio.sleep(0.15)  # so that the mark is told alone
    await shell(f"echo > {PLACE}/mark")
    seen = await until_seen(following, "mark")
    del seen["mark"]
    return seen


NEW_FILE = ("", "file")
NEW_FOLDER = ("", "directory")
CHANGED = ("file", "file")
LOST_FILE = ("file", "")
LOST_FOLDER = ("directory", "")

DOINGS: dict[str, Seen] = {
    "echo x > new": {"new": NEW_FILE},
    "echo more >> old/deep/file": {"old/deep/file": CHANGED},
    "rm old/file": {"old/file": LOST_FILE},
    "mv old/file old/other": {"old/file": LOST_FILE, "old/other": NEW_FILE},
    "mkdir -p a/b/c && echo x > a/b/c/file": {
        "a": NEW_FOLDER, "a/b": NEW_FOLDER, "a/b/c": NEW_FOLDER, "a/b/c/file": NEW_FILE
    },
    "rm -r old": {
        "old": LOST_FOLDER, "old/file": LOST_FILE, "old/deep": LOST_FOLDER, "old/deep/file": LOST_FILE
    },
    "mv old ../away": {
        "old": LOST_FOLDER, "old/file": LOST_FILE, "old/deep": LOST_FOLDER, "old/deep/file": LOST_FILE
    },
    "mv old/deep kept; sleep 0.2; echo x > kept/new": {
        "old/deep": LOST_FOLDER, "old/deep/file": LOST_FILE,
        "kept": NEW_FOLDER, "kept/file": NEW_FILE, "kept/new": NEW_FILE,
    },
    "ln -s /etc link; ln -s nowhere broken": {"link": ("", "symlink"), "broken": ("", "symlink")},
    "rm old/file; mkdir old/file": {"old/file": ("file", "directory")},
    "touch -d yesterday old/file": {"old/file": CHANGED},
    "chmod 600 old/file; ls -R; cat old/file": {},
    "echo x > .own-1; mkdir .own-2; echo x > .own-2/y; mv .own-1 own": {"own": NEW_FILE},
    "echo x > ../elsewhere; true": {},
    "rmdir nothing; echo x > short && rm short": {},
}  # fmt: skip


@pytest.mark.parametrize("command", DOINGS)
async def test_what_is_done_is_told(following: BoxFollowing, shell: Run, command: str) -> None:
    assert DOINGS[command] == await after(following, shell, command)


async def test_files_in_new_folders_are_never_lost(following: BoxFollowing, shell: Run) -> None:
    command = "for a in $(seq 20); do mkdir -p n$a/x/y && echo > n$a/f && echo > n$a/x/f && echo > n$a/x/y/f; done"
    seen = await after(following, shell, command)
    assert {f"n{a}/{file}" for a in range(1, 21) for file in ("f", "x/f", "x/y/f")} == {
        path for path, kind in seen.items() if kind == NEW_FILE
    }


async def test_a_file_written_twice_within_a_tick_of_the_clock_is_told_twice(
    following: BoxFollowing, shell: Run
) -> None:
    for _ in range(3):
        await shell(f"echo same > {PLACE}/old/file; touch -d 2020-01-01 {PLACE}/old/file")
        assert {"old/file": CHANGED} == await until_seen(following, "old/file")


async def test_a_folder_that_takes_the_place_of_another_is_looked_into(following: BoxFollowing, shell: Run) -> None:
    seen = await after(following, shell, "mv old gone; mkdir old; echo x > old/fresh; mv gone ..")
    assert (NEW_FILE, LOST_FILE) == (seen["old/fresh"], seen["old/file"])
    assert {"old/later": NEW_FILE} == await after(following, shell, "echo x > old/later")


async def test_more_than_the_kernel_keeps_in_mind_is_told_by_looking_again(following: BoxFollowing, shell: Run) -> None:
    stop = "pkill -STOP -f boxd[.]pyc"
    await shell(f"cd {PLACE}; {stop}; seq 20000 | xargs touch; rm old/file; pkill -CONT -f boxd[.]pyc")
    seen: Seen = {}
    while len(seen) < 20001:
        seen |= {change.path.removeprefix(PLACE + "/"): kinds(change) for change in await following.changes()}
    assert {str(number): NEW_FILE for number in range(1, 20001)} | {"old/file": LOST_FILE} == seen


async def test_a_folder_that_goes_and_comes_back_is_watched_on(following: BoxFollowing, shell: Run) -> None:
    await shell(f"rm -r {PLACE}")
    assert LOST_FILE == (await until_seen(following, "old/file"))["old/file"]
    await shell(f"mkdir {PLACE}; echo x > {PLACE}/back")
    assert {"back": NEW_FILE} == await until_seen(following, "back")
    await asyncio.sleep(0.1)
    await shell(f"echo x > {PLACE}/again")
    assert NEW_FILE == (await until_seen(following, "again"))["again"]


async def test_a_watch_that_a_neighbour_kills_begins_anew(following: BoxFollowing, shell: Run) -> None:
    reading = asyncio.create_task(until_seen(following, "later"))
    await shell("kill -9 -1")
    while not reading.done():
        await shell(f"echo x > {PLACE}/later")
        await asyncio.sleep(0.1)
    assert "file" == (await reading)["later"][1]


async def test_what_is_no_folder_cannot_be_watched(box: Box, shell: Run) -> None:
    await shell("echo x > /tmp/file")
    for path, error in {"/tmp/none": FileNotFoundError, "/tmp/file": NotADirectoryError}.items():
        with pytest.raises(error):
            await box.follow(path)


async def test_too_much_below_a_folder_is_refused(box: Box, python: Run) -> None:
    await python("""
        import os
        for folder in range(21):
            os.mkdir(f"/tmp/f{folder}")
            for file in range(5000): os.close(os.open(f"/tmp/f{folder}/{file}", os.O_CREAT))
    """)
    with pytest.raises(LimitReached, match="more than 100000 entries"):
        await box.follow("/tmp")


async def test_a_busy_writer_is_told_of_once_in_a_while_and_memory_stays(following: BoxFollowing, shell: Run) -> None:
    busy = asyncio.create_task(shell(f"cd {PLACE}; for i in $(seq 3000); do echo $i > busy; done; echo > end"))
    count = 0
    seen: set[str] = set()
    while f"{PLACE}/end" not in seen:
        seen |= {change.path for change in await following.changes()}
        count += 1
    assert count < 200
    await busy


async def test_closing_a_watch_leaves_nothing(box: Box, shell: Run, until: Until) -> None:
    before, processes = len(os.listdir("/proc/self/fd")), (await box.usage()).processes
    for _ in range(5):
        following = await box.follow("/tmp")
        following.close()
        following.close()
        assert [] == await following.changes()
    await until(lambda: len(os.listdir("/proc/self/fd")) == before)
    await asyncio.sleep(0.2)
    assert processes == (await box.usage()).processes


async def test_the_end_of_the_sandbox_is_the_end_of_its_watches(box: Box) -> None:
    following = await box.follow("/tmp")
    reading = asyncio.create_task(following.changes())
    await asyncio.sleep(0)
    await box.close()
    with pytest.raises(SandboxGone):
        await reading
    following.close()


async def test_a_watch_does_not_hold_other_calls_open(box: Box, shell: Run) -> None:
    slow = asyncio.create_task(shell("sleep 0.3; echo out"))
    await asyncio.sleep(0.1)
    following = await box.follow("/tmp")
    assert b"out\n" == (await slow).stdout
    following.close()


async def test_where_the_kernel_gives_no_notices_changes_are_told_by_looking(box: Box, shell: Run) -> None:
    take_all = "[ctypes.CDLL(None).inotify_init() for _ in range(2000)]"
    source = f"import ctypes, time; {take_all}; print(1, flush=1); time.sleep(60)"
    greedy = await box.spawn([str(interpreter()), "-I", "-S", "-c", source])
    await greedy.reader.readline()
    await shell(f"mkdir {PLACE}")
    following = await box.follow(PLACE)
    await shell(f"echo x > {PLACE}/new")
    assert {"new": NEW_FILE} == await until_seen(following, "new")
    following.close()
    await greedy.kill()


async def test_everything_there_is_can_be_asked_for_and_is_too_much(box: Box, shell: Run) -> None:
    with pytest.raises(LimitReached, match="more than 100000 entries"):
        await box.follow("/")
    assert b"fine\n" == (await shell("echo fine")).stdout
