"""What is tried in a real sandbox of that which has pictures."""

from __future__ import annotations

import importlib.util
from collections.abc import Awaitable
from typing import Final

from agentbay_local.browser import installed
from agentbay_local.browser.faults import BrowserFault
from agentbay_local.browser.options import Options
from agentbay_local.browser.process import Browser
from agentbay_local.desktop import Desktop, NoDesktop, XFault, XSilent, parts, take
from agentbay_local.probes.inside import Room, said
from agentbay_local.probes.machine import LOCAL
from agentbay_local.probes.trial import Finding, Trial, bad, good

__all__ = ["PICTURES"]


async def desktop(room: Room, path: str = parts.PATH) -> Finding:
    """A desktop is started, and a picture taken of it."""
    found = parts.find(path)
    if missing := [*found.missing, *([] if importlib.util.find_spec("PIL") else ["Pillow"])]:
        return bad(f"missing: {', '.join(missing)}", parts.REMEDY if found.missing else LOCAL)
    tried = Desktop(room.box, path)
    try:
        async with tried.using() as screen:
            picture = await take(screen.link, "png")
    except (NoDesktop, XFault, XSilent) as error:
        return bad(str(error), parts.REMEDY)
    finally:
        await tried.close()
    return good(f"{found.server} and {found.manager} show {picture.width} x {picture.height} pixels")


async def browser(room: Room) -> Finding:
    """The browser that sessions get is started, and ended."""
    try:
        found = installed.look()
    except installed.BrowserMissing as missing:
        return bad(str(missing).partition(". This mends it: ")[0], installed.INSTALL)
    tried = Browser(room.box)
    try:
        version = await said(room.box, [found.inside, "--version"])
        await tried.start(Options())
        await tried.stop()
    except BrowserFault as fault:
        return bad(f"{found.program}: {fault}", installed.INSTALL)
    finally:
        await tried.close()
    return good(f"{version} ({found.program})")


PICTURES: Final[tuple[Trial[Room, Awaitable[Finding]], ...]] = (
    Trial("desktop", desktop, remedy=parts.REMEDY),
    Trial("browser", browser, remedy=installed.INSTALL),
)
