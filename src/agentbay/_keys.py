"""Key names as the `press_keys` tool wants them."""

from __future__ import annotations

from typing import Any

__all__ = ["normalise_keys"]

_WORDS = (
    "Ctrl Alt Shift Win Meta Super Command Tab Enter Escape Backspace Delete Insert Home End PageUp PageDown Space "
    "CapsLock NumLock ScrollLock PrintScreen Pause ArrowUp ArrowDown ArrowLeft ArrowRight"
).split()

_SYNONYMS = {
    "control": "Ctrl",
    "windows": "Win",
    "cmd": "Command",
    "return": "Enter",
    "esc": "Escape",
    "del": "Delete",
    "ins": "Insert",
    "pgup": "PageUp",
    "pgdn": "PageDown",
    "prtsc": "PrintScreen",
    "break": "Pause",
    "up": "ArrowUp",
    "down": "ArrowDown",
    "left": "ArrowLeft",
    "right": "ArrowRight",
    "minus": "-",
    "equal": "=",
    "leftbracket": "[",
    "rightbracket": "]",
    "backslash": "\\",
    "semicolon": ";",
    "quote": "'",
    "comma": ",",
    "period": ".",
    "slash": "/",
    "backtick": "`",
}

_NAMES = {word.lower(): word for word in _WORDS} | _SYNONYMS | {f"f{n}": f"F{n}" for n in range(1, 25)}


def _normalise(key: Any) -> Any:
    if not isinstance(key, str):
        return key
    if len(key) == 1 and key.isalpha():
        return key.lower()
    return _NAMES.get(key.lower(), key)


def normalise_keys(args: dict[str, Any]) -> dict[str, Any]:
    """Copy the arguments of `press_keys` with each key name in its standard spelling (`ctrl` becomes `Ctrl`)."""
    keys = args.get("keys")
    return {**args, "keys": [_normalise(key) for key in keys]} if isinstance(keys, list) else args
