"""Calls look at their arguments first, and say what is wrong with them."""

from __future__ import annotations

import asyncio
import inspect
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from enum import IntEnum
from pathlib import Path
from typing import Any, Literal, Protocol

import pytest

from agentbay import ActOptions, BrowserContext, CreateSessionParams, ExtensionOption, ExtractOptions, ObserveOptions
from agentbay._checked import Checked, checked, checked_fields
from agentbay.types.context_sync import ContextSync, WhiteList


class Index:
    """A whole number of a type that is not Python's."""

    def __index__(self) -> int:
        return 4


class Shape(Protocol):
    """Something that is known by what it does."""


def text(value: str) -> None: ...
def maybe_text(value: str | None) -> None: ...
def data(value: bytes) -> None: ...
def whole(value: int) -> None: ...
def number(value: float) -> None: ...
def flag(value: bool) -> None: ...
def names(value: list[str]) -> None: ...
def several(value: Sequence[str]) -> None: ...
def some(value: Iterable[str] | None) -> None: ...
def pairs(value: dict[str, str]) -> None: ...
def payload(value: dict[str, Any]) -> None: ...
def nested(value: Sequence[Mapping[str, str]]) -> None: ...
def function(value: Callable[[bytes], None] | None) -> None: ...
def public(value: CreateSessionParams | None) -> None: ...
def place(value: str | os.PathLike[str]) -> None: ...
def choice(value: Literal["a", "b"]) -> None: ...
def shape(value: Shape) -> None: ...
def elsewhere(value: OnlyForTypeCheckers | None) -> None: ...  # type: ignore[name-defined]  # noqa: F821
def anything(value: Any, other: object = None, more: Sequence[Any] = ()) -> None: ...
def bare(value) -> None: ...  # type: ignore[no-untyped-def]  # noqa: ANN001
def evaluated(value: Any) -> None: ...


evaluated.__annotations__["value"] = int

RIGHT: list[tuple[Callable[..., None], Any]] = [
    (text, "a"),
    (maybe_text, None),
    (data, b""),
    (data, bytearray(b"")),
    (whole, 3),
    (whole, 3.0),
    (whole, Index()),
    (number, 3),
    (number, 0.5),
    (number, Index()),
    (flag, True),
    (names, ("a",)),
    (several, ["a"]),
    (some, iter("ab")),
    (some, {"a"}),
    (pairs, {"a": "b"}),
    (payload, {"a": 1}),
    (nested, [{"a": "b"}]),
    (function, print),
    (public, CreateSessionParams()),
    (place, Path("a")),
    (choice, 3),
    (shape, 3),
    (elsewhere, 3),
    (anything, 3),
    (bare, 3),
    (evaluated, 3),
]

WRONG: list[tuple[Callable[..., None], Any, str]] = [
    (text, b"a", "a str, not bytes"),
    (text, None, "a str, not None"),
    (text, ["secret"], "a str, not a list"),
    (maybe_text, 1, "a str or None, not 1"),
    (data, "secret", "bytes, not a str"),
    (whole, "5", "a whole number, not a str"),
    (whole, True, "a whole number, not True"),
    (whole, 1.5, "a whole number, not 1.5"),
    (whole, float("inf"), "a whole number, not inf"),
    (whole, float("nan"), "a whole number, not nan"),
    (number, "x", "a number, not a str"),
    (number, True, "a number, not True"),
    (flag, 1, "True or False, not 1"),
    (names, "abc", "a list of str, not a str"),
    (names, {"a"}, "a list of str, not a set"),
    (several, b"abc", "a list of str, not bytes"),
    (several, ["a", 2], "a list of str, but item 1 is 2"),
    (pairs, [], "a dict of str to str, not a list"),
    (pairs, {1: "a"}, "a dict of str to str, but the key 1 is 1"),
    (pairs, {"a": b"secret"}, "a dict of str to str, but the value of 'a' is bytes"),
    (payload, "x", "a dict, not a str"),
    (nested, [{"a": 1}], "a list of dict of str to str, but in item 0 the value of 'a' is 1"),
    (function, "print", "a function or None, not a str"),
    (public, "linux_latest", "a CreateSessionParams or None, not a str"),
    (place, b"a", "a str or a PathLike, not bytes"),
    (evaluated, "3", "a whole number, not a str"),
]


@pytest.mark.parametrize(("call", "value"), RIGHT)
def test_a_value_of_the_right_kind_passes(call: Callable[..., None], value: Any) -> None:
    assert checked(call)(value) is checked(call)(value=value) is None


@pytest.mark.parametrize(("call", "value", "wanted"), WRONG)
def test_a_value_of_a_wrong_kind_is_a_type_error_that_names_it(
    call: Callable[..., None], value: Any, wanted: str
) -> None:
    for attempt in (lambda: checked(call)(value), lambda: checked(call)(value=value)):
        with pytest.raises(TypeError) as caught:
            attempt()
        assert str(caught.value) == f"value must be {wanted}"


def limits(
    timeout: float = 1, timeout_ms: int | None = None, poll_interval: float = 1, limit: int | None = None
) -> None: ...


