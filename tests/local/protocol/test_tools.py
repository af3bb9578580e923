"""Each tool that is served, by both routes, held against its page in the catalogue; one without a row fails."""

from __future__ import annotations

import asyncio
import io
import json
import re
import time
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from agentbay_local.service.images import FAMILIES
from agentbay_local.tools.registry import TOOLS, tool_list
from tests.catalogue import TOOLS as PAGES
from tests.local.code.languages import need
from tests.local.protocol.rows import World
from tests.local.protocol.uses import BEYOND, ELSEWHERE, TOOL_ROWS, UNUSED, Use
from tests.local.service.api import Api

Said = tuple[str, bool]
Ask = Callable[[Api, dict[str, Any], str, Any], Awaitable[Said]]

PRINTING = {
    "python": "print(6 * 7)",
    "javascript": "console.log(6 * 7)",
    "bash": "echo $((6 * 7))",
    "java": "System.out.println(6 * 7)",
    "r": "cat(6 * 7, fill = TRUE)",
}
OFFERED = sorted(name for name, tool in TOOLS.items() if set(tool.images) & set(FAMILIES))
GOOD = [name for name in OFFERED if name not in ELSEWHERE]
FITTING = {"string": "x", "integer": 1, "number": 0.5, "boolean": True, "array": [], "object": {}}
OF_ANOTHER_TYPE: dict[str, Any] = dict.fromkeys(("string", "array", "object"), 5)
OF_ANOTHER_TYPE |= dict.fromkeys(("integer", "number", "boolean"), "soon")


async def by_rpc(api: Api, made: dict[str, Any], name: str, args: Any) -> Said:
    """The text, and whether it says that the tool failed, from a call by the action."""
    answer = await api.call("CallMcpTool", SessionId=made["SessionId"], Name=name, Args=json.dumps(args), Server="")
    assert answer.verdict == (200, "ok"), answer.body
    return only(json.loads(answer.data))


async def by_link(api: Api, made: dict[str, Any], name: str, args: Any) -> Said:
    """The same from a call by the session's direct link."""
    body = {"args": args, "server": TOOLS[name].server, "requestId": "link-1-000000001", "tool": name}
    data = io.BytesIO(json.dumps(body | {"token": made["Token"]}).encode())
    headers = {"X-Access-Token": made["Token"], "Content-Type": "application/json"}
    answer = await api.post(f"/link/{made['SessionId']}/callTool", data=data, headers=headers)
    assert (answer.status, answer.body.keys()) == (200, {"data", "requestId"}), answer.body
    told = json.loads(answer.body["data"])
    assert told.keys() == {"result"}
    return only(told["result"])


def only(result: dict[str, Any]) -> Said:
    """A result has exactly this form, with a text that is not empty."""
    [item] = result["content"]
    assert (result.keys(), item.keys(), item["type"]) == ({"content", "isError"}, {"type", "text"}, "text")
    assert isinstance(result["isError"], bool)
    assert item["text"]
    return item["text"], result["isError"]


ROUTES = {"rpc": by_rpc, "link": by_link}
both_routes = pytest.mark.parametrize("ask", ROUTES.values(), ids=ROUTES)


async def ready(world: World, use: Use) -> tuple[dict[str, Any], dict[str, Any]]:
    """A session in which all is there for a call, and the call's arguments."""
    made = await (world.shared(use.shared) if use.shared else world.api.create(ImageId=use.image))
    await world.api.shell(made["SessionId"], use.before)
    return made, {**use.args, **(await use.more(world, made["SessionId"]) if use.more else {})}


def arguments(*, required: bool) -> list[tuple[str, str]]:
    """Arguments by tool, as the tool itself announces them."""
    return [
        (name, argument.name)
        for name in OFFERED
        for argument in TOOLS[name].arguments
        if argument.required or not required
    ]


def image_of(name: str) -> str:
    return next(image for image in FAMILIES if image in TOOLS[name].images)


def test_every_served_tool_has_a_row() -> None:
    assert (set(OFFERED) ^ (set(TOOL_ROWS) | ELSEWHERE), set(OFFERED) - set(PAGES)) == (set(), set())


@pytest.mark.parametrize("image", sorted(FAMILIES))
def test_an_image_offers_its_tools_with_the_servers_and_arguments_of_the_catalogue(image: str) -> None:
    for entry in tool_list(image):
        page, schema = PAGES[entry["name"]], entry["inputSchema"]
        server = page["server"].removesuffix(" (inferred)")
        assert (entry["server"], entry["tool"], image in page["images"]) == (server, entry["name"], True)
        kinds = {name: part["type"] for name, part in schema["properties"].items()}
        wanted = {name: re.split(r"\W", arg["type"])[0] for name, arg in page["args"].items()}
        beyond, unused = BEYOND.get(entry["name"], set()), UNUSED.get(entry["name"], set())
        assert (entry["name"], kinds.keys() - wanted.keys()) == (entry["name"], beyond)
        assert (entry["name"], wanted.keys() - kinds.keys()) == (entry["name"], unused)
        assert (entry["name"], kinds) == (entry["name"], {name: wanted.get(name, kinds[name]) for name in kinds})
        # What the catalogue calls required may have a default here, never the other way round.
        needed = {name for name, arg in page["args"].items() if arg["required"]}
        assert (entry["name"], set(schema["required"]) - needed) == (entry["name"], set())


