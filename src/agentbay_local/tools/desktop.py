"""The mouse, the keyboard and the screen of a desktop."""

from __future__ import annotations

import json
from typing import Final, Literal

from agentbay_local.tools.box import Box
from agentbay_local.tools.faults import ToolFailure
from agentbay_local.tools.registry import tool
from agentbay_local.tools.screen import DESKTOP, TOUCHED, bounded, screen

SERVER: Final = "wuying_ui"
DONE: Final = "True"
MOST_STEPS: Final = 1000
MOST_KEYS: Final = 32
LONGEST_TEXT: Final = 20_000
"""Characters; a keyboard is slow where a script has more of them than a keyboard has keys."""


@tool(server=SERVER, images=DESKTOP, doing="click mouse")
async def click_mouse(
    box: Box, x: int, y: int, button: Literal["left", "right", "middle", "double_left"] = "left"
) -> str:
    """Clicks at a place, in pixels from the upper left corner of the screen."""
    async with screen(box) as desktop:
        await desktop.pointer.click(x, y, button)
    return DONE


@tool(server=SERVER, images=DESKTOP, doing="move mouse")
async def move_mouse(box: Box, x: int, y: int) -> str:
    """Moves the pointer to a place."""
    async with screen(box) as desktop:
        await desktop.pointer.move(x, y)
    return DONE


@tool(server=SERVER, images=DESKTOP, doing="drag mouse")
async def drag_mouse(
    box: Box, from_x: int, from_y: int, to_x: int, to_y: int, button: Literal["left", "right", "middle"] = "left"
) -> str:
    """Presses a button at one place, moves to another, and releases it."""
    async with screen(box) as desktop:
        await desktop.pointer.drag((from_x, from_y), (to_x, to_y), button)
    return DONE


@tool(server=SERVER, images=DESKTOP, doing="scroll")
async def scroll(
    box: Box, x: int, y: int, direction: Literal["up", "down", "left", "right"] = "up", amount: int = 1
) -> str:
    """Turns the wheel at a place by some steps."""
    bounded("amount", amount, MOST_STEPS)
    async with screen(box) as desktop:
        await desktop.pointer.scroll(x, y, direction, amount)
    return DONE


@tool(server=SERVER, images=DESKTOP, doing="get cursor position")
async def get_cursor_position(box: Box) -> str:
    """Answers with a JSON object: `x` and `y` of the pointer, in pixels."""
    async with screen(box) as desktop:
        x, y = await desktop.pointer.position()
    return json.dumps({"x": x, "y": y})


@tool(server=SERVER, images=DESKTOP, doing="get screen size")
async def get_screen_size(box: Box) -> str:
    """Answers with a JSON object: `width` and `height` in pixels, and `dpiScalingFactor`."""
    async with screen(box) as desktop:
        width, height = await desktop.pointer.size()
    return json.dumps({"width": width, "height": height, "dpiScalingFactor": 1.0})


@tool(server=SERVER, images=TOUCHED, doing="input text")
async def input_text(box: Box, text: str) -> str:
    """Types a text of any script into the focused field."""
    bounded("the length of text", len(text), LONGEST_TEXT, 0)
    async with screen(box) as desktop:
        await desktop.keyboard.type(text)
    return DONE


@tool(server=SERVER, images=DESKTOP, doing="press keys")
async def press_keys(box: Box, keys: list[str], hold: bool = False) -> str:
    """Presses keys together, and releases them unless they are to be held until `release_keys`."""
    async with screen(box) as desktop:
        await desktop.keyboard.press(_some(keys), hold=hold)
    return DONE


@tool(server=SERVER, images=DESKTOP, doing="release keys")
async def release_keys(box: Box, keys: list[str]) -> str:
    """Releases keys that are held."""
    async with screen(box) as desktop:
        await desktop.keyboard.release(_some(keys))
    return DONE


def _some(keys: list[str]) -> list[str]:
    if not 0 < len(keys) <= MOST_KEYS:
        raise ToolFailure(f"keys must hold from 1 to {MOST_KEYS} keys, got {len(keys)}")
    return keys
