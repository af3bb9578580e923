"""A desktop in a session: mouse, keyboard, screen, windows and apps."""

from __future__ import annotations

from typing import Any

from agentbay._input import MAX_PIXELS, chosen, key_names, milliseconds, number, pixels, sizes, words
from agentbay.types.computer import (
    AppOperationResult,
    InstalledAppListResult,
    MouseButton,
    ProcessListResult,
    ScrollDirection,
    WindowInfoResult,
    WindowListResult,
    operation,
    screen_size,
)
from agentbay.types.response import BoolResult, OperationResult

from .device import AsyncDevice

__all__ = ["AsyncComputer"]

MAX_ID = 2**63 - 1

# What can be held while the mouse moves.
DRAGGING = (MouseButton.LEFT, MouseButton.RIGHT, MouseButton.MIDDLE)


class AsyncComputer(AsyncDevice):
    """Works a desktop as a person would. Places are in pixels from the upper left corner of the screen, from 0.

    It needs a desktop image, such as `linux_latest` or `windows_latest`.
    """

    _capture_failure = "Failed to take screenshot via MCP tool 'screenshot'"

    # --- Mouse --------------------------------------------------------------------------------------------------------

    async def click_mouse(self, x: int, y: int, button: MouseButton | str = MouseButton.LEFT) -> BoolResult:
        """Click at a place.

        Args:
            x: pixels from the left.
            y: pixels from the top.
            button: `left`, `right`, `middle`, or `double_left` for a double click.

        Raises:
            ValueError: a place is not from 0 to 65535, or there is no such button.
            SessionError: no usable answer came.

        Source: tool `click_mouse`.
        """
        return await self._call(
            "click_mouse", BoolResult, **pixels(x=x, y=y), button=chosen("button", button, MouseButton)
        )

    async def move_mouse(self, x: int, y: int) -> BoolResult:
        """Move the pointer to a place.

        Args:
            x: pixels from the left.
            y: pixels from the top.

        Raises:
            ValueError: a place is not from 0 to 65535.
            SessionError: no usable answer came.

        Source: tool `move_mouse`.
        """
        return await self._call("move_mouse", BoolResult, repeatable=True, **pixels(x=x, y=y))

    async def drag_mouse(
        self, from_x: int, from_y: int, to_x: int, to_y: int, button: MouseButton | str = MouseButton.LEFT
    ) -> BoolResult:
        """Press a button at one place, move to another, and release it.

        Args:
            from_x: where to begin, pixels from the left.
            from_y: where to begin, pixels from the top.
            to_x: where to end, pixels from the left.
            to_y: where to end, pixels from the top.
            button: `left`, `right` or `middle`.

        Raises:
            ValueError: a place is not from 0 to 65535, or the button cannot be dragged with.
            SessionError: no usable answer came.

        Source: tool `drag_mouse`.
        """
        places = pixels(from_x=from_x, from_y=from_y, to_x=to_x, to_y=to_y)
        return await self._call("drag_mouse", BoolResult, **places, button=chosen("button", button, DRAGGING))

    async def scroll(
        self, x: int, y: int, direction: ScrollDirection | str = ScrollDirection.UP, amount: int = 1
    ) -> BoolResult:
        """Turn the wheel at a place.

        Args:
            x: pixels from the left.
            y: pixels from the top.
            direction: `up`, `down`, `left` or `right`.
            amount: steps of the wheel, from 1.

        Raises:
            ValueError: a place is not from 0 to 65535, the amount not from 1 to 65535, or there is no such direction.
            SessionError: no usable answer came.

        Source: tool `scroll`.
        """
        own: dict[str, Any] = {**pixels(x=x, y=y), "direction": chosen("direction", direction, ScrollDirection)}
        return await self._call("scroll", BoolResult, **own, amount=number("amount", amount, 1, MAX_PIXELS))

    async def get_cursor_position(self) -> OperationResult:
        """Find the pointer.

        Returns:
            In `data` the tool's JSON text, such as `{"x":512,"y":384}`.

        Raises:
            SessionError: no usable answer came.

        Source: tool `get_cursor_position`.
        """
        return operation(await self._read("get_cursor_position"), "cursor position")

    # --- Keyboard -----------------------------------------------------------------------------------------------------

    async def press_keys(self, keys: list[str], hold: bool = False) -> BoolResult:
        """Press keys together.

        Args:
            keys: their names, such as `["Ctrl", "c"]`. The usual spellings are understood, in any case: `control`,
                `esc`, `pgdn`, `up`, `f5`.
            hold: keep them down until `release_keys`.

        Raises:
            ValueError: there is no key.
            SessionError: no usable answer came.

        Source: tool `press_keys`.
        """
        return await self._call("press_keys", BoolResult, keys=key_names(keys), hold=hold)

    async def release_keys(self, keys: list[str]) -> BoolResult:
        """Release keys that are held.

        Args:
            keys: their names in the standard spelling (`Ctrl`, `Shift`, `a`), for here they are sent as they are.

        Raises:
            ValueError: there is no key.
            SessionError: no usable answer came.

        Source: tool `release_keys`.
        """
        return await self._call("release_keys", BoolResult, repeatable=True, keys=key_names(keys))

    # --- Screen and windows -------------------------------------------------------------------------------------------

    async def get_screen_size(self) -> OperationResult:
        """Measure the screen.

        Returns:
            In `data` a dictionary with `width` and `height` in pixels, and `dpiScalingFactor`.

        Raises:
            SessionError: no usable answer came.

        Source: tool `get_screen_size`.
        """
        return operation(await self._read("get_screen_size"), "screen size", screen_size)

    async def list_root_windows(self, timeout_ms: int = 3000) -> WindowListResult:
        """List the windows of the desktop.

        Args:
            timeout_ms: milliseconds that the search may take.

        Raises:
            ValueError: the time-out is not from 1 to 600000.
            SessionError: no usable answer came.

        Source: tool `list_root_windows`.
        """
        limit = milliseconds("timeout_ms", timeout_ms)
        return await self._call(
            "list_root_windows", WindowListResult, work=limit / 1000, repeatable=True, timeout_ms=limit
        )

    async def get_active_window(self) -> WindowInfoResult:
        """Find the window that has the focus.

        Raises:
            SessionError: no usable answer came.

        Source: tool `get_active_window`.
        """
        return await self._call("get_active_window", WindowInfoResult, repeatable=True)

    async def activate_window(self, window_id: int) -> BoolResult:
        """Bring a window to the front and give it the focus.

        Args:
            window_id: the window.

        Raises:
            ValueError: the id is below 0.
            SessionError: no usable answer came.

        Source: tool `activate_window`.
        """
        return await self._window("activate_window", window_id)

    async def close_window(self, window_id: int) -> BoolResult:
        """Close a window.

        Args:
            window_id: the window.

        Raises:
            ValueError: the id is below 0.
            SessionError: no usable answer came.

        Source: tool `close_window`.
        """
        return await self._window("close_window", window_id, repeatable=False)

    async def maximize_window(self, window_id: int) -> BoolResult:
        """Make a window as large as the desktop.

        Args:
            window_id: the window.

        Raises:
            ValueError: the id is below 0.
            SessionError: no usable answer came.

        Source: tool `maximize_window`.
        """
        return await self._window("maximize_window", window_id)

    async def minimize_window(self, window_id: int) -> BoolResult:
        """Take a window off the screen, into the task bar.

        Args:
            window_id: the window.

        Raises:
            ValueError: the id is below 0.
            SessionError: no usable answer came.

        Source: tool `minimize_window`.
        """
        return await self._window("minimize_window", window_id)

    async def restore_window(self, window_id: int) -> BoolResult:
        """Give a window the size and place that it had before it was maximised or minimised.

        Args:
            window_id: the window.

        Raises:
            ValueError: the id is below 0.
            SessionError: no usable answer came.

        Source: tool `restore_window`.
        """
        return await self._window("restore_window", window_id)

    async def resize_window(self, window_id: int, width: int, height: int) -> BoolResult:
        """Give a window another size.

        Args:
            window_id: the window.
            width: pixels.
            height: pixels.

        Raises:
            ValueError: the id is below 0, or a size is not from 1 to 65535.
            SessionError: no usable answer came.

        Source: tool `resize_window`.
        """
        return await self._window("resize_window", window_id, **sizes(width=width, height=height))

    async def fullscreen_window(self, window_id: int) -> BoolResult:
        """Let a window fill the whole screen.

        Args:
            window_id: the window.

        Raises:
            ValueError: the id is below 0.
            SessionError: no usable answer came.

        Source: tool `fullscreen_window`.
        """
        return await self._window("fullscreen_window", window_id, repeatable=False)

    async def focus_mode(self, on: bool) -> BoolResult:
        """Keep other windows from taking the focus, or let them.

        Args:
            on: True keeps them from it.

        Raises:
            SessionError: no usable answer came.

        Source: tool `focus_mode`.
        """
        return await self._call("focus_mode", BoolResult, repeatable=True, on=on)

    async def _window(self, tool: str, window_id: int, *, repeatable: bool = True, **sizes: Any) -> BoolResult:
        window = number("window_id", window_id, 0, MAX_ID)
        return await self._call(tool, BoolResult, repeatable=repeatable, window_id=window, **sizes)

    # --- Apps ---------------------------------------------------------------------------------------------------------

    async def get_installed_apps(
        self, start_menu: bool = True, desktop: bool = False, ignore_system_apps: bool = True
    ) -> InstalledAppListResult:
        """List the installed apps.

        Args:
            start_menu: those of the start menu.
            desktop: those with an icon on the desktop.
            ignore_system_apps: leave out those that belong to the system.

        Returns:
            The apps in `data`, each with its name and the commands that start and stop it.

        Raises:
            SessionError: no usable answer came.

        Source: tool `get_installed_apps`.
        """
        return await self._installed_apps(start_menu, desktop, ignore_system_apps)

    async def list_visible_apps(self) -> ProcessListResult:
        """List the running programs that have a window.

        Returns:
            The programs in `data`.

        Raises:
            SessionError: no usable answer came.

        Source: tool `list_visible_apps`.
        """
        return await self._call("list_visible_apps", ProcessListResult, repeatable=True)

    async def stop_app_by_pname(self, pname: str) -> AppOperationResult:
        """Stop an app by the name of its process.

        Args:
            pname: the name.

        Raises:
            ValueError: it is empty.
            SessionError: no usable answer came.

        Source: tool `stop_app_by_pname`.
        """
        return await self._call("stop_app_by_pname", AppOperationResult, pname=words("pname", pname))

    async def stop_app_by_pid(self, pid: int) -> AppOperationResult:
        """Stop an app by the id of its process.

        Args:
            pid: the process id, from 1.

        Raises:
            ValueError: it is below 1.
            SessionError: no usable answer came.

        Source: tool `stop_app_by_pid`.
        """
        return await self._call("stop_app_by_pid", AppOperationResult, pid=number("pid", pid, 1, MAX_ID))
