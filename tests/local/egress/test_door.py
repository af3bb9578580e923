"""The proxy: what it lets through, what it refuses, and what it does about those who do not behave."""

from __future__ import annotations

import asyncio
import hashlib
import os

import pytest

from tests.local.egress.conftest import Way
from tests.local.egress.world import HERE, OK, World, echo, hello, raw_server


async def test_nothing_is_reached_and_no_name_looked_up_without_a_policy(way: Way, world: World) -> None:
    status, text = await way.get("http://pypi.org/")
    assert (status, text.startswith("Egress is denied by default")) == ("403 Forbidden: no egress to pypi.org:80", True)
    assert (way.refused(), world.looked_up, world.dialled) == ({"no_policy": 1}, [], [])


async def test_a_listed_host_is_reached(way: Way, world: World) -> None:
    way.allow("pypi.org")
    async with raw_server(hello) as port:
        world.place("pypi.org", 80, port)
        assert await way.get("http://PyPI.org./simple") == ("200 OK", "hi")
    assert (world.looked_up, world.dialled, way.door.way.metrics.egress.values[()]) == (["pypi.org"], [(HERE, 80)], 1)


async def test_what_is_not_listed_is_named_and_not_looked_up(way: Way, world: World) -> None:
    way.allow("pypi.org:443", "*.pypi.org")
    assert [(await way.get(url))[0] for url in ("http://pypi.org/", "http://evil.org:81/")] == [
        "403 Forbidden: pypi.org:80 is not in policy web",
        "403 Forbidden: evil.org:81 is not in policy web",
    ]
    assert (way.refused(), world.looked_up) == ({"not_listed": 2}, [])


async def test_a_tunnel_carries_bytes_both_ways_and_ends_one_way_at_a_time(way: Way, world: World) -> None:
    way.allow("*.example.org:443")
    async with raw_server(echo) as port:
        world.place("a.example.org", 443, port)
        reader, writer = await way.tunnel("a.example.org:443")
        writer.write(b"one")
        assert await reader.readexactly(3) == b"one"
        writer.write(b"two")
        writer.write_eof()
        assert await reader.read() == b"two|end"
        writer.close()
    assert way.door.way.metrics.egress_bytes.values == {("out",): 6, ("in",): 10}


async def test_what_is_sent_before_the_tunnel_stands_is_not_lost(way: Way, world: World) -> None:
    way.allow("a.org")
    async with raw_server(echo) as port:
        world.place("a.org", 443, port)
        answer = await way.ask(b"CONNECT a.org:443 HTTP/1.1\r\nHost: a.org:443\r\n\r\nearly", then_end=True)
    assert answer == b"HTTP/1.1 200 Connection established\r\n\r\nearly|end"


async def test_large_amounts_go_through_unchanged(way: Way, world: World) -> None:
    way.allow("a.org")
    data = os.urandom(1 << 20) * 8
    async with raw_server(echo) as port:
        world.place("a.org", 443, port)
        reader, writer = await way.tunnel("a.org:443")

        async def send() -> None:
            writer.write(data)
            await writer.drain()
            writer.write_eof()

        _, came = await asyncio.gather(send(), reader.read())
        writer.close()
    assert hashlib.sha256(came).digest() == hashlib.sha256(data + b"|end").digest()


@pytest.mark.parametrize(
    "addresses", [["127.0.0.1"], ["10.0.0.1", "::1"], ["::ffff:127.0.0.1"], ["169.254.169.254"], ["0.0.0.0"]]
)
async def test_a_listed_name_that_leads_to_this_machine_or_its_network_is_refused(
    way: Way, world: World, addresses: list[str]
) -> None:
    way.allow("*", "0.0.0.0/0", "::/0")
    world.names["rebound.org"] = addresses
    assert (await way.get("http://rebound.org/"))[0] == "403 Forbidden: rebound.org:80 is not public"
    assert (way.refused(), world.dialled) == ({"not_public": 1}, [])


