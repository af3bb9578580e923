"""Servers that are killed at random moments of their work: what was acknowledged is there, and nothing half done."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import signal
from pathlib import Path

import aiohttp
import pytest

from tests.local.conftest import Served, serve
from tests.local.contexts.stored import blobs, needed
from tests.local.endurance.watching import becomes
from tests.local.endurance.workers import Clearer, Renamer, Syncer, Uploader, Worker
from tests.local.service.api import Api
from tests.local.service.test_process import children, remaining

KILLS, NIGHTLY_KILLS = 8, 60
LONGEST_LIFE_S = 1.2


async def killed(served: Served) -> set[int]:
    """Kills a server, and gives those of its processes that live on."""
    served.process.send_signal(signal.SIGSTOP)  # it starts nothing more while its processes are counted
    mine = {served.process.pid, *children(served.process.pid)}
    served.process.send_signal(signal.SIGKILL)
    await asyncio.to_thread(served.process.wait, 20)
    return await asyncio.to_thread(remaining, mine)


async def life(served: Served, workers: list[Worker]) -> None:
    """Checks what the life before has left, works, and is killed in the middle of it."""
    api = Api(served.endpoint, served.key)
    try:
        await asyncio.gather(*(worker.check(api) for worker in workers))
        working = [asyncio.create_task(endured(worker, api)) for worker in workers]
        await asyncio.sleep(random.uniform(0, LONGEST_LIFE_S))
        assert await killed(served) == set()
        await asyncio.gather(*working)
    finally:
        served.process.kill()
        await api.http.close()


async def endured(worker: Worker, api: Api) -> None:
    """Works until the server is no more."""
    with contextlib.suppress(aiohttp.ClientError, OSError):
        await worker.work(api)


@pytest.mark.slow
@pytest.mark.timeout(1800)
async def test_kills_at_random_moments_lose_nothing_and_leave_nothing(tmp_path: Path, nightly: bool) -> None:
    folder = tmp_path / "data"
    workers = [Uploader(f"uploads {n}") for n in range(4)]
    workers += [Syncer("syncs"), Clearer("clears"), Renamer("names")]
    for _ in range(NIGHTLY_KILLS if nightly else KILLS):
        await life(await asyncio.to_thread(serve, "--data", str(folder), "--warm", "0"), workers)
    served = await asyncio.to_thread(serve, "--data", str(folder), "--warm", "0")
    try:
        async with Api(served.endpoint, served.key) as api:
            await asyncio.gather(*(worker.check(api) for worker in workers))
            assert await becomes(lambda: blobs(folder) == needed(folder))
            assert len(os.listdir(folder / "runtimes")) == 1
    finally:
        ended = await asyncio.to_thread(served.stop)
    assert ended == 0
    assert [worker.name for worker in workers if worker.rounds == 0] == []
    assert (blobs(folder) == needed(folder), os.listdir(folder / "runtimes")) == (True, [])
