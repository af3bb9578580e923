"""Measures the live view of the session page: how soon a picture comes, how late it shows a key, what it costs.

    python -m bench.views [--seconds N] [--keys N]

A viewer that draws nothing takes the pictures, on the processors that server and session use, too. Shares of a
processor are those of the server alone, and of the server with all that runs in its sessions.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import statistics
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Final
from urllib.parse import parse_qs, quote, urlsplit

import aiohttp
from attrs import define

from agentbay import AgentBay, CreateSessionParams, Session
from bench.runtime import runtime, show

TICKS: Final = os.sysconf("SC_CLK_TCK")
SCROLLING: Final = "xterm -geometry 150x50+20+20 -e sh -c 'while :; do seq 1 500; done'"
TYPED: Final = "xterm -geometry 80x24+20+20 -e cat"
MOVING: Final = """<body style='background:#fff'><script>
setInterval(() => document.body.style.background = `hsl(${performance.now() % 360},50%,50%)`, 16)</script>"""
FORM: Final = "<input autofocus style='font:40px monospace'>"


Work = Callable[["Viewer"], Awaitable[None]]


@define
class Viewer:
    """Takes pictures, and says at once that they are drawn."""

    socket: aiohttp.ClientWebSocketResponse
    pictures: int = 0
    size: int = 0

    async def take(self) -> bool:
        """One message; whether it was a picture."""
        message = await self.socket.receive()
        if message.type is aiohttp.WSMsgType.TEXT:
            return False
        assert message.type is aiohttp.WSMsgType.BINARY, message
        self.pictures += 1
        self.size += len(message.data)
        await self.socket.send_json({"type": "ack", "frame": int.from_bytes(message.data[:4], "little")})
        return True

    async def picture(self) -> None:
        while not await self.take():
            pass

    async def rest(self, seconds: float) -> None:
        """Takes what comes for a while."""
        try:
            async with asyncio.timeout(seconds):
                while True:
                    await self.take()
        except TimeoutError:
            return

    async def send(self, kind: str, **fields: object) -> None:
        await self.socket.send_json({"type": kind, **fields})

    async def press(self, key: str) -> None:
        for action in ("down", "up"):
            await self.send("key", action=action, key=key, code=f"Key{key.upper()}", repeat=False, modifiers=0)


# ---- What it costs ---------------------------------------------------------------------------------------------------


def server() -> int:
    """The process of the server, which is the only child of this one."""
    return int(Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()[0])


def below(pid: int) -> Iterator[int]:
    """A process, and all that hang on it."""
    yield pid
    for children in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in children.read_text().split():
            yield from below(int(child))


def used(pids: list[int]) -> float:
    """Seconds of processor time, until now."""
    total = 0
    for pid in pids:
        try:
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        total += int(fields[11]) + int(fields[12])
    return total / TICKS


async def cost(what: str, seconds: float, work: Callable[[float], Awaitable[object]]) -> None:
    """Shows the share of a processor that something takes for a while."""
    pid, everything = server(), list(below(server()))
    start, alone, all_of_it = time.perf_counter(), used([pid]), used(everything)
    await work(seconds)
    took = time.perf_counter() - start
    show(f"{what}: server", 100 * (used([pid]) - alone) / took, "% of a processor")
    show(f"{what}: with the session", 100 * (used(everything) - all_of_it) / took, "% of a processor")


# ---- The views -------------------------------------------------------------------------------------------------------


def address(session: Session, of: str) -> tuple[str, str]:
    """The view's address, and the protocol with the code."""
    place = urlsplit(session.info().unwrap().data.resource_url)
    code = parse_qs(place.query)["authcode"][0]
    return f"http://{place.netloc}{place.path}/view?of={of}", f"agentbay.{code}"


async def first_picture(http: aiohttp.ClientSession, url: str, protocol: str) -> float:
    """Milliseconds until somebody who comes sees something."""
    start = time.perf_counter()
    async with http.ws_connect(url, protocols=[protocol], max_msg_size=0) as socket:
        await Viewer(socket).picture()
    return 1000 * (time.perf_counter() - start)


async def echo(viewer: Viewer) -> float:
    """Milliseconds from a key to the picture with its letter."""
    await viewer.rest(0.3)
    start = time.perf_counter()
    await viewer.press("x")
    await viewer.picture()
    return 1000 * (time.perf_counter() - start)


async def view(session: Session, of: str, typed: Work, moving: Work, args: argparse.Namespace) -> None:
    print(of)
    url, protocol = address(session, of)
    async with aiohttp.ClientSession() as http:

        def connected() -> AbstractAsyncContextManager[aiohttp.ClientWebSocketResponse]:
            return http.ws_connect(url, protocols=[protocol], max_msg_size=0)

        async with connected() as socket:
            await promptness(Viewer(socket), typed, args.keys)
        firsts = [await first_picture(http, url, protocol) for _ in range(9)]
        show("first picture, median", statistics.median(firsts), "ms")
        await asyncio.sleep(1)
        await cost("nobody looks", args.seconds, asyncio.sleep)
        async with connected() as socket:
            await costs(Viewer(socket), moving, args.seconds)
        await asyncio.sleep(1)
        await cost("it moves, and nobody looks", args.seconds, asyncio.sleep)


async def promptness(viewer: Viewer, typed: Work, keys: int) -> None:
    start = time.perf_counter()
    await viewer.send("start")
    await viewer.picture()
    show("started by its button, until the first picture", 1000 * (time.perf_counter() - start), "ms")
    await typed(viewer)
    await viewer.rest(2)
    for action in ("down", "up"):
        await viewer.send("pointer", action=action, button="left", count=1, x=80, y=50, modifiers=0)
    show("a key until its letter is seen, median", statistics.median([await echo(viewer) for _ in range(keys)]), "ms")


async def costs(viewer: Viewer, moving: Work, seconds: float) -> None:
    await viewer.rest(2)
    await cost("one looks at what is still", seconds, viewer.rest)
    await moving(viewer)
    await viewer.rest(1)
    viewer.pictures = viewer.size = 0
    await cost("one looks at what moves", seconds, viewer.rest)
    show("pictures of it", viewer.pictures / seconds, "a second")
    show("size of one", viewer.size / max(viewer.pictures, 1) / 1024, "KiB")


def started(session: Session, command: str) -> Work:
    async def start(_: Viewer) -> None:
        await asyncio.to_thread(lambda: session.computer.start_app(command).unwrap())

    return start


def at(html: str) -> Work:
    return lambda viewer: viewer.send("navigate", url=f"data:text/html,{quote(html)}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--keys", type=int, default=15)
    args = parser.parse_args()
    with runtime() as (endpoint, key), AgentBay(key, endpoint=endpoint) as client:
        for of in ("desktop", "browser"):
            session = client.create(CreateSessionParams(image_id="linux_latest")).unwrap().session
            programs = started(session, TYPED), started(session, SCROLLING)
            works = programs if of == "desktop" else (at(FORM), at(MOVING))
            asyncio.run(view(session, of, *works, args))
            session.delete()


if __name__ == "__main__":
    main()
