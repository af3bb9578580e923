"""What desktops, browsers and images need of a machine. In CI their absence is a failure, elsewhere it skips a test."""

from __future__ import annotations

import os
import shutil

import pytest

from agentbay_local.browser import installed
from agentbay_local.desktop import parts
from agentbay_local.sandbox import layering
from agentbay_local.sandbox.contract import CannotIsolate

__all__ = ["need_browser", "need_desktop", "need_overlays"]


def need_desktop() -> None:
    """What a desktop is made of, and a program with a window."""
    missing = [*parts.find().missing, *([] if shutil.which("xterm") else ["xterm"])]
    if missing:
        _lacking(f"this machine has no {', '.join(missing)}: {parts.REMEDY} xterm")


def need_browser() -> None:
    try:
        installed.look()
    except installed.BrowserMissing as missing:
        _lacking(str(missing))


def need_overlays() -> None:
    try:
        layering.bwrap_with_overlays()
    except CannotIsolate as missing:
        _lacking(str(missing))


def _lacking(text: str) -> None:
    if os.environ.get("CI"):
        pytest.fail(text)
    pytest.skip(text)
