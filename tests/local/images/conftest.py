"""A runtime with a data folder of its own, and what tests about images ask of it."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from attrs import frozen

from agentbay_local.app import Runtime
from agentbay_local.service.session import Session
from agentbay_local.settings import Settings
from tests.local.programs import need_overlays
from tests.local.service.api import Answer, Api


@pytest.fixture(autouse=True, scope="session")
def overlays() -> None:
    need_overlays()


@frozen
class Place:
    """A runtime, and a caller of it."""

    runtime: Runtime
    api: Api

    @property
    def images(self) -> Path:
        return self.runtime.service.gallery.store.folder

    def layers(self) -> list[str]:
        """What is in the folder of layers."""
        return sorted(os.listdir(self.images / "layers")) if self.images.exists() else []

    def session(self, session: str) -> Session:
        found = self.runtime.service.store.find(session)
        assert found is not None
        return found

    async def create(self, image: str = "") -> str:
        """The id of a new session."""
        return str((await self.api.create(**({"ImageId": image} if image else {})))["SessionId"])

    async def says(self, session: str, command: str) -> str:
        """What a command prints, and what it says is wrong."""
        told = await self.api.shell(session, command)
        return str(told["stdout"] + told["stderr"])

    async def ask(self, told: Any, **headers: str) -> Answer:
        """Asks the door to images, by default with the key."""
        return await self.api.post("/images", json=told, headers=headers or {"Authorization": f"Bearer {self.api.key}"})

    async def take(self, session: str, name: str, **more: Any) -> dict[str, Any]:
        """Keeps a session's files as an image; gives what the door says of it."""
        answer = await self.ask({"session": session, "name": name, **more})
        assert answer.verdict == (200, "ok"), answer.body
        return dict(answer.data)

    async def hibernated(self, session: str) -> None:
        assert (await self.api.call("PauseSessionAsync", SessionId=session)).verdict == (200, "ok")
        found = self.session(session)
        for _ in range(1000):
            if found.asleep is not None and not found.shifting:
                return
            await asyncio.sleep(0.01)
        pytest.fail("it was never hibernated")

    async def resumed(self, session: str) -> None:
        assert (await self.api.call("ResumeSessionAsync", SessionId=session)).verdict == (200, "ok")
        assert await self.api.becomes(session, "RUNNING")


@pytest.fixture
async def place(tmp_path: Path) -> AsyncIterator[Place]:
    settings = Settings(data=tmp_path / "data", warm=0)
    async with Runtime(settings) as runtime, Api(runtime.endpoint, runtime.keys[0]) as api:
        yield Place(runtime, api)


@pytest.fixture
async def resting(tmp_path: Path) -> AsyncIterator[Place]:
    """The same, where paused sessions are hibernated at once."""
    settings = Settings(data=tmp_path / "data", warm=0, hibernate=0.02)
    async with Runtime(settings) as runtime, Api(runtime.endpoint, runtime.keys[0]) as api:
        yield Place(runtime, api)
