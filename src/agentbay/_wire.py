"""Answers of the service as values, and the way back: what the runtime reads of a request. No I/O.

The converter knows the JSON that the service speaks (keys in PascalCase). The parameters of actions are in `_params`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, Generic, TypeVar, get_args

from attrs import NOTHING, Attribute, define, field, fields, has, resolve_types
from cattrs import BaseValidationError, Converter
from cattrs.gen import make_dict_structure_fn, make_dict_unstructure_fn, override

from agentbay._params import Action, pascal
from agentbay.errors import APIError, service_error

__all__ = [
    "MalformedParameter",
    "Reply",
    "Unreadable",
    "dump_data",
    "load_action",
    "read_object",
    "read_refusal",
    "read_reply",
]

T = TypeVar("T")
A = TypeVar("A")


class Unreadable(ValueError):
    """Bytes that are not of the documented form."""


class MalformedParameter(ValueError):
    """A parameter of an action that is missing or cannot be read; `name` is its wire name."""

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(f"{name} {reason}")
        self.name = name
        self.missing = reason == "is missing"


# --- The data of answers ----------------------------------------------------------------------------------------------


def _wire_name(attribute: Attribute[Any]) -> str:
    return str(attribute.metadata.get("wire") or pascal(attribute.name))


_data = Converter(detailed_validation=False)


def _structure_factory(cls: type[A]) -> Callable[[Any, Any], A]:
    names = {a.name: override(rename=pascal(a.name)) for a in fields(cls)}  # type: ignore[arg-type]
    load = make_dict_structure_fn(cls, _data, _cattrs_detailed_validation=False, **names)  # type: ignore[arg-type]

    def structure(value: Any, _: Any) -> A:
        if not isinstance(value, Mapping):
            raise Unreadable(f"expected an object, got {type(value).__name__}")
        # Null counts as absent, and some members are spelled with a small first letter by parts of the service.
        return load({key[:1].upper() + key[1:]: part for key, part in value.items() if part is not None}, cls)

    return structure


def _unstructure_factory(cls: type[Any]) -> Callable[[Any], dict[str, Any]]:
    names = {a.name: override(rename=_wire_name(a)) for a in fields(cls)}
    return make_dict_unstructure_fn(cls, _data, **names)  # type: ignore[arg-type]


_data.register_structure_hook_factory(has, _structure_factory)
_data.register_unstructure_hook_factory(has, _unstructure_factory)


def dump_data(value: Any) -> Any:
    """Turn answer data into JSON values with the service's names. The runtime's way out."""
    return _data.unstructure(value)


@cache
def _answer_type(cls: type[Action[Any]]) -> Any:
    base = next(base for base in cls.__orig_bases__ if get_args(base))  # type: ignore[attr-defined]
    return get_args(base)[0]


@define(eq=False)
class Reply(Generic[T]):
    """What the service answered to an action. `data` is None when it said no (then `error` is set) or nothing."""

    request_id: str
    status: int
    code: str = ""
    message: str = ""
    data: T | None = None
    error: APIError | None = None
    envelope: dict[str, Any] = field(factory=dict, repr=False)

    @property
    def success(self) -> bool:
        """Whether the service said yes."""
        return self.error is None

    @property
    def next_token(self) -> str:
        """Where the next page of a list begins; empty on the last one."""
        return _text(self.envelope, "NextToken")

    @property
    def max_results(self) -> int:
        """How many items a page of a list may have."""
        return _number(self.envelope, "MaxResults")

    @property
    def total_count(self) -> int:
        """How many items the whole list has."""
        return _number(self.envelope, "TotalCount")

    @property
    def count(self) -> int:
        """The same for files."""
        return _number(self.envelope, "Count")


def read_object(body: bytes) -> dict[str, Any]:
    """Read a JSON object.

    Raises:
        Unreadable: it is not JSON, or not an object.
    """
    try:
        loaded = json.loads(body)
    except (ValueError, RecursionError) as broken:
        raise Unreadable(f"the answer is not JSON ({broken})") from broken
    if not isinstance(loaded, dict):
        raise Unreadable(f"the answer is a JSON {type(loaded).__name__}, not an object")
    return loaded


def _text(loaded: dict[str, Any], name: str) -> str:
    value = loaded.get(name)
    if value is None:
        value = loaded.get(name[:1].lower() + name[1:])
    return "" if value is None else str(value)


def _number(loaded: dict[str, Any], name: str) -> int:
    value = loaded.get(name)
    return value if isinstance(value, int) else 0


_ENVELOPE = frozenset({"RequestId", "Success", "Code", "Data", "requestId", "success", "code"})
"""What every answer has some of."""

_GATEWAYS = (401, 403, 429)
"""What something before the service may answer in its own words, and what its status says all the same."""


def read_refusal(status: int, body: bytes, facts: dict[str, Any], fallback: str = "") -> Reply[Any]:
    """Read an HTTP error; a gateway's own page has no JSON, but its status says enough."""
    try:
        loaded = read_object(body)
    except Unreadable:
        loaded = {}
    code, message = _text(loaded, "Code"), _text(loaded, "Message") or fallback
    request_id = _text(loaded, "RequestId") or str(facts.get("request_id") or "")
    error = service_error(code, message, status, **facts | {"request_id": request_id})
    return Reply(request_id, status, code, message, error=error)