@both_routes
@pytest.mark.parametrize("name", GOOD)
async def test_a_good_call_is_answered_in_the_form_of_the_catalogue(world: World, name: str, ask: Ask) -> None:
    use, page = TOOL_ROWS[name], PAGES[name]
    made, args = await ready(world, use)
    text, failed = await ask(world.api, made, name, {**args, "unheard_of": [1]})
    assert not failed, text
    if page["result"] == "json":
        assert type(json.loads(text)) is type(page["result_example"])
    if page["result"] == "key_value_text":
        wanted = {line.partition(":")[0] for line in page["result_example"].splitlines()}
        assert wanted - {line.partition(":")[0] for line in text.splitlines()} == set()
    if page["result"] == "json_or_text":
        shapes = (page["result_example"], *(each for each in page["result_alternatives"] if isinstance(each, dict)))
        assert json.loads(text).keys() in [shape.keys() for shape in shapes]


@both_routes
async def test_an_argument_that_is_missing_or_of_the_wrong_type_is_named(world: World, ask: Ask) -> None:
    made = {image: await world.api.create(ImageId=image) for image in FAMILIES}
    for name, argument in arguments(required=True):
        text, failed = await ask(world.api, made[image_of(name)], name, without(name, argument))
        assert (name, argument, failed, f"{argument} is required" in text) == (name, argument, True, True), text
    for name, argument in arguments(required=False):
        kind = next(each.kind.schema["type"] for each in TOOLS[name].arguments if each.name == argument)
        args = without(name, argument) | {argument: OF_ANOTHER_TYPE[kind]}
        text, failed = await ask(world.api, made[image_of(name)], name, args)
        assert (name, argument, failed, f" {argument} must be " in text) == (name, argument, True, True), text
        assert text.startswith(f"Execution failed. Error code:-32602 Error message: Invalid arguments for tool {name}")


def without(name: str, argument: str) -> dict[str, Any]:
    """Good arguments but for one."""
    needed = {each.name: FITTING[each.kind.schema["type"]] for each in TOOLS[name].arguments if each.required}
    given = {**needed, **(TOOL_ROWS[name].args if name in TOOL_ROWS else {})}
    return {key: value for key, value in given.items() if key != argument}


@pytest.mark.parametrize("args", [None, [], "text", 5, True])
@both_routes
async def test_arguments_that_are_no_object_are_refused(world: World, ask: Ask, args: Any) -> None:
    made = await world.api.create()
    with pytest.raises(AssertionError, match="InvalidParameter"):
        await ask(world.api, made, "shell", args)


@both_routes
async def test_a_tool_of_another_image_is_an_error_result(world: World, ask: Ask) -> None:
    made = await world.api.create()
    text, failed = await ask(world.api, made, "run_code", {"code": "1", "language": "python"})
    assert (failed, "Tool run_code is not offered by image linux_latest" in text) == (True, True)


@both_routes
async def test_a_command_ends_at_its_deadline(world: World, ask: Ask) -> None:
    made = await world.api.create()
    begun = time.monotonic()
    text, failed = await ask(world.api, made, "shell", {"command": "echo so far; sleep 30", "timeout_ms": 200})
    assert (text, failed) == ("Execution failed. Error code:-1 Error message: [timeout]\nso far\n", True)
    assert time.monotonic() - begun < 15
    assert (await ask(world.api, made, "shell", {"command": "echo on", "timeout_ms": 5000}))[1] is False


@both_routes
async def test_code_ends_at_its_deadline_and_the_next_runs(world: World, ask: Ask) -> None:
    made = await world.api.create(ImageId="code_latest")
    code = {"code": "import time; time.sleep(30)", "language": "python", "timeout_s": 1}
    late, _ = await ask(world.api, made, "run_code", code)
    assert json.loads(late)["isError"] is True
    fine, _ = await ask(world.api, made, "run_code", {"code": "print(6 * 7)", "language": "python", "timeout_s": 30})
    assert json.loads(fine)["logs"]["stdout"] == ["42\n"]


@pytest.mark.slow
@both_routes
async def test_languages_run_side_by_side_and_answer_in_one_form(world: World, ask: Ask) -> None:
    made = await world.api.create(ImageId="code_latest")
    for language in PRINTING:
        need(language)

    async def run(language: str) -> dict[str, Any]:
        args = {"code": PRINTING[language], "language": language, "timeout_s": 30}
        text, failed = await ask(world.api, made, "run_code", args)
        assert not failed
        answer: dict[str, Any] = json.loads(text)
        return answer

    for answer in await asyncio.gather(*map(run, PRINTING)):
        assert answer.pop("execution_time") > 0
        printed = {"stdout": ["42\n"], "stderr": []}
        assert answer == {"logs": printed, "results": [], "error": None, "execution_count": 1, "isError": False}


@both_routes
@pytest.mark.parametrize("value", [0, -1, 10**12])
async def test_a_deadline_out_of_bounds_is_refused(world: World, ask: Ask, value: int) -> None:
    made = await world.api.create(ImageId="code_latest")
    for name, argument, given in (
        ("shell", "timeout_ms", {"command": "true"}),
        ("run_code", "timeout_s", {"code": "1", "language": "python"}),
    ):
        text, failed = await ask(world.api, made, name, given | {argument: value})
        assert (failed, f"{argument} must be from 1 to " in text) == (True, True)
