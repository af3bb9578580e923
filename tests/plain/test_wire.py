"""Values to bytes and back, for every action and for hostile bytes."""

from __future__ import annotations

import json
from typing import Any, get_args, get_type_hints
from urllib.parse import parse_qsl, quote_plus

import pytest
from attrs import fields, frozen
from hypothesis import given
from hypothesis import strategies as st

import agentbay.actions
from agentbay._params import Action, dump_params, quote
from agentbay._tools import read_direct, read_tool, tool_entries, utf8_pieces
from agentbay._wire import MalformedParameter, Reply, Unreadable, dump_data, load_action, read_object, read_reply
from agentbay.actions import (
    CallMcpTool,
    CreateMcpSession,
    GetSession,
    GetSessionDetail,
    ListSession,
    SessionData,
    SetLabel,
)
from agentbay.errors import APIError
from tests.catalogue import ACTIONS, ENCODED, top

TEXT = st.text(st.characters(codec="utf-8"), max_size=30)
NAMES = st.text(st.characters(codec="ascii", categories=["L", "N"]), min_size=1, max_size=8)
JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=8,
)
HOSTILE = st.binary(max_size=200) | JSON.map(lambda value: json.dumps(value).encode())
FACTS: dict[str, Any] = {"action": "x", "session_id": "s", "request_id": "", "attempts": 1}

KINDS: list[Any] = sorted(
    (
        item
        for item in vars(agentbay.actions).values()
        if isinstance(item, type) and issubclass(item, Action) and item is not Action
    ),
    key=lambda kind: kind.__name__,
)

VALUES: dict[Any, st.SearchStrategy[Any]] = {
    str: TEXT,
    int: st.integers(0, 2**31),
    bool: st.booleans(),
    dict[str, str]: st.dictionaries(TEXT, TEXT, max_size=3),
    dict[str, Any]: st.dictionaries(TEXT, JSON, max_size=3),
    list[str]: st.lists(TEXT, min_size=1, max_size=3),
    list[dict[str, Any]]: st.lists(st.dictionaries(TEXT, JSON, max_size=3), max_size=3),
}
# What travels flat keeps its shape only as far as a form can tell: names without dots, texts.
FLAT = st.dictionaries(NAMES.filter(lambda name: not name.isdecimal()), TEXT, min_size=1, max_size=3)


def some(kind: Any) -> st.SearchStrategy[Any]:
    """Any action of a class."""
    hints = get_type_hints(kind)
    return st.builds(kind, **{part.name: value_of(hints[part.name]) for part in fields(kind)})


def value_of(hint: Any) -> st.SearchStrategy[Any]:
    if hint is Any:
        return st.none() | FLAT
    kinds = [kind for kind in get_args(hint) if kind is not type(None)] if type(None) in get_args(hint) else [hint]
    optional = st.none() if type(None) in get_args(hint) else st.nothing()
    return optional | VALUES[kinds[0]]


def read_back(query: str, body: bytes) -> dict[str, str]:
    return dict(parse_qsl((query + "&" + body.decode()).strip("&"), keep_blank_values=True))


# --- Form encoding ----------------------------------------------------------------------------------------------------


@given(st.text(st.characters(codec="utf-8"), max_size=600))
def test_form_encoding_is_that_of_the_standard_library(text: str) -> None:
    assert quote(text) == quote_plus(text)


@pytest.mark.parametrize("text", ["\x00\x1f %+&=~-_.*'()/é\u0800😀\x7f" * 40, " " * 300, "%41" * 100, "+" * 300, ""])
def test_long_texts_are_encoded_the_same_way(text: str) -> None:
    assert quote(text) == quote_plus(text)


@pytest.mark.parametrize("text", ["\ud800", "a" * 500 + "\udfff", "\udc80tail"])
def test_half_a_character_is_refused_with_its_place(text: str) -> None:
    place = next(number for number, char in enumerate(text) if "\ud800" <= char <= "\udfff")
    with pytest.raises(ValueError, match=f"position {place} holds .* half of a character pair"):
        quote(text)


