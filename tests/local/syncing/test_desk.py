"""The contexts of one session: binding, tasks, mounts, and the end."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from agentbay_local.contexts import Contexts, NoContext
from agentbay_local.sandbox.box import Box
from agentbay_local.service.refusals import ServiceRefusal
from agentbay_local.syncing.desk import Desk
from agentbay_local.syncing.policy import Entry, read_entries
from agentbay_local.syncing.tasks import Kind, Status
from tests.local.syncing.conftest import OWNER, PLACE, Bound, Listed, Put, Side, over, until

NewDesk = Callable[[], Awaitable[Desk]]


def entries(context_id: str, *paths: str, **more: Any) -> list[Entry]:
    return read_entries([{"ContextId": context_id, "Path": path} | more for path in paths])


async def refused(desk: Desk, wanted: list[Entry]) -> str:
    with pytest.raises(ServiceRefusal) as caught:
        await desk.bind(wanted)
    return caught.value.code


# --- Binding ----------------------------------------------------------------------------------------------------------


async def test_a_path_is_bound_once(desks: NewDesk, context_id: str) -> None:
    desk = await desks()
    await desk.bind(entries(context_id, "/tmp/a", "/tmp/b"))
    for again in ("/tmp/a", "/tmp//b/"):
        assert "PathAlreadyBound" == await refused(desk, entries(context_id, again))
    assert "PathAlreadyBound" == await refused(desk, entries(context_id, "/tmp/c", "/tmp/c"))
    assert ["/tmp/a", "/tmp/b"] == [each.place for each in desk.shown]


@pytest.mark.parametrize("path", ["/", "/proc", "/proc/self", "/dev", "/sys/kernel"])
async def test_what_are_no_files_cannot_be_bound(desks: NewDesk, context_id: str, path: str) -> None:
    assert "InvalidParameter" == await refused(await desks(), entries(context_id, path))


async def test_bindings_have_a_limit(desks: NewDesk, context_id: str) -> None:
    desk = await desks()
    await desk.bind(entries(context_id, *(f"/tmp/{number}" for number in range(100))))
    assert "InvalidParameter" == await refused(desk, entries(context_id, "/tmp/more"))


async def test_a_context_of_another_owner_is_unknown(desks: NewDesk, store: Contexts) -> None:
    other = await store.get_or_make("key-2", "theirs")
    desk = await desks()
    hidden = await store.make_hidden(OWNER, "session-x")
    for context_id in (other.id, "SdkCtx-0000000000nowhere", hidden.id):
        assert "Context.NotFound" == await refused(desk, entries(context_id, "/tmp/a"))


async def test_a_bound_context_is_in_use_until_the_end(side: Side, store: Contexts, context_id: str) -> None:
    assert "in-use" == (await store.find(OWNER, context_id)).state
    await side.end()
    assert "available" == (await store.find(OWNER, context_id)).state


async def test_nothing_is_bound_after_the_end(side: Side, context_id: str) -> None:
    await side.end()
    assert "InvalidMcpSession.NotFound" == await refused(side.desk, entries(context_id, "/tmp/a"))
    with pytest.raises(ServiceRefusal):
        await side.desk.transfer()


# --- Tasks ------------------------------------------------------------------------------------------------------------


async def test_a_task_is_seen_at_once_and_is_not_over_before_it_is_done(side: Side, listed: Listed) -> None:
    await side.sh("head -c 4000000 /dev/urandom > a")
    [(scope, path)] = side.desk.sought(side.context_id, PLACE)
    task = side.desk.start(scope, path, Kind.UP)
    assert ([task], False) == (list(side.desk.tasks), task.over)
    await until(lambda: task.over)
    assert (Status.SUCCESS, {"a"}) == (task.status, set(await listed()))


async def test_syncs_of_one_path_wait_for_each_other(side: Side) -> None:
    [(scope, path)] = side.desk.sought(side.context_id, "")
    first, second = (side.desk.start(scope, path, kind) for kind in (Kind.UP, Kind.DOWN))
    while not first.over:
        assert Status.PENDING is second.status
        await asyncio.sleep(0)
    await over(second)
    assert first.finished <= second.finished


async def test_what_is_sought_is_found_by_context_and_path(desks: NewDesk, store: Contexts, context_id: str) -> None:
    desk = await desks()
    other = (await store.get_or_make(OWNER, "other")).id
    await desk.bind(entries(context_id, "/tmp/a", "/tmp/a/deep") + entries(other, "/tmp/b/"))
    hidden = (await desk.transfer()).context_id
    found = {
        (context, path): [(each.binding.place, each.path, told) for each, told in desk.sought(context, path)]
        for context, path in (
            ("", ""),
            ("", "/tmp/b/x"),
            (context_id, ""),
            (context_id, "/tmp/a//deep/x/"),
            (hidden, "/tmp/file-transfer//x"),
            (hidden, "/home/wuying/x"),
            (hidden, ""),
        )
    }
    assert {
        ("", ""): [("/tmp/a", "", "/tmp/a"), ("/tmp/a/deep", "", "/tmp/a/deep"), ("/tmp/b", "", "/tmp/b/")],
        ("", "/tmp/b/x"): [("/tmp/b", "x", "/tmp/b/x")],
        (context_id, ""): [("/tmp/a", "", "/tmp/a"), ("/tmp/a/deep", "", "/tmp/a/deep")],
        (context_id, "/tmp/a//deep/x/"): [("/tmp/a/deep", "x", "/tmp/a//deep/x/")],
        (hidden, "/tmp/file-transfer//x"): [("/", "tmp/file-transfer/x", "/tmp/file-transfer//x")],
        (hidden, "/home/wuying/x"): [("/", "home/wuying/x", "/home/wuying/x")],
        (hidden, ""): [],
    } == found


@pytest.mark.parametrize(
    ("known", "path", "code"),
    [
        (False, "", "Context.NotFound"),
        (True, "/tmp/b", "InvalidParameter"),
        (True, "tmp/data", "InvalidParameter"),
        (True, "/tmp/data/../x", "InvalidParameter"),
    ],
)
async def test_what_is_nowhere_is_refused(side: Side, known: bool, path: str, code: str) -> None:
    with pytest.raises(ServiceRefusal) as caught:
        side.desk.sought(side.context_id if known else "SdkCtx-1", path)
    assert code == caught.value.code


# --- The hidden context -----------------------------------------------------------------------------------------------


async def test_the_hidden_context_is_made_once_and_goes_with_the_session(
    side: Side, store: Contexts, engine: object
) -> None:
    first, second = await asyncio.gather(side.desk.transfer(), side.desk.transfer())
    assert first is second
    await side.sh("echo 1 > /tmp/file-transfer/a; echo 2 > /workspace/b")
    for path in ("/tmp/file-transfer/a", "/workspace/b"):
        [(scope, told)] = side.desk.sought(first.context_id, path)
        assert Status.SUCCESS is (await over(side.desk.start(scope, told, Kind.UP))).status
    assert 2 == len([entry for entry in await store.entries(first.context_id) if entry.size])
    await side.end()
    with pytest.raises(NoContext):
        await store.find(OWNER, first.context_id, hidden=True)


@pytest.mark.parametrize("path", ["/proc/self/environ", "/sys/kernel/notes", "/dev/zero", "/proc"])
async def test_the_hidden_context_carries_only_files(side: Side, path: str) -> None:
    hidden = await side.desk.transfer()
    with pytest.raises(ServiceRefusal, match="Path"):
        side.desk.sought(hidden.context_id, path)


async def test_a_link_is_carried_as_a_link_whoever_asks(side: Side, store: Contexts) -> None:
    hidden = await side.desk.transfer()
    await side.sh("ln -s /etc/passwd /tmp/file-transfer/l")
    [(scope, told)] = side.desk.sought(hidden.context_id, "/tmp/file-transfer/l")
    await over(side.desk.start(scope, told, Kind.UP))
    assert "/etc/passwd" == (await store.entry(hidden.context_id, "/tmp/file-transfer/l")).target


# --- Mounts -----------------------------------------------------------------------------------------------------------


async def test_a_mount_has_its_files_at_once_and_brings_changes_back(
    desks: NewDesk, store: Contexts, context_id: str, put: Put, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("agentbay_local.syncing.desk.MOUNT_LOOK_S", 0.05)
    await put("a", b"stored")
    desk = await desks()
    mount = {"Type": "mount", "MountConfig": {"SourcePath": PLACE}}
    await desk.begin(await desk.bind(entries(context_id, "/home/wuying/m", **mount)))
    assert ([], []) == (list(desk.tasks), desk.sought("", ""))
    done = await desk.sandbox.run(["/bin/sh", "-c", "cat m/a; echo new > m/b; rm m/a"])
    assert b"stored" == done.stdout
    for _ in range(1000):
        if [f"{PLACE}/b"] == [entry.path for entry in await store.entries(context_id)]:
            return
        await asyncio.sleep(0.02)
    pytest.fail("it never came")


async def test_a_mount_to_read_brings_nothing_back(desks: NewDesk, store: Contexts, context_id: str, put: Put) -> None:
    await put("a", b"stored")
    desk = await desks()
    mount = {"Type": "mount", "MountConfig": {"AccessMode": "readOnly"}}
    await desk.begin(await desk.bind(entries(context_id, "/home/wuying/m", **mount)))
    done = await desk.sandbox.run(["/bin/sh", "-c", "stat -c %a m/tmp/data/a; touch m/b"])
    assert b"444\n" == done.stdout
    [(scope, path)] = desk.sought(context_id, "")
    task = await over(desk.start(scope, path, Kind.UP))
    assert (Status.FAILED, True) == (task.status, "read only" in task.error)
    await desk.leave(10)
    assert [f"{PLACE}/a"] == [entry.path for entry in await store.entries(context_id)]


async def test_a_mount_that_cannot_be_made_is_refused(desks: NewDesk, context_id: str) -> None:
    desk = await desks()
    with pytest.raises(ServiceRefusal, match="cannot be written in the session"):
        await desk.begin(await desk.bind(entries(context_id, "/mnt/m", Type="mount")))
    assert [] == desk.shown


# --- The end ----------------------------------------------------------------------------------------------------------


async def test_the_end_uploads_what_was_changed(side: Side, listed: Listed) -> None:
    await side.sh("touch a")
    await side.end()
    assert {"a"} == set(await listed())


async def test_the_end_uploads_nothing_that_the_policy_keeps_here(bound: Bound, listed: Listed) -> None:
    side = await bound(uploadPolicy={"autoUpload": False})
    await side.sh("touch a")
    await side.end()
    assert {} == await listed()


async def test_the_end_of_a_paused_session_uploads_too(side: Side, listed: Listed) -> None:
    await side.sh("touch a")
    await side.sandbox.pause()
    await side.end()
    assert {"a"} == set(await listed())


async def test_the_end_has_a_limit_and_leaves_the_context_as_it_was(
    side: Side, listed: Listed, store: Contexts, context_id: str, caplog: pytest.LogCaptureFixture
) -> None:
    await side.sh("head -c 7000000 /dev/zero > a")
    await side.desk.leave(0.0)
    await side.desk.close()
    assert {} == await listed()
    assert "not all files were uploaded" in caplog.text
    assert "available" == (await store.find(OWNER, context_id)).state


async def test_the_end_interrupts_tasks(side: Side, put: Put) -> None:
    for name in "abcd":
        await put(name, bytes(3_000_000))
    [(scope, path)] = side.desk.sought(side.context_id, "")
    tasks = [side.desk.start(scope, path, Kind.DOWN) for _ in range(12)]
    await until(lambda: Status.PENDING is not tasks[0].status)
    await side.end()
    assert (Status.FAILED, "it was interrupted") == (tasks[-1].status, tasks[-1].error)
    assert all(task.over for task in tasks)
    assert "" == await side.sh("ls -A | grep agentbay || true")


async def test_the_end_of_a_dead_session_lets_the_contexts_go(side: Side, store: Contexts, context_id: str) -> None:
    assert isinstance(side.sandbox, Box)
    await side.sandbox.close()
    await side.end()
    assert "available" == (await store.find(OWNER, context_id)).state
