"""A data folder on a full disk: clear errors, nothing lost or half there, and all is well once there is room."""

from __future__ import annotations

import asyncio
import io
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.local.contexts.stored import blobs, needed
from tests.local.endurance.small_disk import Disk, small_disk
from tests.local.endurance.syncs import bound, synced
from tests.local.service.api import Api
from tests.local.service.test_contexts import made, put
from tests.local.service.test_contexts_files import address, fetched


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    """A disk of 4 MiB with a server."""
    with small_disk(tmp_path / "disk", "4m") as found:
        yield found


def consistent(disk: Disk, place: Path) -> bool:
    """Whether the store has what the catalogue knows, and nothing else. SQLite cannot open what only others see."""
    for path in (disk.seen / "data").glob("catalogue.sqlite*"):
        shutil.copy(path, place)
    return blobs(disk.seen / "data") == needed(place)


async def put_status(api: Api, context: str, path: str, data: bytes) -> tuple[int, bool]:
    """How a PUT was answered, and whether the answer says what to do."""
    async with api.http.put(await address(api, "Upload", context, path), data=io.BytesIO(data)) as told:
        return told.status, "make room" in await told.text()


async def test_uploads_to_a_full_disk_are_told_and_cost_nothing(disk: Disk, tmp_path: Path) -> None:
    async with Api(disk.server.endpoint, disk.server.key) as api:
        context = await made(api)
        await put(api, context, "/kept", b"as before")
        # With room for a part of it, and with none at all.
        assert await put_status(api, context, "/kept", os.urandom(5 << 20)) == (503, True)
        filler = disk.fill()
        assert await put_status(api, context, "/kept", os.urandom(100_000)) == (503, True)
        assert await fetched(api, context, "/kept") == b"as before"
        os.unlink(filler)
        await put(api, context, "/kept", b"new")
        assert await fetched(api, context, "/kept") == b"new"
    assert consistent(disk, tmp_path)


async def test_many_uploads_at_once_to_a_disk_that_fills_up_are_each_whole_or_refused(
    disk: Disk, tmp_path: Path
) -> None:
    async with Api(disk.server.endpoint, disk.server.key) as api:
        context = await made(api)
        contents = {f"/{number}": os.urandom(400_000) for number in range(16)}
        statuses = await asyncio.gather(*(put_status(api, context, path, data) for path, data in contents.items()))
        stored = [path for path, (status, _) in zip(contents, statuses, strict=True) if status == 200]
        assert {status for status in statuses if status[0] != 200} == {(503, True)}
        listed = await api.call("DescribeContextFiles", ContextId=context, ParentFolderPath="/")
        assert sorted(item["FilePath"] for item in listed.data) == sorted(stored)
        assert [await fetched(api, context, path) for path in stored] == [contents[path] for path in stored]
        assert len(stored) > 3
    assert consistent(disk, tmp_path)


async def test_a_catalogue_without_room_for_a_word_is_told_and_costs_nothing(disk: Disk, tmp_path: Path) -> None:
    async with Api(disk.server.endpoint, disk.server.key) as api:
        context = await made(api)
        await put(api, context, "/kept", b"as before")
        filler = disk.fill()
        answers = [await api.call("GetContext", Name=f"{number}" * 200, AllowCreate="True") for number in range(9)]
        refused = [answer for answer in answers if answer.status != 200]
        assert {answer.verdict for answer in refused} == {(503, "ServiceUnavailable")}
        assert all("make room" in answer.body["Message"] for answer in refused)
        # What there is can be read, and the server is as well as can be.
        assert await fetched(api, context, "/kept") == b"as before"
        session = (await api.create())["SessionId"]
        assert (await api.shell(session, "echo works"))["stdout"] == "works\n"
        os.unlink(filler)
        assert (await made(api, "late")) != context
    assert consistent(disk, tmp_path)


async def test_a_sync_to_a_full_disk_fails_and_succeeds_once_there_is_room(disk: Disk, tmp_path: Path) -> None:
    async with Api(disk.server.endpoint, disk.server.key) as api:
        context = await made(api)
        session = await bound(api, context, "/workspace/kept")
        await api.shell(session, "cd /workspace/kept; for n in 1 2 3; do head -c 300000 /dev/urandom > $n; done")
        filler = disk.fill(leave=500_000)
        [task] = await synced(api, session, context)
        assert (task["status"], "make room" in task["errorMessage"]) == ("Failed", True)
        listed = await api.call("DescribeContextFiles", ContextId=context, ParentFolderPath="/workspace/kept")
        assert listed.data == []
        os.unlink(filler)
        assert [task["status"] for task in await synced(api, session, context)] == ["Success"]
        listed = await api.call("DescribeContextFiles", ContextId=context, ParentFolderPath="/workspace/kept")
        assert [item["Size"] for item in listed.data] == [300_000] * 3
    assert consistent(disk, tmp_path)
