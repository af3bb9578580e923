"""A thousand times made, used and closed: each channel of a client leaves nothing behind."""

from __future__ import annotations

import json
import os
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from agentbay import AsyncAgentBay, AsyncSession
from agentbay._pairs import async_sleep
from agentbay._watch import StopEvent
from tests.channel import Channel, Frame, Peer, workers
from tests.gateway import KEY, SESSION_ID, TOKEN, ok
from tests.leaks import Holding
from tests.scripted import Request, Server, actions
from tests.store import Store
from tests.waiting import async_until

# What measures coverage keeps something for each thread that there was, and takes as long again.
pytestmark = [pytest.mark.slow, pytest.mark.no_cover]

ROUNDS = 1000
WARM = 50
PTY_SERVER = "PTY_SERVER"
FILES = "wuying_filesystem"
CHANGE = {"eventType": "create", "path": "/w/a", "pathType": "file"}
CONTEXT = {"ContextId": "SdkCtx-04bdvpz4zzyyexmpl", "ContextPath": "/tmp"}

Round = Callable[[], Any]


@pytest.fixture
def store() -> Iterator[Store]:
    with Store(keep=False) as store:
        store.files["/x"] = b"content"
        yield store


@pytest.fixture
def service(channel: Channel, store: Store) -> Iterator[Server]:
    """The service, as far as this page needs it."""
    tools = json.dumps([{"name": "get_file_change", "server": FILES, "tool": "get_file_change"}])
    session = {"SessionId": SESSION_ID, "ToolList": tools, "WsUrl": channel.url, "Token": TOKEN, "LinkUrl": ""}
    answers = {
        "GetSession": ok(session),
        "GetAndLoadInternalContext": ok([CONTEXT]),
        "GetContextFileUploadUrl": ok({"Url": f"{store.url}/y"}),
        "GetContextFileDownloadUrl": ok({"Url": f"{store.url}/x"}),
        "SyncContext": ok(),
    }

    def answer(action: str, request: Request) -> bytes:
        return answers[action].body if action in answers else tool(request.body)

    with Server(actions(answer)) as server:
        yield server


def tool(call: bytes) -> bytes:
    """What the tools say: changes, and a background command that starts, prints and ends."""
    said = {"stdout": "0\neA==\n\n" if b"tail" in call else "123\n", "stderr": "", "exit_code": 0}
    text = json.dumps([CHANGE] if b"get_file_change" in call else said)
    return ok(json.dumps({"content": [{"type": "text", "text": text}], "isError": False})).body


@pytest.fixture
async def session(service: Server) -> AsyncIterator[AsyncSession]:
    async with AsyncAgentBay(KEY, endpoint=service.url, engine="pool") as client:
        yield (await client.get(SESSION_ID)).unwrap().session
    assert 0 == workers()


def forget(channel: Channel, store: Store) -> None:
    """Take away what the servers have noted down; the last connection may still be used."""
    for notes in (channel.frames, channel.handshakes, store.asked):
        notes.clear()
    del channel.peers[:-1]


@pytest.fixture
def repeat(channel: Channel, store: Store) -> Callable[..., Any]:
    """Goes through rounds, and fails unless all is as it was after the first ones."""

    async def times(count: int, one: Round) -> None:
        for number in range(count):
            await one()
            if number % 50 == 0:
                forget(channel, store)
        await async_until(lambda: channel.open <= 1)
        forget(channel, store)

    async def repeat(one: Round, rounds: int = ROUNDS) -> None:
        await times(WARM, one)
        before = Holding.now()
        await times(rounds, one)
        for _ in range(40):
            left = Holding.now().grown(before, rounds)
            if not left:
                return
            await async_sleep(0.05)
        pytest.fail(f"after {rounds} rounds there are {', '.join(left)}")

    return repeat


async def test_clients(service: Server, repeat: Callable[..., Any]) -> None:
    async def one() -> None:
        async with AsyncAgentBay(KEY, endpoint=service.url, engine="pool") as client:
            assert (await client.get(SESSION_ID)).success

    await repeat(one)


async def test_websockets(session: AsyncSession, channel: Channel, repeat: Callable[..., Any]) -> None:
    channel.on("add", {"result": 1})

    async def one() -> None:
        other = AsyncSession(session.agent_bay, SESSION_ID)
        other.ws_url, other.token = session.ws_url, session.token
        await other._channel.call("server", {"method": "add"})
        await other._channel.aclose()

    await repeat(one)


async def test_streams_of_code(session: AsyncSession, channel: Channel, repeat: Callable[..., Any]) -> None:
    channel.on("run_code", {"phase": "event", "eventType": "stdout", "chunk": "x"}, {"phase": "end"})

    async def one() -> None:
        async with session.code.stream("print('x')", "python") as running:
            assert ["x"] == [event.text async for event in running]

    await repeat(one)


async def test_terminals(session: AsyncSession, channel: Channel, repeat: Callable[..., Any]) -> None:
    def create(peer: Peer, frame: Frame) -> None:
        identity = frame["invocationId"]
        peer.reply(frame, {"result": {"ptySessionId": identity}})
        peer.push(PTY_SERVER, {"eventType": "pty.output", "ptySessionId": identity, "data": "$ "})
        peer.push(PTY_SERVER, {"eventType": "pty.exit", "ptySessionId": identity, "exitCode": 0})

    channel.on("pty.create", create)

    async def one() -> None:
        async with await session.pty.create() as terminal:
            assert [b"$ "] == [piece async for piece in terminal]
            assert 0 == await terminal.wait(10)

    await repeat(one)


async def test_watches(session: AsyncSession, channel: Channel, repeat: Callable[..., Any]) -> None:
    channel.on("subscribe_file_change", {"phase": "end"})

    async def one() -> None:
        stop = StopEvent()
        async for changes in session.fs.watch_directory("/w", interval=0.001, stop_event=stop):
            assert ["/w/a"] == [event.path for event in changes]
            stop.set()

    await repeat(one)


async def test_background_commands(session: AsyncSession, repeat: Callable[..., Any]) -> None:
    async def one() -> None:
        async with await session.command.run_background("echo x") as handle:
            assert "x" == (await handle.wait(10)).stdout

    await repeat(one)


async def test_files(session: AsyncSession, store: Store, repeat: Callable[..., Any], tmp_path: Path) -> None:
    async def one() -> None:
        assert (await session.fs.download_file("/x", tmp_path / "x", wait=False)).success
        assert (await session.fs.upload_file(tmp_path / "x", "/y", wait=False)).success

    await repeat(one, ROUNDS // 2)  # each of them is two transfers
    assert os.listdir(tmp_path) == ["x"]
