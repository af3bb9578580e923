"""What a desktop is made of: programs of this machine, which sandboxes see in /usr."""

from __future__ import annotations

import shutil
from typing import Final

from attrs import frozen

from agentbay_local.sandbox.bwrap import DEFAULT_ENV

__all__ = ["DISPLAY", "FOLDER", "REMEDY", "NoDesktop", "Parts", "find"]

PATH: Final = DEFAULT_ENV["PATH"]
DISPLAY: Final = ":0"
LOCK: Final = "/tmp/.X0-lock"
SOCKET: Final = "/tmp/.X11-unix/X0"
FOLDER: Final = "/tmp/.agentbay"
"""What a desktop keeps inside: the settings of the window manager, and what its programs complain about."""
VIEW: Final = f"{FOLDER}/view"
"""The socket for a live view (RFB), where the server has one."""
SETTINGS: Final = f"{FOLDER}/openbox.xml"
WIDTH, HEIGHT, DPI = 1280, 800, 96
REMEDY: Final = "sudo apt install tigervnc-standalone-server openbox"
OTHERWISE: Final = "(Fedora: sudo dnf install tigervnc-server-minimal openbox)"

EITHER: Final = ("-displayfd", "1", "-nolisten", "tcp", "-nolisten", "local", "-noreset", "-dpi", str(DPI))
SERVERS: Final = {
    "Xvnc": (
        "-geometry", f"{WIDTH}x{HEIGHT}", "-depth", "24", "-rfbport", "-1", "-rfbunixpath", VIEW, "-rfbunixmode", "384",
        "-SecurityTypes", "None", "-AlwaysShared",
    ),
    "Xvfb": ("-screen", "0", f"{WIDTH}x{HEIGHT}x24"),
}  # fmt: skip
MANAGER: Final = "openbox"


class NoDesktop(Exception):
    """There can be no desktop, or there is none any more; the message is for users."""


@frozen
class Parts:
    """The programs found; empty where there is none."""

    server: str
    manager: str

    @property
    def missing(self) -> list[str]:
        """What has to be installed."""
        return [name for name, path in ((" or ".join(SERVERS), self.server), (MANAGER, self.manager)) if not path]

    @property
    def server_argv(self) -> list[str]:
        """The command that starts the X server; it writes its display's number to standard output once it is ready."""
        options = SERVERS[self.server.rpartition("/")[2]]
        return [self.server, DISPLAY, *EITHER, *options]

    @property
    def manager_argv(self) -> list[str]:
        return [self.manager, "--sm-disable", "--config-file", SETTINGS]


def find(path: str = PATH) -> Parts:
    """The best of what this machine has in the folders of `path`."""
    places = {name: shutil.which(name, path=path) for name in (*SERVERS, MANAGER)}
    return Parts(next(filter(None, map(places.get, SERVERS)), ""), places[MANAGER] or "")


def required(path: str = PATH) -> Parts:
    """The same. Raises NoDesktop when something is missing."""
    parts = find(path)
    if parts.missing:
        missing = " and ".join(parts.missing)
        raise NoDesktop(f"This machine has no desktop: {missing} must be installed beside it: {REMEDY} {OTHERWISE}")
    return parts


def settings(*, focus_new: bool) -> bytes:
    """The window manager's settings: one desktop, and whether new windows get the focus."""
    answer = "yes" if focus_new else "no"
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n<openbox_config xmlns="http://openbox.org/3.4/rc">\n'
        f"<focus><focusNew>{answer}</focusNew><focusLast>yes</focusLast></focus>\n"
        "<placement><policy>Smart</policy><center>yes</center></placement>\n"
        "<desktops><number>1</number><popupTime>0</popupTime></desktops>\n"
        "<resize><drawContents>yes</drawContents><popupShow>Never</popupShow></resize>\n"
        "<theme><name>Clearlooks</name><animateIconify>no</animateIconify></theme>\n"
        "</openbox_config>\n"
    ).encode()
