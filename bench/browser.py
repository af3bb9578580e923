"""Measures browsers in the local runtime beside the bare Chromium of this machine, with the same flags and in one run.

    python -m bench.browser [--rounds N] [--together N]

How soon one is ready, how long tools and Playwright take for a picture, a click and a text, and many browsers at once.
Figures are medians in milliseconds; client, server and browsers share the processors. It needs Playwright for Python.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import re
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.request import urlopen

from agentbay import AgentBay, AsyncAgentBay, AsyncSession, CreateSessionParams, Session
from agentbay_local.browser.installed import look
from agentbay_local.browser.options import Options, command_line
from bench.runtime import REFILL, runtime, show

PAGE = (
    """<!doctype html><title>Bench</title><input id=i aria-label=Field>
<button onclick="this.textContent = Number(this.textContent) + 1">0</button><p>words</p>"""
    + "<p>line</p>" * 40
)
ADDRESS = "data:text/html;base64," + base64.b64encode(PAGE.encode()).decode()
IMAGE = CreateSessionParams(image_id="browser_latest")


@contextmanager
def bare(port: int) -> Iterator[str]:
    """The browser as the runtime starts it, on the machine itself; gives its endpoint."""
    with tempfile.TemporaryDirectory() as folder:
        line = [each for each in command_line(Options(profile=folder)) if "proxy" not in each and "port" not in each]
        command = [str(look().program), f"--remote-debugging-port={port}", *line]
        with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
            assert process.stderr is not None
            found = next(filter(None, (re.search(r"listening on (ws://\S+)", line) for line in process.stderr)))
            try:
                yield found[1]
            finally:
                process.kill()
                process.communicate()


def median(function: Callable[[], object], rounds: int) -> float:
    """Milliseconds."""
    taken = []
    for _ in range(rounds):
        start = time.perf_counter()
        function()
        taken.append(time.perf_counter() - start)
    return 1000 * statistics.median(taken)


# ---- How soon it is ready --------------------------------------------------------------------------------------------


def readiness(client: AgentBay, rounds: int) -> None:
    print("from the start to an answer of the endpoint")
    alone, inside, again = [], [], []
    for number in range(rounds):
        start = time.perf_counter()
        with bare(9300 + number), urlopen(f"http://127.0.0.1:{9300 + number}/json/list") as answer:
            answer.read()
            alone.append(time.perf_counter() - start)
        session = client.create(IMAGE).unwrap().session
        time.sleep(REFILL)  # until the next ready sandbox is there, whose making would be measured too
        inside.append(_started(session))
        session.browser.destroy()
        again.append(_started(session))
        session.delete()
    for name, taken in (("bare Chromium", alone), ("in a session", inside), ("in it, once more", again)):
        show(name, 1000 * statistics.median(taken), "ms")


def _started(session: Session) -> float:
    start = time.perf_counter()
    if not session.browser.initialize():
        raise SystemExit(str(session.browser.error))
    session.browser.get_endpoint_url()
    return time.perf_counter() - start


# ---- How fast it works -----------------------------------------------------------------------------------------------


def drive(name: str, driver: Any, endpoint: str, rounds: int) -> None:
    """Playwright at an endpoint."""
    browser = driver.chromium.connect_over_cdp(endpoint)
    page = browser.contexts[0].pages[0]
    page.goto(ADDRESS)
    show(f"{name}: picture", median(page.screenshot, rounds), "ms")
    show(f"{name}: click", median(lambda: page.click("button"), rounds), "ms")
    show(f"{name}: type 20 letters", median(lambda: page.fill("#i", "twenty letters of it"), rounds), "ms")
    browser.close()


def tools(session: Session, rounds: int) -> None:
    def use(tool: str, **args: Any) -> str:
        answer = session.call_mcp_tool(tool, args)
        assert answer.success, answer.error_message
        return str(answer.data)

    seen = use("browser_navigate", url=ADDRESS)
    field, button = (re.findall(rf"{kind}.*\[ref=(e\d+)\]", seen)[0] for kind in ("textbox", "button"))
    show("tool: picture", median(lambda: use("browser_take_screenshot"), rounds), "ms")
    show("tool: click", median(lambda: use("browser_click", ref=button), rounds), "ms")
    show(
        "tool: type 20 letters",
        median(lambda: use("browser_type", ref=field, text="twenty letters of it"), rounds),
        "ms",
    )
    show("tool: snapshot", median(lambda: use("browser_snapshot"), rounds), "ms")
    show("operator: picture", median(session.browser.operator.screenshot, rounds), "ms")


# ---- Many at once ----------------------------------------------------------------------------------------------------


async def together(endpoint: str, key: str, count: int) -> None:
    async with AsyncAgentBay(key, endpoint=endpoint) as client:
        sessions = [(await client.create(IMAGE)).unwrap().session for _ in range(count)]
        before, start = memory(), time.perf_counter()
        await asyncio.gather(*(_open(session) for session in sessions))
        took = time.perf_counter() - start
        print(f"{count} browsers at once, each with a page")
        show("until all show it", 1000 * took, "ms")
        show("memory of each (PSS)", (memory() - before) / count / 1024, "MiB")
        await asyncio.gather(*(session.delete() for session in sessions))


async def _open(session: AsyncSession) -> None:
    if not await session.browser.initialize():
        raise SystemExit(str(session.browser.error))
    said = await session.browser.operator.navigate(ADDRESS)
    assert "Bench" in said, said


def memory() -> int:
    """KiB of all browsers on this machine, what they share counted once."""
    total = 0
    for place in Path("/proc").glob("[0-9]*"):
        try:
            if place.joinpath("exe").readlink().name == look().program.name:
                total += int(re.findall(r"Pss:\s+(\d+)", place.joinpath("smaps_rollup").read_text())[0])
        except OSError:
            continue
    return total


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--together", type=int, default=10)
    given = parser.parse_args()
    from playwright.sync_api import sync_playwright  # noqa: PLC0415  (--help needs none)

    with runtime() as (endpoint, key):
        with AgentBay(key, endpoint=endpoint) as client, client.create(IMAGE).unwrap().session as session:
            readiness(client, given.rounds)
            print("a picture, a click, a text")
            session.browser.initialize()
            with sync_playwright() as driver, bare(9299) as url:
                drive("Playwright, bare Chromium", driver, url, 4 * given.rounds)
                drive("Playwright, in a session", driver, session.browser.get_endpoint_url(), 4 * given.rounds)
            tools(session, 4 * given.rounds)
        asyncio.run(together(endpoint, key, given.together))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
