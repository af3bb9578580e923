"""Keys by their names, as pages are told of them."""

from __future__ import annotations

import re
from typing import Any, Final

from agentbay_local.browser.faults import PageFault

__all__ = ["pressed", "strokes"]

NAMED: Final[dict[str, tuple[str, int, str]]] = {
    "Enter": ("Enter", 13, "\r"),
    "Tab": ("Tab", 9, ""),
    "Backspace": ("Backspace", 8, ""),
    "Delete": ("Delete", 46, ""),
    "Escape": ("Escape", 27, ""),
    "Space": ("Space", 32, " "),
    "ArrowLeft": ("ArrowLeft", 37, ""),
    "ArrowUp": ("ArrowUp", 38, ""),
    "ArrowRight": ("ArrowRight", 39, ""),
    "ArrowDown": ("ArrowDown", 40, ""),
    "Home": ("Home", 36, ""),
    "End": ("End", 35, ""),
    "PageUp": ("PageUp", 33, ""),
    "PageDown": ("PageDown", 34, ""),
    "Insert": ("Insert", 45, ""),
    **{f"F{number}": (f"F{number}", 111 + number, "") for number in range(1, 13)},
}
"""Name to code, number and text."""
OTHER_NAMES: Final = {"return": "Enter", "esc": "Escape", "del": "Delete", " ": "Space"}
MODIFIERS: Final = {"alt": 1, "control": 2, "ctrl": 2, "controlormeta": 2, "meta": 4, "shift": 8}
EDITING: Final = {"a": "selectAll", "c": "copy", "v": "paste", "x": "cut", "z": "undo"}

PLAIN: Final = re.compile("Key[A-Z]|Digit[0-9]")
PLACED: Final = {
    **dict.fromkeys(("ShiftLeft", "ShiftRight"), 16),
    **dict.fromkeys(("ControlLeft", "ControlRight"), 17),
    **dict.fromkeys(("AltLeft", "AltRight"), 18),
    **dict.fromkeys(("MetaLeft", "MetaRight"), 91),
    **dict(zip(("Semicolon", "Equal", "Comma", "Minus", "Period", "Slash", "Backquote"), range(186, 193), strict=True)),
    **dict(zip(("BracketLeft", "Backslash", "BracketRight", "Quote"), range(219, 223), strict=True)),
}
"""Numbers of keys by their places; those of letters and digits are their own."""


def strokes(combination: str) -> list[dict[str, Any]]:
    """The key events of a name such as `Enter`, `a` or `Control+Shift+K`. Raises PageFault."""
    *held, last = combination.split("+") if len(combination) > 1 else [combination]
    modifiers = 0
    for name in held:
        if name.lower() not in MODIFIERS:
            raise PageFault(f"{name!r} is no key to hold: use Control, Shift, Alt or Meta")
        modifiers |= MODIFIERS[name.lower()]
    key, code, number, text = _key(last)
    told: dict[str, Any] = {"key": key, "code": code, "windowsVirtualKeyCode": number, "modifiers": modifiers}
    if modifiers & ~8:
        text = ""
    down = {**told, "type": "keyDown" if text else "rawKeyDown"} | ({"text": text} if text else {})
    if modifiers == 2 and key.lower() in EDITING:
        down["commands"] = [EDITING[key.lower()]]
    return [down, {**told, "type": "keyUp"}]


def _key(name: str) -> tuple[str, str, int, str]:
    known = {each.lower(): each for each in NAMED}
    lower = name.lower()
    if found := OTHER_NAMES.get(lower) or known.get(lower):
        code, number, text = NAMED[found]
        return " " if found == "Space" else found, code, number, text
    if len(name) != 1:
        raise PageFault(f"{name!r:.40} is no key: use a letter, or a name such as Enter, Tab, Escape or ArrowDown")
    letter = name.upper()
    code = f"Key{letter}" if letter.isascii() and letter.isalpha() else f"Digit{name}" if name.isdecimal() else ""
    return name, code, ord(letter) if letter.isascii() and letter.isalnum() else 0, name


def pressed(key: str, code: str, modifiers: int, *, down: bool, again: bool = False) -> dict[str, Any]:
    """The event of a key as a person's browser names it: one that goes down, perhaps again while held, or goes up."""
    letter = key[0] if len(key) == 1 else ""
    _, number, text = NAMED.get("Space" if key == " " else key, ("", 0, letter))
    event: dict[str, Any] = {
        "type": "keyUp",
        "key": key,
        "code": code,
        "modifiers": modifiers,
        "windowsVirtualKeyCode": number or PLACED.get(code) or (ord(code[-1]) if PLAIN.fullmatch(code) else 0),
    }
    if not down:
        return event
    event |= {"type": "rawKeyDown", "autoRepeat": again}
    if text and not modifiers & ~8:
        event |= {"type": "keyDown", "text": text}
    if modifiers == 2 and key.lower() in EDITING:
        event["commands"] = [EDITING[key.lower()]]
    return event
