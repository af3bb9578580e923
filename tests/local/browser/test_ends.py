"""Browsers and pages that end while somebody works on them."""

from __future__ import annotations

import asyncio
from typing import Any

import aiohttp
import pytest

from agentbay import ActOptions, AsyncSession
from agentbay_local import links
from tests.local.browser.conftest import ADDRESS, Mind
from tests.local.inside import NO_BROWSER, listening
from tests.waiting import async_until

pytestmark = pytest.mark.asyncio(loop_scope="session")

ENDED = "the browser has ended (signal 9), and its pages are gone; the next call starts it anew"
CRASHED = "the page has crashed: navigate to an address to have it again"


async def kill(session: AsyncSession, pattern: str, first: str = "") -> None:
    (await session.command.execute_command(f"{first}pkill -KILL {pattern}")).unwrap()


async def use(session: AsyncSession, tool: str, **args: Any) -> str:
    answer = await session.call_mcp_tool(tool, args)
    return str(answer.data) if answer.success else answer.error_message


async def test_a_browser_killed_under_a_call_ends_it_and_says_how(alone: AsyncSession) -> None:
    assert await alone.browser.initialize()
    url = await alone.browser.get_endpoint_url()
    await use(alone, "browser_navigate", url=ADDRESS)
    waiting = asyncio.create_task(use(alone, "browser_wait_for", text="never"))
    await asyncio.sleep(0.3)
    await kill(alone, "-o chrom")
    assert ENDED in await waiting
    (await alone.command.execute_command(NO_BROWSER, 20_000)).unwrap()
    assert "Page title: Shop" in await use(alone, "browser_navigate", url=ADDRESS)
    async with aiohttp.ClientSession() as http, http.ws_connect(url) as socket:  # the old link leads to the new one
        await socket.send_json({"id": 1, "method": "Target.getTargets"})
        targets = (await socket.receive_json())["result"]["targetInfos"]
        assert ADDRESS in {target["url"] for target in targets}


async def test_the_end_of_a_browser_is_known_although_its_children_live_on(alone: AsyncSession) -> None:
    await use(alone, "browser_navigate", url=ADDRESS)
    await kill(alone, "-o chrom", "pkill -STOP -f [t]ype=; ")
    assert ENDED in await use(alone, "browser_tab_list")
    await kill(alone, "-f [t]ype=")
    assert "Page title: Shop" in await use(alone, "browser_navigate", url=ADDRESS)


async def test_a_browser_killed_under_an_action_ends_it_and_says_how(alone: AsyncSession, mind: Mind) -> None:
    assert await alone.browser.initialize()
    await alone.browser.operator.navigate(ADDRESS)
    mind.answers.append({"method": "wait", "seconds": 1})
    acting = asyncio.create_task(alone.browser.operator.act(ActOptions("wait and see")))
    await async_until(lambda: mind.asked)
    await kill(alone, "-o chrom")
    told = await acting
    assert (told.success, ENDED in told.message) == (False, True), told.message
    assert await alone.browser.operator.navigate(ADDRESS) == f"Navigated to {ADDRESS} (Shop)"


async def test_a_page_that_crashes_ends_the_calls_about_it_and_comes_back(alone: AsyncSession) -> None:
    await use(alone, "browser_navigate", url=ADDRESS)
    waiting = asyncio.create_task(use(alone, "browser_wait_for", text="never"))
    await asyncio.sleep(0.3)
    await kill(alone, "-f type=renderer")
    assert CRASHED in await waiting
    assert CRASHED in await use(alone, "browser_take_screenshot")
    assert "Page title: Two" in await use(alone, "browser_navigate", url=f"{ADDRESS}two.html")
    assert CRASHED in await use(alone, "browser_navigate", url="chrome://crash")
    assert "Page title: Shop" in await use(alone, "browser_navigate", url=ADDRESS)


async def test_a_client_that_leaves_its_link_is_no_bug(
    shop: AsyncSession, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(links, "_LOOK", 0.05)
    silent = "import socket, time; s = socket.create_server(('127.0.0.1', 30101)); time.sleep(60)"
    serve = f'(nohup python3 -c "{silent}" >/dev/null 2>&1 &); '
    (await shop.command.execute_command(serve + listening(30101), 20_000)).unwrap()
    url = (await shop.get_link("https", 30101)).unwrap().data
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=0.3)) as http:
        with pytest.raises(TimeoutError):
            await http.get(url)
    await asyncio.sleep(0.3)
    assert "unexpected error" not in caplog.text
    (await shop.command.execute_command("pkill -f [3]0101")).unwrap()
