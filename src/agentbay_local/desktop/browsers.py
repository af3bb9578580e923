"""Browsers with a window: those that command lines name are the one of this machine, as it runs inside."""

from __future__ import annotations

import re
from typing import Final

from agentbay_local.browser import installed
from agentbay_local.browser.installed import BrowserMissing, Installed

__all__ = ["browser_line", "browser_name"]

FIRST_WORD: Final = re.compile(r'(?:"([^"]+)"|([^\s;&|<>()$`"]+))(?=[\s;&|]|$)')
NAMES: Final = frozenset(name for name in installed.PROGRAMS if "headless" not in name)
FLAGS: Final = (
    # The sandbox around it is the wall; its own one needs namespaces, which programs in here do not get.
    "--no-sandbox", "--test-type", "--no-first-run", "--no-default-browser-check", "--disable-gpu",
    "--disable-dev-shm-usage", "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--disable-breakpad", "--hide-crash-restore-bubble", "--disable-search-engine-choice-screen", "--disable-quic",
    "--password-store=basic",
)  # fmt: skip
LONGEST_NAME: Final = 15
"""Of a process, to the kernel."""


def browser_line(line: str) -> str:
    """The command line that starts this machine's browser, if the first word names one; else the same line.

    Raises:
        BrowserMissing: there is none, or it has no window.
    """
    found = FIRST_WORD.match(line)
    if found is None or not _named(found[1] or found[2]):
        return line
    return " ".join((_windowed().inside, *FLAGS)) + line[found.end() :]


def browser_name(line: str) -> str:
    """What its process is called, if the first word names a browser; else nothing."""
    found = FIRST_WORD.match(line)
    try:
        return _windowed().program.name[:LONGEST_NAME] if found and _named(found[1] or found[2]) else ""
    except BrowserMissing:
        return ""


def _named(word: str) -> bool:
    return word.rpartition("/")[2] in NAMES


def _windowed() -> Installed:
    browser = installed.look()
    if browser.shell_only:
        text = f"the browser of this machine, {browser.program}, has no windows. This mends it: {installed.INSTALL}"
        raise BrowserMissing(text)
    return browser
