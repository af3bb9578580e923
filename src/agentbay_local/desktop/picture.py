"""Screenshots: pixels of an X server as a PNG or JPEG file."""

from __future__ import annotations

import asyncio
import io
from typing import Final

from attrs import frozen

from agentbay_local.desktop import xproto
from agentbay_local.desktop.xlink import MOST_BYTES, XLink
from agentbay_local.desktop.xproto import HEADER, XFault, unpack

__all__ = ["NoPicture", "Picture", "take"]

OPTIONS: Final = {"png": {"compress_level": 3}, "jpeg": {"quality": 85}}


class NoPicture(Exception):
    """No picture can be made; the message is for users."""


@frozen
class Picture:
    """A picture as a file's bytes; sizes in pixels."""

    format: str
    width: int
    height: int
    data: bytes


async def take(link: XLink, kind: str) -> Picture:
    """A picture of the whole screen. Raises NoPicture."""
    root = link.setup.root
    [place] = await link.ask(xproto.get_geometry(root))
    width, height = unpack("HH", place, 16)
    if 4 * width * height > MOST_BYTES:
        raise NoPicture(f"The screen of {width} x {height} pixels is too large for a picture: make it smaller (xrandr)")
    [image] = await link.ask(xproto.get_image(root, width, height))
    pixels = image[HEADER:]
    if len(pixels) != 4 * width * height:
        raise XFault("the X server sent a picture of another size")
    data = await asyncio.to_thread(encoded, kind, (width, height), pixels)
    return Picture(kind, width, height, data)


def encoded(kind: str, size: tuple[int, int], pixels: bytes) -> bytes:
    """A file of pixels that are four bytes each: blue, green, red, unused."""
    try:
        from PIL import Image  # noqa: PLC0415  (only those who look at the screen pay for it)
    except ImportError:
        raise NoPicture('Pictures need Pillow beside the server: pip install "agentbay-sdk[local]"') from None
    file = io.BytesIO()
    Image.frombuffer("RGB", size, pixels, "raw", "BGRX", 0, 1).save(file, kind, **OPTIONS[kind])
    return file.getvalue()
