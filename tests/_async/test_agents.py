"""Agents: their tasks from the beginning to the end, by looking and by events, and all that can go wrong."""

from __future__ import annotations

import json
from typing import Any

import pytest
from attrs import define

from agentbay import (
    AgentError,
    AgentEvent,
    AgentTimeoutError,
    APIError,
    AsyncSession,
    AsyncTaskExecution,
    BrowserOption,
    DefaultSchema,
    ExecutionResult,
    NotFoundError,
    SessionError,
    WsConnectionClosedError,
    WsRemoteError,
)
from agentbay._async import agent as phone_module
from agentbay._async import agent_tasks as module
from tests.catalogue import WS, example
from tests.channel import Channel, Frame, Peer
from tests.gateway import GONE, REQUEST_ID, SESSION_ID, Gateway, Said, raw

KINDS = {"computer": "flux_", "browser": "browser_use_", "mobile": ""}
KIND = pytest.mark.parametrize("kind", list(KINDS))
OF_A_BROWSER_OR_DESKTOP = pytest.mark.parametrize("kind", ["computer", "browser"])


@pytest.fixture(autouse=True)
def quickly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "INTERVAL", 0.01)
    monkeypatch.setattr(phone_module, "STOP_INTERVAL", 0.01)


def told(**members: Any) -> Said:
    return Said(json.dumps(members))


def prepare(gateway: Gateway, kind: str, *statuses: Any) -> None:
    """A task begins, and tells these things when it is looked at."""
    tools = KINDS[kind]
    gateway.on("InitBrowser", example("InitBrowser"))
    gateway.on(f"{tools}execute_task", told(task_id="t1"))
    gateway.on(f"{tools}get_task_status", *statuses)
    gateway.on(f"{tools}terminate_task", told(task_id="t1", status="cancelling"))


def status(word: str, **members: Any) -> Said:
    return told(task_id="t1", status=word, **members)


# --- Looking ----------------------------------------------------------------------------------------------------------


@KIND
async def test_a_task_is_watched_until_its_end(session: AsyncSession, gateway: Gateway, kind: str) -> None:
    done = "completed" if kind == "mobile" else "finished"
    prepare(gateway, kind, status("running"), status("waiting"), status(done, product="It is done."))

    result = await getattr(session.agent, kind).execute_task_and_wait("do it", 60)

    wanted = ExecutionResult(REQUEST_ID, success=True, task_id="t1", task_status=done, task_result="It is done.")
    assert (wanted, 3) == (result, len(gateway.of(f"{KINDS[kind]}get_task_status")))


@KIND
async def test_a_task_without_a_status_is_done(session: AsyncSession, gateway: Gateway, kind: str) -> None:
    prepare(gateway, kind, Said('{"product": "p"}'))
    result = await getattr(session.agent, kind).execute_task_and_wait("do it", 60)
    assert (True, "t1", "p") == (result.success, result.task_id, result.task_result)


ENDS = [
    ("computer", "failed", {}, "Failed to execute task."),
    ("browser", "unsupported", {}, "Unsupported task."),
    ("computer", "cancelled", {}, "Task cancelled."),
    ("mobile", "failed", {}, "Task failed."),
    ("mobile", "cancelled", {"error": "you said so"}, "you said so"),
    ("mobile", "unsupported", {}, "Task unsupported."),
]


@pytest.mark.parametrize(("kind", "word", "more", "text"), ENDS)
async def test_a_task_that_fails_is_a_failed_result(
    session: AsyncSession, gateway: Gateway, kind: str, word: str, more: dict[str, Any], text: str
) -> None:
    prepare(gateway, kind, status(word, product="half", **more))

    result = await getattr(session.agent, kind).execute_task_and_wait("do it", 60)

    assert (False, text, word, "half") == (result.success, result.error_message, result.task_status, result.task_result)
    assert isinstance(result.error, AgentError)
    assert ("t1", SESSION_ID, REQUEST_ID) == (result.task_id, result.error.session_id, result.error.request_id)


@KIND
@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (Said("no such task", failed=True), AgentError),
        (Said("not JSON"), AgentError),
        (Said("[" * 100_000), AgentError),
        (Said("[]"), AgentError),
        (GONE, NotFoundError),
    ],
)
async def test_a_look_that_fails_ends_the_wait(
    session: AsyncSession, gateway: Gateway, kind: str, answer: Any, error: type[Exception]
) -> None:
    prepare(gateway, kind, answer)
    result = await getattr(session.agent, kind).execute_task_and_wait("do it", 60)
    assert (False, "failed", "t1", error) == (result.success, result.task_status, result.task_id, type(result.error))


