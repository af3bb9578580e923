"""However a user's program, or the runtime it started, comes to its end: nothing is left, and nobody waits."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from attrs import frozen

from tests.local.conftest import environment
from tests.local.service.test_process import children, remaining

SCRIPT = """
import asyncio
from urllib.parse import urlsplit
from agentbay import APIConnectionError, AsyncAgentBay, CreateSessionParams

SERVE = "cd /tmp && truncate -s 900M big && nohup python3 -m http.server 30123 >/dev/null 2>&1 &"
WAIT = "until (echo >/dev/tcp/127.0.0.1/30123) 2>/dev/null; do sleep 0.02; done"
BUSY = "open('/tmp/busy', 'w').close()\\nwhile True: pass"

async def occupy(session):
    tasks = [asyncio.create_task(session.code.run_code(BUSY, "python", timeout_s=600))]
    (await session.command.execute_command(SERVE)).unwrap()
    (await session.command.execute_command(WAIT, timeout_ms=20000)).unwrap()
    url = urlsplit((await session.get_link("https", 30123)).unwrap().data)
    reader, writer = await asyncio.open_connection(url.hostname, url.port)
    writer.write(f"GET {url.path}big HTTP/1.1\\r\\nHost: {url.netloc}\\r\\n\\r\\n".encode())
    assert b"200" in await reader.readline()
    seen = "until [ -e /tmp/busy ]; do sleep 0.02; done"
    (await session.command.execute_command(seen, timeout_ms=30000)).unwrap()
    tasks.append(asyncio.create_task(download(reader, writer)))
    return tasks

async def download(reader, writer):
    while await reader.read(1 << 16):
        await asyncio.sleep(0.001)

async def main():
    async with AsyncAgentBay(endpoint="local") as bay:
        image = CreateSessionParams(image_id="code_latest")
        sessions = [(await bay.create(image)).unwrap().session for _ in range(2)]
        tasks = sum([await occupy(session) for session in sessions], [])
        print(sessions[0].get_link_url(), flush=True)
        told = asyncio.Event()
        asyncio.get_running_loop().add_reader(0, told.set)
        await told.wait()
        ends = await asyncio.gather(*tasks[::2], return_exceptions=True)
        try:
            await sessions[0].command.execute_command("true")
        except APIConnectionError as error:
            ends.append(error)
        print(*(f"{type(end).__name__}: {end}".splitlines()[0] for end in ends), sep="\\n", flush=True)
        await sessions[1].command.execute_command("true")

asyncio.run(main())
"""


@frozen
class Busy:
    """A program with two busy sessions in a runtime of its own, and all processes below it."""

    program: subprocess.Popen[str]
    address: tuple[str, int]
    runtime: int
    processes: set[int]
    scratch: Path

    def left(self) -> tuple[set[int], list[str], bool, int]:
        """Processes, files, whether somebody listens, mounts that were not there."""
        gone = remaining(self.processes)
        with socket.socket() as knock:
            listens = knock.connect_ex(self.address) == 0
        return gone, os.listdir(self.scratch), listens, mounts()


def mounts() -> int:
    return len(Path("/proc/self/mountinfo").read_text("utf-8").splitlines())


@pytest.fixture
def busy() -> Iterator[Busy]:
    with tempfile.TemporaryDirectory() as scratch:
        pipe = subprocess.PIPE
        variables = environment() | {"TMPDIR": scratch}
        command = [sys.executable, "-c", SCRIPT]
        with subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, env=variables, text=True) as program:
            assert program.stdout is not None
            url = urlsplit(program.stdout.readline().strip())
            if not url.port:
                pytest.fail(program.communicate(timeout=10)[1])
            [runtime] = (pid for pid in children(program.pid) if is_runtime(pid))
            yield Busy(program, (str(url.hostname), url.port), runtime, children(program.pid), Path(scratch))
            program.kill()


def is_runtime(pid: int) -> bool:
    return b"\0agentbay_local\0" in Path(f"/proc/{pid}/cmdline").read_bytes()


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_nothing_is_left_of_a_program_that_is_killed_at_work(busy: Busy, number: signal.Signals) -> None:
    before = mounts()
    assert len(busy.processes) > 10
    busy.program.send_signal(number)
    busy.program.wait(20)
    assert (set(), [], False, before) == busy.left()


@pytest.mark.slow
def test_a_program_whose_runtime_is_killed_learns_it_in_every_call_at_once(busy: Busy) -> None:
    before = mounts()
    os.kill(busy.runtime, signal.SIGKILL)
    said, errors = busy.program.communicate("\n", timeout=30)
    told = "LocalRuntimeError: The local runtime has ended (exit code -9)"
    assert [told] * 3 == [line[: len(told)] for line in said.splitlines()], errors
    assert f"agentbay.errors.{told}" in errors
    assert (set(), [], False, before) == busy.left()
