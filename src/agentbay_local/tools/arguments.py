"""From a function's annotations to a tool's input schema, and from JSON to the function's arguments."""

from __future__ import annotations

import sys
import types
from collections.abc import Callable, Mapping
from inspect import Parameter, signature
from typing import Annotated, Any, Final, Literal, Union, get_args, get_origin, get_type_hints

from attrs import fields, frozen, has

NAMES: Final = {
    str: "a string",
    bool: "a boolean",
    int: "a number",
    float: "a number",
    list: "an array",
    type(None): "null",
}


MOST_PARTS: Final = 500
"""Of a path; directories are made one inside the other, and what makes them has an end too."""


class Unfit(Exception):
    """An argument is not what the tool takes; the text follows the argument's name."""


Read = Callable[[Any], Any]
"""Takes a JSON value as it came; raises Unfit with words that follow the argument's name."""


@frozen(eq=False)
class Kind:
    """A type of argument: how it is announced, and how it is read."""

    schema: dict[str, Any]
    read: Read


@frozen
class Argument:
    """One argument of a tool. `default` is `Parameter.empty` when it has to be given."""

    name: str
    kind: Kind
    default: Any

    @property
    def required(self) -> bool:
        return self.default is Parameter.empty

    @property
    def schema(self) -> dict[str, Any]:
        """Its part of the input schema."""
        offers_default = self.default not in (Parameter.empty, None)
        return {**self.kind.schema, "default": self.default} if offers_default else self.kind.schema

    def read(self, given: Mapping[str, Any]) -> Any:
        """The value for the function; JSON's null counts as not given."""
        value = given.get(self.name)
        if value is not None:
            return named(self.name, self.kind.read, value)
        if self.required:
            raise Unfit(f"{self.name} is required")
        return self.default


def named(name: str, read: Read, value: Any) -> Any:
    """Read a value that is part of another, and say which part was wrong."""
    try:
        return read(value)
    except Unfit as wrong:
        raise Unfit(f"{name} {wrong}") from None


def text(value: Any) -> str:
    if not isinstance(value, str):
        raise Unfit(must_be("a string", value))
    try:
        value.isascii() or value.encode()
    except UnicodeEncodeError:
        raise Unfit("must be valid Unicode text, got a lone surrogate") from None
    return value


def path(value: Any) -> str:
    """A path as the sandbox sees it."""
    if "\0" in text(value):
        raise Unfit("must not hold a NUL character")
    if not value:
        raise Unfit("must not be empty")
    if value.count("/") > MOST_PARTS:
        raise Unfit(f"must not have more than {MOST_PARTS} parts")
    return str(value)


def integer(value: Any) -> int:
    """A whole number; clients also write it as 5.0 or "5"."""
    if isinstance(value, str) and value.strip().removeprefix("-").isdecimal() and len(value) <= 20:
        return int(value)
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if not isinstance(value, int) or isinstance(value, bool):
        raise Unfit(must_be("an integer", value))
    return value


def number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) <= sys.float_info.max:
        raise Unfit(must_be("a number", value))
    return value


def boolean(value: Any) -> bool:
    if not isinstance(value, bool):
        raise Unfit(must_be("a boolean", value))
    return value


def must_be(wanted: str, value: Any) -> str:
    return f"must be {wanted}, got {NAMES.get(type(value), 'an object')}"


Path = Annotated[str, Kind({"type": "string"}, path)]
SIMPLE: Final = {
    str: Kind({"type": "string"}, text),
    int: Kind({"type": "integer"}, integer),
    float: Kind({"type": "number"}, number),
    bool: Kind({"type": "boolean"}, boolean),
}


def kind_of(annotation: Any) -> Kind:
    """The kind that an annotation stands for."""
    if found := SIMPLE.get(annotation):
        return found
    if has(annotation):
        return record(annotation)
    origin, parts = get_origin(annotation), get_args(annotation)
    if origin in (Union, types.UnionType):
        return kind_of(parts[0])
    if origin is Annotated:
        return next(part for part in parts if isinstance(part, Kind))
    if origin is Literal:
        return choice(*parts)
    return array(*parts) if origin is list else mapping(*parts)


def array(annotation: Any) -> Kind:
    item = kind_of(annotation)

    def read(value: Any) -> list[Any]:
        if not isinstance(value, list):
            raise Unfit(must_be("an array", value))
        return [named(f"item {number}", item.read, each) for number, each in enumerate(value)]

    return Kind({"type": "array", "items": item.schema}, read)


def mapping(_: Any, annotation: Any) -> Kind:
    item = kind_of(annotation)

    def read(value: Any) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise Unfit(must_be("an object", value))
        return {named("key", text, key): named(f"value of {key}", item.read, each) for key, each in value.items()}

    return Kind({"type": "object", "additionalProperties": item.schema}, read)


def choice(*names: str) -> Kind:
    def read(value: Any) -> str:
        if value not in names:
            raise Unfit(f"must be {' or '.join(map(repr, names))}, got {value!r:.80}")
        return str(value)

    return Kind({"type": "string", "enum": list(names)}, read)


def record(cls: Any) -> Kind:
    """An object with the fields of an attrs class, all of them required."""
    hints = get_type_hints(cls, include_extras=True)
    kinds = {each.name: kind_of(hints[each.name]) for each in fields(cls)}
    schemas = {name: kind.schema for name, kind in kinds.items()}

    def read(value: Any) -> Any:
        if not isinstance(value, dict):
            raise Unfit(must_be("an object", value))
        if missing := [name for name in kinds if name not in value]:
            raise Unfit(f"has no {missing[0]}")
        return cls(**{name: named(f"has a {name} that", kind.read, value[name]) for name, kind in kinds.items()})

    return Kind({"type": "object", "properties": schemas, "required": list(kinds)}, read)


def arguments_of(function: Callable[..., Any]) -> tuple[Argument, ...]:
    """The arguments of a tool: all but the first one, which is the box."""
    hints = get_type_hints(function, include_extras=True)
    _, *parameters = signature(function).parameters.values()
    return tuple(Argument(each.name, kind_of(hints[each.name]), each.default) for each in parameters)


def input_schema(arguments: tuple[Argument, ...]) -> dict[str, Any]:
    """The JSON Schema of a tool's arguments."""
    properties = {each.name: each.schema for each in arguments}
    return {"type": "object", "properties": properties, "required": [each.name for each in arguments if each.required]}
