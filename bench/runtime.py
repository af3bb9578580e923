"""Measures the local runtime through the SDK: how soon a session works, how fast its shell and its files are.

    python -m bench.runtime [--rounds N]

Client, server and sandboxes share the processors; the figures are medians or totals of real calls.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from agentbay import AgentBay, AsyncAgentBay, CreateSessionParams, Session

MEBI = 1 << 20
FILE = 8 * MEBI
CALLS = 300
TOGETHER = 8

# Between two sessions, so that the next ready one is there again.
REFILL = 0.4


@contextmanager
def runtime(*options: str) -> Iterator[tuple[str, str]]:
    """Runs a server of its own; gives its endpoint and key."""
    command = [sys.executable, "-m", "agentbay_local", "serve", "--quiet", "--parent", str(os.getpid()), *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        endpoint, key = (process.stdout.readline().strip().partition("=")[2] for _ in range(2))
        try:
            yield endpoint, key
        finally:
            process.terminate()


def seconds(function: Callable[[], object]) -> float:
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


def show(what: str, value: float, unit: str) -> None:
    print(f"  {what:<44}{value:>10.1f} {unit}", flush=True)


# ---- How soon a session works ----------------------------------------------------------------------------------------


def first_command(client: AgentBay, image: str, pause: float = 0.0) -> float:
    """Milliseconds from the wish for a session to the output of its first command, after a pause in seconds."""
    time.sleep(pause)
    start = time.perf_counter()
    session = client.create(CreateSessionParams(image_id=image)).unwrap().session
    session.command.run("true").unwrap()
    took = time.perf_counter() - start
    session.delete()
    return took * 1000


def beginnings(rounds: int) -> None:
    print("create to first command, median")
    for name, options, pause in (("warm", (), REFILL), ("cold", ("--warm", "0"), 0.0)):
        with runtime(*options) as (endpoint, key), AgentBay(key, endpoint=endpoint) as client:
            for image in ("linux_latest", "code_latest"):
                taken = [first_command(client, image, pause) for _ in range(rounds)]
                show(f"{name}, {image}", statistics.median(taken), "ms")
    show("endpoint='local', runtime started and ended too", 1000 * seconds(own_runtime), "ms")


def own_runtime() -> None:
    with AgentBay(endpoint="local") as client:
        first_command(client, "linux_latest")


# ---- How fast it is --------------------------------------------------------------------------------------------------


def shell(session: Session, route: str) -> None:
    took = seconds(lambda: [session.command.run("echo hello") for _ in range(CALLS)])
    show(f"shell, {route}, one after the other", CALLS / took, "calls/s")


def files(session: Session, route: str) -> None:
    text = "0123456789abcdef" * (FILE // 16)
    disk = session.file_system
    work: dict[str, Callable[[], object]] = {
        "write": lambda: disk.write_file("/tmp/large", text).unwrap(),
        "read text": lambda: disk.read_file("/tmp/large").unwrap(),
        "read bytes": lambda: disk.read_file("/tmp/large", format="bytes").unwrap(),
    }
    for name, function in work.items():
        show(f"file of {FILE // MEBI} MiB, {route}, {name}", FILE / MEBI / seconds(function), "MiB/s")


def rates() -> None:
    print("one session")
    with runtime() as (endpoint, key), AgentBay(key, endpoint=endpoint) as client:
        with client.create().unwrap().session as session:
            for route in ("direct link", "RPC"):
                session.link_url = session.link_url if route == "direct link" else ""
                shell(session, route)
                files(session, route)
        asyncio.run(together(endpoint, key))


async def together(endpoint: str, key: str) -> None:
    """Many calls under way, and many sessions."""
    async with AsyncAgentBay(key, endpoint=endpoint) as client:
        async with (await client.create()).unwrap().session as session:
            start = time.perf_counter()
            await asyncio.gather(*(session.command.run("echo hello") for _ in range(CALLS)))
            show("shell, direct link, all at once", CALLS / (time.perf_counter() - start), "calls/s")
        print(f"{TOGETHER} sessions at once")
        start = time.perf_counter()
        await asyncio.gather(*(one_session(client) for _ in range(TOGETHER)))
        show("create, command, file, code, delete", 1000 * (time.perf_counter() - start), "ms")


async def one_session(client: AsyncAgentBay) -> None:
    async with (await client.create(CreateSessionParams(image_id="code_latest"))).unwrap().session as session:
        (await session.command.run("echo hello")).unwrap()
        (await session.file_system.write_file("/tmp/file", "x")).unwrap()
        (await session.code.run_code("1 + 1", "python")).unwrap()


def main() -> int:
    """Measures everything."""
    parser = argparse.ArgumentParser(prog="python -m bench.runtime", description="Measures the local runtime.")
    parser.add_argument("--rounds", type=int, default=15, help="sessions per figure of the beginning (default 15)")
    beginnings(parser.parse_args().rounds)
    rates()
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
