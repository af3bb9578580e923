"""How long the proxy waits, for how many, and how it ends."""

from __future__ import annotations

import asyncio

import pytest

from agentbay_local.egress import Reach
from agentbay_local.egress import door as door_module
from agentbay_local.egress import way as way_module
from tests.local.egress.conftest import Way
from tests.local.egress.world import World, echo, hello, raw_server


async def test_silence_is_not_waited_for_for_ever(way: Way, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(door_module, "PATIENCE", 0.1)
    with pytest.raises(ConnectionResetError):
        await way.ask(b"GET http://a")


async def test_a_tunnel_on_which_nothing_moves_is_closed(
    way: Way, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(door_module, "QUIET", 0.3)
    way.allow("a.org")
    async with raw_server(echo) as port:
        world.place("a.org", 443, port)
        reader, writer = await way.tunnel("a.org:443")
        writer.write(b"one")
        assert await reader.readexactly(3) == b"one"
        with pytest.raises(ConnectionResetError):
            await reader.read()
        writer.close()


async def test_a_lookup_that_hangs_takes_no_more_than_its_time(
    way: Way, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(way_module, "PATIENCE", 0.1)
    way.allow("a.org")
    over = asyncio.Event()

    async def hang(host: str) -> list[str]:
        world.looked_up.append(host)
        await over.wait()
        raise OSError

    way.door.way.reach = Reach(hang, world.dial)
    asked = [way.get("http://a.org/") for _ in range(6)]
    assert {status for status, _ in await asyncio.gather(*asked)} == {"502 Bad Gateway: its name could not be resolved"}
    assert len(world.looked_up) == 4
    over.set()
    await asyncio.sleep(0)


async def test_too_many_connections_of_one_session_are_told_so(way: Way, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(door_module, "MOST_CONNECTIONS", 2)
    held = [await way.connect() for _ in range(2)]
    answer = await way.ask(b"")
    assert (answer.startswith(b"HTTP/1.1 503 "), way.refused()) == (True, {"busy": 1})
    for _, writer in held:
        writer.close()


async def test_all_connections_end_with_the_door(way: Way, world: World) -> None:
    way.allow("a.org")
    ended = asyncio.Event()

    async def wait(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await reader.read()
        finally:
            ended.set()

    async with raw_server(wait) as port:
        world.place("a.org", 443, port)
        reader, writer = await way.tunnel("a.org:443")
        silent, other = await way.connect()
        way.door.close()
        way.door.close()
        for stream in (reader, silent):
            with pytest.raises(ConnectionResetError):
                await stream.read()
        await asyncio.wait_for(ended.wait(), 5)
        writer.close()
        other.close()
    with pytest.raises(ConnectionRefusedError):
        await way.connect()


async def test_a_policy_counts_from_the_next_request_on(way: Way, world: World) -> None:
    async with raw_server(hello) as port:
        world.place("a.org", 80, port)
        before = (await way.get("http://a.org/"))[0]
        way.allow("a.org")
        assert (before, (await way.get("http://a.org/"))[0]) == ("403 Forbidden: no egress to a.org:80", "200 OK")
