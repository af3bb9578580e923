"""Two callers with a key each, on the shared runtime."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from agentbay_local.app import Runtime
from agentbay_local.settings import Settings
from tests.local.conftest import Served
from tests.local.service.api import Api


@pytest.fixture
async def api(runtime: Served) -> AsyncIterator[Api]:
    async with Api(runtime.endpoint, runtime.key) as caller:
        yield caller


@pytest.fixture
async def stranger(runtime: Served) -> AsyncIterator[Api]:
    """A caller with another key."""
    async with Api(runtime.endpoint, runtime.other_key) as caller:
        yield caller


@pytest.fixture
async def runtime_alone(tmp_path: Path) -> AsyncIterator[Api]:
    """A caller of a runtime that nobody else uses, in a data folder of its own."""
    settings = Settings(data=tmp_path / "data", warm=0)
    async with Runtime(settings) as runtime, Api(runtime.endpoint, runtime.keys[0]) as caller:
        yield caller


@pytest.fixture
async def session(api: Api) -> str:
    """The id of a running session."""
    return str((await api.create())["SessionId"])
