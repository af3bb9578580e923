"""Which tools there are, and how one is called: arguments in, text out, no exception for what a client can cause."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping
from inspect import cleandoc
from typing import Any, Final, TypeVar

from attrs import frozen

from agentbay_local.sandbox.contract import SandboxError, SandboxGone
from agentbay_local.tools.arguments import Argument, Unfit, arguments_of, input_schema, must_be
from agentbay_local.tools.box import Box
from agentbay_local.tools.faults import INTERNAL, ToolFailure, system_refused
from agentbay_local.unserved import why_no_tool

ALL: Final = ("linux_latest", "windows_latest", "browser_latest", "code_latest", "mobile_latest")
WITH_FILES: Final = ("linux_latest", "windows_latest", "browser_latest", "code_latest")
LINUX: Final = ("linux_latest",)
CODE: Final = ("code_latest",)


@frozen
class Outcome:
    """What a client is told. The text is empty only where a file, or the piece of it that was asked for, is."""

    text: str
    is_error: bool = False


@frozen
class Tool:
    """A registered tool. `doing` is what to say it failed to do when the sandbox's system refuses."""

    name: str
    server: str
    images: Collection[str]
    summary: str
    doing: str
    arguments: tuple[Argument, ...]
    run: Callable[..., Awaitable[str]]

    def entry(self) -> dict[str, Any]:
        """Its line in a session's `ToolList`."""
        schema = input_schema(self.arguments)
        about = {"name": self.name, "description": self.summary, "inputSchema": schema}
        return {**about, "server": self.server, "tool": self.name}

    def read(self, given: Any) -> dict[str, Any]:
        """The function's arguments; what it does not know is passed over, for clients differ in what they add."""
        if not isinstance(given, Mapping):
            raise ToolFailure(f"Invalid arguments for tool {self.name}: they {must_be('an object', given)}")
        try:
            return {each.name: each.read(given) for each in self.arguments}
        except Unfit as wrong:
            raise ToolFailure(f"Invalid arguments for tool {self.name}: {wrong}") from None


TOOLS: Final[dict[str, Tool]] = {}

Function = TypeVar("Function", bound=Callable[..., Awaitable[str]])


def tool(*, server: str, doing: str, images: Collection[str] = ALL) -> Callable[[Function], Function]:
    """Register an async function as the tool of the same name; its docstring's first line is the tool's description."""

    def register(function: Function) -> Function:
        name, summary = function.__name__, cleandoc(function.__doc__ or "").partition("\n")[0]
        TOOLS[name] = Tool(name, server, images, summary, doing, arguments_of(function), function)
        return function

    return register


def tool_list(image: str) -> list[dict[str, Any]]:
    """The tools that an image offers, as `ToolList` has them; none for an unknown image."""
    return [each.entry() for each in TOOLS.values() if image in each.images]


async def call(box: Box, name: Any, args: Any) -> Outcome:
    """Run one of the tools of the box's image. Whatever goes wrong inside the sandbox becomes an error outcome."""
    try:
        return Outcome(encodable(await run(box, offered(box, name), args)))
    except ToolFailure as failure:
        return refused(failure.code, str(failure))
    except SandboxGone as gone:  # clients end a directory watch at the words "session" and "expired"
        return refused(INTERNAL, f"The session has expired: {gone}")
    except SandboxError as error:
        return refused(INTERNAL, str(error))


def offered(box: Box, name: Any) -> Tool:
    """The tool, if the box's image has it."""
    found = TOOLS.get(name) if isinstance(name, str) else None
    if found is None or box.image not in found.images:
        raise ToolFailure(f"Tool {name!s:.100} is not offered by image {box.image}{why_no_tool(name)}")
    return found


async def run(box: Box, wanted: Tool, args: Any) -> str:
    """The tool's text."""
    given = wanted.read(args)
    try:
        return await wanted.run(box, **given)
    except OSError as error:
        raise system_refused(wanted.doing, error, box.limits, str(given.get("path", ""))) from error


def refused(code: int, text: str) -> Outcome:
    """An error in the form that the service's tools use."""
    return Outcome(encodable(f"Execution failed. Error code:{code} Error message: {text}"), is_error=True)


def encodable(text: str) -> str:
    """The text with question marks for what has no UTF-8: bytes in file names that are not."""
    try:
        text.isascii() or text.encode()
    except UnicodeEncodeError:
        return text.encode(errors="replace").decode()
    return text
