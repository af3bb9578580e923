"""Terminals of the page: a real shell on a WebSocket, which outlives a connection that breaks."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from pathlib import Path

import aiohttp
import pytest

from agentbay_local.app import Runtime
from agentbay_local.page import shells
from agentbay_local.settings import Settings
from tests.local.page.looking import Looker, until
from tests.local.service.api import Api


async def test_what_is_typed_is_run_and_what_is_printed_comes_back(looker: Looker) -> None:
    async with looker.socket() as socket:
        assert "ready" == (await socket.receive_json())["type"]
        await socket.send_json({"type": "resize", "cols": 123, "rows": 45})
        await socket.send_bytes("stty size; echo $((40+2)) 你好\n".encode())
        assert "45 123" in await until(socket, "42 你好")
        await socket.send_bytes(b"exit 3\n")
        while (message := await socket.receive(20)).type is aiohttp.WSMsgType.BINARY:
            pass
        assert {"type": "ended", "text": "The shell has ended with exit code 3."} == message.json()


async def test_the_protocol_that_is_agreed_on_is_the_one_with_the_code(looker: Looker) -> None:
    async with looker.socket() as socket:
        assert f"agentbay.{looker.code}" == socket.protocol


async def test_a_page_that_comes_back_finds_its_shell_and_gets_what_it_has_not_seen(looker: Looker) -> None:
    async with looker.socket() as socket:
        name = (await socket.receive_json())["terminal"]
        await socket.send_bytes(b"X=kept; echo mean''while\n")
        seen = len((await until(socket, "meanwhile")).encode())
    async with looker.socket(terminal=name, seen=str(seen)) as socket:
        ready = await socket.receive_json()
        assert (name, seen, False) == (ready["terminal"], ready["from"], ready["lost"])
        await socket.send_bytes(b"echo $X\n")
        await until(socket, "kept")


@pytest.mark.parametrize("seen", ["99999999", "-1", "x"])
async def test_a_page_that_has_seen_what_never_was_gets_all_that_is_kept(looker: Looker, seen: str) -> None:
    async with looker.socket() as socket:
        name = (await socket.receive_json())["terminal"]
        await socket.send_bytes(b"echo be''fore\n")
        await until(socket, "before")
    async with looker.socket(terminal=name, seen=seen) as socket:
        assert (0, True) == ((ready := await socket.receive_json())["from"], ready["lost"])
        await until(socket, "before")


async def test_a_shell_of_another_session_is_not_to_be_had(looker: Looker) -> None:
    other = await Looker.of(looker.api, (await looker.api.create())["SessionId"])
    async with looker.socket() as mine:
        name = (await mine.receive_json())["terminal"]
        async with other.socket(terminal=name) as socket:
            assert name != (await socket.receive_json())["terminal"]


async def test_one_page_at_a_time_shows_a_shell_and_the_other_is_told(looker: Looker) -> None:
    async with looker.socket() as first:
        name = (await first.receive_json())["terminal"]
        async with looker.socket(terminal=name) as second:
            await second.receive_json()
            while (message := await first.receive(20)).type is aiohttp.WSMsgType.BINARY:
                pass
            assert (aiohttp.WSMsgType.CLOSE, shells.TAKEN) == (message.type, message.data)


async def all_of(socket: aiohttp.ClientWebSocketResponse) -> int:
    """How many bytes come until none come any more."""
    got = 0
    with suppress(TimeoutError):
        while data := (await socket.receive(0.5)).data:
            got += len(data)
    return got


async def test_a_program_that_floods_waits_until_the_page_has_drawn(looker: Looker) -> None:
    async with looker.socket() as socket:
        await socket.receive_json()
        await socket.send_bytes(b"yes | head -c 3000000; echo; echo fin''ished\n")
        got = await all_of(socket)
        assert got < 2 * shells.MOST_UNSEEN
        printed = b""
        while b"finished" not in printed:
            await socket.send_json({"type": "seen", "bytes": got})
            data = (await socket.receive(20)).data
            printed = printed[-100:] + data
            got += len(data)


async def test_a_page_that_takes_a_shell_over_gets_more_though_the_other_one_told_of_nothing(looker: Looker) -> None:
    async with looker.socket() as first:
        name = (await first.receive_json())["terminal"]
        await first.send_bytes(b"yes | head -c 3000000\n")
        got = await all_of(first)
        async with looker.socket(terminal=name, seen=str(got)) as second:
            assert (got, False) == ((ready := await second.receive_json())["from"], ready["lost"])
            assert aiohttp.WSMsgType.BINARY is (await second.receive(20)).type


async def test_each_leaving_gives_a_shell_its_whole_time(monkeypatch: pytest.MonkeyPatch) -> None:
    async with Runtime(Settings(warm=0)) as runtime, Api(runtime.endpoint, runtime.keys[0]) as api:
        looker = await Looker.of(api, (await api.create())["SessionId"])
        async with looker.socket() as first:
            name = (await first.receive_json())["terminal"]
            monkeypatch.setattr(shells, "STAYS_S", 0.5)
        async with looker.socket(terminal=name) as again:
            await again.receive_json()
            await asyncio.sleep(0.1)  # so that the first one has left for sure
            monkeypatch.setattr(shells, "STAYS_S", 60.0)
        await asyncio.sleep(0.7)  # the time that the first leaving gave is over
        async with looker.socket(terminal=name) as last:
            assert name == (await last.receive_json())["terminal"]


@pytest.mark.parametrize(
    "message", ["x", "[]", "{}", '{"type":"resize","cols":0,"rows":9}', '{"type":"seen"}', "[" * 9999]
)
async def test_a_message_that_is_none_ends_the_connection_with_a_word(looker: Looker, message: str) -> None:
    async with looker.socket() as socket:
        await socket.receive_json()
        await socket.send_str(message)
        while (said := await socket.receive(20)).type is aiohttp.WSMsgType.BINARY:
            pass
        assert "refused" == said.json()["type"]
        assert (aiohttp.WSMsgType.CLOSE, 1008) == ((closed := await socket.receive(20)).type, closed.data)


async def test_a_session_has_so_many_terminals_and_no_more(looker: Looker) -> None:
    async with asyncio.TaskGroup() as group:
        stop, opened = asyncio.Event(), asyncio.Semaphore(0)

        async def hold() -> None:
            async with looker.socket() as socket:
                await socket.receive_json()
                opened.release()
                await stop.wait()

        for _ in range(shells.MOST_SHELLS):
            group.create_task(hold())
        for _ in range(shells.MOST_SHELLS):
            await opened.acquire()
        async with looker.socket() as socket:
            said = await socket.receive_json()
        stop.set()
    assert ("refused", True) == (said["type"], str(shells.MOST_SHELLS) in said["text"])


async def test_a_terminal_ends_with_its_session_and_says_so(looker: Looker) -> None:
    async with looker.socket() as socket:
        await socket.receive_json()
        await until(socket, "$")
        await looker.api.call("ReleaseMcpSession", SessionId=looker.session)
        while (message := await socket.receive(20)).type is aiohttp.WSMsgType.BINARY:
            pass
        assert {"type": "ended", "text": "The session has ended."} == message.json()
        assert aiohttp.WSMsgType.CLOSE is (await socket.receive(20)).type


async def test_a_shell_that_has_ended_leaves_nothing(looker: Looker) -> None:
    async with looker.socket() as socket:
        await socket.receive_json()
        await socket.send_bytes(b"exit\n")
        while (await socket.receive(20)).type is not aiohttp.WSMsgType.CLOSE:
            pass
    for _ in range(100):
        if not (await looker.get("/use"))["programs"]:
            break
        await asyncio.sleep(0.05)
    assert [] == (await looker.get("/use"))["programs"]


async def test_a_terminal_of_a_session_that_is_hibernated_says_so_and_the_page_goes_on(tmp_path: Path) -> None:
    settings = Settings(data=tmp_path, warm=0, hibernate=0.05)
    async with Runtime(settings) as runtime, Api(runtime.endpoint, runtime.keys[0]) as api:
        looker = await Looker.of(api, (await api.create())["SessionId"])
        async with looker.socket() as socket:
            await socket.receive_json()
            await looker.ask("/do/pause", "POST")
            while (message := await socket.receive(20)).type is aiohttp.WSMsgType.BINARY:
                pass
        assert "hibernated" in message.json()["text"]
        use, state = await looker.get("/use"), await looker.get("/state")
        assert (True, [], True, "PAUSED") == (use["hibernated"], use["programs"], state["hibernated"], state["state"])
        await looker.ask("/do/resume", "POST")
        async with looker.socket() as socket:
            await until_ready(socket)


async def until_ready(socket: aiohttp.ClientWebSocketResponse) -> None:
    assert "ready" == (await socket.receive_json())["type"]
    await until(socket, "$")
