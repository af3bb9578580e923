"""A browser that needs a person: who is told, what they answer, and what goes on then."""

from __future__ import annotations

import asyncio
import queue
import threading
from typing import Any

import pytest
import pytest_asyncio

from agentbay import ActOptions, AgentBay, AsyncSession, BrowserNotifyMessage, BrowserOption
from agentbay_local.app import Runtime
from agentbay_local.browser.calls import Calls
from agentbay_local.browser.lookout import is_captcha
from tests.local.browser.conftest import ADDRESS, Mind
from tests.waiting import async_until

asynchronous = pytest.mark.asyncio(loop_scope="session")

PERSON = {"method": "person", "need": "login", "message": "Log in, please."}
DONE = {"method": "done", "success": True, "result": "bought"}
CAPTCHA = "https://challenges.cloudflare.com/cdn-cgi/challenge-platform/h/b/turnstile/if/ov2/av0/x"
FRAME = f"document.body.append(Object.assign(document.createElement('iframe'), {{src: '{CAPTCHA}'}}))"


@pytest_asyncio.fixture(loop_scope="session")
async def calling(alone: AsyncSession) -> AsyncSession:
    """A session whose browser may call for a person."""
    option = BrowserOption(call_for_user=True, solve_captchas=True)
    assert await alone.browser.initialize(option), alone.browser.error
    return alone


@asynchronous
async def test_a_person_who_is_called_is_waited_for(calling: AsyncSession, runtime_here: Runtime, mind: Mind) -> None:
    mind.answers += [PERSON, DONE]
    heard: list[BrowserNotifyMessage] = []
    ready = threading.Event()
    with AgentBay(runtime_here.keys[0], endpoint=runtime_here.endpoint) as client:
        helping = asyncio.create_task(asyncio.to_thread(_helped, client, calling.session_id, ready))
        await calling.browser.register_callback(heard.append)
        await async_until(ready.is_set)
        told = await calling.browser.operator.act(ActOptions("buy a plum"))
        asked = await helping
    assert (told.success, "the person is done" in told.message) == (True, True)
    assert "the person is done" in mind.words
    console = await calling.call_mcp_tool("browser_console_messages", {})
    assert "wuying-call-for-user" in console.data
    more = {"max_wait_time": 180, "details": "Log in, please."}
    assert asked == BrowserNotifyMessage("call-for-user", asked.id, 102, "login request", "takeover", more)
    await async_until(lambda: len(heard) == 2)
    assert heard == [
        asked,
        BrowserNotifyMessage("call-for-user", asked.id, 199, "user handle done", "takeoverdone", {}),
    ]


def _helped(client: AgentBay, session_id: str, ready: threading.Event) -> BrowserNotifyMessage:
    """Another program, in the other colour: it waits for the call, and says something else first."""
    browser = client.get(session_id).unwrap().session.browser
    heard: queue.Queue[BrowserNotifyMessage] = queue.Queue()
    browser.register_callback(heard.put)
    ready.set()
    asked = heard.get(timeout=20)
    assert browser.send_notify_message(BrowserNotifyMessage("call-for-user", asked.id, 0, "so what", "none"))
    assert browser.send_takeover_done(asked.id or 0)
    return asked


@asynchronous
async def test_a_captcha_on_a_page_calls_for_a_person(calling: AsyncSession) -> None:
    playwright = pytest.importorskip("playwright.async_api")
    heard: list[BrowserNotifyMessage] = []
    said: list[str] = []
    await calling.browser.register_callback(heard.append)
    async with playwright.async_playwright() as driver:
        browser = await driver.chromium.connect_over_cdp(await calling.browser.get_endpoint_url())
        page = browser.contexts[0].pages[0]
        page.on("console", lambda line: said.append(line.text))
        await page.route("https://challenges.cloudflare.com/**", lambda route: route.fulfill(body="Are you a person?"))
        await page.goto(ADDRESS)
        await page.evaluate(FRAME)
        await page.evaluate(FRAME)
        await async_until(lambda: heard and "wuying-call-for-user" in said)
        assert [(each.code, each.message, each.action) for each in heard] == [(101, "captcha request", "takeover")]
        assert await calling.browser.send_takeover_done(heard[0].id or 0)
        await page.goto(f"{ADDRESS}two.html")
        await browser.close()


