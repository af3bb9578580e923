"""The tools that drive a page step by step, with the names and arguments of Playwright's own server for models."""

from __future__ import annotations

import asyncio
import base64
import os
import time
from collections.abc import Callable
from typing import Final, Literal

from attrs import frozen

from agentbay_local.browser.faults import PageFault
from agentbay_local.browser.page import Page
from agentbay_local.browser.pages import Pages
from agentbay_local.tools.arguments import Path
from agentbay_local.tools.box import Box
from agentbay_local.tools.browsing import WITH_BROWSER, F, on_pages
from agentbay_local.tools.faults import ToolFailure

SERVER: Final = "playwright"
LONGEST_WAIT: Final = 60.0
LOOK_S: Final = 0.2
MOST_LOOKS: Final = 150


def step(doing: str) -> Callable[[F], F]:
    """Registers one of this family."""
    return on_pages(server=SERVER, images=WITH_BROWSER, doing=doing)


async def active(box: Box) -> Page:
    return await (await box.browser.opened()).active()


async def seen(page: Page, done: str) -> str:
    """What was done, and what the page is like now."""
    if page.dialog is not None:
        kind, text = page.dialog.get("type"), str(page.dialog.get("message", ""))[:500]
        return f"{done}\n\nThe page waits for an answer to its {kind}: {text!r}. Use browser_handle_dialog."
    url, title = await page.place()
    return f"{done}\n\nPage URL: {url}\nPage title: {title}\nSnapshot:\n{await page.snapshot()}"


# --- Where it goes ----------------------------------------------------------------------------------------------------


@step("navigate")
async def browser_navigate(box: Box, url: str) -> str:
    """Opens an address on the active tab."""
    page = await active(box)
    await page.navigate(url)
    return await seen(page, f"Opened {url}.")


@step("go back")
async def browser_navigate_back(box: Box) -> str:
    """Goes back to the page before."""
    page = await active(box)
    went = await page.travel(-1)
    return await seen(page, "Went back." if went else "There is no earlier page.")


@step("go forward")
async def browser_navigate_forward(box: Box) -> str:
    """Goes forward to the page after."""
    page = await active(box)
    went = await page.travel(1)
    return await seen(page, "Went forward." if went else "There is no later page.")


@step("list tabs")
async def browser_tab_list(box: Box) -> str:
    """Lists the open tabs."""
    return await listed(await box.browser.opened())


async def listed(pages: Pages) -> str:
    shown = (await pages.active()).target
    lines = [
        f"{number}: {'(current) ' if info['targetId'] == shown else ''}{info.get('title') or '-'} <{info.get('url')}>"
        for number, info in enumerate(await pages.known())
    ]
    return "\n".join(lines) or "No tab is open."


@step("open tab")
async def browser_tab_new(box: Box, url: str = "") -> str:
    """Opens a new tab, at an address if one is given."""
    pages = await box.browser.opened()
    await pages.open(url)
    return await listed(pages)


@step("select tab")
async def browser_tab_select(box: Box, index: int) -> str:
    """Makes a tab of the list the active one."""
    return await seen(await (await box.browser.opened()).select(index), f"Tab {index} is the active one.")


@step("close tab")
async def browser_tab_close(box: Box, index: int | None = None) -> str:
    """Closes a tab of the list; the active one if none is named."""
    pages = await box.browser.opened()
    await pages.close_page(index)
    return await listed(pages)


@step("close browser")
async def browser_close(box: Box) -> str:
    """Closes the active page."""
    await (await box.browser.opened()).close_page()
    return "The page is closed."


@step("install browser")
async def browser_install(box: Box) -> str:
    """Makes sure that there is a browser; the machine of the server has to have it."""
    await box.browser.opened()
    return "The browser is installed, and runs."


# --- What is on it ----------------------------------------------------------------------------------------------------


@step("take snapshot")
async def browser_snapshot(box: Box) -> str:
    """Answers with the page's content as an indented list; what can be used has a `ref` for the other tools."""
    return await seen(await active(box), "Looked.")


@step("take screenshot")
async def browser_take_screenshot(
    box: Box,
    raw: bool = False,
    type: Literal["png", "jpeg"] | None = None,
    filename: Path | None = None,
    element: str = "",  # noqa: ARG001
    ref: str | None = None,
    fullPage: bool = False,  # noqa: N803  (that server's name)
) -> str:
    """Takes a picture of the window, the whole page or one element: a data URL, or a file in the session."""
    page = await active(box)
    kind = type or ("png" if raw or not filename or filename.endswith(".png") else "jpeg")
    clip = await page.ask("area", ref) if ref else None
    picture = await page.picture(full=fullPage, clip=clip, kind=kind)
    if filename is None:
        return f"data:image/{kind};base64,{base64.b64encode(picture).decode()}"
    return await kept(box, filename, picture)


