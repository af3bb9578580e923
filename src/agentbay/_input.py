"""Which values a mouse, a keyboard, a touch screen and an agent take: ranges, words out of a few. No I/O.

The kinds of the values were looked at before, see `_checked`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

__all__ = ["MAX_PIXELS", "chosen", "key_names", "milliseconds", "number", "pixels", "sizes", "words"]

# No desktop is larger: X11 counts pixels in 16 bits.
MAX_PIXELS = 65_535

MAX_MS = 600_000


def number(name: str, value: int, least: int, most: int, what: str = "a whole number") -> int:
    """Check that a number is in its range. Raises ValueError."""
    if not least <= value <= most:
        raise ValueError(f"{name} must be {what} from {least} to {most}, not {value!r}")
    return value


def pixels(**values: int) -> dict[str, Any]:
    """Check places on the screen. Raises ValueError."""
    return {name: number(name, value, 0, MAX_PIXELS, "a whole number of pixels") for name, value in values.items()}


def sizes(**values: int) -> dict[str, Any]:
    """Check widths and heights. Raises ValueError."""
    return {name: number(name, value, 1, MAX_PIXELS, "a whole number of pixels") for name, value in values.items()}


def milliseconds(name: str, value: int) -> int:
    """Check how long something may take. Raises ValueError."""
    return number(name, value, 1, MAX_MS, "a whole number of milliseconds")


def chosen(name: str, value: str, allowed: Iterable[str]) -> str:
    """Check a word out of a few; members of an enumeration count as their values. Raises ValueError."""
    known = [str(word) for word in allowed]
    if str(value) not in known:
        raise ValueError(f"Invalid {name} {str(value)!r}. Must be one of {known}")
    return str(value)


def words(name: str, value: str) -> str:
    """Check that a text is not blank. Raises ValueError."""
    if not value.strip():
        raise ValueError(f"{name} must not be empty")
    return value


def key_names(keys: Sequence[str]) -> list[str]:
    """Check that there are keys to press or release together. Raises ValueError."""
    if not keys:
        raise ValueError("keys must be a list of at least one key name, such as ['Ctrl', 'c'], not an empty one")
    return list(keys)