@OF_A_BROWSER_OR_DESKTOP
async def test_a_task_out_of_time_is_given_up(session: AsyncSession, gateway: Gateway, kind: str) -> None:
    prepare(gateway, kind, status("running"))

    result = await getattr(session.agent, kind).execute_task_and_wait("do it", 0)

    looks = len(gateway.of(f"{KINDS[kind]}get_task_status"))
    text = "Task execution timed out after 0 seconds."
    assert (f"{text} Task ID: t1. Polled {looks} times.", text) == (result.error_message, result.task_result)
    assert (False, "failed", AgentTimeoutError) == (result.success, result.task_status, type(result.error))
    assert [{"task_id": "t1"}] == [request.args for request in gateway.of(f"{KINDS[kind]}terminate_task")]


async def test_a_phone_out_of_time_is_waited_for_until_it_has_stopped(session: AsyncSession, gateway: Gateway) -> None:
    last = status(
        "running", action="tap", result="half", error="slow", stream=[{"timestamp_ms": 1, "content": "hm"}, 7]
    )
    over = Said("Task not found or already finished: t1", failed=True)
    prepare(gateway, "mobile", status("running"), last, last, over)

    result = await session.agent.mobile.execute_task_and_wait("do it", 0)

    late = "Task execution timed out after 0 seconds."
    said = "Last task status output: hm | Last action: tap | Last result: half | Last error: slow"
    assert (f"{late} | {said} | Last status: running", f"{late} Task ID: t1.") == (
        result.task_result,
        result.error_message,
    )
    assert issubclass(type(result.error), TimeoutError)
    assert 4 == len(gateway.of("get_task_status"))


