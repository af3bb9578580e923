"""Measures the languages of `run_code`: how soon a kernel answers, and how fast, each beside the bare program.

    python -m bench.kernels [--rounds N] [--only NAME,NAME]

Beside python and r stand the same Jupyter kernels on this machine itself, driven by jupyter_client; beside the others
the program that reads what is typed. Ours are in a sandbox and asked through the SDK; no kernel waits ready. A language
that this machine lacks is left out. The figures are medians; client, server and sandboxes share the processors.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import IO

from agentbay import AgentBay, CreateSessionParams
from bench.runtime import runtime

SUM = {
    "python": "40 + 2",
    "javascript": "40 + 2",
    "bash": "echo $((40 + 2))",
    "java": "40 + 2",
    "r": "40 + 2",
}
PROGRAMS = {
    "javascript": ["node", "-i"],
    "bash": ["bash"],
    "java": ["jshell"],
}
SPECS = {"python": "python3", "r": "ir"}
CALLS = 30
ANSWER = b"42"

Ask = Callable[[], object]


# ---- the bare programs -----------------------------------------------------------------------------------------------


def answered(output: IO[bytes]) -> None:
    seen = b""
    while ANSWER not in seen:
        piece = os.read(output.fileno(), 1 << 16)
        if not piece:
            sys.exit("a bare program ended before it answered")
        seen += piece


@contextmanager
def program(language: str) -> Iterator[Ask]:
    """The program on two pipes."""
    pipe, null = subprocess.PIPE, subprocess.DEVNULL
    with subprocess.Popen(PROGRAMS[language], stdin=pipe, stdout=pipe, stderr=null) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        given, output = process.stdin, process.stdout

        def ask() -> None:
            given.write(SUM[language].encode() + b"\n")
            given.flush()
            answered(output)

        yield ask
        process.kill()


@contextmanager
def kernel(language: str) -> Iterator[Ask]:
    """The Jupyter kernel as any notebook starts it."""
    from jupyter_client.manager import KernelManager  # noqa: PLC0415  (the other languages do without)

    manager = KernelManager(kernel_name=SPECS[language], transport="ipc")
    manager.start_kernel(stderr=subprocess.DEVNULL)
    client = manager.blocking_client()
    client.start_channels()
    try:
        client.wait_for_ready()
        yield lambda: client.execute_interactive(SUM[language], output_hook=lambda _: None)
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)


def bare(language: str) -> tuple[float, float]:
    start = time.perf_counter()
    with (kernel if language in SPECS else program)(language) as ask:
        ask()
        ready = time.perf_counter() - start
        return ready, each(ask)


# ---- ours ------------------------------------------------------------------------------------------------------------


def ours(client: AgentBay, language: str) -> tuple[float, float]:
    with client.create(CreateSessionParams(image_id="code_latest")).unwrap().session as session:
        session.command.run("true").unwrap()

        def ask() -> None:
            session.code.run_code(SUM[language], language).unwrap()

        start = time.perf_counter()
        ask()
        return time.perf_counter() - start, each(ask)


def each(ask: Ask) -> float:
    """How long one call takes, in the middle."""
    taken = []
    for _ in range(CALLS):
        start = time.perf_counter()
        ask()
        taken.append(time.perf_counter() - start)
    return statistics.median(taken)


# ---- both ------------------------------------------------------------------------------------------------------------


def here(language: str) -> bool:
    """Whether the bare program is on this machine."""
    return language == "python" or shutil.which("R" if language == "r" else PROGRAMS[language][0]) is not None


def show(what: str, figures: Sequence[float]) -> None:
    print(f"  {what:<28}" + "".join(f"{1000 * value:>12.1f}" for value in figures), flush=True)


def measure(languages: Sequence[str], rounds: int) -> None:
    with runtime("--warm", "0") as (endpoint, key), AgentBay(key, endpoint=endpoint) as client:
        for language in languages:
            taken = [(*bare(language), *ours(client, language)) for _ in range(rounds)]
            show(language, [statistics.median(column) for column in zip(*taken, strict=True)])


def main() -> int:
    """Measures every language that is here."""
    parser = argparse.ArgumentParser(prog="python -m bench.kernels", description="Measures the languages of run_code.")
    parser.add_argument("--rounds", type=int, default=5, help="kernels per figure (default 5)")
    parser.add_argument("--only", default="", help="languages, with commas between them")
    given = parser.parse_args()
    languages = [name for name in given.only.split(",") if name] or [name for name in SUM if here(name)]
    print("first answer and one call, median, in ms")
    print(f"  {'':<28}" + "".join(f"{name:>12}" for name in ("bare first", "bare call", "our first", "our call")))
    measure(languages, given.rounds)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
