"""Code: every form in which its tool answers, languages, and what callbacks hear."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from agentbay import (
    AgentBayError,
    AsyncSession,
    CodeError,
    CodeExecutionResult,
    EnhancedCodeExecutionResult,
    ExecutionError,
    ExecutionLogs,
)
from tests.gateway import REQUEST_ID, Gateway, Said


def ran(**own: Any) -> EnhancedCodeExecutionResult:
    return EnhancedCodeExecutionResult(**{"request_id": REQUEST_ID, "success": True} | own)


MIMES = {
    "text/plain": "t",
    "text/html": "<b>",
    "text/markdown": "# m",
    "image/png": "cG5n",
    "image/jpeg": "anBn",
    "image/svg+xml": "<svg>",
    "application/json": {"a": 1},
    "text/latex": "$x$",
    "application/vnd.vegalite.v5+json": {"mark": "bar"},
    "isMainResult": True,
    "application/x-new": "passed over",
}
EVERYTHING = CodeExecutionResult(
    "t", "<b>", "# m", "cG5n", "anBn", "<svg>", {"a": 1}, "$x$", {"mark": "bar"}, is_main_result=True
)
TEXT = CodeExecutionResult("plain words")

RUNS: dict[str, tuple[Any, EnhancedCodeExecutionResult]] = {
    "results as text": ({"result": [json.dumps(MIMES)]}, ran(results=[EVERYTHING])),
    "results as text in text": ({"result": [json.dumps(json.dumps(MIMES))]}, ran(results=[EVERYTHING])),
    "results as objects": ({"result": [MIMES, {"text": "a"}]}, ran(results=[EVERYTHING, CodeExecutionResult("a")])),
    "plain results": ({"result": ["plain words", 7]}, ran(results=[TEXT, CodeExecutionResult("7")])),
    "older charts": (
        {"result": [{"application/vnd.vegalite.v4+json": {"v": 4}}]},
        ran(results=[CodeExecutionResult(chart={"v": 4})]),
    ),
    "prints and counts": (
        {"result": [], "stdout": ["a", "b"], "stderr": ["c"], "execution_count": 3, "execution_time": 2},
        ran(logs=ExecutionLogs(["a", "b"], ["c"]), execution_count=3, execution_time=2.0),
    ),
    "odd prints and counts": (
        {"result": [], "stdout": "a", "stderr": None, "execution_count": True, "execution_time": "2"},
        ran(),
    ),
    "executionError": ({"executionError": "division by zero", "result": []}, ran(success=False)),
    "isError": ({"result": [], "isError": True}, ran(success=False)),
    "nested": (
        {
            "logs": {"stdout": ["a"], "stderr": ["b"]},
            "results": [{"text": "42", "is_main_result": True}],
            "error": None,
            "execution_count": 1,
            "execution_time": 1.5,
            "isError": False,
        },
        ran(
            logs=ExecutionLogs(["a"], ["b"]),
            results=[CodeExecutionResult("42", is_main_result=True)],
            execution_count=1,
            execution_time=1.5,
        ),
    ),
    "nested, logs alone": ({"logs": {"stdout": ["a"]}}, ran(logs=ExecutionLogs(["a"], []))),
    "nested, odd": ({"logs": [], "results": "x", "error": "y"}, ran()),
    "nested, raised": (
        {"results": [], "error": {"name": "NameError", "value": "x", "traceback": "tb"}},
        ran(success=False),
    ),
    "nested, isError": ({"logs": {}, "isError": True}, ran(success=False)),
}


@pytest.mark.parametrize(("said", "expected"), RUNS.values(), ids=list(RUNS))
async def test_code_runs(
    session: AsyncSession, gateway: Gateway, said: Any, expected: EnhancedCodeExecutionResult
) -> None:
    gateway.on("run_code", Said(json.dumps(said)))

    result = await session.code.run_code("x", "python")

    assert result == expected
    assert (result.error is None, result.error_message) == (expected.success, "")


RAISED: list[tuple[Any, tuple[str, str, str]]] = [
    ({"executionError": "by zero", "result": []}, ("ExecutionError", "by zero", "")),
    ({"results": [], "error": {"name": "E", "value": "v", "traceback": "t"}}, ("E", "v", "t")),
    ({"results": [], "error": {"name": None, "value": "v"}}, ("", "v", "")),
]


@pytest.mark.parametrize(("said", "expected"), RAISED, ids=range(3))
async def test_what_the_code_raised_is_known(
    session: AsyncSession, gateway: Gateway, said: Any, expected: tuple[str, str, str]
) -> None:
    gateway.on("run_code", Said(json.dumps(said)))

    result = await session.code.run_code("1/0", "python")

    with pytest.raises(ExecutionError) as caught:
        result.unwrap()
    error = caught.value
    assert (error.name, error.value, error.traceback) == expected
    assert error.message == (f"{expected[0]}: {expected[1]}" if expected[0] else expected[1])
    assert (error.action, error.request_id) == ("run_code", REQUEST_ID)


@pytest.mark.parametrize("text", ["hello\n", "[1, 2]", "7", '"words"', ""])
async def test_any_other_text_is_the_output_and_the_result(session: AsyncSession, gateway: Gateway, text: str) -> None:
    gateway.on("run_code", Said(text))

    result = await session.code.run_code("x", "js")

    lone = CodeExecutionResult(text, is_main_result=True)
    assert result == ran(logs=ExecutionLogs([text]), results=[lone])
    assert result.result == text


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{}", "AgentBay error: No data field in response"),
        ('{"printed": 1}', "AgentBay error: Unknown response format"),
    ],
)
async def test_an_object_of_no_known_form_is_a_failure(
    session: AsyncSession, gateway: Gateway, text: str, message: str
) -> None:
    gateway.on("run_code", Said(text))

    result = await session.code.run_code("x", "java")

    assert result == ran(success=False, error_message=message)
    assert type(result.error) is CodeError


@pytest.mark.parametrize(("text", "message"), [("killed", "killed"), ("", "Failed to run code")])
async def test_a_code_tool_that_fails_says_why(
    session: AsyncSession, gateway: Gateway, text: str, message: str
) -> None:
    gateway.on("run_code", Said(text, failed=True))

    result = await session.code.run_code("x", "r")

    assert result == ran(success=False, error_message=message)
    assert type(result.error) is CodeError


RESULTS: list[tuple[list[dict[str, Any]], list[str], str]] = [
    ([{"text": "a"}, {"text": "b", "is_main_result": True}], ["o"], "b"),
    ([{"text": "a"}, {"html": "b", "is_main_result": True}], ["o"], "a"),
    ([{"html": "b"}], ["o", "p"], "op"),
    ([], ["o", "p"], "op"),
    ([], [], ""),
]


@pytest.mark.parametrize(("results", "stdout", "expected"), RESULTS, ids=range(len(RESULTS)))
async def test_the_result_in_one_text(
    session: AsyncSession, gateway: Gateway, results: list[dict[str, Any]], stdout: list[str], expected: str
) -> None:
    gateway.on("run_code", Said(json.dumps({"results": results, "logs": {"stdout": stdout}})))

    assert (await session.code.run("x", "py")).result == expected


def test_a_result_names_its_forms() -> None:
    assert EVERYTHING.formats() == "text html markdown png jpeg svg json latex chart".split()
    assert CodeExecutionResult(png="x").formats() == ["png"]


LANGUAGES = {
    "python": "python py python3 PYTHON",
    "javascript": "javascript js node nodejs JS",
    "r": "r R",
    "java": "java",
    "bash": "bash sh Shell",
}


@pytest.mark.parametrize(("sent", "names"), LANGUAGES.items())
async def test_languages_have_short_names(session: AsyncSession, gateway: Gateway, sent: str, names: str) -> None:
    gateway.on("run_code", Said("x"))

    for name in names.split():
        await session.code.execute("x", f" {name}\n")

    assert {request.args["language"] for request in gateway.requests} == {sent}


@pytest.mark.parametrize("language", ["cobol", "", "pythön"])
async def test_a_language_that_is_not_offered_is_a_failure_without_a_request(
    session: AsyncSession, gateway: Gateway, language: str
) -> None:
    result = await session.code.run_code("x", language)

    offered = "Supported languages are 'python', 'javascript', 'r', and 'java'"
    message = f"Unsupported language: {language}. {offered}"
    assert result == EnhancedCodeExecutionResult(success=False, error_message=message)
    assert (type(result.error), gateway.requests) == (CodeError, [])


PRINTED = {"logs": {"stdout": ["a", "b"], "stderr": ["c"]}, "error": {"name": "E", "value": "v", "traceback": ""}}


async def test_callbacks_get_what_was_printed_and_raised(session: AsyncSession, gateway: Gateway) -> None:
    gateway.on("run_code", Said(json.dumps(PRINTED)))
    heard: list[Any] = []
    errors: list[AgentBayError] = []

    result = await session.code.run_code("x", "py", 60, True, heard.append, heard.append, errors.append)

    assert (heard, errors) == (["a", "b", "c"], [result.error])


@pytest.mark.parametrize("listeners", [(None, None, None), ([].append, None, None)])
async def test_callbacks_may_be_left_out(
    session: AsyncSession, gateway: Gateway, listeners: tuple[Callable[..., Any] | None, ...]
) -> None:
    gateway.on("run_code", Said(json.dumps(PRINTED)))

    result = await session.code.run_code("x", "py", 60, True, *listeners)

    assert result.logs.stdout == ["a", "b"]


async def test_callbacks_are_silent_without_the_flag_and_without_an_error(
    session: AsyncSession, gateway: Gateway
) -> None:
    gateway.on("run_code", Said(json.dumps({"logs": {"stdout": ["a"]}})))
    heard: list[Any] = []

    await session.code.run_code("x", "py", on_stdout=heard.append)
    await session.code.run_code("x", "py", stream_beta=True, on_error=heard.append)

    assert heard == []
