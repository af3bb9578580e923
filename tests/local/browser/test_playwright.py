"""Playwright's own ways to work, through the endpoint."""

from __future__ import annotations

import asyncio
import zipfile
from pathlib import Path
from typing import Any

import pytest

from agentbay import AgentBay, AsyncAgentBay, AsyncSession, CreateSessionParams
from agentbay_local.app import Runtime
from tests.local.browser.conftest import ADDRESS, opened

asynchronous = pytest.mark.asyncio(loop_scope="session")
playwright = pytest.importorskip("playwright.async_api")

WORKER = """self.addEventListener('install', () => skipWaiting());
self.addEventListener('activate', event => event.waitUntil(clients.claim()));
self.addEventListener('fetch', event => { if (event.request.url.endsWith('/made'))
    event.respondWith(new Response('by the worker')); });"""
ASK_WORKER = """async () => {
    navigator.serviceWorker.register('worker.js');
    await navigator.serviceWorker.ready;
    while (!navigator.serviceWorker.controller) await new Promise(go => setTimeout(go, 10));
    return (await fetch('/made')).text();
}"""
LOOK = """async () => [innerWidth, navigator.userAgent, Intl.DateTimeFormat().resolvedOptions().timeZone,
    (await navigator.permissions.query({name: 'geolocation'})).state]"""


@pytest.mark.slow
@asynchronous
async def test_contexts_downloads_uploads_dialogs_traces_and_workers(alone: AsyncSession, tmp_path: Path) -> None:
    assert await alone.browser.initialize()
    (await alone.file_system.write_file("/tmp/www/worker.js", WORKER)).unwrap()
    (tmp_path / "mine.txt").write_text("mine")
    async with playwright.async_playwright() as driver:
        browser = await driver.chromium.connect_over_cdp(await alone.browser.get_endpoint_url())
        options = {"viewport": {"width": 640, "height": 480}, "user_agent": "Mine/2", "timezone_id": "Asia/Tokyo"}
        own = await browser.new_context(permissions=["geolocation"], **options)
        page = await own.new_page()
        await own.tracing.start(screenshots=True, snapshots=True)
        await page.goto(ADDRESS)
        assert await page.evaluate(LOOK) == [640, "Mine/2", "Asia/Tokyo", "granted"]
        await _uploaded_and_asked(page, tmp_path / "mine.txt")
        await own.tracing.stop(path=tmp_path / "trace.zip")
        assert [name for name in zipfile.ZipFile(tmp_path / "trace.zip").namelist() if name.endswith(".jpeg")]
        assert await page.evaluate(ASK_WORKER) == "by the worker"
        await own.route("**/made-up", lambda route: route.fulfill(body="made up"))
        assert await page.evaluate("fetch('/made-up').then(answer => answer.text())") == "made up"
        async with own.expect_page() as opening:
            await page.click("text=Second page")
        assert await (await opening.value).title() == "Two"
        await _downloaded(page, alone, tmp_path)
        await own.close()
        await browser.close()


async def _uploaded_and_asked(page: Any, file: Path) -> None:
    await page.set_input_files("#file", file)
    assert await page.inner_text("#out") == "File mine.txt"
    page.once("dialog", lambda dialog: asyncio.ensure_future(dialog.accept("Ada")))
    await page.click("text=Ask")
    assert await page.inner_text("#out") == "Ada"


async def _downloaded(page: Any, session: AsyncSession, folder: Path) -> None:
    """What is downloaded is a file of the session: that is where the browser is."""
    async with page.expect_download() as coming:
        await page.evaluate("Object.assign(document.createElement('a'), {href: 'two.html', download: ''}).click()")
    download = await coming.value
    (await session.file_system.download_file(str(await download.path()), str(folder / "two.html"))).unwrap()
    assert "Zwei" in (folder / "two.html").read_text()


@pytest.mark.slow
@asynchronous
async def test_the_synchronous_colours_work_together(runtime_here: Runtime) -> None:
    assert await asyncio.to_thread(_in_one_thread, runtime_here) == "3"


def _in_one_thread(runtime: Runtime) -> str:
    from playwright.sync_api import sync_playwright

    with AgentBay(runtime.keys[0], endpoint=runtime.endpoint) as client, sync_playwright() as driver:
        session = client.create(CreateSessionParams(image_id="browser_latest")).unwrap().session
        assert session.browser.initialize(), session.browser.error
        browser = driver.chromium.connect_over_cdp(session.browser.get_endpoint_url())
        page = browser.contexts[0].new_page()
        page.set_content("<p id=out>1</p>")
        page.evaluate("out.textContent = 3")
        assert session.browser.screenshot(page)[:4] == b"\x89PNG"
        told = page.inner_text("#out")
        browser.close()
        session.delete()
        return str(told)


@pytest.mark.slow
@asynchronous
async def test_many_browsers_run_at_once_and_leave_nothing(client: AsyncAgentBay) -> None:
    sessions = [await opened(client) for _ in range(4)]
    assert all(await asyncio.gather(*(each.browser.initialize() for each in sessions)))
    said = await asyncio.gather(*(each.browser.operator.navigate(ADDRESS) for each in sessions))
    assert said == [f"Navigated to {ADDRESS} (Shop)"] * len(sessions)
    await asyncio.gather(*(each.delete() for each in sessions))
