"""The windows of a desktop."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any, Final

from agentbay_local.desktop import Window
from agentbay_local.desktop.windows import Windows
from agentbay_local.tools.box import Box
from agentbay_local.tools.faults import TIMED_OUT, ToolFailure
from agentbay_local.tools.registry import tool
from agentbay_local.tools.screen import DESKTOP, bounded, screen

SERVER: Final = "wuying_ui"
DONE: Final = "True"
LONGEST_MS: Final = 600_000
LARGEST: Final = 32_767
"""Pixels of a window's side, by the protocol of X."""


@tool(server=SERVER, images=DESKTOP, doing="list root windows")
async def list_root_windows(box: Box, timeout_ms: int = 3000) -> str:
    """Answers with a JSON array of the windows, oldest first: id, title, place, size, process.

    `timeout_ms` is in milliseconds; a desktop that has to be started first may take its time.
    """
    bounded("timeout_ms", timeout_ms, LONGEST_MS)
    if not box.desktop.running:
        async with screen(box):
            pass
    try:
        async with asyncio.timeout(timeout_ms / 1000):
            async with screen(box) as desktop:
                found = await desktop.windows.every()
            names = await box.desktop.apps.names(each.pid for each in found if each.pid)
    except TimeoutError:
        raise ToolFailure(f"The windows could not be listed within {timeout_ms} ms", TIMED_OUT) from None
    return json.dumps([_told(each, names) for each in found], ensure_ascii=False)


@tool(server=SERVER, images=DESKTOP, doing="get active window")
async def get_active_window(box: Box) -> str:
    """Answers with a JSON object about the window that has the focus."""
    async with screen(box) as desktop:
        found = await desktop.windows.active()
    return json.dumps(_told(found, await box.desktop.apps.names([found.pid or 0])), ensure_ascii=False)


@tool(server=SERVER, images=DESKTOP, doing="activate window")
async def activate_window(box: Box, window_id: int) -> str:
    """Brings a window to the front and gives it the focus."""
    return await _done(box, Windows.activate, window_id)


@tool(server=SERVER, images=DESKTOP, doing="close window")
async def close_window(box: Box, window_id: int) -> str:
    """Closes a window; its program may ask back."""
    return await _done(box, Windows.close, window_id)


@tool(server=SERVER, images=DESKTOP, doing="maximize window")
async def maximize_window(box: Box, window_id: int) -> str:
    """Makes a window as large as the desktop."""
    return await _done(box, Windows.maximize, window_id)


@tool(server=SERVER, images=DESKTOP, doing="minimize window")
async def minimize_window(box: Box, window_id: int) -> str:
    """Takes a window off the screen."""
    return await _done(box, Windows.minimize, window_id)


@tool(server=SERVER, images=DESKTOP, doing="restore window")
async def restore_window(box: Box, window_id: int) -> str:
    """Gives a window the size and place that it had before it was minimised, maximised or over the whole screen."""
    return await _done(box, Windows.restore, window_id)


@tool(server=SERVER, images=DESKTOP, doing="fullscreen window")
async def fullscreen_window(box: Box, window_id: int) -> str:
    """Lets a window fill the whole screen."""
    return await _done(box, Windows.fullscreen, window_id)


@tool(server=SERVER, images=DESKTOP, doing="resize window")
async def resize_window(box: Box, window_id: int, width: int, height: int) -> str:
    """Gives a window's content another size, in pixels."""
    bounded("width", width, LARGEST)
    bounded("height", height, LARGEST)
    async with screen(box) as desktop:
        await desktop.windows.resize(window_id, width, height)
    return DONE


@tool(server=SERVER, images=DESKTOP, doing="toggle focus mode")
async def focus_mode(box: Box, on: bool) -> str:
    """Keeps new windows from taking the focus, or lets them."""
    async with screen(box) as desktop:
        await desktop.keep_focus(on=on)
    return DONE


async def _done(box: Box, deed: Callable[[Windows, int], Awaitable[None]], window_id: int) -> str:
    """Does something with one window."""
    async with screen(box) as desktop:
        await deed(desktop.windows, window_id)
    return DONE


def _told(window: Window, names: dict[int, str]) -> dict[str, Any]:
    about: dict[str, Any] = {
        "window_id": window.id,
        "window_title": window.title,
        "absolute_upper_left_x": window.x,
        "absolute_upper_left_y": window.y,
        "width": window.width,
        "height": window.height,
    }
    if window.pid in names:
        about |= {"pid": window.pid, "pname": names[window.pid]}
    return {**about, "child_windows": []}
