"""Which browser this machine has, and how sandboxes see it. Nothing is started here."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Final

from attrs import frozen

__all__ = ["INSTALL", "PLACE", "BrowserMissing", "Installed", "look", "search", "shown"]

NAMED: Final = "AGENTBAY_CHROMIUM"
PLACE: Final = "/opt/browser"
"""Where sandboxes find a browser that is not in /usr."""
INSTALL: Final = "sudo apt install chromium, or: pip install playwright && playwright install chromium"
NONE: Final = f"no browser is installed on the machine of this server. This mends it: {INSTALL}"
PLAYWRIGHT: Final = (
    "chromium-*/chrome-linux*/chrome",
    "chromium_headless_shell-*/chrome-*/headless_shell",
    "chromium_headless_shell-*/chrome-*/chrome-headless-shell",
)
PROGRAMS: Final = ("google-chrome-stable", "google-chrome", "chromium", "chromium-browser", "chromium-headless-shell")
SCRIPTS_START: Final = ("chrome", "chromium", "chromium-browser")
"""What the start scripts of distributions run, in the script's own folder or in one of these."""
BEHIND_SCRIPTS: Final = ("/usr/lib/chromium", "/usr/lib/chromium-browser", "/usr/lib64/chromium-browser")
READABLE: Final = 0o005


class BrowserMissing(Exception):
    """There is no browser that sandboxes could run; the message says what mends it."""


@frozen
class Installed:
    """A browser, by its program file behind all links."""

    program: Path

    @property
    def folder(self) -> Path | None:
        """What has to be bound into sandboxes; nothing if it is in /usr, which they see anyway."""
        return None if self.program.is_relative_to("/usr") else self.program.parent

    @property
    def inside(self) -> str:
        """Its path inside."""
        return str(self.program) if self.folder is None else f"{PLACE}/{self.program.name}"

    @property
    def shell_only(self) -> bool:
        """Whether it is the small one without a window, which knows no extensions."""
        return "headless" in self.program.name

    @property
    def kind(self) -> str:
        """`chrome` or `chromium`."""
        return "chrome" if "google" in self.program.parts else "chromium"


def search(environ: Mapping[str, str], home: Path) -> Installed:
    """The browser to use: the one that is named, Playwright's, or one on PATH.

    Raises:
        BrowserMissing: there is none, or sandboxes could not use it.
    """
    if named := environ.get(NAMED):
        return _usable(Path(named), home, f"{NAMED} names {named}, which")
    for candidate in (*_playwright(environ, home), *_on_path(environ)):
        return _usable(candidate, home, f"the browser {candidate}")
    raise BrowserMissing(NONE)


@cache
def shown() -> Path | None:
    """The folder that sandboxes are shown, if there is one."""
    try:
        return look().folder
    except BrowserMissing:
        return None


@cache
def _looked() -> Installed | BrowserMissing:
    try:
        return search(os.environ, Path(os.path.expanduser("~")))
    except BrowserMissing as missing:
        return missing


def look() -> Installed:
    """The browser of this process's sandboxes, looked for once. Raises BrowserMissing."""
    found = _looked()
    if isinstance(found, BrowserMissing):
        raise BrowserMissing(str(found))
    return found


def _playwright(environ: Mapping[str, str], home: Path) -> Iterator[Path]:
    """What `playwright install` has brought, the newest first."""
    folder = Path(environ.get("PLAYWRIGHT_BROWSERS_PATH") or home / ".cache" / "ms-playwright")
    for pattern in PLAYWRIGHT:
        yield from sorted(folder.glob(pattern), key=_revision, reverse=True)


def _revision(path: Path) -> int:
    found = re.search(r"-(\d+)$", path.parent.parent.name)
    return int(found[1]) if found else 0


def _on_path(environ: Mapping[str, str]) -> Iterator[Path]:
    for name in PROGRAMS:
        found = shutil.which(name, path=environ.get("PATH", os.defpath))
        if found and (program := _behind(Path(found).resolve())):
            yield program


def _behind(path: Path) -> Path | None:
    """The program that a start script runs, or the path itself; none for a snap, which only its daemon can start."""
    if "snap" in path.parts or path.name == "snap":
        return None
    with path.open("rb") as file:
        if file.read(2) != b"#!":
            return path
    folders = (path.parent, *map(Path, BEHIND_SCRIPTS))
    programs = (folder / name for folder in folders for name in SCRIPTS_START if folder / name != path)
    return next((program for program in programs if program.is_file()), None)


def _usable(path: Path, home: Path, what: str) -> Installed:
    if not (path.is_file() and os.access(path, os.X_OK)):
        raise BrowserMissing(f"{what} is no program that can be run. This mends it: {INSTALL}")
    found = Installed(path.resolve())
    folder = found.folder
    if folder is None:
        return found
    if home.is_relative_to(folder) or folder in {Path("/"), Path("/tmp")}:
        raise BrowserMissing(f"{what} is right in {folder}, which sandboxes must not see: give it a folder of its own")
    closed = [each for each in (folder, found.program) if each.stat().st_mode & READABLE != READABLE]
    if os.geteuid() == 0 and closed:  # root's sandboxes run as other users
        raise BrowserMissing(f"{what} may not be read by others. This mends it: chmod -R go+rX {folder}")
    return found
