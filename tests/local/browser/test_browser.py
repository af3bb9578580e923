"""The browser of a session, by the SDK and Playwright: its endpoint, options, profile, ends."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest
import pytest_asyncio

from agentbay import (
    AsyncAgentBay,
    AsyncSession,
    BrowserContext,
    BrowserFingerprint,
    BrowserOption,
    BrowserProxy,
    BrowserScreen,
    BrowserViewport,
    CreateSessionParams,
)
from tests.local.browser.conftest import ADDRESS, opened
from tests.local.inside import NO_BROWSER, listening

pytestmark = pytest.mark.asyncio(loop_scope="session")
playwright = pytest.importorskip("playwright.async_api")

SEEN = """[innerWidth, innerHeight, screen.width, screen.height, navigator.webdriver, navigator.userAgent,
    navigator.hardwareConcurrency, navigator.platform, navigator.languages.join(), navigator.deviceMemory,
    navigator.userAgentData?.platform]"""


@pytest_asyncio.fixture(loop_scope="session", scope="module")
async def driver() -> AsyncIterator[Any]:
    async with playwright.async_playwright() as made:
        yield made


@asynccontextmanager
async def connected(driver: Any, session: AsyncSession) -> AsyncIterator[Any]:
    """The first page of a session's browser, by its endpoint."""
    browser = await driver.chromium.connect_over_cdp(await session.browser.get_endpoint_url())
    try:
        yield browser.contexts[0].pages[0]
    finally:
        await browser.close()


async def ended(session: AsyncSession) -> None:
    """Ends the browser from outside, as if it had crashed."""
    wait = "pkill -KILL -o chrom; for _ in $(seq 100); do pgrep -c chrom >/dev/null || exit 0; sleep 0.05; done; exit 1"
    (await session.command.execute_command(wait, 20_000)).unwrap()


async def test_a_program_drives_the_browser_by_its_endpoint(driver: Any, alone: AsyncSession) -> None:
    assert await alone.browser.initialize(), alone.browser.error
    async with connected(driver, alone) as page:
        await page.goto(ADDRESS)
        await page.fill("#what", "苹果")
        await page.click("text=Buy")
        assert await page.inner_text("#out") == "Bought 1 苹果 in red"
        picture = await alone.browser.screenshot(page)
        assert picture.startswith(b"\x89PNG")
        own = await (await page.context.browser.new_context()).new_page()
        await own.goto(f"{ADDRESS}two.html")
        told = await alone.browser.operator.screenshot(own)
        assert told.startswith("data:image/png")
    assert await alone.browser.operator.navigate(ADDRESS) == f"Navigated to {ADDRESS} (Shop)"


@pytest.mark.slow
async def test_pages_reach_neither_the_machine_nor_the_web(
    driver: Any, client: AsyncAgentBay, alone: AsyncSession
) -> None:
    assert await alone.browser.initialize()
    outside = asyncio.start_server(lambda *_: None, "127.0.0.1", 0)
    async with await outside as server, connected(driver, alone) as page:
        port = server.sockets[0].getsockname()[1]
        for url in (f"http://127.0.0.1:{port}/", "http://example.com/", "https://example.com/", "http://10.0.0.1/"):
            answer = await page.evaluate("u => fetch(u, {mode: 'no-cors'}).then(r => r.status, e => String(e))", url)
            assert answer in {"TypeError: Failed to fetch", 0}  # 0 for what the way out itself has answered


async def test_a_browser_that_was_killed_comes_back_and_says_so_in_between(alone: AsyncSession) -> None:
    assert await alone.browser.initialize()
    url = await alone.browser.get_endpoint_url()
    await alone.browser.operator.navigate(ADDRESS)
    await ended(alone)
    async with aiohttp.ClientSession() as http, http.get(url.replace("ws://", "http://")) as answer:
        assert (answer.status, "ask for its endpoint again" in await answer.text()) == (502, True)
    said = await alone.browser.operator.navigate(ADDRESS)
    assert said.startswith("Navigation failed: ")
    assert "the browser has ended (signal 9), and its pages are gone; the next call starts it anew" in said
    assert await alone.browser.operator.navigate(ADDRESS) == f"Navigated to {ADDRESS} (Shop)"
    assert await alone.browser.get_endpoint_url() == url


