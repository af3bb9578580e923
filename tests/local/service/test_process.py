"""The server as a process: how it starts, says where it is, and goes without leaving anything."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest

from agentbay_local.__main__ import main
from agentbay_local.settings import read_settings
from tests.local.conftest import Served, environment, serve
from tests.local.service.api import Api

SERVE = [sys.executable, "-m", "agentbay_local", "serve"]


def run(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "agentbay_local", *arguments],
        env=environment() | variables,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


def children(pid: int) -> set[int]:
    """All descendants of a process."""
    parents: dict[int, int] = {}
    for entry in Path("/proc").glob("[0-9]*/stat"):
        try:
            parents[int(entry.parent.name)] = int(entry.read_text("utf-8").rpartition(")")[2].split()[1])
        except (FileNotFoundError, ProcessLookupError):
            continue
    found, wave = set[int](), {pid}
    while wave := {child for child, parent in parents.items() if parent in wave} - found:
        found |= wave
    return found


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text("utf-8").rpartition(")")[2].split()[0] not in {"Z", "X"}
    except (FileNotFoundError, ProcessLookupError):
        return False


def remaining(pids: set[int]) -> set[int]:
    """Which processes are there still after a while."""
    for _ in range(200):
        if not any(alive(pid) for pid in pids):
            break
        time.sleep(0.05)
    return {pid for pid in pids if alive(pid)}


async def busy(served: Served) -> set[int]:
    """Opens a session in which something runs; gives all processes of the server."""
    api = Api(served.endpoint, served.key)
    session = (await api.call("CreateMcpSession", ImageId="code_latest")).data["SessionId"]
    await api.shell(session, "nohup sleep 1000 >/dev/null 2>&1 &")
    await api.http.close()
    return {served.process.pid, *children(served.process.pid)}


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_ends_the_server_and_all_that_it_started(number: signal.Signals) -> None:
    served = serve()
    mine = await busy(served)
    assert len(mine) > 3
    served.process.send_signal(number)
    assert (served.process.wait(20), remaining(mine)) == (0, set())


async def test_sigkill_of_the_server_leaves_nothing() -> None:
    served = serve()
    mine = await busy(served)
    served.process.kill()
    served.process.wait(20)
    assert remaining(mine) == set()


async def test_a_session_whose_sandbox_dies_has_ended() -> None:
    served = serve("--warm", "0")
    async with Api(served.endpoint, served.key) as api:
        session = (await api.create())["SessionId"]
        for pid in children(served.process.pid):
            with contextlib.suppress(ProcessLookupError):  # it went with another one
                os.kill(pid, signal.SIGKILL)
        assert await api.becomes(session, "FINISH")
        detail = (await api.call("GetSessionDetail", SessionId=session)).data
        call = await api.tool(session, "shell", command="true")
        assert (detail["EndReason"], call.verdict) == ("SandboxDied", (400, "InvalidMcpSession.NotFound"))
        assert (await api.create())["Status"] == "RUNNING"
    assert served.stop() == 0


def test_a_server_that_cannot_say_where_it_is_ends() -> None:
    ours, theirs = os.pipe()
    os.close(ours)
    process = subprocess.Popen([*SERVE, "--quiet"], stdout=theirs, stderr=subprocess.PIPE, env=environment(), text=True)
    os.close(theirs)
    errors = process.communicate(timeout=20)[1]
    assert (process.returncode, errors) == (1, "")


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_the_server_goes_with_the_parent_however_that_died(number: signal.Signals) -> None:
    script = (
        "import os, subprocess, sys, time\n"
        "command = [*sys.argv[1:], '--parent', str(os.getpid())]\n"
        "print(subprocess.Popen(command).pid, flush=True)\n"
        "time.sleep(1000)\n"
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", script, *SERVE, "--quiet"], stdout=subprocess.PIPE, env=environment(), text=True
    )
    assert parent.stdout is not None
    with parent.stdout as lines:
        told = [lines.readline().strip() for _ in range(3)]
        server = next(int(line) for line in told if line.isdecimal())
        assert any(line.startswith("AGENTBAY_ENDPOINT=") for line in told)
        mine = {server, *children(server)}
        parent.send_signal(number)
        parent.wait(20)
        assert remaining(mine) == set()


def test_a_parent_that_is_not_the_parent_is_refused() -> None:
    done = run("serve", "--parent", "1")
    assert (done.returncode, done.stdout, "--parent" in done.stderr) == (1, "", True)


def test_a_port_that_is_taken_is_a_clear_error() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        done = run("serve", "--port", port)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.splitlines()[-1].startswith(f"agentbay serve: port {port} on 127.0.0.1 is taken")


def test_an_address_of_another_machine_is_a_clear_error() -> None:
    done = run("serve", "--host", "192.0.2.1")
    assert (done.returncode, done.stdout, "192.0.2.1" in done.stderr) == (1, "", True)


@pytest.mark.parametrize(
    "options",
    ["--port 65536", "--port -1", "--memory lots", "--idle 0", "--key ä", "--what", "--key", "--warm x"],
)
def test_arguments_that_cannot_be_understood_end_with_the_usage(
    options: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AGENTBAY_API_KEY", raising=False)
    with pytest.raises(SystemExit) as end:
        read_settings(options.split())
    said = capsys.readouterr()
    assert (end.value.code, said.out, "usage: agentbay serve" in said.err) == (2, "", True)


def test_a_command_that_is_not_there_ends_with_the_usage(capsys: pytest.CaptureFixture[str]) -> None:
    assert ([main(words) for words in ([], ["dance"])], capsys.readouterr().out) == ([2, 2], "")


def told(*options: str, **variables: str) -> tuple[dict[str, str], str]:
    """Starts and stops a server, and gives what it printed."""
    process = subprocess.Popen(
        [*SERVE, "--warm", "0", *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment() | variables,
        text=True,
    )
    assert process.stdout is not None
    lines = [process.stdout.readline(), process.stdout.readline()]
    process.send_signal(signal.SIGTERM)
    rest, errors = process.communicate(timeout=20)
    assert (process.returncode, rest) == (0, "")
    return dict(line.strip().split("=", 1) for line in lines), errors


def test_two_lines_in_shell_syntax_say_where_the_server_is() -> None:
    lines, errors = told()
    assert list(lines) == ["AGENTBAY_ENDPOINT", "AGENTBAY_API_KEY"]
    assert lines["AGENTBAY_ENDPOINT"].startswith("http://127.0.0.1:")
    assert lines["AGENTBAY_API_KEY"].startswith("akm-")
    assert lines["AGENTBAY_API_KEY"] not in errors


def test_without_a_folder_every_start_has_another_key_whatever_the_environment_says() -> None:
    keys = {told(AGENTBAY_API_KEY="akm-mine")[0]["AGENTBAY_API_KEY"] for _ in range(2)}
    assert len(keys - {"akm-mine"}) == 2


def test_the_key_of_the_environment_is_taken_when_that_is_asked_for() -> None:
    assert told("--key", AGENTBAY_API_KEY="akm-mine")[0]["AGENTBAY_API_KEY"] == "akm-mine"


def test_a_folder_keeps_the_key_for_its_owner_alone(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "data"
    keys = {told("--data", str(folder))[0]["AGENTBAY_API_KEY"] for _ in range(2)}
    modes = [stat.S_IMODE(os.stat(path).st_mode) for path in (folder, folder / "api-key")]
    assert (len(keys), modes) == (1, [0o700, 0o600])


def test_a_folder_that_cannot_be_used_is_a_clear_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", "utf-8")
    done = run("serve", "--data", str(tmp_path / "file"))
    assert (done.returncode, done.stdout, str(tmp_path / "file") in done.stderr) == (1, "", True)


def test_an_address_that_others_can_reach_is_warned_about() -> None:
    lines, errors = told("--host", "0.0.0.0")
    assert lines["AGENTBAY_ENDPOINT"].startswith("http://127.0.0.1:")
    assert "other machines can reach this server" in errors


async def test_the_log_has_a_line_for_an_action_and_no_secret() -> None:
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(*SERVE, stdout=pipe, stderr=pipe, env=environment())
    assert process.stdout is not None
    told = [(await process.stdout.readline()).decode().strip().partition("=")[2] for _ in range(2)]
    async with Api(*told) as api:
        made = await api.create()
        await api.shell(made["SessionId"], "echo payload")
        await api.call("GetSession", SessionId="x\ny action=forged")
    process.terminate()
    log = (await process.communicate())[1].decode()
    [line] = [line for line in log.splitlines() if "action=CallMcpTool" in line]
    assert all(f" {word}" in line for word in (f"session={made['SessionId']}", "code=ok", "ms="))
    assert [
        line for line in log.splitlines() if "action=GetSession" in line and "code=InvalidMcpSession.NotFound" in line
    ]
    assert not [word for word in (api.key, made["Token"], "payload", "forged", "Traceback") if word in log]
