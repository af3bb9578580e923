"""A server of their own, with a data folder and skills, for all tests of the protocol."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest

from tests.local.conftest import Served, serve
from tests.local.protocol.rows import SKILL, SKILL_TEXT, World
from tests.local.service.api import Api


@pytest.fixture(scope="session")
def apart(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    data = tmp_path_factory.mktemp("protocol")
    (data / "skills" / SKILL).mkdir(parents=True)
    (data / "skills" / SKILL / "SKILL.md").write_text(SKILL_TEXT)
    served = serve("--data", str(data), "--warm", "2")
    yield served
    served.stop()


@pytest.fixture
async def api(apart: Served) -> AsyncIterator[Api]:
    async with Api(apart.endpoint, apart.key) as caller:
        yield caller


@pytest.fixture
def world(api: Api) -> World:
    return World(api)
