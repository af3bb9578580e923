"""The page operator: every tool's complete request by both routes, the catalogue's answers, and the faults of tasks."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from math import inf
from typing import Any

import pytest
from attrs import define, evolve, field, frozen

from agentbay import (
    ActOptions,
    ActResult,
    AgentBayError,
    AsyncAgentBay,
    AsyncSession,
    AuthenticationError,
    BrowserError,
    BrowserPageError,
    BrowserTimeoutError,
    ClientClosedError,
    ExtractOptions,
    NotFoundError,
    ObserveOptions,
    ObserveResult,
    SessionError,
)
from agentbay._async import browser_operator as module
from tests._async.browser_pages import AsyncFakePage
from tests.catalogue import TOOLS, check_action, check_args, example, example_text
from tests.gateway import GONE, REQUEST_ID, SESSION_ID, Answer, Gateway, Received, Said, raw, refusal
from tests.scripted import Peer, Server

OPERATOR = [name for name, tool in TOOLS.items() if name.startswith("page_use_") and not tool.get("legacy")]
SERVER = "wuying_browseruse"
FOUND = ObserveResult("xpath=/html/body/button[1]", "Search button", "click", {})
CONFIG = '{"api_key": "canary-login", "skill_id": "s"}'


@define
class Title:
    """A page's title."""

    title: str


@define
class Offer:
    name: str
    price: float
    parts: list[Title] = field(factory=list)


class Model:
    """What pydantic's models have."""

    def __init__(self, title: str) -> None:
        self.title = title

    @classmethod
    def model_json_schema(cls) -> dict[str, Any]:
        return {"type": "object", "properties": {"title": {"type": "string"}}}

    @classmethod
    def model_validate(cls, value: Any) -> Model:
        if not isinstance(value, dict) or not isinstance(value.get("title"), str):
            raise ValueError("title: a string is wanted")  # noqa: TRY004  (as pydantic does)
        return cls(value["title"])


@pytest.fixture(autouse=True)
def quickly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "INTERVAL", 0.01)


async def begin(session: AsyncSession, gateway: Gateway) -> AsyncSession:
    """Starts the browser, and lets every tool of the operator say what the catalogue shows."""
    gateway.on("InitBrowser", example("InitBrowser"))
    for tool in OPERATOR:
        gateway.on(tool, Said(example_text(tool)))
        session.tool_servers[tool] = SERVER
    await session.browser.initialize()
    gateway.requests.clear()
    return session


@pytest.fixture
async def running(session: AsyncSession, gateway: Gateway) -> AsyncSession:
    return await begin(session, gateway)


@pytest.fixture
async def by_both(either: AsyncSession, gateway: Gateway) -> AsyncSession:
    return await begin(either, gateway)


def told(request: Received) -> tuple[str, dict[str, Any]]:
    """The tool and the arguments that do not differ from call to call."""
    args = dict(request.args)
    if "trace_id" in TOOLS[request.name]["args"]:
        assert re.fullmatch("[0-9a-f]{32}", args.pop("trace_id"))
    return request.name, args


# --- The wire ---------------------------------------------------------------------------------------------------------


@frozen
class Row:
    """A public call, the tools that it runs with their arguments, and the result."""

    call: Callable[[AsyncSession], Any]
    sent: list[tuple[str, dict[str, Any]]]
    result: Any


def observed(**more: Any) -> Row:
    asked = {"context_id": 0, "instruction": "find é"} | more
    return Row(
        lambda session: session.browser.operator.observe(ObserveOptions("find é", **more)),
        [("page_use_observe_async", asked), ("page_use_get_observe_result", {"task_id": "task-2"})],
        (True, [FOUND]),
    )


def extracted(schema: Any, field_schema: dict[str, Any], result: Any, **more: Any) -> Row:
    asked = {"context_id": 0, "instruction": "the title", "field_schema": f"schema: {json.dumps(field_schema)}"}
    options = ExtractOptions("the title", schema, **more)
    return Row(
        lambda session: session.browser.operator.extract(options),
        [
            ("page_use_extract_async", asked | {"max_page": 1} | more),
            ("page_use_get_extract_result", {"task_id": "task-3"}),
        ],
        (True, result),
    )


TITLE = {
    "title": "Title",
    "type": "object",
    "description": "A page's title.",
    "properties": {"title": {"type": "string"}},
    "required": ["title"],
}
ACTED = ActResult(True, '[{"action": "click"}]')

