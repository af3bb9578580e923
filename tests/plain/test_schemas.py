"""Schemas of what is taken from a page: classes as JSON Schema, and answers as objects of them."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from dataclasses import field as data_field
from enum import Enum
from typing import Any, Literal, Optional

import pytest
from attrs import define, field
from hypothesis import given
from hypothesis import strategies as st

from agentbay._schema import json_schema, loader_of, schema_text
from agentbay._strict import Mismatch


class Colour(Enum):
    RED = "red"
    BLUE = "blue"


@define
class Node:
    """A tree."""

    name: str
    children: list[Node] = field(factory=list)


@define
class Everything:
    text: str
    whole: int
    number: float
    flag: bool
    anything: Any
    colour: Colour
    choice: Literal["a", 2]
    maybe: str | None
    other: Optional[int] = None  # noqa: UP045
    names: list[str] = field(factory=list)
    loose: list = field(factory=list)  # type: ignore[type-arg]
    counts: dict[str, int] = field(factory=dict)
    bare: dict = field(factory=dict)  # type: ignore[type-arg]
    tree: Node | None = None
    hidden: int = field(default=0, init=False)


@dataclass
class Plain:
    first: str
    second: list[str] = data_field(default_factory=list)
    third: int = 0
    fourth: int = data_field(default=1, init=False)


@dataclass
class Told:
    """Words of its own."""

    tree: Node


def test_a_class_is_described_with_all_its_kinds() -> None:
    found = json_schema(Everything)

    assert found["required"] == ["text", "whole", "number", "flag", "anything", "colour", "choice", "maybe"]
    assert found["properties"] == {
        "text": {"type": "string"},
        "whole": {"type": "integer"},
        "number": {"type": "number"},
        "flag": {"type": "boolean"},
        "anything": {},
        "colour": {"enum": ["red", "blue"]},
        "choice": {"enum": ["a", 2]},
        "maybe": {"anyOf": [{"type": "string"}, {"type": "null"}]},
        "other": {"anyOf": [{"type": "integer"}, {"type": "null"}]},
        "names": {"type": "array", "items": {"type": "string"}},
        "loose": {"type": "array", "items": {}},
        "counts": {"type": "object", "additionalProperties": {"type": "integer"}},
        "bare": {"type": "object", "additionalProperties": {}},
        "tree": {"anyOf": [{"$ref": "#/$defs/Node"}, {"type": "null"}]},
    }
    assert found["$defs"] == {
        "Node": {
            "title": "Node",
            "type": "object",
            "description": "A tree.",
            "properties": {
                "name": {"type": "string"},
                "children": {"type": "array", "items": {"$ref": "#/$defs/Node"}},
            },
            "required": ["name"],
        }
    }


def test_a_class_within_itself_comes_to_an_end() -> None:
    found = json_schema(Node)

    assert found["properties"]["children"] == {"type": "array", "items": {"$ref": "#/$defs/Node"}}
    assert found["$defs"]["Node"]["properties"] == found["properties"]


def test_a_dataclass_is_described_too() -> None:
    found = json_schema(Plain)

    assert found == {
        "title": "Plain",
        "type": "object",
        "properties": {
            "first": {"type": "string"},
            "second": {"type": "array", "items": {"type": "string"}},
            "third": {"type": "integer"},
        },
        "required": ["first"],
    }
    assert json_schema(Told)["description"] == "Words of its own."


@define
class Wrong:
    values: set[int]


@define
class Keys:
    values: dict[int, str]


@define
class Lost:
    value: Nowhere  # type: ignore[name-defined]  # noqa: F821


REFUSED = {
    Wrong: r"Wrong\.values is of a kind that a schema cannot tell: set\[int\]",
    Keys: r"Keys\.values is of a kind that a schema cannot tell: dict\[int, str\]",
    Lost: "The fields of Lost cannot be read .*'Nowhere'.*: define it, and the classes of its fields, at the top",
}


@pytest.mark.parametrize("kind", REFUSED)
def test_what_json_cannot_tell_is_refused(kind: type) -> None:
    with pytest.raises(TypeError, match=REFUSED[kind]):
        schema_text(kind)


@pytest.mark.parametrize("schema", [None, "x", int, Node("a"), []])
def test_what_is_no_schema_is_refused(schema: Any) -> None:
    with pytest.raises(TypeError, match="schema must be a pydantic model, an attrs class"):
        schema_text(schema)


def test_a_dictionary_is_a_schema_as_it_is() -> None:
    assert schema_text({"type": "object", "x": "é"}) == 'schema: {"type": "object", "x": "\\u00e9"}'


WHOLE = {
    "text": "é",
    "whole": 3.0,
    "number": 2,
    "flag": False,
    "anything": [{}],
    "colour": "blue",
    "choice": 2,
    "maybe": None,
    "names": ["a"],
    "loose": [1, None],
    "counts": {"a": 1},
    "bare": {"x": []},
    "tree": {"name": "a", "children": [{"name": "b"}]},
    "unknown": 1,
}


def test_an_answer_becomes_an_object() -> None:
    made = loader_of(Everything)(WHOLE)

    assert made == Everything(
        "é", 3, 2, False, [{}], Colour.BLUE, 2, None, None, ["a"], [1, None], {"a": 1}, {"x": []},
        Node("a", [Node("b")]),
    )  # fmt: skip
    assert type(made.whole) is int
    assert loader_of(Plain)({"first": "a", "fourth": 9}) == Plain("a")


MISMATCHES: dict[str, tuple[Any, str]] = {
    "text": (5, "it must be text @ answer.text"),
    "whole": (3.5, "it must be a whole number @ answer.whole"),
    "number": (float("inf"), "it must be a number @ answer.number"),
    "flag": (1, "it must be true or false @ answer.flag"),
    "colour": ("green", "'green' is not a valid Colour @ answer.colour"),
    "names": ("abc", "it must be a list @ answer.names"),
    "counts": ([], "it must be of the form dict[str, int] @ answer.counts"),
    "tree": ({"name": "a", "children": [{}]}, "it is missing @ answer.tree.children[0].name"),
}


@pytest.mark.parametrize("name", MISMATCHES)
def test_an_answer_of_another_form_is_named(name: str) -> None:
    value, told = MISMATCHES[name]

    with pytest.raises(ValueError, match=f"^{re.escape(told)}$"):
        loader_of(Everything)(WHOLE | {name: value})


def test_a_long_list_of_faults_is_cut() -> None:
    with pytest.raises(ValueError, match=r"^[^;]*(;[^;]*){4}$"):
        loader_of(Everything)({})


JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(max_size=6) | st.sampled_from(list(WHOLE)), inner, max_size=4)
    ),
    max_leaves=8,
)
LOADERS: dict[str, Callable[[Any], Any]] = {
    "a class": loader_of(Everything),
    "itself": loader_of(Node),
    "a dataclass": loader_of(Plain),
    "an object": loader_of({"type": "object"}),
    "a list": loader_of({"type": "array"}),
    "none of them": loader_of({"type": ["object", "null"]}),
}


@given(st.sampled_from(list(LOADERS)), JSON | JSON.map(lambda value: WHOLE | {"tree": value, "text": value}))
def test_hostile_answers_are_refused_or_read(name: str, value: Any) -> None:
    with suppress(Mismatch):
        LOADERS[name](value)


def deep(levels: int) -> Any:
    value: Any = {"name": "a", "children": []}
    for _ in range(levels):
        value = {"name": "a", "children": [value]}
    return value


def test_an_answer_nested_too_deeply_is_refused() -> None:
    with pytest.raises(ValueError, match="it is nested more than 64 levels deep @ answer"):
        loader_of(Node)(deep(5000))


@given(
    st.recursive(
        st.builds(Node, st.text(max_size=5)),
        lambda inner: st.builds(Node, st.text(max_size=5), st.lists(inner, max_size=3)),
        max_leaves=6,
    )
)
def test_what_was_written_is_read_again(tree: Node) -> None:
    def written(node: Node) -> dict[str, Any]:
        return {"name": node.name, "children": [written(child) for child in node.children]}

    assert loader_of(Node)(json.loads(json.dumps(written(tree)))) == tree
