"""What the frozen attrs classes of the house share: equality, hash and repr, written once.

attrs would compile all three for each class, which is most of what a class costs at import. So the house's classes say
`@frozen(eq=False, repr=False)` and inherit from `Value`.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from attrs import Attribute, fields

__all__ = ["Value"]


@cache
def _shown(cls: Any) -> tuple[Attribute[Any], ...]:
    return tuple(attribute for attribute in fields(cls) if attribute.repr)


@cache
def _compared(cls: Any) -> tuple[str, ...]:
    return tuple(attribute.name for attribute in fields(cls) if attribute.eq)


class Value:
    """Equal to another one of the same class with equal fields; shows the fields that may be shown.

    A field with the metadata `quiet` is shown only when it is not None.
    """

    __slots__ = ()

    def __repr__(self) -> str:
        cls: Any = type(self)
        shown = ((part.name, getattr(self, part.name), part.metadata) for part in _shown(cls))
        parts = (f"{name}={value!r}" for name, value, metadata in shown if value is not None or "quiet" not in metadata)
        return f"{cls.__qualname__}({', '.join(parts)})"

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        cls: Any = type(self)
        return all(getattr(self, name) == getattr(other, name) for name in _compared(cls))

    def __hash__(self) -> int:
        cls: Any = type(self)
        return hash((cls, *(getattr(self, name) for name in _compared(cls))))
