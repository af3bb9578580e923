"""One page, as the tools see it: where it goes, what is on it, mouse and keyboard, pictures."""

from __future__ import annotations

import asyncio
import base64
import contextlib
from collections import deque
from functools import cache
from importlib.resources import files
from typing import Any, Final

from agentbay_local.browser.cdp import Cdp, Json
from agentbay_local.browser.faults import BrowserFault, PageFault
from agentbay_local.browser.hand import Hand
from agentbay_local.browser.keys import strokes

__all__ = ["MARK", "Page"]

LOAD_S: Final = 30.0
SETTLE_S: Final = 10.0
STIR_S: Final = 0.08
"""Seconds in which an action begins to lead to another page, if it does."""
SNAPSHOT: Final = 60_000
"""Characters of a snapshot."""
KEPT: Final = 200
"""Console messages, and requests, that are remembered."""
LONGEST_LINE: Final = 1000
TALLEST: Final = 16_000
"""Pixels of the longest side of a picture."""
MARK: Final = {"expression": "console.log('wuying-call-for-user')"}
"""What the console of a page says that needs a person, for those who look there."""
CRASHED: Final = "the page has crashed: navigate to an address to have it again"
HINTS: Final = {
    "net::ERR_TUNNEL_CONNECTION_FAILED": " (the way out of the session refused it: does its policy allow this host?)",
    "net::ERR_CONNECTION_REFUSED": " (nothing listens there in the session)",
}
STALE: Final = ("Cannot find context", "Execution context was destroyed", "uniqueContextId")


@cache
def look() -> str:
    return files("agentbay_local.browser").joinpath("look.js").read_text("utf-8")


