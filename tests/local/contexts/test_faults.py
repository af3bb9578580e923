"""A folder that cannot be used: a clear refusal, nothing lost, and all is well again as soon as the folder is."""

from __future__ import annotations

import asyncio
import os
import shutil
import sqlite3
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from agentbay_local.contexts import Contexts, New, NoContext, StoreUnavailable, catalogue, store
from tests.local.contexts.stored import OWNER, blobs, chunks, content, made, names, needed, put

as_root = pytest.mark.skipif(os.getuid() != 0, reason="only root can mount a small disk")


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 2 MiB."""
    path = tmp_path / "disk"
    path.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", path], check=True)
    yield path
    subprocess.run(["umount", "-l", path], check=True)


def remount(path: Path, how: str) -> None:
    subprocess.run(["mount", "-o", f"remount,{how}", path], check=True)


def fill(path: Path) -> None:
    """Takes all room that a disk has."""
    subprocess.run(["dd", "if=/dev/zero", f"of={path}", "bs=4k", "status=none"], check=False, capture_output=True)


def damage(path: Path, offset: int, data: bytes) -> bytes:
    """Writes over a part of a file, and gives what was there."""
    before = path.read_bytes()
    path.write_bytes(before[:offset] + data + before[offset + len(data) :])
    return before


async def refusal(contexts: Contexts) -> str:
    """How the store refuses to make a context; that it names the folder and is temporary."""
    with pytest.raises(StoreUnavailable) as caught:
        await contexts.get_or_make(OWNER, "new")
    fault = caught.value
    assert (fault.code, fault.status, str(contexts.folder) in fault.message) == ("ServiceUnavailable", 503, True)
    return fault.message


async def test_a_locked_catalogue_is_told_and_waited_for(
    contexts: Contexts, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(catalogue, "_PATIENCE", 0.1)
    context = await made(contexts)
    await put(contexts, context, a=b"1")
    other = sqlite3.connect(folder / "catalogue.sqlite", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreUnavailable, match="locked by another program"):
        await put(contexts, context, a=b"2")
    assert "locked by another program" in await refusal(contexts)
    assert await content(contexts, context) == {"/a": b"1"}
    other.close()
    await put(contexts, context, a=b"3")
    assert (await content(contexts, context), blobs(folder)) == ({"/a": b"3"}, needed(folder))


@as_root
async def test_a_full_disk_is_told_and_costs_nothing(disk: Path) -> None:
    folder = disk / "data"
    contexts = Contexts(folder)
    context = await made(contexts)
    await put(contexts, context, a=b"1" * 100_000)
    with pytest.raises(StoreUnavailable, match="make room"):
        await put(contexts, context, a=b"2" * (3 << 20))
    assert await content(contexts, context) == {"/a": b"1" * 100_000}
    assert blobs(folder) == needed(folder)
    await put(contexts, context, "/a", b=b"3" * (1 << 20))
    assert await content(contexts, context) == {"/b": b"3" * (1 << 20)}
    await contexts.close()


@as_root
async def test_a_disk_without_room_for_the_catalogue_is_told_and_costs_nothing(disk: Path) -> None:
    folder = disk / "data"
    contexts = Contexts(folder)
    context = await made(contexts)
    await put(contexts, context, a=b"1")
    filler = disk / "filler"
    fill(filler)
    many = [New(f"/{number}/{'x' * 200}") for number in range(2000)]
    with pytest.raises(StoreUnavailable, match="make room"):
        await contexts.apply(context, many)
    os.unlink(filler)
    assert (await content(contexts, context))["/a"] == b"1"
    await put(contexts, context, "/", b=b"2")
    assert (await content(contexts, context), blobs(folder)) == ({"/b": b"2"}, needed(folder))
    await contexts.close()


@as_root
async def test_a_read_only_folder_is_told(disk: Path) -> None:
    contexts = Contexts(disk / "data")
    remount(disk, "ro")
    assert "Read-only file system" in await refusal(contexts)
    remount(disk, "rw")
    context = await made(contexts)
    await put(contexts, context, a=b"1")
    await contexts.close()
    again = Contexts(disk / "data")
    remount(disk, "ro")
    await refusal(again)
    remount(disk, "rw")
    assert await content(again, context) == {"/a": b"1"}
    await again.close()


@pytest.mark.skipif(os.getuid() == 0, reason="nothing is read-only for root")
async def test_a_folder_of_another_user_is_told(tmp_path: Path) -> None:
    os.chmod(tmp_path, 0o500)
    contexts = Contexts(tmp_path / "data")
    assert "Permission denied" in await refusal(contexts)
    os.chmod(tmp_path, 0o700)
    await made(contexts)
    await contexts.close()


async def test_a_folder_that_is_a_file_is_told(tmp_path: Path) -> None:
    os.close(os.open(tmp_path / "file", os.O_CREAT))
    for path in (tmp_path / "file", tmp_path / "file" / "data"):
        contexts = Contexts(path)
        assert "choose another with --data or AGENTBAY_DATA" in await refusal(contexts)
        await contexts.close()


async def test_a_catalogue_that_is_none_is_told_and_left_as_it_is(contexts: Contexts, folder: Path) -> None:
    context = await made(contexts)
    await put(contexts, context, a=b"1")
    await contexts.close()
    before = damage(folder / "catalogue.sqlite", 0, b"no database at all")
    again = Contexts(folder)
    assert "is not a database" in await refusal(again)
    assert damage(folder / "catalogue.sqlite", 0, before)[:18] == b"no database at all"
    assert await content(again, context) == {"/a": b"1"}
    await again.close()


async def test_a_damaged_catalogue_is_told(contexts: Contexts, folder: Path) -> None:
    context = await made(contexts)
    await contexts.close()
    before = damage(folder / "catalogue.sqlite", 4096, b"\xff" * 40_000)
    again = Contexts(folder)
    assert "is damaged" in await refusal(again)
    damage(folder / "catalogue.sqlite", 0, before)
    assert (await again.find(OWNER, context)).name == "one"
    await again.close()


async def test_a_catalogue_of_a_newer_version_is_left_alone(contexts: Contexts, folder: Path) -> None:
    os.mkdir(folder)
    with sqlite3.connect(folder / "catalogue.sqlite") as newer:
        newer.execute("PRAGMA user_version = 99")
    newer.close()
    assert "newer version" in await refusal(contexts)


async def test_a_folder_that_is_taken_away_is_made_anew(contexts: Contexts, folder: Path) -> None:
    context = await made(contexts)
    await put(contexts, context, a=b"1")
    shutil.rmtree(folder)
    with pytest.raises(NoContext):
        await contexts.find(OWNER, context)
    context = await made(contexts)
    await put(contexts, context, a=b"2")
    assert await content(contexts, context) == {"/a": b"2"}


async def test_bytes_that_somebody_took_away_come_back_with_the_next_upload(contexts: Contexts, folder: Path) -> None:
    context = await made(contexts)
    await put(contexts, context, a=b"1")
    [name] = blobs(folder)
    os.unlink(folder / "blobs" / name)
    await put(contexts, context, b=b"1")
    os.truncate(folder / "blobs" / name, 0)
    await put(contexts, context, b=b"1")
    assert await content(contexts, context) == {"/a": b"1", "/b": b"1"}


async def test_foreign_files_in_the_folder_are_left_alone(contexts: Contexts, folder: Path) -> None:
    (folder / "blobs").mkdir(parents=True)
    foreign = {"blobs/README", "blobs/part-of-mine", "notes"}
    for name in foreign:
        os.close(os.open(folder / name, os.O_CREAT))
    await put(contexts, await made(contexts), a=b"1")
    await contexts.close()
    assert foreign <= names(folder)


async def test_what_is_too_late_to_be_swept_is_swept_the_next_time(
    contexts: Contexts, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    context = await made(contexts)
    async with contexts.staging() as staging:
        lost = await staging.take(chunks(b"lost"))
        os.unlink(folder / "blobs" / lost.temporary)
        with pytest.raises(StoreUnavailable):
            await contexts.apply(context, [New("/a", blob=lost)])
    assert await content(contexts, context) == {}
    await put(contexts, context, b=b"1")
    assert blobs(folder) == needed(folder)


async def test_space_that_cannot_be_given_back_is_given_back_later(
    contexts: Contexts, folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    context = await made(contexts)
    await put(contexts, context, a=b"1")
    [name] = blobs(folder)
    os.unlink(folder / "blobs" / name)
    os.mkdir(folder / "blobs" / name)
    await put(contexts, context, "/a")
    assert (await content(contexts, context), "space could not be given back" in caplog.text) == ({}, True)
    os.rmdir(folder / "blobs" / name)
    os.close(os.open(folder / "blobs" / name, os.O_CREAT))
    await put(contexts, context, b=b"2")
    assert blobs(folder) == needed(folder)


async def test_a_folder_that_cannot_be_tidied_up_is_tidied_up_later(
    contexts: Contexts, folder: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(catalogue, "_PATIENCE", 0.05)
    monkeypatch.setattr(store, "_PERIOD", 0.02)
    context = await made(contexts)
    async with contexts.staging() as staging:
        await contexts.apply(context, [New("/a", blob=await staging.take(chunks(b"1")), expires=time.time())])
    other = sqlite3.connect(folder / "catalogue.sqlite", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    await become(lambda: "could not be tidied up" in caplog.text)
    other.close()
    await become(lambda: not blobs(folder))
    assert needed(folder) == set()


async def become(fact: Callable[[], bool]) -> None:
    for _ in range(1000):
        if fact():
            return
        await asyncio.sleep(0.01)
    raise TimeoutError
