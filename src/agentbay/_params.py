"""The parameters of actions: how they are declared, and how they travel. No I/O."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from functools import cache, lru_cache
from typing import Any, Generic, TypeVar
from urllib.parse import quote_plus

from attrs import field, fields, frozen

from agentbay._value import Value

__all__ = ["Action", "compact_json", "dump_params", "in_query", "json_text", "pascal", "quote", "utf8"]

T = TypeVar("T")


class Action(Value, Generic[T]):
    """One action of the service: its class name is the wire name, its fields the parameters, `T` its answer's data.

    `repeatable` says that sending it twice does no harm. `key_in_query` says where the API key travels.
    """

    __slots__ = ()
    repeatable = False
    key_in_query = False


def _spaced_json(value: Any) -> str:
    return json.dumps(value)


def _raw_json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def compact_json(value: Any) -> str:
    """Write JSON without spaces and with non-ASCII characters as they are."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


_DIALECTS: dict[str, Callable[[Any], str]] = {"spaced": _spaced_json, "raw": _raw_json, "compact": compact_json}


def json_text(dialect: str, default: Any = None, *, required: bool = False) -> Any:
    """Declare a parameter that travels as JSON text: `spaced` (ASCII), `raw` or `compact` (UTF-8, no spaces)."""
    metadata = {"dialect": dialect}
    return field(metadata=metadata) if required else field(default=default, metadata=metadata)


def in_query(**options: Any) -> Any:
    """Declare a parameter that travels in the query string."""
    return field(metadata={"in": "query"}, **options)


@cache
def pascal(name: str) -> str:
    return "".join(word[:1].upper() + word[1:] for word in name.split("_"))


def _flat(name: str, value: Any) -> Iterator[tuple[str, str]]:
    """Encode one value: nothing, text, or the dotted and counted names of its parts."""
    if value is None:
        return
    if isinstance(value, Mapping):
        for key, part in value.items():
            yield from _flat(f"{name}.{key}", part)
    elif isinstance(value, list | tuple):
        for number, part in enumerate(value, 1):
            yield from _flat(f"{name}.{number}", part)
    else:
        yield name, str(value)


@frozen(eq=False, repr=False)
class _Slot:
    """How one parameter travels. The one without an attribute is the API key."""

    name: str
    attribute: str
    in_query: bool
    dump: Callable[[Any], str] | None = None


@cache
def _slots(cls: Any) -> tuple[_Slot, ...]:
    """The parameters of an action in the order of their names."""
    found = [_Slot("Authorization", "", cls.key_in_query)]
    for attribute in fields(cls):
        metadata = attribute.metadata
        dump = _DIALECTS.get(metadata.get("dialect", ""))
        found.append(_Slot(pascal(attribute.name), attribute.name, metadata.get("in") == "query", dump))
    return tuple(sorted(found, key=lambda slot: slot.name))


# What form encoding leaves as it is; % must be escaped first and a space last.
_SAFE = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.-~")
_ESCAPES = [(bytes([code]), b"%%%02X" % code) for code in range(128) if code not in _SAFE and code not in b"% "]
_ASCII = [(b"%", b"%25"), *_ESCAPES, (b" ", b"+")]
_HIGH = [(bytes([code]), b"%%%02X" % code) for code in range(128, 256)]


def utf8(text: str) -> bytes:
    """Encode text.

    Raises:
        ValueError: it has a lone surrogate, which is no character.
    """
    try:
        return text.encode()
    except UnicodeEncodeError as wrong:
        fault = f"The text cannot be sent: position {wrong.start} holds {text[wrong.start]!r}, half of a character pair"
        raise ValueError(fault) from None


def quote(text: str) -> str:
    """Form-encode text.

    For a long one, a C pass for each character that occurs beats a Python step for each character.
    """
    data = utf8(text)
    if len(data) < 200:
        return quote_plus(data)
    for table in (_ASCII,) if len(data) == len(text) else (_ASCII, _HIGH):
        for byte, escape in table:
            if byte in data:
                data = data.replace(byte, escape)
    return data.decode()


@lru_cache(maxsize=1024)
def _quoted_name(name: str) -> str:
    """Names of tools and sessions come again and again."""
    return quote(name)


def _encoded(slot: _Slot, value: Any) -> str:
    """One parameter, or the dotted and counted parts of one."""
    if slot.dump is not None:
        return f"{slot.name}={quote(slot.dump(value))}"
    return "&".join(f"{name}={_quoted_name(text)}" for name, text in _flat(slot.name, value))


def dump_params(action: Action[Any], key: str) -> tuple[str, bytes]:
    """Encode an action: what to append to the query string, and the form body. `key` is the encoded API key."""
    query: list[str] = []
    body: list[str] = []
    kind: Any = type(action)
    for slot in _slots(kind):
        value = getattr(action, slot.attribute) if slot.attribute else None
        pair = _encoded(slot, value) if value is not None else "" if slot.attribute else f"Authorization={key}"
        if pair:
            (query if slot.in_query else body).append(pair)
    return "".join(f"&{pair}" for pair in query), "&".join(body).encode()
