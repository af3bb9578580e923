"""What only cancellation can do to agents: nothing is left running, and the client goes on."""

from __future__ import annotations

import asyncio
import re
import threading
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from pytest_httpserver import HTTPServer

from agentbay import AsyncAgentBay, AsyncSession
from tests.catalogue import example
from tests.channel import Channel, workers
from tests.gateway import KEY, SESSION_ID, TOKEN, Gateway, Received, Said, ok

Work = Callable[[AsyncSession], Coroutine[Any, Any, Any]]

WAITS: list[tuple[str, Work]] = [
    ("flux_execute_task", lambda session: session.agent.computer.execute_task_and_wait("x", 60)),
    ("flux_get_task_status", lambda session: session.agent.computer.execute_task_and_wait("x", 60)),
    ("flux_terminate_task", lambda session: session.agent.computer.execute_task_and_wait("x", 0)),
    ("InitBrowser", lambda session: session.agent.browser.execute_task_and_wait("x", 60)),
    ("execute_task", lambda session: session.agent.mobile.execute_task("x")),
    ("oss_upload", lambda session: session.oss.upload("b", "o", "/p")),
    ("DescribeNetwork", lambda session: session.agent_bay.beta_network.describe("n")),
    ("GetSkillMetaData", lambda session: session.agent_bay.beta_skills.get_metadata()),
]


@pytest.mark.parametrize(("name", "work"), WAITS)
async def test_a_cancelled_wait_leaves_nothing(httpserver: HTTPServer, name: str, work: Work) -> None:
    gateway = Gateway(httpserver)
    httpserver.expect_request(re.compile(".*")).respond_with_handler(gateway.handle)
    reached, released = threading.Event(), threading.Event()

    def stuck(_: Received) -> Said:
        reached.set()
        released.wait(10)
        return Said("late")

    gateway.on("GetSession", ok(gateway.session_data()))
    gateway.on("InitBrowser", example("InitBrowser"))
    gateway.on("flux_execute_task", Said('{"task_id": "t1"}'))
    gateway.on("flux_get_task_status", Said('{"task_id": "t1", "status": "running"}'))
    gateway.on(name, stuck)

    async with AsyncAgentBay(KEY, endpoint=gateway.url, engine="pool") as client:
        session = (await client.get(SESSION_ID)).unwrap().session
        task = asyncio.create_task(work(session))
        await asyncio.to_thread(reached.wait, 10)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        released.set()
        assert (await client.get(SESSION_ID)).success
    assert {asyncio.current_task()} == asyncio.all_tasks()


@pytest.mark.parametrize("handle", [False, True])
async def test_a_cancelled_wait_for_events_leaves_nothing(httpserver: HTTPServer, handle: bool) -> None:
    """A handle can be waited for again."""
    gateway = Gateway(httpserver)
    httpserver.expect_request(re.compile(".*")).respond_with_handler(gateway.handle)
    with Channel() as channel:
        channel.on("exec_task", {"phase": "event", "eventType": "content", "content": "x"})
        gateway.on("GetSession", ok(gateway.session_data(WsUrl=channel.url, Token=TOKEN)))
        async with AsyncAgentBay(KEY, endpoint=gateway.url, engine="pool") as client:
            session = (await client.get(SESSION_ID)).unwrap().session
            heard = asyncio.Event()
            agent = session.agent.mobile
            execution = await agent.execute_task("x", on_content=lambda event: heard.set())
            work = execution.wait(60) if handle else agent.execute_task_and_wait("x", 60, on_error=print)
            task = asyncio.create_task(work)
            await heard.wait() if handle else await asyncio.to_thread(channel.wait_frames, "exec_task", 2)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            channel.peers[0].reply(channel.frames[0], {"phase": "end", "status": "finished", "taskResult": "r"})
            assert (await execution.wait(60)).task_result == "r"
            assert {} == session._channel._router._waiting
        assert 0 == workers()