async def test_the_browser_of_a_paused_session_goes_on_where_it_was(alone: AsyncSession) -> None:
    assert await alone.browser.initialize()
    await alone.browser.operator.navigate(f"{ADDRESS}two.html")
    (await alone.pause()).unwrap()
    refused = await alone.call_mcp_tool("browser_snapshot", {})
    assert (refused.success, "PAUSED" in refused.error_message) == (False, True)
    (await alone.resume()).unwrap()
    shown = await alone.call_mcp_tool("browser_snapshot", {})
    assert "Page title: Two" in shown.data, shown.error_message


@pytest.mark.slow
async def test_a_stopped_browser_leaves_no_process_and_starts_again(driver: Any, alone: AsyncSession) -> None:
    assert await alone.browser.initialize()
    await alone.browser.destroy()
    (await alone.command.execute_command(NO_BROWSER, 20_000)).unwrap()
    left = await alone.command.execute_command("pgrep -c chrom")
    assert left.stdout.strip() == "0"
    assert await alone.browser.initialize()
    async with connected(driver, alone) as page:
        assert await page.evaluate("1 + 1") == 2


@pytest.mark.slow
async def test_options_are_what_pages_see(driver: Any, alone: AsyncSession) -> None:
    option = BrowserOption(
        use_stealth=True,
        user_agent="Mine/1.0",
        viewport=BrowserViewport(1024, 700),
        screen=BrowserScreen(1600, 900),
        cmd_args=["--lang=de"],
        default_navigate_url=f"{ADDRESS}two.html",
    )
    assert await alone.browser.initialize(option), alone.browser.error
    async with connected(driver, alone) as page:
        seen = await page.evaluate(SEEN)
        assert seen[:6] == [1024, 700, 1600, 900, False, "Mine/1.0"]
        assert (await page.title(), page.url) == ("Two", f"{ADDRESS}two.html")
        another = await page.context.new_page()
        await another.goto(ADDRESS)
        assert (await another.evaluate(SEEN))[:6] == seen[:6]


@pytest.mark.slow
async def test_a_fingerprint_is_made_up_and_kept(driver: Any, alone: AsyncSession) -> None:
    print_ = BrowserFingerprint(devices=["desktop"], operating_systems=["windows"], locales=["de-DE", "de"])
    option = BrowserOption(fingerprint=print_, fingerprint_persistent=True)
    assert await alone.browser.initialize(option), alone.browser.error
    async with connected(driver, alone) as page:
        await page.goto(ADDRESS)
        first = await page.evaluate(SEEN)
    assert (first[7], first[8], "Windows NT 10.0" in first[5]) == ("Win32", "de-DE,de", True)
    await alone.browser.destroy()
    assert await alone.browser.initialize(option), alone.browser.error
    async with connected(driver, alone) as page:
        await page.goto(ADDRESS)
        assert await page.evaluate(SEEN) == first
    await alone.browser.destroy()
    (await alone.file_system.write_file("/tmp/browser_fingerprint/fingerprint.json", "[" * 200_000)).unwrap()
    assert await alone.browser.initialize(option), alone.browser.error


@pytest.mark.slow
async def test_a_profile_lives_on_in_its_context(driver: Any, client: AsyncAgentBay) -> None:
    context = (await client.context.get("profile", create=True)).unwrap().context
    params = {"browser_context": BrowserContext(context.id, auto_upload=True)}
    kept = "[document.cookie, localStorage.fruit ?? '']"
    seen = []
    for _ in range(2):
        session = await opened(client, **params)
        assert await session.browser.initialize(), session.browser.error
        async with connected(driver, session) as page:
            await page.goto(ADDRESS)
            seen.append(await page.evaluate(kept))
            await page.evaluate("document.cookie = 'fruit=plum; max-age=9999'; localStorage.fruit = 'plum'")
        (await session.delete(sync_context=True)).unwrap()
    assert seen == [["", ""], ["fruit=plum", "plum"]]


