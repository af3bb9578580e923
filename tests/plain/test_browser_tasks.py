"""What only tasks and sockets can do to a browser's calls: each wait can be cancelled, and nothing is left of it."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest
from pytest_httpserver import HTTPServer

from agentbay import ActOptions, AsyncAgentBay, AsyncSession, ExtractOptions, ObserveOptions
from agentbay._async import browser_operator
from agentbay._collect import Echo
from tests.catalogue import example, example_text
from tests.channel import Channel, workers
from tests.gateway import KEY, SESSION_ID, TOKEN, Gateway, Said, ok
from tests.surroundings import resources
from tests.waiting import async_until

CALLS: dict[str, Callable[[AsyncSession], Any]] = {
    "act": lambda session: session.browser.operator.act(ActOptions("x")),
    "observe": lambda session: session.browser.operator.observe(ObserveOptions("x")),
    "extract": lambda session: session.browser.operator.extract(ExtractOptions("x", {})),
}


@pytest.fixture
def gateway() -> Iterator[Gateway]:
    with HTTPServer(host="127.0.0.1", threaded=True) as server:
        gateway = Gateway(server)
        server.expect_request("/").respond_with_handler(gateway.handle)
        gateway.on("InitBrowser", example("InitBrowser"))
        for name in CALLS:
            gateway.on(f"page_use_{name}_async", Said(example_text(f"page_use_{name}_async")))
            gateway.on(f"page_use_get_{name}_result", Said(""))
        yield gateway


@pytest.fixture
def channel() -> Iterator[Channel]:
    with Channel() as channel:
        channel.delay = 0.3
        yield channel


@pytest.fixture
async def session(gateway: Gateway, channel: Channel) -> AsyncIterator[AsyncSession]:
    gateway.on("GetSession", ok(gateway.session_data(WsUrl=channel.url, Token=TOKEN)))
    async with AsyncAgentBay(KEY, endpoint=gateway.url, engine="pool") as client:
        session = (await client.get(SESSION_ID)).session
        await session.browser.initialize()
        yield session
    assert workers() == 0


@pytest.mark.parametrize("name", CALLS)
async def test_waiting_for_a_task_can_be_cancelled(session: AsyncSession, gateway: Gateway, name: str) -> None:
    task = asyncio.create_task(CALLS[name](session))
    await async_until(lambda: len(gateway.of(f"page_use_get_{name}_result")) > 1)
    before = resources()

    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    count = len(gateway.requests)
    await asyncio.sleep(browser_operator.INTERVAL / 30)
    assert len(gateway.requests) <= count + 1
    assert resources()[1] <= before[1] + 1
    assert await session.browser.initialize()


async def test_a_start_that_is_cancelled_can_be_made_again(session: AsyncSession, gateway: Gateway) -> None:
    gateway.on("stopChrome", Said("True"))
    await session.browser.destroy()
    reached = asyncio.Event()
    loop = asyncio.get_running_loop()

    def slow(_: object) -> Any:
        loop.call_soon_threadsafe(reached.set)
        return example("InitBrowser")

    gateway.on("InitBrowser", slow)
    first, second = (asyncio.create_task(session.browser.initialize()) for _ in range(2))
    await reached.wait()
    first.cancel()

    assert await second is True
    assert session.browser.is_initialized()


async def test_registering_can_be_cancelled_while_the_channel_opens(session: AsyncSession) -> None:
    task = asyncio.create_task(session.browser.register_callback(print))
    await asyncio.sleep(0.05)

    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    assert session.browser._subscriptions == []


def test_the_page_for_fingerprints_writes_nothing_when_it_is_asked_nonsense(capfd: pytest.CaptureFixture[str]) -> None:
    with Echo() as echo, socket.create_connection(("127.0.0.1", urlsplit(echo.url).port or 0)) as line:
        line.sendall(b"NONSENSE / x\r\n\r\n")
        answer = line.recv(4096)

    assert b"400" in answer
    assert capfd.readouterr() == ("", "")
    assert echo.headers == {}
