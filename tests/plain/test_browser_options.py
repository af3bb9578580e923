"""The options of browsers and of their operator: what the service is told, and what is refused."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest

from agentbay import (
    ActOptions,
    BrowserFingerprint,
    BrowserNotifyMessage,
    BrowserOption,
    BrowserProxy,
    BrowserScreen,
    BrowserViewport,
    ExtractOptions,
    ObserveOptions,
)
from agentbay.actions import InitBrowser

# Read as data, so that wrong values are what users write and not what type checkers refuse.
Proxy: Any = BrowserProxy
Option: Any = BrowserOption
Fingerprint: Any = BrowserFingerprint
Viewport: Any = BrowserViewport

PROXIES: dict[str, tuple[BrowserProxy, dict[str, Any]]] = {
    "custom": (BrowserProxy("custom", "h:1"), {"type": "custom", "server": "h:1"}),
    "custom with a name": (
        BrowserProxy("custom", server="h:1", username="u", password="p"),
        {"type": "custom", "server": "h:1", "username": "u", "password": "p"},
    ),
    "restricted": (
        BrowserProxy("wuying", strategy="restricted", pollsize=0),
        {"type": "wuying", "strategy": "restricted"},
    ),
    "polling": (
        BrowserProxy("wuying", strategy="polling"),
        {"type": "wuying", "strategy": "polling", "pollsize": 10},
    ),
    "polling more": (
        BrowserProxy("wuying", strategy="polling", pollsize=3),
        {"type": "wuying", "strategy": "polling", "pollsize": 3},
    ),
    "sticky": (
        BrowserProxy("managed", strategy="sticky", user_id="u", city=""),
        {"type": "managed", "strategy": "sticky", "userId": "u"},
    ),
    "matched": (
        BrowserProxy("managed", None, None, None, "matched", 10, "u", "i", "c", "p", "t"),
        {
            "type": "managed",
            "strategy": "matched",
            "userId": "u",
            "isp": "i",
            "country": "c",
            "province": "p",
            "city": "t",
        },
    ),
}


@pytest.mark.parametrize("row", PROXIES.values(), ids=list(PROXIES))
def test_a_proxy_has_the_services_names(row: tuple[BrowserProxy, dict[str, Any]]) -> None:
    assert row[0].to_map() == row[1]


def test_a_password_is_never_shown() -> None:
    option = BrowserOption(proxies=[BrowserProxy("custom", "h:1", "u", "canary")])
    assert "canary" not in repr(option) + repr(InitBrowser("s", "/p", option.to_map()))


REFUSED: list[tuple[Callable[[], object], str]] = [
    (lambda: Proxy("socks"), "proxy_type must be custom, wuying, or managed"),
    (lambda: Proxy("custom"), "server is required for custom proxy type"),
    (lambda: Proxy("wuying"), "strategy is required for wuying proxy type"),
    (lambda: Proxy("wuying", strategy="sticky"), "strategy must be restricted or polling for wuying proxy type"),
    (
        lambda: Proxy("wuying", strategy="polling", pollsize=0),
        "pollsize must be greater than 0 for polling strategy",
    ),
    (
        lambda: Proxy("wuying", strategy="polling", pollsize=True),
        "pollsize must be greater than 0 for polling strategy",
    ),
    (lambda: Proxy("managed", user_id="u"), "strategy is required for managed proxy type"),
    (
        lambda: Proxy("managed", strategy="restricted", user_id="u"),
        "strategy must be polling, sticky, rotating, or matched for managed proxy type",
    ),
    (lambda: Proxy("managed", strategy="sticky"), "user_id is required for managed proxy type"),
    (
        lambda: Proxy("managed", strategy="matched", user_id="u"),
        "At least one of isp, country, province, or city is required for matched strategy",
    ),
    (lambda: Option(proxies=BrowserProxy("custom", "h")), "proxies must be a list"),
    (lambda: Option(proxies=[BrowserProxy("custom", "h")] * 2), "proxies list length must be limited to 1"),
    (lambda: Option(proxies=["h:1"]), "proxies must be a list of BrowserProxy"),
    (lambda: Option(extension_path=5), "extension_path must be a string"),
    (lambda: Option(extension_path=" "), "extension_path cannot be empty"),
    (lambda: Option(cmd_args="--x"), "cmd_args must be a list"),
    (lambda: Option(cmd_args=[1]), "cmd_args must be a list of texts"),
    (lambda: Option(browser_type="firefox"), "browser_type must be 'chrome' or 'chromium'"),
    (lambda: Option(browser_type=""), "browser_type must be 'chrome' or 'chromium'"),
    (lambda: Option(viewport=(1, 2)), "viewport must be a BrowserViewport"),
    (lambda: Option(screen={"width": 1}), "screen must be a BrowserScreen"),
    (lambda: Option(fingerprint={}), "fingerprint must be a BrowserFingerprint"),
    (lambda: Option(fingerprint_format="{}"), "fingerprint_format must be a FingerprintFormat"),
    (lambda: Option(user_agent=5), "user_agent must be a string"),
    (lambda: Option(default_navigate_url=b"x"), "default_navigate_url must be a string"),
    (lambda: Fingerprint(devices="mobile"), "devices must be a list"),
    (lambda: Fingerprint(devices=["tv"]), "device must be desktop or mobile"),
    (lambda: Fingerprint(operating_systems={"linux"}), "operating_systems must be a list"),
    (
        lambda: Fingerprint(operating_systems=["linux", 5]),
        "operating_system must be windows, macos, linux, android or ios",
    ),
    (lambda: Fingerprint(locales="de"), "locales must be a list"),
    (lambda: Fingerprint(locales=[None]), "locales must be a list of texts"),
    (lambda: Viewport(0), "width must be a whole number of pixels above 0, not 0"),
    (lambda: BrowserScreen(1, -5), "height must be a whole number of pixels above 0, not -5"),
    (lambda: Viewport("1"), "width must be a whole number of pixels above 0, not '1'"),
    (lambda: ActOptions(" "), "action must be text, and not blank"),
    (lambda: ActOptions("x", timeout=0), "timeout (seconds) must be a whole number above 0, not 0"),
    (lambda: ObserveOptions(""), "instruction must be text, and not blank"),
    (lambda: ObserveOptions("x", timeout=0), "timeout (seconds) must be a whole number above 0, not 0"),
    (lambda: ExtractOptions("", {}), "instruction must be text, and not blank"),
    (lambda: ExtractOptions("x", {}, timeout=-1), "timeout must be at least 0 seconds, not -1"),
    (lambda: ExtractOptions("x", {}, max_page=0), "max_page (pages) must be a whole number above 0, not 0"),
]


@pytest.mark.parametrize(("make", "text"), REFUSED, ids=[text for _, text in REFUSED])
def test_what_the_service_would_not_take_is_refused(make: Callable[[], object], text: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(text)}$"):
        make()


def test_what_goes_wrong_after_the_making_is_refused_when_it_is_sent() -> None:
    option = BrowserOption(proxies=[BrowserProxy("custom", "h")], viewport=BrowserViewport())
    assert option.proxies is not None
    assert option.viewport is not None
    option.proxies[0].server = ""
    with pytest.raises(ValueError, match="server is required"):
        option.to_map()

    option.proxies = []
    option.viewport.width = 0
    with pytest.raises(ValueError, match="width must be"):
        option.to_map()

    option.viewport = None
    assert option.to_map()["extensionPath"] == "/tmp/extensions/"
    assert "proxies" not in option.to_map()
    assert "extensionPath" not in BrowserOption(extension_path=None).to_map()


def test_a_fingerprint_of_any_kind_says_nothing() -> None:
    assert BrowserFingerprint().to_map() == {}


@pytest.mark.parametrize(("persistent", "path"), [(True, "/tmp/browser_fingerprint/fingerprint.json"), (False, None)])
def test_a_fingerprint_that_is_kept_has_a_path(persistent: bool, path: str | None) -> None:
    assert BrowserOption(fingerprint_persistent=persistent).fingerprint_persist_path == path


def test_a_message_tells_what_is_set() -> None:
    assert BrowserNotifyMessage().to_map() == {}
    full = BrowserNotifyMessage("t", 0, 0, "", "none", {"a": 1})
    assert full.to_map() == {"type": "t", "id": 0, "code": 0, "message": "", "action": "none", "extraParams": {"a": 1}}
    assert BrowserNotifyMessage.of(full.to_map()) == full
