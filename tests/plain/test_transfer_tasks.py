"""What only tasks, threads and cancellation can do to transfers: nothing is left open, half-written or running."""

from __future__ import annotations

import asyncio
import gc
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from agentbay._async.streams import AsyncDownload, AsyncStreams, AsyncUpload
from agentbay._engine import EngineUnusable
from agentbay._pairs import async_each, each
from agentbay._sync.streams import Download, Streams, Upload
from agentbay._transfer import Partial, Source
from tests.store import Large, Store

FILE = Large(3 * 1024 * 1024)


@pytest.fixture
def store() -> Iterator[Store]:
    with Store(keep=False) as store:
        store.files["/x"] = FILE
        yield store


def descriptors() -> int:
    gc.collect()
    return len(list(Path("/proc/self/fd").iterdir()))


def names(folder: Path) -> list[str]:
    return [item.name for item in folder.iterdir()]


def local_file(folder: Path) -> Path:
    path = folder / "x"
    path.write_bytes(bytes(FILE.size))
    return path


async def fetch(streams: AsyncStreams, store: Store, target: Path, tell: object = None) -> None:
    with Partial(target) as partial:
        await AsyncDownload(streams, partial, tell or _silent, 5, True).once(f"{store.url}/x")  # type: ignore[arg-type]
        partial.finish()


async def send(streams: AsyncStreams, store: Store, path: Path, tell: object = None) -> None:
    with Source(path) as source:
        await AsyncUpload(streams, source, {}, tell or _silent, 5, True).once(f"{store.url}/y")  # type: ignore[arg-type]


def _silent(count: int) -> None:
    pass


@pytest.mark.parametrize("piece", range(0, 12, 3))
async def test_a_cancelled_transfer_leaves_nothing(store: Store, tmp_path: Path, piece: int) -> None:
    streams = AsyncStreams(trust_env=False)
    path = local_file(tmp_path)
    await fetch(streams, store, tmp_path / "warm")
    (tmp_path / "warm").unlink()
    before = descriptors()
    for work in (fetch, send):
        reached = asyncio.Event()

        def tell(count: int, reached: asyncio.Event = reached) -> None:
            if count >= piece * 262_144:
                reached.set()

        task = asyncio.create_task(work(streams, store, tmp_path / "y" if work is fetch else path, tell))
        await reached.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    await streams.aclose()

    assert names(tmp_path) == ["x"]
    assert descriptors() <= before


async def test_many_rounds_leave_nothing(store: Store, tmp_path: Path) -> None:
    store.files["/x"] = b"small"
    (tmp_path / "x").write_bytes(b"small")

    async def round_trip() -> None:
        streams = AsyncStreams(trust_env=False)
        await fetch(streams, store, tmp_path / "x")
        await send(streams, store, tmp_path / "x")
        await streams.aclose()

    await round_trip()
    await asyncio.sleep(0.05)
    files, threads, tasks = descriptors(), threading.active_count(), len(asyncio.all_tasks())
    for _ in range(100):
        await round_trip()
    await asyncio.sleep(0.2)

    assert descriptors() <= files + 2
    assert threading.active_count() <= threads + 2
    assert (len(asyncio.all_tasks()), names(tmp_path)) == (tasks, ["x"])


def test_a_closed_road_says_so(store: Store, tmp_path: Path) -> None:
    streams = Streams(trust_env=False)
    (tmp_path / "x").write_bytes(bytes(1_000_000))

    def close(count: int) -> None:
        streams.close()

    with Source(tmp_path / "x") as source, pytest.raises(EngineUnusable, match="closed"):
        Upload(streams, source, {}, close, 5, True).once(f"{store.url}/y")
    with Partial(tmp_path / "z") as partial, pytest.raises(EngineUnusable, match="the client is closed"):
        Download(streams, partial, _silent, 5, True).once(f"{store.url}/x")
    streams.close()


# --- A function for each of many items --------------------------------------------------------------------------------


@pytest.mark.parametrize(("count", "limit"), [(0, 3), (1, 3), (10, 3), (10, 1), (3, 50)])
async def test_each_item_gets_its_call_and_no_more_than_the_limit_at_once(count: int, limit: int) -> None:
    seen: list[int] = []
    running: list[int] = []
    most: list[int] = []
    lock = threading.Lock()

    def begin(item: int) -> None:
        with lock:
            running.append(item)
            most.append(len(running))
            seen.append(item)

    async def call(item: int) -> None:
        begin(item)
        await asyncio.sleep(0)
        running.remove(item)

    def plain_call(item: int) -> None:
        begin(item)
        with lock:
            running.remove(item)

    await async_each(call, range(count), limit)
    assert (sorted(seen), max(most, default=0) <= limit) == (list(range(count)), True)
    seen.clear()
    await asyncio.to_thread(each, plain_call, range(count), limit)
    assert (sorted(seen), max(most, default=0) <= limit) == (list(range(count)), True)


async def test_the_first_exception_ends_it_all_and_keeps_its_cause() -> None:
    seen: list[int] = []

    def fail(item: int) -> None:
        seen.append(item)
        raise KeyError(item) from ValueError("why")

    async def async_fail(item: int) -> None:
        fail(item)

    with pytest.raises(KeyError) as caught:
        await async_each(async_fail, range(100), 4)
    assert (isinstance(caught.value.__cause__, ValueError), len(seen) <= 4) == (True, True)
    seen.clear()
    with pytest.raises(KeyError):
        await asyncio.to_thread(each, fail, range(100), 4)
    assert len(seen) <= 8