@pytest.mark.slow
async def test_extensions_of_the_session_run(driver: Any, alone: AsyncSession) -> None:
    manifest = {
        "manifest_version": 3,
        "name": "Mark",
        "version": "1.0",
        "content_scripts": [{"matches": ["http://127.0.0.1/*"], "js": ["mark.js"], "run_at": "document_end"}],
    }
    files = {"manifest.json": json.dumps(manifest), "mark.js": "document.title = 'Marked'"}
    for name, text in files.items():
        (await alone.file_system.write_file(f"/tmp/extensions/ext_1/{name}", text)).unwrap()
    assert await alone.browser.initialize(), alone.browser.error
    async with connected(driver, alone) as page:
        await page.goto(ADDRESS)
        assert await page.title() == "Marked"


@pytest.mark.slow
async def test_a_proxy_of_the_users_own_is_refused_where_the_policy_does_not_list_it(
    driver: Any, alone: AsyncSession
) -> None:
    proxy = BrowserProxy("custom", server="http://proxy.example.com:8080", username="ada", password="hunter2")
    assert await alone.browser.initialize(BrowserOption(proxies=[proxy])), alone.browser.error
    async with connected(driver, alone) as page:
        response = await page.goto("http://example.com/")
        text = await response.text()
    assert (response.status, "the proxy proxy.example.com:8080 cannot be reached: 403" in text) == (502, True)


async def test_a_link_to_its_port_serves_the_addresses_of_the_endpoint(driver: Any, alone: AsyncSession) -> None:
    assert await alone.browser.initialize()
    url = (await alone.get_link("https", 9222)).unwrap().data
    browser = await driver.chromium.connect_over_cdp(url)
    assert await browser.contexts[0].pages[0].evaluate("2 + 2") == 4
    await browser.close()


async def test_the_default_link_of_the_browser_image_is_its_endpoint(alone: AsyncSession) -> None:
    url = (await alone.get_link()).unwrap().data
    async with aiohttp.ClientSession() as http, http.ws_connect(url) as socket:
        await socket.send_json({"id": 1, "method": "Browser.getVersion"})
        assert "Chrom" in (await socket.receive_json())["result"]["product"]


async def test_a_port_that_is_taken_is_named(alone: AsyncSession) -> None:
    taken = "(nohup python3 -m http.server 9222 --bind 127.0.0.1 >/dev/null 2>&1 &); "
    (await alone.command.execute_command(taken + listening(9222), 20_000)).unwrap()
    assert not await alone.browser.initialize()
    assert alone.browser.error is not None
    assert "port 9222, which the browser needs, is taken by another program" in alone.browser.error.message


@pytest.mark.parametrize(
    ("option", "text"),
    [
        (
            BrowserOption(proxies=[BrowserProxy("wuying", strategy="restricted")]),
            "proxies of type wuying are the vendor's",
        ),
        (BrowserOption(cmd_args=["--user-data-dir=/tmp/x"]), "--user-data-dir, which the server sets itself"),
        (BrowserOption(default_navigate_url="javascript:1"), "must begin with http://"),
    ],
)
async def test_options_that_cannot_be_met_are_refused_by_name(
    client: AsyncAgentBay, option: BrowserOption, text: str
) -> None:
    session = (await client.create(CreateSessionParams(image_id="browser_latest"))).unwrap().session
    assert not await session.browser.initialize(option)
    assert session.browser.error is not None
    assert (text in session.browser.error.message, "BrowserOption" in session.browser.error.message) == (True, True)
    await session.delete()


async def test_an_image_without_a_browser_says_so(client: AsyncAgentBay) -> None:
    session = (await client.create(CreateSessionParams(image_id="code_latest"))).unwrap().session
    assert not await session.browser.initialize()
    assert session.browser.error is not None
    assert session.browser.error.code == "ImageTypeNotMatched"
    await session.delete()
