"""Makes every page of a browser see what the options promise, draw also where no person sees it, and be recorded."""

from __future__ import annotations

import asyncio
import json
import logging
import re
from collections.abc import Coroutine
from typing import Any, Final

from attrs import frozen

from agentbay_local.browser.cdp import Cdp, Json
from agentbay_local.browser.faults import BrowserFault
from agentbay_local.browser.options import Options
from agentbay_local.browser.persona import Persona
from agentbay_local.browser.recorder import Recorder

__all__ = ["Keeper", "Told", "told_by"]

log = logging.getLogger("agentbay_local")

FRAME: Final = "[window.outerWidth - window.innerWidth, window.outerHeight - window.innerHeight]"
SCRIPT: Final = """
(() => {
  const told = %s;
  const give = (object, name, value) => Object.defineProperty(object, name, {get: () => value, configurable: true});
  if (told.platform) give(Navigator.prototype, 'platform', told.platform);
  if (told.memory) give(Navigator.prototype, 'deviceMemory', told.memory);
  if (told.renderer) {
    for (const kind of [self.WebGLRenderingContext, self.WebGL2RenderingContext]) {
      if (!kind) continue;
      const own = kind.prototype.getParameter;
      kind.prototype.getParameter = function getParameter(name) {
        return name === 37445 ? told.vendor : name === 37446 ? told.renderer : own.call(this, name);
      };
    }
  }
})();
"""

AWAKE: Final[Json] = {"format": "jpeg", "quality": 1, "maxWidth": 16, "maxHeight": 16, "everyNthFrame": 1000}
"""A screencast as small as can be: while there is one, a tab behind another one goes on drawing, so that whoever wants
a picture of it gets one. Its pictures are not looked at."""


@frozen
class Told:
    """What each page is told. A user agent is always part of what else is told about the browser."""

    agent: str = ""
    persona: Persona | None = None
    screen: tuple[int, int] | None = None

    def __bool__(self) -> bool:
        return bool(self.agent or self.persona or self.screen)

    def commands(self, major: str) -> list[tuple[str, Json]]:
        """What to send to a page."""
        persona, made = self.persona, list[tuple[str, Json]]()
        if self.agent:
            made.append(("Emulation.setUserAgentOverride", self._agent(major)))
        if self.screen:
            width, height = self.screen
            same = {"width": 0, "height": 0, "deviceScaleFactor": 0, "mobile": bool(persona and persona.mobile)}
            made.append(("Emulation.setDeviceMetricsOverride", {**same, "screenWidth": width, "screenHeight": height}))
        if persona and persona.cores:
            made.append(("Emulation.setHardwareConcurrencyOverride", {"hardwareConcurrency": persona.cores}))
        if persona and persona.mobile:
            made.append(("Emulation.setTouchEmulationEnabled", {"enabled": True, "maxTouchPoints": 5}))
        if persona:
            given = {
                "platform": persona.platform,
                "memory": persona.memory,
                "vendor": persona.vendor,
                "renderer": persona.renderer,
            }
            made += [
                ("Page.enable", {}),
                ("Page.addScriptToEvaluateOnNewDocument", {"source": SCRIPT % json.dumps(given)}),
            ]
        return made

    def _agent(self, major: str) -> Json:
        persona, told = self.persona, {"userAgent": self.agent}
        if persona is None:
            brands = [{"brand": name, "version": major} for name in ("Chromium", "Google Chrome")]
            return {**told, "userAgentMetadata": _metadata(brands, "Linux", "6.8.0", mobile=False)}
        made: Json = {**told, "platform": persona.platform, "acceptLanguage": ",".join(persona.languages)}
        if persona.system:
            brands = [{"brand": name, "version": major} for name in ("Chromium", "Google Chrome")]
            made["userAgentMetadata"] = _metadata(brands, persona.system, persona.system_version, mobile=persona.mobile)
        return {name: value for name, value in made.items() if value}


def _metadata(brands: list[dict[str, str]], platform: str, version: str, *, mobile: bool) -> Json:
    machine = {"architecture": "" if mobile else "x86", "model": "", "bitness": "64"}
    return {"brands": brands, "platform": platform, "platformVersion": version, "mobile": mobile, **machine}


def told_by(options: Options, own_agent: str) -> Told:
    """What pages are told under these options, by a browser that calls itself `own_agent`."""
    persona = options.persona
    found = re.search(r"Chrome/(\d+)", own_agent)
    major = found[1] if found else "0"
    agent = options.user_agent
    if not agent and persona:
        agent = persona.user_agent.replace("{major}", major)
    if not agent and options.stealth:
        agent = own_agent.replace("HeadlessChrome", "Chrome")
    return Told(agent, persona, options.screen or (persona.screen if persona else None))


