"""Results: frozen values that read any text, compare by what they hold, and unwrap to themselves or an error."""

from __future__ import annotations

import inspect
import json
from typing import Any

import pytest
from attrs import evolve
from attrs.exceptions import FrozenInstanceError
from hypothesis import given
from hypothesis import strategies as st

import agentbay
from agentbay import (
    AgentBayError,
    ApiResponse,
    BaseResult,
    CommandResult,
    ContextStatusData,
    CreateSessionParams,
    DeleteResult,
    EnhancedCodeExecutionResult,
    FileInfoResult,
    GetSessionData,
    GetSessionResult,
    LifecyclePolicy,
    ListSessionParams,
    McpTool,
    OperationResult,
    SessionListResult,
    SessionMetrics,
    SessionMetricsResult,
    SessionPauseResult,
    SessionResult,
    SessionResumeResult,
    SessionStatusResult,
    ToolError,
    extract_request_id,
)
from agentbay._tools import ToolAnswer
from agentbay._wire import Reply
from agentbay.errors import APIError
from agentbay.types.context import read_context_status
from agentbay.types.response import ToolResult

LONG = "x" * 10_000

JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=8,
)
MEMBERS = (
    "stdout stderr exit_code errorCode traceId result results logs error executionError isError execution_count "
    "execution_time text/plain isMainResult name value traceback eventType path pathType size isDirectory cpu_count "
    "mem_used rx_rate_kbps timestamp type data contextId status startTime taskType"
).split()
KNOWN = st.dictionaries(st.sampled_from(MEMBERS), JSON, max_size=5)
SHAPED = st.dictionaries(st.sampled_from(MEMBERS), JSON | KNOWN | st.lists(KNOWN, max_size=2), max_size=5)
LINES = st.lists(st.sampled_from(["a: b", "[DIR] x", "[FILE]", "---", ":", "", "size: 1.2.3", "/a:\n"])).map("\n".join)
TEXTS = st.text(max_size=60) | LINES | st.one_of(JSON, SHAPED, st.lists(SHAPED, max_size=3)).map(json.dumps)

EXPORTED: list[type[Any]] = [item for name in agentbay.__all__ if isinstance(item := getattr(agentbay, name), type)]
RESULTS = [kind for kind in EXPORTED if issubclass(kind, ApiResponse)]
FROM_TOOLS = [kind for kind in RESULTS if issubclass(kind, ToolResult)]

ids = {"ids": lambda kind: str(kind.__name__)}


@pytest.mark.parametrize("kind", FROM_TOOLS, **ids)
def test_no_text_of_a_tool_is_too_odd_for_its_result(kind: type[ToolResult]) -> None:
    @given(TEXTS, st.booleans(), st.booleans())
    def check(text: str, failed: bool, said: bool) -> None:
        answer = ToolAnswer("r", text, ToolError(text) if failed else None, said)
        result = kind.of_tool(answer)
        assert type(result) is kind
        assert result.request_id in ("r", "")
        assert (result.error is None) is result.success
        repr(result)

    check()


NUMBERS = ["Infinity", "-Infinity", "NaN", "1e999", "1" * 400]


@pytest.mark.parametrize("number", NUMBERS)
def test_absurd_numbers_are_no_numbers(number: str) -> None:
    tasks = json.dumps(f'[{{"startTime": {number}, "finishTime": {number}}}]')
    code = EnhancedCodeExecutionResult.of_tool(ToolAnswer("r", f'{{"logs": {{}}, "execution_time": {number}}}'))
    metrics = SessionMetricsResult.of_tool(ToolAnswer("r", f'{{"mem_used": {number}}}'))
    infos = [FileInfoResult.of_tool(ToolAnswer("r", f"size: {text}")) for text in (number, "1.0e999", "nan.0")]

    assert read_context_status(f'[{{"type": "data", "data": {tasks}}}]') == [ContextStatusData()]
    assert code.execution_time == 0.0
    assert metrics.success is (number == "1" * 400)
    assert [info.size for info in infos] == [0, 0, 0]


@given(TEXTS)
def test_no_text_is_too_odd_for_the_state_of_contexts(text: str) -> None:
    assert all(isinstance(task.pending, bool) for task in read_context_status(text))


def test_the_state_of_contexts_is_read_through_both_encodings() -> None:
    tasks = [
        {"contextId": "c", "path": "/p", "status": "Success", "startTime": 5, "finishTime": 7.9, "taskType": "upload"},
        {"status": None, "startTime": "x"},
        "noise",
    ]
    groups = [{"type": "data", "data": json.dumps(tasks)}, {"type": "other", "data": "[]"}, {"type": "data"}]

    assert read_context_status(json.dumps(groups)) == [
        ContextStatusData("c", "/p", "", "Success", 5, 7, "upload"),
        ContextStatusData(),
    ]
    assert read_context_status("[" * 100_000) == []


