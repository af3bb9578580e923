"""What R gives back by its Jupyter kernel, and what kernels that are installed may be like."""

from __future__ import annotations

from typing import Any

import pytest

from tests.local.code.conftest import printed, told
from tests.local.code.languages import need

pytestmark = pytest.mark.asyncio(loop_scope="module")

GONE = "; its variables are gone and the next call starts with a new kernel"


@pytest.fixture(scope="module", autouse=True)
def language() -> None:
    need("r")


async def r(interpreter: Any, code: str, timeout_s: float = 30) -> dict[str, Any]:
    answer: dict[str, Any] = await interpreter.run(code, "r", timeout_s)
    return answer


async def test_the_last_value_is_the_main_result_in_all_its_forms(shared: Any) -> None:
    first, last = (await r(shared, "1 + 1\nx <- 3\nx * 2"))["results"]
    forms = ("text", "html", "markdown", "latex", "is_main_result")
    assert [first[form] for form in forms] == ["[1] 2", "2", "2", "2", False]
    assert [last[form] for form in forms] == ["[1] 6", "6", "6", "6", True]


async def test_what_something_printed_follows_is_not_the_main_result(shared: Any) -> None:
    answer = await r(shared, "1\ncat('after')")
    assert ([item["is_main_result"] for item in answer["results"]], printed(answer)) == ([False], (["after"], []))


async def test_a_plot_becomes_a_png(shared: Any) -> None:
    plot, value = sorted((await r(shared, "plot(1:3)\n2"))["results"], key=lambda item: item["is_main_result"])
    assert (plot["png"][:11], value["text"]) == ("iVBORw0KGgo", "[1] 2")


async def test_a_table_comes_as_html_and_as_text(shared: Any) -> None:
    (table,) = (await r(shared, "data.frame(a = 1:2)"))["results"]
    assert ("<table" in table["html"], table["text"]) == (True, "  a\n1 1\n2 2")


async def test_variables_stay(shared: Any) -> None:
    await r(shared, "kept <- c(1, 2)")
    assert await shared.value("sum(kept)", "r") == "[1] 3"


async def test_both_streams_come_apart_also_from_programs(shared: Any) -> None:
    answer = await r(shared, "cat('grüße 你好\\n'); message('oh'); invisible(system('echo child; echo cry >&2'))")
    out, err = ("".join(texts) for texts in printed(answer))
    assert (sorted(out.split()), sorted(err.split())) == (["child", "grüße", "你好"], ["cry", "oh"])


async def test_an_error_is_told_with_its_trace(shared: Any) -> None:
    answer = await r(shared, "f <- function() stop('no good')\ncat('before')\nf()")
    assert (answer["error"]["name"], answer["error"]["value"]) == ("Error", "Error in f(): no good")
    assert ("1. f()" in answer["error"]["traceback"], printed(answer)[0]) == (True, ["before"])


@pytest.mark.parametrize("code", ["repeat {}", "Sys.sleep(60)"])
async def test_code_is_stopped_at_its_limit_and_its_variables_stay(shared: Any, code: str) -> None:
    await r(shared, "mine <- 7")
    answer = await r(shared, code, timeout_s=0.3)
    assert told(answer) == "TimeoutError: the code was stopped after its limit of 0.3 s; its variables were kept"
    assert await shared.value("mine", "r") == "[1] 7"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("signal", "words"), [(9, "(Killed), perhaps for want of memory"), (11, "(Segmentation fault)")]
)
async def test_a_kernel_that_dies_is_told_and_the_next_call_has_a_fresh_one(
    fresh: Any, signal: int, words: str
) -> None:
    await r(fresh, "mine <- 7")
    answer = await r(fresh, f"tools::pskill(Sys.getpid(), {signal}); Sys.sleep(9)")
    assert told(answer) == f"KernelDied: the r kernel was killed by signal {signal} {words}{GONE}"
    answer = await r(fresh, "exists('mine')")
    assert (answer["execution_count"], answer["results"][0]["text"]) == (1, "[1] FALSE")


async def test_new_variables_of_the_environment_reach_a_running_kernel(shared: Any) -> None:
    await r(shared, "1")
    await shared.kernels.set_env({"GREETING": 'it\'s "grüß" \\n'})
    assert printed(await r(shared, "cat(Sys.getenv('GREETING'))"))[0] == ['it\'s "grüß" \\n']
