"""Calls that look at their arguments before anything is sent: the annotations of a function are its rules. No I/O.

A wrong kind of value is a TypeError, a number out of range a ValueError; both name the argument, what came and what is
wanted. Texts that came are never told, for they may be secrets. Ranges and words that only some calls know are in
`_input`. A whole number may be of any type, such as those of NumPy or the 512.0 of a division; it is handed on as
Python's own.

The classes here are plain ones, because all programs wait for this module, and attrs takes a millisecond for each.
"""

from __future__ import annotations

import reprlib
import sys
from collections.abc import Callable, Collection, Iterable, Mapping
from functools import wraps
from importlib import import_module
from inspect import CO_COROUTINE
from operator import index
from types import FunctionType, NoneType, UnionType
from typing import Any, Literal, TypeVar, Union, get_args, get_origin

__all__ = ["Checked", "checked", "checked_fields"]

C = TypeVar("C", bound=type)
F = TypeVar("F", bound=Callable[..., Any])

Fault = Callable[[Any], str]
"""What came instead of what is wanted; empty when a value is right."""


# --- Kinds of values --------------------------------------------------------------------------------------------------


class _Kind:
    """What an annotation means: what is `wanted`, in words; `plain` types are right whatever their value is."""

    def __init__(self, wanted: str, plain: frozenset[type], fault: Fault) -> None:
        self.wanted = wanted
        self.plain = plain
        self.fault = fault


def _described(value: Any) -> str:
    if value is None or isinstance(value, bool | int | float):
        return repr(value)
    return _with_article(type(value).__name__)


def _with_article(name: str) -> str:
    return name if name == "bytes" else f"{'an' if name[0] in 'AEIOUaeiou' else 'a'} {name}"


def _no_fault(_: Any) -> str:
    return ""


def _unless(right: Callable[[Any], bool]) -> Fault:
    return lambda value: "" if right(value) else f"not {_described(value)}"


def _whole(value: Any) -> int | None:
    """A whole number of any type; None for what is none."""
    if isinstance(value, bool):
        return None
    if isinstance(value, float):
        return int(value) if value.is_integer() else None
    try:
        return index(value)
    except TypeError:
        return None


def _is_whole(value: Any) -> bool:
    return _whole(value) is not None


def _is_number(value: Any) -> bool:
    return isinstance(value, float) or _is_whole(value)


ANYTHING = _Kind("anything", frozenset(), _no_fault)

_SIMPLE: dict[Any, _Kind] = {
    Any: ANYTHING,
    object: ANYTHING,
    str: _Kind("a str", frozenset({str}), _unless(lambda value: isinstance(value, str))),
    bytes: _Kind("bytes", frozenset({bytes}), _unless(lambda value: isinstance(value, bytes | bytearray | memoryview))),
    int: _Kind("a whole number", frozenset({int}), _unless(_is_whole)),
    float: _Kind("a number", frozenset({int, float}), _unless(_is_number)),
    bool: _Kind("True or False", frozenset({bool}), _unless(lambda value: isinstance(value, bool))),
    None: _Kind("None", frozenset({NoneType}), _unless(lambda value: value is None)),
    NoneType: _Kind("None", frozenset({NoneType}), _unless(lambda value: value is None)),
}


def _instance(cls: type) -> _Kind:
    if getattr(cls, "_is_protocol", False):  # known by what it does, not by its class
        return ANYTHING
    return _Kind(_with_article(cls.__name__), frozenset({cls}), _unless(lambda value: isinstance(value, cls)))


def _either(kinds: list[_Kind]) -> _Kind:
    """A value that is right in one of several ways; what is wrong inside a value says more than its type."""

    def fault(value: Any) -> str:
        faults = [kind.fault(value) for kind in kinds]
        return "" if "" in faults else next((text for text in faults if text.startswith("but ")), faults[0])

    return _Kind(" or ".join(kind.wanted for kind in kinds), frozenset().union(*(kind.plain for kind in kinds)), fault)


def _inside(place: str, fault: str, part: Any) -> str:
    """What is wrong in one place of a value, or further inside."""
    if fault.startswith("but "):
        return f"but in {place} {fault.removeprefix('but ')}"
    return f"but {place} is {_described(part)}"


