"""The pages of a browser: which there are, and which one is meant."""

from __future__ import annotations

import asyncio
import itertools
from typing import Any, Final

from agentbay_local.browser.cdp import Cdp, Json
from agentbay_local.browser.faults import PageFault
from agentbay_local.browser.page import Page
from agentbay_local.sandbox.contract import Sandbox

__all__ = ["Pages", "page_of"]

LOOK_S: Final = 0.02
GONE_LOOKS: Final = 150
LONGEST_ID: Final = 64
MOST_PAGES: Final = 10_000
"""Whose place in the list is known; programs inside may tell of any number."""


class Pages:
    """The connection of the tools to the browser, made when one of them first needs it."""

    def __init__(self, sandbox: Sandbox, port: int, path: str, *, lifelike: bool = False) -> None:
        self._sandbox, self._port, self._path, self._lifelike = sandbox, port, path, lifelike
        self._cdp: Cdp | None = None
        self._attached: dict[str, Page] = {}
        self._active = ""
        self.turns = 0
        """How often the page that is meant has become another one."""
        self._seen: dict[str, int] = {}
        self._places = itertools.count()
        self._lock = asyncio.Lock()

    async def known(self) -> list[Json]:
        """Every page: `targetId`, `url`, `title`, `browserContextId`, the oldest first. Raises BrowserFault."""
        told = await (await self._connection()).call("Target.getTargets")
        infos = told.get("targetInfos")
        found = [info for info in reversed(infos) if page_of(info)] if isinstance(infos, list) else []
        for info in found:
            self._see(info["targetId"])
        found = [info for info in found if info["targetId"] in self._seen]
        return sorted(found, key=lambda info: self._seen[info["targetId"]])  # the browser's own order changes

    @property
    def current(self) -> str:
        """The page last worked on; empty before the first."""
        return self._active

    def attached(self, target: str) -> Page | None:
        """A page that has been worked on."""
        return self._attached.get(target)

    def lead(self, target: str) -> None:
        """From now on this page is meant, unless a call names another."""
        self.turns += target != self._active
        self._active = target

    async def active(self, context: int = 0, target: str | None = None) -> Page:
        """The page that is meant: the one named, or the one last worked on, or the newest. Raises BrowserFault."""
        async with self._lock:
            infos = await self.known()
            wanted = target or await self._meant(infos, context)
            if target and target not in {info["targetId"] for info in infos}:
                raise PageFault(f"there is no page {target:.80}")
            return await self._page(wanted)

    async def _meant(self, infos: list[Json], context: int) -> str:
        if context:
            others = (await (await self._connection()).call("Target.getBrowserContexts")).get("browserContextIds", [])
            if context > len(others):
                raise PageFault(f"there is no browser context {context}")
            infos = [info for info in infos if info.get("browserContextId") == others[context - 1]]
            if not infos:
                raise PageFault(f"browser context {context} has no page")
        known = [str(info["targetId"]) for info in infos]
        if self._active in known:
            return self._active
        return known[-1] if known else await self._made("about:blank")

    async def after(self, page: Page) -> Page:
        """The page on which to go on after work on `page`: one that it has opened, or itself."""
        async with self._lock:
            known = [str(info["targetId"]) for info in await self.known()]
            return await self._page(self._active if self._active in known else known[-1]) if known else page

    async def open(self, url: str = "") -> Page:
        """A new page, which is then the active one."""
        async with self._lock:
            page = await self._page(await self._made("about:blank"))
        if url:
            await page.navigate(url)
        return page

    async def select(self, number: int) -> Page:
        """Makes the page of that number in the list the active one."""
        target = await self._numbered(number)
        await (await self._connection()).call("Target.activateTarget", {"targetId": target})
        async with self._lock:
            return await self._page(target)

    async def close_page(self, number: int | None = None) -> None:
        """Closes a page by its number in the list; the active one otherwise."""
        target = (await self.active()).target if number is None else await self._numbered(number)
        await (await self._connection()).call("Target.closeTarget", {"targetId": target})
        for _ in range(GONE_LOOKS):
            if target not in {info["targetId"] for info in await self.known()}:
                return
            await asyncio.sleep(LOOK_S)
        raise PageFault("the page does not close: it may have asked whether to")

    async def close(self) -> None:
        """Lets go of the browser, which goes on."""
        cdp, self._cdp = self._cdp, None
        self._attached.clear()
        if cdp is not None:
            await cdp.close()

    async def _numbered(self, number: int) -> str:
        infos = await self.known()
        if not 0 <= number < len(infos):
            raise PageFault(f"there is no tab {number}: there are {len(infos)}, from 0 on")
        return str(infos[number]["targetId"])

    async def _made(self, url: str) -> str:
        told = await (await self._connection()).call("Target.createTarget", {"url": url})
        return str(told["targetId"])

    async def _page(self, target: str) -> Page:
        self.lead(target)
        page = self._attached.get(target)
        if page is None:
            cdp = await self._connection()
            told = await cdp.call("Target.attachToTarget", {"targetId": target, "flatten": True})
            page = Page(cdp, target, str(told["sessionId"]), lifelike=self._lifelike)
            cdp.listeners.append(page.heard)
            await page.prepare()
            self._attached[target] = page
        return page

    async def _connection(self) -> Cdp:
        if self._cdp is None or self._cdp.closed:
            self._attached.clear()
            self._cdp = await Cdp.open(self._sandbox, self._port, self._path)
            self._cdp.listeners.append(self._heard)
            await self._cdp.call("Target.setDiscoverTargets", {"discover": True})
        return self._cdp

    def _heard(self, method: str, params: Json, _: str) -> None:
        if method == "Target.targetDestroyed":
            self._forget(params.get("targetId"))
        elif method == "Target.targetCreated":
            info: Any = params.get("targetInfo")
            if target := page_of(info):
                self._see(target)
                if info.get("openerId") == self._active:
                    self.lead(target)  # a click has opened it

    def _see(self, target: str) -> None:
        if len(self._seen) < MOST_PAGES:
            self._seen.setdefault(target, next(self._places))

    def _forget(self, target: Any) -> None:
        self._seen.pop(target, None)
        page = self._attached.pop(target, None)
        if page is not None and self._cdp is not None and page.heard in self._cdp.listeners:
            self._cdp.listeners.remove(page.heard)


def page_of(info: Any) -> str:
    """The id of a page that a browser tells of; empty for what is none."""
    target = info.get("targetId") if isinstance(info, dict) and info.get("type") == "page" else None
    return target if isinstance(target, str) and len(target) <= LONGEST_ID else ""
