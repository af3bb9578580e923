"""Code: what it prints, shows and raises, and what stays of it."""

from __future__ import annotations

import base64

import pytest

from agentbay import AsyncSession, CodeError, ExecutionError
from tests._async.both.conftest import Fresh
from tests._async.both.doors import FOLDER, ended, mocked, ran, value, wrong
from tests.gateway import Said

PNG = base64.b64encode(b"\x89PNG\r\n\x1a\n").decode()


@mocked(run_code=ran("out\n", "err\n", "", value("42")))
async def test_code_tells_what_it_printed_and_its_last_value(session: AsyncSession) -> None:
    result = await session.code.run_code("import sys\nprint('out')\nprint('err', file=sys.stderr)\n6 * 7", "python")
    assert (True, "", "42") == (result.success, result.error_message, result.result)
    assert (["out\n"], ["err\n"]) == (result.logs.stdout, result.logs.stderr)
    assert [("42", True, ["text"])] == [(item.text, item.is_main_result, item.formats()) for item in result.results]
    assert result.execution_time > 0
    assert (result.execution_count or 0) > 0


@mocked(run_code=ran("only this\n"))
async def test_what_was_printed_is_the_result_of_code_without_a_value(session: AsyncSession) -> None:
    result = await session.code.run_code("print('only this')", "python")
    assert ("only this\n", []) == (result.result, result.results)


@mocked(run_code=ran('{"a": 1}\n'))
async def test_code_that_prints_json_is_no_answer_of_the_tool(session: AsyncSession) -> None:
    result = await session.code.run_code("""print('{"a": 1}')""", "python")
    assert (True, '{"a": 1}\n') == (result.success, result.result)


@pytest.mark.parametrize(
    ("language", "first", "second"),
    [("python", "both_kept = [1, 2]", "sum(both_kept)"), ("javascript", "var bothKept = [1, 2]", "bothKept[0] + 2")],
)
@mocked(run_code=[ran(), ran("", "", "", value("3"))])
async def test_variables_stay(session: AsyncSession, language: str, first: str, second: str) -> None:
    await session.code.run_code(first, language)
    assert "3" == (await session.code.run_code(second, language)).result


@pytest.mark.parametrize("name", ["python", "py", "Python3", " PYTHON "])
@mocked(run_code=ran("", "", "", value("2")))
async def test_python_has_short_names(session: AsyncSession, name: str) -> None:
    assert "2" == (await session.code.run_code("len('ab')", name)).result


@pytest.mark.parametrize("name", ["javascript", "js", "node", "NodeJS"])
@mocked(run_code=ran("2\n"))
async def test_javascript_has_short_names(session: AsyncSession, name: str) -> None:
    assert ["2\n"] == (await session.code.run_code("console.log('ab'.length)", name)).logs.stdout


@mocked(run_code=ran("", "", "", value("1")))
async def test_all_names_of_the_method_run_code(session: AsyncSession) -> None:
    for run in (session.code.run_code, session.code.run, session.code.execute):
        assert "1" == (await run("1", "python")).result


async def test_an_unknown_language_never_leaves_the_client(session: AsyncSession) -> None:
    result = await session.code.run_code("1", "cobol")
    assert (False, True) == (result.success, isinstance(result.error, CodeError))
    assert result.error_message.startswith("Unsupported language: cobol. Supported languages are 'python', ")


RICH = """
from IPython.display import display
display({"text/html": "<b>x</b>", "text/markdown": "**x**", "text/latex": "$x$", "image/svg+xml": "<svg/>",
         "image/png": PNG, "image/jpeg": PNG, "application/json": {"a": [1, None]},
         "application/vnd.vegalite.v5+json": {"mark": "bar"}, "text/plain": "x"}, raw=True)
"""
SHOWN = {
    "text": "x",
    "html": "<b>x</b>",
    "markdown": "**x**",
    "latex": "$x$",
    "svg": "<svg/>",
    "png": PNG,
    "jpeg": PNG,
    "json": {"a": [1, None]},
    "chart": {"mark": "bar"},
    "is_main_result": False,
}