def _mapping(cls: type[Mapping[Any, Any]], key: _Kind, item: _Kind) -> _Kind:
    def look(value: Any) -> str:
        if not isinstance(value, cls):
            return f"not {_described(value)}"
        for name, part in value.items():
            if fault := key.fault(name):
                return _inside(f"the key {reprlib.repr(name)}", fault, name)
            if fault := item.fault(part):
                return _inside(f"the value of {reprlib.repr(name)}", fault, part)
        return ""

    inside = "" if ANYTHING in (key, item) else f" of {_short(key)} to {_short(item)}"
    return _Kind(f"a dict{inside}", frozenset(), look)


def _items(cls: type | tuple[type, ...], item: _Kind) -> _Kind:
    def look(value: Any) -> str:
        if not isinstance(value, cls) or isinstance(value, str | bytes | bytearray | Mapping):
            return f"not {_described(value)}"
        if not isinstance(value, Collection):  # an iterator: looking would use it up
            return ""
        faults = ((number, item.fault(part), part) for number, part in enumerate(value))
        return next((_inside(f"item {number}", fault, part) for number, fault, part in faults if fault), "")

    return _Kind("a list" if item is ANYTHING else f"a list of {_short(item)}", frozenset(), look)


def _short(kind: _Kind) -> str:
    return kind.wanted.removeprefix("a ").removeprefix("an ")


def _generic(origin: Any, parts: list[_Kind]) -> _Kind:
    if origin is Callable:
        return _Kind("a function", frozenset({FunctionType}), _unless(callable))
    if issubclass(origin, Mapping):
        return _mapping(origin, *parts)
    if issubclass(origin, Iterable) and len(parts) == 1:
        return _items((list, tuple) if origin is list else origin, parts[0])
    return _instance(origin)


def _kind(annotation: Any) -> _Kind:
    """What an annotation accepts; one that cannot be understood accepts everything."""
    if annotation in _SIMPLE:
        return _SIMPLE[annotation]
    origin = get_origin(annotation)
    if origin is None:
        return _instance(annotation) if isinstance(annotation, type) else ANYTHING
    if origin is Literal:  # the method itself knows what is best said
        return ANYTHING
    if origin is Callable:
        return _generic(Callable, [])
    parts = [_kind(part) for part in get_args(annotation)]
    return _either(parts) if origin in (Union, UnionType) else _generic(origin, parts)


# --- Limits of numbers, by the name that an argument has everywhere ---------------------------------------------------


class _Least:
    """The least value; `above` leaves out the value itself."""

    def __init__(self, value: int, unit: str = "", *, above: bool = False) -> None:
        self.value = value
        self.unit = unit
        self.above = above

    def fault(self, number: Any) -> str:
        """What is wanted; empty when the number is one. What is no number (NaN) is never one."""
        if number is None or (number > self.value if self.above else number >= self.value):
            return ""
        return f"{'above' if self.above else 'at least'} {self.value}{self.unit}"


_LIMITS = {
    "timeout": _Least(0, " seconds"),
    "wait_timeout": _Least(0, " seconds"),
    "timeout_s": _Least(0, " seconds"),
    "timeout_ms": _Least(0, " milliseconds", above=True),
    "read_timeout": _Least(0, " milliseconds", above=True),
    "connect_timeout": _Least(0, " milliseconds", above=True),
    "poll_interval": _Least(0, " seconds", above=True),
    "interval": _Least(0, " seconds", above=True),
    "retry_interval": _Least(0, " milliseconds"),
    "max_retries": _Least(0),
    "limit": _Least(1),
    "page_number": _Least(1),
    "page_size": _Least(1),
    "max_results": _Least(1),
    "concurrency": _Least(1),
    "max_connections": _Least(1),
    "depth": _Least(1),
    "max_count": _Least(0),
}


# --- Contracts --------------------------------------------------------------------------------------------------------


class _Slot:
    """One argument of a call; values of `plain` types need no further look."""

    def __init__(self, name: str, kind: _Kind) -> None:
        self.name = name
        self.kind = kind
        self.least = _LIMITS.get(name) if int in kind.plain else None
        self.plain = kind.plain - {int, float} if self.least else kind.plain
        # The types of numbers that are handed on as they are.
        self._numbers = (int, float) if float in kind.plain else int
        self._numeric = int in kind.plain

    def look(self, value: Any) -> Any:
        """Check a value; gives it, or the same number as Python's own."""
        if fault := self.kind.fault(value):
            raise TypeError(f"{self.name} must be {self.kind.wanted}, {fault}")
        value = self._own(value)
        if self.least and (wanted := self.least.fault(value)):
            raise ValueError(f"{self.name} must be {wanted}, not {value!r}")
        return value

    def _own(self, value: Any) -> Any:
        """The same number as Python's own, where one is meant."""
        if not self._numeric or isinstance(value, self._numbers):
            return value
        number = _whole(value)
        return value if number is None else number