ROWS = {
    "navigate": Row(
        lambda session: session.browser.operator.navigate("https://example.com"),
        [("page_use_navigate", {"url": "https://example.com"})],
        "Navigated to https://example.com",
    ),
    "screenshot": Row(
        lambda session: session.browser.agent.screenshot(),
        [("page_use_screenshot", {"context_id": 0, "full_page": True, "quality": 80})],
        "data:image/png;base64,iVBORw0KGgo=",
    ),
    "screenshot of a part of a page": Row(
        lambda session: session.browser.operator.screenshot(
            AsyncFakePage(), False, 0, {"x": 0, "y": 1.5, "width": 2, "height": 3}, 9
        ),
        [
            (
                "page_use_screenshot",
                {
                    "context_id": 1,
                    "page_id": "target-7",
                    "full_page": False,
                    "quality": 0,
                    "clip": {"x": 0, "y": 1.5, "width": 2, "height": 3},
                    "timeout": 9,
                },
            )
        ],
        "data:image/png;base64,iVBORw0KGgo=",
    ),
    "close": Row(lambda session: session.browser.operator.close(), [("page_use_close_session", {})], True),
    "login": Row(
        lambda session: session.browser.operator.login(CONFIG, AsyncFakePage(alone=True), use_vision=True),
        [
            (
                "page_use_login",
                {"context_id": 0, "page_id": "target-7", "login_config": CONFIG, "use_vision": True},
            )
        ],
        ActResult(True, "login result text"),
    ),
    "login plain": Row(
        lambda session: session.browser.operator.login(CONFIG),
        [("page_use_login", {"context_id": 0, "login_config": CONFIG, "use_vision": False})],
        ActResult(True, "login result text"),
    ),
    "act": Row(
        lambda session: session.browser.operator.act(ActOptions("Click é", {"a": "b"}, True, 20), AsyncFakePage()),
        [
            (
                "page_use_act_async",
                {
                    "context_id": 1,
                    "page_id": "target-7",
                    "action": "Click é",
                    "variables": {"a": "b"},
                    "use_vision": True,
                    "timeout": 20,
                },
            ),
            ("page_use_get_act_result", {"task_id": "task-1"}),
        ],
        ACTED,
    ),
    "act plain": Row(
        lambda session: session.browser.operator.act(ActOptions("Click")),
        [
            ("page_use_act_async", {"context_id": 0, "action": "Click"}),
            ("page_use_get_act_result", {"task_id": "task-1"}),
        ],
        ACTED,
    ),
    "act on what was found": Row(
        lambda session: session.browser.operator.act(evolve(FOUND, method="fill", arguments={"value": "x"})),
        [
            (
                "page_use_act_async",
                {"context_id": 0, "action": '{"method": "fill", "arguments": {"value": "x"}}'},
            ),
            ("page_use_get_act_result", {"task_id": "task-1"}),
        ],
        ACTED,
    ),
    "observe": observed(use_vision=True, selector="#a"),
    "observe plain": observed(),
    "extract": extracted(
        Title, TITLE, Title("Example"), use_text_extract=True, use_vision=False, selector="#a", max_page=3
    ),
    "extract as a model": extracted(Model, Model.model_json_schema(), None),
    "extract as JSON": extracted({"type": "object"}, {"type": "object"}, {"title": "Example"}),
}


@pytest.mark.parametrize("row", ROWS.values(), ids=list(ROWS))
async def test_a_tool_goes_as_the_catalogue_says(by_both: AsyncSession, gateway: Gateway, row: Row) -> None:
    result = await row.call(by_both)

    assert [told(request) for request in gateway.requests] == row.sent
    for request in gateway.requests:
        check_args(request.name, request.args)
        if request.action:
            own = {"Name": request.name, "Server": SERVER, "SessionId": SESSION_ID, "AutoGenSession": "False"}
            assert check_action(request) == own | {"Args": json.dumps(request.args, ensure_ascii=False)}
        else:
            assert request.json["server"] == SERVER
    model = result[1] if isinstance(result, tuple) else None
    if isinstance(model, Model):
        assert (result[0], model.title) == (True, "Example")
    elif isinstance(result, ActResult):
        last = gateway.requests[-1]
        assert result == evolve(row.result, request_id=REQUEST_ID if last.action else last.json["requestId"])
    else:
        assert result == row.result


def covered() -> set[str]:
    """The tools that have a row."""
    return {name for row in ROWS.values() for name, _ in row.sent}


