"""What Bash gives back, and what stays of it."""

from __future__ import annotations

from typing import Any

import pytest

from tests.local.code.conftest import printed, told
from tests.local.code.languages import need

pytestmark = pytest.mark.asyncio(loop_scope="module")

GONE = "; its variables are gone and the next call starts with a new kernel"


@pytest.fixture(scope="module", autouse=True)
def language() -> None:
    need("bash")


async def sh(interpreter: Any, code: str, timeout_s: float = 30) -> dict[str, Any]:
    answer: dict[str, Any] = await interpreter.run(code, "bash", timeout_s)
    return answer


async def output(interpreter: Any, code: str) -> str:
    answer = await sh(interpreter, code)
    assert told(answer) == ""
    return "".join(printed(answer)[0])


async def test_both_streams_come_apart_and_nothing_else_is_shown(shared: Any) -> None:
    answer = await sh(shared, "echo 'grüße 你好 🎈'; echo oh >&2; echo end")
    assert (printed(answer), answer["results"]) == ((["grüße 你好 🎈\nend\n"], ["oh\n"]), [])


async def test_variables_functions_and_the_folder_stay(shared: Any) -> None:
    await sh(shared, "kept=5; twice() { echo $((2 * $1)); }; cd /tmp")
    assert await output(shared, "twice $kept; pwd; cd - > /dev/null") == "10\n/tmp\n"


async def test_code_of_many_lines_with_quotes_and_here_documents_is_run_as_it_is(shared: Any) -> None:
    code = "for word in \"it's\" 'a \"b\"' '!!'; do\n  echo \"$word\"\ndone\ncat <<'END'\n$not 'replaced'\nEND"
    assert await output(shared, code) == "it's\na \"b\"\n!!\n$not 'replaced'\n"


@pytest.mark.parametrize(("code", "words"), [
    ("false", "exit status 1"), ("(exit 7)", "exit status 7"), ("f() { return 3; }; f", "exit status 3"),
    ("sh -c 'kill -9 $$'", "exit status 137, as of a program that was killed by SIGKILL"),
])  # fmt: skip
async def test_the_last_exit_status_is_an_error_unless_it_is_zero(shared: Any, code: str, words: str) -> None:
    assert told(await sh(shared, code)) == f"CommandFailed: {words}"


async def test_a_failure_in_the_middle_is_none_of_the_whole(shared: Any) -> None:
    assert await output(shared, "false; echo $?") == "1\n"


@pytest.mark.parametrize(("code", "said"), [
    ("nosuch_program", "nosuch_program: command not found"), ("if true; then", "unexpected end of file"),
    ('echo "', 'unexpected EOF while looking for matching `"'), ("echo ${nothing:?is missing}", "nothing: is missing"),
])  # fmt: skip
async def test_what_bash_says_of_wrong_code_is_on_standard_error(shared: Any, code: str, said: str) -> None:
    answer = await sh(shared, code)
    assert told(answer).startswith("CommandFailed: exit status ")
    assert said in "".join(printed(answer)[1])


@pytest.mark.parametrize("code", ["exit 4", "leave() { exit 4; }; leave; echo never", "set -e; (exit 4); echo never"])
async def test_leaving_ends_the_call_and_the_shell_stays(shared: Any, code: str) -> None:
    await sh(shared, "set +e; mine=7")
    answer = await sh(shared, code)
    assert (told(answer), printed(answer)) == ("CommandFailed: exit status 4", ([], []))
    assert await output(shared, "set +e; echo $mine") == "7\n"


async def test_leaving_with_zero_is_no_error(shared: Any) -> None:
    assert await output(shared, "echo a; exit 0; echo never") == "a\n"


async def test_jobs_run_in_the_background_and_can_be_ended(shared: Any) -> None:
    answer = await sh(shared, "sleep 60 & kill %1; wait %1; echo $?")
    assert (told(answer), printed(answer)[0]) == ("", ["143\n"])
    assert "tcsetattr" not in "".join(printed(answer)[1])


async def test_commands_that_read_find_nothing(shared: Any) -> None:
    assert await output(shared, 'read line; echo "[$line]"; cat') == "[]\n"


async def test_programs_have_the_standard_streams_alone(shared: Any) -> None:
    listed = await output(shared, "sh -c 'cd /proc/$$/fd; echo *'")
    assert listed == "0 1 2 3\n"  # the last one is the folder that is listed


async def test_no_history_is_kept_and_no_prompt_is_printed(shared: Any) -> None:
    assert printed(await sh(shared, 'history; echo "$PS1$HISTFILE"')) == (["\n"], [])


async def test_a_trace_shows_the_code_alone(shared: Any) -> None:
    answer = await sh(shared, "set -x; true; set +x")
    assert printed(answer) == ([], ["++ true\n++ set +x\n"])


async def test_what_bash_cannot_read_is_told(shared: Any) -> None:
    answer = await sh(shared, "echo a\0b")
    assert told(answer) == "ValueError: the code holds a NUL character, which bash cannot read"


@pytest.mark.parametrize(
    "code", ["while :; do :; done", "sleep 60", "(sleep 60; echo no) | cat", "while :; do sleep 1; done"]
)
async def test_code_is_stopped_at_its_limit_and_its_variables_stay(shared: Any, code: str) -> None:
    await sh(shared, "mine=7")
    answer = await sh(shared, code, timeout_s=0.3)
    assert told(answer) == "TimeoutError: the code was stopped after its limit of 0.3 s; its variables were kept"
    assert printed(answer) == ([], [])
    assert await output(shared, "echo $mine") == "7\n"


async def test_output_comes_while_the_code_runs(shared: Any) -> None:
    answer = await sh(shared, "echo so far; sleep 60", timeout_s=0.3)
    assert printed(answer) == (["so far\n"], [])


async def test_a_shell_that_is_killed_is_told_and_the_next_call_has_a_fresh_one(fresh: Any) -> None:
    await sh(fresh, "mine=7")
    answer = await sh(fresh, "echo first; kill -9 $$")
    killed = "was killed by signal 9 (Killed), perhaps for want of memory"
    assert (told(answer), printed(answer)[0]) == (f"KernelDied: the bash kernel {killed}{GONE}", ["first\n"])
    answer = await sh(fresh, 'echo "[$mine]"')
    assert (answer["execution_count"], printed(answer)) == (1, (["[]\n"], []))


async def test_new_variables_of_the_environment_reach_a_running_shell(shared: Any) -> None:
    await sh(shared, "true")
    await shared.kernels.set_env({"GREETING": 'it\'s "grüß" \\n', "not.a.word": "x"})
    assert await output(shared, "sh -c 'printf %s \"$GREETING\"'") == 'it\'s "grüß" \\n'


@pytest.mark.parametrize("name", ["sh", " Shell ", "BASH"])
async def test_short_names_mean_the_same_shell(shared: Any, name: str) -> None:
    await sh(shared, "named=1")
    assert (await shared.run("echo $named", name))["logs"]["stdout"] == ["1\n"]
