"""Names of keys, and text, as the numbers that X calls keysyms."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

__all__ = ["UnknownKey", "is_character", "key_symbol", "text_symbols"]

UNICODE: Final = 0x01000000
"""Added to a code point that has no older number."""
SHIFT, CAPS_LOCK = 0xFFE1, 0xFFE5
HELD: Final = (SHIFT, 0xFFE2, 0xFFE3, 0xFFE4, *range(0xFFE7, 0xFFEF), 0xFE03)
"""Keys that change what others do while they are held: Shift, Ctrl, Meta, Alt, Super, Hyper, AltGr."""
INERT: Final = frozenset({
    8, 93, 97, 103, 120, 132, 149, *range(153, 158), 159, 161, 162, 168, 178, *range(182, 187), *range(191, 203),
    *range(210, 214), *range(219, 223), 224, *range(226, 231), *range(234, 237), *range(243, 252), 254, 255,
})  # fmt: skip
"""Codes of keys that nobody obeys by their place: browsers do so with those for copying, going back, players and such,
whatever they mean."""

NAMED: Final = {
    "ctrl control": 0xFFE3,
    "alt option": 0xFFE9,
    "shift": SHIFT,
    "altgr": 0xFE03,
    "win windows meta super command cmd": 0xFFEB,
    "tab": 0xFF09,
    "enter return": 0xFF0D,
    "escape esc": 0xFF1B,
    "backspace": 0xFF08,
    "delete del": 0xFFFF,
    "insert ins": 0xFF63,
    "home": 0xFF50,
    "end": 0xFF57,
    "pageup pgup": 0xFF55,
    "pagedown pgdn": 0xFF56,
    "space": 0x20,
    "capslock": CAPS_LOCK,
    "numlock": 0xFF7F,
    "scrolllock": 0xFF14,
    "printscreen prtsc": 0xFF61,
    "pause break": 0xFF13,
    "menu contextmenu": 0xFF67,
    "arrowup up": 0xFF52,
    "arrowdown down": 0xFF54,
    "arrowleft left": 0xFF51,
    "arrowright right": 0xFF53,
    **{f"f{number}": 0xFFBD + number for number in range(1, 25)},
    "minus": ord("-"),
    "plus": ord("+"),
    "equal": ord("="),
    "leftbracket": ord("["),
    "rightbracket": ord("]"),
    "backslash": ord("\\"),
    "semicolon": ord(";"),
    "quote": ord("'"),
    "comma": ord(","),
    "period": ord("."),
    "slash": ord("/"),
    "backtick": ord("`"),
}
SYMBOLS: Final = {name: symbol for names, symbol in NAMED.items() for name in names.split()}
CONTROLS: Final = {"\n": 0xFF0D, "\t": 0xFF09, "\b": 0xFF08, "\x1b": 0xFF1B}
"""What is typed with a key of its own."""


class UnknownKey(Exception):
    """There is no such key; the message is for users."""


def key_symbol(name: str) -> int:
    """The symbol of a key: of one character, or of a name in any case. Raises UnknownKey."""
    if found := SYMBOLS.get(name.lower()):
        return found
    if len(name) == 1 and (name.isprintable() or name in CONTROLS):
        return character(name)
    raise UnknownKey(f"There is no key named {name!r:.60}: give one character, or a name such as Ctrl, Enter or F5")


def character(one: str) -> int:
    """The symbol of one character: Latin-1 has numbers of its own."""
    code = ord(one)
    if 0x20 <= code <= 0x7E or 0xA0 <= code <= 0xFF:
        return code
    return CONTROLS.get(one) or UNICODE + code


def is_character(symbol: int) -> bool:
    """Whether a symbol is one of text, and not that of a key such as Shift or Tab."""
    return symbol <= 0xFF or symbol > UNICODE


def text_symbols(text: str) -> Iterator[int]:
    """The symbols that type a text. Raises UnknownKey for control characters that no key stands for."""
    for one in text.replace("\r\n", "\n").replace("\r", "\n"):
        if one not in CONTROLS and (ord(one) < 0x20 or 0x7F <= ord(one) <= 0x9F):
            raise UnknownKey(f"text must not hold the control character U+{ord(one):04X}: no key stands for it")
        yield character(one)