def test_every_tool_of_the_operator_has_a_row() -> None:
    assert covered() == set(OPERATOR)


# --- What the operator complains of -----------------------------------------------------------------------------------

WORDS: dict[str, tuple[str, Callable[[AsyncSession], Any], str, str]] = {
    "navigate": (
        "page_use_navigate",
        lambda session: session.browser.operator.navigate("x"),
        "Navigation failed: it fell over",
        "Failed to navigate: [Odd] No.",
    ),
    "screenshot": (
        "page_use_screenshot",
        lambda session: session.browser.operator.screenshot(),
        "Screenshot failed: it fell over",
        "Failed to call screenshot: [Odd] No.",
    ),
}


@pytest.mark.parametrize("row", WORDS.values(), ids=list(WORDS))
async def test_the_operators_complaint_is_a_text_and_the_services_refusal_an_error(
    running: AsyncSession, gateway: Gateway, row: tuple[str, Callable[[AsyncSession], Any], str, str]
) -> None:
    tool, call, complaint, refused = row
    gateway.on(tool, Said("it fell over", failed=True), refusal("Odd", "No."))

    assert await call(running) == complaint
    with pytest.raises(BrowserError) as caught:
        await call(running)
    assert (caught.value.message, caught.value.code, caught.value.request_id) == (refused, "Odd", REQUEST_ID)


@pytest.mark.parametrize("answer", [Said("no", failed=True), GONE])
async def test_an_operator_that_cannot_close_is_false(running: AsyncSession, gateway: Gateway, answer: Any) -> None:
    gateway.on("page_use_close_session", answer)

    assert await running.browser.operator.close() is False


async def test_the_operator_can_be_closed_without_a_browser(session: AsyncSession, gateway: Gateway) -> None:
    gateway.on("page_use_close_session", Said("True"))

    assert await session.browser.operator.close() is True


async def test_a_login_that_fails_is_a_failed_result(running: AsyncSession, gateway: Gateway) -> None:
    gateway.on("page_use_login", Said("wrong password", failed=True), GONE)

    said = await running.browser.operator.login(CONFIG)
    gone = await running.browser.operator.login(CONFIG)

    assert (said.success, said.message, said.error_message) == (False, "wrong password", "wrong password")
    assert (type(said.error), type(gone.error), gone.code) == (BrowserError, NotFoundError, GONE_CODE)
    with pytest.raises(BrowserError, match="wrong password") as caught:
        said.unwrap()
    assert "canary-login" not in repr((said, gone)) + str(caught.value)


GONE_CODE = "InvalidMcpSession.NotFound"

CALLS: dict[str, Callable[[AsyncSession], Any]] = {
    "act": lambda session: session.browser.operator.act(ActOptions("x")),
    "observe": lambda session: session.browser.operator.observe(ObserveOptions("x")),
    "extract": lambda session: session.browser.operator.extract(ExtractOptions("x", Title)),
}
METHODS = CALLS | {
    "navigate": lambda session: session.browser.operator.navigate("x"),
    "screenshot": lambda session: session.browser.operator.screenshot(),
    "login": lambda session: session.browser.operator.login(CONFIG),
}


@pytest.mark.parametrize("name", METHODS)
async def test_the_operator_needs_a_browser(session: AsyncSession, gateway: Gateway, name: str) -> None:
    with pytest.raises(BrowserError) as caught:
        await METHODS[name](session)
    assert caught.value.message == f"Browser must be initialized before calling {name}."
    assert gateway.requests == []


@pytest.mark.parametrize("name", ["act", "observe", "extract", "screenshot", "login"])
async def test_a_page_that_cannot_be_found_is_an_error(running: AsyncSession, gateway: Gateway, name: str) -> None:
    page = AsyncFakePage(broken="target closed")
    operator = running.browser.operator
    calls: dict[str, Callable[[], Any]] = {
        "act": lambda: operator.act(ActOptions("x"), page),
        "observe": lambda: operator.observe(ObserveOptions("x"), page),
        "extract": lambda: operator.extract(ExtractOptions("x", Title), page),
        "screenshot": lambda: operator.screenshot(page),
        "login": lambda: operator.login(CONFIG, page),
    }
    told = f"Failed to {'call ' if name in ('screenshot', 'login') else ''}{name}: target closed"

    with pytest.raises(BrowserPageError) as caught:
        await calls[name]()

    assert (caught.value.message, page.done[-1], gateway.requests) == (told, "detach", [])


CLIP = "clip must have finite numbers, with a width and height above 0, not "

