"""Works on pages by words: acts, observes and extracts, through the model that the user has configured."""

from __future__ import annotations

import asyncio
import json
import secrets
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

from attrs import define, field

from agentbay_local.browser import prompts
from agentbay_local.browser.calls import NEEDS
from agentbay_local.browser.faults import BrowserFault, BrowserGone, PageFault
from agentbay_local.browser.installed import BrowserMissing
from agentbay_local.browser.model import NOT_CONFIGURED, Model, ModelFault
from agentbay_local.browser.page import Page
from agentbay_local.browser.steps import Variables, perform
from agentbay_local.sandbox.contract import SandboxError

__all__ = ["Operator", "Task"]

Json = dict[str, Any]

MOST_STEPS: Final = 30
MOST_FAILURES: Final = 4
MOST_PAGES: Final = 50
MOST_TASKS: Final = 100
TEXT: Final = 40_000
DEFAULT_S: Final = 300.0


@define(eq=False)
class Task:
    """Something that goes on while its result is asked for."""

    kind: str
    steps: list[Any] = field(factory=list)
    result: str = ""
    """JSON text, once it is done; what cannot be done is a text that says why."""
    work: asyncio.Task[None] | None = None

    def failed(self, why: object) -> None:
        """It has come to nothing."""
        self.result = said(self.kind, self.steps, f"Failed to {self.kind}: {why}")

    def over(self, work: asyncio.Task[None]) -> None:
        """Nothing more comes: who asks for the result must not wait for one."""
        if not self.result:
            self.failed("the operator was closed" if work.cancelled() else "something went wrong in this server")


