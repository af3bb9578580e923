"""What every module of a session has: its session, nothing more."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from agentbay._checked import Checked
from agentbay.types.response import ToolResult

if TYPE_CHECKING:
    from .session import AsyncSession

__all__ = ["AsyncModule"]

R = TypeVar("R", bound=ToolResult)


class AsyncModule(Checked):
    """The base of the modules of a session. `session` is the session it works in."""

    def __init__(self, session: AsyncSession) -> None:
        self.session = session

    async def _call(self, tool: str, result: type[R], *, work: float = 0.0, repeatable: bool = False, **args: Any) -> R:
        """Run a tool with the arguments that are not None, and read its answer as `result`.

        `work` is how many seconds the tool itself may take; `repeatable` says that running it twice does no harm.
        """
        given = {name: value for name, value in args.items() if value is not None}
        return result.of_tool(await self.session._run_tool(tool, given, work=work, repeatable=repeatable))
