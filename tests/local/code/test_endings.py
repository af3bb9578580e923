"""How kernels end that nobody asked to: while idle, and when their driver is gone. Python has tests of its own."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import pytest

from tests.local.code.conftest import printed, told
from tests.local.code.languages import need

pytestmark = pytest.mark.asyncio(loop_scope="module")

PIDS = {
    "javascript": "console.log(process.pid)",
    "bash": "echo $$",
    "java": "System.out.println(ProcessHandle.current().pid())",
    "r": "cat(Sys.getpid())",
}

others = pytest.mark.parametrize(
    "language", ["javascript", "bash", *(pytest.param(name, marks=pytest.mark.slow) for name in ("java", "r"))]
)


async def process(interpreter: Any, language: str) -> int:
    """The process that holds the variables."""
    need(language)
    return int(printed(await interpreter.run(PIDS[language], language))[0][0])


def children(parent: int) -> list[int]:
    return [int(word) for word in Path(f"/proc/{parent}/task/{parent}/children").read_text().split()]


def gone(pid: int) -> bool:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return True
    return stat.rpartition(")")[2].split()[0] == "Z"


@others
async def test_a_death_between_two_calls_is_told_by_the_next(fresh: Any, eventually: Any, language: str) -> None:
    victim = await process(fresh, language)
    before = children(fresh.driver())
    os.kill(victim, signal.SIGKILL)
    await eventually(lambda: not set(before) & set(children(fresh.driver())) and children(fresh.driver()))
    answer = await fresh.run(PIDS[language], language)
    words = "was killed by signal 9 (Killed), perhaps for want of memory"
    assert (told(answer), printed(answer)[1]) == (
        "",
        [f"[the {language} kernel {words} since the last call; its variables are gone]\n"],
    )
    assert int(printed(answer)[0][0]) != victim


@others
async def test_nothing_outlives_the_driver(fresh: Any, eventually: Any, language: str) -> None:
    holder = await process(fresh, language)
    os.kill(fresh.driver(), signal.SIGKILL)
    await eventually(lambda: gone(holder))


@others
async def test_closing_leaves_no_process_and_no_file(fresh: Any, language: str) -> None:
    before = set(os.listdir(fresh.folder))
    holder = await process(fresh, language)
    await fresh.kernels.close()
    assert (gone(holder), set(os.listdir(fresh.folder)) - before) == (True, set())
    assert await fresh.spawner.children[-1].wait() == 0
