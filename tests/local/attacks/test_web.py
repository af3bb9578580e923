"""What web pages and malformed requests can do to the doors of a server on loopback: nothing."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
from collections.abc import AsyncIterator
from urllib.parse import urlsplit

import pytest

from agentbay_local.app import Runtime
from agentbay_local.settings import Settings
from tests.local.attacks.conftest import Prey
from tests.local.conftest import Served
from tests.local.service.api import Api

DOORS = {
    "/": "POST",
    "/link/{session}/callTool": "POST",
    "/session/{session}": "GET",
    "/session/{session}/state": "GET",
    "/session/{session}/terminal": "GET",
    "/sessions": "GET",
    "/images": "POST",
    "/request_ai/{token}/path{tail:(/.*)?}": "GET",
    "/websocket_ai/{token}{tail:(/.*)?}": "GET",
    "/store/{tail:(?s:.*)}": "GET",
    "/screenshot/{token}.png": "GET",
    "/healthz": "GET",
    "/metrics": "GET",
    "/channel/{session}": "GET",
}
FOR_PAGES = ("/request_ai/", "/websocket_ai/", "/store/")
EVIL = "http://evil.example"
WORDS = "<script>alert(1)</script>"


def filled(path: str, prey: Prey) -> str:
    """A path that leads to something that is there."""
    ways = {"{session}": prey.session_id, "{token}": prey.link.rstrip("/").split("/")[-2], "{tail:(/.*)?}": "/"}
    for mark, value in ways.items():
        path = path.replace(mark, value)
    return urlsplit(prey.file_url).path if path.startswith("/store/") else path


def query_of(path: str, prey: Prey) -> str:
    return urlsplit(prey.file_url).query if path.startswith("/store/") else ""


async def test_every_door_is_known_here() -> None:
    async with Runtime(Settings(keys=("akm-here",), warm=0)) as runtime:
        resources = runtime._runner.app.router.resources()
        assert {re.sub(r"\{.*", "", door) for door in DOORS} == {
            resource.canonical.partition("{")[0] for resource in resources
        }


# --- Web pages of others ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("door", sorted(DOORS))
@pytest.mark.parametrize(
    "host",
    [
        "evil.example", "evil.example:{port}", "localhost.evil.example", "127.0.0.1.evil.example",
        "127.0.0.1@evil.example", "evil.example#127.0.0.1", "evil.example\\@localhost", "169.254.169.254", "0.0.0.0",
        "10.0.0.1:{port}", "[::]", "::1]", "evil.example, localhost", "",
    ],
)  # fmt: skip
async def test_a_name_that_was_made_to_point_here_opens_no_door(api: Api, prey: Prey, door: str, host: str) -> None:
    host = host.replace("{port}", str(urlsplit(api.endpoint).port))
    head = (
        f"{DOORS[door]} {filled(door, prey)}?{query_of(door, prey)} HTTP/1.1\r\nHost: {host}\r\nContent-Length: 0\r\n"
    )
    head += "Connection: close\r\n"
    answer = await said(api.endpoint, f"{head}X-Access-Token: {prey.session['Token']}\r\n\r\n".encode())
    assert status(answer) in {400, 403}
    assert not any(secret.encode() in answer for secret in prey.secrets)


@pytest.mark.parametrize("door", sorted(door for door in DOORS if not door.startswith(FOR_PAGES)))
@pytest.mark.parametrize(
    "origin", [EVIL, "null", "https://localhost.evil.example", "http://127.0.0.1:1", "file://", "", "http://[", "chrome-extension://a"]
)  # fmt: skip
async def test_a_page_of_another_site_opens_no_door(api: Api, prey: Prey, door: str, origin: str) -> None:
    headers = {"Origin": origin, "X-Access-Token": prey.session["Token"]}
    if door == "/channel/{session}":
        headers |= {"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13"}
    async with api.http.request(DOORS[door], api.endpoint + filled(door, prey), headers=headers) as response:
        body = await response.json()
    assert (403, "Forbidden.Origin") == (response.status, body["Code"])
    assert not any(name.lower().startswith("access-control") for name in response.headers)


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"])
async def test_a_form_on_a_page_of_another_site_does_nothing(api: Api, kind: str) -> None:
    body = f"Action=CreateMcpSession&Authorization=Bearer {api.key}".replace(" ", "%20")
    headers = {"Origin": EVIL, "Content-Type": kind, "Referer": EVIL}
    answer = await api.post("/", data=body, headers=headers)
    assert (403, "Forbidden.Origin") == answer.verdict


async def test_a_page_cannot_ask_whether_it_may(api: Api) -> None:
    headers = {"Origin": EVIL, "Access-Control-Request-Method": "POST"}
    async with api.http.options(api.endpoint + "/", headers=headers) as response:
        await response.read()
    assert (403, []) == (response.status, [name for name in response.headers if name.lower().startswith("access-")])


async def test_the_servers_own_pages_may_use_it(api: Api) -> None:
    headers = {"Origin": api.endpoint}
    assert (400, "MissingParameter") == (await api.post("/", headers=headers)).verdict


# --- Words in answers -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "path",
    [
        f"/{WORDS}", f"/session/{WORDS}", f"/link/{WORDS}/callTool", f"/channel/{WORDS}", f"/request_ai/{WORDS}/path/",
        f"/websocket_ai/{WORDS}", f"/store/{WORDS}/{WORDS}", f"/healthz/{WORDS}", f"/metrics?{WORDS}",
        f"/screenshot/{WORDS}.png", f"/?Action={WORDS}",
    ],
)  # fmt: skip
@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_no_answer_brings_markup_back_to_a_browser(api: Api, method: str, path: str) -> None:
    head = f"{method} {path} HTTP/1.1\r\nHost: localhost\r\nAccept: text/html\r\n"
    request = f"{head}Content-Length: 0\r\nConnection: close\r\n\r\n"
    answer = await said(api.endpoint, request.encode())
    assert b"HTTP/1.1 500" not in answer
    assert b"text/html" not in answer


@pytest.mark.parametrize(
    "head",
    [
        f"GET / HTTP/1.1\r\nHost: localhost\r\nAccept: text/html\r\n{WORDS}\r\n\r\n",
        f"{WORDS} / HTTP/1.1\r\nAccept: text/html\r\n\r\n",
        f"GET / {WORDS}\r\nAccept: text/html\r\n\r\n",
        f"GET / HTTP/1.1\r\nHost: localhost\r\nAccept: text/html\r\nContent-Length: {WORDS}\r\n\r\n",
    ],
)
async def test_nor_does_one_to_a_request_that_is_none(api: Api, head: str) -> None:
    answer = await said(api.endpoint, head.encode())
    assert (400, False) == (status(answer), b"text/html" in answer.lower() and WORDS.encode() in answer)


@pytest.mark.parametrize(
    "trick", ["..", "%2e%2e", "%2e%2e%2f", "..%2f..", "%00", "/", "\\", ".;", "%c0%ae", "%ff", "*", "%"]
)
@pytest.mark.parametrize(
    "before", ["", "session/", "link/", "channel/", "request_ai/", "websocket_ai/", "store/", "store/x/", "screenshot/"]
)
async def test_no_trick_with_a_path_leads_anywhere(api: Api, before: str, trick: str) -> None:
    for path in (f"/{before}{trick}", f"/{before}{trick}/etc/passwd", f"/{before}{trick}/callTool"):
        answer = await said(
            api.endpoint, f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode()
        )
        assert status(answer) in {400, 401, 403, 404, 405}, (path, answer)
        assert b"root:" not in answer


# --- Requests within requests -----------------------------------------------------------------------------------------

HIDDEN = "POST /?Action=Hidden HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n"


@pytest.mark.parametrize(
    "headers",
    [
        "Content-Length: 0\r\nContent-Length: {size}",
        "Content-Length: {size}\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: chunked\r\nContent-Length: {size}",
        "Transfer-Encoding: xchunked\r\nContent-Length: {size}",
        "Transfer-Encoding : chunked",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity",
        "Transfer-Encoding: identity, chunked, identity",
        "Content-Length: +{size}",
        "Content-Length: -1",
        "Content-Length: 0x10",
        "Content-Length: {size}, {size}",
        "Content-Length: 1e3",
        "Content-Length: 99999999999999999999999",
        "X: y\r\n z: folded\r\nContent-Length: \r\n 0",
        "X\x00: y\r\nContent-Length: 0",
    ],
)
async def test_where_a_request_ends_is_never_in_doubt(api: Api, headers: str) -> None:
    lines = headers.format(size=len(HIDDEN) + 5)
    request = f"POST /?Action=Shown HTTP/1.1\r\nHost: localhost\r\n{lines}\r\n\r\n0\r\n\r\n{HIDDEN}"
    answer = await said(api.endpoint, request.encode("latin-1"))
    assert (400, 1) == (status(answer), answer.count(b"HTTP/1."))


@pytest.mark.parametrize("size", ["zz", "-1", "0x5", "5 ", "ffffffffffffffffff", "+5"])
async def test_chunks_that_are_none_end_the_connection(api: Api, size: str) -> None:
    head = "POST /?Action=Shown HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
    request = f"{head}{size}\r\nhello\r\n0\r\n\r\n"
    answer = await said(api.endpoint, (request + HIDDEN).encode())
    assert b"Hidden" not in answer
    assert answer.count(b"HTTP/1.1 ") <= 1 or b"HTTP/1.1 400" in answer


# --- Too much, too slowly ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("piece", [b"X: " + b"y" * (1 << 20) + b"\r\n", b"X: y\r\n" * (1 << 16), b"X" * (1 << 20)])
async def test_a_head_without_an_end_is_cut_off(api: Api, piece: bytes) -> None:
    async with connected(api.endpoint) as (reader, writer):
        writer.write(b"GET / HTTP/1.1\r\nHost: localhost\r\n")
        with contextlib.suppress(ConnectionError):
            for _ in range(64):
                writer.write(piece)
                await writer.drain()
        with contextlib.suppress(ConnectionError):
            assert status(await reader.read(1 << 16) or b"HTTP/1.1 400") in {400, 431}
    assert (400, "MissingParameter") == (await api.post("/")).verdict


async def test_a_body_without_an_end_is_cut_off(api: Api) -> None:
    head = b"POST /?Action=ListSession HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
    async with connected(api.endpoint) as (reader, writer):
        writer.write(head)
        told = asyncio.create_task(reader.read(1 << 16))
        with contextlib.suppress(ConnectionError):
            while not told.done():
                writer.write(b"100000\r\n" + bytes(1 << 20) + b"\r\n")
                await writer.drain()
        assert 413 == status(await told)


async def test_many_who_never_finish_their_request_hold_up_nobody(api: Api) -> None:
    async with contextlib.AsyncExitStack() as held:
        for number in range(200):
            _, writer = await held.enter_async_context(connected(api.endpoint))
            half = (
                "GET /healthz HTTP/1.1\r\nHost: localh"
                if number % 2
                else "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\nA"
            )
            writer.write(half.encode())
        async with asyncio.timeout(20):
            assert (200, "ok") == (await api.call("ListSession")).verdict


async def test_one_who_reads_nothing_holds_up_nobody(api: Api, session: str) -> None:
    call = {"tool": "shell", "args": {"command": "head -c 500000 /dev/zero | tr '\\0' x"}, "token": ""}
    async with connected(api.endpoint) as (_, writer):
        body = json.dumps(call)
        head = f"POST /link/{session}/callTool HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}\r\n\r\n"
        for _ in range(20):
            writer.write((head + body).encode())
        assert "fine\n" == (await api.shell(session, "echo fine"))["stdout"]


# --- Raw connections --------------------------------------------------------------------------------------------------


@contextlib.asynccontextmanager
async def connected(endpoint: str) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    parts = urlsplit(endpoint)
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
    try:
        yield reader, writer
    finally:
        writer.transport.abort()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()


async def said(endpoint: str, request: bytes) -> bytes:
    """All that a server answers, until it says nothing more for a moment or closes."""
    answer = bytearray()
    async with connected(endpoint) as (reader, writer):
        writer.write(request)
        with contextlib.suppress(TimeoutError, ConnectionError):
            while data := await asyncio.wait_for(reader.read(1 << 16), 0.15 if answer else 10):
                answer += data
    return bytes(answer)


def status(answer: bytes) -> int:
    return int(answer.split(maxsplit=2)[1]) if answer.startswith(b"HTTP/1.") else 0


async def test_the_server_is_still_there(api: Api, runtime: Served) -> None:
    assert (runtime.process.poll(), (await api.call("ListSession")).verdict) == (None, (200, "ok"))
