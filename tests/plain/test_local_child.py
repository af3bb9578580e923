"""The local runtime as a child process: started once, shared, ended with its last user. A stand-in serves here."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from agentbay import AgentBay, APIConnectionError, AsyncAgentBay, ContextSync, LocalRuntimeError, _local
from tests.surroundings import clear_environment

# Says where it is as the runtime does, then answers every request with its own process id as a session's.
STAND_IN = """
import http.server, json, os, pathlib, sys

class Door(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        form = self.rfile.read(int(self.headers["Content-Length"])).decode()
        if "SessionId=die" in form or "GetContextInfo" in self.path or "DescribeSessionContexts" in self.path:
            print("something broke", file=sys.stderr, flush=True)
            os._exit(7)
        key_fits = "local-key" in self.path + form
        body = json.dumps({"Success": key_fits, "Data": {"SessionId": str(os.getpid())}}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        pass

server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Door)
print(f"AGENTBAY_ENDPOINT=http://127.0.0.1:{server.server_port}", flush=True)
print("AGENTBAY_API_KEY=local-key", flush=True)
server.serve_forever()
"""

# The stand-in ends when it is asked for tasks or bindings.
WAITS = [lambda context: context.sync(), lambda context: context.bind(ContextSync("c", "/tmp/c"))]


@pytest.fixture(autouse=True)
def surroundings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """No client of another test uses the child, and none is left behind."""
    clear_environment(monkeypatch)
    monkeypatch.chdir(tmp_path)
    assert _local._children == []
    yield
    assert _local._children == []


def install(monkeypatch: pytest.MonkeyPatch, folder: Path, program: str) -> None:
    """Put a program in the place of the runtime, for children alone."""
    package = folder / "stand-in" / "agentbay_local"
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    (package / "__main__.py").write_text(program)
    monkeypatch.setenv("PYTHONPATH", str(package.parent), prepend=os.pathsep)


@pytest.fixture
def stand_in(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    install(monkeypatch, tmp_path, STAND_IN)


def pid_of(client: AgentBay) -> int:
    return int(client.get("any").unwrap().session.session_id)


def gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


@pytest.mark.usefixtures("stand_in")
def test_all_clients_share_one_child_that_ends_with_the_last() -> None:
    first, second = AgentBay(endpoint="local"), AgentBay(endpoint="local")
    pids = [pid_of(first), pid_of(second), pid_of(first)]
    first.close()
    first.close()
    still = pid_of(second)
    second.close()

    assert {*pids, still} == {pids[0]}
    assert gone(pids[0])


@pytest.mark.usefixtures("stand_in")
async def test_the_asynchronous_client_shares_it_too() -> None:
    async with AsyncAgentBay(endpoint="local") as client:
        found = await asyncio.gather(*(client.get("any") for _ in range(10)))
        with AgentBay(endpoint="local") as other:
            pid = await asyncio.to_thread(pid_of, other)

    assert {result.unwrap().session.session_id for result in found} == {str(pid)}
    assert gone(pid)


@pytest.mark.usefixtures("stand_in")
def test_many_threads_start_one_child() -> None:
    with AgentBay(endpoint="local") as client, ThreadPoolExecutor(16) as pool:
        pids = set(pool.map(lambda _: pid_of(client), range(64)))

    assert len(pids) == 1


@pytest.mark.usefixtures("stand_in")
@pytest.mark.parametrize("wait", WAITS)
def test_a_wait_for_files_ends_with_the_runtime(wait: Callable[[Any], Any]) -> None:
    with AgentBay(endpoint="local") as client:
        session = client.get("any").unwrap().session
        with pytest.raises(LocalRuntimeError, match="exit code 7"):
            wait(session.context)


@pytest.mark.usefixtures("stand_in")
@pytest.mark.parametrize("wait", WAITS)
async def test_an_asynchronous_wait_for_files_ends_with_the_runtime_too(wait: Callable[[Any], Any]) -> None:
    async with AsyncAgentBay(endpoint="local") as client:
        session = (await client.get("any")).unwrap().session
        with pytest.raises(LocalRuntimeError, match="exit code 7"):
            await wait(session.context)


@pytest.mark.usefixtures("stand_in")
def test_nothing_is_started_before_the_first_call() -> None:
    with AgentBay(endpoint="local"):
        assert _local._children == []


@pytest.mark.usefixtures("stand_in")
def test_a_runtime_that_dies_during_a_call_is_told_with_its_last_words() -> None:
    with AgentBay(endpoint="local", engine="pool") as client:
        before = pid_of(client)
        with pytest.raises(APIConnectionError) as caught:
            client.get("die")
        with AgentBay(endpoint="local") as other:
            after = pid_of(other)

    assert type(caught.value) is LocalRuntimeError
    assert caught.value.message == "The local runtime has ended (exit code 7). something broke"
    assert caught.value.hint == "Make a new client to start another one."
    assert (before == after, gone(before), gone(after)) == (False, True, True)


@pytest.mark.usefixtures("stand_in")
async def test_the_asynchronous_client_is_told_too() -> None:
    async with AsyncAgentBay(endpoint="local", engine="pool") as client:
        with pytest.raises(APIConnectionError, match=r"has ended \(exit code 7\). something broke"):
            await client.get("die")


DEAF = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)\n" + STAND_IN


def test_a_child_that_does_not_want_to_end_is_ended(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(_local, "STOP_TIMEOUT", 0.2)
    install(monkeypatch, tmp_path, DEAF)
    with AgentBay(endpoint="local") as client:
        pid = pid_of(client)

    assert gone(pid)


@pytest.mark.usefixtures("stand_in")
def test_the_client_of_a_dead_runtime_does_not_end_its_successor() -> None:
    old, new = AgentBay(endpoint="local", engine="pool"), AgentBay(endpoint="local")
    pid_of(old)
    with pytest.raises(APIConnectionError):
        old.get("die")
    successor = pid_of(new)
    old.close()
    still = pid_of(new)
    new.close()

    assert (successor, gone(successor)) == (still, True)


@pytest.mark.usefixtures("stand_in")
def test_the_end_of_the_program_ends_the_child() -> None:
    with AgentBay(endpoint="local") as client:
        pid = pid_of(client)
        _local._stop_at_exit()

        assert gone(pid)


@pytest.mark.usefixtures("stand_in")
def test_the_child_of_another_process_is_left_alone() -> None:
    """What a forked process sees of its parent's child; a test below really forks."""
    with AgentBay(endpoint="local") as client:
        pid = pid_of(client)
        child = _local._children[-1]
        child.owner = 0
    alive = not gone(pid)
    child.process.kill()
    child.process.wait()

    assert alive


@pytest.mark.usefixtures("stand_in")
async def test_a_start_that_is_cancelled_leaves_no_child() -> None:
    async with AsyncAgentBay(endpoint="local") as client:
        task = asyncio.ensure_future(client.get("any"))
        await asyncio.sleep(0.02)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


FAILING = {
    "says why": ("import sys; sys.exit('no user namespaces here')", "exit code 1): no user namespaces here"),
    "is silent": ("raise SystemExit(3)", "exit code 3): it said nothing"),
    "says rubbish and stays": (
        "import time; print('Hello,'); print('world!', flush=True); time.sleep(60)",
        "exit code -9): it said nothing",
    ),
    "says half": ("print('AGENTBAY_ENDPOINT=http://x')", "exit code 0): it said nothing"),
}


@pytest.mark.parametrize(("program", "why"), FAILING.values(), ids=list(FAILING))
def test_a_runtime_that_does_not_start_says_why(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, program: str, why: str
) -> None:
    install(monkeypatch, tmp_path, program)
    monkeypatch.setattr(_local, "START_TIMEOUT", 1.0)

    with AgentBay(endpoint="local") as client, pytest.raises(LocalRuntimeError) as caught:
        client.get("any")

    assert caught.value.message == f"The local runtime did not start ({why}."
    assert "agentbay doctor" in caught.value.hint


def test_a_runtime_that_never_gets_ready_is_given_up(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(_local, "START_TIMEOUT", 0.3)
    install(monkeypatch, tmp_path, "import time; time.sleep(60)")

    with AgentBay(endpoint="local") as client, pytest.raises(LocalRuntimeError, match="exit code -9"):
        client.get("any")


LEAVING = """
import os, sys
from agentbay import AgentBay
client = AgentBay(endpoint="local", engine="pool")
print(client.get("any").unwrap().session.session_id, flush=True)
"""


@pytest.mark.usefixtures("stand_in")
def test_a_program_that_forgets_to_close_leaves_no_child() -> None:
    command = [sys.executable, "-c", LEAVING]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([os.environ["PYTHONPATH"], *sys.path])}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=30, check=True)

    assert gone(int(done.stdout))


