"""Nobody fills the store: not with bytes, not with names, and not by ways around the counting."""

from __future__ import annotations

import contextlib
import json
import sqlite3
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from agentbay_local.app import Runtime
from agentbay_local.contexts import Contexts, Kind, New, OverQuota, Quota
from agentbay_local.settings import Settings, read_settings
from tests.local.service.api import Api

LIMIT = 1 << 19
OWNER = "key-1"
Make = Callable[[Quota], Contexts]


@pytest.fixture
async def apis(tmp_path: Path) -> AsyncIterator[tuple[Api, Api]]:
    """Two callers of a runtime where each key may have half a mebibyte."""
    settings = Settings(data=tmp_path, warm=0, keys=("akm-one", "akm-two"), store_quota=LIMIT)
    async with contextlib.AsyncExitStack() as held:
        endpoint = (await held.enter_async_context(Runtime(settings))).endpoint
        one, two = [await held.enter_async_context(Api(endpoint, key)) for key in settings.keys]
        yield one, two


@pytest.fixture
async def make(tmp_path: Path) -> AsyncIterator[Make]:
    """Opens the same store with a quota."""
    opened: list[Contexts] = []

    def opening(quota: Quota) -> Contexts:
        opened.append(Contexts(tmp_path / "data", quota))
        return opened[-1]

    yield opening
    for store in opened:
        await store.close()


async def put(store: Contexts, context_id: str, **files: bytes) -> None:
    async def one(data: bytes) -> AsyncIterator[bytes]:
        yield data

    async with store.staging() as staging:
        news = [New(f"/{name}", blob=await staging.take(one(data))) for name, data in files.items()]
        await store.apply(context_id, news)


async def context_of(api: Api) -> str:
    return str((await api.call("GetContext", Name="one", AllowCreate="true")).data["Id"])


async def sent(api: Api, context_id: str, data: bytes, *, whole: bool = True) -> tuple[int, str]:
    """Puts a file by a presigned address; with its length told beforehand, or not."""

    async def pieces() -> AsyncIterator[bytes]:
        for start in range(0, len(data), 1 << 18):
            yield data[start : start + (1 << 18)]

    where = {"ContextId": context_id, "FilePath": "/tmp/x"}
    url = (await api.call("GetContextFileUploadUrl", **where)).data["Url"]
    async with api.http.put(url, data=data if whole else pieces()) as response:
        return response.status, await response.text()


async def names_of(api: Api, context_id: str) -> list[str]:
    listed = await api.call("DescribeContextFiles", ContextId=context_id, ParentFolderPath="/tmp")
    return [entry["FileName"] for entry in listed.data]


@pytest.mark.parametrize("whole", [True, False])
async def test_an_upload_beyond_the_quota_is_refused_with_what_is_used(apis: tuple[Api, Api], whole: bool) -> None:
    one, two = apis
    context = await context_of(one)
    status, text = await sent(one, context, bytes(LIMIT + 1), whole=whole)
    assert (400, True) == (status, "QuotaExceeded.ContextStorage" in text and f"0 of {LIMIT} bytes" in text), text
    assert [] == await names_of(one, context)
    assert 200 == (await sent(one, context, bytes(LIMIT), whole=whole))[0]
    assert 200 == (await sent(two, await context_of(two), bytes(LIMIT), whole=whole))[0]


async def test_a_sync_beyond_the_quota_fails_and_says_so(apis: tuple[Api, Api]) -> None:
    one, _ = apis
    context = await context_of(one)
    session = await one.create(PersistenceDataList=json.dumps([{"ContextId": context, "Path": "/tmp/data"}]))
    await one.shell(session["SessionId"], f"mkdir -p /tmp/data; head -c {LIMIT + 1} /dev/urandom > /tmp/data/x")
    await one.call("SyncContext", SessionId=session["SessionId"])
    for _ in range(200):
        told = json.loads((await one.call("GetContextInfo", SessionId=session["SessionId"])).data["ContextStatus"])
        tasks = [json.loads(item["data"]) for item in told if item["type"] == "data"]
        found = [task for each in tasks for task in each if task["taskType"] == "upload"]
        if found and found[0]["status"] in {"Success", "Failed"}:
            break
    assert ("Failed", True) == (found[0]["status"], "--store-quota" in found[0]["errorMessage"]), found
    assert (await one.call("GetContext", ContextId=context)).status == 200
    await one.call("ReleaseMcpSession", SessionId=session["SessionId"])


