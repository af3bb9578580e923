"""The page operator: what is done on a page by words, at once or as a task whose result is asked for."""

from __future__ import annotations

import base64
import json
from typing import Any, Final

from attrs import frozen

from agentbay_local.browser.faults import PageFault
from agentbay_local.browser.operator import DEFAULT_S, Task
from agentbay_local.browser.steps import Variables
from agentbay_local.tools.box import Box
from agentbay_local.tools.browsing import on_pages
from agentbay_local.tools.faults import ToolFailure

SERVER: Final = "wuying_browseruse"
BROWSER: Final = ("browser_latest",)
TASK: Final = "Task is still running"
LONGEST_S: Final = 3600


@frozen
class Clip:
    """A part of a page, in pixels."""

    x: float
    y: float
    width: float
    height: float


@on_pages(server=SERVER, images=BROWSER, doing="navigate")
async def page_use_navigate(box: Box, url: str) -> str:
    """Opens an address on the active page, and waits until it has loaded."""
    page = await box.operator.page(0, None)
    await page.navigate(url)
    place, title = await page.place()
    return f"Navigated to {place} ({title or 'no title'})"


@on_pages(server=SERVER, images=BROWSER, doing="take screenshot")
async def page_use_screenshot(
    box: Box,
    full_page: bool = True,
    quality: int = 80,  # noqa: ARG001
    clip: Clip | None = None,
    timeout: int | None = None,  # noqa: ARG001
    context_id: int = 0,
    page_id: str | None = None,
) -> str:
    """Takes a picture of a page: a data URL with a PNG. `quality` and `timeout` change nothing about one."""
    page = await box.operator.page(context_id, page_id)
    part = {side: getattr(clip, side) for side in ("x", "y", "width", "height")} if clip else None
    picture = await page.picture(full=full_page, clip=part)
    return f"data:image/png;base64,{base64.b64encode(picture).decode()}"


@on_pages(server=SERVER, images=BROWSER, doing="close session")
async def page_use_close_session(box: Box) -> str:
    """Ends the operator's work; the browser goes on."""
    await box.operator.close()
    if box.browser.pages is not None:
        await box.browser.pages.close()
    return "True"


# --- Act --------------------------------------------------------------------------------------------------------------


@on_pages(server=SERVER, images=BROWSER, doing="act")
async def page_use_act(
    box: Box,
    action: str,
    variables: dict[str, str] | None = None,
    use_vision: bool = False,
    timeout: int = int(DEFAULT_S),
    context_id: int = 0,
    page_id: str | None = None,
) -> str:
    """Does something on a page, and answers with its steps when it is done; `timeout` is in seconds."""
    _may_act(box, action, timeout)
    page = await box.operator.page(context_id, page_id)
    given: dict[str, Any] = {"vision": use_vision, "seconds": timeout}
    return await box.operator.act(Task("act"), page, action, variables or {}, **given)


@on_pages(server=SERVER, images=BROWSER, doing="act")
async def page_use_act_async(
    box: Box,
    action: str,
    variables: dict[str, str] | None = None,
    use_vision: bool = False,
    timeout: int = int(DEFAULT_S),
    context_id: int = 0,
    page_id: str | None = None,
) -> str:
    """Begins to do something on a page; `page_use_get_act_result` has its steps."""
    _may_act(box, action, timeout)
    page = await box.operator.page(context_id, page_id)
    given: dict[str, Any] = {"vision": use_vision, "seconds": timeout}
    return _begun(box, "act", lambda task: box.operator.act(task, page, action, variables or {}, **given))


@on_pages(server=SERVER, images=BROWSER, doing="get act result")
async def page_use_get_act_result(box: Box, task_id: str) -> str:
    """Answers with the steps that an action has taken so far, and whether it is done."""
    task = _task(box, "act", task_id)
    return task.result or json.dumps({"steps": task.steps, "is_done": False, "success": False}, ensure_ascii=False)


def _may_act(box: Box, action: str, timeout: int) -> None:
    """Words need a model; a step that was observed before needs none."""
    if not 0 < timeout <= LONGEST_S:
        raise ToolFailure(f"Invalid arguments: timeout must be from 1 to {LONGEST_S} seconds, got {timeout}")
    if not action.strip():
        raise ToolFailure("Invalid arguments: action must not be blank")
    if not action.lstrip().startswith("{"):
        box.operator.thinking()


# --- Observe ----------------------------------------------------------------------------------------------------------


@on_pages(server=SERVER, images=BROWSER, doing="observe")
async def page_use_observe(
    box: Box,
    instruction: str,
    use_vision: bool = False,
    selector: str = "",
    context_id: int = 0,
    page_id: str | None = None,
) -> str:
    """Finds something on a page: a JSON array of what could be done, each of which `page_use_act` takes."""
    box.operator.thinking()
    page = await box.operator.page(context_id, page_id)
    return await box.operator.observe(page, instruction, selector, vision=use_vision)


