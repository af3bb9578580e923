"""The live view as people have it: in the session's page, in a browser of this machine, at a desk and on a phone."""

from __future__ import annotations

import shlex
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import pytest_asyncio

from agentbay_local.browser import installed
from tests.local.conftest import Served
from tests.local.page.looking import Looker
from tests.local.page.viewing import near
from tests.local.programs import need_browser, need_desktop
from tests.local.service.api import Api

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.slow]
playwright = pytest.importorskip("playwright.async_api")

DESK = {"viewport": {"width": 1280, "height": 800}}
PHONE = {
    "viewport": {"width": 390, "height": 844}, "device_scale_factor": 3, "is_mobile": True, "has_touch": True,
    "color_scheme": "dark",
}  # fmt: skip
RED = (170, 0, 0)
PIXEL = """([x, y]) => {
  const pen = document.querySelector('#screen canvas').getContext('2d');
  return [...pen.getImageData(x, y, 1, 1).data].slice(0, 3);
}"""
FORM = (
    "<title>Form</title><body style='background:%23a00;margin:0'><input autofocus oninput='document.title=value'>"
    "<script>setTimeout(() => alert('Hi <b>'), 2000)</script>"
)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def chromium() -> AsyncIterator[Any]:
    need_browser()
    async with playwright.async_playwright() as made:
        browser = await made.chromium.launch(executable_path=str(installed.look().program), args=["--no-sandbox"])
        yield browser
        await browser.close()


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def looker(runtime: Served) -> AsyncIterator[Looker]:
    need_desktop()
    async with Api(runtime.endpoint, runtime.key) as api:
        yield await Looker.of(api, (await api.create(ImageId="linux_latest"))["SessionId"])


@asynccontextmanager
async def opened(chromium: Any, looker: Looker, options: dict[str, Any]) -> AsyncIterator[Any]:
    """The page at its screen; whatever the browser complains about fails the test."""
    context, said = await chromium.new_context(**options), []
    page = await context.new_page()
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    await page.goto(looker.url)
    await page.get_by_role("tab", name="Screen").click()
    yield page
    await context.close()
    assert [] == [each for each in said if "getImageData" not in each]  # which only this test asks for


async def place(page: Any, x: int, y: int) -> tuple[float, float]:
    """Where a pixel of the session's screen is on the page."""
    box = await page.locator("#screen canvas").bounding_box()
    width = await page.evaluate("document.querySelector('#screen canvas').width")
    return box["x"] + x * box["width"] / width, box["y"] + y * box["width"] / width


async def shown(page: Any, colour: tuple[int, int, int], at: tuple[int, int]) -> None:
    for _ in range(200):
        if near(colour, await page.evaluate(PIXEL, list(at))):
            return
        await page.wait_for_timeout(50)
    pytest.fail(f"the canvas does not show {colour} at {at}")


async def desktop(page: Any, looker: Looker, command: str) -> None:
    """The desktop with a red terminal; it is started by the button unless it runs."""
    start = page.get_by_role("button", name="Start the desktop")
    canvas = page.locator("#screen canvas")
    await page.get_by_role("button", name="Desktop", exact=True).click()
    await page.locator("#screen canvas:visible, #screen .strong:visible").first.wait_for()
    if await start.is_visible():
        await start.click()
    await canvas.wait_for()
    line = f"xterm -bg '#aa0000' -geometry 60x12+40+60 -e sh -c {shlex.quote(command)}"
    assert not (await looker.api.tool(looker.session, "start_app", start_cmd=line)).said[1]
    await shown(page, RED, (200, 150))


async def holds(looker: Looker, path: str, wanted: str) -> str:
    """What a file holds once it holds what is wanted, or after a while."""
    same = f'[ "$(cat {path} 2>/dev/null)" = {shlex.quote(wanted)} ]'
    wait = f"for _ in $(seq 150); do {same} && break; sleep 0.05; done; cat {path}"
    return str((await looker.api.shell(looker.session, wait))["stdout"]).rstrip("\n")


