"""The lines of a stream of files, as `freeze.py` writes them, held to their form."""

from __future__ import annotations

import base64
import json
from typing import Final

from attrs import field, frozen
from cattrs import Converter
from cattrs.errors import BaseValidationError

__all__ = ["HARMLESS", "LONGEST_LINE", "UNFIT", "Fact", "read_fact", "shown"]

LONGEST_LINE: Final = 16 << 20
HARMLESS: Final = 0o1777
"""The permissions that mean nothing to the host."""
FORBIDDEN: Final = "user.overlay."
UNFIT: Final = (BaseValidationError, ValueError, TypeError, KeyError, OverflowError, RecursionError)
"""What reading a line that is not in order can raise."""


@frozen
class Fact:
    """A line: a store or its end, the way up, or something in a folder."""

    name: str = ""
    kind: str = ""
    mode: int = 0
    times: tuple[int, int] = (0, 0)
    store: str = ""
    up: bool = False
    end: int | None = None
    twin: int | None = None
    target: str = ""
    size: int = 0
    extents: list[tuple[int, int]] = field(factory=list)
    attributes: dict[str, str] = field(factory=dict)

    @property
    def shown(self) -> dict[str, bytes]:
        """The attributes that are the user's own."""
        return {name: base64.b64decode(value, validate=True) for name, value in self.attributes.items() if shown(name)}


_CONVERTER: Final = Converter()


def read_fact(line: bytes) -> Fact:
    """Raises what `UNFIT` names."""
    return _CONVERTER.structure(json.loads(line), Fact)


def shown(attribute: str) -> bool:
    """Whether an attribute is one of the user's, and not of the overlay."""
    return attribute.startswith("user.") and not attribute.startswith(FORBIDDEN)
