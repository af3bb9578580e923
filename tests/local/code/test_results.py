"""From a driver's events to the wire's result object."""

from __future__ import annotations

from typing import Any

import pytest
from attrs import fields_dict

from agentbay.types.code import FORMS, CodeExecutionResult
from agentbay_local.code.results import Ended, Event, Outcome, Text, Unreadable, plain, read_event

END = {"type": "end", "count": 3, "seconds": 0.5}


def wire(*events: Event) -> dict[str, Any]:
    outcome = Outcome()
    for event in events:
        piece = read_event(event)
        assert piece is not None
        outcome.add(piece)
    return outcome.wire()


def test_an_empty_call_has_every_field_of_the_shape() -> None:
    assert wire(END) == {
        "logs": {"stdout": [], "stderr": []}, "results": [], "error": None, "execution_count": 3, "execution_time": 0.5,
        "isError": False,
    }  # fmt: skip


def test_an_event_of_an_unknown_kind_is_no_piece() -> None:
    events: list[Event] = [{"type": "stdout", "text": "x"}, {"type": "news"}, END]
    assert [read_event(event) for event in events] == [Text("stdout", "x"), None, Ended(3, 0.5)]


def test_an_error_has_its_documented_name_also_where_python_uses_one_of_its_own() -> None:
    raised = {"type": "error", "name": "_IncompleteInputError", "value": "x", "traceback": "_IncompleteInputError: x"}
    assert {"name": "SyntaxError", "value": "x", "traceback": "SyntaxError: x"} == wire(raised, END)["error"]


def test_a_stream_is_one_text_however_it_was_cut() -> None:
    assert wire({"type": "stdout", "text": "a"}, {"type": "stdout", "text": "b"}, END)["logs"]["stdout"] == ["ab"]


def result(**data: object) -> Event:
    return {"type": "result", "data": data, "main": True}


def test_a_result_has_short_names_and_knows_whether_it_is_the_main_one() -> None:
    data = {mime: mime for mime in FORMS if "v4" not in mime}
    (item,) = wire(result(**data), END)["results"]
    assert item == {FORMS[mime]: mime for mime in data} | {"is_main_result": True}


def test_the_short_names_are_those_that_the_client_reads() -> None:
    assert {*FORMS.values(), "is_main_result"} == set(fields_dict(CodeExecutionResult))


def test_a_form_without_a_short_name_is_left_out() -> None:
    (item,) = wire(result(**{"text/plain": "t", "application/pdf": "p", "isMainResult": False}), END)["results"]
    assert item == {"text": "t", "is_main_result": True}


@pytest.mark.parametrize(("versions", "shown"), [("4", "4"), ("5", "5"), ("45", "5"), ("54", "5")])
def test_every_version_of_a_chart_is_one_and_the_newest_is_sent(versions: str, shown: str) -> None:
    data = {f"application/vnd.vegalite.v{version}+json": {"v": version} for version in versions}
    assert wire(result(**data), END)["results"] == [{"chart": {"v": shown}, "is_main_result": True}]


def test_the_first_error_counts() -> None:
    errors = [{"type": "error", "name": name, "value": "v", "traceback": ""} for name in ("First", "Second")]
    answer = wire(*errors, END)
    assert (answer["error"], answer["isError"]) == ({"name": "First", "value": "v", "traceback": ""}, True)


def test_colours_are_taken_out_of_a_traceback() -> None:
    error = {"type": "error", "name": "E", "value": "", "traceback": "\x1b[0;31mE\x1b[0m\x1b]8;;x\x07 here"}
    assert wire(error, END)["error"] == {"name": "E", "value": "", "traceback": "E here"}


@pytest.mark.parametrize(("value", "head"), [("v", "E: v"), ("", "E")])
def test_a_traceback_that_does_not_say_what_was_raised_gets_that_in_front(value: str, head: str) -> None:
    error = {"type": "error", "name": "E", "value": value, "traceback": "\nat line 1\n"}
    assert wire(error, END)["error"] == {"name": "E", "value": value, "traceback": f"{head}\n\nat line 1"}


def test_text_without_colours_stays_as_it_is() -> None:
    assert plain("[0;31m a[0]\n") == "[0;31m a[0]\n"


@pytest.mark.parametrize("event", [
    {"type": "stdout"}, {"type": "stdout", "text": 1}, {"type": "result", "data": [], "main": True},
    {"type": "result", "data": {}}, {"type": "error", "name": "E", "value": None, "traceback": ""},
    {"type": "end", "count": "1", "seconds": 0.1},
])  # fmt: skip
def test_an_event_of_the_wrong_form_is_unreadable(event: Event) -> None:
    with pytest.raises(Unreadable):
        read_event(event)