WRONG: dict[str, tuple[Callable[[AsyncSession], Any], type[Exception], str]] = {
    "url": (lambda session: session.browser.operator.navigate(" "), ValueError, "url must not be empty"),
    "login": (
        lambda session: session.browser.operator.login(""),
        ValueError,
        "login_config must not be empty",
    ),
    "quality": (
        lambda session: session.browser.operator.screenshot(quality=101),
        ValueError,
        "quality must be a whole number from 0 to 100, not 101",
    ),
    "clip": (
        lambda session: session.browser.operator.screenshot(clip={"x": 1}),
        ValueError,
        "clip must have x, y, width and height, not x",
    ),
    "an empty clip": (
        lambda session: session.browser.operator.screenshot(clip={"x": 1, "y": 1, "width": 0, "height": 1}),
        ValueError,
        CLIP + "{'x': 1, 'y': 1, 'width': 0, 'height': 1}",
    ),
    "an endless clip": (
        lambda session: session.browser.operator.screenshot(clip=dict.fromkeys(("x", "y", "width", "height"), inf)),
        ValueError,
        CLIP + "{'x': inf, 'y': inf, 'width': inf, 'height': inf}",
    ),
    "a clip of words": (
        lambda session: session.browser.operator.screenshot(clip={"x": "1"}),  # type: ignore[dict-item]
        TypeError,
        "clip must be a dict of str to number or None, but the value of 'x' is a str",
    ),
    "act": (
        lambda session: session.browser.operator.act("click"),  # type: ignore[arg-type]
        TypeError,
        "action_input must be an ObserveResult or an ActOptions, not a str",
    ),
    "observe": (
        lambda session: session.browser.operator.observe("find"),  # type: ignore[arg-type]
        TypeError,
        "options must be an ObserveOptions, not a str",
    ),
    "extract": (
        lambda session: session.browser.operator.extract("find"),  # type: ignore[arg-type]
        TypeError,
        "options must be an ExtractOptions, not a str",
    ),
    "schema": (
        lambda session: session.browser.operator.extract(ExtractOptions("x", 5)),
        TypeError,
        "schema must be a pydantic model, an attrs class, a dataclass or a JSON Schema as a dictionary, not 5",
    ),
}


@pytest.mark.parametrize("row", WRONG.values(), ids=list(WRONG))
async def test_what_cannot_be_asked_is_refused_before_anything_is_sent(
    running: AsyncSession, gateway: Gateway, row: tuple[Callable[[AsyncSession], Any], type[Exception], str]
) -> None:
    with pytest.raises(row[1]) as caught:
        await row[0](running)
    assert (str(caught.value), gateway.requests) == (row[2], [])


# --- Tasks ------------------------------------------------------------------------------------------------------------

RESULTS = {name: f"page_use_get_{name}_result" for name in CALLS}


@pytest.mark.parametrize("name", CALLS)
async def test_silence_and_complaints_mean_that_the_task_works_still(
    running: AsyncSession, gateway: Gateway, name: str
) -> None:
    tool = RESULTS[name]
    gateway.on(tool, Said(""), Said("not yet", failed=True), Said(example_text(tool)))

    await CALLS[name](running)

    assert gateway.names == [f"page_use_{name}_async", tool, tool, tool]


async def test_an_action_goes_on_until_it_says_that_it_is_done(running: AsyncSession, gateway: Gateway) -> None:
    steps = [{"action": "wäit"}]
    states = [{"steps": [], "is_done": False}, {}, {"steps": steps, "is_done": True, "success": False}]
    gateway.on("page_use_get_act_result", *[Said(json.dumps(state)) for state in states])

    result = await running.browser.operator.act(ActOptions("x"))

    assert (result.success, result.message) == (False, '[{"action": "wäit"}]')
    assert len(gateway.of("page_use_get_act_result")) == 3
    with pytest.raises(BrowserError, match="wäit"):
        result.unwrap()


STEPS = {
    "words": ("clicked twice", "clicked twice"),
    "none": ([], "No actions have been executed."),
    "null": (None, "No actions have been executed."),
}


@pytest.mark.parametrize("row", STEPS.values(), ids=list(STEPS))
async def test_the_steps_of_an_action_are_its_message(
    running: AsyncSession, gateway: Gateway, row: tuple[Any, str]
) -> None:
    gateway.on("page_use_get_act_result", Said(json.dumps({"steps": row[0], "is_done": True, "success": True})))

    assert (await running.browser.operator.act(ActOptions("x"))).message == row[1]