def read_reply(action: Action[T], status: int, body: bytes, facts: dict[str, Any]) -> Reply[T]:
    """Read the answer to an action; `facts` go into the typed exception of a refusal.

    Raises:
        Unreadable: the body is not what the action's page promises.
    """
    if not 200 <= status < 300:
        refusal = read_refusal(status, body, facts)
        if not refusal.code and status < 500 and status not in _GATEWAYS:
            raise Unreadable(f"HTTP status {status} with {body[:80]!r}, which is no answer of AgentBay")
        return refusal
    loaded = read_object(body)
    if _ENVELOPE.isdisjoint(loaded):
        raise Unreadable("it has no RequestId, Success, Code or Data")
    raw = loaded.get("Data")
    inner = raw if isinstance(raw, dict) else {}
    said_no = inner.get("Success") is False and _text(inner, "ErrMsg")
    reply: Reply[T] = Reply(
        _text(loaded, "RequestId"),
        _number(loaded, "HttpStatusCode") or status,
        _text(loaded, "Code"),
        _text(loaded, "Message"),
        envelope=loaded,
    )
    if loaded.get("Success") is False or said_no:
        message = reply.message or said_no or ""
        code = "" if said_no and not reply.message else reply.code
        reply.error = service_error(code, message, reply.status, **facts | {"request_id": reply.request_id})
    elif raw is not None:
        kind: Any = type(action)
        reply.data = _structured(raw, _answer_type(kind))
    return reply


def _structured(raw: Any, kind: Any) -> Any:
    try:
        return _data.structure(raw, kind)
    except (ValueError, TypeError, KeyError, OverflowError, RecursionError, BaseValidationError) as broken:
        raise Unreadable(f"the answer's Data is not of the documented form ({broken})") from broken


# --- Backwards: what the runtime reads --------------------------------------------------------------------------------


def _unflat(name: str, params: Mapping[str, str]) -> Any:
    """Gather `Name`, `Name.1`, `Name.A.B` into text, a list or an object; None when nothing is there."""
    if name in params:
        return params[name]
    prefix = f"{name}."
    heads = list(dict.fromkeys(key[len(prefix) :].split(".")[0] for key in params if key.startswith(prefix)))
    if not heads:
        return None
    if all(head.isdecimal() for head in heads):
        return [_unflat(f"{name}.{head}", params) for head in sorted(heads, key=int)]
    return {head: _unflat(f"{name}.{head}", params) for head in heads}


_BOOLS = {"true": True, "false": False}


def _parse(kind: str, raw: Any) -> Any:
    if not isinstance(raw, str):
        return raw
    if "bool" in kind:
        return _BOOLS[raw.lower()]
    return int(raw) if "int" in kind else raw


def _load_slot(attribute: Attribute[Any], params: Mapping[str, str]) -> Any:
    name = pascal(attribute.name)
    raw = _unflat(name, params)
    if raw is None:
        if attribute.default is NOTHING:
            raise MalformedParameter(name, "is missing")
        return attribute.default
    try:
        value = json.loads(raw) if "dialect" in attribute.metadata else _parse(str(attribute.type), raw)
        return _data.structure(value, attribute.type)  # type: ignore[arg-type]
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError, BaseValidationError):
        raise MalformedParameter(name, "cannot be read: it must be " + _described(attribute)) from None


def _described(attribute: Attribute[Any]) -> str:
    kind = "JSON of " if "dialect" in attribute.metadata else ""
    return kind + str(getattr(attribute.type, "__name__", attribute.type)).removesuffix(" | None")


def load_action(cls: type[Any], params: Mapping[str, str]) -> Any:
    """Read an action from the merged query and body parameters of a request.

    Raises:
        MalformedParameter: a parameter is missing or cannot be read.
    """
    resolve_types(cls)
    return cls(**{a.name: _load_slot(a, params) for a in fields(cls)})