# --- Actions ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: str(kind.__name__))
def test_every_action_survives_the_way_there(kind: Any) -> None:
    @given(some(kind))
    def check(action: Any) -> None:
        sent = read_back(*dump_params(action, "Bearer+key"))
        assert sent.pop("Authorization") == "Bearer key"
        assert load_action(kind, sent) == action

    check()


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: str(kind.__name__))
def test_every_parameter_is_in_the_catalogue_and_travels_as_it_says(kind: Any) -> None:
    known = {param["name"].split(" ")[0]: param for param in ACTIONS[kind.__name__]["params"]}

    @given(some(kind))
    def check(action: Any) -> None:
        texts = (part if isinstance(part, str) else part.decode() for part in dump_params(action, "k"))
        query, body = (dict(parse_qsl(text, keep_blank_values=True)) for text in texts)
        places = dict.fromkeys(query, "query") | dict.fromkeys(body, "body")
        assert {name: known[top(name)]["in"] for name in places} == places
        assert all(ENCODED[known[top(name)]["encoding"]](text) for name, text in (query | body).items())

    check()


@given(st.dictionaries(NAMES | TEXT, TEXT, max_size=6))
def test_reading_any_parameters_gives_an_action_or_names_the_wrong_one(params: dict[str, str]) -> None:
    for kind in (CallMcpTool, CreateMcpSession, ListSession, SetLabel):
        try:
            assert isinstance(load_action(kind, params), kind)
        except MalformedParameter as wrong:
            named = wrong.name
            assert named[:1].isupper()


def test_a_parameter_that_is_missing_or_malformed_is_named() -> None:
    cases: list[tuple[Any, dict[str, str]]] = [
        (GetSession, {}),
        (SetLabel, {"SessionId": "s", "Labels": "{"}),
        (SetLabel, {"SessionId": "s", "Labels": "[1]"}),
        (ListSession, {"MaxResults": "ten"}),
        (CreateMcpSession, {"EnableRecord": "maybe"}),
        (SetLabel, {"SessionId": "s", "Labels": "[" * 100_000}),
    ]
    told = []
    for kind, params in cases:
        with pytest.raises(MalformedParameter) as caught:
            load_action(kind, params)
        told.append((str(caught.value), caught.value.missing))

    assert told[:5] == [
        ("SessionId is missing", True),
        ("Labels cannot be read: it must be JSON of dict", False),
        ("Labels cannot be read: it must be JSON of dict", False),
        ("MaxResults cannot be read: it must be int", False),
        ("EnableRecord cannot be read: it must be bool", False),
    ]


@pytest.mark.parametrize("text", ["true", "True", "TRUE"])
def test_yes_and_no_are_read_in_any_case(text: str) -> None:
    params = {"SessionId": "s", "Name": "n", "Args": "{}", "AutoGenSession": text}

    assert load_action(CallMcpTool, params) == CallMcpTool("s", "n", {}, auto_gen_session=True)


@frozen
class Nested(Action[Any]):
    """An action whose parameters have parts."""

    names: list[str] | None = None
    extra: dict[str, Any] | None = None


def test_parts_travel_by_dots_and_numbers() -> None:
    action = Nested([f"n{number}" for number in range(11)], {"Mobile": {"Lock": True, "Apps": ["a", "b"], "No": None}})
    sent = read_back(*dump_params(action, "k"))

    assert sent["Names.1"] == "n0"
    assert sent["Names.11"] == "n10"
    assert {name: text for name, text in sent.items() if name.startswith("Extra")} == {
        "Extra.Mobile.Lock": "True",
        "Extra.Mobile.Apps.1": "a",
        "Extra.Mobile.Apps.2": "b",
    }
    assert load_action(Nested, sent) == Nested(action.names, {"Mobile": {"Lock": "True", "Apps": ["a", "b"]}})


def test_what_has_no_parts_leaves_no_trace() -> None:
    assert dump_params(Nested([], {}), "k") == ("", b"Authorization=k")


# --- Answers ----------------------------------------------------------------------------------------------------------


def test_answers_that_the_runtime_writes_are_read_as_they_were() -> None:
    data = SessionData("s", token="t", vpc_resource=True, contexts=[{"id": "c", "name": "n"}], status="RUNNING")
    written = dump_data(data)
    body = json.dumps({"RequestId": "r", "Success": True, "Data": written}).encode()

    assert (written["SessionId"], written["contexts"]) == ("s", [{"id": "c", "name": "n"}])
    assert read_reply(GetSession("s"), 200, body, FACTS).data == data


