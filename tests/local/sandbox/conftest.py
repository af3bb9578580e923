"""One small engine and one real sandbox for each test that asks for them."""

from __future__ import annotations

import asyncio
import os
import textwrap
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from agentbay_local.sandbox import bwrap
from agentbay_local.sandbox.box import Box
from agentbay_local.sandbox.contract import CannotIsolate, Completed, Limits
from agentbay_local.sandbox.pool import BwrapEngine

MEBI = 1 << 20
POLLS = 3000


@pytest.fixture
def limits() -> Limits:
    # A memory limit of its own tells the processes of this test run from all others.
    memory = 256 * MEBI + os.getpid() * 4096
    return Limits(processes=60, memory=memory, file_size=48 * MEBI, workspace=32 * MEBI, open_files=256)


@pytest.fixture
async def engine(limits: Limits) -> AsyncIterator[BwrapEngine]:
    engine = BwrapEngine(limits, warm=0)
    try:
        await engine.start()
    except CannotIsolate as error:
        pytest.skip(f"this machine cannot run sandboxes: {error}")
    yield engine
    await engine.close()


@pytest.fixture
async def box(engine: BwrapEngine) -> Box:
    return await engine.create()


@pytest.fixture
def until() -> Callable[[Callable[[], bool]], Awaitable[None]]:
    """Wait for something that nobody announces."""

    async def wait(condition: Callable[[], bool]) -> None:
        for _ in range(POLLS):
            if condition():
                return
            await asyncio.sleep(0.01)
        pytest.fail("it never happened")

    return wait


@pytest.fixture
def python(box: Box) -> Callable[[str], Awaitable[Completed]]:
    """Run Python source inside."""

    async def run(source: str, **options: object) -> Completed:
        argv = [str(bwrap.interpreter()), "-I", "-S", "-c", textwrap.dedent(source)]
        return await box.run(argv, timeout=30, **options)

    return run


@pytest.fixture
def shell(box: Box) -> Callable[[str], Awaitable[Completed]]:
    """Run a shell command inside."""

    async def run(command: str, **options: object) -> Completed:
        return await box.run(["/bin/sh", "-c", command], **{"timeout": 30, **options})

    return run
