"""A server that runs out of file descriptors says so, goes on with what it has, and recovers by itself."""

from __future__ import annotations

import asyncio
import socket
import subprocess
import sys
from collections.abc import AsyncIterator

import pytest
from yarl import URL

from tests.local.conftest import Served, environment, serve
from tests.local.endurance.watching import becomes, processor_time, vitals
from tests.local.service.api import Api

MOST = 160


def with_descriptors(most: int) -> list[str]:
    """A command that becomes a program with so many descriptors at most."""
    return ["sh", "-c", f'ulimit -n {most}; exec "$@"', "sh"]


@pytest.fixture
async def narrow() -> AsyncIterator[Served]:
    """A server with few descriptors."""
    served = serve("--warm", "0", "--max-sessions", "1000", before=with_descriptors(MOST))
    yield served
    assert await asyncio.to_thread(served.stop) == 0


def connected(served: Served) -> socket.socket:
    url = URL(served.endpoint)
    return socket.create_connection((url.host, url.port), timeout=10)


async def test_sessions_come_to_an_end_with_a_clear_error_and_come_back(narrow: Served) -> None:
    async with Api(narrow.endpoint, narrow.key) as api:
        await api.call("ListSession")
        before = vitals(narrow)
        made, refused = [], None
        while refused is None:
            answer = await api.call("CreateMcpSession")
            if answer.status == 200:
                made.append(answer.data["SessionId"])
            else:
                refused = answer
        assert (refused.verdict, len(made) > 2) == ((503, "ServiceUnavailable"), True)
        assert "file descriptors" in refused.body["Message"]
        assert "ulimit -n" in refused.body["Message"]
        # What is there goes on working.
        assert [(await api.shell(session, "echo works"))["stdout"] for session in made] == ["works\n"] * len(made)
        for session in made:
            assert (await api.call("ReleaseMcpSession", SessionId=session)).verdict == (200, "ok")
        # Refusals have leaked nothing, and the room is there again.
        assert await becomes(lambda: vitals(narrow).exceeds(before) == {}), vitals(narrow).exceeds(before)
        session = (await api.create())["SessionId"]
        assert (await api.shell(session, "echo again"))["stdout"] == "again\n"


async def test_a_connection_too_many_is_told_and_the_others_go_on(narrow: Served) -> None:
    async with Api(narrow.endpoint, narrow.key) as api:
        session = (await api.create())["SessionId"]
        crowd = [connected(narrow) for _ in range(MOST)]
        last = crowd[-1]
        last.sendall(b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        said = await asyncio.to_thread(everything, last)
        assert said.startswith(b"HTTP/1.1 503 ")
        assert b'"Code": "ServiceUnavailable"' in said
        assert b"ulimit -n" in said
        assert (await api.shell(session, "echo works"))["stdout"] == "works\n"
        await disperse(narrow, crowd)
        async with Api(narrow.endpoint, narrow.key) as late:
            assert (await late.shell(session, "echo late"))["stdout"] == "late\n"


async def disperse(served: Served, crowd: list[socket.socket]) -> None:
    """Closes all connections, and waits until the server has noticed."""
    for each in crowd:
        each.close()
    assert await becomes(lambda: vitals(served).descriptors < MOST // 2)


def everything(connection: socket.socket) -> bytes:
    parts = []
    while part := connection.recv(1 << 16):
        parts.append(part)
    return b"".join(parts)


async def test_a_crowd_before_a_full_server_costs_it_no_work(narrow: Served) -> None:
    crowd = [connected(narrow) for _ in range(3 * MOST)]
    await asyncio.sleep(0.2)
    before = processor_time(narrow)
    await asyncio.sleep(1.5)
    assert processor_time(narrow) - before < 0.75
    await disperse(narrow, crowd)
    async with Api(narrow.endpoint, narrow.key) as api:
        assert (await api.create())["Status"] == "RUNNING"


def test_a_server_without_descriptors_for_one_sandbox_does_not_start() -> None:
    command = [*with_descriptors(50), sys.executable, "-m", "agentbay_local", "serve", "--quiet"]
    done = subprocess.run(command, env=environment(), capture_output=True, text=True, timeout=30, check=False)
    assert (done.returncode, done.stdout, "Traceback" in done.stderr) == (1, "", False)
    assert "no file descriptors left" in done.stderr