async def kept(box: Box, name: str, data: bytes) -> str:
    place = box.path(name)
    fd = await box.sandbox.open(place, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    await asyncio.to_thread(poured, fd, data)
    return f"Saved {len(data)} bytes to {place}."


def poured(fd: int, data: bytes) -> None:
    with open(fd, "wb") as file:
        file.write(data)


@step("save PDF")
async def browser_pdf_save(box: Box, filename: Path | None = None) -> str:
    """Saves the page as a PDF in the session."""
    page = await active(box)
    told = await page.call("Page.printToPDF", printBackground=True)
    name = filename or f"page-{time.strftime('%Y%m%d-%H%M%S')}.pdf"
    return await kept(box, name, base64.b64decode(told["data"]))


@step("read console")
async def browser_console_messages(box: Box, onlyErrors: bool = False) -> str:  # noqa: N803
    """Answers with the newest messages of the page's console."""
    lines = [line for line in (await active(box)).console if not onlyErrors or line.startswith("[ERROR]")]
    return "\n".join(lines) or "The console is empty."


@step("list requests")
async def browser_network_requests(box: Box) -> str:
    """Answers with the newest requests of the page, and their status."""
    return "\n".join((await active(box)).requests.values()) or "There were no requests."


@step("wait")
async def browser_wait_for(box: Box, time: float | None = None, text: str = "", textGone: str = "") -> str:  # noqa: N803
    """Waits for seconds, for a text to appear, or for one to go."""
    page = await active(box)
    await asyncio.sleep(min(max(time or 0.0, 0.0), LONGEST_WAIT))
    for _ in range(MOST_LOOKS):
        if (not text or await page.ask("has", text)) and not (textGone and await page.ask("has", textGone)):
            return await seen(page, "Waited.")
        await asyncio.sleep(LOOK_S)
    raise PageFault(f"the page did not change as awaited within {MOST_LOOKS * LOOK_S:g} s")


# --- Mouse and keyboard -----------------------------------------------------------------------------------------------


@step("click")
async def browser_click(
    box: Box,
    ref: str,
    element: str = "",
    doubleClick: bool = False,  # noqa: N803
    button: Literal["left", "right", "middle"] = "left",
) -> str:
    """Clicks on something by its `ref`."""
    page = await active(box)
    await page.click(ref, count=2 if doubleClick else 1, button=button)
    return await seen(await (await box.browser.opened()).after(page), f"Clicked {element or ref}.")


@step("hover")
async def browser_hover(box: Box, ref: str, element: str = "") -> str:
    """Moves the mouse over something."""
    page = await active(box)
    await page.hover(ref)
    return await seen(page, f"The mouse is over {element or ref}.")


@step("drag")
async def browser_drag(
    box: Box,
    startRef: str,  # noqa: N803
    endRef: str,  # noqa: N803
    startElement: str = "",  # noqa: N803
    endElement: str = "",  # noqa: N803
) -> str:
    """Drags something to something else."""
    page = await active(box)
    await page.drag(startRef, endRef)
    return await seen(page, f"Dragged {startElement or startRef} to {endElement or endRef}.")


@step("type")
async def browser_type(
    box: Box, ref: str, text: str, element: str = "", submit: bool = False, slowly: bool = False
) -> str:
    """Puts text into a field, in place of what it holds; `submit` presses Enter afterwards."""
    page = await active(box)
    await page.fill(ref, text, slowly=slowly, submit=submit)
    return await seen(page, f"Typed into {element or ref}.")


@step("select option")
async def browser_select_option(box: Box, ref: str, values: list[str], element: str = "") -> str:
    """Selects options of a list, by their values or labels."""
    page = await active(box)
    chosen = await page.ask("select", ref, values)
    await page.settle()
    return await seen(page, f"Selected {', '.join(chosen or values)} in {element or ref}.")


@step("press key")
async def browser_press_key(box: Box, key: str) -> str:
    """Presses a key, such as `Enter`, `a` or `Control+A`."""
    page = await active(box)
    await page.press(key)
    return await seen(page, f"Pressed {key}.")


@frozen
class Field:
    """One field of a form."""

    ref: str
    value: str
    type: str


@on_pages(server=SERVER, images=("browser_latest",), doing="fill form")
async def browser_fill_form(box: Box, fields: list[Field]) -> str:
    """Fills the fields of a form: `type` is textbox, checkbox, radio, combobox or slider."""
    page = await active(box)
    for each in fields:
        await filled(page, each)
    return await seen(page, f"Filled {len(fields)} fields.")


async def filled(page: Page, given: Field) -> None:
    if given.type in {"checkbox", "radio", "switch"}:
        if await page.ask("check", given.ref, given.value.lower() in {"true", "on", "yes", "1"}):
            await page.click(given.ref)
    elif given.type == "combobox":
        await page.ask("select", given.ref, [given.value])
    else:
        await page.fill(given.ref, given.value)


@step("answer dialog")
async def browser_handle_dialog(box: Box, accept: bool, promptText: str | None = None) -> str:  # noqa: N803
    """Answers the dialog that the page has open."""
    page = await active(box)
    await page.answer(accept=accept, text=promptText)
    return await seen(page, f"The dialog was {'accepted' if accept else 'dismissed'}.")


@step("upload file")
async def browser_file_upload(box: Box, paths: list[Path], ref: str = "") -> str:
    """Puts files of the session into the page's file field, or that of a `ref`."""
    page = await active(box)
    places = [box.path(path) for path in paths]
    for place in places:
        await box.sandbox.fs("stat", path=place)
    await page.call("DOM.setFileInputFiles", files=places, objectId=await page.handle(ref or "input[type=file]"))
    return await seen(page, f"Uploaded {len(places)} files.")


@step("resize")
async def browser_resize(box: Box, width: float, height: float) -> str:
    """Gives the page's visible part a size, in pixels."""
    if not (1 <= width <= 10_000 and 1 <= height <= 10_000):
        raise ToolFailure(f"Invalid arguments: width and height must be from 1 to 10000, got {width} and {height}")
    page = await active(box)
    size = {"width": round(width), "height": round(height)}
    await page.call("Emulation.setDeviceMetricsOverride", **size, deviceScaleFactor=0, mobile=False)
    return f"The page is {size['width']} x {size['height']} pixels."
