"""Recordings of pages, watched in the very browser."""

from __future__ import annotations

import asyncio
import io
from typing import Any

import pytest
from PIL import Image

from agentbay import AsyncAgentBay, AsyncSession
from agentbay_local.browser import webm
from tests.local.browser.conftest import ADDRESS, opened

playwright = pytest.importorskip("playwright.async_api")

FOLDER = "/home/wuying/record"
COLOURS = ["rgb(250, 0, 0)", "rgb(0, 0, 250)"]
READY = "document.querySelector('video')?.readyState >= 2 && !document.querySelector('video').seeking"
FACTS = "(film => [film.videoWidth, film.videoHeight, film.duration])(document.querySelector('video'))"
SEEK = "moment => { const film = document.querySelector('video'); film.currentTime = moment * film.duration; }"


async def films(session: AsyncSession) -> list[str]:
    listed = await session.file_system.list_directory(FOLDER)
    return sorted(f"{FOLDER}/{each.name}" for each in listed.unwrap().entries)


async def watched(driver: Any, session: AsyncSession, film: str) -> list[tuple[list[float], Any]]:
    """The film's width, height and seconds, and a colour of it, at six moments."""
    browser = await driver.chromium.connect_over_cdp(await session.browser.get_endpoint_url())
    page = browser.contexts[0].pages[0]
    await page.goto(f"file://{film}")
    seen = []
    for moment in range(6):
        await page.wait_for_function(READY, timeout=20_000)
        facts = await page.evaluate(FACTS)
        await page.evaluate(SEEK, moment / 6 + 0.1)
        await page.wait_for_function(READY, timeout=20_000)
        picture = Image.open(io.BytesIO(await page.screenshot()))
        seen.append((facts, picture.convert("RGB").getpixel((picture.width // 2, picture.height // 2))))
    await browser.close()
    return seen


@pytest.mark.slow
@pytest.mark.asyncio(loop_scope="session")
async def test_pages_are_filmed_when_that_was_chosen(client: AsyncAgentBay) -> None:
    session = await opened(client, enable_browser_replay=True)
    async with playwright.async_playwright() as driver:
        assert await session.browser.initialize(), session.browser.error
        browser = await driver.chromium.connect_over_cdp(await session.browser.get_endpoint_url())
        page = browser.contexts[0].pages[0]
        await page.goto(ADDRESS)
        for colour in COLOURS:
            await page.evaluate("colour => document.body.style.background = colour", colour)
            await asyncio.sleep(3)
        size = await page.evaluate("[innerWidth, innerHeight]")
        await browser.close()
        await session.browser.destroy()
        [film] = await films(session)

        assert await session.browser.initialize()
        seen = await watched(driver, session, film)
    facts, colours = seen[0][0], [(red > 200 > blue, blue > 200 > red) for _, (red, _, blue) in seen]
    assert (facts[:2], 2.5 < facts[2] < 30) == (size, True)
    assert 0 <= colours.index((True, False)) < colours.index((False, True))
    await session.delete()


def test_a_film_needs_lossy_pictures() -> None:
    for data in (b"", b"RIFF\x04\0\0\0WEBP", b"RIFF\x0e\0\0\0WEBPVP8L\x02\0\0\0ab"):
        with pytest.raises(ValueError, match="not a lossy WebP picture"):
            webm.vp8(data)
    with pytest.raises(ValueError, match="not a key frame"):
        webm.beginning(b"x" * 20)
