"""Measures our road beside plain httpx, aiohttp and raw sockets on a local gateway, and prints ratios.

    python -m bench [--plain] [--rounds N] [--only NAME,NAME]

Figures of one run compare with each other only: client and gateway share the processors. `--plain` leaves TLS out.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import math
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from attrs import frozen

from bench.contenders import AsyncCall, Call, Contender, contenders


@frozen
class Scene:
    """So many calls under way at once, each taking `latency` milliseconds at the gateway; `rounds` calls by each."""

    inflight: int
    latency: int
    rounds: int
    skip: frozenset[str] = frozenset()

    @property
    def calls(self) -> int:
        return self.inflight * self.rounds

    @property
    def title(self) -> str:
        return f"{self.inflight} in flight, {self.latency} ms each" if self.latency else f"{self.inflight} in flight"


@frozen
class Figure:
    """What one run took, in seconds."""

    wall: float
    cpu: float


SCENES = [
    Scene(1, 0, 1500),
    Scene(10, 0, 150),
    Scene(100, 0, 15),
    Scene(1000, 0, 2),
    Scene(20, 50, 1),
    Scene(100, 100, 5),
]
SLOW = Scene(1000, 1000, 3, skip=frozenset({"httpx"}))
SYNC_SCENES = [Scene(1, 0, 1500), Scene(10, 0, 150), Scene(20, 50, 1), Scene(100, 100, 5)]


# ---- one run ---------------------------------------------------------------------------------------------------------


def run(contender: Contender, url: str, scene: Scene) -> Figure:
    """Measures calls from threads, or from this one when only one is under way."""
    assert contender.calls is not None
    with contender.calls(url) as call, ThreadPoolExecutor(scene.inflight) as pool:
        if not scene.latency or scene.rounds == 1:
            warm_up(call, scene, pool)
        return timed(lambda: work(call, scene, pool))


def warm_up(call: Call, scene: Scene, pool: ThreadPoolExecutor) -> None:
    list(pool.map(lambda _: call(), range(min(scene.calls, 3 * scene.inflight))))


def work(call: Call, scene: Scene, pool: ThreadPoolExecutor) -> None:
    if scene.inflight == 1:
        repeat(call, scene.rounds)
    else:
        list(pool.map(lambda _: repeat(call, scene.rounds), range(scene.inflight)))


def repeat(call: Call, times: int) -> None:
    for _ in range(times):
        call()


def timed(function: Callable[[], object]) -> Figure:
    wall, cpu = time.perf_counter(), time.process_time()
    function()
    return Figure(time.perf_counter() - wall, time.process_time() - cpu)


async def async_run(contender: Contender, url: str, scene: Scene) -> Figure:
    """Measures calls from tasks."""
    assert contender.async_calls is not None
    async with contender.async_calls(url) as call:
        if not scene.latency or scene.rounds == 1:
            await async_work(call, scene, 1)
        wall, cpu = time.perf_counter(), time.process_time()
        await async_work(call, scene, scene.rounds)
        return Figure(time.perf_counter() - wall, time.process_time() - cpu)


async def async_work(call: AsyncCall, scene: Scene, rounds: int) -> None:
    async def worker() -> None:
        for _ in range(rounds):
            await call()

    await asyncio.gather(*(worker() for _ in range(scene.inflight)))


# ---- all runs of a scene ---------------------------------------------------------------------------------------------

COLUMNS = (
    ("ms in all", 10),
    ("us/call", 9),
    ("cpu us", 8),
    ("calls/s", 9),
    ("x httpx", 9),
    ("cpu/httpx", 11),
    ("of raw", 8),
)

Run = Callable[[Contender, str, Scene], Figure]


def compare(scene: Scene, running: list[Contender], url: str, rounds: int, one: Run) -> dict[str, Figure]:
    """The best of several rounds for each; they take turns, so that a busy moment does not hit one of them alone."""
    best: dict[str, Figure] = {}
    for _ in range(rounds):
        for contender in running:
            if contender.name not in scene.skip:
                figure = one(contender, url, scene)
                best[contender.name] = min(best.get(contender.name, figure), figure, key=lambda each: each.wall)
    return best


def report(colour: str, scene: Scene, figures: dict[str, Figure]) -> None:
    """Prints a table: time and processor time of a call, calls per second, ratios."""
    plain, raw = figures.get("httpx"), figures.get("raw")
    print(f"\n{colour}, {scene.title}, {scene.calls} calls")
    print(" " * 14 + "".join(f"{name:>{width}}" for name, width in COLUMNS))
    for name, figure in figures.items():
        each, cpu = figure.wall / scene.calls * 1e6, figure.cpu / scene.calls * 1e6
        faster = plain.wall / figure.wall if plain else math.nan
        share = figure.cpu / plain.cpu if plain else math.nan
        limit = raw.wall / figure.wall if raw else math.nan
        row = f"{figure.wall * 1e3:>10.0f}{each:>9.0f}{cpu:>8.0f}{scene.calls / figure.wall:>9.0f}"
        print(f"  {name:<12}{row}{faster:>9.2f}{share:>11.2f}{limit:>8.2f}", flush=True)


# ---- the gateway -----------------------------------------------------------------------------------------------------


@contextmanager
def gateway() -> Iterator[dict[str, dict[str, int]]]:
    """Runs the gateway in a process of its own; gives its ports, and makes its authority the trusted one."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "bench.gateway", folder]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            ports = json.loads(process.stdout.readline())
            os.environ["SSL_CERT_FILE"] = str(Path(folder, "ca.pem"))
            yield ports
            process.communicate()


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description="Compares ways to make a call.")
    parser.add_argument("--plain", action="store_true", help="HTTP without TLS")
    parser.add_argument("--rounds", type=int, default=3, help="rounds per scene; the best counts (default 3)")
    parser.add_argument("--only", default="", help="names of contenders, with commas between them")
    return parser.parse_args()


def main() -> int:
    """Runs all scenes in both colours."""
    given = arguments()
    scheme = "http" if given.plain else "https"
    running = [each for each in contenders() if not given.only or each.name in given.only.split(",")]
    with gateway() as ports:
        for scene in SYNC_SCENES:
            url = f"{scheme}://127.0.0.1:{ports[str(scene.latency)][scheme]}"
            report("sync", scene, compare(scene, [each for each in running if each.calls], url, given.rounds, run))
        for scene in [*SCENES, SLOW]:
            url = f"{scheme}://127.0.0.1:{ports[str(scene.latency)][scheme]}"
            coloured = [each for each in running if each.async_calls]
            turns = 1 if scene is SLOW else given.rounds
            report("async", scene, compare(scene, coloured, url, turns, lambda *run: asyncio.run(async_run(*run))))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
