"""Commands: what they print, how they end, what they are given."""

from __future__ import annotations

import pytest

from agentbay import AsyncSession, CommandError
from tests._async.both.doors import FOLDER, ended, mocked, wrong
from tests.gateway import Received, Said

# Command line to standard output, standard error and exit code.
ENDS: dict[str, tuple[str, str, int]] = {
    "echo hello": ("hello\n", "", 0),
    "echo out; echo err >&2": ("out\n", "err\n", 0),
    "echo out; echo err >&2; exit 3": ("out\n", "err\n", 3),
    "true": ("", "", 0),
    "false": ("", "", 1),
    "exit 127": ("", "", 127),
    "exit 255": ("", "", 255),
    "kill -9 $$": ("", "", 137),
    "printf 'grüße 你好 🎈'": ("grüße 你好 🎈", "", 0),
    "printf 'a\\r\\n\\tb'": ("a\r\n\tb", "", 0),
    'echo \'{"stdout": "x", "exit_code": 9}\'': ('{"stdout": "x", "exit_code": 9}\n', "", 0),
    "seq 3 | tac": ("3\n2\n1\n", "", 0),
    "cat": ("", "", 0),
}


def end(request: Received) -> Said:
    return ended(*ENDS[request.args["command"]])


@pytest.mark.parametrize("command", ENDS)
@mocked(shell=end)
async def test_a_command_tells_what_it_printed_and_how_it_ended(session: AsyncSession, command: str) -> None:
    stdout, stderr, code = ENDS[command]
    result = await session.command.execute_command(command)
    assert (stdout, stderr, code) == (result.stdout, result.stderr, result.exit_code)
    assert (code == 0, stdout + stderr, "") == (result.success, result.output, result.error_message)
    assert (bool(code), True) == (bool(result.trace_id), bool(result.request_id))


@mocked(shell=end)
async def test_a_failed_command_can_be_raised(session: AsyncSession) -> None:
    result = await session.command.run("echo out; echo err >&2; exit 3")
    with pytest.raises(CommandError, match="code 3: err") as caught:
        result.unwrap()
    assert 3 == caught.value.exit_code


@mocked(shell=end)
async def test_all_names_of_the_method_run_the_command(session: AsyncSession) -> None:
    for run in (session.command.execute_command, session.command.run, session.command.exec):
        assert "hello\n" == (await run("echo hello")).output


@mocked(shell=ended(f"{FOLDER}\n"))
async def test_a_command_runs_in_the_directory_it_is_given(session: AsyncSession) -> None:
    result = await session.command.execute_command("pwd", cwd=FOLDER)
    assert (True, f"{FOLDER}\n") == (result.success, result.stdout)


@mocked(shell=wrong("Failed to enter working directory: /nowhere, error: No such file or directory"))
async def test_a_directory_that_is_not_there_is_a_failure(session: AsyncSession) -> None:
    result = await session.command.execute_command("pwd", cwd="/nowhere")
    assert (False, 1) == (result.success, result.exit_code)
    assert "/nowhere, error: No such file or directory" in result.error_message


@mocked(shell=[ended("one two=3 ü\n"), ended("-\n")])
async def test_variables_are_for_one_command_alone(session: AsyncSession) -> None:
    envs = {"BOTH_WORD": "one two=3 ü"}
    assert "one two=3 ü\n" == (await session.command.run("echo $BOTH_WORD", envs=envs)).stdout
    assert "-\n" == (await session.command.run("echo ${BOTH_WORD:--}")).stdout


@mocked(shell=[ended(), ended("unset\n")])
async def test_each_command_has_a_shell_of_its_own(session: AsyncSession) -> None:
    await session.command.run("cd /; export BOTH_KEPT=1")
    assert "unset\n" == (await session.command.run("[ $PWD = / ] || echo ${BOTH_KEPT:-unset}")).stdout


@mocked(shell=[ended(), ended("later\n")])
async def test_a_program_in_the_background_lives_on(session: AsyncSession) -> None:
    await session.command.run(f"(sleep 0.1; echo later > {FOLDER}/out) >/dev/null 2>&1 &")
    waiting = f"until [ -s {FOLDER}/out ]; do sleep 0.02; done; cat {FOLDER}/out"
    assert "later\n" == (await session.command.run(waiting)).stdout


@mocked(shell=[wrong("[timeout]", -1), ended("still here\n")])
async def test_a_command_that_takes_too_long_is_stopped(session: AsyncSession) -> None:
    late = await session.command.execute_command("sleep 50", timeout_ms=200)
    assert (False, 1, True) == (late.success, late.exit_code, "[timeout]" in late.error_message)
    assert isinstance(late.error, CommandError)
    assert "still here\n" == (await session.command.run("echo still here")).stdout


@mocked(shell=ended("x" * 300_000))
async def test_a_long_output_arrives_whole(session: AsyncSession) -> None:
    result = await session.command.run("head -c 300000 /dev/zero | tr '\\0' x")
    assert "x" * 300_000 == result.stdout


@mocked(shell=ended("40000\n"))
async def test_a_long_command_arrives_whole(session: AsyncSession) -> None:
    assert "40000\n" == (await session.command.run(f"printf {'y' * 40_000} | wc -c")).stdout


async def test_wrong_arguments_never_leave_the_client(session: AsyncSession) -> None:
    with pytest.raises(ValueError, match="all keys and values must be strings"):
        await session.command.run("true", envs={"A": 1})  # type: ignore[dict-item]
    with pytest.raises(ValueError, match="timeout_ms must be above 0"):
        await session.command.run("true", timeout_ms=0)
