"""A session with a desktop on a real sandbox, and short words for working it."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
import pytest_asyncio
from attrs import frozen
from PIL import Image

from agentbay_local.desktop.patience import until
from agentbay_local.sandbox.engine import Engine, Limits, default_engine
from agentbay_local.tools import Box, call
from tests.local.programs import need_desktop

LIMITS = Limits(workspace=800 << 20)
"""Half of it is /tmp, which two browsers with their profiles and shared memory have to fit in."""
PATIENCE = 20.0


@frozen
class Desk:
    """The desktop of one box."""

    box: Box

    async def __call__(self, name: str, **args: Any) -> Any:
        """The answer of a call that must succeed, read where it is JSON."""
        outcome = await call(self.box, name, args)
        assert not outcome.is_error, outcome.text
        return json.loads(outcome.text) if outcome.text[:1] in "[{" else outcome.text

    async def refused(self, name: str, **args: Any) -> str:
        """The text of a call that must fail."""
        outcome = await call(self.box, name, args)
        assert outcome.is_error, outcome.text
        return outcome.text

    async def sh(self, command: str) -> str:
        """What a command prints."""
        done = await self.box.sandbox.run(["/bin/sh", "-c", command], env=self.box.env, timeout=20)
        return done.stdout.decode()

    async def terminal(self, command: str, options: str = "") -> dict[str, Any]:
        """A terminal that runs a command; its window, once it has the focus."""
        before = {each["window_id"] for each in await self("list_root_windows")}
        await self("start_app", start_cmd=f"xterm {options} -e {command}")
        found: list[dict[str, Any]] = []

        async def there() -> bool:
            found[:] = [each for each in await self("list_root_windows") if each["window_id"] not in before]
            return bool(found)

        assert await until(there, PATIENCE, 0.02)
        await self("activate_window", window_id=found[0]["window_id"])
        return found[0]

    async def reads(self, path: str, wanted: str) -> str:
        """What a file holds once it holds what is wanted, or after a while."""
        text = ""

        async def same() -> bool:
            nonlocal text
            text = await self.sh(f"cat {path}")
            return text == wanted

        await until(same, PATIENCE / 2, 0.05)
        return text

    async def picture(self, kind: str = "png") -> Image.Image:
        """What is on the screen."""
        told = await self("screenshot", format=kind)
        return Image.open(io.BytesIO(base64.b64decode(told["data"]))).convert("RGB")


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def engine() -> AsyncIterator[Engine]:
    engine = default_engine(LIMITS, warm=1)
    await engine.start()
    yield engine
    await engine.close()


@pytest.fixture(scope="session")
def programs() -> None:
    need_desktop()


@pytest_asyncio.fixture(loop_scope="session")
async def new_desk(engine: Engine, programs: None) -> AsyncIterator[Callable[[], Awaitable[Desk]]]:
    boxes: list[Box] = []

    async def make() -> Desk:
        boxes.append(Box(await engine.create(), "linux_latest", LIMITS))
        return Desk(boxes[-1])

    yield make
    for box in boxes:
        await box.close()


@pytest_asyncio.fixture(loop_scope="session")
async def desk(new_desk: Callable[[], Awaitable[Desk]]) -> Desk:
    return await new_desk()


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def shared(engine: Engine, programs: None) -> AsyncIterator[Desk]:
    """One for many tests: what they leave behind must not matter to another."""
    box = Box(await engine.create(), "linux_latest", LIMITS)
    yield Desk(box)
    await box.close()