@asynchronous
async def test_nobody_is_called_unless_the_options_say_so(shop: AsyncSession, mind: Mind) -> None:
    assert await shop.browser.initialize()
    heard: list[BrowserNotifyMessage] = []
    await shop.browser.register_callback(heard.append)
    mind.answers += [PERSON, DONE]
    told = await shop.browser.operator.act(ActOptions("buy a plum"))
    assert (told.success, heard) == (True, [])
    assert "nobody can be called: the browser was started without callForUser" in mind.words
    assert "captcha" not in mind.asked[0]["messages"][0]["content"]
    await shop.browser.unregister_callback()


@asynchronous
async def test_what_a_person_is_needed_for_must_be_known(calling: AsyncSession, mind: Mind) -> None:
    mind.answers += [{**PERSON, "need": "company"}, DONE]
    await calling.browser.operator.act(ActOptions("buy a plum"))
    assert "need must be one of captcha, login, pay" in mind.words
    assert '"method": "person"' in mind.asked[0]["messages"][0]["content"]


@asynchronous
async def test_wishes_that_cannot_be_met_are_told_of_and_hinder_nothing(alone: AsyncSession) -> None:
    heard: list[BrowserNotifyMessage] = []
    await alone.browser.register_callback(heard.append)
    assert await alone.browser.initialize(BrowserOption(auto_login=True))
    await async_until(lambda: heard)
    assert (heard[0].code, heard[0].action, [heard[0].message]) == (0, "none", list(alone.browser.unmet))
    assert alone.browser.unmet[0].startswith("autoLogin: nothing here logs in by itself: page_use_login does")


@asynchronous
async def test_a_call_that_nobody_answers_ends() -> None:
    calls, heard = Calls(patience=0.01), list[dict[str, Any]]()
    calls.listeners["me"] = heard.append
    with calls.asking("pay") as ended:
        assert not await ended()
    assert heard == [
        {
            "type": "call-for-user",
            "id": 1,
            "code": 103,
            "message": "pay request",
            "action": "takeover",
            "extraParams": {"max_wait_time": 0.01},
        }
    ]
    assert not calls.take({"id": 1, "action": "takeoverdone"})


@asynchronous
@pytest.mark.parametrize(
    "told",
    [
        {},
        {"id": "1", "action": "takeoverdone"},
        {"id": True, "action": "takeoverdone"},
        {"id": 1},
        {"id": 2, "action": "takeoverdone"},
    ],
)
async def test_messages_that_end_no_call_are_passed_over(told: dict[str, Any]) -> None:
    calls = Calls()
    with calls.asking("pay"):
        assert not calls.take(told)
        assert calls.take({"id": 1, "action": "takeoverdone"})
        assert not calls.take({"id": 1, "action": "takeoverdone"})


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        (CAPTCHA, True),
        ("https://www.google.com/recaptcha/api2/anchor?ar=1&k=x&size=normal&cb=y", True),
        ("https://www.google.com/recaptcha/enterprise/anchor?ar=1&size=invisible", False),
        ("https://newassets.hcaptcha.com/captcha/v1/x/static/hcaptcha.html#frame=checkbox&id=1", True),
        ("https://challenges.cloudflare.com.example/cdn-cgi/challenge-platform/h/turnstile/", False),
        ("https://example.com/?https://challenges.cloudflare.com/cdn-cgi/challenge-platform/h/turnstile/", False),
        ("about:blank", False),
        ("http://[", False),
    ],
)
def test_captchas_are_known_by_their_frames(url: str, expected: bool) -> None:
    assert is_captcha(url) is expected
