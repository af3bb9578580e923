"""What JavaScript code gives back, and what stays of it."""

from __future__ import annotations

import shutil
from typing import Any

import pytest

from agentbay_local.code import Kernels
from tests.local.code.conftest import printed, told

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.skipif(shutil.which("node") is None, reason="there is no node on this machine"),
]


async def js(interpreter: Any, code: str, timeout_s: float = 30) -> dict[str, Any]:
    answer: dict[str, Any] = await interpreter.run(code, "javascript", timeout_s)
    return answer


@pytest.mark.parametrize(("code", "text"), [
    ("6 * 7", "42"), ("'a' + 'b'", "'ab'"), ("NaN", "NaN"), ("-0", "-0"), ("10n ** 20n", "100000000000000000000n"),
    ("null", "null"), ("new Map([[1, {a: 2}]])", "Map(1) { 1 => { a: 2 } }"), ("Symbol('s')", "Symbol(s)"),
    ("const round = {}; round.self = round; round", "<ref *1> { self: [Circular *1] }"),
    ("({get x() { throw 1 }})", "{ x: [Getter] }"), ("await Promise.resolve(5)", "5"), ("(async () => 6)()", "6"),
])  # fmt: skip
async def test_the_last_expression_is_shown_as_node_shows_it(shared: Any, code: str, text: str) -> None:
    assert (await js(shared, code))["results"] == [{"text": text, "is_main_result": True}]


@pytest.mark.parametrize(("code", "value"), [
    ("({a: [1, null, 'x'], b: {c: true}})", {"a": [1, None, "x"], "b": {"c": True}}), ("{a: 1}", {"a": 1}),
    ("[1, [2]]", [1, [2]]), ("JSON.parse('{\"deep\": [{}]}')", {"deep": [{}]}),
])  # fmt: skip
async def test_plain_data_comes_as_json_too(shared: Any, code: str, value: object) -> None:
    assert (await js(shared, code))["results"][0]["json"] == value


@pytest.mark.parametrize("code", ["undefined", "let x1 = 1", "function f1() {}", "class C1 {}", "", "// nothing"])
async def test_there_is_no_result_without_a_value(shared: Any, code: str) -> None:
    answer = await js(shared, code)
    assert (answer["results"], told(answer)) == ([], "")


@pytest.mark.parametrize("kind", ["const", "let", "var"])
async def test_names_stay_and_can_be_declared_again(shared: Any, kind: str) -> None:
    name = f"again_{kind}"
    await js(shared, f"{kind} {name} = 1")
    await js(shared, f"{kind} {name} = 2; function of_{name}() {{ return {name} }}")
    assert await shared.value(f"of_{name}()", "javascript") == "2"


async def test_classes_can_be_declared_again(shared: Any) -> None:
    await js(shared, "class Shape { sides = 3 }")
    await js(shared, "class Shape { sides = 4 }")
    assert await shared.value("new Shape().sides", "javascript") == "4"


async def test_names_of_node_modules_are_free_for_use(shared: Any) -> None:
    assert await shared.value("const fs = require('fs'); typeof fs.readFileSync", "javascript") == "'function'"


async def test_await_works_at_the_top_and_its_names_stay(shared: Any) -> None:
    await js(shared, "const waited = await new Promise((done) => setTimeout(done, 10, 'ok'))")
    assert await shared.value("waited", "javascript") == "'ok'"


async def test_console_writes_to_both_streams_in_order(shared: Any) -> None:
    answer = await js(shared, "console.log('grüße', {a: 1}); console.error('oh'); process.stdout.write('🎈\\n'); 1")
    assert printed(answer) == (["grüße { a: 1 }\n🎈\n"], ["oh\n"])


async def test_programs_started_by_the_code_print_to_the_same_streams(shared: Any) -> None:
    answer = await js(shared, "require('child_process').execSync('echo child', {stdio: 'inherit'}); 1")
    assert answer["logs"]["stdout"] == ["child\n"]


async def test_a_thrown_error_is_told_with_name_message_and_stack(shared: Any) -> None:
    count = (await js(shared, "function broken() { throw new RangeError('too far') }"))["execution_count"] + 1
    answer = await js(shared, "1\nbroken()")
    assert told(answer) == (
        f"RangeError: too far\n\nRangeError: too far\n    at broken (In[{count - 1}]:1:27)\n    at In[{count}]:2:1"
    )


async def test_the_fields_of_an_error_are_kept(shared: Any) -> None:
    answer = await js(shared, "require('fs').readFileSync('/does/not/exist')")
    assert told(answer).startswith("Error: ENOENT: no such file or directory")
    assert "code: 'ENOENT'" in told(answer)
    assert "inspector" not in told(answer)


@pytest.mark.parametrize(("code", "head"), [
    ("await Promise.reject(new TypeError('no'))", "TypeError: no"), ("throw {a: 1}", "Uncaught: { a: 1 }"),
    ("Promise.reject(new Error('late'))", "Error: late"), ("JSON.parse('{')", "SyntaxError: "),
])  # fmt: skip
async def test_every_way_to_fail_is_an_error(shared: Any, code: str, head: str) -> None:
    assert told(await js(shared, code)).startswith(head)


async def test_code_that_cannot_be_compiled_says_where(shared: Any) -> None:
    answer = await js(shared, "let fine = 1\nlet = ;")
    assert told(answer).endswith(f"    at In[{answer['execution_count']}]:2:7")


async def test_the_cause_of_an_error_is_kept_without_frames_of_ours(shared: Any) -> None:
    answer = await js(shared, "throw new Error('above', {cause: new TypeError('below')})")
    place = f"In[{answer['execution_count']}]:1"
    assert answer["error"] == {
        "name": "Error",
        "value": "above",
        "traceback": f"Error: above\n    at {place}:7 {{\n  [cause]: TypeError: below\n      at {place}:34\n}}",
    }