@define(eq=False)
class Operator:
    """What one session's operator remembers: its tasks. `browser` gives the pages."""

    browser: Any
    model: Model | None = None
    tasks: OrderedDict[str, Task] = field(factory=OrderedDict)

    def thinking(self) -> Model:
        """The model. Raises ModelFault when there is none."""
        if self.model is None:
            raise ModelFault(NOT_CONFIGURED)
        return self.model

    async def page(self, context: int, target: str | None) -> Page:
        """The page that is meant. Raises BrowserFault."""
        pages = await self.browser.opened()
        page: Page = await pages.active(context, target)
        return page

    # --- Tasks --------------------------------------------------------------------------------------------------------

    def begin(self, kind: str, work: Callable[[Task], Awaitable[str]]) -> str:
        """Starts a task; gives its id."""
        name, task = secrets.token_hex(16), Task(kind)
        task.work = asyncio.create_task(self._perform(task, work))
        task.work.add_done_callback(task.over)
        self.tasks[name] = task
        for old in list(self.tasks)[:-MOST_TASKS]:
            self._drop(old)
        return name

    async def _perform(self, task: Task, work: Callable[[Task], Awaitable[str]]) -> None:
        try:
            task.result = await work(task)
        except BrowserGone as gone:
            task.failed(await self.browser.explained(gone))
        except (BrowserFault, BrowserMissing, SandboxError) as fault:
            task.failed(fault)
        except OSError as error:
            task.failed(error.strerror or error)
        except (KeyError, TypeError, ValueError, AttributeError, IndexError, OverflowError):
            task.failed("the browser's answer cannot be read")

    def find(self, kind: str, name: str) -> Task | None:
        found = self.tasks.get(name)
        return found if found is not None and found.kind == kind else None

    def _drop(self, name: str) -> None:
        if work := self.tasks.pop(name).work:
            work.cancel()

    async def close(self) -> None:
        """Ends what still goes on."""
        running = [task.work for task in self.tasks.values() if task.work is not None and not task.work.done()]
        for work in running:
            work.cancel()
        await asyncio.gather(*running, return_exceptions=True)

    # --- What it can do -----------------------------------------------------------------------------------------------

    async def act(
        self, task: Task, page: Page, action: str, variables: Mapping[str, str], *, vision: bool, seconds: float
    ) -> str:
        """Does something; the answer in the form of the wire. Raises BrowserFault."""
        values = Variables(variables)
        if (ready := _observed(action)) is not None:
            await perform(page, ready, values)
            task.steps.append(ready | {"result": "done"})
            return outcome(task.steps, success=True)
        try:
            async with asyncio.timeout(seconds):
                return await self._steps(task, page, action, values, vision=vision)
        except TimeoutError:
            return outcome([*task.steps, f"not done within {seconds:g} s"], success=False)

    async def _steps(self, task: Task, page: Page, action: str, values: Variables, *, vision: bool) -> str:
        failures = 0
        for _ in range(MOST_STEPS):
            page = await self._newest(page)
            if page.dialog is not None:
                text = str(page.dialog.get("message", ""))[:200]
                await page.answer(accept=True)
                task.steps.append({"method": "dialog", "result": f"accepted: {text}"})
            asked = prompts.act(action, values.names, task.steps, *await page.place(), await page.snapshot())
            step = await self._decided(asked, page, vision=vision)
            if step.get("method") == "person":
                task.steps.append({**step, "result": await self._person(page, step)})
                continue
            if step.get("method") == "done":
                task.steps.append({"method": "done", "result": str(step.get("result", ""))[:2000]})
                return outcome(task.steps, success=step.get("success") is not False)
            try:
                await perform(page, step, values)
                task.steps.append({**step, "result": "done"})
                failures = 0
            except PageFault as fault:
                failures += 1
                task.steps.append({**step, "result": f"failed: {fault}"})
            if failures >= MOST_FAILURES:
                return outcome([*task.steps, f"given up after {failures} steps in a row that failed"], success=False)
        return outcome([*task.steps, f"not done after {MOST_STEPS} steps"], success=False)

    async def _newest(self, page: Page) -> Page:
        """The page on which to go on: a click may have opened another one."""
        pages = await self.browser.opened()
        newest: Page = await pages.after(page)
        return newest

    async def _decided(self, asked: str, page: Page, *, vision: bool) -> Json:
        picture = await page.picture(kind="jpeg", quality=60) if vision else b""
        system = prompts.ACT + prompts.PERSON if self.browser.options.person else prompts.ACT
        step = await self.thinking().think(system, asked, picture)
        if not isinstance(step, dict):
            raise ModelFault("the model did not answer with one step")
        return step

    async def _person(self, page: Page, step: Json) -> str:
        """Asks for a person, and waits; what came of it, for the model."""
        if not self.browser.options.person:
            return "failed: nobody can be called: the browser was started without callForUser"
        need = step.get("need")
        if need not in NEEDS:
            return f"failed: need must be one of {', '.join(NEEDS)}"
        with self.browser.calls.asking(need, str(step.get("message", ""))) as ended:
            await page.mark()
            done = await ended()
        return "the person is done" if done else "nobody came in time"

    async def observe(self, page: Page, instruction: str, selector: str, *, vision: bool) -> str:
        """What could be done, or is there, as a JSON array. Raises BrowserFault."""
        snapshot = await page.snapshot(selector)
        picture = await page.picture(kind="jpeg", quality=60) if vision else b""
        asked = prompts.observe(instruction, *await page.place(), snapshot)
        told = await self.thinking().think(prompts.OBSERVE, asked, picture)
        items = told.get("items") if isinstance(told, dict) else told
        if not isinstance(items, list):
            raise ModelFault("the model did not answer with a list")
        found = [await _observation(page, item) for item in items if isinstance(item, dict)]
        return json.dumps([item for item in found if item], ensure_ascii=False)

    async def extract(
        self, page: Page, instruction: str, schema: str, selector: str, *, text: bool, vision: bool, pages: int
    ) -> str:
        """Data in the form of a schema, as JSON text. Raises BrowserFault."""
        data: Any = None
        form = schema.removeprefix("schema:").strip()
        for number in range(1, min(max(pages, 1), MOST_PAGES) + 1):
            last = number >= pages
            content = await (page.ask("text", selector, TEXT) if text and last else page.snapshot(selector))
            picture = await page.picture(kind="jpeg", quality=60) if vision else b""
            asked = prompts.extract(instruction, form, *await page.place(), str(content), data, last=last)
            told = await self.thinking().think(prompts.EXTRACT, asked, picture)
            if not isinstance(told, dict) or "data" not in told:
                raise ModelFault("the model did not answer with data")
            data, onward = told["data"], told.get("next")
            if last or not isinstance(onward, str) or not onward:
                break
            await page.click(onward)
        return json.dumps(data, ensure_ascii=False)


def outcome(steps: list[Any], *, success: bool) -> str:
    """The result of an action that has come to its end."""
    return json.dumps({"steps": steps, "is_done": True, "success": success}, ensure_ascii=False)


def said(kind: str, steps: list[Any], text: str) -> str:
    """A failure in the form of the task's result: clients take an error for "not done yet"."""
    return outcome([*steps, text], success=False) if kind == "act" else text


def _observed(action: str) -> Json | None:
    """The step that an earlier observation has found, if the action is one."""
    try:
        told = json.loads(action)
    except (ValueError, RecursionError):
        return None
    if not isinstance(told, dict) or not isinstance(told.get("method"), str):
        return None
    given = told.get("arguments")
    if isinstance(given, str):
        given = _observed_arguments(given)
    return {**(given if isinstance(given, dict) else {}), "method": told["method"]}


def _observed_arguments(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


async def _observation(page: Page, item: Json) -> Json | None:
    """What the model has found, with a selector instead of the reference, which only this moment knows."""
    ref = item.get("ref")
    try:
        selector = await page.ask("selectorOf", str(ref)) if ref else ""
    except PageFault:
        return None
    method = str(item.get("method") or "click")
    given = item.get("arguments")
    arguments = {"selector": selector, **(given if isinstance(given, dict) else {})}
    description = str(item.get("description", ""))
    told = {"selector": selector, "description": description, "method": method}
    return {**told, "arguments": json.dumps(arguments, ensure_ascii=False)}