@pytest.mark.usefixtures("stand_in")
def test_a_forked_child_starts_a_runtime_of_its_own_and_leaves_the_parents_alone() -> None:
    """In a program of its own: this one has threads, and a fork of it would be no fair test."""
    program = LEAVING + (
        "sys.stdout.flush()\n"
        "if os.fork() == 0:\n"
        "    client.close()\n"
        "    other = AgentBay(endpoint='local', engine='pool')\n"
        "    print(other.get('any').unwrap().session.session_id, flush=True)\n"
        "    other.close()\n"
        "    os._exit(0)\n"
        "os.wait()\n"
        "print(client.get('any').unwrap().session.session_id, flush=True)\n"
    )
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([os.environ["PYTHONPATH"], *sys.path])}
    done = subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, text=True, timeout=30, check=True
    )
    first, forked, again = map(int, done.stdout.split())

    assert (first == again, first == forked) == (True, False)
    assert [gone(first), gone(forked)] == [True, True]


def test_without_a_child_there_is_nothing_to_release_or_to_tell() -> None:
    _local.release("ticket")
    _local._stop_at_exit()

    assert _local.end_of_runtime("ticket") == ""


@pytest.mark.usefixtures("stand_in")
def test_a_call_that_fails_while_the_child_runs_does_not_blame_it() -> None:
    ticket = object()
    _local.acquire(ticket)
    ended = _local.end_of_runtime(ticket)
    _local.release(ticket)

    assert ended == ""
