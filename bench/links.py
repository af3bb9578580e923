"""Measures links into a session: requests and MiB per second by HTTP, WebSocket and raw TCP, beside a bare connection.

    python -m bench.links [--requests N] [--size MIB]

The same server program runs on this machine and in a session of a runtime, and the same client asks both. They all
share the processors, so that figures of one run compare with each other only.
"""

from __future__ import annotations

import argparse
import asyncio
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from websockets.asyncio.client import connect

from agentbay import AgentBay, Session
from bench.runtime import runtime

PORT = 30123
SERVER = Path(__file__).with_name("link_server.py")
CHUNK = 1 << 18
READY = "for _ in $(seq 200); do (echo >/dev/tcp/127.0.0.1/{port}) 2>/dev/null && exit 0; sleep 0.05; done; exit 1"
ABREAST = (1, 8)

Work = Callable[[str, int], Awaitable[None]]

# ---- The client ------------------------------------------------------------------------------------------------------


async def get(url: str, times: int, path: str = "/") -> None:
    """Gets a page so often by one connection."""
    place = urlsplit(url)
    reader, writer = await asyncio.open_connection(place.hostname, place.port, limit=CHUNK)
    request = f"GET {place.path.rstrip('/')}{path} HTTP/1.1\r\nHost: {place.netloc}\r\n\r\n".encode()
    for _ in range(times):
        writer.write(request)
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        left = int(head.partition(b"content-length:")[2].split(b"\r")[0])
        while left:
            left -= len(await reader.read(min(left, CHUNK)))
    writer.close()


async def get_much(url: str, size: int) -> None:
    await get(url, 1, f"/{size}")


async def echo(url: str, times: int) -> None:
    """Sends a message so often, and waits for it to come back."""
    async with connect(url, compression=None, max_size=None, proxy=None) as socket:
        for _ in range(times):
            await socket.send("hello")
            await socket.recv()


async def hear_much(url: str, size: int) -> None:
    async with connect(url, compression=None, max_size=None, proxy=None) as socket:
        await socket.send(str(size))
        for _ in range(size):
            await socket.recv()


async def rate(work: Work, url: str, amount: int, abreast: int = 1) -> float:
    """How much is done in a second, over so many connections at once."""
    await work(url, 1)
    start = time.perf_counter()
    await asyncio.gather(*(work(url, amount // abreast) for _ in range(abreast)))
    return amount / (time.perf_counter() - start)


# ---- The ways --------------------------------------------------------------------------------------------------------


@contextmanager
def direct() -> Iterator[dict[str, tuple[str, Work, Work]]]:
    """The server on this machine."""
    with subprocess.Popen([sys.executable, SERVER, str(PORT)]) as process:
        subprocess.run(["bash", "-c", READY.format(port=PORT + 1)], check=True)
        yield {
            "http, direct": (f"http://127.0.0.1:{PORT}/", get, get_much),
            "websocket, direct": (f"ws://127.0.0.1:{PORT + 1}/", echo, hear_much),
        }
        process.terminate()


def linked(session: Session) -> dict[str, tuple[str, Work, Work]]:
    """The server in a session."""
    session.file_system.write_file("/tmp/server.py", SERVER.read_text("utf-8")).unwrap()
    session.command.run(f"nohup {sys.executable} /tmp/server.py {PORT} >/tmp/log 2>&1 &").unwrap()
    session.command.run(READY.format(port=PORT + 1), timeout_ms=20_000).unwrap()

    def link(protocol: str, port: int) -> str:
        return str(session.get_link(protocol, port).unwrap().data)

    return {
        "http, link": (link("https", PORT), get, get_much),
        "http, tcp link": (link("tcp", PORT), get, get_much),
        "websocket, link": (link("wss", PORT + 1), echo, hear_much),
        "websocket, tcp link": (link("tcp", PORT + 1).replace("tcp:", "ws:"), echo, hear_much),
    }


def measure(ways: dict[str, tuple[str, Work, Work]], requests: int, size: int) -> None:
    for name, (url, small, large) in ways.items():
        rates = [asyncio.run(rate(small, url, requests, abreast)) for abreast in ABREAST]
        flow = asyncio.run(rate(large, url, size))
        print(f"  {name:<22}" + "".join(f"{each:>14.0f}" for each in (*rates, flow)), flush=True)


def main() -> int:
    """Measures every way."""
    parser = argparse.ArgumentParser(prog="python -m bench.links", description="Measures links into a session.")
    parser.add_argument("--requests", type=int, default=4000, help="requests or messages per figure (default 4000)")
    parser.add_argument("--size", type=int, default=1024, help="MiB per figure (default 1024)")
    given = parser.parse_args()
    print(" " * 24 + "".join(f"{title:>14}" for title in (*(f"{n} abreast, /s" for n in ABREAST), "MiB/s")))
    with direct() as ways:
        measure(ways, given.requests, given.size)
    with runtime() as (endpoint, key), AgentBay(key, endpoint=endpoint) as client:
        session = client.create().unwrap().session
        measure(linked(session), given.requests, given.size)
        session.delete()
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
