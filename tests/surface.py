"""The names on which programs for today's client rely, and which of them are not here, or are other ones."""

from __future__ import annotations

import inspect
import json
from collections.abc import Iterator
from enum import Enum
from pathlib import Path
from typing import Any

import attrs

import agentbay

HERE = Path(__file__).parent
SURFACE: dict[str, Any] = json.loads((HERE / "data" / "surface.json").read_text("utf-8"))
REACHABLE: dict[str, str] = SURFACE.pop("(reachable)")

FACTORY = "_HAS_DEFAULT_FACTORY_CLASS"
"""How the list of names writes the default of a field that is made anew for each object."""


def found(path: str) -> Any:
    """What stands under a dotted public name; None when there is nothing."""
    thing: Any = agentbay
    for name in path.split("."):
        thing = getattr(thing, name, None)
    return thing


def gaps(name: str) -> Iterator[str]:
    """What is missing or differs of one public name, each with a short name of its own."""
    entry, thing = SURFACE[name], found(name)
    if thing is None:
        yield name
    elif "members" in entry:
        yield from _member_gaps(name, entry["members"], thing)
    elif "methods" in entry:
        yield from _class_gaps(name, entry, thing)
    elif "parameters" in entry:
        yield from _parameter_gaps(name, entry["parameters"], inspect.signature(thing))


def _member_gaps(name: str, members: dict[str, Any], thing: Any) -> Iterator[str]:
    known = {member.name: member.value for member in thing}
    yield from (f"{name}.{member}" for member, value in members.items() if known.get(member) != value)


def _class_gaps(name: str, entry: dict[str, Any], cls: Any) -> Iterator[str]:
    for base in entry["bases"]:
        if base in SURFACE and not issubclass(cls, found(base)):
            yield f"{name}:{base}"
    yield from _parameter_gaps(name, entry["init"]["parameters"], _bound(inspect.signature(cls.__init__)), cls)
    for method, wanted in entry["methods"].items():
        yield from _method_gaps(f"{name}.{method}", wanted, cls, method)
    for field in {*entry["properties"], *entry.get("attributes", ())}:
        if not field.startswith("_") and not _has_field(cls, field):
            yield f"{name}.{field}"


def _method_gaps(path: str, wanted: dict[str, Any], cls: type, method: str) -> Iterator[str]:
    function = getattr(cls, method, None)
    if function is None:
        yield path
        return
    signature = inspect.signature(function)
    own = isinstance(inspect.getattr_static(cls, method), classmethod | staticmethod)
    yield from _parameter_gaps(path, wanted["parameters"], signature if own else _bound(signature))
    if wanted["async"] != inspect.iscoroutinefunction(function):
        yield f"{path} async"


def _bound(signature: inspect.Signature) -> inspect.Signature:
    return signature.replace(parameters=list(signature.parameters.values())[1:])


def _parameter_gaps(
    path: str, wanted: list[dict[str, Any]], signature: inspect.Signature, cls: type | None = None
) -> Iterator[str]:
    """Names, order and defaults. What is ours alone stands after the rest; what must be given there may be left out."""
    public = [one for one in wanted if not one["name"].startswith("_")]
    kinds = [parameter.kind for parameter in signature.parameters.values()]
    by_place = [p.name for p in signature.parameters.values() if p.kind is p.POSITIONAL_OR_KEYWORD]
    in_order = [one["name"] for one in public if "kind" not in one]
    if by_place[: len(in_order)] != in_order:
        yield f"{path}(order)"
    for one in public:
        star = {"*": inspect.Parameter.VAR_POSITIONAL, "**": inspect.Parameter.VAR_KEYWORD}.get(one.get("kind", ""))
        parameter = signature.parameters.get(one["name"])
        if star not in kinds if star else parameter is None or not _same_default(one, parameter, cls):
            yield f"{path}({one['name']})"


def _same_default(wanted: dict[str, Any], parameter: inspect.Parameter, cls: type | None) -> bool:
    if "default" not in wanted:
        return True
    known, default = wanted["default"], parameter.default
    if default is attrs.NOTHING and cls is not None:
        return known == FACTORY or (known is None and _made(cls, parameter.name) in ([], {}))
    if isinstance(default, Enum):
        return known in (default, f"{type(default).__name__}.{default.name}")
    if cls is not None and issubclass(cls, Exception) and default is None:  # the class has the text
        return known in (None, getattr(cls(), parameter.name))
    return bool(default == known) or (isinstance(default, bytes) and known == "bytes")


def _made(cls: Any, name: str) -> Any:
    """What an attrs class puts into a field that was not given."""
    default: Any = attrs.fields_dict(cls)[name].default
    return default.factory()


def _has_field(cls: Any, name: str) -> bool:
    """Whether objects of the class have it: by the class, as an attrs field, or set when they are made."""
    if hasattr(cls, name) or (attrs.has(cls) and name in attrs.fields_dict(cls)):
        return True
    makers = (vars(base).get("__init__") for base in cls.__mro__)
    return any(f"self.{name} =" in inspect.getsource(maker) for maker in makers if inspect.isfunction(maker))
