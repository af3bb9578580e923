"""The shell tool in a real sandbox."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from agentbay_local.tools.shell import LONGEST_MS, OUTPUT_LIMIT

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def run(tools: Any, command: str, **args: Any) -> dict[str, Any]:
    return dict(json.loads(await tools("shell", command=command, **{"timeout_ms": 30_000, **args})))


async def test_a_command_answers_with_both_streams_and_its_exit_code(tools: Any) -> None:
    assert {"stdout": "out\n", "stderr": "err\n", "exit_code": 0} == await run(tools, "echo out; echo err >&2")


async def test_a_failed_command_is_no_tool_error_and_has_a_trace_id(tools: Any) -> None:
    answer = await run(tools, "echo no >&2; exit 3")
    trace = answer.pop("traceId")
    assert ({"stdout": "", "stderr": "no\n", "exit_code": 3}, 32, True) == (answer, len(trace), int(trace, 16) >= 0)


async def test_a_program_that_is_missing_ends_with_127(tools: Any) -> None:
    assert 127 == (await run(tools, "no-such-program-here"))["exit_code"]


async def test_a_program_killed_by_a_signal_ends_with_128_and_its_number(tools: Any) -> None:
    assert 137 == (await run(tools, "kill -9 $$"))["exit_code"]


async def test_it_is_bash_where_there_is_one(tools: Any) -> None:
    assert "bash\n" == (await run(tools, "[[ ab == a* ]] && echo bash"))["stdout"]


async def test_the_folder_and_the_variables_of_a_call_are_gone_in_the_next(tools: Any) -> None:
    await run(tools, "cd /tmp; export GONE=1")
    assert "/home/wuying\n[]\n" == (await run(tools, "pwd; echo [$GONE]"))["stdout"]


async def test_the_code_image_starts_in_its_workspace(coding: Any) -> None:
    assert "/workspace\n/home/wuying\n" == (await run(coding, "pwd; echo $HOME"))["stdout"]


async def test_files_and_background_programs_stay(tools: Any) -> None:
    await run(tools, "echo kept > kept; sleep 300 & echo $! > pid")
    assert "kept\nalive\n" == (await run(tools, "cat kept; kill -0 $(cat pid) && echo alive"))["stdout"]


async def test_a_background_program_does_not_keep_the_call_waiting(tools: Any) -> None:
    answer = await asyncio.wait_for(run(tools, "sleep 300 & echo done"), 20)
    assert "done\n" == answer["stdout"]


async def test_a_call_starts_in_the_given_folder(tools: Any) -> None:
    assert "/tmp\n" == (await run(tools, "pwd", cwd="/tmp"))["stdout"]
    await tools("create_directory", path="sub")
    assert "/home/wuying/sub\n" == (await run(tools, "pwd", cwd="sub"))["stdout"]


async def test_a_folder_that_is_missing_is_named(tools: Any) -> None:
    wanted = "Failed to enter working directory: /nowhere, error: No such file or directory"
    assert wanted in await tools.refused("shell", command="pwd", cwd="/nowhere")


async def test_a_file_as_the_folder_is_refused(tools: Any) -> None:
    wanted = "Failed to enter working directory: /etc/passwd, error: Not a directory"
    assert wanted in await tools.refused("shell", command="pwd", cwd="/etc/passwd")


async def test_the_time_limit_ends_the_command_and_keeps_what_it_printed(tools: Any) -> None:
    said = await tools.refused("shell", command="echo early; echo oops >&2; sleep 60", timeout_ms=500)
    assert "Execution failed. Error code:-1 Error message: [timeout]\nearly\noops\n" == said


async def test_a_silent_command_that_times_out_says_just_that(tools: Any) -> None:
    said = await tools.refused("shell", command="sleep 60", timeout_ms=200)
    assert "Execution failed. Error code:-1 Error message: [timeout]" == said


@pytest.mark.parametrize("value", [20_000, 20_000.0, "20000"])
async def test_the_time_limit_may_be_written_in_several_ways(tools: Any, value: Any) -> None:
    assert "hi\n" == (await run(tools, "echo hi", timeout_ms=value))["stdout"]


@pytest.mark.parametrize("value", [0, -1, LONGEST_MS + 1, 10**30])
async def test_a_time_limit_out_of_range_is_refused(tools: Any, value: int) -> None:
    said = await tools.refused("shell", command="echo hi", timeout_ms=value)
    assert f"timeout_ms must be from 1 to {LONGEST_MS}, got {value}" in said


@pytest.mark.parametrize("value", [1.5, True, "soon", [], {}, float("inf")])
async def test_a_time_limit_that_is_no_number_is_refused(tools: Any, value: Any) -> None:
    said = await tools.refused("shell", command="echo hi", timeout_ms=value)
    assert (
        "Error code:-32602 Error message: Invalid arguments for tool shell: timeout_ms must be an integer, got" in said
    )


async def test_variables_of_the_call_reach_the_command_alone(tools: Any) -> None:
    assert "wüy ing 2\n" == (await run(tools, "echo $WHO", envs={"WHO": "wüy ing\n2"}))["stdout"]
    assert "[]\n" == (await run(tools, "echo [$WHO]"))["stdout"]


@pytest.mark.parametrize("name", ["", "A=B", "A B", "A\0"])
async def test_a_variable_name_that_no_program_could_take_is_refused(tools: Any, name: str) -> None:
    assert "Invalid environment variable name" in await tools.refused("shell", command="true", envs={name: "1"})


async def test_a_variable_that_is_no_text_is_refused(tools: Any) -> None:
    assert "value of A must be a string, got a number" in await tools.refused("shell", command="true", envs={"A": 1})


async def test_bytes_that_are_not_utf8_are_replaced(tools: Any) -> None:
    assert "a\ufffdb" == (await run(tools, r"printf 'a\xffb'"))["stdout"]


async def test_output_over_the_limit_is_cut_with_a_mark_that_says_how_much_is_lost(tools: Any) -> None:
    answer = await run(tools, f"head -c {OUTPUT_LIMIT + (3 << 20)} /dev/zero | tr '\\0' x; echo end >&2")
    mark = "\n[output cut: only the first 4 MiB are kept, 3 MiB more are lost]\n"
    assert ("x" * OUTPUT_LIMIT + mark, "end\n") == (answer["stdout"], answer["stderr"])


async def test_endless_output_ends_with_the_time_limit(tools: Any) -> None:
    said = await tools.refused("shell", command="yes", timeout_ms=500)
    assert said.startswith("Execution failed. Error code:-1 Error message: [timeout]\ny\n")
    assert said.endswith(" more are lost]\n")


async def test_a_command_longer_than_an_argument_may_be_runs_all_the_same(tools: Any) -> None:
    long = f"cat > big <<'END'\n{'x' * 300_000}\nEND\nwc -c < big; cat; exit 4"
    answer = await run(tools, long)
    assert ("300001\n", 4) == (answer["stdout"], answer["exit_code"])


async def test_standard_input_is_empty(tools: Any) -> None:
    assert "end\n" == (await run(tools, "cat; echo end"))["stdout"]


async def test_many_commands_of_one_session_run_at_the_same_time(tools: Any) -> None:
    together = "echo $$ > here.{0}; until [ $(ls here.* | wc -l) = 8 ]; do sleep 0.01; done; echo {0}"
    answers = await asyncio.gather(*(run(tools, together.format(number)) for number in range(8)))
    assert [f"{number}\n" for number in range(8)] == [answer["stdout"] for answer in answers]


async def test_a_command_that_is_no_text_is_refused(tools: Any) -> None:
    assert "command must be a string, got an array" in await tools.refused("shell", command=["ls"])
    assert "command must not hold a NUL" in await tools.refused("shell", command="echo \0")
    assert "command must be valid Unicode" in await tools.refused("shell", command="echo \ud800")
    assert "command is required" in await tools.refused("shell")


async def test_a_sandbox_that_has_ended_says_that_the_session_has_expired(tools: Any) -> None:
    await tools.box.sandbox.close()
    said = await tools.refused("shell", command="true")
    assert said.startswith("Execution failed. Error code:-32603 Error message: The session has expired: ")


async def test_a_sandbox_that_ends_during_a_command_answers_at_once(tools: Any) -> None:
    call = asyncio.ensure_future(tools.refused("shell", command="touch begun; sleep 60", timeout_ms=60_000))
    await tools.sh("until [ -e begun ]; do sleep 0.01; done")
    await tools.box.sandbox.close()
    assert "The session has expired" in await call
