"""What viewers of a browser do: with the page that is shown, with its mouse and keyboard, and with tabs."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, Final

from agentbay_local.browser.faults import PageFault
from agentbay_local.browser.keys import pressed
from agentbay_local.page.view_viewer import Viewer

if TYPE_CHECKING:
    from agentbay_local.page.view_browser import BrowserView

__all__ = ["OF_BROWSER", "OF_SHOWN", "ON_PAGE", "address"]

Json = dict[str, Any]
SELECTED: Final = """(() => {
  const box = document.activeElement;
  const inside = box && typeof box.value === 'string' && box.type !== 'password' && box.selectionStart !== null;
  const part = inside ? box.value.slice(box.selectionStart, box.selectionEnd) : '';
  return (part || String(getSelection())).slice(0, %d);
})()"""
LOCAL: Final = re.compile(r"(localhost|127\.|\[::1\]|[^/]*\.localhost)")
BUTTONS: Final = {"none": 0, "left": 1, "right": 2, "middle": 4}
LONGEST_COPY: Final = 256 << 10
MOST_HELD: Final = 30
"""Keys that one viewer holds down."""


async def pointer(view: BrowserView, viewer: Viewer, told: Json) -> None:
    held, button, action = viewer.held.buttons, told["button"], told["action"]
    place = (int(told["x"]), int(told["y"]))
    if action == "down":
        held[button] = place
    elif action == "up":
        held.pop(button, None)
    kind = {"move": "mouseMoved", "down": "mousePressed", "up": "mouseReleased"}[action]
    down = sum(BUTTONS[each] for each in held)
    first = button if action != "move" else next(iter(held), "none")
    mouse(view, kind, told, button=first, buttons=down, clickCount=0 if action == "move" else int(told["count"]))


async def wheel(view: BrowserView, _: Viewer, told: Json) -> None:
    mouse(view, "mouseWheel", told, deltaX=told["dx"], deltaY=told["dy"])


def mouse(view: BrowserView, kind: str, told: Json, **more: Any) -> None:
    place = {"x": told["x"], "y": told["y"], "modifiers": int(told["modifiers"])}
    view.do("Input.dispatchMouseEvent", {"type": kind, **place, **more})


async def key(view: BrowserView, viewer: Viewer, told: Json) -> None:
    down = told["action"] == "down"
    event = pressed(told["key"], told["code"], int(told["modifiers"]), down=down, again=told["repeat"])
    viewer.held.keys.pop(told["code"], None)
    if down and len(viewer.held.keys) < MOST_HELD:
        viewer.held.keys[told["code"]] = 0
    view.do("Input.dispatchKeyEvent", event)


async def text(view: BrowserView, viewer: Viewer, told: Json) -> None:
    await release(view, viewer, told)
    view.do("Input.insertText", {"text": told["text"]})


async def release(view: BrowserView, viewer: Viewer, _: Json) -> None:
    """Lets go of buttons and keys."""
    for code in viewer.held.keys:
        view.do("Input.dispatchKeyEvent", pressed("", code, 0, down=False))
    for button, (x, y) in list(viewer.held.buttons.items()):
        place = {"x": x, "y": y, "modifiers": 0}
        mouse(view, "mouseReleased", place, button=button, buttons=0, clickCount=1)
    viewer.held.keys.clear()
    viewer.held.buttons.clear()


async def copy(view: BrowserView, viewer: Viewer, _: Json) -> None:
    view.beside(selected(view, viewer))


async def selected(view: BrowserView, viewer: Viewer) -> None:
    """Offers what is selected on the page; a world beside the page's own scripts is asked."""
    session = view.session
    made = await view.call("Page.createIsolatedWorld", {"frameId": view.target, "worldName": "view"}, session)
    asked = {
        "expression": SELECTED % LONGEST_COPY,
        "contextId": made.get("executionContextId"),
        "returnByValue": True,
    }
    told = await view.call("Runtime.evaluate", asked, session)
    result = told.get("result")
    text = result.get("value") if isinstance(result, dict) else None
    if isinstance(text, str) and 0 < len(text) <= LONGEST_COPY:
        viewer.tell("clipboard", text=text)


async def tab(view: BrowserView, _: Viewer, told: Json) -> None:
    """A person's choice is the tools', too."""
    pages, target = view.box.browser.pages, told["id"]
    if pages is not None and target in view.tabs:
        pages.lead(target)
        view.led = pages.turns
    view.turn(target)


async def make(view: BrowserView, viewer: Viewer, _: Json) -> None:
    view.beside(view.call("Target.createTarget", {"url": "about:blank"}, ""), viewer)


async def shut(view: BrowserView, viewer: Viewer, told: Json) -> None:
    if told["id"] in view.tabs:
        view.beside(view.call("Target.closeTarget", {"targetId": told["id"]}, ""), viewer)


async def navigate(view: BrowserView, viewer: Viewer, told: Json) -> None:
    url = address(told["url"])
    view.beside(go(view, url) if view.session else view.call("Target.createTarget", {"url": url}, ""), viewer)


async def go(view: BrowserView, url: str) -> None:
    told = await view.call("Page.navigate", {"url": url}, view.session)
    if (why := told.get("errorText")) and why != "net::ERR_ABORTED":
        raise PageFault(f"{url[:200]} cannot be opened: {str(why)[:200]}")


async def travel(view: BrowserView, viewer: Viewer, told: Json) -> None:
    view.beside(step(view, told["where"]), viewer)


async def step(view: BrowserView, where: str) -> None:
    if where == "reload":
        await view.call("Page.reload", {}, view.session)
        return
    history = await view.call("Page.getNavigationHistory", {}, view.session)
    entries, index = history.get("entries"), history.get("currentIndex")
    if not isinstance(entries, list) or not isinstance(index, int):
        return
    index += 1 if where == "forward" else -1
    if 0 <= index < len(entries) and isinstance(entries[index], dict):
        await view.call("Page.navigateToHistoryEntry", {"entryId": entries[index].get("id")}, view.session)


async def answer(view: BrowserView, viewer: Viewer, told: Json) -> None:
    if not view.dialog:
        return
    page = view.known()
    if page is not None and page.dialog is not None:
        view.beside(page.answer(accept=told["accept"], text=told["text"]), viewer)
    else:
        given = {"accept": told["accept"], "promptText": told["text"]}
        view.beside(view.call("Page.handleJavaScriptDialog", given, view.session), viewer)


def address(text: str) -> str:
    """What a person has typed, as an address."""
    text = text.strip()
    if re.match(r"[a-z][a-z0-9+.-]*://|(about|data|view-source):", text, re.IGNORECASE):
        return text
    return f"http://{text}" if LOCAL.match(text) else f"https://{text}"


Act = Callable[["BrowserView", Viewer, Json], Awaitable[None]]
OF_BROWSER: Final[dict[str, Act]] = {
    "tab": tab,
    "open": make,
    "shut": shut,
}
OF_SHOWN: Final[dict[str, Act]] = {
    "navigate": navigate,
    "travel": travel,
    "dialog": answer,
    "release": release,
}
"""Of the page that is shown, in whatever state it is."""
ON_PAGE: Final[dict[str, Act]] = {
    "pointer": pointer,
    "wheel": wheel,
    "key": key,
    "text": text,
    "copy": copy,
}
