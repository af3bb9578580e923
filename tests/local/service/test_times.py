"""Sessions end by themselves when their time is over, and only then; there are only so many."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator

import pytest

from tests.local.conftest import Served, serve
from tests.local.service.api import Api

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def hasty() -> Iterator[Served]:
    """A server whose sessions may be idle for one second; it holds three of them."""
    served = serve("--idle", "1", "--max-sessions", "3", "--warm", "0")
    yield served
    served.stop()


@pytest.fixture
async def quick(hasty: Served) -> AsyncIterator[Api]:
    async with Api(hasty.endpoint, hasty.key) as caller:
        yield caller


async def reason(api: Api, session: str) -> str:
    return str((await api.call("GetSessionDetail", SessionId=session)).data["EndReason"])


async def test_an_idle_session_ends_although_its_status_is_asked_for(quick: Api) -> None:
    session = (await quick.create())["SessionId"]
    assert await quick.becomes(session, "FINISH")
    assert await reason(quick, session) == "IdleTimeout"


async def test_timeout_alone_is_in_seconds(quick: Api) -> None:
    short = (await quick.create(Timeout="1"))["SessionId"]
    long = (await quick.create(Timeout="600"))["SessionId"]
    assert await quick.becomes(short, "FINISH")
    assert await quick.status(long) == "RUNNING"


async def test_timeout_beside_max_runtime_is_in_minutes(quick: Api) -> None:
    long = (await quick.create(Timeout="1", MaxRuntime="1"))["SessionId"]
    short = (await quick.create())["SessionId"]
    assert await quick.becomes(short, "FINISH")
    assert await quick.status(long) == "RUNNING"


async def test_manual_release_switches_every_end_off(quick: Api) -> None:
    long = (await quick.create(ManualRelease="True"))["SessionId"]
    short = (await quick.create(ManualRelease="false"))["SessionId"]
    assert await quick.becomes(short, "FINISH")
    assert await quick.status(long) == "RUNNING"


async def test_a_call_in_flight_keeps_its_session_alive(quick: Api) -> None:
    session = (await quick.create())["SessionId"]
    assert (await quick.shell(session, "sleep 2.5; echo awake"))["stdout"] == "awake\n"
    assert await quick.status(session) == "RUNNING"


async def test_keep_alive_starts_the_idle_time_anew(quick: Api) -> None:
    kept = (await quick.create())["SessionId"]
    left = (await quick.create())["SessionId"]
    for _ in range(6):
        await asyncio.sleep(0.3)
        await quick.call("RefreshSessionIdleTime", SessionId=kept)
    assert await quick.becomes(left, "FINISH")
    assert await quick.status(kept) == "RUNNING"


async def test_a_paused_session_is_not_idle(quick: Api) -> None:
    paused = (await quick.create())["SessionId"]
    await quick.call("PauseSessionAsync", SessionId=paused)
    other = (await quick.create())["SessionId"]
    assert await quick.becomes(other, "FINISH")
    assert await quick.status(paused) == "PAUSED"


async def test_more_sessions_than_allowed_are_refused_until_one_ends(quick: Api) -> None:
    made = [await quick.create(Timeout="600") for _ in range(3)]
    refused = await quick.call("CreateMcpSession")
    assert (refused.verdict, "--max-sessions" in refused.body["Message"]) == ((400, "QuotaExceeded.McpSession"), True)
    await quick.call("ReleaseMcpSession", SessionId=made[0]["SessionId"])
    assert (await quick.create())["Status"] == "RUNNING"
