"""Environment variables: what their names and values may be."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from agentbay_local.tools.faults import ToolFailure, size

LONGEST: Final = 120_000
"""Bytes of one variable; the kernel takes up to 128 KiB."""
MOST: Final = 1 << 20
"""Bytes of all of them; the kernel takes up to 2 MiB together with the arguments."""
NAME: Final = re.compile(r"[^\s=\0]+")


def checked(variables: Mapping[str, str]) -> dict[str, str]:
    """The variables, if programs can be started with them."""
    for name, value in variables.items():
        if not NAME.fullmatch(name):
            raise ToolFailure(f"Invalid environment variable name: {name[:80]!r} (it may hold neither spaces nor '=')")
        if "\0" in value:
            raise ToolFailure(f"Invalid value of environment variable {name[:80]}: it holds a NUL character")
        if _bytes(name, value) > LONGEST:
            raise ToolFailure(f"Environment variable {name[:80]} is too long: at most {size(LONGEST)}")
    return dict(variables)


def merged(*layers: Mapping[str, str]) -> dict[str, str]:
    """All variables, later layers over earlier ones; too many of them are refused."""
    together = {name: value for layer in layers for name, value in layer.items()}
    if sum(_bytes(name, value) for name, value in together.items()) > MOST:
        raise ToolFailure(f"The environment variables are too long together: at most {size(MOST)}")
    return together


def _bytes(name: str, value: str) -> int:
    return len(name.encode()) + len(value.encode()) + 2
