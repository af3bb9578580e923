"""Files by a store that refuses, stalls, cuts and lies: what arrives is whole, and what fails leaves nothing."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import quote

import pytest

from agentbay import APIConnectionError, APIError, AsyncFileTransfer, AsyncSession, FileError
from tests.gateway import Answer, Gateway, Received, ok
from tests.store import Plan, Store, content_md5

CONTEXT = "SdkCtx-04bdvpz4zzyyexmpl"
REMOTE = "/tmp/file-transfer/x"
CONTENT = random.Random(7).randbytes(900_000)

Fault = Callable[[random.Random], Plan]

FAULTS: dict[str, Fault] = {
    "expired": lambda _: Plan(403),
    "busy": lambda _: Plan(503),
    "cut": lambda chance: Plan(cut=chance.randrange(len(CONTENT))),
    "too long": lambda chance: Plan(headers={"Content-Length": str(len(CONTENT) + chance.randrange(1, 9))}, cut=10**9),
    "wrong checksum": lambda _: Plan(headers={"Content-MD5": content_md5(b"other")}),
    "another part": lambda _: Plan(416),
    "another version": lambda chance: Plan(headers={"ETag": f'"{chance.random()}"'}, cut=400_000),
}


@pytest.fixture
def store() -> Iterator[Store]:
    with Store() as store:
        store.files[REMOTE] = CONTENT
        yield store


def names(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


def done(request: Received) -> Answer:
    """Whatever is asked for has just succeeded."""
    path = request.form.get("Path", "/")
    inner = [
        {"contextId": CONTEXT, "path": path, "taskType": kind, "status": "Success"} for kind in ("upload", "download")
    ]
    return ok({"ContextStatus": json.dumps([{"type": "data", "data": json.dumps(inner)}])})


@pytest.fixture
def served(session: AsyncSession, gateway: Gateway, store: Store) -> AsyncSession:
    gateway.on("GetAndLoadInternalContext", ok([{"ContextId": CONTEXT, "ContextPath": "/tmp/file-transfer"}]))
    for name in ("GetContextFileUploadUrl", "GetContextFileDownloadUrl"):
        gateway.on(name, lambda request: ok({"Url": store.url + quote(request.form["FilePath"]) + "?Signature=s"}))
    gateway.on("SyncContext", ok())
    gateway.on("GetContextInfo", done)
    return session


@pytest.fixture
def chance() -> random.Random:
    seed = random.getrandbits(32)
    print(f"the seed of the store is {seed}")
    return random.Random(seed)


async def test_what_a_bad_store_gives_is_whole_or_nothing(
    served: AsyncSession, store: Store, tmp_path: Path, chance: random.Random
) -> None:
    target = tmp_path / "y"
    for _ in range(25):
        store.plans = [FAULTS[chance.choice(list(FAULTS))](chance) for _ in range(chance.randrange(4))]
        target.write_bytes(b"old")

        result = await served.fs.download_file(REMOTE, target)

        assert target.read_bytes() == (CONTENT if result.success else b"old")
        assert isinstance(result.error, APIError | APIConnectionError) or result.success
        assert names(tmp_path) == ["y"]


async def test_what_is_sent_to_a_bad_store_is_there_as_a_whole_or_told(
    served: AsyncSession, store: Store, tmp_path: Path, chance: random.Random
) -> None:
    source = tmp_path / "x"
    for number in range(25):
        source.write_bytes(content := CONTENT[: chance.randrange(len(CONTENT))])
        kinds = [chance.choice(["expired", "busy", "cut"]) for _ in range(chance.randrange(4))]
        store.plans = [FAULTS[kind](chance) for kind in kinds]

        result = await served.fs.upload_file(source, f"{REMOTE}{number}")

        assert store.files.get(f"{REMOTE}{number}") == content or not result.success
        assert isinstance(result.error, APIError | APIConnectionError) or result.success


@pytest.mark.parametrize("fault", FAULTS)
async def test_after_a_single_fault_a_download_succeeds(
    served: AsyncSession, store: Store, tmp_path: Path, chance: random.Random, fault: str
) -> None:
    store.plans = [FAULTS[fault](chance)]

    assert (await served.fs.download_file(REMOTE, tmp_path / "y")).success
    assert (tmp_path / "y").read_bytes() == CONTENT


async def test_a_body_that_is_shorter_than_the_store_says_now_is_what_the_store_has(
    served: AsyncSession, store: Store, tmp_path: Path
) -> None:
    store.plans = [Plan(headers={"Content-Length": "1000"})]

    result = await served.fs.download_file(REMOTE, tmp_path / "y")

    assert (result.success, result.bytes_received) == (True, 1000)


async def test_a_slow_store_is_waited_for_as_long_as_it_says_something(
    served: AsyncSession, store: Store, tmp_path: Path
) -> None:
    store.pause = 0.05
    transfer = AsyncFileTransfer(served.agent_bay, served, http_timeout=0.15)
    began = time.monotonic()

    assert (await transfer.download(REMOTE, tmp_path / "y")).success
    assert time.monotonic() - began > transfer._http_timeout
    assert (tmp_path / "y").read_bytes() == CONTENT


async def test_a_disk_that_fails_at_the_end_leaves_nothing(
    served: AsyncSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)

    result = await served.fs.download_file(REMOTE, tmp_path / "y")

    assert (result.error_message, type(result.error)) == ("Download exception: No space left on device", FileError)
    assert names(tmp_path) == []
