"""A runtime that ends and starts again finds its paused sessions; of everything else nothing is left."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from agentbay_local.app import Runtime
from agentbay_local.keeping.records import UnreadableRecord, read_record
from agentbay_local.settings import Settings
from tests.local.conftest import Served, serve
from tests.local.service.api import Api
from tests.local.service.test_process import children, remaining

KEYS = (f"akm-{uuid.uuid4()}", f"akm-{uuid.uuid4()}")
UNKNOWN = "InvalidMcpSession.NotFound"


@asynccontextmanager
async def running(data: Path | None, *keys: str, **more: Any) -> AsyncIterator[Api]:
    """A runtime on a data folder, and a caller with its first key."""
    settings = Settings(data=data, warm=0, keys=keys or KEYS, **more)
    async with Runtime(settings) as runtime, Api(runtime.endpoint, runtime.keys[0]) as api:
        api.runtime = runtime
        yield api
        api._made.clear()


def kept(data: Path) -> list[str]:
    """What is left of sessions in a data folder."""
    folder = data / "sessions"
    names = sorted(os.listdir(folder)) if folder.exists() else []
    return [name.rpartition(".")[2] for name in names if name not in {"runtimes", "lock", "salt"}]


async def paused(api: Api, **params: str) -> dict[str, Any]:
    made = await api.create(**params)
    await api.shell(made["SessionId"], "echo kept >/workspace/x")
    await api.call("PauseSessionAsync", SessionId=made["SessionId"])
    return made


async def test_a_paused_session_is_found_again_as_it_was(tmp_path: Path) -> None:
    async with running(tmp_path) as api:
        running_one = (await api.create())["SessionId"]
        made = await paused(api, Labels='{"a": "b"}', ImageId="code_latest")
        session = made["SessionId"]
        await api.call("ResumeSessionAsync", SessionId=session)
        await api.tool(session, "set_env", envs=[{"key": "MARK", "value": "yes"}])
        link = (await api.call("GetLink", SessionId=session, ProtocolType="https", Port="30100")).data["Url"]
        await api.call("PauseSessionAsync", SessionId=session)
    assert kept(tmp_path) == ["tree", "json"] or kept(tmp_path) == ["json", "tree"]
    async with running(tmp_path) as api:
        assert await api.status(running_one) == UNKNOWN
        assert await api.status(session) == "PAUSED"
        listed = await api.call("ListSession", Labels='{"a": "b"}', Status="PAUSED")
        assert [item["SessionId"] for item in listed.data] == [session]
        await api.call("ResumeSessionAsync", SessionId=session)
        assert await api.becomes(session, "RUNNING")
        assert (await api.shell(session, "cat /workspace/x; echo $MARK"))["stdout"] == "kept\nyes\n"
        again = (await api.call("GetSession", SessionId=session)).data
        assert [again[name] for name in ("Token", "ResourceId")] == [made[name] for name in ("Token", "ResourceId")]
        new = (await api.call("GetLink", SessionId=session, ProtocolType="https", Port="30100")).data["Url"]
        assert new.partition("/request_ai/")[2] == link.partition("/request_ai/")[2]
        await api.call("ReleaseMcpSession", SessionId=session)
    assert kept(tmp_path) == []


async def test_a_session_belongs_to_its_key_wherever_that_stands(tmp_path: Path) -> None:
    async with running(tmp_path) as api:
        session = (await paused(api))["SessionId"]
    async with running(tmp_path, KEYS[1], KEYS[0]) as api:
        assert await api.status(session) == UNKNOWN
        api.key = KEYS[0]
        assert await api.status(session) == "PAUSED"
    async with running(tmp_path, KEYS[1]) as api:
        assert await api.status(session) == UNKNOWN
    async with running(tmp_path, KEYS[0]) as api:
        assert await api.status(session) == "PAUSED"
    assert not [
        path for path in (tmp_path / "sessions").iterdir() if path.is_file() and KEYS[0].encode() in path.read_bytes()
    ]


async def test_two_runtimes_on_one_folder_never_have_the_same_session(tmp_path: Path) -> None:
    async with running(tmp_path) as api:
        session = (await paused(api))["SessionId"]
    async with running(tmp_path) as first:
        async with running(tmp_path) as second:
            assert [await first.status(session), await second.status(session)] == ["PAUSED", UNKNOWN]
        assert await first.status(session) == "PAUSED"
        await first.call("ResumeSessionAsync", SessionId=session)
        assert (await first.shell(session, "cat /workspace/x"))["stdout"] == "kept\n"


async def test_without_a_kept_folder_nothing_of_a_session_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AGENTBAY_DATA", str(tmp_path / "shared"))
    async with running(None, hibernate=0.05) as api:
        session = (await paused(api))["SessionId"]
        for _ in range(400):
            if len(kept(tmp_path / "shared")) == 1:
                break
            await asyncio.sleep(0.01)
        assert [name.partition("-")[0] for name in kept(tmp_path / "shared")] == ["part"]
    assert kept(tmp_path / "shared") == []
    async with running(None) as api:
        assert await api.status(session) == UNKNOWN


async def test_a_time_that_is_over_is_over_after_a_restart(tmp_path: Path) -> None:
    async with running(tmp_path) as api:
        session = (await paused(api, MaxRuntime="60"))["SessionId"]
    record = tmp_path / "sessions" / f"{session}.json"
    told = json.loads(record.read_bytes())
    assert 3500 < told["ends"] - told["created"] < 3601
    record.write_text(json.dumps(told | {"ends": told["created"] - 1}), "utf-8")
    async with running(tmp_path) as api:
        assert await api.status(session) == UNKNOWN
    assert kept(tmp_path) == []


async def test_what_is_left_of_a_lifetime_counts_after_a_restart(tmp_path: Path) -> None:
    async with running(tmp_path) as api:
        session = (await paused(api, MaxRuntime="60"))["SessionId"]
        left = api.runtime.service.store.find(session)
        before = left.deadline(0)[0]
    async with running(tmp_path) as api:
        after = api.runtime.service.store.find(session).deadline(0)[0]
    assert abs(after - before) < 1


async def test_a_record_that_cannot_be_read_is_left_alone_and_said(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with running(tmp_path) as api:
        session = (await paused(api))["SessionId"]
    record = tmp_path / "sessions" / f"{session}.json"
    whole = record.read_text("utf-8")
    for text in (
        "",
        "[]",
        '{"version": 99}',
        whole.replace('"image"', '"imago"'),
        whole.replace('"paused": ', '"paused": {}, "x": '),
    ):
        record.write_text(text, "utf-8")
        with pytest.raises(UnreadableRecord):
            read_record(text.encode())
    async with running(tmp_path) as api:
        assert await api.status(session) == UNKNOWN
    assert f"{session}.json" in caplog.text
    record.write_text(whole, "utf-8")
    async with running(tmp_path) as api:
        assert await api.status(session) == "PAUSED"


async def test_contexts_are_bound_again_and_changes_of_others_are_not_undone(tmp_path: Path) -> None:
    async with running(tmp_path) as api:
        context = (await api.call("GetContext", Name="shared", AllowCreate="true")).data["Id"]
        bind = json.dumps([{"ContextId": context, "Path": "/tmp/data"}])
        first = (await api.create(PersistenceDataList=bind))["SessionId"]
        await api.shell(
            first, "mkdir -p /tmp/data; echo old >/tmp/data/theirs; echo old >/tmp/data/mine; echo old >/tmp/data/gone"
        )
        await api.call("SyncContext", SessionId=first)
        await synced(api, first)
        await api.call("PauseSessionAsync", SessionId=first)
    async with running(tmp_path) as api:
        second = (await api.create(PersistenceDataList=bind))["SessionId"]
        await synced(api, second)
        await api.shell(second, "echo new >/tmp/data/theirs")
        await api.call("ReleaseMcpSession", SessionId=second)
        await api.call("ResumeSessionAsync", SessionId=first)
        assert await api.becomes(first, "RUNNING")
        bound = (await api.call("DescribeSessionContexts", SessionId=first)).data
        assert [each["ContextId"] for each in bound] == [context]
        await api.shell(first, "echo newer >/tmp/data/mine; rm /tmp/data/gone")
        await api.call("ReleaseMcpSession", SessionId=first)
        third = (await api.create(PersistenceDataList=bind))["SessionId"]
        await synced(api, third)
        shown = await api.shell(third, "cd /tmp/data; head *")
    assert shown["stdout"] == "==> mine <==\nnewer\n\n==> theirs <==\nnew\n"


async def synced(api: Api, session: str) -> None:
    """Waits until no files are on their way."""
    for _ in range(400):
        told = (await api.call("GetContextInfo", SessionId=session)).data["ContextStatus"]
        tasks = [task for each in json.loads(told) for task in json.loads(each["data"])]
        if tasks and all(task["status"] in {"Success", "Failed"} for task in tasks):
            return
        await asyncio.sleep(0.02)
    pytest.fail("the files never arrived")


async def test_a_killed_runtime_leaves_hibernated_sessions_and_nothing_else(tmp_path: Path) -> None:
    options = ("--data", str(tmp_path), "--key", KEYS[0], "--hibernate", "1", "--warm", "1")
    served = serve(*options)
    async with Api(served.endpoint, KEYS[0]) as api:
        awake = await paused(api)
        await api.call("ResumeSessionAsync", SessionId=awake["SessionId"])
        asleep = (await paused(api))["SessionId"]
        for _ in range(100):
            if (tmp_path / "sessions" / f"{asleep}.json").exists():
                break
            await asyncio.sleep(0.1)
        await killed(served)
        api._made.clear()
    (tmp_path / "sessions" / "part-00ff-1234").write_bytes(b"half")
    (tmp_path / "sessions" / "session-gone.abcd.tree").write_bytes(b"an orphan")
    again = serve(*options)
    async with Api(again.endpoint, KEYS[0]) as api:
        assert [await api.status(awake["SessionId"]), await api.status(asleep)] == [UNKNOWN, "PAUSED"]
        assert sorted(kept(tmp_path)) == ["json", "tree"]
        await api.call("ResumeSessionAsync", SessionId=asleep)
        assert await api.becomes(asleep, "RUNNING")
        assert (await api.shell(asleep, "cat /workspace/x"))["stdout"] == "kept\n"
    assert again.stop() == 0
    assert (kept(tmp_path), os.listdir(tmp_path / "sessions" / "runtimes")) == ([], [])


async def killed(served: Served) -> None:
    mine = {served.process.pid, *children(served.process.pid)}
    served.process.send_signal(signal.SIGKILL)
    served.process.wait(20)
    assert remaining(mine) == set()
