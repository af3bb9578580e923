"""Background commands: the scripts run for real, in this machine's shell."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from agentbay import (
    APITimeoutError,
    AsyncSession,
    CommandError,
    CommandOutput,
    NotFoundError,
)
from agentbay._background import Look, Place
from tests.catalogue import check_args
from tests.gateway import GONE, Gateway, Received, Said


def shell(stdout: str = "", stderr: str = "", code: int = 0) -> Said:
    return Said(json.dumps({"stdout": stdout, "stderr": stderr, "exit_code": code}))


def run(request: Received) -> Said:
    check_args("shell", request.args)
    envs = request.args.get("envs")
    done = subprocess.run(
        ["sh", "-c", request.args["command"]],
        cwd=request.args.get("cwd"),
        env=None if envs is None else {"PATH": "/usr/bin:/bin"} | envs,
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )
    return shell(done.stdout, done.stderr, done.returncode)


@pytest.fixture
def real(session: AsyncSession, gateway: Gateway) -> AsyncSession:
    """A session whose shell is this machine's."""
    gateway.on("shell", run)
    return session


def alive(pid: str) -> bool:
    """Whether a process runs; one that nobody has waited for yet does not."""
    stat = Path(f"/proc/{pid}/stat")
    return stat.exists() and stat.read_text().rpartition(")")[2].split()[0] != "Z"


def left_of(handle: Any) -> bool:
    return Path(handle._place.folder).exists()


async def test_a_command_runs_to_its_end(real: AsyncSession, tmp_path: Path) -> None:
    handle = await real.command.run_background("pwd; echo $A; echo no >&2; exit 3", str(tmp_path), {"A": "it's"})
    result = await handle.wait(10)
    assert (False, 3, f"{tmp_path}\nit's\n", "no\n") == (
        result.success,
        result.exit_code,
        result.stdout,
        result.stderr,
    )
    assert (CommandError, 3, result) == (type(result.error), handle.exit_code, await handle.wait(0))
    assert not left_of(handle)


async def test_its_output_is_an_iterator(real: AsyncSession) -> None:
    async with await real.command.run_background("echo é; sleep 0.2; echo b >&2") as handle:
        pieces = [piece async for piece in handle]
        assert [CommandOutput("stdout", "é\n"), CommandOutput("stderr", "b\n")] == pieces
        assert ("é\n", "b\n", False, 0) == (handle.stdout, handle.stderr, handle.running, await handle.refresh())
        assert [] == [piece async for piece in handle]
    assert not left_of(handle)


async def test_more_output_than_one_look_brings_is_complete(real: AsyncSession) -> None:
    async with await real.command.run_background("seq 1 20000; seq 1 9000 >&2") as handle:
        result = await handle.wait(20)
    assert result.stdout == "".join(f"{number}\n" for number in range(1, 20001))
    assert result.stderr == "".join(f"{number}\n" for number in range(1, 9001))


async def test_a_character_cut_in_two_arrives_whole(real: AsyncSession) -> None:
    script = "printf '\\303'; sleep 0.3; printf '\\251\\377'"
    async with await real.command.run_background(script) as handle:
        assert "é\ufffd" == (await handle.wait(10)).stdout


async def test_it_reads_what_is_written_to_it(real: AsyncSession) -> None:
    async with await real.command.run_background("read a; echo got $a; cat; echo end", stdin=True) as handle:
        await handle.send_stdin("one\n")
        await handle.send_stdin(b"two\n")
        await handle.close_stdin()
        assert "got one\ntwo\nend\n" == (await handle.wait(10)).stdout


async def test_without_stdin_it_reads_nothing(real: AsyncSession) -> None:
    async with await real.command.run_background("cat; echo end") as handle:
        for act in (lambda: handle.send_stdin("x"), handle.close_stdin):
            with pytest.raises(ValueError, match="start it with stdin=True"):
                await act()
        assert "end\n" == (await handle.wait(10)).stdout


async def test_too_much_input_at_once_is_refused(real: AsyncSession) -> None:
    async with await real.command.run_background("cat", stdin=True) as handle:
        with pytest.raises(ValueError, match="at most 30000 bytes"):
            await handle.send_stdin("x" * 30_001)


async def test_a_kill_ends_it_with_its_children(real: AsyncSession, tmp_path: Path) -> None:
    script = f"(sleep 30; touch {tmp_path}/late) & echo $!; sleep 30"
    async with await real.command.run_background(script) as handle:
        while not handle.stdout:
            await handle.refresh()
        await handle.kill()
        assert 143 == (await handle.wait(10)).exit_code
        await handle.kill()
        child = handle.stdout.strip()
    assert not alive(child)


async def test_what_does_not_want_to_end_is_made_to(real: AsyncSession, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("agentbay._background.TERM_SECONDS", 0)
    async with await real.command.run_background("trap '' TERM; echo x; while :; do sleep 1; done") as handle:
        while not handle.stdout:
            await handle.refresh()
        await handle.kill()
        assert 137 == (await handle.wait(10)).exit_code


async def test_leaving_the_block_ends_it(real: AsyncSession) -> None:
    async with await real.command.run_background("sleep 30") as handle:
        assert (True, None) == (handle.running, await handle.refresh())
    await handle.aclose()
    assert not left_of(handle)
    with pytest.raises(CommandError):
        await handle.refresh()


def kill_group(number: int) -> None:
    """Kill a process group, which may not be there just yet."""
    for _ in range(500):
        with suppress(ProcessLookupError):
            return os.killpg(number, signal.SIGKILL)
        time.sleep(0.01)
    raise AssertionError("no such process group")


async def test_one_that_is_gone_without_an_exit_code_says_so(real: AsyncSession) -> None:
    async with await real.command.run_background("sleep 30") as handle:
        kill_group(handle.pid)
        result = await handle.wait(10)
    assert (-1, "The command is gone without an exit code") == (result.exit_code, result.error and result.error.message)


async def test_a_wait_has_an_end_in_time(real: AsyncSession) -> None:
    async with await real.command.run_background("sleep 30") as handle:
        with pytest.raises(APITimeoutError, match=r"within 0\.1 s; it goes on"):
            await handle.wait(0.1)
        assert handle.running


STARTS = [shell("", "setsid is not available", 127), Said("no shell here", failed=True), shell("odd\n")]


@pytest.mark.parametrize("answer", STARTS)
async def test_a_start_that_fails_is_raised(session: AsyncSession, gateway: Gateway, answer: Said) -> None:
    gateway.on("shell", answer)
    with pytest.raises(CommandError):
        await session.command.run_background("true")


async def test_a_session_that_is_gone_is_raised(session: AsyncSession, gateway: Gateway) -> None:
    gateway.on("shell", GONE)
    with pytest.raises(NotFoundError):
        await session.command.run_background("true")


@pytest.mark.parametrize("text", ["", "odd", "-\n*", "0\n\né"])
def test_a_look_of_another_form_is_an_error(text: str) -> None:
    with pytest.raises(CommandError):
        Look.of(text)


def test_each_command_has_a_folder_of_its_own() -> None:
    assert Place().folder != Place().folder
