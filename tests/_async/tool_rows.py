"""What a row of `test_tools` says; modules keep their own rows in files of their own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from attrs import field, frozen

from agentbay import AsyncSession

ACTION = "action"
LINK = "direct link"


@frozen
class Row:
    """A public call, the tool it runs, its arguments, and the result; by the direct link some arguments differ.

    `routes` are those by which the module makes the call; `text` is what the tool says, the catalogue's example else.
    """

    tool: str
    call: Callable[[AsyncSession], Any]
    args: dict[str, Any]
    result: Any
    direct_args: dict[str, Any] = field(factory=dict)
    text: str | None = None
    routes: tuple[str, ...] = (ACTION, LINK)
