"""A server with a script, and clients and sessions that talk to it."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from pytest_httpserver import HTTPServer

from agentbay import AsyncAgentBay, AsyncSession, RetryPolicy
from tests.channel import Channel, workers
from tests.gateway import KEY, SESSION_ID, TOKEN, Gateway, ok
from tests.surroundings import clear_environment

Make = Callable[..., AsyncAgentBay]

ANY_PATH = re.compile(".*")


@pytest.fixture(autouse=True)
def surroundings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No setting of the machine, and no `.env` file, reaches a test."""
    clear_environment(monkeypatch)
    monkeypatch.chdir(tmp_path)


@pytest.fixture(scope="session")
def server() -> Iterator[HTTPServer]:
    with HTTPServer(host="127.0.0.1", threaded=True) as server:
        yield server


@pytest.fixture
def gateway(server: HTTPServer) -> Iterator[Gateway]:
    gateway = Gateway(server)
    server.clear()
    server.expect_request(ANY_PATH).respond_with_handler(gateway.handle)
    yield gateway
    assert gateway.surprises == []
    server.check()


@pytest.fixture
async def make(gateway: Gateway) -> AsyncIterator[Make]:
    """Makes clients of the gateway; they are closed after the test. Waits between attempts are short."""
    made: list[AsyncAgentBay] = []

    def make(**options: Any) -> AsyncAgentBay:
        usual = {"endpoint": gateway.url, "engine": "pool", "retries": RetryPolicy(base=0.001)}
        made.append(AsyncAgentBay(KEY, **usual | options))
        return made[-1]

    yield make
    for client in made:
        await client.aclose()


@pytest.fixture
def client(make: Make) -> AsyncAgentBay:
    return make()


async def found(client: AsyncAgentBay, gateway: Gateway, *, direct: bool) -> AsyncSession:
    gateway.on("GetSession", ok(gateway.session_data(direct=direct)))
    result = await client.get(SESSION_ID)
    gateway.requests.clear()
    return result.unwrap().session


@pytest.fixture
async def session(client: AsyncAgentBay, gateway: Gateway) -> AsyncSession:
    """A session without a direct link: tools go by the CallMcpTool action."""
    return await found(client, gateway, direct=False)


@pytest.fixture
async def direct(client: AsyncAgentBay, gateway: Gateway) -> AsyncSession:
    """A session whose tools go by its direct link."""
    return await found(client, gateway, direct=True)


@pytest.fixture(params=["rpc", "link"])
async def either(request: pytest.FixtureRequest, client: AsyncAgentBay, gateway: Gateway) -> AsyncSession:
    """A session by each of the two routes."""
    return await found(client, gateway, direct=request.param == "link")


@pytest.fixture
def channel(monkeypatch: pytest.MonkeyPatch) -> Iterator[Channel]:
    """A WebSocket server with a script. Waits between tries to connect are short."""
    monkeypatch.setattr("agentbay._socket_address.FIRST_WAIT", 0.01)
    monkeypatch.setattr("agentbay._socket_address.JITTER", 0.005)
    with Channel() as channel:
        yield channel


@pytest.fixture
async def wired(client: AsyncAgentBay, gateway: Gateway, channel: Channel) -> AsyncIterator[AsyncSession]:
    """A session with a WebSocket; nothing of it is left when the test is over."""
    gateway.on("GetSession", ok(gateway.session_data(WsUrl=channel.url, Token=TOKEN)))
    result = await client.get(SESSION_ID)
    gateway.requests.clear()
    yield result.unwrap().session
    await client.aclose()
    assert workers() == 0
