"""The size of a JPEG file, read without decoding it: its sender may have made it to use up a viewer's memory."""

from __future__ import annotations

import struct
from typing import Final

__all__ = ["jpeg_size"]

START, START_OF_SCAN = b"\xff\xd8", 0xDA
FRAMES: Final = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
"""Segments that begin a frame, and tell its size."""
BARE: Final = frozenset({0x01, 0xFF, *range(0xD0, 0xDA)})
"""Marks that no length follows, and bytes that only fill: readers do not agree on where they go on after them."""
MOST_SEGMENTS: Final = 100


def jpeg_size(data: bytes) -> tuple[int, int]:
    """Width and height in pixels; (0, 0) if it is no such file."""
    at = 2
    if not data.startswith(START):
        return 0, 0
    for _ in range(MOST_SEGMENTS):
        if len(data) < at + 9 or data[at] != 0xFF:
            break
        kind, (length,) = data[at + 1], struct.unpack_from(">H", data, at + 2)
        if kind in BARE or length < 2:
            break
        if kind in FRAMES:
            height, width = struct.unpack_from(">HH", data, at + 5)
            return width, height
        if kind == START_OF_SCAN:
            break
        at += 2 + length
    return 0, 0