@on_pages(server=SERVER, images=BROWSER, doing="observe")
async def page_use_observe_async(
    box: Box,
    instruction: str,
    use_vision: bool = False,
    selector: str = "",
    context_id: int = 0,
    page_id: str | None = None,
) -> str:
    """Begins to find something on a page; `page_use_get_observe_result` has what was found."""
    box.operator.thinking()
    page = await box.operator.page(context_id, page_id)
    return _begun(box, "observe", lambda _: box.operator.observe(page, instruction, selector, vision=use_vision))


@on_pages(server=SERVER, images=BROWSER, doing="get observe result")
async def page_use_get_observe_result(box: Box, task_id: str) -> str:
    """Answers with what was found; with an error as long as the task goes on."""
    return _done(_task(box, "observe", task_id))


# --- Extract ----------------------------------------------------------------------------------------------------------


@on_pages(server=SERVER, images=BROWSER, doing="extract")
async def page_use_extract(
    box: Box,
    instruction: str,
    field_schema: str = "",
    use_text_extract: bool = False,
    use_vision: bool = False,
    selector: str = "",
    max_page: int = 1,
    context_id: int = 0,
    page_id: str | None = None,
) -> str:
    """Takes data from a page, in the form of a JSON Schema."""
    box.operator.thinking()
    page = await box.operator.page(context_id, page_id)
    given: dict[str, Any] = {"text": use_text_extract, "vision": use_vision, "pages": max_page}
    return await box.operator.extract(page, instruction, field_schema, selector, **given)


@on_pages(server=SERVER, images=BROWSER, doing="extract")
async def page_use_extract_async(
    box: Box,
    instruction: str,
    field_schema: str = "",
    use_text_extract: bool = False,
    use_vision: bool = False,
    selector: str = "",
    max_page: int = 1,
    context_id: int = 0,
    page_id: str | None = None,
) -> str:
    """Begins to take data from a page; `page_use_get_extract_result` has it."""
    box.operator.thinking()
    page = await box.operator.page(context_id, page_id)
    given: dict[str, Any] = {"text": use_text_extract, "vision": use_vision, "pages": max_page}
    return _begun(box, "extract", lambda _: box.operator.extract(page, instruction, field_schema, selector, **given))


@on_pages(server=SERVER, images=BROWSER, doing="get extract result")
async def page_use_get_extract_result(box: Box, task_id: str) -> str:
    """Answers with the data; with an error as long as the task goes on."""
    return _done(_task(box, "extract", task_id))


# --- Login ------------------------------------------------------------------------------------------------------------

LOGIN: Final = (
    "Log in on this page with the user name %username% and the password %password%. Done when the page shows that the "
    "login has worked; done without success when it says that it has not, or asks for something else."
)
NO_SKILLS: Final = (
    "login_config must be JSON with username and password, and perhaps url: this server has none of the vendor's login "
    "skills (skill_id), and logs in by the configured model, which does not see the two"
)


@on_pages(server=SERVER, images=BROWSER, doing="log in")
async def page_use_login(
    box: Box, login_config: str, use_vision: bool = False, context_id: int = 0, page_id: str | None = None
) -> str:
    """Logs in on a page, or at the configuration's `url`, with its `username` and `password`."""
    told = _login(login_config)
    box.operator.thinking()
    page = await box.operator.page(context_id, page_id)
    if url := told.get("url"):
        await page.navigate(Variables({}).filled(url))
    secrets = {name: told[name] for name in ("username", "password")}
    return await box.operator.act(Task("act"), page, LOGIN, secrets, vision=use_vision, seconds=50)


def _login(text: str) -> dict[str, str]:
    try:
        told = json.loads(text)
    except (ValueError, RecursionError):
        raise PageFault(NO_SKILLS) from None
    if not isinstance(told, dict) or not all(isinstance(told.get(name), str) for name in ("username", "password")):
        raise PageFault(NO_SKILLS)
    return {name: value for name, value in told.items() if isinstance(value, str)}


# --- Tasks ------------------------------------------------------------------------------------------------------------


def _begun(box: Box, kind: str, work: Any) -> str:
    return json.dumps({"task_id": box.operator.begin(kind, work)})


def _task(box: Box, kind: str, name: str) -> Task:
    task = box.operator.find(kind, name)
    if task is None:
        raise ToolFailure(f"Task {name:.64} not found: there is no such {kind} task in this session")
    return task


def _done(task: Task) -> str:
    """What came of a task. Clients ask again after an error, and stop at any text."""
    if not task.result:
        raise ToolFailure(TASK)
    return task.result