class _Names(dict[str, Any]):
    """What the names in an annotation mean: those of its module, and the public ones, which it may not import."""

    def __missing__(self, name: str) -> Any:
        package = import_module("agentbay")
        if name in package.__all__:
            return getattr(package, name)
        raise KeyError(name)

    def resolve(self, annotation: Any) -> Any:
        """The type that an annotation names; Any for one that only type checkers know."""
        if not isinstance(annotation, str):
            return annotation
        try:
            return eval(annotation, {}, self)  # noqa: S307  (our own annotations)
        except (NameError, AttributeError):
            return Any


class _Contract(dict[str, _Slot | None]):
    """The rules of one function by the names of its arguments.

    Each is read from its annotation when it is first needed, because that may load the class that is named there.
    """

    def __init__(self, function: Callable[..., Any], unchecked: Collection[str]) -> None:
        super().__init__()
        self._function = function
        self._unchecked = unchecked
        self._positional = function.__code__.co_varnames[: function.__code__.co_argcount]

    def __missing__(self, name: str) -> _Slot | None:
        annotation = None if name in self._unchecked else self._function.__annotations__.get(name)
        names = _Names(vars(sys.modules[self._function.__module__]))
        kind = ANYTHING if annotation is None else _kind(names.resolve(annotation))
        self[name] = None if kind is ANYTHING else _Slot(name, kind)
        return self[name]

    def look(self, args: tuple[Any, ...], named: Mapping[str, Any]) -> tuple[list[Any], dict[str, Any]]:
        """Check the arguments of one call, and give them. How many there may be is Python's own business.

        Raises:
            TypeError: a value is of the wrong kind.
            ValueError: a number is out of range.
        """
        seen = [self._seen(name, value) for name, value in zip(self._positional, args, strict=False)]
        return [*seen, *args[len(seen) :]], {name: self._seen(name, value) for name, value in named.items()}

    def _seen(self, name: str, value: Any) -> Any:
        slot = self[name]
        return value if slot is None or type(value) in slot.plain else slot.look(value)


def checked(function: F, unchecked: Collection[str] = ()) -> F:
    """Make a function look at its arguments first; those in `unchecked` it judges itself."""
    contract = _Contract(function, unchecked)
    make = _checked_async_call if function.__code__.co_flags & CO_COROUTINE else _checked_call
    wrapper: Any = wraps(function)(make(function, contract))
    return wrapper  # type: ignore[no-any-return]


# The names of the inner functions stand in tracebacks.


def _checked_async_call(function: Callable[..., Any], contract: _Contract) -> Callable[..., Any]:
    async def checked_call(*args: Any, **named: Any) -> Any:
        seen, named = contract.look(args, named)
        return await function(*seen, **named)

    return checked_call


def _checked_call(function: Callable[..., Any], contract: _Contract) -> Callable[..., Any]:
    def checked_call(*args: Any, **named: Any) -> Any:
        seen, named = contract.look(args, named)
        return function(*seen, **named)

    return checked_call


def checked_fields(*unchecked: str) -> Callable[[C], C]:
    """Make an attrs class look at the values it is made of; stands above the decorator of attrs."""

    def decorate(cls: C) -> C:
        cls.__init__ = checked(cls.__init__, unchecked)  # type: ignore[misc]
        return cls

    return decorate


class Checked:
    """The base of classes whose public methods look at their arguments first.

    A class that judges some arguments itself names them: `class Command(Checked, unchecked=("envs",))`.
    """

    __slots__ = ()

    def __init_subclass__(cls, unchecked: Collection[str] = (), **rest: Any) -> None:
        super().__init_subclass__(**rest)
        made: dict[Any, Any] = {}
        for name, item in list(vars(cls).items()):
            if isinstance(item, FunctionType) and not name.startswith("_"):
                if item not in made:  # another name of the same method stays one
                    made[item] = checked(item, unchecked)
                setattr(cls, name, made[item])