async def test_nothing_found_is_an_answer(running: AsyncSession, gateway: Gateway) -> None:
    gateway.on("page_use_get_observe_result", Said("[]"))

    assert await running.browser.operator.observe(ObserveOptions("x")) == (True, [])


async def test_what_is_found_may_be_of_any_form(running: AsyncSession, gateway: Gateway) -> None:
    items = [
        {"selector": "a", "arguments": '["hello"]'},
        {"description": 5, "method": "m", "arguments": "just text"},
        "noise",
        {"arguments": {"x": 1}},
    ]
    gateway.on("page_use_get_observe_result", Said(json.dumps(items)))

    found = (await running.browser.operator.observe(ObserveOptions("x")))[1]

    assert found == [
        ObserveResult("a", "", "", ["hello"]),
        ObserveResult("", "", "m", "just text"),
        ObserveResult("", "", "", {"x": 1}),
    ]


@pytest.mark.parametrize("name", CALLS)
async def test_a_task_that_is_stuck_ends_in_time(
    running: AsyncSession, gateway: Gateway, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "TASK_TIMEOUT", 0.05)
    gateway.on(RESULTS[name], Said("not yet", failed=True))
    number = {"act": 1, "observe": 2, "extract": 3}[name]
    late = f"Task task-{number}:x timeout" if name == "act" else f"Task task-{number}: {name.title()} timeout"

    with pytest.raises(BrowserTimeoutError) as caught:
        await CALLS[name](running)

    assert caught.value.message == f"Failed to {name}: {late} after 0.05s"
    assert caught.value.hint == "The last thing the service said: not yet"
    assert isinstance(caught.value, TimeoutError)


async def test_a_task_that_says_nothing_has_no_last_word(
    running: AsyncSession, gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "TASK_TIMEOUT", 0.02)
    gateway.on("page_use_get_observe_result", Said(""))

    with pytest.raises(BrowserTimeoutError) as caught:
        await running.browser.operator.observe(ObserveOptions("x"))
    assert caught.value.hint == ""


async def test_the_time_of_the_options_is_what_counts(
    running: AsyncSession, gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "TASK_TIMEOUT", 0.01)
    gateway.on("page_use_get_observe_result", Said(""), Said(""), Said(""), Said(""), Said("[]"))

    assert await running.browser.operator.observe(ObserveOptions("x", timeout=30)) == (True, [])


STARTS: dict[str, tuple[Any, str]] = {
    "a complaint": (Said("no page", failed=True), "no page"),
    "a refusal": (refusal("Odd", "No."), "[Odd] No."),
    "no JSON": (Said("soon"), "the answer is not JSON: soon"),
    "no id": (Said("{}"), "the service told of no task_id"),
    "a list": (Said("[]"), "the service told of no task_id"),
    "an odd id": (Said('{"task_id": 5}'), "the service told of no task_id"),
    "nested": (Said("[" * 100_000), "the answer is not JSON: " + "[" * 500),
}


@pytest.mark.parametrize("name", CALLS)
@pytest.mark.parametrize("row", STARTS.values(), ids=list(STARTS))
async def test_a_task_that_does_not_begin_is_an_error(
    running: AsyncSession, gateway: Gateway, name: str, row: tuple[Any, str]
) -> None:
    gateway.on(f"page_use_{name}_async", row[0])

    with pytest.raises(BrowserError) as caught:
        await CALLS[name](running)

    assert (caught.value.message, caught.value.request_id) == (f"Failed to {name}: {row[1]}", REQUEST_ID)
    assert gateway.names == [f"page_use_{name}_async"]


@pytest.mark.parametrize("name", CALLS)
@pytest.mark.parametrize("answer", [GONE, refusal("NOT_LOGIN", "Who?")])
async def test_a_task_whose_session_is_gone_is_not_waited_for(
    running: AsyncSession, gateway: Gateway, name: str, answer: Answer
) -> None:
    gateway.on(RESULTS[name], answer)

    with pytest.raises(BrowserError, match=f"Failed to {name}: ") as caught:
        await CALLS[name](running)

    assert isinstance(caught.value.__cause__, NotFoundError | AuthenticationError)
    assert len(gateway.of(RESULTS[name])) == 1


ANSWERS = {
    "act": ("[]", "the answer is not an object"),
    "observe": ("{}", "the answer is not a list"),
    "extract": ('{"title": 5}', "the data is not of the schema's form: it must be text @ answer.title"),
}