@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]", "[::ffff:10.0.0.1]", "169.254.169.254", "192.168.0.1"])
async def test_addresses_that_are_not_public_are_refused_by_whichever_road(way: Way, world: World, host: str) -> None:
    way.allow("*", "0.0.0.0/0", "::/0")
    answer = await way.ask(f"CONNECT {host}:22 HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    assert answer.startswith(b"HTTP/1.1 403 Forbidden: ")
    assert (await way.get(f"http://{host}/"))[0].endswith(" is not public")
    assert (world.looked_up, world.dialled) == ([], [])


@pytest.mark.parametrize("host", ["2130706433", "0x7f.1", "127.1"])
async def test_addresses_written_in_odd_ways_are_names_whose_address_is_checked(
    way: Way, world: World, host: str
) -> None:
    way.allow("*")
    world.names[host] = ["127.0.0.1"]
    assert (await way.get(f"http://{host}/"))[0] == f"403 Forbidden: {host}:80 is not public"


async def test_the_address_that_was_checked_is_the_one_that_is_dialled(way: Way, world: World) -> None:
    way.allow("mixed.org")
    async with raw_server(hello) as port:
        world.place("mixed.org", 80, port)
        world.names["mixed.org"] = ["127.0.0.1", "10.0.0.1", HERE]
        assert (await way.get("http://mixed.org/"))[0] == "200 OK"
    assert (world.looked_up, world.dialled) == (["mixed.org"], [(HERE, 80)])


async def test_a_range_is_held_to_its_addresses(way: Way, world: World) -> None:
    way.allow("93.184.216.0/24")
    async with raw_server(hello) as port:
        world.place("in.org", 80, port)
        world.names["out.org"] = ["93.184.217.1"]
        assert [(await way.get(f"http://{host}/"))[0] for host in ("in.org", HERE, "out.org")] == [
            "200 OK",
            "200 OK",
            "403 Forbidden: out.org:80 is not in policy web",
        ]


async def test_the_next_address_is_tried_when_one_does_not_answer(way: Way, world: World) -> None:
    way.allow("two.org")
    async with raw_server(hello) as port:
        world.place("two.org", 80, port)
        world.names["two.org"] = ["93.184.216.35", HERE]
        assert (await way.get("http://two.org/"))[0] == "200 OK"
    assert world.dialled == [("93.184.216.35", 80), (HERE, 80)]


async def test_what_cannot_be_resolved_or_reached_is_told(way: Way, world: World) -> None:
    way.allow("*")
    world.names["closed.org"] = [HERE]
    assert [(await way.get(f"http://{host}/"))[0] for host in ("no.org", "closed.org")] == [
        "502 Bad Gateway: its name could not be resolved",
        "502 Bad Gateway: Connection refused",
    ]
    assert way.refused() == {"unresolved": 1, "unreachable": 1}


@pytest.mark.parametrize(
    "request_head",
    [
        b"GET / HTTP/1.1\r\nHost: a.org\r\n\r\n",
        b"GET https://a.org/ HTTP/1.1\r\nHost: a.org\r\n\r\n",
        b"GET ftp://a.org/ HTTP/1.1\r\nHost: a.org\r\n\r\n",
        b"GET http:// HTTP/1.1\r\nHost: a.org\r\n\r\n",
        b"GET http://[a.org/ HTTP/1.1\r\nHost: a.org\r\n\r\n",
        b"GET http://a.org:99999/ HTTP/1.1\r\nHost: a.org\r\n\r\n",
        b"CONNECT a.org HTTP/1.1\r\nHost: a.org\r\n\r\n",
        b"CONNECT a.org:0 HTTP/1.1\r\nHost: a.org\r\n\r\n",
        b"CONNECT http://a.org:443 HTTP/1.1\r\nHost: a.org\r\n\r\n",
        b"CONNECT a.org:443 HTTP/1.1\r\nHost: a.org\r\nContent-Length: 1\r\n\r\nx",
        b"GET http://a.org/ HTTP/1.1\r\nHost: a.org\r\nHost: b.org\r\n\r\n",
        b"GET http://a.org/\r\n\r\n",
        b"\x16\x03\x01\x02\0\r\n\r\n",
    ],
)
async def test_what_is_no_request_to_a_proxy_is_refused(way: Way, world: World, request_head: bytes) -> None:
    way.allow("*")
    assert (await way.ask(request_head)).startswith(b"HTTP/1.1 400 Bad Request\r\n")
    assert (way.refused(), world.dialled) == ({"malformed": 1}, [])


async def test_a_header_without_end_is_refused(way: Way) -> None:
    answer = await way.ask(b"GET http://a.org/ HTTP/1.1\r\nX: " + b"x" * 20_000)
    assert answer.startswith(b"HTTP/1.1 431 ")


async def test_a_request_is_passed_on_as_for_its_server(way: Way, world: World) -> None:
    way.allow("a.org")
    seen: list[bytes] = []

    async def note(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(OK)

    head = (
        b"GET http://user:word@a.org:8080/p%20q?x=http://b/?y HTTP/1.1\r\nHost: other.org\r\nX-Own: 1\r\nX-Hop: 1\r\n"
        b"Proxy-Connection: keep-alive\r\nProxy-Authorization: Basic eA==\r\nConnection: X-Hop\r\nTE: trailers\r\n\r\n"
    )
    async with raw_server(note) as port:
        world.place("a.org", 8080, port)
        assert (await way.ask(head)).endswith(b"\r\n\r\nhi")
    assert seen[0].split(b"\r\n") == [
        b"GET /p%20q?x=http://b/?y HTTP/1.1",
        b"Host: a.org:8080",
        b"X-Own: 1",
        b"Connection: close",
        b"",
        b"",
    ]


async def test_bodies_of_every_form_are_carried(way: Way, world: World) -> None:
    way.allow("a.org")

    async def chunks(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"0\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n4\r\ndefg\r\n0\r\n\r\n")

    async def until_end(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        assert await reader.readexactly(4) == b"body"
        writer.write(b"HTTP/1.0 200 OK\r\n\r\nold")

    async with raw_server(chunks) as one, raw_server(until_end) as two:
        world.place("a.org", 80, one)
        world.place("a.org", 81, two)
        chunked = await way.ask(
            b"POST http://a.org/ HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nxy\r\n0\r\n\r\n"
        )
        sized = await way.ask(b"POST http://a.org:81/ HTTP/1.0\r\nContent-Length: 4\r\n\r\nbody")
    assert (chunked.endswith(b"3\r\nabc\r\n4\r\ndefg\r\n0\r\n\r\n"), sized.endswith(b"\r\n\r\nold")) == (True, True)


async def test_a_client_that_waits_for_leave_to_send_gets_it(way: Way, world: World) -> None:
    way.allow("a.org")

    async def ask_for_more(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        writer.write(OK if await reader.readexactly(4) == b"body" else b"")

    async with raw_server(ask_for_more) as port:
        world.place("a.org", 80, port)
        reader, writer = await way.connect()
        writer.write(b"PUT http://a.org/ HTTP/1.1\r\nHost: a.org\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n")
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 100 ")
        writer.write(b"body")
        assert (await reader.read()).endswith(b"\r\n\r\nhi")
        writer.close()


async def test_an_answer_before_the_end_of_the_body_arrives(way: Way, world: World) -> None:
    way.allow("a.org")

    async def too_much(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n")

    async with raw_server(too_much) as port:
        world.place("a.org", 80, port)
        reader, writer = await way.connect()
        writer.write(b"PUT http://a.org/ HTTP/1.1\r\nHost: a.org\r\nContent-Length: 1000000\r\n\r\nx")
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 413 Too Large\r\n")
        writer.close()


async def test_a_second_request_on_the_same_connection_reaches_nobody(way: Way, world: World) -> None:
    way.allow("a.org")
    came: list[bytes] = []

    async def note(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        came.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(OK)
        writer.write_eof()
        came.append(await reader.read())

    async with raw_server(note) as port:
        world.place("a.org", 80, port)
        request = b"GET http://a.org/ HTTP/1.1\r\nHost: a.org\r\n\r\n"
        answer = await way.ask(request + b"GET http://evil.org/ HTTP/1.1\r\nHost: evil.org\r\n\r\n")
    assert (answer.count(b"HTTP/1.1"), came[1:]) == (1, [b""])


@pytest.mark.parametrize("said", [b"", b"garbage\r\n\r\n", b"HTTP/1.1 2"])
async def test_a_server_that_gives_no_answer_is_told(way: Way, world: World, said: bytes) -> None:
    way.allow("a.org")

    async def bad(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(said)

    async with raw_server(bad) as port:
        world.place("a.org", 80, port)
        assert (await way.get("http://a.org/"))[0] == "502 Bad Gateway: it gave no usable answer"


async def test_an_answer_that_breaks_off_does_not_look_whole(way: Way, world: World) -> None:
    way.allow("a.org")

    async def half(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhalf")

    async with raw_server(half) as port:
        world.place("a.org", 80, port)
        with pytest.raises(ConnectionResetError):
            await way.get("http://a.org/")


async def test_a_body_that_is_no_body_is_refused(way: Way, world: World) -> None:
    way.allow("a.org")
    async with raw_server(echo) as port:
        world.place("a.org", 80, port)
        answer = await way.ask(
            b"POST http://a.org/ HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nno length\r\n"
        )
    assert answer.startswith(b"HTTP/1.1 400 ")
