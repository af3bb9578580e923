"""Words of a POSIX shell's command line."""

from __future__ import annotations

__all__ = ["quote"]


def quote(text: str) -> str:
    """Write text as one word that the shell takes literally.

    Raises:
        ValueError: it has a NUL, which no argument of a program can have.
    """
    if "\x00" in text:
        raise ValueError("an argument of a command cannot contain a NUL character")
    return "'" + text.replace("'", "'\\''") + "'"