async def test_names_count_too(make: Make) -> None:
    store = make(Quota(contexts=3, files=4))
    for name in "abc":
        context = await store.get_or_make(OWNER, name)
    with pytest.raises(OverQuota, match="3 contexts"):
        await store.get_or_make(OWNER, "d")
    assert context == await store.get_or_make(OWNER, "c")
    assert "d" == (await store.get_or_make("key-2", "d")).name
    await put(store, context.id, a=b"", b=b"", c=b"", d=b"")
    with pytest.raises(OverQuota, match="may have 4"):
        await put(store, context.id, e=b"")
    await put(store, context.id, d=b"1")


async def test_what_is_less_is_always_welcome(make: Make) -> None:
    context = await (store := make(Quota())).get_or_make(OWNER, "a")
    await put(store, context.id, a=bytes(100), b=bytes(100))
    small = make(Quota(bytes=50, files=1))
    await put(small, context.id, a=bytes(99))
    await small.apply(context.id, drop=["/b"])
    with pytest.raises(OverQuota, match="99 of 50 bytes"):
        await put(small, context.id, a=bytes(100))


async def test_the_same_bytes_count_for_each_who_has_them(make: Make) -> None:
    """Otherwise one could learn from the quota what others have."""
    store = make(Quota(bytes=150))
    first, second = [await store.get_or_make(OWNER, name) for name in "ab"]
    await put(store, first.id, a=bytes(100))
    with pytest.raises(OverQuota):
        await put(store, second.id, a=bytes(100))


async def test_what_is_counted_is_what_is_there(make: Make, tmp_path: Path) -> None:
    store = make(Quota())
    context = await store.get_or_make(OWNER, "a")
    await put(store, context.id, a=bytes(10), b=bytes(20), c=bytes(30))
    await put(store, context.id, a=bytes(5))
    await store.apply(context.id, [New("/b/x", Kind.LINK, target="longer"), New("/d", Kind.FOLDER)], drop=["/c"])
    assert [(3, 11)] == counted(tmp_path) == true(tmp_path)
    await store.begin_clear(OWNER, context.id)
    await store.finish_clear(context.id)
    assert [(0, 0)] == counted(tmp_path)


async def test_a_catalogue_that_did_not_count_yet_is_counted(make: Make, tmp_path: Path) -> None:
    store = make(Quota())
    context = await store.get_or_make(OWNER, "a")
    await put(store, context.id, a=bytes(10), b=bytes(20))
    await store.close()
    with sqlite3.connect(tmp_path / "data" / "catalogue.sqlite") as database:
        for trigger in ("comes", "goes", "changes"):
            database.execute(f"DROP TRIGGER file_{trigger}")
        for column in ("entries", "bytes"):
            database.execute(f"ALTER TABLE contexts DROP COLUMN {column}")
        database.execute("PRAGMA user_version = 1")
    database.close()
    with pytest.raises(OverQuota, match="30 of 30 bytes"):
        await put(make(Quota(bytes=30)), context.id, c=b"1")
    assert [(2, 30)] == counted(tmp_path)


def test_the_command_line_sets_it() -> None:
    assert 5 << 30 == read_settings(["--store-quota", "5G"]).store_quota
    assert read_settings([]).store_quota is None


def counted(folder: Path) -> list[tuple[int, int]]:
    return asked(folder, "SELECT entries, bytes FROM contexts")


def true(folder: Path) -> list[tuple[int, int]]:
    return asked(folder, "SELECT count(*), sum(size) FROM files GROUP BY context")


def asked(folder: Path, question: str) -> list[tuple[int, int]]:
    database = sqlite3.connect(folder / "data" / "catalogue.sqlite")
    try:
        return database.execute(question).fetchall()
    finally:
        database.close()
