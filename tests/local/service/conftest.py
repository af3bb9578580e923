"""Two callers with a key each, on the shared runtime."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

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
async def session(api: Api) -> str:
    """The id of a running session."""
    return str((await api.create())["SessionId"])