async def test_a_person_at_a_desk_sees_the_desktop_and_works_it(chromium: Any, looker: Looker) -> None:
    async with opened(chromium, looker, DESK) as page:
        await desktop(page, looker, "cat > /tmp/desk")
        await page.mouse.click(*await place(page, 200, 150))
        await page.keyboard.type('Grüße 1"2 ')
        await page.keyboard.insert_text("漢字")  # as an input method would
        await page.keyboard.press("Enter")
        assert 'Grüße 1"2 漢字' == await holds(looker, "/tmp/desk", 'Grüße 1"2 漢字')


async def test_the_keyboard_is_left_by_keys_and_by_a_button(chromium: Any, looker: Looker) -> None:
    focused = "document.activeElement.tagName + ' ' + document.activeElement.textContent"
    async with opened(chromium, looker, DESK) as page:
        await desktop(page, looker, "cat")
        await page.locator("#screen canvas").focus()
        assert "TEXTAREA" in await page.evaluate(focused)
        await page.keyboard.press("Tab")  # goes to the session
        assert "TEXTAREA" in await page.evaluate(focused)
        assert await page.get_by_text("Leave with").is_visible()
        await page.keyboard.press("Control+Alt+Shift")
        assert "BUTTON Keyboard" == await page.evaluate(focused)
        await page.keyboard.press("Enter")
        assert "TEXTAREA" in await page.evaluate(focused)
        await page.get_by_role("button", name="Keyboard", exact=True).click()
        assert "BUTTON Keyboard" == await page.evaluate(focused)


async def test_a_person_with_a_phone_taps_scrolls_and_types(chromium: Any, looker: Looker) -> None:
    mouse = "stty -echo -icanon min 1; printf '\\033[?1000h\\033[?1006h'; cat > /tmp/phone"
    async with opened(chromium, looker, PHONE) as page:
        await desktop(page, looker, mouse)
        assert 390 >= await page.evaluate("document.documentElement.scrollWidth")
        await page.touchscreen.tap(*await place(page, 200, 150))
        await page.get_by_role("button", name="Keyboard", exact=True).tap()
        await page.keyboard.type("ok")
        wait = "for _ in $(seq 150); do grep -q ok /tmp/phone && break; sleep 0.05; done; cat /tmp/phone"
        seen = (await looker.api.shell(looker.session, wait))["stdout"]
        assert ["0", "0"] == [each.split(";")[0] for each in seen.split("\x1b[<")[1:]]
        assert seen.endswith("ok")


async def test_a_pause_is_told_over_the_last_picture(chromium: Any, looker: Looker) -> None:
    async with opened(chromium, looker, DESK) as page:
        await desktop(page, looker, "cat")
        await looker.ask("/do/pause", "POST")
        await page.locator("#screen").get_by_text("The session is paused").wait_for()
        await looker.ask("/do/resume", "POST")
        await page.locator("#screen").get_by_text("The session is paused").wait_for(state="hidden")


async def test_a_person_works_a_page_of_the_browser_and_answers_its_question(chromium: Any, looker: Looker) -> None:
    async with opened(chromium, looker, DESK) as page:
        await page.get_by_role("button", name="Browser", exact=True).click()
        await page.get_by_role("button", name="Start the browser").click()
        await page.locator("#screen canvas").wait_for()
        await page.get_by_label("Address").fill(f"data:text/html,{FORM}")
        await page.keyboard.press("Enter")
        await shown(page, RED, (600, 400))
        await page.mouse.click(*await place(page, 40, 10))
        await page.keyboard.type("typed Ä")
        await page.get_by_role("alertdialog").get_by_text("Hi <b>").wait_for()
        await page.get_by_role("button", name="OK", exact=True).click()
        await page.locator(".view-tabs").get_by_text("typed Ä").wait_for()
