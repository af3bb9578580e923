"""A session's box on a real sandbox, and short words for using its tools."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest_asyncio
from attrs import frozen

from agentbay_local.sandbox.engine import Engine, Limits, default_engine
from agentbay_local.tools import Box, call

LIMITS = Limits(file_size=96 << 20, workspace=80 << 20)


@frozen
class Tools:
    """The tools of one box."""

    box: Box

    async def __call__(self, name: str, **args: Any) -> str:
        """The text of a call that must succeed."""
        outcome = await call(self.box, name, args)
        assert not outcome.is_error, outcome.text
        return outcome.text

    async def refused(self, name: str, **args: Any) -> str:
        """The text of a call that must fail."""
        outcome = await call(self.box, name, args)
        assert outcome.is_error, outcome.text
        return outcome.text

    async def sh(self, command: str) -> str:
        """What a command that must succeed prints."""
        answer = json.loads(await self("shell", command=command, timeout_ms=30_000))
        assert answer["exit_code"] == 0, answer
        return str(answer["stdout"])


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def engine() -> AsyncIterator[Engine]:
    engine = default_engine(LIMITS, warm=1)
    await engine.start()
    yield engine
    await engine.close()


@pytest_asyncio.fixture(loop_scope="session")
async def new_box(engine: Engine) -> AsyncIterator[Callable[..., Awaitable[Box]]]:
    boxes: list[Box] = []

    async def make(image: str = "linux_latest") -> Box:
        boxes.append(Box(await engine.create(), image, LIMITS))
        return boxes[-1]

    yield make
    for box in boxes:
        await box.close()


@pytest_asyncio.fixture(loop_scope="session")
async def tools(new_box: Callable[..., Awaitable[Box]]) -> Tools:
    return Tools(await new_box())


@pytest_asyncio.fixture(loop_scope="session")
async def coding(new_box: Callable[..., Awaitable[Box]]) -> Tools:
    return Tools(await new_box("code_latest"))
