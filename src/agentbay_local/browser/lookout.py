"""Looks out for captchas on a browser's pages, which only a person can solve, and calls for one."""

from __future__ import annotations

import asyncio
import contextlib
import re
from typing import Final
from urllib.parse import urlsplit

from agentbay_local.browser.calls import Calls
from agentbay_local.browser.cdp import Cdp, Json
from agentbay_local.browser.faults import BrowserFault
from agentbay_local.browser.page import MARK
from agentbay_local.browser.pages import LONGEST_ID, MOST_PAGES

__all__ = ["Lookout", "is_captcha"]

CAPTCHAS: Final = {
    # The box to tick; those of pages that only count their visitors' points are invisible.
    "www.google.com": re.compile(r"^/recaptcha/(api2|enterprise)/anchor\?.*\bsize=(normal|compact)"),
    "www.recaptcha.net": re.compile(r"^/recaptcha/(api2|enterprise)/anchor\?.*\bsize=(normal|compact)"),
    "newassets.hcaptcha.com": re.compile(r"^/captcha/.*#.*\bframe=(checkbox|challenge)\b"),
    "challenges.cloudflare.com": re.compile(r"^/cdn-cgi/challenge-platform/.*/turnstile/"),
}
"""The frames in which captchas are shown, by host."""


def is_captcha(url: str) -> bool:
    """Whether a frame of this address asks somebody to show that they are a person."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    shape = CAPTCHAS.get(parts.hostname or "")
    return shape is not None and bool(shape.search(url.partition(parts.netloc)[2]))


class Lookout:
    """Calls once for each captcha, and again for the next one only when that call is over."""

    def __init__(self, cdp: Cdp, calls: Calls) -> None:
        self._cdp, self._calls = cdp, calls
        self._seen: set[str] = set()
        self._sessions: dict[str, str] = {}
        self._calling: asyncio.Task[None] | None = None

    async def begin(self) -> None:
        """From now on; before the keeper, whose ways to the pages it uses. Raises BrowserFault."""
        self._cdp.listeners.append(self._heard)
        await self._cdp.call("Target.setDiscoverTargets", {"discover": True})

    async def close(self) -> None:
        """Waits for nobody any more. May be repeated."""
        if self._calling is not None:
            self._calling.cancel()
            await asyncio.gather(self._calling, return_exceptions=True)

    def _heard(self, method: str, params: Json, _: str) -> None:
        if method == "Target.targetDestroyed":
            self._seen.discard(str(params["targetId"]))
            self._sessions.pop(str(params["targetId"]), None)
        elif method == "Target.attachedToTarget":
            target, session = str(params["targetInfo"]["targetId"]), str(params["sessionId"])
            if len(target) + len(session) <= 2 * LONGEST_ID and len(self._sessions) < MOST_PAGES:
                self._sessions[target] = session
        elif method in {"Target.targetCreated", "Target.targetInfoChanged"}:
            self._look(params["targetInfo"])

    def _look(self, info: Json) -> None:
        target = str(info["targetId"])
        full = len(target) > LONGEST_ID or len(self._seen) >= MOST_PAGES
        if full or info["type"] != "iframe" or target in self._seen or not is_captcha(str(info["url"])):
            return
        self._seen.add(target)
        if self._calling is None or self._calling.done():
            self._calling = asyncio.create_task(self._call(self._sessions.get(str(info.get("parentFrameId")))))

    async def _call(self, page: str | None) -> None:
        with self._calls.asking("captcha") as ended:
            if page is not None:
                with contextlib.suppress(BrowserFault):
                    await self._cdp.call("Runtime.evaluate", MARK, session=page)
            await ended()