class Page:
    """A target of the browser, attached to. It works in a world beside the page's own scripts."""

    def __init__(self, cdp: Cdp, target: str, session: str, *, lifelike: bool = False) -> None:
        self.target = target
        self.console: deque[str] = deque(maxlen=KEPT)
        self.requests: dict[str, str] = {}
        self.dialog: Json | None = None
        """The alert, question or request for text that holds the page up."""
        self.crashed = False
        self._cdp, self._session, self._hand = cdp, session, Hand() if lifelike else None
        self._world: int | None = None
        self._loading = False
        self._stirred = asyncio.Event()
        self._dialogs = asyncio.Event()
        self._again: asyncio.Task[None] | None = None

    async def prepare(self) -> None:
        """Begin to listen to it. Raises BrowserFault, unless it has crashed: then it is listened to later."""
        calls = (self.call(f"{domain}.enable") for domain in ("Inspector", "Page", "Runtime", "Network", "Log"))
        for outcome in await asyncio.gather(*calls, return_exceptions=True):
            if isinstance(outcome, BaseException) and not self.crashed:
                raise outcome

    async def call(self, method: str, /, timeout: float = LOAD_S, **params: Any) -> Json:
        """Asks the page for something. Raises PageFault when it cannot, BrowserGone."""
        if self.crashed:
            raise PageFault(CRASHED)
        return await self._cdp.call(method, params, session=self._session, timeout=timeout)

    # --- What it tells ------------------------------------------------------------------------------------------------

    def heard(self, method: str, params: Json, session: str) -> None:
        """Takes an event of the connection."""
        if session == self._session and (take := HEARD.get(method)):
            take(self, params)

    def _navigated(self, params: Json) -> None:
        if _is_main(params.get("frame")):
            self._world = None
            self._stirred.set()

    def _started(self, params: Json) -> None:
        if params.get("frameId") == self.target:
            self._loading = True
            self._stirred.set()

    def _stopped(self, params: Json) -> None:
        if params.get("frameId") == self.target:
            self._loading = False
            self._stirred.set()

    def _asked(self, params: Json) -> None:
        self.dialog = params
        self._dialogs.set()

    def _answered(self, _: Json) -> None:
        self.dialog = None
        self._dialogs.clear()

    def _logged(self, params: Json) -> None:
        values = [str(each.get("value", each.get("description", ""))) for each in params.get("args", []) if each]
        self.console.append(f"[{str(params.get('type', 'log')).upper()}] {' '.join(values)}"[:LONGEST_LINE])

    def _threw(self, params: Json) -> None:
        details = params.get("exceptionDetails", {})
        text = details.get("exception", {}).get("description") or details.get("text", "")
        self.console.append(f"[ERROR] {text}"[:LONGEST_LINE])

    def _entry(self, params: Json) -> None:
        entry = params.get("entry", {})
        self.console.append(f"[{str(entry.get('level', '')).upper()}] {entry.get('text', '')}"[:LONGEST_LINE])

    def _requested(self, params: Json) -> None:
        request = params.get("request", {})
        if params.get("type") == "Document" and params.get("frameId") == self.target:
            self.requests.clear()
        self._note(params, f"[{request.get('method')}] {str(request.get('url'))[:LONGEST_LINE]}")

    def _responded(self, params: Json) -> None:
        self._note(params, f" => {params.get('response', {}).get('status')}")

    def _failed(self, params: Json) -> None:
        self._note(params, f" => {params.get('errorText', 'failed')}")

    def _note(self, params: Json, text: str) -> None:
        number = str(params.get("requestId"))
        known = self.requests.get(number, "")
        if known or not text.startswith(" "):
            self.requests[number] = f"{known.partition(' => ')[0]}{text}" if text.startswith(" ") else text
        if len(self.requests) > KEPT:
            del self.requests[next(iter(self.requests))]

    def _crash(self, _: Json) -> None:
        self.crashed, self.dialog, self._world = True, None, None
        self._cdp.give_up(self._session, CRASHED)
        self._stirred.set()

    def _healed(self, _: Json) -> None:
        self.crashed = False
        self._again = asyncio.create_task(self._prepare_again())

    async def _prepare_again(self) -> None:
        """Begin to listen to what somebody has loaded after a crash; what was asked for meanwhile was lost."""
        with contextlib.suppress(BrowserFault):
            await self.prepare()

    # --- Scripts ------------------------------------------------------------------------------------------------------

    async def ask(self, name: str, *arguments: Any) -> Any:
        """Calls one of the functions of look.js. Raises PageFault with what it throws."""
        declaration = f"function (...given) {{ return agentbay.{name}(...given); }}"
        for last in (False, True):
            try:
                return await self._asked_for(declaration, arguments)
            except PageFault as fault:
                if last or not str(fault).startswith(STALE):
                    raise
                self._world = None
        raise AssertionError

    async def _asked_for(self, declaration: str, arguments: tuple[Any, ...]) -> Any:
        told = await self._unless_dialog(
            "Runtime.callFunctionOn",
            functionDeclaration=declaration,
            executionContextId=await self._place(),
            arguments=[{"value": each} for each in arguments],
            returnByValue=True,
            awaitPromise=True,
        )
        return None if told is None else _value(told)

    async def _place(self) -> int:
        """The world beside the page's scripts, with our functions in it."""
        if self._world is None:
            made = await self.call("Page.createIsolatedWorld", frameId=self.target, worldName="agentbay")
            world = int(made["executionContextId"])
            told = await self.call("Runtime.evaluate", expression=look(), contextId=world)
            _value(told)
            self._world = world
        return self._world

    async def handle(self, place: str) -> str:
        """The page's own object for something on it."""
        told = await self.call(
            "Runtime.callFunctionOn",
            functionDeclaration="function (place) { return agentbay.find(place); }",
            executionContextId=await self._place(),
            arguments=[{"value": place}],
        )
        _value(told)
        return str(told["result"]["objectId"])

    async def _unless_dialog(self, method: str, **params: Any) -> Json | None:
        """A call that a dialog may hold up; nothing is answered while one is open."""
        if self.dialog is not None:
            text = str(self.dialog.get("message", ""))[:200]
            raise PageFault(f"the page waits for an answer to its {self.dialog.get('type')} {text!r}: handle it first")
        call = asyncio.ensure_future(self.call(method, **params))
        dialog = asyncio.ensure_future(self._dialogs.wait())
        try:
            await asyncio.wait([call, dialog], return_when=asyncio.FIRST_COMPLETED)
            return await call if call.done() else None
        finally:
            for each in (call, dialog):
                each.cancel()
            await asyncio.gather(call, dialog, return_exceptions=True)

    async def mark(self) -> None:
        """Have its console say that a person is needed."""
        with contextlib.suppress(PageFault):
            await self._unless_dialog("Runtime.evaluate", **MARK)

    # --- Where it is --------------------------------------------------------------------------------------------------

    async def place(self) -> tuple[str, str]:
        """Its address and its title."""
        told = await self._cdp.call("Target.getTargetInfo", {"targetId": self.target})
        info = told.get("targetInfo", {})
        return str(info.get("url", "")), str(info.get("title", ""))

    async def navigate(self, url: str) -> None:
        """Open an address, and wait until it has loaded. Raises PageFault when it cannot be opened."""
        self._loading, self.crashed = True, False
        try:
            told = await self._unless_dialog("Page.navigate", url=url)
        except PageFault as fault:
            raise PageFault(f"{url:.500} cannot be opened: {fault}") from fault
        if told and (why := told.get("errorText")) and why != "net::ERR_ABORTED":
            raise PageFault(f"{url} cannot be opened: {why}{HINTS.get(why, '')}")
        await self._loaded(LOAD_S)

    async def travel(self, step: int) -> bool:
        """Go back or forward; whether there was anything."""
        history = await self.call("Page.getNavigationHistory")
        index, entries = int(history["currentIndex"]) + step, history["entries"]
        if not 0 <= index < len(entries):
            return False
        await self.call("Page.navigateToHistoryEntry", entryId=entries[index]["id"])
        await self.settle()
        return True

    async def settle(self) -> None:
        """Wait for what an action has started to load."""
        self._stirred.clear()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._stirred.wait(), STIR_S)
        await self._loaded(SETTLE_S)

    async def _loaded(self, patience: float) -> None:
        try:
            async with asyncio.timeout(patience):
                while self._loading and self.dialog is None and not self.crashed:
                    self._stirred.clear()
                    await asyncio.wait([asyncio.ensure_future(self._stirred.wait())], timeout=0.5)
        except TimeoutError:
            return

    # --- What is on it ------------------------------------------------------------------------------------------------

    async def snapshot(self, place: str = "") -> str:
        """Its content as an indented list; what can be used has a `ref`."""
        return str(await self.ask("snapshot", place, SNAPSHOT) or "")

    async def picture(self, *, full: bool = False, clip: Json | None = None, kind: str = "png", **more: Any) -> bytes:
        """A picture of the window, of all of the page, or of a part of it."""
        asked: Json = {"format": kind, **more}
        await self.call("Page.bringToFront")  # a tab behind another one may draw nothing, and a picture waits for that
        if full and clip is None:
            size = (await self.call("Page.getLayoutMetrics"))["cssContentSize"]
            clip = {"x": 0, "y": 0, "width": size["width"], "height": size["height"]}
        if clip is not None:
            sides = {side: min(max(float(clip[side]), 1.0), TALLEST) for side in ("width", "height")}
            asked |= {"clip": {**clip, **sides, "scale": 1}, "captureBeyondViewport": True}
        told = await self.call("Page.captureScreenshot", **asked)
        return base64.b64decode(told["data"])

    # --- Mouse and keyboard -------------------------------------------------------------------------------------------

    async def click(self, place: str, *, count: int = 1, button: str = "left") -> None:
        """Click on something. What something else lies over is clicked by the page itself."""
        point = await self.ask("point", place)
        if point is None or not point["reached"]:
            await self.ask("click", place)
        else:
            await self._move(point)
            for number in range(1, count + 1):
                for kind in ("mousePressed", "mouseReleased"):
                    await self._mouse(kind, point, button=button, clickCount=number)
        await self.settle()

    async def hover(self, place: str) -> None:
        await self._move(await self.ask("point", place))

    async def drag(self, start: str, end: str) -> None:
        first = await self.ask("point", start)
        await self._mouse("mouseMoved", first)
        await self._mouse("mousePressed", first, button="left", clickCount=1)
        last = await self.ask("point", end)
        for share in (0.1, 0.5, 1.0):
            between = {axis: first[axis] + (last[axis] - first[axis]) * share for axis in ("x", "y")}
            await self._mouse("mouseMoved", between, button="left")
        await self._mouse("mouseReleased", last, button="left", clickCount=1)
        await self.settle()

    async def _move(self, point: Json) -> None:
        """The mouse goes to a point: at once, or on a way and in a time as a hand would."""
        for between, seconds in self._hand.way(point) if self._hand else ():
            await self._mouse("mouseMoved", between)
            await asyncio.sleep(seconds)
        await self._mouse("mouseMoved", point)

    async def _mouse(self, kind: str, point: Json, **more: Any) -> None:
        if self.dialog is None:
            await self._unless_dialog("Input.dispatchMouseEvent", type=kind, x=point["x"], y=point["y"], **more)

    async def fill(self, place: str, text: str, *, slowly: bool = False, submit: bool = False) -> None:
        """Put text into a field, in place of what it holds."""
        await self.ask("focus", place)
        if slowly or self._hand:
            await self.press("Delete")
            for letter in text:
                await self._insert(letter)
                await asyncio.sleep(self._hand.pause() if self._hand else 0)
        elif text:
            await self._insert(text)
        else:
            await self.press("Delete")
        if submit:
            await self.press("Enter")

    async def _insert(self, text: str) -> None:
        await self._unless_dialog("Input.insertText", text=text)

    async def press(self, combination: str) -> None:
        for stroke in strokes(combination):
            if self.dialog is None:
                await self._unless_dialog("Input.dispatchKeyEvent", **stroke)
        await self.settle()

    async def answer(self, *, accept: bool, text: str | None = None) -> None:
        """Answer the dialog that is open. Raises PageFault when none is."""
        if self.dialog is None:
            raise PageFault("the page has no dialog open")
        more: Json = {} if text is None else {"promptText": text}
        await self.call("Page.handleJavaScriptDialog", accept=accept, **more)
        self._answered({})
        await self.settle()


def _is_main(frame: Any) -> bool:
    return isinstance(frame, dict) and not frame.get("parentId")


def _value(told: Json) -> Any:
    """What a script gave back. Raises PageFault with what it threw."""
    if thrown := told.get("exceptionDetails"):
        text = str(thrown.get("exception", {}).get("description") or thrown.get("text", "the script failed"))
        raise PageFault(text.split("\n", 1)[0].removeprefix("Error: ")[:500])
    return told.get("result", {}).get("value")


HEARD: Final = {
    "Page.frameNavigated": Page._navigated,
    "Page.frameStartedLoading": Page._started,
    "Page.frameStoppedLoading": Page._stopped,
    "Page.javascriptDialogOpening": Page._asked,
    "Page.javascriptDialogClosed": Page._answered,
    "Runtime.consoleAPICalled": Page._logged,
    "Runtime.exceptionThrown": Page._threw,
    "Log.entryAdded": Page._entry,
    "Network.requestWillBeSent": Page._requested,
    "Network.responseReceived": Page._responded,
    "Network.loadingFailed": Page._failed,
    "Inspector.targetCrashed": Page._crash,
    "Inspector.targetReloadedAfterCrash": Page._healed,
}
