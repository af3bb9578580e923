"""The browser of a session: its start and options on the wire, its address, its end, its pictures."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from typing import Any

import pytest

from agentbay import (
    APIError,
    AsyncAgentBay,
    AsyncSession,
    BrowserError,
    BrowserFingerprint,
    BrowserOption,
    BrowserPageError,
    BrowserProxy,
    BrowserScreen,
    BrowserViewport,
    CreateSessionParams,
    FingerprintFormat,
    NotFoundError,
    ServerError,
)
from tests._async.browser_pages import AsyncFakePage
from tests.catalogue import check_action, check_args, example, example_text
from tests.fingerprints import DOCUMENT
from tests.gateway import GONE, REQUEST_ID, SESSION_ID, Answer, Gateway, Said, no, of_json, ok, refusal
from tests.scripted import async_all

PLAIN = {
    "useStealth": False,
    "solveCaptchas": False,
    "autoLogin": False,
    "callForUser": False,
    "extensionPath": "/tmp/extensions/",
}
SIMULATE = "AGENTBAY_BROWSER_BEHAVIOR_SIMULATE"


@pytest.fixture
def started(gateway: Gateway) -> Gateway:
    gateway.on("InitBrowser", example("InitBrowser"))
    return gateway


def sent_option(gateway: Gateway) -> Any:
    return json.loads(gateway.last("InitBrowser").form["BrowserOption"])


# --- Start ------------------------------------------------------------------------------------------------------------


async def test_a_plain_start_sends_the_defaults(session: AsyncSession, started: Gateway) -> None:
    assert await session.browser.initialize() is True

    [request] = started.requests
    assert check_action(request) == {
        "SessionId": SESSION_ID,
        "PersistentPath": "/tmp/agentbay_browser",
        "BrowserOption": json.dumps(PLAIN),
    }
    assert session.browser.is_initialized()
    assert session.browser.get_option() == BrowserOption()


@pytest.mark.parametrize(("told", "expected"), [({"Unmet": ["a: b"]}, ("a: b",)), ({"Unmet": "a"}, ()), ({}, ())])
async def test_options_that_the_service_does_not_do_are_named(
    session: AsyncSession, gateway: Gateway, told: dict[str, Any], expected: tuple[str, ...]
) -> None:
    gateway.on("InitBrowser", ok({"Port": 9222, **told}))

    assert await session.browser.initialize() is True

    assert session.browser.unmet == expected


async def test_all_options_travel_under_the_services_names(session: AsyncSession, started: Gateway) -> None:
    fingerprint = FingerprintFormat.load(DOCUMENT)
    option = BrowserOption(
        use_stealth=True,
        user_agent="Mözilla",
        viewport=BrowserViewport(800, 600),
        screen=BrowserScreen(),
        fingerprint=BrowserFingerprint(["desktop"], ["windows", "macos"], ["de-DE"]),
        fingerprint_format=fingerprint,
        fingerprint_persistent=True,
        solve_captchas=True,
        auto_login=True,
        call_for_user=True,
        proxies=[BrowserProxy("custom", "127.0.0.1:8080", "u", "p")],
        extension_path="/x/",
        cmd_args=["--a=b"],
        default_navigate_url="https://example.com",
        browser_type="chrome",
    )

    assert await session.browser.init(option) is True

    raw = sent_option(started).pop("fingerprintRawData")
    assert base64.b64decode(raw).decode() == fingerprint.to_json(indent=2)
    assert sent_option(started) == {
        "useStealth": True,
        "userAgent": "Mözilla",
        "viewport": {"width": 800, "height": 600},
        "screen": {"width": 1920, "height": 1080},
        "fingerprint": {
            "devices": ["desktop"],
            "operatingSystems": ["windows", "macos"],
            "locales": ["de-DE"],
        },
        "fingerprintRawData": raw,
        "fingerprintPersistPath": "/tmp/browser_fingerprint/fingerprint.json",
        "solveCaptchas": True,
        "autoLogin": True,
        "callForUser": True,
        "proxies": [{"type": "custom", "server": "127.0.0.1:8080", "username": "u", "password": "p"}],
        "extensionPath": "/x/",
        "cmdArgs": ["--a=b"],
        "defaultNavigateUrl": "https://example.com",
        "browserType": "chrome",
    }
    assert session.browser.get_option() is option


@pytest.mark.parametrize(("value", "told"), [("1", True), ("yes", True), ("0", False), ("", None)])
async def test_the_environment_says_whether_a_person_is_simulated(
    session: AsyncSession, started: Gateway, monkeypatch: pytest.MonkeyPatch, value: str, told: bool | None
) -> None:
    monkeypatch.setenv(SIMULATE, value)

    await session.browser.initialize()

    assert sent_option(started).get("behaviorSimulate") is told


@pytest.mark.parametrize("replay", [None, True, False])
async def test_a_choice_of_recording_is_told_again_to_the_browser(
    client: AsyncAgentBay, started: Gateway, replay: bool | None
) -> None:
    started.on("CreateMcpSession", example("CreateMcpSession"))
    session = (await client.create(CreateSessionParams(enable_browser_replay=replay))).session

    await session.browser.initialize()

    assert sent_option(started).get("enableRecord") is replay


async def test_a_browser_that_runs_is_not_started_again(session: AsyncSession, started: Gateway) -> None:
    await session.browser.initialize(BrowserOption(use_stealth=True))

    assert await session.browser.initialize() is True
    assert started.names == ["InitBrowser"]
    assert session.browser.get_option() == BrowserOption(use_stealth=True)


async def test_of_several_starts_at_once_one_is_sent(session: AsyncSession, started: Gateway) -> None:
    await async_all(lambda _: session.browser.initialize(), range(5))

    assert started.names == ["InitBrowser"]


PORTS = {
    "text": ok('{"Port": 9222}'),
    "a no with a port": no("Odd", "still there", Data={"Port": 1}),
}


@pytest.mark.parametrize("answer", PORTS.values(), ids=list(PORTS))
async def test_a_port_is_what_counts(session: AsyncSession, gateway: Gateway, answer: Answer) -> None:
    gateway.on("InitBrowser", answer)

    assert await session.browser.initialize() is True


REFUSALS: dict[str, tuple[Answer, type[APIError], str]] = {
    "no data": (ok(), APIError, "The service told of no port of a browser"),
    "no port": (ok({}), APIError, "The service told of no port of a browser"),
    "an odd port": (ok({"Port": True}), APIError, "The service told of no port of a browser"),
    "no JSON": (ok("{"), APIError, "The service told of no port of a browser"),
    "a list": (ok([]), APIError, "The service told of no port of a browser"),
    "a refusal": (refusal("ImageTypeNotMatched", "No browser."), APIError, "[ImageTypeNotMatched] No browser."),
    "a no": (no("Busy", "Later."), APIError, "[Busy] Later."),
    "gone": (GONE, NotFoundError, "[InvalidMcpSession.NotFound] Resource [McpSession] is not found."),
}


@pytest.mark.parametrize("row", REFUSALS.values(), ids=list(REFUSALS))
async def test_a_browser_that_does_not_start_is_false_and_says_why(
    session: AsyncSession, gateway: Gateway, row: tuple[Answer, type[APIError], str]
) -> None:
    answer, kind, text = row
    gateway.on("InitBrowser", answer, example("InitBrowser"))

    assert await session.browser.initialize() is False

    error = session.browser.error
    assert type(error) is kind
    assert (error.message, error.request_id, error.session_id) == (text, REQUEST_ID, SESSION_ID)
    assert (session.browser.is_initialized(), session.browser.get_option()) == (False, None)
    assert await session.browser.initialize() is True
    assert session.browser.error is None


async def test_a_lost_answer_to_the_start_is_raised(gateway: Gateway, client: AsyncAgentBay) -> None:
    gateway.on("GetSession", ok(gateway.session_data()))
    session = (await client.get(SESSION_ID)).session
    gateway.on("InitBrowser", Answer(200, b"half"), example("InitBrowser"))

    with pytest.raises(Exception, match="InitBrowser cannot be read"):
        await session.browser.initialize()

    assert await session.browser.initialize() is True


async def test_options_of_another_class_are_refused_before_anything_is_sent(
    session: AsyncSession, gateway: Gateway
) -> None:
    with pytest.raises(TypeError, match="option must be a BrowserOption or None, not a dict"):
        await session.browser.initialize({"useStealth": True})  # type: ignore[arg-type]
    assert gateway.requests == []


async def test_an_option_that_went_wrong_later_is_refused_before_anything_is_sent(
    session: AsyncSession, gateway: Gateway
) -> None:
    option = BrowserOption()
    option.browser_type = "firefox"  # type: ignore[assignment]

    with pytest.raises(ValueError, match="browser_type must be 'chrome' or 'chromium'"):
        await session.browser.initialize(option)
    assert gateway.requests == []


# --- Address ----------------------------------------------------------------------------------------------------------


async def test_the_address_is_asked_for_each_time(session: AsyncSession, started: Gateway) -> None:
    started.on("GetCdpLink", example("GetCdpLink"), ok({"Url": "ws://again"}))
    await session.browser.initialize()

    urls = [await session.browser.get_endpoint_url(), await session.browser.get_endpoint_url()]

    assert check_action(started.requests[1]) == {"SessionId": SESSION_ID}
    assert urls == ["wss://gw-cn-hangzhou-ai-linux.example.com:8008/websocket_ai/TOKEN", "ws://again"]


ADDRESSES = {
    "a no": (no("Odd", "Not now."), "[Odd] Not now."),
    "a refusal": (refusal("InvalidParameter", "Wrong."), "[InvalidParameter] Wrong."),
    "no data": (ok(Message="Nothing here."), "Nothing here."),
    "no url": (ok({"Url": ""}), "the service gave no URL"),
}


@pytest.mark.parametrize("row", ADDRESSES.values(), ids=list(ADDRESSES))
async def test_no_address_is_an_error(session: AsyncSession, started: Gateway, row: tuple[Answer, str]) -> None:
    started.on("GetCdpLink", row[0])
    await session.browser.initialize()

    with pytest.raises(BrowserError) as caught:
        await session.browser.get_endpoint_url()

    wanted = f"Failed to get endpoint URL from session: Failed to get CDP link: {row[1]}"
    assert (caught.value.message, caught.value.request_id) == (wanted, REQUEST_ID)
    assert isinstance(caught.value.__cause__, APIError)


NEEDS: dict[str, tuple[Callable[[AsyncSession], Any], str]] = {
    "get_endpoint_url": (
        lambda session: session.browser.get_endpoint_url(),
        "Browser is not initialized. Cannot access endpoint URL.",
    ),
    "destroy": (lambda session: session.browser.destroy(), "Browser is not initialized. Cannot stop browser."),
    "screenshot": (
        lambda session: session.browser.screenshot(AsyncFakePage(1)),
        "Browser must be initialized before calling screenshot.",
    ),
}


@pytest.mark.parametrize("row", NEEDS.values(), ids=list(NEEDS))
async def test_what_needs_a_browser_says_so(
    session: AsyncSession, gateway: Gateway, row: tuple[Callable[[AsyncSession], Any], str]
) -> None:
    with pytest.raises(BrowserError) as caught:
        await row[0](session)
    assert (caught.value.message, gateway.requests) == (row[1], [])


# --- End --------------------------------------------------------------------------------------------------------------


def covered() -> set[str]:
    """The tool of which the next test sees the request and the answer."""
    return {"stopChrome"}


async def test_the_browser_is_stopped_by_a_tool_and_can_be_started_again(
    either: AsyncSession, started: Gateway
) -> None:
    either.tool_servers["stopChrome"] = "wuying_cdp_mcp_server"
    started.on("stopChrome", Said(example_text("stopChrome")))
    await either.browser.initialize()

    assert await either.browser.destroy() is None

    request = started.last("stopChrome")
    check_args("stopChrome", request.args)
    assert request.args == {}
    assert (either.browser.is_initialized(), either.browser.get_option()) == (False, None)
    assert await either.browser.initialize() is True


async def test_a_browser_that_cannot_be_stopped_is_an_error(session: AsyncSession, started: Gateway) -> None:
    started.on("stopChrome", Said("it hangs", failed=True))
    await session.browser.initialize()

    with pytest.raises(BrowserError) as caught:
        await session.browser.destroy()

    assert (caught.value.message, caught.value.session_id) == ("Failed to stop the browser: it hangs", SESSION_ID)
    assert not session.browser.is_initialized()


async def test_a_session_that_is_gone_has_no_browser_to_stop(session: AsyncSession, started: Gateway) -> None:
    started.on("stopChrome", GONE)
    await session.browser.initialize()

    assert await session.browser.destroy() is None


async def test_a_service_that_fails_to_stop_it_is_an_error(session: AsyncSession, started: Gateway) -> None:
    started.on("stopChrome", of_json({"Code": "InternalError", "Message": "Oh."}, 500))
    await session.browser.initialize()

    with pytest.raises(BrowserError, match=r"Failed to stop the browser: \[InternalError\] Oh\.") as caught:
        await session.browser.destroy()
    assert not isinstance(caught.value, ServerError)


# --- Pictures ---------------------------------------------------------------------------------------------------------

SHOT = {"animations": "disabled", "caret": "hide", "scale": "css", "timeout": 60000, "type": "png", "full_page": False}


@pytest.fixture
async def running(session: AsyncSession, started: Gateway) -> AsyncSession:
    await session.browser.initialize()
    started.requests.clear()
    return session


async def test_a_picture_waits_for_what_loads_late(running: AsyncSession, gateway: Gateway) -> None:
    page = AsyncFakePage(700, 900, 900, 901.5)

    assert await running.browser.screenshot(page) == b"\x89PNG"

    late = ["scroll", 1200, "scroll", 1200, "scroll", "reveal", 1500, "height"]
    assert page.done == [*late, {"width": 1920, "height": 901}, SHOT]
    assert gateway.requests == []


async def test_a_page_without_end_is_scrolled_eight_times(running: AsyncSession) -> None:
    page = AsyncFakePage(*range(1000, 9000, 1000), 99_999, size={"width": 5, "height": 6})

    await running.browser.screenshot(page, full_page=True, type="jpeg", quality=50)

    taken = SHOT | {"full_page": True, "type": "jpeg", "quality": 50}
    assert page.done.count("scroll") == 8
    assert page.done[-3:] == [{"width": 1920, "height": 10_000}, taken, {"width": 5, "height": 6}]


async def test_an_empty_page_has_a_window_all_the_same(running: AsyncSession) -> None:
    page = AsyncFakePage(0)

    await running.browser.screenshot(page)

    assert {"width": 1920, "height": 1} in page.done


async def test_a_library_that_fails_is_a_page_error_and_the_window_is_as_before(running: AsyncSession) -> None:
    page = AsyncFakePage(5, broken="target crashed", size={"width": 5, "height": 6})

    with pytest.raises(BrowserPageError, match="Failed to capture screenshot: target crashed") as caught:
        await running.browser.screenshot(page)

    assert isinstance(caught.value, RuntimeError)
    assert isinstance(caught.value.__cause__, LookupError)
    assert page.done[-1] == {"width": 5, "height": 6}


async def test_a_picture_needs_a_page(running: AsyncSession) -> None:
    with pytest.raises(ValueError, match="Page cannot be None"):
        await running.browser.screenshot(None)  # type: ignore[arg-type]


def test_the_operator_has_two_names_and_knows_its_browser(session: AsyncSession) -> None:
    assert session.browser.agent is session.browser.operator
    assert session.browser.operator.browser is session.browser
    assert session.browser is session.browser.operator.session.browser
