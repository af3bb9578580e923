"""Commands in the background on the runtime: their output as it comes, their input, their end."""

from __future__ import annotations

import pytest

from agentbay import APITimeoutError, AsyncSession, CommandError
from tests._async.both.doors import FOLDER

# What is asked of a session for it is compared in test_background.py one folder up.
pytestmark = pytest.mark.parametrize("door", ["link", "rpc"], indirect=True)


async def test_output_comes_while_the_command_runs(session: AsyncSession) -> None:
    command = f"echo one; echo oops >&2; until [ -e {FOLDER}/go ]; do sleep 0.02; done; echo two; exit 3"
    async with await session.command.run_background(command) as job:
        seen: list[tuple[str, str]] = []
        async for piece in job:
            seen.append((piece.stream, piece.text))
            if len(seen) == 2:
                assert job.running
                await session.command.run(f"touch {FOLDER}/go")
        result = await job.wait(10)
    assert [("stderr", "oops\n"), ("stdout", "one\n"), ("stdout", "two\n")] == sorted(seen)
    assert (3, "one\ntwo\n", "oops\n", False) == (result.exit_code, result.stdout, result.stderr, result.success)


async def test_a_command_reads_what_is_sent_until_its_input_is_closed(session: AsyncSession) -> None:
    async with await session.command.run_background("sort", stdin=True) as job:
        await job.send_stdin("pear\n")
        await job.send_stdin("äpfel\nfig\n".encode())
        await job.close_stdin()
        assert "fig\npear\näpfel\n" == (await job.wait(10)).stdout


async def test_a_conversation_goes_back_and_forth(session: AsyncSession) -> None:
    command = "while read line; do echo got $line; done"
    async with await session.command.run_background(command, stdin=True) as job:
        for word in ("one", "two"):
            await job.send_stdin(f"{word}\n")
            async for piece in job:
                assert f"got {word}\n" == piece.text
                break
        await job.close_stdin()
        assert 0 == (await job.wait(10)).exit_code


async def test_killing_a_command_ends_its_children_and_its_files_go(session: AsyncSession) -> None:
    async with await session.command.run_background("sleep 4321 & sleep 4322; true") as job:
        await job.kill()
        assert 0 != (await job.wait(10)).exit_code
    assert "" == (await session.command.run("pgrep -f 'sleep 432[12]$'")).stdout


async def test_leaving_the_block_ends_the_command(session: AsyncSession) -> None:
    async with await session.command.run_background("exec sleep 4323") as job:
        assert job.running
    assert "" == (await session.command.run("pgrep -f 'sleep 4323$'")).stdout


async def test_a_wait_that_takes_too_long_leaves_the_command(session: AsyncSession) -> None:
    async with await session.command.run_background("sleep 300") as job:
        with pytest.raises(APITimeoutError):
            await job.wait(0.1)
        assert (None, True) == (await job.refresh(), job.running)


async def test_large_output_arrives_whole(session: AsyncSession) -> None:
    async with await session.command.run_background("seq 100000") as job:
        result = await job.wait(30)
    assert "".join(f"{number}\n" for number in range(1, 100_001)) == result.stdout


async def test_the_callers_folder_and_variables_count(session: AsyncSession) -> None:
    job = await session.command.run_background("echo $PWD $X", cwd=FOLDER, envs={"X": "hi"})
    assert f"{FOLDER} hi\n" == (await job.wait(10)).stdout


async def test_a_command_that_is_not_there_ends_as_in_a_shell(session: AsyncSession) -> None:
    result = await (await session.command.run_background("no-such-program")).wait(10)
    assert (127, True) == (result.exit_code, "no-such-program" in result.stderr)
    assert isinstance(result.error, CommandError)
