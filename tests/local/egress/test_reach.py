"""The real steps out of this machine, as far as its own loopback can show them."""

from __future__ import annotations

import asyncio
import socket

import pytest

from agentbay_local.egress import Reach
from tests.local.egress.world import raw_server


async def test_a_name_has_all_its_addresses_once() -> None:
    found = await Reach().resolve("localhost")
    assert ("127.0.0.1" in found or "::1" in found, len(found)) == (True, len(set(found)))


@pytest.mark.parametrize("host", ["no-such-host.invalid", "a" * 70 + ".org"])
async def test_a_name_that_there_is_not_is_an_error(host: str) -> None:
    with pytest.raises(OSError, match=r".+"):
        await Reach().resolve(host)


async def test_lookups_that_hang_do_not_hold_up_others(monkeypatch: pytest.MonkeyPatch) -> None:
    import threading

    over = threading.Event()
    real = socket.getaddrinfo

    def slow(host: str, *rest: object, **named: object) -> object:
        if host == "slow.org":
            over.wait(20)
            raise OSError("too slow")
        return real(host, *rest, **named)

    monkeypatch.setattr(socket, "getaddrinfo", slow)
    hanging = [asyncio.create_task(Reach().resolve("slow.org")) for _ in range(40)]
    await asyncio.sleep(0)
    assert await asyncio.wait_for(Reach().resolve("127.0.0.1"), 10) == ["127.0.0.1"]
    hanging[0].cancel()
    over.set()
    said = await asyncio.gather(*hanging, return_exceptions=True)
    assert {type(each) for each in said} == {asyncio.CancelledError, OSError}


async def test_a_connection_is_made_to_an_address() -> None:
    async def hello(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"hi")

    async with raw_server(hello) as port:
        reader, writer = await Reach().dial("127.0.0.1", port)
        assert await reader.read() == b"hi"
        writer.close()
