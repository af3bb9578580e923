"""Fingerprints from a browser of this machine: what is asked of Playwright, what is kept, what can go wrong."""

from __future__ import annotations

import json
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from agentbay import (
    AsyncBrowserFingerprintGenerator,
    BrowserError,
    BrowserPageError,
    FileError,
    FingerprintFormat,
)
from agentbay._pairs import async_blocking
from tests.fingerprints import DOCUMENT

HEADERS = {"User-Agent": "Mozilla/5.0", "Accept-Language": "de", "X-Other": "no", "Sec-Ch-Ua": '"Chromium"'}


def fetch(url: str) -> None:
    for path in ("favicon.ico", ""):
        try:
            urllib.request.urlopen(urllib.request.Request(url + path, headers=HEADERS), timeout=5).close()
        except urllib.error.HTTPError as missing:
            missing.close()


def contents(folder: Path) -> dict[str, Any]:
    """The fingerprints in a folder, by their files' names."""
    return {path.name: json.loads(path.read_text("utf-8"))["fingerprint"] for path in folder.iterdir()}


class AsyncLibrary:
    """What is used of Playwright: its driver, its browser and its page in one."""

    def __init__(self, told: Any, failing: str = "") -> None:
        self.told = told
        self.failing = failing
        self.asked: list[Any] = []
        self.chromium = self

    @asynccontextmanager
    async def open(self) -> AsyncIterator[AsyncLibrary]:
        yield self
        self.asked.append("ended")

    async def launch(self, **options: Any) -> AsyncLibrary:
        self.asked.append(options)
        if self.failing == "launch":
            raise LookupError("no such channel")
        return self

    async def new_page(self, **options: Any) -> AsyncLibrary:
        self.asked.append(options)
        return self

    async def goto(self, url: str) -> None:
        await async_blocking(fetch, url)

    async def evaluate(self, script: str) -> Any:
        if self.failing == "evaluate":
            raise LookupError("the page is gone")
        return self.told

    async def close(self) -> None:
        self.asked.append("closed")


def install(monkeypatch: pytest.MonkeyPatch, library: AsyncLibrary) -> AsyncLibrary:
    for name in ("async", "sync"):
        home: Any = ModuleType(f"playwright.{name}_api")
        setattr(home, f"{name}_playwright", library.open)
        monkeypatch.setitem(sys.modules, f"playwright.{name}_api", home)
    monkeypatch.setitem(sys.modules, "playwright", ModuleType("playwright"))
    return library


async def test_a_fingerprint_is_what_the_browser_tells_and_the_headers_it_sends(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    library = install(monkeypatch, AsyncLibrary(DOCUMENT["fingerprint"]))

    found = await AsyncBrowserFingerprintGenerator().generate_fingerprint()

    headers = {"user-agent": "Mozilla/5.0", "accept-language": "de", "sec-ch-ua": '"Chromium"'}
    assert found.headers == headers | {"accept-encoding": "identity"}
    assert found.fingerprint == FingerprintFormat.load(DOCUMENT).fingerprint
    launched = {"headless": False, "channel": "chrome", "args": ["--start-maximized"]}
    assert library.asked == [launched, {"no_viewport": True}, "closed", "ended"]
    assert "agentbay-echo" not in [thread.name for thread in threading.enumerate()]


async def test_the_browser_can_be_another_one_without_a_window(monkeypatch: pytest.MonkeyPatch) -> None:
    library = install(monkeypatch, AsyncLibrary(DOCUMENT["fingerprint"]))
    generator = AsyncBrowserFingerprintGenerator(headless=True, use_chrome_channel=False)

    await generator.generate_fingerprint()

    assert (generator.headless, generator.use_chrome_channel) == (True, False)
    assert library.asked[0] == {"headless": True, "channel": None, "args": ["--start-maximized"]}


async def test_a_fingerprint_can_be_written_to_a_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    install(monkeypatch, AsyncLibrary(DOCUMENT["fingerprint"]))
    path = str(tmp_path / "mine.json")
    assert await AsyncBrowserFingerprintGenerator().generate_fingerprint_to_file(path) is True

    assert await AsyncBrowserFingerprintGenerator().generate_fingerprint_to_file(path) is True

    assert contents(tmp_path) == {"mine.json": DOCUMENT["fingerprint"]}


async def test_a_file_that_cannot_be_written_is_an_error(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    install(monkeypatch, AsyncLibrary(DOCUMENT["fingerprint"]))

    with pytest.raises(FileError, match="cannot be written: "):
        await AsyncBrowserFingerprintGenerator().generate_fingerprint_to_file(str(tmp_path))


async def test_without_playwright_the_error_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("playwright", "playwright.async_api", "playwright.sync_api"):
        monkeypatch.setitem(sys.modules, name, None)

    with pytest.raises(BrowserError, match="Playwright is not installed Install it: pip install playwright") as caught:
        await AsyncBrowserFingerprintGenerator().generate_fingerprint()

    assert type(caught.value) is BrowserError
    assert isinstance(caught.value.__cause__, ImportError)


FAILING = {"launch": ("no such channel", []), "evaluate": ("the page is gone", ["closed"])}


@pytest.mark.parametrize("step", FAILING)
async def test_a_browser_that_fails_is_an_error_and_nothing_is_left(monkeypatch: pytest.MonkeyPatch, step: str) -> None:
    library = install(monkeypatch, AsyncLibrary({}, step))

    with pytest.raises(BrowserPageError, match=f"Failed to take a fingerprint: {FAILING[step][0]}"):
        await AsyncBrowserFingerprintGenerator().generate_fingerprint()

    assert library.asked[-1:] == FAILING[step][1] or library.asked[-1]["channel"] == "chrome"
    assert "agentbay-echo" not in [thread.name for thread in threading.enumerate()]


@pytest.mark.parametrize("told", [None, {}, [], {"screen": {}}])
async def test_what_is_no_fingerprint_is_an_error(monkeypatch: pytest.MonkeyPatch, told: Any) -> None:
    install(monkeypatch, AsyncLibrary(told))

    with pytest.raises(BrowserError, match="What the browser tells is no fingerprint: "):
        await AsyncBrowserFingerprintGenerator().generate_fingerprint()