async def test_an_unhandled_rejection_is_reported_and_not_fatal(shared: Any) -> None:
    answer = await js(shared, "Promise.reject(new Error('nobody cares')); await new Promise((r) => setTimeout(r, 20))")
    assert answer["logs"]["stderr"][0].startswith("Unhandled rejection: Error: nobody cares\n")
    assert await shared.value("1", "javascript") == "1"


async def test_an_exception_in_a_timer_is_reported_and_not_fatal(shared: Any) -> None:
    answer = await js(
        shared, "setTimeout(() => { throw new Error('tick') }, 1); await new Promise((r) => setTimeout(r, 20))"
    )
    assert answer["logs"]["stderr"][0].startswith("Uncaught exception: Error: tick\n")


@pytest.mark.parametrize(("code", "text"), [
    ("import { join as glue } from 'path'\nglue('a', 'b')", "'a/b'"),
    ("import * as paths from 'node:path'; paths.sep", "'/'"),
    ("import everything, { sep as mark } from 'path'\neverything.sep === mark", "true"),
    ("import whole, * as parts from 'path';\nwhole.sep + parts.sep", "'//'"),
    ("(await import('path')).sep", "'/'"), ("\"import x from 'y'\"", "\"import x from 'y'\""),
    ("/import('x')/.source // import('y')", "\"import('x')\""), ("`import('${1}')`", "\"import('1')\""),
    ("({import: (x) => x}).import(3)", "3"),
])  # fmt: skip
async def test_modules_can_be_imported(shared: Any, code: str, text: str) -> None:
    assert await shared.value(code, "javascript") == text


async def test_modules_of_the_workspace_can_be_required_and_imported(shared: Any) -> None:
    write = "require('fs').writeFileSync('{}', {!r})"
    await js(shared, write.format("old.js", "exports.name = 'old'"))
    await js(shared, write.format("new.mjs", "export default 'new'"))
    assert await shared.value("require('./old').name", "javascript") == "'old'"
    assert await shared.value("import fresh from './new.mjs'; fresh", "javascript") == "'new'"


async def test_an_object_can_say_how_it_is_shown(shared: Any) -> None:
    answer = await js(shared, "({[Symbol.for('Jupyter.display')]: () => ({'text/html': '<b>x</b>'})})")
    assert answer["results"][0]["html"] == "<b>x</b>"


@pytest.mark.parametrize("code", [
    "while (true) {}", "await 1; while (true) {}", "await new Promise(() => {})",
    "require('child_process').execSync('sleep 60')",
])  # fmt: skip
async def test_code_is_stopped_at_its_limit_and_its_variables_stay(shared: Any, code: str) -> None:
    await js(shared, "globalThis.mine = 7")
    answer = await js(shared, code, timeout_s=0.3)
    assert told(answer) == "TimeoutError: the code was stopped after its limit of 0.3 s; its variables were kept"
    assert await shared.value("mine", "javascript") == "7"


async def test_output_comes_while_the_code_runs(shared: Any) -> None:
    answer = await js(shared, "console.log('x'.repeat(300000)); while (true) {}", timeout_s=0.5)
    assert [len(text) for text in answer["logs"]["stdout"]] == [300001]


async def test_a_flood_of_output_is_cut_with_a_mark(fresh: Any) -> None:
    answer = await js(fresh, "for (let i = 0; i < 300; i++) console.log('x'.repeat(99999))")
    assert answer["logs"]["stdout"][0].endswith("\n[output cut: one call may send back at most 10 Mi characters]\n")
    assert (await js(fresh, "1"))["logs"]["stdout"] == []


@pytest.mark.slow
async def test_node_that_cannot_be_interrupted_any_more_is_replaced(fresh: Any) -> None:
    read = "const fs = require('fs'); const given = fs.readFileSync('/proc/self/cmdline', 'utf8').split('\\0');\n"
    answer = await js(fresh, read + "fs.closeSync(Number(given.at(-2)))\nwhile (true) {}", 0.3)
    assert "it did not react to an interrupt, so the kernel was restarted" in told(answer)
    assert await fresh.value("1", "javascript") == "1"


async def test_leaving_is_told_and_the_next_call_has_a_fresh_node(fresh: Any) -> None:
    await js(fresh, "globalThis.mine = 7")
    answer = await js(fresh, "process.exit(4)")
    assert told(answer) == (
        "KernelDied: the javascript kernel exited with code 4; "
        "its variables are gone and the next call starts with a new kernel"
    )
    assert answer["logs"]["stderr"] == []
    assert await fresh.value("typeof mine", "javascript") == "'undefined'"


async def test_new_variables_of_the_environment_reach_a_running_kernel(fresh: Any) -> None:
    await js(fresh, "1")
    await fresh.kernels.set_env({"GREETING": 'it\'s "grüß" \\n'})
    assert (await js(fresh, "console.log(process.env.GREETING)"))["logs"]["stdout"] == ['it\'s "grüß" \\n\n']


async def test_python_and_javascript_have_kernels_of_their_own(shared: Any) -> None:
    await js(shared, "globalThis.where = 'js'")
    await shared.run("where = 'py'")
    assert [await shared.value("where", "javascript"), await shared.value("where")] == ["'js'", "'py'"]


async def test_without_node_the_error_says_how_to_get_it(fresh: Any) -> None:
    fresh.spawner.env["PATH"] = "/nowhere"
    answer = await Kernels(fresh.spawner, cwd=fresh.folder).execute("js", "1")
    if not told(answer):
        pytest.skip("a wheel brings node into this environment")
    assert told(answer).startswith("NodeMissing: JavaScript needs Node.js 18 or newer")