async def test_a_phone_that_never_stops_is_not_waited_for_forever(
    session: AsyncSession, gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(phone_module, "STOP_SECONDS", 0.05)
    prepare(gateway, "mobile", status("running"))
    result = await session.agent.mobile.execute_task_and_wait("do it", 0)
    assert "Task execution timed out after 0 seconds. | Last status: running" == result.task_result


async def test_a_phone_whose_task_ends_after_its_time_has_stopped(session: AsyncSession, gateway: Gateway) -> None:
    prepare(gateway, "mobile", status("running"), status("running"), status("cancelled"))
    result = await session.agent.mobile.execute_task_and_wait("do it", 0)
    assert isinstance(result.error, AgentTimeoutError)


async def test_giving_up_may_fail_too(session: AsyncSession, gateway: Gateway) -> None:
    prepare(gateway, "mobile", status("running"), status("running"), raw("gone"))
    gateway.on("terminate_task", raw("gone"))
    result = await session.agent.mobile.execute_task_and_wait("do it", 0)
    assert isinstance(result.error, AgentTimeoutError)


async def test_no_usable_answer_is_raised(session: AsyncSession, gateway: Gateway) -> None:
    prepare(gateway, "computer", raw("gone"))
    with pytest.raises(SessionError):
        await session.agent.computer.execute_task_and_wait("do it", 60)


# --- Beginning --------------------------------------------------------------------------------------------------------


@OF_A_BROWSER_OR_DESKTOP
@pytest.mark.parametrize(
    ("answer", "text"),
    [
        (Said("too busy", failed=True), "too busy"),
        (Said("", failed=True), "Failed to execute task"),
        (told(status="running"), "Failed to execute task: the service told of no task_id"),
        (told(task_id={}), "Failed to execute task: the service told of no task_id"),
        (Said("[]"), "Failed to parse the answer of the agent: expected an object, not list"),
    ],
)
async def test_a_task_that_does_not_begin_is_a_failed_result(
    session: AsyncSession, gateway: Gateway, kind: str, answer: Any, text: str
) -> None:
    prepare(gateway, kind, status("finished"))
    gateway.on(f"{KINDS[kind]}execute_task", answer)

    result = await getattr(session.agent, kind).execute_task_and_wait("do it", 60)

    assert (False, text, AgentError) == (result.success, result.error_message, type(result.error))
    assert [] == gateway.of(f"{KINDS[kind]}get_task_status")


async def test_a_number_is_an_id_too(session: AsyncSession, gateway: Gateway) -> None:
    prepare(gateway, "computer", status("finished"))
    gateway.on("flux_execute_task", told(task_id=7))
    assert "7" == (await session.agent.computer.execute_task("do it")).task_id


@KIND
@pytest.mark.parametrize("task", ["", " \n"])
async def test_a_blank_task_is_refused(session: AsyncSession, kind: str, task: str) -> None:
    agent = getattr(session.agent, kind)
    with pytest.raises(ValueError, match="task must not be empty"):
        await agent.execute_task(task)
    with pytest.raises(ValueError, match="task_id must not be empty"):
        await agent.get_task_status(task)
    with pytest.raises(ValueError, match="task_id must not be empty"):
        await agent.terminate_task(task)


@KIND
async def test_a_refusal_to_end_a_task_is_a_failed_result(session: AsyncSession, gateway: Gateway, kind: str) -> None:
    gateway.on(f"{KINDS[kind]}terminate_task", Said("no", failed=True))
    result = await getattr(session.agent, kind).terminate_task("t1")
    assert (False, "no") == (result.success, result.error_message)


async def test_the_agents_of_a_session_are_made_once(session: AsyncSession) -> None:
    agent = session.agent
    assert (agent, agent.computer) == (session.agent, session.agent.computer)
    kinds = (type(agent.computer), type(agent.browser), type(agent.mobile))
    assert kinds == (agent.Computer, agent.Browser, agent.Mobile)


# --- The browser's agent ----------------------------------------------------------------------------------------------


async def test_the_browser_is_started_once(session: AsyncSession, gateway: Gateway) -> None:
    prepare(gateway, "browser", status("finished"))
    agent = session.agent.browser
    assert await agent.initialize(BrowserOption(use_stealth=True))
    await agent.execute_task("do it")
    await agent.execute_task("do it again")
    assert ["InitBrowser", "browser_use_execute_task", "browser_use_execute_task"] == gateway.names


async def test_a_browser_that_does_not_start_is_a_failed_result(session: AsyncSession, gateway: Gateway) -> None:
    gateway.on("InitBrowser", GONE)
    result = await session.agent.browser.execute_task_and_wait("do it", 60)
    assert result.error_message.startswith("Failed to initialize browser: [InvalidMcpSession.NotFound]")
    assert (False, ["InitBrowser"]) == (result.success, gateway.names)


@define
class Title:
    """A page's title."""

    title: str


TITLE = {
    "title": "Title",
    "type": "object",
    "description": "A page's title.",
    "properties": {"title": {"type": "string"}},
    "required": ["title"],
}


@pytest.mark.parametrize(("schema", "wanted"), [(Title, TITLE), ({"type": "object"}, {"type": "object"})])
async def test_the_form_of_the_result_is_a_schema(
    session: AsyncSession, gateway: Gateway, schema: Any, wanted: dict[str, Any]
) -> None:
    prepare(gateway, "browser", status("finished", product='{"title": "é"}'))
    result = await session.agent.browser.execute_task_and_wait("do it", 60, output_schema=schema)
    assert wanted == json.loads(gateway.last("browser_use_execute_task").args["output_schema"])
    assert {"title": "é"} == json.loads(result.task_result)


async def test_the_default_schema_may_be_named(session: AsyncSession, gateway: Gateway) -> None:
    prepare(gateway, "browser", status("finished"))
    for schema in (None, DefaultSchema):
        await session.agent.browser.execute_task("do it", output_schema=schema)
    first, second = gateway.of("browser_use_execute_task")
    assert first.args == second.args


async def test_what_is_no_schema_is_refused(session: AsyncSession, gateway: Gateway) -> None:
    with pytest.raises(TypeError, match="schema must be a pydantic model"):
        await session.agent.browser.execute_task("do it", output_schema="a title")
    assert [] == gateway.requests


# --- The phone's agent without events ---------------------------------------------------------------------------------


@pytest.mark.parametrize("answer", ["It is done.", '{"answer": 42}', "[1]"])
async def test_a_phones_task_may_be_done_at_once(session: AsyncSession, gateway: Gateway, answer: str) -> None:
    gateway.on("execute_task", Said(answer))
    execution = await session.agent.mobile.execute_task("do it")
    wanted = ExecutionResult(REQUEST_ID, success=True, task_status="completed", task_result=answer)
    assert ("", wanted) == (execution.task_id, await execution.wait())


async def test_a_phones_task_is_a_handle_to_wait_with(session: AsyncSession, gateway: Gateway) -> None:
    gateway.on("execute_task", told(taskId="t1", status="running"))
    gateway.on("get_task_status", status("running"), told(taskId="t1", status="completed", result="r", product="p"))
    execution = await session.agent.mobile.execute_task("do it", 3)
    assert {"task": "do it", "max_steps": 3} == gateway.last("execute_task").args
    result = await execution.wait(timeout=60)
    assert ("t1", "r", result) == (execution.task_id, result.task_result, await execution.wait())
    assert 2 == len(gateway.of("get_task_status"))


@pytest.mark.parametrize(("answer", "error"), [(Said("no", failed=True), AgentError), (GONE, APIError)])
async def test_a_phone_that_does_not_take_a_task_raises(
    session: AsyncSession, gateway: Gateway, answer: Any, error: type[Exception]
) -> None:
    gateway.on("execute_task", answer)
    with pytest.raises(error):
        await session.agent.mobile.execute_task("do it")
    result = await session.agent.mobile.execute_task_and_wait("do it", 60)
    assert (False, "failed") == (result.success, result.task_status)
    assert isinstance(result.error, error)


async def test_an_answer_of_a_phone_that_cannot_be_read_is_raised(session: AsyncSession, gateway: Gateway) -> None:
    gateway.on("execute_task", raw("half"))
    with pytest.raises(SessionError):
        await session.agent.mobile.execute_task_and_wait("do it", 60)


@pytest.mark.parametrize("steps", [0, -1, 1.5, True])
async def test_a_number_of_steps_must_be_one(session: AsyncSession, steps: Any) -> None:
    with pytest.raises((ValueError, TypeError), match="max_steps must be"):
        await session.agent.mobile.execute_task("do it", steps)


async def test_a_handle_that_no_agent_made_has_failed() -> None:
    assert "This execution was not begun by an agent" == (await AsyncTaskExecution("t1").wait()).error_message


async def test_a_look_at_a_failed_task_is_a_success(session: AsyncSession, gateway: Gateway) -> None:
    gateway.on("get_task_status", told(taskId="t1", status="failed", error="no network", stream="none"))
    query = (await session.agent.mobile.get_task_status("t1")).unwrap()
    assert (True, "failed", []) == (query.success, query.task_status, query.stream)
    assert query.error is not None
    assert "no network" == query.error.message


async def test_a_look_that_fails_can_be_raised(session: AsyncSession, gateway: Gateway) -> None:
    gateway.on("get_task_status", Said("", failed=True))
    with pytest.raises(AgentError, match="Failed to get task status"):
        (await session.agent.mobile.get_task_status("t1")).unwrap()


# --- The phone's agent with events ------------------------------------------------------------------------------------


def event(kind: str, **members: Any) -> dict[str, Any]:
    return {"phase": "event", "eventType": kind} | members


END = {"phase": "end", "status": "finished", "taskResult": "I see the home screen."}
THINKS = event("reasoning", seq=1, round=1, content="Planning...")
SAYS = event("content", seq=2, round=1, content="Looking.")
CALLS = event("tool_call", seq=3, round=1, toolCallId="call_001", toolName="screenshot", args={})
GETS = event("tool_result", seq=4, round=1, toolCallId="call_001", toolName="screenshot", result={"isError": False})
ASKS = event(
    "tool_call", seq=5, round=2, toolCallId="call_003", toolName="call_for_user", args={"prompt": "Enter the code"}
)
FAILS = event("error", seq=6, round=2, error={"code": "E1", "message": "no such app"})

SEEN = {
    "reasoning": AgentEvent("reasoning", 1, 1, "Planning..."),
    "content": AgentEvent("content", 2, 1, "Looking."),
    "tool_call": AgentEvent("tool_call", 3, 1, "", "call_001", "screenshot", {}),
    "tool_result": AgentEvent("tool_result", 4, 1, "", "call_001", "screenshot", None, {"isError": False}),
    "error": AgentEvent("error", 6, 2, error={"code": "E1", "message": "no such app"}),
}
QUESTION = AgentEvent(
    "tool_call", 5, 2, "", "call_003", "call_for_user", {"prompt": "Enter the code"}, None, "Enter the code"
)


class Heard:
    """The callbacks of a task, and what they got."""

    def __init__(self) -> None:
        self.events: list[AgentEvent] = []
        self.questions: list[AgentEvent] = []

    @property
    def options(self) -> dict[str, Any]:
        kinds = ("reasoning", "content", "tool_call", "tool_result", "error")
        return {f"on_{kind}": self.events.append for kind in kinds} | {"on_call_for_user": self.ask}

    async def ask(self, question: AgentEvent) -> str:
        self.questions.append(question)
        return "385216"


def question(peer: Peer, frame: Frame) -> None:
    """A phone that says something, asks, and ends after the answer."""
    peer.reply(frame, SAYS, ASKS)
    reply = peer.receive()
    assert (frame["invocationId"], frame["target"]) == (reply["invocationId"], reply["target"])
    peer.reply(frame, END)


async def test_the_message_is_the_catalogues(wired: AsyncSession, channel: Channel, gateway: Gateway) -> None:
    channel.on("exec_task", END)
    await wired.agent.mobile.execute_task_and_wait("...", 60, on_content=print)
    frame = channel.frames[0]
    assert ("wuying_mobile_agent", "SDK") == (frame["target"], frame["source"])
    assert WS["exec_task"]["data"] == frame["data"]
    assert [] == gateway.requests


async def test_a_session_without_a_tool_list_uses_the_usual_server(wired: AsyncSession, channel: Channel) -> None:
    wired.tool_servers.clear()
    channel.on("exec_task", END)
    await wired.agent.mobile.execute_task_and_wait("do it", 60, 9, on_content=print)
    assert ("wuying_mobile_agent", 9) == (channel.frames[0]["target"], channel.frames[0]["data"]["params"]["max_steps"])


async def test_each_event_goes_to_its_callback(wired: AsyncSession, channel: Channel) -> None:
    channel.on("exec_task", THINKS, SAYS, CALLS, GETS, event("unheard of"), END)
    heard = Heard()
    result = await wired.agent.mobile.execute_task_and_wait("do it", 60, **heard.options)
    assert list(SEEN.values())[:4] == heard.events
    identity = channel.frames[0]["invocationId"]
    wanted = ExecutionResult(identity, success=True, task_status="finished", task_result="I see the home screen.")
    assert wanted == result


@pytest.mark.parametrize("kind", list(SEEN))
async def test_one_callback_is_enough(wired: AsyncSession, channel: Channel, kind: str) -> None:
    channel.on("exec_task", THINKS, SAYS, CALLS, GETS, FAILS, END)
    events: list[AgentEvent] = []
    options: dict[str, Any] = {f"on_{kind}": events.append}
    await wired.agent.mobile.execute_task_and_wait("do it", 60, **options)
    assert [SEEN[kind]] == events


async def test_a_person_is_asked_and_the_answer_goes_back(wired: AsyncSession, channel: Channel) -> None:
    channel.on("exec_task", question)
    heard = Heard()
    execution = await wired.agent.mobile.execute_task("do it", on_call_for_user=heard.ask)
    result = await execution.wait(60)
    assert ([QUESTION], True, "") == (heard.questions, result.success, execution.task_id)
    wanted = WS["resume_task"]["data"] | {"params": {"toolCallId": "call_003", "response": "385216"}}
    assert wanted == channel.of("resume_task")[0]["data"]


async def test_nobody_to_ask_is_an_empty_answer(wired: AsyncSession, channel: Channel) -> None:
    channel.on("exec_task", question)
    await wired.agent.mobile.execute_task_and_wait("do it", 60, on_content=lambda event: None)
    assert "" == channel.of("resume_task")[0]["data"]["params"]["response"]


async def test_an_answer_need_not_be_waited_for(wired: AsyncSession, channel: Channel) -> None:
    channel.on("exec_task", question)
    await wired.agent.mobile.execute_task_and_wait("do it", 60, on_call_for_user=lambda event: "now")
    assert "now" == channel.of("resume_task")[0]["data"]["params"]["response"]


STREAM_ENDS: list[tuple[list[dict[str, Any]], tuple[bool, str, str, str]]] = [
    ([SAYS, {"phase": "end", "status": "finished"}], (True, "", "finished", "Looking.")),
    ([{"phase": "end", "status": "completed"}], (True, "", "completed", "")),
    ([SAYS, {"phase": "end", "status": "stopped"}], (False, "Task ended with status: stopped", "stopped", "Looking.")),
    ([{"phase": "end"}], (False, "Task ended with status: unknown", "", "")),
    ([FAILS, END], (False, "no such app", "failed", "I see the home screen.")),
    ([FAILS, {"phase": "end", "status": "failed"}], (False, "no such app", "failed", "")),
    ([event("error"), END], (False, "The agent reported an error", "failed", "I see the home screen.")),
    ([SAYS, {"phase": "error", "error": "the phone broke"}], (False, "the phone broke", "failed", "Looking.")),
]


@pytest.mark.parametrize(("datas", "expected"), STREAM_ENDS)
async def test_the_end_says_what_the_task_came_to(
    wired: AsyncSession, channel: Channel, datas: list[Any], expected: tuple[bool, str, str, str]
) -> None:
    channel.on("exec_task", *datas)
    result = await wired.agent.mobile.execute_task_and_wait("do it", 60, on_content=lambda event: None)
    assert expected == (result.success, result.error_message, result.task_status, result.task_result)
    kinds = (AgentError, WsRemoteError)
    assert (result.error is None) == result.success
    assert result.error is None or isinstance(result.error, kinds)


async def test_a_streamed_task_out_of_time_is_a_failed_result(wired: AsyncSession, channel: Channel) -> None:
    channel.on("exec_task", SAYS)
    execution = await wired.agent.mobile.execute_task("do it", on_reasoning=lambda event: None)
    result = await execution.wait(0)
    assert ("Task execution timed out after 0 seconds.", "failed") == (result.error_message, result.task_status)
    assert isinstance(result.error, AgentTimeoutError)
    assert result is await execution.wait()


async def test_a_line_that_breaks_is_raised(wired: AsyncSession, channel: Channel) -> None:
    channel.on("exec_task", lambda peer, frame: peer.cut())
    with pytest.raises(WsConnectionClosedError):
        await wired.agent.mobile.execute_task_and_wait("do it", 60, on_content=lambda event: None)


async def test_callbacks_need_a_websocket(session: AsyncSession, gateway: Gateway) -> None:
    with pytest.raises(SessionError, match="ws_url is not available for this session"):
        await session.agent.mobile.execute_task("do it", on_content=lambda event: None)
    assert [] == gateway.requests


async def test_an_error_of_a_callback_ends_the_wait(wired: AsyncSession, channel: Channel) -> None:
    channel.on("exec_task", SAYS, END)

    def broken(event: AgentEvent) -> None:
        raise KeyError(event.content)

    with pytest.raises(KeyError, match="Looking"):
        await wired.agent.mobile.execute_task_and_wait("do it", 60, on_content=broken)


async def test_a_wait_that_a_callback_broke_can_go_on(wired: AsyncSession, channel: Channel) -> None:
    channel.on("exec_task", SAYS, CALLS, END)
    events: list[AgentEvent] = []

    def broken_once(event: AgentEvent) -> None:
        events.append(event)
        if event.type == "content":
            raise KeyError(event.content)

    execution = await wired.agent.mobile.execute_task("do it", on_content=broken_once, on_tool_call=broken_once)
    with pytest.raises(KeyError, match="Looking"):
        await execution.wait(60)
    assert (await execution.wait(60)).success
    assert [SEEN["content"], SEEN["tool_call"]] == events
    assert {} == wired._channel._router._waiting


async def test_the_events_can_be_iterated_over(wired: AsyncSession, channel: Channel) -> None:
    channel.on("exec_task", question)
    async with wired.agent.mobile.stream("do it", 7) as running:
        events = []
        async for event in running:
            events.append(event)
            if event.asks:
                await running.answer(event, "385216")
        assert [] == [event async for event in running]
    assert ([SEEN["content"], QUESTION], [False, True]) == (events, [event.asks for event in events])
    assert running.result is not None
    assert (running.request_id, 7) == (running.result.request_id, channel.frames[0]["data"]["params"]["max_steps"])


async def test_leaving_early_leaves_nothing(wired: AsyncSession, channel: Channel) -> None:
    channel.on("exec_task", THINKS, SAYS)
    async with wired.agent.mobile.stream("do it") as running:
        async for event in running:
            assert "reasoning" == event.type
            break
    assert (None, {}) == (running.result, dict(wired._channel._router._waiting))
