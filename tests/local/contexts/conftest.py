"""A store in a folder of its own."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from agentbay_local.contexts import Contexts


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "data"


@pytest.fixture
async def contexts(folder: Path) -> AsyncIterator[Contexts]:
    store = Contexts(folder)
    yield store
    await store.close()
