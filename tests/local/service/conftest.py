"""A runtime that a test has for itself."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from agentbay_local.app import Runtime
from agentbay_local.settings import Settings
from tests.local.service.api import Api


@pytest.fixture
async def runtime_alone(tmp_path: Path) -> AsyncIterator[Api]:
    """A caller of a runtime that nobody else uses, in a data folder of its own."""
    settings = Settings(data=tmp_path / "data", warm=0)
    async with Runtime(settings) as runtime, Api(runtime.endpoint, runtime.keys[0]) as caller:
        yield caller
