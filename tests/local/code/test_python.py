"""What Python code gives back."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from agentbay_local.code import Kernels, UnsupportedLanguage
from tests.local.code.conftest import ChildProcess, ChildSpawner, printed, told

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_the_last_expression_is_the_main_result(shared: Any) -> None:
    answer = await shared.run("20 + 22")
    assert answer["results"] == [{"text": "42", "is_main_result": True}]
    assert told(answer) == ""
    assert answer["execution_time"] > 0


async def test_variables_stay_from_one_call_to_the_next(shared: Any) -> None:
    await shared.run("kept = [1, 2]")
    assert await shared.value("kept") == "[1, 2]"


async def test_a_statement_has_no_result(shared: Any) -> None:
    answer = await shared.run("nothing = None")
    assert (answer["results"], answer["logs"]["stdout"], answer["logs"]["stderr"]) == ([], [], [])


async def test_both_streams_come_apart_and_unharmed(shared: Any) -> None:
    answer = await shared.run("import sys; print('grüße 你好 🎈'); print('oh', file=sys.stderr); print('end')")
    assert answer["logs"]["stdout"] == ["grüße 你好 🎈\nend\n"]
    assert answer["logs"]["stderr"] == ["oh\n"]


async def test_what_programs_started_by_the_code_print_is_kept(shared: Any) -> None:
    answer = await shared.run("import os; _ = os.system('echo out; echo err >&2')")
    assert printed(answer) == (["out\n"], ["err\n"])


async def test_what_programs_print_belongs_to_the_call_that_started_them(shared: Any) -> None:
    answers = [await shared.run(f"import os; _ = os.system('echo {number}')") for number in range(30)]
    assert [printed(answer)[0] for answer in answers] == [[f"{number}\n"] for number in range(30)]


async def test_a_letter_that_a_program_prints_in_two_parts_is_whole(shared: Any) -> None:
    answer = await shared.run(r"import os, time; _ = os.write(1, b'\xc3'); time.sleep(0.05); _ = os.write(1, b'\xbc')")
    assert printed(answer) == (["\u00fc"], [])


async def test_a_program_that_prints_for_ever_does_not_hold_up_the_call(fresh: Any) -> None:
    answer = await fresh.run("import subprocess; p = subprocess.Popen('yes')")
    ended = await fresh.run("p.kill(); p.wait()")
    assert (told(answer), told(ended)) == ("", "")


async def test_text_that_utf_8_cannot_hold_does_not_break_the_call(shared: Any) -> None:
    answer = await shared.run(r"print('a\ud800b')")
    assert answer["logs"]["stdout"] == ["a?b\n"]


async def test_code_that_utf_8_cannot_hold_is_an_error_like_any_other(shared: Any) -> None:
    answer = await shared.run("x = '\ud800'")
    assert "UnicodeEncodeError" in told(answer)
    assert await shared.value("1") == "1"


async def test_calls_are_counted(fresh: Any) -> None:
    assert [(await fresh.run("1"))["execution_count"] for _ in range(3)] == [1, 2, 3]


async def test_code_starts_in_the_workspace(shared: Any) -> None:
    assert await shared.value("import os; os.getcwd()") == repr(shared.folder)


async def test_modules_of_the_workspace_can_be_imported(shared: Any) -> None:
    await shared.run("with open('helper_module.py', 'w') as file: _ = file.write('answer = 42')")
    assert await shared.value("import helper_module; helper_module.answer") == "42"


async def test_programs_started_by_the_code_are_not_told_to_use_colours(shared: Any) -> None:
    assert await shared.value("import os; [name for name in os.environ if 'COLOR' in name]") == "[]"


async def test_every_mime_type_reaches_the_result(shared: Any) -> None:
    answer = await shared.run(
        "from IPython.display import display\n"
        "types = ['text/plain', 'text/html', 'text/markdown', 'text/latex']\n"
        "types += ['image/svg+xml', 'image/png', 'image/jpeg']\n"
        "display({name: 'x' for name in types} | {'application/json': {'a': [1, None]},"
        " 'application/vnd.vegalite.v5+json': {'mark': 'bar'}}, raw=True)"
    )
    texts = ["text", "html", "markdown", "latex", "svg", "png", "jpeg"]
    structures = {"json": {"a": [1, None]}, "chart": {"mark": "bar"}}
    assert answer["results"] == [dict.fromkeys(texts, "x") | structures | {"is_main_result": False}]


async def test_an_updated_display_takes_the_place_of_the_first(shared: Any) -> None:
    answer = await shared.run(
        "from IPython.display import display\nhandle = display('old', display_id=True)\nhandle.update('new')"
    )
    assert answer["results"] == [{"text": "'new'", "is_main_result": False}]


async def test_a_figure_becomes_a_png_without_being_asked(shared: Any) -> None:
    pytest.importorskip("matplotlib")
    answer = await shared.run("import matplotlib.pyplot as plt\n_ = plt.plot([1, 3, 2])")
    assert [item["png"][:11] for item in answer["results"]] == ["iVBORw0KGgo"]


async def test_a_table_comes_as_html_and_as_text(shared: Any) -> None:
    pytest.importorskip("pandas")
    answer = await shared.run("import pandas; pandas.DataFrame({'a': [1]})")
    assert answer["results"][0]["text"] == "   a\n0  1"
    assert "<table" in answer["results"][0]["html"]


async def test_help_that_a_terminal_would_page_is_a_result(shared: Any) -> None:
    assert "number of items" in (await shared.run("len?"))["results"][0]["text"]


async def test_an_exception_is_told_with_name_value_and_a_plain_traceback(shared: Any) -> None:
    answer = await shared.run("def f():\n    return 1 / 0\nf()")
    rule, title, *lines = answer["error"].pop("traceback").splitlines()
    assert answer["error"] == {"name": "ZeroDivisionError", "value": "division by zero"}
    assert (set(rule), title.split()) == ({"-"}, ["ZeroDivisionError", "Traceback", "(most", "recent", "call", "last)"])
    place = f"Cell In[{answer['execution_count']}], line"
    assert lines == [
        f"{place} 3", "      1 def f():", "      2     return 1 / 0", "----> 3 f()", "",
        f"{place} 2, in f()", "      1 def f():", "----> 2     return 1 / 0", "",
        "ZeroDivisionError: division by zero",
    ]  # fmt: skip


async def test_an_exception_group_is_an_error_with_its_parts_on_standard_error(shared: Any) -> None:
    answer = await shared.run("raise ExceptionGroup('both', [KeyError('k'), OSError('o')])")
    assert told(answer) == "ExceptionGroup: both (2 sub-exceptions)"
    assert ["| KeyError: 'k'\n" in answer["logs"]["stderr"][0], "| OSError: o\n" in answer["logs"]["stderr"][0]] == [
        True, True,
    ]  # fmt: skip


async def test_an_unknown_magic_is_an_error(shared: Any) -> None:
    assert told(await shared.run("%nosuch")) == "UsageError: Line magic function `%nosuch` not found."


async def test_what_came_before_an_exception_is_kept(shared: Any) -> None:
    answer = await shared.run("print('before')\nraise KeyError('k')")
    assert answer["logs"]["stdout"] == ["before\n"]
    assert told(answer).startswith("KeyError: 'k'\n")


async def test_code_that_cannot_be_compiled_says_where(shared: Any) -> None:
    answer = await shared.run("x = 1\ny = (")
    assert told(answer).startswith("SyntaxError: ")
    assert "line 2" in told(answer)


async def test_asking_for_input_fails_at_once(shared: Any) -> None:
    answer = await shared.run("input('name? ')")
    assert told(answer).startswith("StdinNotImplementedError: ")


@pytest.mark.parametrize("code", ["import sys; sys.exit()", "raise SystemExit(0)", "exit()"])
async def test_leaving_without_a_code_is_no_error_and_keeps_the_kernel(shared: Any, code: str) -> None:
    await shared.run("before_leaving = 1")
    assert told(await shared.run(code)) == ""
    assert await shared.value("before_leaving") == "1"


async def test_leaving_with_a_code_is_an_error(shared: Any) -> None:
    assert told(await shared.run("import sys; sys.exit(3)")).startswith("SystemExit: 3")


async def test_await_works_at_the_top(shared: Any) -> None:
    assert await shared.value("import asyncio\nawait asyncio.sleep(0, 'slept')") == "'slept'"


async def test_late_output_comes_with_the_next_call(shared: Any) -> None:
    await shared.run(
        "import threading\ngo, gone = threading.Event(), threading.Event()\n"
        "def speak():\n    go.wait()\n    print('late')\n    gone.set()\n"
        "threading.Thread(target=speak).start()\nthreading.Timer(0.05, go.set).start()"
    )
    first = await shared.run("_ = gone.wait(9)")
    second = await shared.run("pass")
    assert first["logs"]["stdout"] + second["logs"]["stdout"] == ["late\n"]


async def test_no_history_is_written(fresh: Any) -> None:
    assert await fresh.value("get_ipython().history_manager.enabled") == "False"


async def test_overlapping_calls_run_one_after_the_other(shared: Any) -> None:
    await shared.run("order = []")
    code = "import time\norder.append('{0} in')\ntime.sleep(0.02)\norder.append('{0} out')"
    await asyncio.gather(*(shared.run(code.format(name)) for name in "abc"))
    assert await shared.value("order") == "['a in', 'a out', 'b in', 'b out', 'c in', 'c out']"


async def test_new_variables_of_the_environment_reach_a_running_kernel(fresh: Any) -> None:
    await fresh.run("import os")
    await fresh.kernels.set_env({"GREETING": 'it\'s "grüß" \\n'})
    assert await fresh.value("os.environ['GREETING']") == repr('it\'s "grüß" \\n')


class Meanwhile(ChildSpawner):
    """Something happens when a program has its environment and nobody has the program yet."""

    kernels: Kernels

    async def spawn(
        self, argv: Sequence[str], *, cwd: str | None = None, env: Mapping[str, str] | None = None
    ) -> ChildProcess:
        process = await super().spawn(argv, cwd=cwd, env=env)
        await self.kernels.set_env({"CHANGED": "new", "ADDED": "too"})
        return process


@pytest.mark.parametrize("before", [{"CHANGED": "old", "KEPT": "as it was"}, {}])
async def test_variables_set_while_the_interpreter_starts_reach_its_first_call(
    folder: str, before: dict[str, str]
) -> None:
    spawner = Meanwhile(folder)
    spawner.kernels = Kernels(spawner, cwd=folder, env=before)
    answer = await spawner.kernels.execute("python", "import os; [os.getenv(x) for x in ('CHANGED', 'ADDED', 'KEPT')]")
    await spawner.kernels.close()
    assert (answer["execution_count"], answer["results"][0]["text"]) == (1, repr(["new", "too", before.get("KEPT")]))


async def test_the_environment_survives_a_new_kernel(fresh: Any) -> None:
    await fresh.kernels.set_env({"EARLY": "1"})
    await fresh.run("1")
    await fresh.kernels.set_env({"LATE": "2"})
    await fresh.run("import os; os._exit(0)")
    assert await fresh.value("import os; os.environ['EARLY'] + os.environ['LATE']") == "'12'"


@pytest.mark.parametrize("values", [{"": "x"}, {"A=B": "x"}, {"A": "x\0"}])
async def test_a_variable_that_no_system_can_hold_is_refused(shared: Any, values: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="not a usable environment variable"):
        await shared.kernels.set_env(values)


@pytest.mark.parametrize("language", ["cobol", ""])
async def test_a_language_that_is_not_served_is_refused_by_name(shared: Any, language: str) -> None:
    with pytest.raises(UnsupportedLanguage) as refusal:
        await shared.run("1", language)
    served = "'python', 'javascript', 'bash', 'java' and 'r'"
    assert str(refusal.value) == f"Unsupported language: {language}. This runtime runs {served}."


@pytest.mark.parametrize("language", ["py", " Python3 "])
async def test_short_names_mean_the_same_kernel(shared: Any, language: str) -> None:
    await shared.run("named = 1", language)
    assert await shared.value("named") == "1"