@given(st.sampled_from([200, 200, 204, 302, 400, 404, 429, 500, 503]), HOSTILE)
def test_hostile_answers_of_actions_give_a_reply_or_are_unreadable(status: int, body: bytes) -> None:
    for action in (GetSession("s"), ListSession(), CallMcpTool("s", "t", {})):
        try:
            reply: Reply[Any] = read_reply(action, status, body, FACTS)
        except Unreadable:
            assert status < 429
        else:
            assert reply.success is (reply.error is None)


ENVELOPE = st.fixed_dictionaries(
    {},
    optional={
        "Data": JSON,
        "Success": JSON,
        "Code": JSON,
        "Message": JSON,
        "RequestId": JSON,
        "HttpStatusCode": JSON,
        "NextToken": JSON,
        "TotalCount": JSON,
    },
)


@given(ENVELOPE)
def test_envelopes_with_any_members_give_a_reply_or_are_unreadable(told: dict[str, Any]) -> None:
    for action in (GetSession("s"), ListSession(), CreateMcpSession()):
        try:
            reply: Reply[Any] = read_reply(action, 200, json.dumps(told).encode(), FACTS)
        except Unreadable:
            continue
        assert isinstance(reply.request_id, str)
        assert isinstance(reply.status, int)


@given(JSON)
def test_a_tool_may_answer_anything_by_the_action(data: Any) -> None:
    for told in (data, json.dumps(data)):
        answer = read_tool(Reply("r", 200, data=told), FACTS)
        assert isinstance(answer.text, str)
        assert answer.request_id == "r"


@given(st.sampled_from([200, 201, 299, 300, 404, 500]), HOSTILE | JSON.map(lambda x: json.dumps({"data": x}).encode()))
def test_a_tool_may_answer_anything_by_the_direct_link(status: int, body: bytes) -> None:
    try:
        answer = read_direct(status, body, FACTS)
    except Unreadable:
        assert status < 300
    else:
        assert isinstance(answer.text, str)
        assert status < 300 or isinstance(answer.error, APIError)


@pytest.mark.parametrize("number", ["Infinity", "-Infinity", "NaN", "1e999", "1" * 400, "1" * 5000])
def test_absurd_numbers_are_read_or_unreadable(number: str) -> None:
    body = '{"HttpStatusCode": %s, "TotalCount": %s, "Data": {"Status": "X", "BizType": %s}}' % ((number,) * 3)
    try:
        reply = read_reply(GetSessionDetail("s"), 200, body.encode(), FACTS)
    except Unreadable:
        return
    assert reply.data is not None
    assert reply.data.status == "X"


@pytest.mark.parametrize("body", [b"[" * 100_000, b"\xff", b"", b"nan", b'{"a": 1e999'])
def test_what_is_no_object_cannot_be_read(body: bytes) -> None:
    with pytest.raises(Unreadable):
        read_object(body)


def test_nesting_without_end_is_unreadable_at_every_depth() -> None:
    deep = "[" * 100_000
    told = json.dumps({"data": deep}).encode()
    answer = read_tool(Reply("r", 200, data=deep), FACTS)

    assert answer.error is not None
    assert answer.error.message.startswith("Failed to parse response data: ")
    assert tool_entries(deep) == []
    with pytest.raises(Unreadable):
        read_direct(200, told, FACTS)


@given(JSON | JSON.map(json.dumps) | st.text(max_size=50))
def test_a_list_of_tools_may_be_anything(told: Any) -> None:
    assert all(isinstance(entry, dict) for entry in tool_entries(told))


# --- Pieces of text ---------------------------------------------------------------------------------------------------


@given(st.text(st.characters(codec="utf-8"), max_size=80), st.integers(4, 20))
def test_pieces_join_to_the_text_and_respect_the_limit(text: str, limit: int) -> None:
    pieces = list(utf8_pieces(text, limit))

    assert "".join(pieces) == text
    assert all(len(piece.encode()) <= limit for piece in pieces)
    assert all(len(piece.encode()) > limit - 4 for piece in pieces[:-1])
    assert len(pieces) == 1 or pieces[-1] != ""
