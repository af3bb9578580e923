"""What a caller wants out of a page: a class or a JSON Schema, and how an answer becomes that. No I/O."""

from __future__ import annotations

import dataclasses
import json
import types
from collections.abc import Callable, Iterator, Mapping
from enum import Enum
from functools import cache
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

import attrs
from cattrs import Converter

from agentbay._strict import Mismatch, strict, strict_converter

__all__ = ["json_schema", "loader_of", "schema_of", "schema_text"]

Json = dict[str, Any]

_BASIC: dict[Any, str] = {str: "string", int: "integer", float: "number", bool: "boolean", type(None): "null"}


def _is_model(schema: Any) -> bool:
    """Whether it has what pydantic's models have."""
    return callable(getattr(schema, "model_json_schema", None)) and callable(getattr(schema, "model_validate", None))


def _is_record(kind: Any) -> bool:
    return isinstance(kind, type) and (attrs.has(kind) or dataclasses.is_dataclass(kind))


def schema_of(schema: Any) -> Json:
    """The JSON Schema of what a caller wants.

    Raises:
        TypeError: it is none, or has a field of a kind that JSON cannot tell.
    """
    if isinstance(schema, Mapping):
        return dict(schema)
    if _is_model(schema):
        return dict(schema.model_json_schema())
    if _is_record(schema):
        return json_schema(schema)
    wanted = "a pydantic model, an attrs class, a dataclass or a JSON Schema as a dictionary"
    raise TypeError(f"schema must be {wanted}, not {str(schema)[:80]}")


def schema_text(schema: Any) -> str:
    """The JSON Schema as the page operator takes it.

    Raises:
        TypeError: it is none, or has a field of a kind that JSON cannot tell.
    """
    return f"schema: {json.dumps(schema_of(schema))}"


def loader_of(schema: Any) -> Callable[[Any], Any]:
    """The function that turns an answer into what the schema describes; it raises ValueError for what is not that."""
    if isinstance(schema, Mapping):
        return lambda value: _of_type(value, schema.get("type", "object"))
    if _is_model(schema):
        validate: Callable[[Any], Any] = schema.model_validate
        return validate
    return lambda value: strict(_converter(), value, schema, "answer")


def _of_type(value: Any, wanted: Any) -> Any:
    """Check what a JSON Schema says of the answer as a whole; the rest is the caller's to check."""
    kind = {"object": dict, "array": list}.get(str(wanted))
    if kind is not None and not isinstance(value, kind):
        raise Mismatch(f"it must be an {wanted} @ answer")
    return value


@cache
def _converter() -> Converter:
    return strict_converter()


# --- Classes as JSON Schema -------------------------------------------------------------------------------------------


def json_schema(kind: type) -> Json:
    """Describe an attrs class or a dataclass; classes within it, and itself if it is in there, stand under `$defs`.

    Raises:
        TypeError: it has a field of a kind that JSON cannot tell.
    """
    inner: dict[str, Json] = {}
    described = _described(kind, inner)
    return described | ({"$defs": inner} if inner else {})


def _described(kind: Any, inner: dict[str, Json]) -> Json:
    try:
        hints = get_type_hints(kind)
    except NameError as unknown:
        hint = "define it, and the classes of its fields, at the top of a module"
        raise TypeError(f"The fields of {kind.__name__} cannot be read ({unknown}): {hint}") from unknown
    members = {name: _kind(hints[name], inner, f"{kind.__name__}.{name}") for name, _ in _fields(kind)}
    required = [name for name, needed in _fields(kind) if needed]
    about = {"description": text} if (text := _own_docstring(kind)) else {}
    return {"title": kind.__name__, "type": "object", **about, "properties": members, "required": required}


def _own_docstring(kind: Any) -> str:
    """What a class says of itself; not what a dataclass without a docstring gets."""
    text = (kind.__doc__ or "").strip()
    return "" if text.startswith(f"{kind.__name__}(") else text


def _fields(kind: Any) -> Iterator[tuple[str, bool]]:
    """The fields that make an object, and whether each must be given."""
    if attrs.has(kind):
        yield from ((one.name, one.default is attrs.NOTHING) for one in attrs.fields(kind) if one.init)
        return
    for own in dataclasses.fields(kind):
        if own.init:
            yield own.name, own.default is own.default_factory is dataclasses.MISSING


def _kind(hint: Any, inner: dict[str, Json], where: str) -> Json:
    if hint in _BASIC:
        return {"type": _BASIC[hint]}
    if hint is Any:
        return {}
    if isinstance(hint, type) and issubclass(hint, Enum):
        return {"enum": [member.value for member in hint]}
    if _is_record(hint):
        return _reference(hint, inner)
    return _composed(hint, inner, where)


def _composed(hint: Any, inner: dict[str, Json], where: str) -> Json:
    origin, args = get_origin(hint) or hint, get_args(hint)
    if origin is Literal:
        return {"enum": list(args)}
    if origin in (Union, types.UnionType):
        return {"anyOf": [_kind(one, inner, where) for one in args]}
    if origin is list:
        return {"type": "array", "items": _kind(args[0] if args else Any, inner, where)}
    if origin is dict and (not args or args[0] is str):
        return {"type": "object", "additionalProperties": _kind(args[1] if args else Any, inner, where)}
    raise TypeError(f"{where} is of a kind that a schema cannot tell: {hint}")


def _reference(kind: type, inner: dict[str, Json]) -> Json:
    name = kind.__name__
    if name not in inner:
        inner[name] = {}  # so that a class within itself comes to an end
        inner[name] = _described(kind, inner)
    return {"$ref": f"#/$defs/{name}"}
