"""Pictures of pages: those that nobody sees, those of the screen, and the window on a desktop."""

from __future__ import annotations

import base64
import io
import json
from typing import Any

import pytest
from PIL import Image

from agentbay import AsyncAgentBay, AsyncSession, BrowserOption, CreateSessionParams
from agentbay_local.desktop.patience import until
from tests.local.inside import NO_BROWSER
from tests.local.programs import need_desktop

pytestmark = pytest.mark.asyncio(loop_scope="session")
playwright = pytest.importorskip("playwright.async_api")

COLOURS = {"red": (255, 0, 0), "lime": (0, 255, 0), "blue": (0, 0, 255)}
PAINT = "colour => { document.body.style.background = colour; document.title = colour; }"


def colour(data: bytes) -> Any:
    """That of the middle of a picture."""
    picture = Image.open(io.BytesIO(data)).convert("RGB")
    return picture.getpixel((picture.width // 2, picture.height // 2))


async def screenshot(session: AsyncSession, kind: str = "png") -> dict[str, Any]:
    told = json.loads((await session.call_mcp_tool("screenshot", {"format": kind})).data)
    return {**told, "data": base64.b64decode(told["data"])}


@pytest.mark.slow
async def test_tabs_behind_others_have_pictures_for_every_client(alone: AsyncSession) -> None:
    assert await alone.browser.initialize()
    url = await alone.browser.get_endpoint_url()
    async with playwright.async_playwright() as driver:
        first, second = [await driver.chromium.connect_over_cdp(url) for _ in range(2)]
        for name in COLOURS:
            await (await first.contexts[0].new_page()).evaluate(PAINT, name)
        for client in (second, first):
            pages = {await page.title(): page for page in client.contexts[0].pages}
            seen = {name: colour(await pages[name].screenshot(timeout=10_000)) for name in COLOURS}
            assert seen == COLOURS
        await first.close()
        again = await driver.chromium.connect_over_cdp(url)
        pages = {await page.title(): page for page in again.contexts[0].pages}
        assert colour(await pages["red"].screenshot(timeout=10_000)) == COLOURS["red"]
        assert await second.contexts[0].pages[0].evaluate("1 + 1") == 2
        told = await alone.browser.operator.screenshot(pages["lime"])
        assert colour(base64.b64decode(told.partition(",")[2])) == COLOURS["lime"]
        await again.close()
        await second.close()


async def test_the_screen_of_a_browser_image_is_its_page(alone: AsyncSession) -> None:
    assert await alone.browser.initialize(BrowserOption(cmd_args=["--force-device-scale-factor=2"]))
    await alone.browser.operator.navigate("data:text/html,<body style='background:blue'>")
    for kind in ("png", "jpeg"):
        told = await screenshot(alone, kind)
        red, green, blue = colour(told["data"])
        assert (told["mime_type"], red < 9 > green, blue > 246) == (f"image/{kind}", True, True)
        assert Image.open(io.BytesIO(told["data"])).size == (told["width"], told["height"])


@pytest.mark.slow
async def test_a_long_page_is_taken_as_a_whole(alone: AsyncSession) -> None:
    assert await alone.browser.initialize()
    parts = "<div style='height:12000px'></div><div style='height:300px;background:red'>"
    await alone.browser.operator.navigate(f"data:text/html,<body style='margin:0'>{parts}")
    told = await alone.browser.operator.screenshot()
    picture = Image.open(io.BytesIO(base64.b64decode(told.partition(",")[2]))).convert("RGB")
    assert (picture.height, picture.getpixel((10, 12_150))) == (12_300, COLOURS["red"])


@pytest.mark.slow
async def test_on_a_desktop_the_browser_has_a_window(client: AsyncAgentBay) -> None:
    need_desktop()
    session = (await client.create(CreateSessionParams(image_id="linux_latest"))).unwrap().session
    assert await session.browser.initialize(), session.browser.error
    async with playwright.async_playwright() as driver:
        browser = await driver.chromium.connect_over_cdp(await session.browser.get_endpoint_url())
        page = browser.contexts[0].pages[0]
        await page.evaluate(PAINT, "blue")
        assert "HeadlessChrome" not in await page.evaluate("navigator.userAgent")
        assert colour(await page.screenshot()) == COLOURS["blue"]
        await page.bring_to_front()
        assert colour((await screenshot(session))["data"]) == COLOURS["blue"]

        async def named() -> bool:
            return [each.title for each in (await session.computer.list_root_windows()).windows] == ["blue - Chromium"]

        assert await until(named, 10, 0.05)
        await page.set_content("<input autofocus>")
        await session.computer.click_mouse(640, 400)
        await page.focus("input")
        await session.computer.input_text("äß 你好 שלום")
        await page.wait_for_function("document.querySelector('input').value === 'äß 你好 שלום'", timeout=10_000)
        await browser.close()
    (await session.command.execute_command("pkill -KILL -x 'Xvnc|Xtigervnc|Xvfb'; " + NO_BROWSER, 20_000)).unwrap()
    ended = await session.call_mcp_tool("browser_tab_list", {})
    assert "the browser has ended" in ended.error_message
    assert "about:blank" in (await session.call_mcp_tool("browser_tab_list", {})).data
    await session.browser.destroy()
    assert await session.browser.initialize(BrowserOption(cmd_args=["--headless=new"]))
    assert [each.title for each in (await session.computer.list_root_windows()).windows] == []
    await session.delete()
