"""Every engine in turn, or the pool alone."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable

import pytest

from agentbay._async.engine import AsyncEngine
from agentbay._async.pool import AsyncPoolEngine
from tests._async.engines.given import (
    MAKERS,
    Trust,
    opened,
)


@pytest.fixture(params=list(MAKERS))
def maker(request: pytest.FixtureRequest) -> Callable[..., AsyncEngine]:
    return MAKERS[request.param]


@pytest.fixture(params=list(MAKERS))
async def engine(request: pytest.FixtureRequest) -> AsyncIterator[AsyncEngine]:
    async with opened(MAKERS[request.param]) as engine:
        yield engine


@pytest.fixture
async def pool() -> AsyncIterator[AsyncPoolEngine]:
    pool = AsyncPoolEngine()
    yield pool
    await pool.aclose()


@pytest.fixture(scope="module")
def trust(tmp_path_factory: pytest.TempPathFactory) -> Trust:
    return Trust(tmp_path_factory.mktemp("trust"))


@pytest.fixture
def no_proxies(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    return monkeypatch
