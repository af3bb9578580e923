"""Raw connections to sessions of the shared runtime, and of one that runs in the test itself."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from agentbay_local.app import Runtime
from agentbay_local.settings import Settings
from tests.local.channel.wire import Json, Wire, connect
from tests.local.service.api import Api


@pytest.fixture
async def made(api: Api) -> Json:
    """The data of a running session with interpreters."""
    return await api.create(ImageId="code_latest")


@pytest.fixture
async def wire(api: Api, made: Json) -> AsyncIterator[Wire]:
    """A connection to it."""
    opened = await connect(api, made)
    yield opened
    await opened.socket.close()


@pytest.fixture
async def here() -> AsyncIterator[Api]:
    """A caller of a runtime in this process, so that tests may add messages to those it serves."""
    async with Runtime(Settings(keys=("akm-here",), warm=0)) as server, Api(server.endpoint, "akm-here") as caller:
        yield caller