PENDING = {
    ("upload", "Running"): True,
    ("download", ""): True,
    ("upload", "Failed"): False,
    ("other", "Running"): False,
}


@pytest.mark.parametrize(("task", "pending"), PENDING.items())
def test_a_task_is_pending_while_it_carries_files(task: tuple[str, str], pending: bool) -> None:
    assert ContextStatusData(task_type=task[0], status=task[1]).pending is pending


@pytest.mark.parametrize("kind", RESULTS, **ids)
def test_results_are_frozen(kind: type[ApiResponse]) -> None:
    result = kind()

    with pytest.raises((FrozenInstanceError, AttributeError)):
        result.request_id = "other"  # type: ignore[misc]


@pytest.mark.parametrize("kind", RESULTS, **ids)
def test_results_are_equal_when_they_hold_the_same(kind: type[ApiResponse]) -> None:
    one = kind(request_id="r")

    assert one == kind(request_id="r", error=AgentBayError("x"))
    assert one != kind(request_id="s")
    assert one != "r"
    assert one.get_request_id() == "r"


def test_a_success_unwraps_to_itself() -> None:
    result = BaseResult("r", success=True)

    assert result.unwrap() is result
    assert ApiResponse("r").unwrap() == ApiResponse("r")


def test_a_failure_without_an_error_unwraps_to_a_plain_one() -> None:
    with pytest.raises(AgentBayError) as caught:
        BaseResult("r", success=False, error_message="why").unwrap()

    assert (type(caught.value), caught.value.message, caught.value.request_id) == (AgentBayError, "why", "r")
    with pytest.raises(AgentBayError, match="AgentBay error"):
        BaseResult().unwrap()


FROM_REPLIES = [
    OperationResult,
    DeleteResult,
    SessionListResult,
    SessionPauseResult,
    SessionResumeResult,
    SessionResult,
    SessionStatusResult,
]


@pytest.mark.parametrize("kind", FROM_REPLIES, **ids)
def test_a_refused_reply_fills_what_the_result_has(kind: Any) -> None:
    error = APIError("[C] why", 400, code="C", request_id="r")
    result = kind.of(Reply("r", 400, "C", "why", error=error))

    facts = {"request_id": "r", "success": False, "error_message": "[C] why", "code": "C", "http_status_code": 400}
    known = {name: value for name, value in facts.items() if hasattr(result, name)}
    assert {name: getattr(result, name) for name in known} == known
    assert {"request_id", "success", "error_message", "code"} <= known.keys()
    assert result.error is error


def test_an_answer_that_is_not_the_tools_own_keeps_its_error() -> None:
    error = APIError("[C] why", 400, code="C")
    result = CommandResult.of_tool(ToolAnswer("r", error=error, said=False))

    assert (result.error, result.code, result.exit_code) == (error, "C", 1)


def test_a_result_of_a_tool_without_own_fields_is_its_success() -> None:
    assert ToolResult.of_tool(ToolAnswer("r", "any")) == ToolResult("r", success=True)


def test_a_result_can_be_copied_with_a_change() -> None:
    result = CommandResult("r", success=True, stdout="a")

    assert evolve(result, stdout="b") == CommandResult("r", success=True, stdout="b")
    assert hash(CommandResult("r")) == hash(CommandResult("r"))


# --- Options ----------------------------------------------------------------------------------------------------------

WRONG_POLICIES: list[tuple[dict[str, Any], str]] = [
    ({"idle_release_timeout": 0}, "idle_release_timeout must be a whole number above 0, not 0"),
    ({"max_runtime": -1}, "max_runtime must be a whole number above 0, not -1"),
    ({"max_runtime": True}, "max_runtime must be a whole number above 0, not True"),
    ({"idle_release_timeout": 1.5}, "idle_release_timeout must be a whole number above 0, not 1.5"),
    ({"manual_release": True, "max_runtime": 1}, "max_runtime cannot be given together with manual_release"),
    (
        {"manual_release": True, "max_runtime": 1, "idle_release_timeout": 1},
        "idle_release_timeout and max_runtime cannot be given together with manual_release",
    ),
]


@pytest.mark.parametrize(("given", "message"), WRONG_POLICIES, ids=range(len(WRONG_POLICIES)))
def test_a_wrong_lifecycle_is_refused(given: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=r"manual_release|whole number") as caught:
        LifecyclePolicy(**given)

    assert str(caught.value) == message


