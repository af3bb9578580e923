"""What only cancellation can do to desktops, phones and devices: nothing is left running, and the client goes on."""

from __future__ import annotations

import asyncio
import re
import threading
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from pytest_httpserver import HTTPServer

from agentbay import (
    AsyncAgentBay,
    AsyncMobileSimulateService,
    CreateSessionParams,
    ExtraConfigs,
    MobileExtraConfig,
    MobileSimulateConfig,
)
from tests.catalogue import example
from tests.gateway import KEY, SESSION_ID, Gateway, Received, Said, ok

PHONE = MobileExtraConfig(lock_resolution=True, simulate_config=MobileSimulateConfig(True, "/p"))
PARAMS = CreateSessionParams(extra_configs=ExtraConfigs(PHONE))

Work = Callable[[AsyncAgentBay], Coroutine[Any, Any, Any]]


async def press(client: AsyncAgentBay) -> Any:
    session = (await client.get(SESSION_ID)).unwrap().session
    return await session.computer.press_keys(["a"])


async def look(client: AsyncAgentBay) -> Any:
    session = (await client.get(SESSION_ID)).unwrap().session
    return await session.mobile.get_all_ui_elements()


WAITS: list[tuple[str, int, Work]] = [
    ("press_keys", 0, press),
    ("get_all_ui_elements", 0, look),
    ("shell", 0, lambda client: client.create(PARAMS)),
    ("shell", 1, lambda client: client.create(PARAMS)),
    ("GetContext", 0, lambda client: AsyncMobileSimulateService(client).upload_mobile_info("{}")),
    ("GetContextFileUploadUrl", 0, lambda client: AsyncMobileSimulateService(client).upload_mobile_info("{}")),
]


@pytest.mark.parametrize(("name", "number", "work"), WAITS)
async def test_a_cancelled_wait_leaves_nothing(httpserver: HTTPServer, name: str, number: int, work: Work) -> None:
    gateway = Gateway(httpserver)
    httpserver.expect_request(re.compile(".*")).respond_with_handler(gateway.handle)
    reached, released = threading.Event(), threading.Event()

    def stuck(_: Received) -> Said:
        reached.set()
        released.wait(10)
        return Said("late")

    gateway.on("GetSession", ok(gateway.session_data()))
    gateway.on("CreateMcpSession", example("CreateMcpSession"))
    gateway.on("GetContext", ok({"Id": "c1"}))
    gateway.on(name, *[Said("")] * number, stuck)

    async with AsyncAgentBay(KEY, endpoint=gateway.url, engine="pool") as client:
        task = asyncio.create_task(work(client))
        await asyncio.to_thread(reached.wait, 10)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        released.set()
        assert (await client.get(SESSION_ID)).success
    assert asyncio.all_tasks() == {asyncio.current_task()}
