"""JSON values into classes without bending them: text is text, a number is a number. No I/O."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any, TypeVar, get_args, get_origin

from cattrs import BaseValidationError, Converter, transform_error
from cattrs.errors import ForbiddenExtraKeysError, IterableValidationError, IterableValidationNote
from cattrs.strategies import configure_union_passthrough

__all__ = ["Mismatch", "strict", "strict_converter"]

T = TypeVar("T")

MOST_LEVELS = 64
MOST_REASONS = 5
LONGEST_REASON = 200


class Mismatch(ValueError):
    """A value that is not of the wanted form; the text says where."""


def _text(value: Any, _: Any) -> str:
    if not isinstance(value, str):
        raise ValueError("it must be text")  # noqa: TRY004  (a bad value, not a bad call)
    return value


def _flag(value: Any, _: Any) -> bool:
    if not isinstance(value, bool):
        raise ValueError("it must be true or false")  # noqa: TRY004
    return value


def _number(value: Any, _: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ValueError("it must be a number")
    return value


def _whole(value: Any, _: Any) -> int:
    number = _number(value, _)
    if number != int(number):
        raise ValueError("it must be a whole number")
    return int(number)


def _is_list(kind: Any) -> bool:
    return kind is list or get_origin(kind) is list


def strict_converter() -> Converter:
    """Make a converter that takes each JSON value for what it is."""
    converter = Converter(detailed_validation=True)

    def structure_list(value: Any, kind: Any) -> list[Any]:
        if not isinstance(value, list):
            raise ValueError("it must be a list")  # noqa: TRY004
        inner = (get_args(kind) or (Any,))[0]
        items, faults = list[Any](), list[Exception]()
        for number, item in enumerate(value):
            try:
                items.append(converter.structure(item, inner))
            except (ValueError, TypeError, KeyError, OverflowError, BaseValidationError) as wrong:
                wrong.__notes__ = [IterableValidationNote(f"item {number}", number, inner)]
                faults.append(wrong)
        if faults:
            raise IterableValidationError("items", faults, kind)  # pyright: ignore[reportCallIssue]
        return items

    configure_union_passthrough(str | bool | int | float | None, converter)
    converter.register_structure_hook_func(_is_list, structure_list)
    for basic, hook in ((str, _text), (bool, _flag), (float, _number), (int, _whole)):
        converter.register_structure_hook(basic, hook)
    return converter


def _reason(error: BaseException, kind: Any) -> str:
    match error:
        case KeyError():
            return "it is missing"
        case ForbiddenExtraKeysError():
            return f"there are unknown members: {', '.join(sorted(map(str, error.extra_fields)))}"[:LONGEST_REASON]
        case ValueError():
            return str(error)[:LONGEST_REASON]
    return f"it must be of the form {kind.__name__ if isinstance(kind, type) else kind}"


def strict(converter: Converter, value: Any, kind: type[T], name: str) -> T:
    """Read an object as `kind`; `name` is what it is called in a complaint.

    Raises:
        Mismatch: it is not of this form.
    """
    if not isinstance(value, Mapping):
        raise Mismatch(f"it must be an object @ {name}")
    if _is_deep(value):
        raise Mismatch(f"it is nested more than {MOST_LEVELS} levels deep @ {name}")
    try:
        return converter.structure(value, kind)
    except BaseValidationError as several:
        reasons = transform_error(several, path=name, format_exception=_reason)
        raise Mismatch("; ".join(reasons[:MOST_REASONS])) from several


def _is_deep(value: Any) -> bool:
    layer = [value]
    for _ in range(MOST_LEVELS):
        layer = [part for whole in layer for part in _parts(whole)]
        if not layer:
            return False
    return True


def _parts(value: Any) -> Iterable[Any]:
    if isinstance(value, Mapping):
        return value.values()
    return value if isinstance(value, list) else ()
