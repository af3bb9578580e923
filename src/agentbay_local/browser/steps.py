"""The single steps of which the operator's actions are made."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

from agentbay_local.browser.faults import PageFault
from agentbay_local.browser.page import Page

__all__ = ["STEPS", "Variables", "pause", "perform"]

Json = dict[str, Any]
MARK: Final = re.compile(r"%(\w+)%|\{\{\s*(\w+)\s*\}\}")
LONGEST_WAIT: Final = 30.0


class Variables:
    """Values of the caller's that the model knows by their names alone; `%name%` stands for one."""

    def __init__(self, values: Mapping[str, str]) -> None:
        self._values = dict(values)
        self.names = tuple(self._values)

    def filled(self, text: str) -> str:
        return MARK.sub(lambda found: self._values.get(found[1] or found[2], found[0]), text)


def _place(step: Json) -> str:
    place = step.get("ref") or step.get("selector") or step.get("element")
    if not isinstance(place, str) or not place:
        raise PageFault("the step says no ref or selector of what it is about")
    return place


def _text(step: Json, *names: str) -> str:
    for name in names:
        if isinstance(value := step.get(name), str | int | float):
            return str(value)
    raise PageFault(f"the step has no {names[0]}")


async def _click(page: Page, step: Json, _: Variables) -> None:
    await page.click(_place(step), count=2 if step.get("method") in {"dblclick", "double_click"} else 1)


async def _fill(page: Page, step: Json, values: Variables) -> None:
    text = values.filled(_text(step, "text", "value"))
    await page.fill(_place(step), text, submit=step.get("submit") is True)


async def _press(page: Page, step: Json, _: Variables) -> None:
    await page.press(_text(step, "key", "text", "value"))


async def _select(page: Page, step: Json, values: Variables) -> None:
    given = step.get("values", step.get("value", step.get("text")))
    wanted = [values.filled(str(each)) for each in (given if isinstance(given, list) else [given])]
    await page.ask("select", _place(step), wanted)
    await page.settle()


async def _hover(page: Page, step: Json, _: Variables) -> None:
    await page.hover(_place(step))


async def _scroll(page: Page, step: Json, _: Variables) -> None:
    direction = step.get("direction", "down")
    if direction not in {"up", "down", "left", "right", "top", "bottom"}:
        raise PageFault("the direction of a scroll must be up, down, left, right, top or bottom")
    await page.ask("scroll", direction)
    await page.settle()


async def _navigate(page: Page, step: Json, values: Variables) -> None:
    await page.navigate(values.filled(_text(step, "url", "value")))


async def _back(page: Page, _: Json, __: Variables) -> None:
    if not await page.travel(-1):
        raise PageFault("there is no earlier page")


async def _wait(_: Page, step: Json, __: Variables) -> None:
    await asyncio.sleep(pause(step.get("seconds")))


def pause(seconds: Any) -> float:
    """The seconds to wait for what a client or a model has said; 1 where that is no number."""
    if isinstance(seconds, bool) or not isinstance(seconds, int | float):
        return 1.0
    return min(max(0.0, seconds), LONGEST_WAIT)  # in this order NaN is 0; as a timer it would disturb the others


STEPS: Final[dict[str, Callable[[Page, Json, Variables], Awaitable[None]]]] = {
    **dict.fromkeys(("click", "dblclick", "double_click", "check", "uncheck"), _click),
    **dict.fromkeys(("fill", "type", "input"), _fill),
    "press": _press,
    **dict.fromkeys(("select", "selectOption", "select_option"), _select),
    "hover": _hover,
    "scroll": _scroll,
    **dict.fromkeys(("navigate", "goto"), _navigate),
    "back": _back,
    "wait": _wait,
}


async def perform(page: Page, step: Json, values: Variables) -> None:
    """Does one step. Raises PageFault when it cannot be done."""
    method = step.get("method")
    if not isinstance(method, str) or method not in STEPS:
        raise PageFault(f"there is no method {method!r:.60}: use {', '.join(STEPS)}")
    await STEPS[method](page, step, values)
