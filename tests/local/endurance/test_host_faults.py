"""What else a machine may do to a server: locks, damage, ports, clocks, and limits on processes."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from agentbay_local.app import Runtime
from agentbay_local.contexts import catalogue
from agentbay_local.settings import Settings
from tests.local.conftest import Served, serve
from tests.local.endurance.syncs import bound, synced
from tests.local.sandbox.test_unprivileged import INTERPRETERS, SOURCES
from tests.local.service.api import Api
from tests.local.service.test_contexts import made, put
from tests.local.service.test_contexts_files import address, fetched

STRANGER = 54322
AS_STRANGER = {"PYTHONPATH": os.pathsep.join(SOURCES), "HOME": "/nonexistent", "AGENTBAY_DATA": "/nonexistent/data"}
HOLD = """
import sqlite3, sys
database = sqlite3.connect(sys.argv[1], isolation_level=None)
database.execute("BEGIN EXCLUSIVE")
print("held", flush=True)
sys.stdin.read()
"""


def holder(path: Path) -> subprocess.Popen[str]:
    """Another program that has a catalogue to itself until its input ends."""
    command = [sys.executable, "-c", HOLD, str(path)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    return process


@pytest.fixture
async def alone(tmp_path: Path) -> AsyncIterator[Api]:
    """A caller of a server in this process, with a data folder of its own."""
    settings = Settings(data=tmp_path / "data", warm=0)
    async with Runtime(settings) as runtime, Api(runtime.endpoint, runtime.keys[0]) as caller:
        yield caller


async def test_a_locked_catalogue_keeps_nobody_waiting_longer_than_the_first(
    alone: Api, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    context = await made(alone)
    session = await bound(alone, context, "/workspace/kept")
    await alone.shell(session, "echo a > /workspace/kept/a")
    monkeypatch.setattr(catalogue, "_PATIENCE", 0.4)
    with holder(tmp_path / "data" / "catalogue.sqlite") as other:
        begun = time.monotonic()
        calls = [alone.call("GetContext", Name=f"{n}", AllowCreate="True") for n in range(20)]
        *answers, [task] = await asyncio.gather(*calls, synced(alone, session, context))
        took = time.monotonic() - begun
        assert {answer.verdict for answer in answers} == {(503, "ServiceUnavailable")}
        assert all("locked by another program: try again" in answer.body["Message"] for answer in answers)
        assert (task["status"], "locked by another program" in task["errorMessage"]) == ("Failed", True)
        assert took < 4  # half of what it is when each waits for itself
        # What does not write is answered as ever.
        assert (await alone.call("GetContext", ContextId=context)).verdict == (200, "ok")
        other.communicate()
    assert [task["status"] for task in await synced(alone, session, context)] == ["Success"]
    assert len({await made(alone, f"{n}") for n in range(3)}) == 3


async def test_a_folder_that_is_locked_from_the_start_keeps_nobody_waiting_longer_than_the_first(
    alone: Api, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(catalogue, "_PATIENCE", 0.4)
    (tmp_path / "data").mkdir(exist_ok=True)
    with holder(tmp_path / "data" / "catalogue.sqlite") as other:
        begun = time.monotonic()
        answers = await asyncio.gather(*(alone.call("ListContexts") for _ in range(20)))
        assert ({answer.verdict for answer in answers}, time.monotonic() - begun < 4) == (
            {(503, "ServiceUnavailable")},
            True,
        )
        other.communicate()
    assert (await alone.call("ListContexts")).verdict == (200, "ok")


async def test_a_catalogue_that_cannot_be_read_stops_contexts_alone(alone: Api, tmp_path: Path) -> None:
    path = tmp_path / "data" / "catalogue.sqlite"
    path.parent.mkdir(exist_ok=True)
    for content, what in ((b"no database" * 1000, "is not a database"), (b"SQLite format 3\0" + b"\xff" * 9000, "")):
        path.write_bytes(content)
        refused = await alone.call("ListContexts")
        assert (refused.verdict, str(path) in refused.body["Message"]) == ((503, "ServiceUnavailable"), True)
        assert what in refused.body["Message"]
    session = (await alone.create())["SessionId"]
    assert (await alone.shell(session, "echo works"))["stdout"] == "works\n"
    path.unlink()
    with sqlite3.connect(path) as newer:
        newer.execute("PRAGMA user_version = 99")
    newer.close()
    assert "newer version" in (await alone.call("ListContexts")).body["Message"]
    path.unlink()
    assert (await alone.call("ListContexts")).verdict == (200, "ok")


async def test_a_data_folder_that_is_deleted_takes_only_its_contexts(alone: Api, tmp_path: Path) -> None:
    context = await made(alone)
    session = await bound(alone, context, "/workspace/kept")
    await put(alone, context, "/a", b"1")
    shutil.rmtree(tmp_path / "data")
    assert (await alone.shell(session, "echo works"))["stdout"] == "works\n"
    assert (await alone.call("GetContext", ContextId=context)).verdict == (400, "Context.NotFound")
    [task] = await synced(alone, session, context) or [{"status": "Success"}]
    assert task["status"] in {"Failed", "Success"}
    again = await made(alone)
    await put(alone, again, "/a", b"2")
    assert await fetched(alone, again, "/a") == b"2"


async def test_a_clock_that_jumps_ends_addresses_and_no_session(alone: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    session = (await alone.create(Timeout="60"))["SessionId"]
    context = await made(alone)
    await put(alone, context, "/a", b"1")
    url, real = await address(alone, "Download", context, "/a"), time.time
    for jump, status in ((-86_400, 200), (2 * 3600, 403), (86_400 * 365, 403)):
        monkeypatch.setattr(time, "time", lambda jump=jump: real() + jump)
        async with alone.http.get(url) as response:
            assert (jump, response.status) == (jump, status)
        await put(alone, context, "/b", b"%d" % jump)
        assert await fetched(alone, context, "/b") == b"%d" % jump
        await alone.call("RefreshSessionIdleTime", SessionId=session)
        assert await alone.status(session) == "RUNNING"


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
async def test_a_server_starts_again_at_once_on_the_same_port(number: signal.Signals) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = str(free.getsockname()[1])
    for _ in range(2):
        served = serve("--warm", "0", "--port", port)
        # Connections that the server itself closes are those that its port remembers.
        async with Api(served.endpoint, served.key) as api:
            assert (await api.call("ListSession")).verdict == (200, "ok")
            served.process.send_signal(number)
            await asyncio.to_thread(served.process.wait, 20)


@pytest.fixture
def lonely() -> Iterator[Served]:
    """A server of a user who may have few processes and threads, and has no others."""
    if os.getuid() != 0:
        pytest.skip("only root can start a server as a user who has nothing else running")
    python = next(filter(runs_the_server, INTERPRETERS), None)
    if python is None:
        pytest.skip("no interpreter here that other users may run the server with")
    become = ["setpriv", f"--reuid={STRANGER}", f"--regid={STRANGER}", "--clear-groups", "--"]
    limit = ["prlimit", "--nproc=24", "--"]
    served = serve("--warm", "0", before=[*become, *limit], python=python, **AS_STRANGER)
    yield served
    assert served.stop() == 0


def runs_the_server(python: str) -> bool:
    """Whether others than root can run the server with an interpreter."""
    try:
        command = [python, "-m", "agentbay_local", "serve", "--help"]
        done = subprocess.run(command, user=STRANGER, env=AS_STRANGER, capture_output=True, timeout=30, check=False)
    except OSError:
        return False
    return done.returncode == 0


async def test_a_server_that_may_start_no_more_processes_says_so_and_recovers(lonely: Served) -> None:
    async with Api(lonely.endpoint, lonely.key) as api:
        made, refused = [], None
        while refused is None and len(made) < 40:
            answer = await api.call("CreateMcpSession")
            if answer.status == 200:
                made.append(answer.data["SessionId"])
            else:
                refused = answer
        assert refused is not None
        assert (refused.verdict, len(made) > 0) == ((503, "ServiceUnavailable"), True)
        assert "ulimit -u" in refused.body["Message"]
        for session in made:
            assert (await api.call("ReleaseMcpSession", SessionId=session)).verdict == (200, "ok")
        session = (await api.create())["SessionId"]
        assert (await api.shell(session, "echo again"))["stdout"] == "again\n"
