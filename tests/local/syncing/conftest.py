"""A store in an empty folder, and sessions with contexts on real sandboxes."""

from __future__ import annotations

import asyncio
import textwrap
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
from attrs import define

from agentbay_local.contexts import Contexts, New
from agentbay_local.contexts import Entry as Stored
from agentbay_local.contexts import Kind as Form
from agentbay_local.sandbox.contract import CannotIsolate, Limits, Sandbox
from agentbay_local.sandbox.pool import BwrapEngine
from agentbay_local.syncing.desk import Desk
from agentbay_local.syncing.policy import read_entries
from agentbay_local.syncing.tasks import Kind, Task

MEBI = 1 << 20
LIMITS = Limits(file_size=8 * MEBI, workspace=32 * MEBI)
OWNER = "key-1"
PLACE = "/tmp/data"


@define
class Side:
    """One session with a context at `/tmp/data`."""

    desk: Desk
    context_id: str

    @property
    def sandbox(self) -> Sandbox:
        return self.desk.sandbox

    async def sh(self, command: str) -> str:
        """What a command that must succeed prints, in the folder of the context."""
        ended = await self.sandbox.run(["/bin/sh", "-c", command], cwd=PLACE, timeout=30)
        assert ended.code == 0, ended.stderr
        return ended.stdout.decode()

    async def python(self, source: str) -> str:
        """What a program that must succeed prints."""
        ended = await self.sandbox.run(["python3", "-c", textwrap.dedent(source)], cwd=PLACE, timeout=60)
        assert ended.code == 0, ended.stderr
        return ended.stdout.decode()

    async def up(self, path: str = PLACE) -> Task:
        return await self.carried(path, Kind.UP)

    async def down(self, path: str = PLACE) -> Task:
        return await self.carried(path, Kind.DOWN)

    async def carried(self, path: str, kind: Kind) -> Task:
        """A task, once it is over."""
        [(scope, told)] = self.desk.sought(self.context_id, path)
        return await over(self.desk.start(scope, told, kind))

    async def end(self) -> None:
        """The end of the session, as far as its contexts see it."""
        await self.desk.leave(30)
        await self.desk.close()


async def over(task: Task) -> Task:
    await until(lambda: task.over)
    return task


async def until(condition: Callable[[], bool], pause: float = 0.002) -> None:
    """Wait for something that nobody announces."""
    for _ in range(6000):
        if condition():
            return
        await asyncio.sleep(pause)
    pytest.fail("it never happened")


async def begun(desk: Desk) -> None:
    """Until every task of a session is over."""
    for task in desk.tasks:
        await over(task)


Bound = Callable[..., Awaitable[Side]]
Put = Callable[..., Awaitable[None]]
Listed = Callable[[], Awaitable[dict[str, Stored]]]


@pytest.fixture
async def engine() -> AsyncIterator[BwrapEngine]:
    engine = BwrapEngine(LIMITS, warm=0)
    try:
        await engine.start()
    except CannotIsolate as error:
        pytest.skip(f"this machine cannot run sandboxes: {error}")
    yield engine
    await engine.close()


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Contexts]:
    store = Contexts(tmp_path / "data")
    yield store
    await store.close()


@pytest.fixture
async def context_id(store: Contexts) -> str:
    return (await store.get_or_make(OWNER, "files")).id


@pytest.fixture
async def desks(engine: BwrapEngine, store: Contexts) -> AsyncIterator[Callable[[], Awaitable[Desk]]]:
    """Makes sessions without contexts."""
    made: list[Desk] = []

    async def make() -> Desk:
        sandbox = await engine.create()
        made.append(Desk(f"session-{len(made)}", OWNER, store, sandbox, LIMITS, nullcontext))
        return made[-1]

    yield make
    for desk in made:
        await desk.close()
        await desk.sandbox.close()


@pytest.fixture
async def bound(desks: Callable[[], Awaitable[Desk]], context_id: str) -> Bound:
    """Makes a session with the context, whose files it has got. Takes the policy's parts."""

    async def make(path: str = PLACE, **policy: Any) -> Side:
        desk = await desks()
        entry = {"ContextId": context_id, "Path": path, "Policy": policy}
        await desk.begin(await desk.bind(read_entries([entry])))
        await begun(desk)
        return Side(desk, context_id)

    return make


@pytest.fixture
async def side(bound: Bound) -> Side:
    return await bound()


@pytest.fixture
def put(store: Contexts, context_id: str) -> Put:
    """Puts a file into the context, as a presigned URL would."""

    async def make(path: str, data: bytes = b"x", mode: int = 0o644, mtime_ns: int = 10**18) -> None:
        async def chunks() -> AsyncIterator[bytes]:
            yield data

        async with store.staging() as staging:
            blob = await staging.take(chunks())
            await store.apply(context_id, [New(f"{PLACE}/{path}", Form.FILE, blob, mode, mtime_ns)])

    return make


@pytest.fixture
def listed(store: Contexts, context_id: str) -> Listed:
    """What the context has, by path below `/tmp/data`."""

    async def look() -> dict[str, Stored]:
        return {entry.path.removeprefix(f"{PLACE}/"): entry for entry in await store.entries(context_id)}

    return look
