"""A client and a session behind each of the doors."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from agentbay import AsyncAgentBay, AsyncSession, CreateSessionParams, LifecyclePolicy
from tests._async.both.doors import DOORS, FOLDER, Door, Mocked, Real, Script, require_sandboxes
from tests.local.conftest import Served, serve

SKILLS = Path(__file__).parents[2] / "data" / "skills"

# Makes a session; called with an image and labels.
Fresh = Callable[..., Any]


@pytest.fixture(scope="session")
def runtime() -> Iterator[Served]:
    """A server with the default limits; where sandboxes cannot run there is none, which a CI machine may not be."""
    require_sandboxes()
    served = serve("--skills", str(SKILLS))
    yield served
    served.stop()


@pytest.fixture(scope="session")
def standing() -> dict[str, str]:
    """The ids of sessions that all bodies share which do nothing to a session as a whole, by door."""
    return {}


@pytest.fixture(params=DOORS)
def door(request: pytest.FixtureRequest) -> Iterator[Door]:
    """Each door in turn; fixtures are asked for by name so that the mocked server needs no runtime."""
    if request.param != "mock":
        yield Real(request.param, request.getfixturevalue("runtime"))
        return
    script: Script = getattr(request.function, "mocked", dict)()
    mock = Mocked(request.getfixturevalue("gateway"), script)
    yield mock
    mock.check()


@pytest.fixture
async def client(door: Door) -> AsyncIterator[AsyncAgentBay]:
    async with AsyncAgentBay(door.key, endpoint=door.endpoint) as client:
        yield client


@pytest.fixture
async def session(client: AsyncAgentBay, door: Door, standing: dict[str, str]) -> AsyncSession:
    """A session for commands, files and code, with an empty folder to work in. It outlives the body."""
    if door.name not in standing:
        params = CreateSessionParams(image_id="code_latest", lifecycle_policy=LifecyclePolicy(manual_release=True))
        standing[door.name] = (await client.create(params)).unwrap().session.session_id
    session = (await client.get(standing[door.name])).unwrap().session
    if door.name != "mock":
        (await session.command.run(f"rm -rf {FOLDER} && mkdir {FOLDER}")).unwrap()
    return door.lead(session)


@pytest.fixture
async def fresh(client: AsyncAgentBay, door: Door) -> AsyncIterator[Fresh]:
    """Makes sessions that a body has for itself; what is left of them is deleted."""
    made: list[AsyncSession] = []

    async def make(image_id: str | None = None, **labels: str) -> AsyncSession:
        result = await client.create(CreateSessionParams(labels, image_id))
        made.append(result.unwrap().session)
        return door.lead(made[-1])

    yield make
    for session in made:
        await session.delete()