@pytest.mark.parametrize("name", CALLS)
async def test_an_answer_of_another_form_is_an_error(running: AsyncSession, gateway: Gateway, name: str) -> None:
    gateway.on(RESULTS[name], Said(ANSWERS[name][0]), Said("<html>"))

    texts = []
    for _ in range(2):
        with pytest.raises(BrowserError) as caught:
            await CALLS[name](running)
        texts.append(caught.value.message)

    assert texts == [f"Failed to {name}: {ANSWERS[name][1]}", f"Failed to {name}: the answer is not JSON: <html>"]


MISMATCHES: dict[str, tuple[Any, str, str]] = {
    "a model": (Model, '{"title": null}', "title: a string is wanted"),
    "an object": ({"type": "object"}, "[]", "it must be an object @ answer"),
    "a list": ({"type": "array"}, "{}", "it must be an array @ answer"),
    "a class": (Offer, '{"name": "a", "price": "1"}', "it must be a number @ answer.price"),
    "inside": (
        Offer,
        '{"name": "a", "price": 1, "parts": [{"title": "x"}, {}]}',
        "it is missing @ answer.parts[1].title",
    ),
    "no object": (Offer, "5", "it must be an object @ answer"),
}


@pytest.mark.parametrize("row", MISMATCHES.values(), ids=list(MISMATCHES))
async def test_data_that_does_not_fit_the_schema_is_an_error(
    running: AsyncSession, gateway: Gateway, row: tuple[Any, str, str]
) -> None:
    gateway.on("page_use_get_extract_result", Said(row[1]))

    with pytest.raises(BrowserError) as caught:
        await running.browser.operator.extract(ExtractOptions("x", row[0]))

    assert caught.value.message == f"Failed to extract: the data is not of the schema's form: {row[2]}"
    assert isinstance(caught.value.__cause__, ValueError)


async def test_data_of_a_nested_class_is_an_object_of_it(running: AsyncSession, gateway: Gateway) -> None:
    gateway.on("page_use_get_extract_result", Said('{"name": "é", "price": 2, "parts": [{"title": "x"}], "more": 1}'))

    assert await running.browser.operator.extract(ExtractOptions("x", Offer)) == (True, Offer("é", 2, [Title("x")]))


async def test_a_list_may_be_asked_for(running: AsyncSession, gateway: Gateway) -> None:
    gateway.on("page_use_get_extract_result", Said("[1, null]"))

    assert await running.browser.operator.extract(ExtractOptions("x", {"type": "array"})) == (True, [1, None])


# --- The network ------------------------------------------------------------------------------------------------------


async def test_looking_for_an_answer_is_tried_again_and_starting_is_not(
    running: AsyncSession, gateway: Gateway
) -> None:
    busy = raw(b"", 502)
    gateway.on("page_use_get_act_result", busy, busy, Said(example_text("page_use_get_act_result")))

    assert (await running.browser.operator.act(ActOptions("x"))).success

    gateway.on("page_use_act_async", busy)
    gateway.requests.clear()
    with pytest.raises(AgentBayError):
        await running.browser.operator.act(ActOptions("x"))
    assert gateway.names == ["page_use_act_async"]


@pytest.mark.parametrize("name", CALLS)
async def test_an_answer_that_is_lost_is_raised(running: AsyncSession, gateway: Gateway, name: str) -> None:
    gateway.on(RESULTS[name], raw(b"cut"))

    with pytest.raises(SessionError, match="cannot be read"):
        await CALLS[name](running)


async def test_a_connection_that_is_cut_while_looking_is_made_again(running: AsyncSession) -> None:
    cuts = iter((True, True, False))

    def script(peer: Peer) -> None:
        while (request := peer.request()) is not None:
            tool = json.loads(request.body)["tool"]
            if tool == "page_use_get_act_result" and next(cuts):
                peer.reset()
                return
            said = {"result": {"content": [{"type": "text", "text": example_text(tool)}]}}
            peer.reply(json.dumps({"data": said}).encode())

    with Server(script) as server:
        running.link_url, running.token = server.url, "t"

        result = await running.browser.operator.act(ActOptions("x"))

    assert (result.success, next(cuts, None)) == (True, None)


async def test_a_closed_client_has_no_operator(running: AsyncSession, client: AsyncAgentBay) -> None:
    await client.aclose()

    with pytest.raises(ClientClosedError):
        await running.browser.operator.observe(ObserveOptions("x"))