@mocked(run_code=ran("", "", "", SHOWN, value("'end'")))
async def test_rich_results_come_in_every_form(session: AsyncSession) -> None:
    result = await session.code.run_code(f"PNG = {PNG!r}\n{RICH}\n'end'", "python")
    shown, main = result.results
    assert ["text", "html", "markdown", "png", "jpeg", "svg", "json", "latex", "chart"] == shown.formats()
    assert ("x", "<b>x</b>", "**x**", "$x$") == (shown.text, shown.html, shown.markdown, shown.latex)
    assert (PNG, PNG, "<svg/>") == (shown.png, shown.jpeg, shown.svg)
    assert ({"a": [1, None]}, {"mark": "bar"}) == (shown.json, shown.chart)
    assert (False, True, "'end'") == (shown.is_main_result, main.is_main_result, result.result)


@mocked(run_code=ran("before\n", "", "ValueError: no good: ü\n\nCell In[1], line 2\n\nValueError: no good: ü"))
async def test_an_error_is_told_with_what_was_printed_before(session: AsyncSession) -> None:
    result = await session.code.run_code("print('before')\nraise ValueError('no good: ü')", "python")
    assert (False, ["before\n"], []) == (result.success, result.logs.stdout, result.results)
    assert isinstance(result.error, ExecutionError)
    assert ("ValueError", "no good: ü") == (result.error.name, result.error.value)
    assert ("line 2" in result.error.traceback, "ValueError: no good: ü") == (True, result.error.traceback[-22:])
    with pytest.raises(ExecutionError, match="ValueError: no good"):
        result.unwrap()


@mocked(run_code=[ran("", "", "SyntaxError: invalid syntax"), ran("", "", "", value("1"))])
async def test_a_syntax_error_is_an_error_like_any_other(session: AsyncSession) -> None:
    result = await session.code.run_code("def (:", "python")
    assert (False, True) == (result.success, "SyntaxError" in str(result.error))
    assert "1" == (await session.code.run_code("1", "python")).result


@mocked(run_code=ran("", "", "Error: no\n\nat line 1"))
async def test_javascript_raises_too(session: AsyncSession) -> None:
    result = await session.code.run_code("throw new Error('no')", "javascript")
    assert (False, True) == (result.success, "Error: no" in str(result.error))


@mocked(
    run_code=[
        ran(),
        ran("started\n", "", "TimeoutError: the code ran longer than 1 s"),
        ran("", "", "", value("5")),
    ]
)
async def test_code_that_takes_too_long_is_interrupted_and_its_variables_stay(session: AsyncSession) -> None:
    await session.code.run_code("both_before = 5", "python")
    late = await session.code.run_code("print('started')\nwhile True: pass", "python", timeout_s=1)
    assert (False, ["started\n"], True) == (late.success, late.logs.stdout, "Timeout" in str(late.error))
    assert "5" == (await session.code.run_code("both_before", "python")).result


@mocked(
    shell=ended(),
    write_file=Said("True"),
    get_file_info=Said("size: 3\nisDirectory: false"),
    read_file="abc",
    run_code=ran(),
)
async def test_code_and_files_share_one_disk(session: AsyncSession) -> None:
    await session.file_system.write_file(f"{FOLDER}/in", "cba")
    code = f"text = open('{FOLDER}/in').read()\n_ = open('{FOLDER}/out', 'w').write(text[::-1])"
    (await session.code.run_code(code, "python")).unwrap()
    assert "abc" == (await session.file_system.read_file(f"{FOLDER}/out")).content


@mocked(run_code=ran("out\n", "err\n", "NameError: name 'nowhere' is not defined"))
async def test_callbacks_get_what_was_printed_and_raised(session: AsyncSession) -> None:
    told: list[str] = []
    code = "import sys\nprint('out')\nprint('err', file=sys.stderr)\nnowhere"
    await session.code.run_code(
        code,
        "python",
        stream_beta=True,
        on_stdout=told.append,
        on_stderr=told.append,
        on_error=lambda error: told.append(type(error).__name__),
    )
    assert ["out\n", "err\n", "ExecutionError"] == told


@mocked(run_code=wrong("Tool run_code is not offered by image linux_latest"))
async def test_an_image_without_an_interpreter_says_so(fresh: Fresh) -> None:
    session = await fresh("linux_latest")
    result = await session.code.run_code("1", "python")
    assert (False, True) == (result.success, "run_code" in result.error_message)
    assert isinstance(result.error, CodeError)
