"""Which messages are served: a target's name and a method lead to the function that answers.

    @message("PTY_SERVER", "pty.create")
    async def create(call: Call) -> Json | None:
        cols = call.param("cols", int, 80)
        terminals = call.connection.kept(Terminals)
        ...
        return {"result": {"ptySessionId": made.id}}

What the function returns is the last frame for the caller: `{"result": ...}` for a call, `{"phase": "end", ...}` for a
stream; None sends nothing, as is right for messages that nobody waits for. `Refused` is how it says no. The module has
to be in `door.TARGET_MODULES`.

Each message runs in a task of its own. They begin in the order in which they came, each up to its first wait, so what
has to stay in order must be taken in before that.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, Final, TypeVar

if TYPE_CHECKING:
    from agentbay_local.channel.call import Call

__all__ = ["MESSAGES", "Handler", "Json", "Refused", "message"]

Json = dict[str, Any]
Handler = Callable[["Call"], Awaitable[Json | None]]
H = TypeVar("H", bound=Handler)

MESSAGES: Final[dict[tuple[str, str], Handler]] = {}


class Refused(Exception):
    """The answer to a message is no; the text is for users."""


def message(target: str, method: str) -> Callable[[H], H]:
    """Makes a function the one that answers a method of a target."""

    def register(handler: H) -> H:
        MESSAGES[target, method] = handler
        return handler

    return register
