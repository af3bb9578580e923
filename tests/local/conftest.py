"""A real runtime for the tests that need one: `agentbay serve` as a child process, started once for a whole run."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import uuid
from collections.abc import AsyncIterator, Iterator, Sequence

import pytest
from attrs import frozen

from tests.local.service.api import Api
from tests.surroundings import PROGRAMS

SRC = os.path.join(os.path.dirname(__file__), "..", "..", "src")


@frozen
class Served:
    """A running server: where it is, two keys that it accepts, and its process."""

    endpoint: str
    key: str
    other_key: str
    process: subprocess.Popen[str]

    def stop(self) -> int:
        """Asks the server to end, and gives its exit code."""
        self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(20)
        finally:
            self.process.kill()


def environment() -> dict[str, str]:
    """The caller's environment without AgentBay settings, with this source tree first."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("AGENTBAY_") or name in PROGRAMS}
    paths = [SRC, clean.get("PYTHONPATH", "")] if os.path.isdir(SRC) else [clean.get("PYTHONPATH", "")]
    return clean | {"PYTHONPATH": os.pathsep.join(path for path in paths if path)}


def serve(*options: str, before: Sequence[str] = (), python: str = sys.executable, **variables: str) -> Served:
    """Starts a server on a free port, and waits until it says where it is.

    `before` is a command that becomes the server in the end; `variables` go into its environment.
    """
    keys = [f"akm-{uuid.uuid4()}" for _ in range(2)]
    accept = [word for key in keys for word in ("--key", key)]
    command = [*before, python, "-m", "agentbay_local", "serve", "--port", "0", "--quiet", *accept, *options]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, env=environment() | variables, text=True)
    assert process.stdout is not None
    with process.stdout as lines:
        told = dict(line.strip().split("=", 1) for line in (lines.readline(), lines.readline()) if "=" in line)
    if "AGENTBAY_ENDPOINT" not in told:
        pytest.fail(f"the server did not start; exit code {process.wait(10)}")
    return Served(told["AGENTBAY_ENDPOINT"], told["AGENTBAY_API_KEY"], keys[1], process)


@pytest.fixture(scope="session")
def runtime() -> Iterator[Served]:
    """A server with the default limits."""
    served = serve()
    yield served
    served.stop()


@pytest.fixture
async def api(runtime: Served) -> AsyncIterator[Api]:
    """A caller of it."""
    async with Api(runtime.endpoint, runtime.key) as caller:
        yield caller


@pytest.fixture
async def stranger(runtime: Served) -> AsyncIterator[Api]:
    """A caller with another key."""
    async with Api(runtime.endpoint, runtime.other_key) as caller:
        yield caller


@pytest.fixture
async def session(api: Api) -> str:
    """The id of a running session."""
    return str((await api.create())["SessionId"])