def test_a_lifecycle_has_defaults_unless_it_is_manual() -> None:
    made = [LifecyclePolicy(), LifecyclePolicy(1), LifecyclePolicy(max_runtime=2), LifecyclePolicy(manual_release=True)]

    times = [(policy.idle_release_timeout, policy.max_runtime) for policy in made]
    assert times == [(5, 30), (1, 30), (5, 2), (None, None)]


@pytest.mark.parametrize("seconds", [0, -1, True, 1.5, "60"])
def test_a_wrong_idle_time_is_refused(seconds: Any) -> None:
    with pytest.raises(ValueError, match=r"idle_release_timeout \(seconds\) must be a whole number above 0"):
        CreateSessionParams(idle_release_timeout=seconds)


def test_two_kinds_of_times_are_refused() -> None:
    with pytest.raises(ValueError, match="cannot be given together"):
        CreateSessionParams(idle_release_timeout=60, lifecycle_policy=LifecyclePolicy())


def test_options_copy_the_labels_that_they_are_given() -> None:
    labels = {"a": "b"}
    made = [CreateSessionParams(labels), ListSessionParams(labels=labels)]
    labels.clear()

    assert [params.labels for params in made] == [{"a": "b"}, {"a": "b"}]
    assert (CreateSessionParams().labels, ListSessionParams()) == ({}, ListSessionParams(10, "", {}))


# --- Small values -----------------------------------------------------------------------------------------------------


def test_metrics_may_be_made_with_their_older_names() -> None:
    older = SessionMetrics(rx_rate_kbps=1.0, tx_rate_kbps=2.0, rx_used_kb=3.0, tx_used_kb=4.0)
    newer = SessionMetrics(
        rx_rate_kbyte_per_s=1.0, tx_rate_kbyte_per_s=2.0, rx_used_kbyte=3.0, tx_used_kbyte=4.0, timestamp=""
    )

    assert older == newer
    assert "rx_rate_kbyte_per_s=1.0" in repr(older)


def test_a_tool_is_known_by_its_name_and_server() -> None:
    entry = {"name": "x", "server": "y", "description": None, "inputSchema": {"type": "object"}}

    assert McpTool.of(entry) == McpTool("x", "y", "", {"type": "object"})
    assert McpTool.of({}) == McpTool("", "")


def test_every_public_name_is_there_and_no_other() -> None:
    assert set(agentbay.__all__) <= set(dir(agentbay))
    assert [name for name in agentbay.__all__ if getattr(agentbay, name, None) is None] == []
    with pytest.raises(AttributeError, match="has no attribute 'AsyncNothing'"):
        _ = agentbay.AsyncNothing


@pytest.mark.parametrize("kind", EXPORTED, **ids)
def test_every_public_class_says_what_it_is(kind: type[Any]) -> None:
    assert inspect.getdoc(kind)


def test_a_failed_result_shows_its_error() -> None:
    failed = BaseResult.failed(AgentBayError("no"))

    assert repr(failed) == "BaseResult(request_id='', error=AgentBayError('no'), success=False, error_message='no')"
    assert "error=" not in repr(BaseResult("r", success=True))


@pytest.mark.parametrize(
    ("result", "shown"),
    [
        (OperationResult(data=LONG), f"data='{'x' * 500}'... (10000 in all)"),
        (OperationResult(data=LONG.encode()), f"data=b'{'x' * 500}'... (10000 in all)"),
        (OperationResult(data=[*range(1000)]), "data=[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, "),
        (OperationResult(data=[*range(1000)]), " 18, 19, ... (1000 in all)]"),
        (OperationResult(data={"a": LONG, "b": 1}), f"data={{'a': '{'x' * 500}'... (10000 in all), 'b': 1}}"),
        (BaseResult(error=ToolError(LONG)), f"error=ToolError('{'x' * 500}'... (10000 in all))"),
    ],
    ids=range(6),
)
def test_a_long_value_is_shown_shortened(result: ApiResponse, shown: str) -> None:
    assert shown in repr(result)
    assert len(repr(result)) < 1500


def test_a_request_id_is_found_wherever_an_answer_has_it() -> None:
    answers: list[Any] = [
        BaseResult("r"),
        {"RequestId": "r"},
        {"requestId": "r"},
        {"headers": {}, "body": {"RequestId": "r"}},
        AgentBayError("no", request_id="r"),
    ]

    assert [extract_request_id(answer) for answer in answers] == ["r"] * 5
    assert [extract_request_id(answer) for answer in (None, {}, "r", BaseResult())] == [""] * 4


def test_a_session_may_be_kept_in_its_older_form() -> None:
    data = GetSessionData(session_id="s-1", token="hush", link_url="https://hush", status="RUNNING")
    kept = GetSessionResult("r", 200, "ok", True, data)

    assert (kept.data, kept.get_request_id()) == (data, "r")
    assert "hush" not in repr(kept)
