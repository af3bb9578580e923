"""Pictures of the screen."""

from __future__ import annotations

import base64
import json
from typing import Literal

from agentbay_local.desktop import Picture, take
from agentbay_local.page.view_jpeg import jpeg_size
from agentbay_local.tools.box import Box
from agentbay_local.tools.browsing import refusing
from agentbay_local.tools.faults import INTERNAL, ToolFailure
from agentbay_local.tools.registry import tool
from agentbay_local.tools.screen import LOOKED_AT, screen


@tool(server="wuying_capture", images=LOOKED_AT, doing="take screenshot")
async def screenshot(box: Box, format: Literal["png", "jpeg"] = "png") -> str:
    """Answers with a JSON object: a picture of the screen as base64, its `mime_type`, `width` and `height`."""
    picture = await _taken(box, format)
    about = {"type": "image", "mime_type": f"image/{format}", "width": picture.width, "height": picture.height}
    return json.dumps({**about, "data": base64.b64encode(picture.data).decode()})


@tool(server="mcp-server", images=LOOKED_AT, doing="take screenshot")
async def system_screenshot(box: Box) -> str:
    """Answers with the address of a picture of the screen (PNG), which anybody may fetch for 64 minutes."""
    if box.publish is None:
        raise ToolFailure("This server keeps no pictures: take one with the tool screenshot", INTERNAL)
    return box.publish((await _taken(box, "png")).data, "image/png")


async def _taken(box: Box, kind: str) -> Picture:
    if box.image == "browser_latest" and box.browser.running:  # that has no window on the desktop, but is what there is
        return await _page(box, kind)
    async with screen(box) as desktop:
        return await take(desktop.link, kind)


async def _page(box: Box, kind: str) -> Picture:
    with refusing():
        page = await (await box.browser.opened()).active()
        data = await page.picture(kind=kind)
    return Picture(kind, *(jpeg_size(data) if kind == "jpeg" else _png_size(data)), data)


def _png_size(data: bytes) -> tuple[int, int]:
    """Width and height in pixels, which are not those of the page where a pixel of that is several."""
    return int.from_bytes(data[16:20]), int.from_bytes(data[20:24])