class Keeper:
    """Tells new pages before they run a line of their own, and keeps them awake.

    A recorder, if there is one, is told of pages that begin, change and end, by the session that is attached to each.
    """

    def __init__(self, cdp: Cdp, told: Told, major: str, recorder: Recorder | None = None) -> None:
        self._cdp, self._commands, self._recorder = cdp, told.commands(major), recorder
        self._tasks: set[asyncio.Task[None]] = set()
        self._here: set[str] = set()
        """The sessions whose pages are still there: one may be gone before all is said to it."""
        self._pages: dict[str, str] = {}
        """The browser context of each page, by session: those of one context are tabs of one window."""
        self._awake: set[str] = set()

    async def begin(self) -> None:
        """Tells the pages that there are, and from now on each new one. Raises BrowserFault."""
        self._cdp.listeners.append(self._heard)
        kinds = ("page", "iframe") if self._commands else ("page",)
        only = [{"type": kind, "exclude": False} for kind in kinds]
        asked = {"autoAttach": True, "waitForDebuggerOnStart": bool(self._commands), "flatten": True, "filter": only}
        await self._cdp.call("Target.setAutoAttach", asked)
        # Pages that were there before have loaded without; nobody has looked at them yet.
        await asyncio.gather(*self._tasks)

    def _heard(self, method: str, params: Json, session: str) -> None:
        if method == "Target.attachedToTarget":
            session, info = str(params["sessionId"]), params["targetInfo"]
            self._here.add(session)
            self._spawn(self._welcome(session, info))
        elif method == "Target.detachedFromTarget":
            self._left(str(params["sessionId"]))
        elif self._recorder is not None and method == "Page.screencastFrame":
            self._recorder.changed(session, int(params["sessionId"]))

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _welcome(self, session: str, info: Json) -> None:
        await asyncio.gather(*(self._say(session, name, told) for name, told in self._commands))
        if self._commands:
            await self._say(session, "Runtime.runIfWaitingForDebugger", {})
        if info["type"] == "page" and session in self._here:
            self._pages[session] = str(info.get("browserContextId"))
            if self._recorder is not None:
                self._recorder.begin(session)
            await self._wake(self._pages[session])

    def _left(self, session: str) -> None:
        self._here.discard(session)
        context = self._pages.pop(session, "")
        self._awake.discard(session)
        if self._recorder is not None:
            self._recorder.end(session)
        elif len(last := self._beside(context)) == 1:
            self._awake -= set(last)
            self._spawn(self._say(last[0], "Page.stopScreencast", {}))

    def _beside(self, context: str) -> list[str]:
        return [session for session, its in self._pages.items() if its == context]

    async def _wake(self, context: str) -> None:
        """Keeps the tabs of a window awake; a single one is in front, and is spared what that costs."""
        tabs = self._beside(context)
        asleep = [tab for tab in tabs if tab not in self._awake] if self._recorder or len(tabs) > 1 else []
        self._awake.update(asleep)
        told = AWAKE | ({"everyNthFrame": 1} if self._recorder else {})
        await asyncio.gather(*(self._say(tab, "Page.startScreencast", told) for tab in asleep))

    async def _say(self, session: str, method: str, told: Json) -> None:
        try:
            await self._cdp.call(method, told, session=session)
        except BrowserFault as fault:
            log.debug("a page ended before it was told %s: %s", method, fault)


async def fit_window(cdp: Cdp, size: tuple[int, int]) -> None:
    """Make the first window so large that its page has this size: what is around it is not known beforehand."""
    infos = (await cdp.call("Target.getTargets")).get("targetInfos", [])
    pages = [info["targetId"] for info in infos if info.get("type") == "page"]
    if not pages:
        return
    session = (await cdp.call("Target.attachToTarget", {"targetId": pages[0], "flatten": True}))["sessionId"]
    told = await cdp.call("Runtime.evaluate", {"expression": FRAME, "returnByValue": True}, session=session)
    wide, high = told["result"]["value"]
    window = (await cdp.call("Browser.getWindowForTarget", {"targetId": pages[0]}))["windowId"]
    bounds = {"width": size[0] + wide, "height": size[1] + high}
    await cdp.call("Browser.setWindowBounds", {"windowId": window, "bounds": bounds})
    await cdp.call("Target.detachFromTarget", {"sessionId": session})
