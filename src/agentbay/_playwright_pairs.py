"""A browser of this machine, driven by Playwright where it is installed: the asynchronous one first, then its twin."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from importlib import import_module
from typing import Any

from agentbay.errors import BrowserError

__all__ = ["async_launched", "launched"]

ARGS = ["--start-maximized"]


def _library(name: str) -> Any:
    try:
        return import_module(f"playwright.{name}")
    except ImportError as missing:
        raise BrowserError("Playwright is not installed", hint="Install it: pip install playwright.") from missing


@asynccontextmanager
async def async_launched(headless: bool, channel: str | None) -> AsyncIterator[Any]:
    """Start a browser, and end it with the block."""
    async with _library("async_api").async_playwright() as driver:
        browser = await driver.chromium.launch(headless=headless, channel=channel, args=ARGS)
        try:
            yield browser
        finally:
            await browser.close()


@contextmanager
def launched(headless: bool, channel: str | None) -> Iterator[Any]:
    """Start a browser, and end it with the block."""
    with _library("sync_api").sync_playwright() as driver:
        browser = driver.chromium.launch(headless=headless, channel=channel, args=ARGS)
        try:
            yield browser
        finally:
            browser.close()
