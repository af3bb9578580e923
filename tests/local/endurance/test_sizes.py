"""Files of many gigabytes go through a server in constant memory."""

from __future__ import annotations

import hashlib
import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tests.local.conftest import Served, serve
from tests.local.endurance.watching import memory
from tests.local.service.api import Api
from tests.local.service.test_contexts import made
from tests.local.service.test_contexts_files import address

MIB = 1 << 20
SIZE = 4 << 10
"""Mebibytes."""
GROWTH = 48 * MIB


@pytest.fixture
def roomy(tmp_path: Path) -> Iterator[Served]:
    served = serve("--data", str(tmp_path / "data"), "--warm", "0")
    yield served
    assert served.stop() == 0


@pytest.mark.nightly
@pytest.mark.timeout(900)
async def test_four_gibibytes_come_and_go_in_constant_memory(roomy: Served, tmp_path: Path) -> None:
    room = os.statvfs(tmp_path)
    if room.f_bavail * room.f_frsize < 2 * SIZE * MIB:
        pytest.skip("the disk has no room for it")
    piece, sent, got, most = os.urandom(MIB), hashlib.sha256(), hashlib.sha256(), 0

    async def pieces() -> AsyncIterator[bytes]:
        nonlocal most
        for number in range(SIZE):
            part = number.to_bytes(8) + piece[8:]
            sent.update(part)
            most = max(most, memory(roomy))
            yield part

    async with Api(roomy.endpoint, roomy.key) as api:
        context = await made(api)
        before = memory(roomy)
        async with api.http.put(await address(api, "Upload", context, "/large"), data=pieces(), timeout=None) as told:
            assert told.status == 200
        async with api.http.get(await address(api, "Download", context, "/large"), timeout=None) as told:
            async for part in told.content.iter_chunked(MIB):
                got.update(part)
                most = max(most, memory(roomy))
        assert got.hexdigest() == sent.hexdigest()
        assert most - before < GROWTH
        assert (await api.call("DeleteContext", Id=context)).verdict == (200, "ok")
    assert sum(path.stat().st_size for path in (tmp_path / "data" / "blobs").iterdir()) == 0
