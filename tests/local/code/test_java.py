"""What Java gives back, and what stays of it."""

from __future__ import annotations

from typing import Any

import pytest

from tests.local.code.conftest import printed, told
from tests.local.code.languages import need

pytestmark = pytest.mark.asyncio(loop_scope="module")

GONE = "; its variables are gone and the next call starts with a new kernel"
RUN = "new ProcessBuilder({}).inheritIO().start().waitFor()"


@pytest.fixture(scope="module", autouse=True)
def language() -> None:
    need("java")


async def java(interpreter: Any, code: str, timeout_s: float = 30) -> dict[str, Any]:
    answer: dict[str, Any] = await interpreter.run(code, "java", timeout_s)
    return answer


@pytest.mark.parametrize(("code", "text"), [
    ("1 + 1", "2"), ('"a" + 1;', '"a1"'), ("Stream.of(1, 2).map(n -> n * n).collect(Collectors.toList())", "[1, 4]"),
    ("int seven = 7;\n// then\nseven * 6 // the answer", "42"), ("null", "null"), ("int six = 6; six = 8", "8"),
    ("int twice(int n) {\n  return 2 * n;\n}\n\ntwice(4)", "8"), ("new int[] {1, 2}", "int[2] { 1, 2 }"),
])  # fmt: skip
async def test_the_last_expression_is_the_main_result(shared: Any, code: str, text: str) -> None:
    answer = await java(shared, code)
    assert (told(answer), answer["results"]) == ("", [{"text": text, "is_main_result": True}])


@pytest.mark.parametrize(
    "code", ["int none = 1;", "void f1() {}", "class C1 {}", "", "// nothing", "import java.time.*;"]
)
async def test_there_is_no_result_without_an_expression(shared: Any, code: str) -> None:
    answer = await java(shared, code)
    assert (told(answer), answer["results"], printed(answer)) == ("", [], ([], []))


async def test_names_stay_and_can_be_declared_again(shared: Any) -> None:
    await java(shared, "int again = 1; class Point { int x = 1, y = 2; }")
    await java(shared, 'String again = "two"; int sum(Point p) { return p.x + p.y; }')
    assert await shared.value("again + sum(new Point())", "java") == '"two3"'


async def test_both_streams_come_apart_and_unharmed(shared: Any) -> None:
    answer = await java(
        shared, 'System.out.println("grüße 你好 🎈"); System.err.println("oh"); System.out.print("end")'
    )
    assert printed(answer) == (["grüße 你好 🎈\nend"], ["oh\n"])


async def test_programs_started_by_the_code_print_to_the_same_streams(shared: Any) -> None:
    answer = await java(shared, RUN.format('"echo", "child"'))
    assert (printed(answer), answer["results"][0]["text"]) == ((["child\n"], []), "0")


async def test_an_exception_is_told_with_its_trace_and_its_cause(shared: Any) -> None:
    method = "int broken(int n) {\n  return n / 0;\n}\n\n"
    code = method + 'try { broken(1); }\ncatch (Exception e) { throw new RuntimeException("above", e); }'
    answer = await java(shared, code)
    call = f"In[{answer['execution_count']}]"
    assert answer["error"] == {
        "name": "java.lang.RuntimeException",
        "value": "above",
        "traceback": f"java.lang.RuntimeException: above\n    at {call}:6\n"
        f"Caused by: java.lang.ArithmeticException: / by zero\n    at broken({call}:2)\n    at {call}:5",
    }


async def test_code_that_cannot_be_compiled_says_where(shared: Any) -> None:
    answer = await java(shared, "int fine = 1;\n  String text = fine;\nint never = 1;")
    assert told(answer) == (
        "CompileError: incompatible types: int cannot be converted to java.lang.String\n\n"
        "CompileError: incompatible types: int cannot be converted to java.lang.String\n\n"
        f"In[{answer['execution_count']}]:2:17: incompatible types: int cannot be converted to java.lang.String\n"
        "      String text = fine;\n                    ^"
    )
    assert told(await java(shared, "never")).startswith("CompileError: cannot find symbol")


@pytest.mark.parametrize(("code", "said"), [("if (true) {", "reached end of file"), ("int = ;", "In[")])
async def test_code_that_is_no_java_is_an_error(shared: Any, code: str, said: str) -> None:
    assert said in told(await java(shared, code))


async def test_what_is_still_to_be_defined_is_told(shared: Any) -> None:
    answer = await java(shared, "int early() { return late(); }\nearly()")
    assert told(answer).startswith("UnresolvedReference: early needs what is not defined yet: method late()")
    assert await shared.value("int late() { return 3; }\nearly()", "java") == "3"


@pytest.mark.parametrize("code", ["while (true) {}", "Thread.sleep(60_000)", RUN.format('"sleep", "60"')])
async def test_code_is_stopped_at_its_limit_and_its_variables_stay(shared: Any, code: str) -> None:
    await java(shared, "int mine = 7")
    answer = await java(shared, code, timeout_s=0.3)
    assert told(answer) == "TimeoutError: the code was stopped after its limit of 0.3 s; its variables were kept"
    assert await shared.value("mine", "java") == "7"


async def test_what_does_not_fit_into_memory_is_an_exception(shared: Any) -> None:
    answer = await java(shared, "long[] all = new long[Integer.MAX_VALUE];")
    assert told(answer).startswith("java.lang.OutOfMemoryError: ")


@pytest.mark.parametrize(("code", "words"), [
    ("System.exit(3)", "exited with code 3"),
    (RUN.format('"sh", "-c", "kill -9 $PPID"'), "was killed by signal 9 (Killed), perhaps for want of memory"),
])  # fmt: skip
async def test_a_machine_that_ends_is_told_and_the_next_call_has_a_fresh_one(fresh: Any, code: str, words: str) -> None:
    await java(fresh, "int mine = 7")
    assert told(await java(fresh, code)) == f"KernelDied: the java kernel {words}{GONE}"
    assert (await java(fresh, "1"))["execution_count"] == 1


@pytest.mark.slow
async def test_code_that_swallows_the_interrupt_costs_the_machine(fresh: Any) -> None:
    code = "while (true) { try { Thread.sleep(9000); } catch (Throwable t) {} }"
    assert "it did not react to an interrupt, so the kernel was restarted" in told(await java(fresh, code, 0.2))
    assert await fresh.value("1", "java") == "1"


@pytest.mark.slow
async def test_new_variables_of_the_environment_reach_the_next_machine(fresh: Any) -> None:
    await java(fresh, "1")
    await fresh.kernels.set_env({"GREETING": "grüß"})
    assert await fresh.value('System.getenv("GREETING")', "java") == "null"
    await java(fresh, "System.exit(0)")
    assert await fresh.value('System.getenv("GREETING")', "java") == '"grüß"'


async def test_without_a_jdk_the_error_says_how_to_get_one(fresh: Any) -> None:
    fresh.spawner.env["PATH"] = "/nowhere"
    answer = await java(fresh, "1")
    assert told(answer) == (
        "JavaMissing: Java needs a JDK, version 11 or newer, and no `jshell` was found. "
        "Install one (`apt install default-jdk-headless`), then open a new session."
    )
