"""What agents say, as values: whatever comes, there is a result, an event or our own error, and nothing else."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentbay import AgentError, AgentEvent, ExecutionResult, OSSClientResult, QueryResult
from agentbay._agents import PHONE, AgentRun, last_words, outcome
from agentbay._tools import ToolAnswer

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
MEMBERS = "task_id taskId status action product result error stream eventType seq round content toolCallId args".split()
OBJECTS = st.dictionaries(st.sampled_from(MEMBERS), JSON)
KIND = st.sampled_from(["reasoning", "content", "tool_call", "tool_result", "error"])


def answer(text: str) -> ToolAnswer:
    return ToolAnswer("r1", text, facts={"request_id": "r1"})


@given(OBJECTS)
def test_any_object_is_a_result(loaded: dict[str, Any]) -> None:
    query = QueryResult.of_tool(answer(json.dumps(loaded)))
    begun = ExecutionResult.of_tool(answer(json.dumps(loaded)))
    assert [True, True] == [query.success, begun.success]
    for text in (query.task_id, query.task_status, query.task_action, query.task_product, begun.task_id):
        assert isinstance(text, str)
    ended = outcome(PHONE, query, {"task_id": "t1"})
    assert ended is None or ended.task_id == "t1"
    assert last_words("late", query).startswith("late")


@given(st.text())
def test_any_text_is_a_result_or_our_error(text: str) -> None:
    for kind in (QueryResult, ExecutionResult, OSSClientResult):
        result: Any = kind.of_tool(answer(text))
        assert result.success == (result.error is None)


@given(KIND, OBJECTS)
def test_any_event_of_a_known_kind_is_one(kind: str, data: dict[str, Any]) -> None:
    event = AgentEvent.of(data | {"eventType": kind})
    assert event is not None
    assert (kind, str, int) == (event.type, type(event.content), type(event.round))


@given(JSON)
def test_an_event_of_another_kind_is_none(kind: Any) -> None:
    assert AgentEvent.of({"eventType": kind}) is None


@given(st.lists(OBJECTS, max_size=4), OBJECTS)
def test_any_run_comes_to_a_result(events: list[dict[str, Any]], end: dict[str, Any]) -> None:
    run = AgentRun("r1", "s1")
    for data in events:
        run.take(data)
    result = run.end(end)
    assert result.success == (result.error is None)


@pytest.mark.parametrize("text", ["[" * 100_000, "{", "\ud800", "NaN", '{"status": 1e999}'])
def test_hostile_text_is_no_crash(text: str) -> None:
    result = QueryResult.of_tool(answer(text))
    assert result.success or isinstance(result.error, AgentError)


def test_a_look_that_failed_has_no_last_words() -> None:
    assert ["late", "late"] == [last_words("late", None), last_words("late", QueryResult())]
