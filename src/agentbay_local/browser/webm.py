"""Films of pictures: WebM with one VP8 key frame each, which is what a lossy WebP picture holds. No I/O."""

from __future__ import annotations

import struct
from collections.abc import Iterable
from typing import Final

__all__ = ["DURATION_AT", "SEEK_AT", "beginning", "duration", "ending", "frame", "seek", "vp8"]

TICK: Final = 1_000_000
"""Nanoseconds of the unit in which times are written."""
UNKNOWN: Final = b"\x01" + b"\xff" * 7
"""A size that is not known yet, as that of a film which goes on."""
APP: Final = b"agentbay"


class NoPicture(ValueError):
    """The bytes are no lossy WebP picture."""


def vp8(picture: bytes) -> bytes:
    """The key frame in a WebP picture. Raises ValueError."""
    at = 12
    while picture[:4] == b"RIFF" and at + 8 <= len(picture):
        name, size = struct.unpack_from("<4sI", picture, at)
        if name == b"VP8 ":
            return picture[at + 8 : at + 8 + size]
        at += 8 + size + size % 2
    raise NoPicture("not a lossy WebP picture")


def size(key_frame: bytes) -> tuple[int, int]:
    """Width and height of a key frame, in pixels. Raises ValueError."""
    if len(key_frame) < 10 or key_frame[3:6] != b"\x9d\x01\x2a":
        raise NoPicture("not a key frame of VP8")
    width, height = struct.unpack_from("<HH", key_frame, 6)
    return width & 0x3FFF, height & 0x3FFF


def _element(name: str, content: bytes) -> bytes:
    return bytes.fromhex(name) + struct.pack(">Q", len(content) | 1 << 56) + content


def _number(name: str, value: int) -> bytes:
    return _element(name, value.to_bytes(max(1, (value.bit_length() + 7) // 8), "big"))


def duration(milliseconds: float) -> bytes:
    """How long it lasts, to be written at DURATION_AT."""
    return _element("4489", struct.pack(">d", milliseconds))


_HEAD: Final = _element(
    "1a45dfa3",
    _number("4286", 1)
    + _number("42f7", 1)
    + _number("42f2", 4)
    + _number("42f3", 8)
    + _element("4282", b"webm")
    + _number("4287", 2)
    + _number("4285", 2),
)
_INFO: Final = _number("2ad7b1", TICK) + _element("4d80", APP) + _element("5741", APP)
START: Final = len(_HEAD) + 4 + 8
"""Where the content of the segment begins, from which places in it are counted."""


def _seek(place: int) -> bytes:
    """Where the list of pictures is: it comes last."""
    entry = _element("53ab", bytes.fromhex("1c53bb6b")) + _element("53ac", struct.pack(">Q", place))
    return _element("114d9b74", _element("4dbb", entry))


SEEK_AT: Final = START
_GAP: Final = _element("ec", bytes(len(_seek(0)) - 9))
DURATION_AT: Final = START + len(_GAP) + 4 + 8 + len(_INFO)
"""Where the bytes of `duration` are, in the bytes of `beginning`."""


def beginning(key_frame: bytes) -> bytes:
    """The first bytes of a film whose pictures are as large as this one. Raises ValueError."""
    width, height = size(key_frame)
    picture = _element("e0", _number("b0", width) + _number("ba", height))
    codec = _element("86", b"V_VP8")
    track = _element("ae", _number("d7", 1) + _number("73c5", 1) + _number("83", 1) + codec + picture)
    info = _element("1549a966", _INFO + duration(0))
    return _HEAD + bytes.fromhex("18538067") + UNKNOWN + _GAP + info + _element("1654ae6b", track)


def frame(key_frame: bytes, milliseconds: int) -> bytes:
    """A picture that is shown from a time on."""
    block = _element("a3", b"\x81\x00\x00\x80" + key_frame)
    return _element("1f43b675", _number("e7", milliseconds) + block)


def ending(pictures: Iterable[tuple[int, int]]) -> bytes:
    """The list of pictures, by time in milliseconds and place in the file, which lets one go to any of them."""
    return _element("1c53bb6b", b"".join(_cue(time, place - START) for time, place in pictures))


def _cue(time: int, place: int) -> bytes:
    return _element("bb", _number("b3", time) + _element("b7", _number("f7", 1) + _number("f1", place)))


def seek(place: int) -> bytes:
    """Where `ending` is in the file, to be written at SEEK_AT."""
    return _seek(place - START)
