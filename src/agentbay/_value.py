"""What the frozen attrs classes of the house share: equality, hash and repr, written once.

attrs would compile all three for each class, which is most of what a class costs at import. So the house's classes say
`@frozen(eq=False, repr=False)` and inherit from `Value`.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import Enum
from functools import cache
from itertools import islice
from typing import Any

from attrs import Attribute, fields

__all__ = ["Choice", "Value"]

# How much of a long text, and of a long list, a repr shows.
LONG = 500
MANY = 20


class Choice(Enum):
    """The base of enumerations that users choose from: a wrong value is answered with the right ones."""

    @classmethod
    def _missing_(cls, value: object) -> None:
        known = ", ".join(repr(one.value) for one in cls)
        raise ValueError(f"{value!r} is no {cls.__name__}: it must be one of {known}")


@cache
def _shown(cls: Any) -> tuple[Attribute[Any], ...]:
    return tuple(attribute for attribute in fields(cls) if attribute.repr)


@cache
def _compared(cls: Any) -> tuple[str, ...]:
    return tuple(attribute.name for attribute in fields(cls) if attribute.eq)


def _bounded(value: Any) -> str:
    """The repr of a value, or of its beginning: the content of a large file is nothing for a log."""
    if isinstance(value, str | bytes) and len(value) > LONG:
        return f"{value[:LONG]!r}... ({len(value)} in all)"
    if type(value) is list:
        return f"[{_listed(map(_bounded, value), len(value))}]"
    if type(value) is dict:
        return f"{{{_listed((f'{_bounded(name)}: {_bounded(part)}' for name, part in value.items()), len(value))}}}"
    if isinstance(value, Exception):
        return f"{type(value).__name__}({', '.join(map(_bounded, value.args))})"
    return repr(value)


def _listed(parts: Iterable[str], number: int) -> str:
    rest = f", ... ({number} in all)" if number > MANY else ""
    return ", ".join(islice(parts, MANY)) + rest


class Value:
    """Equal to another one of the same class with equal fields; shows the fields that may be shown.

    A field with the metadata `quiet` is shown only when it is not None. Long values are cut: a repr is for logs.
    """

    __slots__ = ()

    def __repr__(self) -> str:
        cls: Any = type(self)
        shown = ((part.name, getattr(self, part.name), part.metadata) for part in _shown(cls))
        parts = (
            f"{name}={_bounded(value)}"
            for name, value, metadata in shown
            if value is not None or "quiet" not in metadata
        )
        return f"{cls.__qualname__}({', '.join(parts)})"

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        cls: Any = type(self)
        return all(getattr(self, name) == getattr(other, name) for name in _compared(cls))

    def __hash__(self) -> int:
        cls: Any = type(self)
        return hash((cls, *(getattr(self, name) for name in _compared(cls))))
