"""What tools of the desktop have in common: the desktop itself, and its faults in the words of tools."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Final

from agentbay_local.desktop import (
    AppFailed,
    NoDesktop,
    NoPicture,
    NoWindow,
    OffScreen,
    Screen,
    UnknownKey,
    XRefused,
    XSilent,
)
from agentbay_local.desktop.parts import DISPLAY
from agentbay_local.tools.box import Box
from agentbay_local.tools.faults import BAD_ARGUMENT, INTERNAL, ToolFailure

__all__ = ["DESKTOP", "LOOKED_AT", "TOUCHED", "bounded", "in_words", "screen"]

DESKTOP: Final = ("linux_latest", "windows_latest")
"""Images with a mouse and windows."""
TOUCHED: Final = (*DESKTOP, "mobile_latest")
"""Images with programs that have a picture."""
LOOKED_AT: Final = (*TOUCHED, "browser_latest")
"""Images with a screen."""


@asynccontextmanager
async def screen(box: Box) -> AsyncIterator[Screen]:
    """The session's desktop, for one call. From the first one on, the session's commands find it, too."""
    with in_words():
        async with box.desktop.using() as found:
            box.env.setdefault("DISPLAY", DISPLAY)
            yield found


@contextmanager
def in_words() -> Iterator[None]:
    """Faults of a desktop as failures of tools."""
    try:
        yield
    except (AppFailed, NoWindow, OffScreen, UnknownKey) as error:
        raise ToolFailure(str(error), BAD_ARGUMENT) from None
    except (NoDesktop, NoPicture, XRefused, XSilent) as error:
        text = str(error)
        raise ToolFailure(text[:1].upper() + text[1:], INTERNAL) from None


def bounded(name: str, value: int, most: int, least: int = 1) -> int:
    """A number within its limits."""
    if not least <= value <= most:
        raise ToolFailure(f"{name} must be from {least} to {most}, got {value}")
    return value
