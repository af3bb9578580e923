"""The words of the X protocol that a desktop needs: requests into bytes, replies out of them. No I/O."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from typing import Final

from attrs import frozen

HEADER: Final = 32
"""Bytes of an event, an error, and the first part of a reply."""
ERROR, REPLY, CLIENT_MESSAGE, MAPPING_NOTIFY, GENERIC = 0, 1, 33, 34, 35
KEY_PRESS, KEY_RELEASE, BUTTON_PRESS, BUTTON_RELEASE, MOTION = 2, 3, 4, 5, 6
BAD_WINDOW, BAD_DRAWABLE = 3, 9
TO_MANAGER: Final = 0x180000
"""Event mask of what window managers listen to on the root: SubstructureNotify and SubstructureRedirect."""
EVERY_PLANE: Final = 0xFFFFFFFF
PIXMAP: Final = 2
MOST_OF_A_PROPERTY: Final = 1 << 18
"""Bytes of a property that are asked for, unless fewer will do."""


class XFault(Exception):
    """What came is not the X protocol, or not what is understood here."""


@frozen
class Setup:
    """What the server says of itself when a connection begins."""

    root: int
    first_id: int
    first_code: int
    last_code: int


def hello() -> bytes:
    """The first bytes of a connection: least significant byte first, version 11.0, no authority."""
    return struct.pack("<BxHHHHxx", ord("l"), 11, 0, 0, 0)


def setup_size(head: bytes) -> int:
    """How many bytes follow the first eight. Raises XFault when the server refuses the connection."""
    status, length = struct.unpack("<BxxxxxH", head)
    if status != 1:
        raise XFault("the X server refused the connection")
    return 4 * int(length)


def setup(body: bytes) -> Setup:
    """Reads what follows. Raises XFault unless pixels are four bytes in the order blue, green, red, unused."""
    try:
        first_id, _, _, vendor = struct.unpack_from("<IIIH", body, 4)
        _, formats, order = struct.unpack_from("<BBB", body, 20)
        first, last = struct.unpack_from("<BB", body, 26)
        at = 32 + vendor + -vendor % 4
        sizes = dict(struct.unpack_from("<BB", body, at + 8 * number) for number in range(formats))
        screen = at + 8 * formats
        (root,) = struct.unpack_from("<I", body, screen)
        depth = body[screen + 38]
    except (struct.error, IndexError) as error:
        raise XFault("the X server's greeting cannot be read") from error
    if order != 0 or sizes.get(depth) != 32 or not 8 <= first <= last:
        raise XFault(f"the X server's screen is of a kind that is not understood (depth {depth})")
    return Setup(root, first_id, first, last)


def request(opcode: int, body: bytes = b"", detail: int = 0) -> bytes:
    """A request, filled up to whole units of four bytes."""
    return struct.pack("<BBH", opcode, detail, 1 + (len(body) + 3) // 4) + body + bytes(-len(body) % 4)


def words(*values: int) -> bytes:
    """Unsigned numbers of four bytes."""
    return struct.pack(f"<{len(values)}I", *values)


def read_words(data: bytes) -> tuple[int, ...]:
    """The same, read."""
    return struct.unpack(f"<{len(data) // 4}I", data[: len(data) // 4 * 4])


def named(opcode: int, name: str) -> bytes:
    """A request about a name: an atom, an extension."""
    return request(opcode, struct.pack("<Hxx", len(name)) + name.encode())


def intern_atom(name: str) -> bytes:
    return named(16, name)


def query_extension(name: str) -> bytes:
    return named(98, name)


def get_input_focus() -> bytes:
    """The shortest question; its answer says that all before it was done."""
    return request(43)


def create_window(window: int, root: int) -> bytes:
    """A window of one pixel that nobody sees: it is not shown."""
    return request(1, struct.pack("<IIhhHHHHII", window, root, 0, 0, 1, 1, 0, 0, 0, 0))


def query_pointer(root: int) -> bytes:
    return request(38, words(root))


def query_keymap() -> bytes:
    """Asks which keys are down."""
    return request(44)


def get_geometry(drawable: int) -> bytes:
    return request(14, words(drawable))


def translate(window: int, root: int) -> bytes:
    """Asks where the upper left corner of a window is on the root."""
    return request(40, words(window, root, 0))


def get_property(window: int, name: int, most: int = MOST_OF_A_PROPERTY) -> bytes:
    return request(20, words(window, name, 0, 0, most // 4))


def delete_property(window: int, name: int) -> bytes:
    return request(19, words(window, name))


def get_image(root: int, width: int, height: int, x: int = 0, y: int = 0) -> bytes:
    return request(73, struct.pack("<IhhHHI", root, x, y, width, height, EVERY_PLANE), PIXMAP)


def get_keyboard_mapping(first: int, last: int) -> bytes:
    return request(101, struct.pack("<BBxx", first, last - first + 1))


def change_keyboard_mapping(first: int, symbols: Sequence[int]) -> bytes:
    """Gives each of the codes from `first` on one symbol, with and without Shift."""
    twice = [each for symbol in symbols for each in (symbol, symbol)]
    return request(100, struct.pack("<BBxx", first, 2) + words(*twice), len(symbols))


def client_message(root: int, window: int, kind: int, *values: int) -> bytes:
    """A message about a window for the window manager, which listens on the root."""
    event = struct.pack("<BBHII", CLIENT_MESSAGE, 32, 0, window, kind) + words(*values, *[0] * (5 - len(values)))
    return request(25, words(root, TO_MANAGER) + event)


def background(root: int, pixel: int) -> Iterator[bytes]:
    """Fills the root with a colour."""
    yield request(2, words(root, 2, pixel))
    yield request(61, words(root, 0, 0))


def fake_input(major: int, kind: int, detail: int, root: int = 0, x: int = 0, y: int = 0) -> bytes:
    """A key, a button or a motion, as if a person had made it (extension XTEST)."""
    return request(major, struct.pack("<BBxxIIxxxxxxxxhhxxxxxxxB", kind, detail, 0, root, x, y, 0), 2)


def client_pid(major: int, window: int) -> bytes:
    """Asks which process a window belongs to (extension X-Resource)."""
    return request(major, words(1, window, 2), 4)


def unpack(layout: str, reply: bytes, at: int) -> tuple[int, ...]:
    """Numbers out of a reply. Raises XFault."""
    try:
        return struct.unpack_from(f"<{layout}", reply, at)
    except struct.error as error:
        raise XFault("the X server sent an answer that cannot be read") from error
