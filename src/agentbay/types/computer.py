"""What a desktop's mouse is told, and what its screen, windows and programs look like."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from typing import Any, Self

from attrs import field, frozen

from agentbay._reading import entries, load, parsed, text, whole
from agentbay._tools import ToolAnswer
from agentbay._value import Value
from agentbay.errors import ToolError
from agentbay.types.response import OperationResult, ToolResult

__all__ = [
    "AppOperationResult",
    "InstalledApp",
    "InstalledAppListResult",
    "MouseButton",
    "Process",
    "ProcessListResult",
    "ScreenshotMode",
    "ScrollDirection",
    "Window",
    "WindowInfoResult",
    "WindowListResult",
    "operation",
    "screen_size",
]


class MouseButton(StrEnum):
    """What to click with; `DOUBLE_LEFT` clicks twice."""

    LEFT = "left"
    RIGHT = "right"
    MIDDLE = "middle"
    DOUBLE_LEFT = "double_left"


class ScrollDirection(StrEnum):
    """Where to scroll."""

    UP = "up"
    DOWN = "down"
    LEFT = "left"
    RIGHT = "right"


class ScreenshotMode(StrEnum):
    """How to take a screenshot. There is one way, and no method asks for it."""

    NORMAL = "normal"


# --- The screen -------------------------------------------------------------------------------------------------------


def operation(answer: ToolAnswer, what: str, read: Callable[[str], Any] = str) -> OperationResult:
    """Make the result of a tool whose text `read` turns into `data`; `what` names the data and the failure."""
    if answer.error is not None:
        return OperationResult.failed(answer.fault(ToolError, f"Failed to get {what}"))
    try:
        data = read(answer.text)
    except (ValueError, RecursionError) as broken:
        return OperationResult.failed(ToolError(f"Failed to parse {what} JSON: {broken}", **answer.facts))
    return OperationResult(answer.request_id, success=True, data=data)


def screen_size(told: str) -> dict[str, Any]:
    """Read `width` and `height` in pixels, and `dpiScalingFactor`. Raises ValueError."""
    return load(told, dict)


# --- Windows ----------------------------------------------------------------------------------------------------------

_NUMBERS = ("absolute_upper_left_x", "absolute_upper_left_y", "width", "height", "pid")


@frozen(eq=False, repr=False)
class Window(Value):
    """A window. Its place is that of its upper left corner, in pixels; what the tool did not tell is None."""

    window_id: int
    title: str
    absolute_upper_left_x: int | None = None
    absolute_upper_left_y: int | None = None
    width: int | None = None
    height: int | None = None
    pid: int | None = None
    pname: str | None = None
    child_windows: list[Window] = field(factory=list)

    @classmethod
    def of(cls, entry: Any) -> Self | None:
        """Read a window as the tool describes it; None for what has no id."""
        number = whole(entry.get("window_id")) if isinstance(entry, dict) else None
        if number is None:
            return None
        own: dict[str, Any] = {name: whole(entry.get(name)) for name in _NUMBERS}
        own |= {"pname": text(entry.get("pname")), "child_windows": entries(cls.of, entry.get("child_windows"))}
        return cls(number, text(entry.get("window_title")) or "", **own)


@frozen(eq=False, repr=False)
class WindowListResult(ToolResult):
    """The windows of a desktop, each with its child windows."""

    windows: list[Window] = field(factory=list)
    error_message: str = ""

    fallback = "Failed to list root windows"

    @classmethod
    def read(cls, answer: ToolAnswer) -> Self:
        """Read the JSON array; entries without an id are left out."""
        return parsed(cls, answer, "windows JSON", lambda told: {"windows": entries(Window.of, load(told, list))})


def _one_window(told: str) -> dict[str, Any]:
    window = Window.of(load(told, dict))
    if window is None:
        raise ValueError("the window has no window_id")
    return {"window": window}


@frozen(eq=False, repr=False)
class WindowInfoResult(ToolResult):
    """One window; None when the call failed."""

    window: Window | None = None
    error_message: str = ""

    fallback = "Failed to get active window"

    @classmethod
    def read(cls, answer: ToolAnswer) -> Self:
        """Read the JSON object."""
        return parsed(cls, answer, "window JSON", _one_window)


# --- Programs ---------------------------------------------------------------------------------------------------------


@frozen(eq=False, repr=False)
class InstalledApp(Value):
    """An installed program, and the command lines that start and stop it."""

    name: str
    start_cmd: str
    stop_cmd: str | None = None
    work_directory: str | None = None

    @classmethod
    def of(cls, entry: Any) -> Self | None:
        """Read a program as the tool describes it; None for what is no object."""
        if not isinstance(entry, dict):
            return None
        name, start, stop, place = (text(entry.get(key)) for key in ("name", "start_cmd", "stop_cmd", "work_directory"))
        return cls(name or "", start or "", stop, place)


@frozen(eq=False, repr=False)
class Process(Value):
    """A running program: its name, its process id (0 when it is not known), its command line."""

    pname: str
    pid: int
    cmdline: str | None = None

    @classmethod
    def of(cls, entry: Any) -> Self | None:
        """Read a process as the tool describes it; None for what is no object."""
        if not isinstance(entry, dict):
            return None
        return cls(text(entry.get("pname")) or "", whole(entry.get("pid")) or 0, text(entry.get("cmdline")))


@frozen(eq=False, repr=False)
class InstalledAppListResult(ToolResult):
    """The installed programs."""

    data: list[InstalledApp] = field(factory=list)
    error_message: str = ""

    fallback = "Failed to get installed apps"

    @classmethod
    def read(cls, answer: ToolAnswer) -> Self:
        """Read the JSON array; what is no object is left out."""
        return parsed(
            cls, answer, "applications JSON", lambda told: {"data": entries(InstalledApp.of, load(told, list))}
        )


@frozen(eq=False, repr=False)
class ProcessListResult(ToolResult):
    """Running programs: those that were started, or those with a window."""

    data: list[Process] = field(factory=list)
    error_message: str = ""

    fallback = "The tool told of no processes"

    @classmethod
    def read(cls, answer: ToolAnswer) -> Self:
        """Read the JSON array; what is no object is left out."""
        return parsed(cls, answer, "processes JSON", lambda told: {"data": entries(Process.of, load(told, list))})


@frozen(eq=False, repr=False)
class AppOperationResult(ToolResult):
    """The result of stopping a program."""

    error_message: str = ""

    fallback = "Failed to stop the app"