@pytest.mark.parametrize(
    ("name", "value", "fault"),
    [
        ("timeout", -1, "timeout must be at least 0 seconds, not -1"),
        ("timeout", float("nan"), "timeout must be at least 0 seconds, not nan"),
        ("timeout_ms", 0, "timeout_ms must be above 0 milliseconds, not 0"),
        ("poll_interval", 0, "poll_interval must be above 0 seconds, not 0"),
        ("limit", 0, "limit must be at least 1, not 0"),
    ],
)
def test_a_number_out_of_range_is_a_value_error_with_the_limit(name: str, value: float, fault: str) -> None:
    with pytest.raises(ValueError, match="must be") as caught:
        checked(limits)(**{name: value})
    assert str(caught.value) == fault


def test_numbers_within_their_limits_pass() -> None:
    checked(limits)(0, 1, 0.001, 1)
    checked(limits)(0.0, None, limit=None)


class Code(IntEnum):
    """Whole numbers with names."""

    HOME = 3


@checked
def handed(whole: int | str | None, number: float = 0.5, *, page_size: int = 1) -> tuple[Any, ...]:
    return whole, number, page_size


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (handed(3.0, 3.0, page_size=3.0), (3, 3.0, 3)),  # type: ignore[arg-type]
        (handed(0.0, Index(), page_size=Index()), (0, 4, 4)),  # type: ignore[arg-type]
        (handed(Code.HOME, Code.HOME, page_size=Code.HOME), (Code.HOME, Code.HOME, Code.HOME)),
        (handed(type("Text", (str,), {})("3")), ("3", 0.5, 1)),
    ],
)
def test_a_whole_number_of_any_type_is_handed_on_as_pythons_own(given: tuple[Any], expected: tuple[Any]) -> None:
    assert [(value, type(value)) for value in given[1:]] == [(value, type(value)) for value in expected[1:]]
    assert (given[0], isinstance(given[0], float)) == (expected[0], False)


def test_what_python_itself_refuses_is_left_to_it() -> None:
    with pytest.raises(TypeError, match="unexpected keyword argument 'other'"):
        checked(text)("a", other=1)  # type: ignore[call-arg]
    with pytest.raises(TypeError, match="takes 1 positional argument but 2 were given"):
        checked(text)("a", "b")  # type: ignore[call-arg]


class Base(Checked):
    """A class with methods of both kinds."""

    async def later(self, value: str) -> str:
        return value

    def now(self, value: str) -> str:
        return value

    at_once = now

    def _private(self, value: str) -> str:
        return value


class Own(Base, unchecked=("value",)):
    """One that judges `value` itself."""

    def judge(self, value: str, other: str) -> str:
        return f"{value}{other}"


def test_methods_are_checked_and_stay_what_they_are() -> None:
    assert inspect.iscoroutinefunction(Base.later)
    assert not inspect.iscoroutinefunction(Base.now)
    assert str(inspect.signature(Base.now)) == "(self, value: 'str') -> 'str'"
    assert Base.at_once is Base.now
    assert (Base().now("a"), asyncio.run(Base().later("b")), Base()._private(1)) == ("a", "b", 1)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="value must be a str, not 1"):
        Base().at_once(1)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="value must be a str, not 1"):
        asyncio.run(Base().later(1))  # type: ignore[arg-type]


def test_a_class_may_judge_some_arguments_itself() -> None:
    assert Own().judge(1, "a") == "1a"  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="other must be a str, not 1"):
        Own().judge("a", 1)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("make", "fault"),
    [
        (lambda: CreateSessionParams(labels="x"), "labels must be a dict of str to str or None, not a str"),  # type: ignore[arg-type]
        (lambda: CreateSessionParams({"a": 1}), "labels must be .*, but the value of 'a' is 1"),  # type: ignore[dict-item]
        (lambda: CreateSessionParams(image_id=1), "image_id must be a str or None, not 1"),  # type: ignore[arg-type]
        (
            lambda: CreateSessionParams(context_syncs="x"),  # type: ignore[arg-type]
            "context_syncs must be a list of ContextSync or None, not a str",
        ),
        (lambda: CreateSessionParams(context_syncs=["c"]), "context_syncs must be .*, but item 0 is a str"),  # type: ignore[list-item]
        (lambda: ContextSync("c", None), "path must be a str, not None"),  # type: ignore[arg-type]
        (lambda: ContextSync("c", "/a", {}), "policy must be a SyncPolicy or None, not a dict"),  # type: ignore[arg-type]
        (lambda: ExtensionOption("c", "ext"), "extension_ids must be a list of str, not a str"),  # type: ignore[arg-type]
        (lambda: BrowserContext("c", sync_mode=7), "sync_mode must be a BrowserSyncMode or a str or None, not 7"),  # type: ignore[arg-type]
        (lambda: ObserveOptions("x", timeout=True), "timeout must be a whole number or None, not True"),
        (lambda: ActOptions("x", {"a": 1}), "variables must be .*, but the value of 'a' is 1"),  # type: ignore[dict-item]
        (lambda: ExtractOptions("x", {}, selector=1), "selector must be a str or None, not 1"),  # type: ignore[call-overload]
        (lambda: WhiteList(exclude_paths="a"), "exclude_paths must be a list of str, not a str"),  # type: ignore[arg-type]
    ],
)
def test_options_look_at_what_they_are_made_of(make: Callable[[], object], fault: str) -> None:
    with pytest.raises(TypeError, match=f"^{fault}$"):
        make()


def test_an_option_may_judge_some_fields_itself() -> None:
    with pytest.raises(ValueError, match="idle_release_timeout"):
        CreateSessionParams(idle_release_timeout="5")  # type: ignore[arg-type]
    assert checked_fields() is not checked_fields()
