"""The store: what is put into a context is there as a whole, exactly as it was, and takes no more room than it must."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agentbay_local.contexts import Blob, ContextBusy, Contexts, InTheWay, Kind, New, NoContext, NoFile
from agentbay_local.contexts.paths import clean_path
from agentbay_local.contexts.place import data_folder
from agentbay_local.contexts.values import Entry
from agentbay_local.service.refusals import ServiceRefusal
from tests.local.contexts.stored import (
    OWNER,
    begun,
    blobs,
    chunks,
    content,
    made,
    names,
    needed,
    open_to_others,
    put,
    read,
)

# --- The folder -------------------------------------------------------------------------------------------------------


async def test_nothing_is_touched_before_the_first_use(folder: Path) -> None:
    store = Contexts(folder)
    store.staging()
    await store.close()
    assert names(folder.parent) == set()


async def test_the_folder_is_its_owners_alone(contexts: Contexts, folder: Path) -> None:
    await put(contexts, await made(contexts), a=b"x")
    assert open_to_others(folder) == set()


@pytest.mark.parametrize(
    ("told", "environment", "expected"),
    [
        (Path("/told"), {"AGENTBAY_DATA": "/a", "XDG_DATA_HOME": "/x"}, "/told"),
        (None, {"AGENTBAY_DATA": "/a", "XDG_DATA_HOME": "/x"}, "/a"),
        (None, {"AGENTBAY_DATA": "", "XDG_DATA_HOME": "/x"}, "/x/agentbay"),
        (None, {"XDG_DATA_HOME": "x"}, "/home/me/.local/share/agentbay"),
        (None, {"AGENTBAY_DATA": "~/b"}, "/home/me/b"),
        (None, {}, "/home/me/.local/share/agentbay"),
    ],
)
def test_the_folder_is_the_one_told_or_the_users_own(
    monkeypatch: pytest.MonkeyPatch, told: Path | None, environment: dict[str, str], expected: str
) -> None:
    monkeypatch.setenv("HOME", "/home/me")
    assert data_folder(told, environment) == Path(expected)


async def test_closing_leaves_nothing_but_the_data(folder: Path) -> None:
    store = Contexts(folder)
    await put(store, await made(store), a=b"x")
    await store.close()
    assert names(folder) - {f"blobs/{name}" for name in needed(folder)} == {"blobs", "catalogue.sqlite", "runtimes"}


# --- Files ------------------------------------------------------------------------------------------------------------


@pytest.fixture
def endless() -> Iterator[int]:
    """A descriptor of what never ends."""
    descriptor = os.open("/dev/zero", os.O_RDONLY)
    yield descriptor
    os.close(descriptor)


async def test_what_is_put_is_there_again_after_a_restart(folder: Path) -> None:
    first, second = Contexts(folder), Contexts(folder)
    context = await made(first)
    await put(first, context, a=b"1", b_c=b"2", l="../a")
    secret = await first.secret()
    await first.close()
    assert await second.secret() == secret
    assert await content(second, context) == {"/a": b"1", "/b/c": b"2", "/l": "../a"}
    await second.close()


async def test_an_entry_keeps_all_that_it_was_put_with(contexts: Contexts) -> None:
    context = await made(contexts)
    async with contexts.staging() as staging:
        blob = await staging.take(chunks(b"#!/bin/sh\n"))
        new = [
            New("/bin/run", blob=blob, mode=0o755, mtime_ns=1_234_567_890_123_456_789, expires=time.time() + 100),
            New("/bin/link", Kind.LINK, target="../x y/\udcff"),
            New("/empty", Kind.FOLDER, mode=0o700, mtime_ns=5),
        ]
        await contexts.apply(context, new)
    found = {entry.path: entry for entry in await contexts.entries(context)}
    assert list(found) == ["/bin/link", "/bin/run", "/empty"]
    file, link, empty = found["/bin/run"], found["/bin/link"], found["/empty"]
    assert (file.mode, file.mtime_ns, file.size, file.expires) == (0o755, 1_234_567_890_123_456_789, 10, new[0].expires)
    assert (link.kind, link.target, link.size) == (Kind.LINK, "../x y/\udcff", 8)
    assert (empty.kind, empty.mode, empty.mtime_ns) == (Kind.FOLDER, 0o700, 5)


async def test_names_that_are_no_text_are_kept_byte_for_byte(contexts: Contexts) -> None:
    context = await made(contexts)
    path = os.fsdecode(b"/d\xff/\xe9.txt")
    async with contexts.staging() as staging:
        await contexts.apply(context, [New(path, blob=await staging.take(chunks(b"x")))])
    assert await content(contexts, context, os.fsdecode(b"/d\xff")) == {path: b"x"}
    [child] = (await contexts.children(context, "/", 10)).children
    assert child.name == "d\udcff"


async def test_the_same_bytes_are_kept_once_and_as_long_as_anybody_needs_them(contexts: Contexts, folder: Path) -> None:
    one, other = await made(contexts), await made(contexts, "other")
    await put(contexts, one, a=b"same", b=b"same", c=b"more")
    await put(contexts, other, a=b"same")
    assert len(blobs(folder)) == 2
    await put(contexts, one, "/a", "/b", "/c")
    assert (blobs(folder), await content(contexts, other)) == (needed(folder), {"/a": b"same"})
    await contexts.delete(OWNER, other)
    assert blobs(folder) == set()


async def test_replaced_bytes_give_their_room_back(contexts: Contexts, folder: Path) -> None:
    context = await made(contexts)
    for data in (b"1", b"2", b"3"):
        await put(contexts, context, a=data)
    assert (blobs(folder), await content(contexts, context)) == (needed(folder), {"/a": b"3"})


async def test_bytes_that_are_in_the_store_need_not_come_again(contexts: Contexts) -> None:
    context = await made(contexts)
    await put(contexts, context, a=b"bytes")
    blob = (await contexts.entry(context, "/a")).blob
    await contexts.apply(context, [New("/b", blob=blob, mode=0o755)], ["/a"])
    assert await content(contexts, context) == {"/b": b"bytes"}
    with pytest.raises(NoFile):
        await contexts.apply(context, [New("/c"), New("/d", blob=Blob("0" * 64, 5))])
    assert list(await content(contexts, context)) == ["/b"]


async def test_an_entry_keeps_when_it_first_came(contexts: Contexts) -> None:
    context = await made(contexts)
    await put(contexts, context, a=b"1")
    first = await contexts.entry(context, "/a")
    await put(contexts, context, a=b"2")
    again = await contexts.entry(context, "/a")
    assert (again.created == first.created, again.stored > first.stored) == (True, True)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"a": b"file"}, {"/a": b"file", "/ab": b"4"}),
        ({"a": "link"}, {"/a": "link", "/ab": b"4"}),
        ({"a_b_c": b"deep"}, {"/a/b/c": b"deep", "/a/d": b"2", "/a/e/f": b"3", "/ab": b"4"}),
        ({"a_d_x_y": b"deep"}, {"/a/b": b"1", "/a/d/x/y": b"deep", "/a/e/f": b"3", "/ab": b"4"}),
    ],
)
async def test_what_cannot_stand_beside_something_new_goes(
    contexts: Contexts, folder: Path, change: dict[str, bytes | str], expected: dict[str, bytes | str]
) -> None:
    context = await made(contexts)
    await put(contexts, context, a_b=b"1", a_d=b"2", a_e_f=b"3", ab=b"4")
    await put(contexts, context, **change)
    assert (await content(contexts, context), blobs(folder)) == (expected, needed(folder))


async def test_files_links_and_folders_take_each_others_place(contexts: Contexts) -> None:
    context = await made(contexts)
    for new in (
        New("/a", Kind.FOLDER),
        New("/a", Kind.LINK, target="x"),
        New("/a", Kind.FOLDER),
        New("/a/b", Kind.FOLDER),
    ):
        await contexts.apply(context, [new])
        assert (await contexts.entry(context, new.path)).kind is new.kind
    await put(contexts, context, a=b"x")
    assert await content(contexts, context) == {"/a": b"x"}


async def test_a_careful_change_lets_nothing_else_go(contexts: Contexts, folder: Path) -> None:
    context = await made(contexts)
    await put(contexts, context, a_b=b"1", c=b"2")
    before = await content(contexts, context)
    for path in ("/a", "/c/d", "/a/b/c/d"):
        async with contexts.staging() as staging:
            new = [New("/new"), New(path, blob=await staging.take(chunks(b"new")))]
            with pytest.raises(InTheWay):
                await contexts.apply(context, new, careful=True)
    assert (await content(contexts, context), blobs(folder) - needed(folder)) == (before, set())


async def test_dropping_a_folder_takes_what_is_below_and_nothing_beside_it(contexts: Contexts) -> None:
    context = await made(contexts)
    await put(contexts, context, a_b=b"1", a_c_d=b"2", a0=b"3", **{"a.txt": b"4"})
    await contexts.apply(context, [], ["/a", "/none"])
    assert list(await content(contexts, context)) == ["/a.txt", "/a0"]
    await contexts.apply(context, [], ["/"])
    assert await content(contexts, context) == {}


async def test_what_no_change_takes_is_thrown_away(contexts: Contexts, folder: Path) -> None:
    context = await made(contexts)
    async with contexts.staging() as staging:
        await staging.take(chunks(b"x" * 3_000_000))
        assert len(blobs(folder)) == 1
    assert (blobs(folder), await content(contexts, context)) == (set(), {})


async def test_a_file_can_be_taken_from_and_given_to_a_descriptor(contexts: Contexts) -> None:
    context, data = await made(contexts), os.urandom(2_500_000)
    source, target = (os.memfd_create(name) for name in ("source", "target"))
    try:
        os.pwrite(source, data, 0)
        async with contexts.staging() as staging:
            await contexts.apply(context, [New("/a", blob=await staging.take_from(source))])
        async with contexts.reading(await contexts.entry(context, "/a")) as reading:
            await reading.copy_to(target)
        assert os.pread(target, 3_000_000, 0) == data
    finally:
        os.close(source)
        os.close(target)


async def test_more_than_the_limit_is_refused(contexts: Contexts, folder: Path, endless: int) -> None:
    async with contexts.staging() as staging:
        assert (await staging.take(chunks(b"x" * 10), limit=10)).size == 10
        with pytest.raises(ServiceRefusal, match="limit of 10 bytes"):
            await staging.take(chunks(b"x" * 11), limit=10)
        with pytest.raises(ServiceRefusal):
            await staging.take_from(endless, limit=5 << 20)
    assert blobs(folder) == set()


async def test_a_cancelled_copy_ends_at_once_and_leaves_nothing(contexts: Contexts, folder: Path, endless: int) -> None:
    async with contexts.staging() as staging:
        work = asyncio.ensure_future(staging.take_from(endless))
        await begun(folder)
        work.cancel()
        with pytest.raises(asyncio.CancelledError):
            await work
    assert blobs(folder) == set()


async def test_an_entry_whose_bytes_are_gone_meanwhile_is_no_file(contexts: Contexts) -> None:
    context = await made(contexts)
    await put(contexts, context, a=b"1", l="a")
    entries = await contexts.entries(context)
    await contexts.apply(context, [], ["/"])
    for entry in (*entries, Entry("/x", Kind.FOLDER)):
        with pytest.raises(NoFile, match="file not exist"):
            await read(contexts, entry)


async def test_a_file_goes_when_its_time_has_come(contexts: Contexts, folder: Path) -> None:
    context = await made(contexts)
    async with contexts.staging() as staging:
        blob = await staging.take(chunks(b"short"))
        new = [New("/a", blob=blob, expires=time.time() - 1), New("/b", blob=blob, expires=time.time() + 1000)]
        await contexts.apply(context, [*new, New("/c", Kind.FOLDER, expires=1.0)])
    assert [entry.path for entry in await contexts.entries(context)] == ["/b"]
    with pytest.raises(NoFile):
        await contexts.entry(context, "/a")
    assert (await contexts.children(context, "/", 10)).total == 1
    again = Contexts(folder)
    assert await content(again, context) == {"/b": b"short"}
    assert (len(await contexts.entries(context)), len(blobs(folder))) == (1, 1)
    await again.close()


# --- Folders ----------------------------------------------------------------------------------------------------------


async def test_a_folder_with_entries_before_and_after_it_is_one_child(contexts: Contexts) -> None:
    context = await made(contexts)
    files = {"a_1": b"", "a_2": b"", "a": b"", "a-b": b"", "b_x_y": b"", "b0": b""}
    del files["a"]
    await put(contexts, context, **files)
    await contexts.apply(context, [New("/a", Kind.FOLDER, mode=0o700), New("/empty", Kind.FOLDER)])
    page = await contexts.children(context, "/", 10)
    assert [(child.name, child.entry.kind.value) for child in page.children] == [
        ("a-b", "file"),
        ("a", "folder"),
        ("b", "folder"),
        ("b0", "file"),
        ("empty", "folder"),
    ]
    assert (page.children[1].entry.mode, page.total, page.after) == (0o700, 5, "")
    assert (await contexts.children(context, "/empty", 10)).total == 0


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    paths=st.sets(
        st.lists(st.sampled_from(["a", "b", "a-", "a0", "ab", "é"]), min_size=1, max_size=4).map("/".join), max_size=14
    ),
    size=st.integers(1, 5),
)
async def test_pages_together_are_the_folder(contexts: Contexts, paths: set[str], size: int) -> None:
    context = await made(contexts)
    await contexts.apply(context, [New(f"/{path}", Kind.FOLDER) for path in paths], ["/"])
    expected = {path.split("/")[0] for path in paths}
    found, after = list[str](), ""
    while True:
        page = await contexts.children(context, "/", size, after=after)
        assert (page.total, len(page.children) <= size) == (len(expected), True)
        found += [child.name for child in page.children]
        if not (after := page.after):
            break
    skipped = [
        child.name
        for n in range(0, len(expected), size)
        for child in (await contexts.children(context, "/", size, skip=n)).children
    ]
    assert (sorted(found), skipped) == (sorted(expected), found)


PARTS = st.lists(st.sampled_from(["a", "b", "c"]), min_size=1, max_size=3).map(lambda parts: "/" + "/".join(parts))
CHANGES = st.tuples(st.sampled_from(["file", "link", "folder", "drop"]), PARTS)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(changes=st.lists(CHANGES, max_size=12))
async def test_a_context_can_always_be_a_real_folder(contexts: Contexts, changes: list[tuple[str, str]]) -> None:
    context = await made(contexts)
    await contexts.apply(context, [], ["/"])
    for kind, path in changes:
        new = [New(path, Kind(kind), Blob("", 0) if kind == "x" else None)] if kind != "drop" else []
        await contexts.apply(context, new, [] if new else [path])
    kinds = {entry.path: entry.kind for entry in await contexts.entries(context)}
    assert [p for p in kinds for q in kinds if q.startswith(p + "/") and kinds[p] is not Kind.FOLDER] == []
    last = changes[-1] if changes else ("drop", "/a")
    assert (last[1] in kinds) == (last[0] != "drop")


# --- Contexts ---------------------------------------------------------------------------------------------------------


async def test_a_context_is_in_use_while_a_session_holds_it(contexts: Contexts) -> None:
    context = await made(contexts)
    before = await contexts.find(OWNER, context)
    for session in ("session-1", "session-2", "session-1"):
        await contexts.hold(context, session)
    held = await contexts.find(OWNER, context)
    assert (held.state, held.used > before.used) == ("in-use", True)
    assert [found.id for found in (await contexts.listing(OWNER, 10, session_id="session-2")).contexts] == [context]
    with pytest.raises(ContextBusy, match="used by a session"):
        await contexts.begin_clear(OWNER, context)
    await contexts.release("session-1")
    assert (await contexts.find(OWNER, context)).state == "in-use"
    await contexts.release("session-2")
    assert (await contexts.find(OWNER, context)).state == "available"


async def test_a_context_that_is_being_cleared_takes_nothing(contexts: Contexts) -> None:
    context = await made(contexts)
    await put(contexts, context, a=b"1")
    await contexts.begin_clear(OWNER, context)
    assert (await contexts.find(OWNER, context)).state == "clearing"
    for work in (contexts.apply(context), contexts.hold(context, "session-1"), contexts.remove(context, "/a")):
        with pytest.raises(ContextBusy, match="being cleared"):
            await work
    for _ in range(2):
        await contexts.finish_clear(context)
        assert (await contexts.find(OWNER, context)).state == "available"
    assert await content(contexts, context) == {}


async def test_a_hidden_context_is_its_sessions_alone(contexts: Contexts, folder: Path) -> None:
    hidden = await contexts.make_hidden(OWNER, "session-1")
    again = await contexts.make_hidden(OWNER, "session-1")
    await put(contexts, hidden.id, a=b"1")
    assert (hidden.hidden, hidden.state, hidden.id != again.id) == (True, "in-use", True)
    assert (
        (await contexts.listing(OWNER, 10)).total == (await contexts.listing(OWNER, 10, None, "session-1")).total == 0
    )
    assert (await contexts.find(OWNER, hidden.id, hidden=True)).id == hidden.id
    for work in (
        contexts.find(OWNER, hidden.id),
        contexts.find("key-2", hidden.id, hidden=True),
        contexts.named(OWNER, hidden.name),
        contexts.delete(OWNER, hidden.id),
        contexts.rename(OWNER, hidden.id, "seen"),
        contexts.begin_clear(OWNER, hidden.id),
    ):
        with pytest.raises(NoContext):
            await work
    await contexts.release("session-1")
    with pytest.raises(NoContext):
        await contexts.find(OWNER, hidden.id, hidden=True)
    assert blobs(folder) == set()


async def test_a_context_deleted_meanwhile_is_told_so(contexts: Contexts) -> None:
    context = await made(contexts)
    await contexts.hold(context, "session-1")
    await contexts.delete(OWNER, context)
    for work in (
        contexts.apply(context),
        contexts.entries(context),
        contexts.entry(context, "/a"),
        contexts.children(context, "/", 1),
        contexts.hold(context, "session-1"),
        contexts.remove(context, "/a"),
    ):
        with pytest.raises(NoContext):
            await work
    await contexts.finish_clear(context)
    await contexts.release("session-1")


# --- Paths ------------------------------------------------------------------------------------------------------------


@given(text=st.text(max_size=40) | st.text(alphabet="/.a\\:C", max_size=12))
def test_a_clean_path_stays_clean_or_is_refused(text: str) -> None:
    try:
        path = clean_path(text)
    except ServiceRefusal as fault:
        path = "/" if "FilePath" in fault.message else ""
    assert clean_path(path) == path
    assert path.startswith("/")
    assert not {"..", "."} & set(path.split("/"))
    assert "\0" not in path
