"""Fingerprints taken from a browser of this machine."""

from __future__ import annotations

from pathlib import Path

from agentbay._browser import Foreign
from agentbay._collect import COLLECT, Echo
from agentbay._pairs import async_blocking
from agentbay._playwright_pairs import async_launched
from agentbay._transfer import LocalFault, Partial
from agentbay.errors import BrowserError, FileError
from agentbay.types.fingerprint import FingerprintFormat

__all__ = ["AsyncBrowserFingerprintGenerator"]


class AsyncBrowserFingerprintGenerator:
    """Takes the fingerprint of a browser on this machine, with your own Playwright (`pip install playwright`).

    Args:
        headless: start it without a window; pages can tell.
        use_chrome_channel: take the Chrome that is installed, not the Chromium of Playwright.
    """

    def __init__(self, headless: bool = False, use_chrome_channel: bool = True) -> None:
        self.headless = headless
        self.use_chrome_channel = use_chrome_channel

    async def generate_fingerprint(self) -> FingerprintFormat:
        """Start the browser, take its fingerprint and the headers it sends, and end it. Nothing leaves this machine.

        Raises:
            BrowserError: Playwright is not installed, or what the browser tells is no fingerprint.
            BrowserPageError: the browser did not start, or failed.

        Source: a page on this machine.
        """
        channel = "chrome" if self.use_chrome_channel else None
        with Foreign("Failed to take a fingerprint"), Echo() as echo:
            async with async_launched(self.headless, channel) as browser:
                page = await browser.new_page(no_viewport=True)
                await page.goto(echo.url)
                told = await page.evaluate(COLLECT)
        try:
            return FingerprintFormat.load({"fingerprint": told, "headers": echo.headers})
        except ValueError as wrong:
            raise BrowserError(f"What the browser tells is no fingerprint: {wrong}") from wrong

    async def generate_fingerprint_to_file(self, output_filename: str = "fingerprint_output.json") -> bool:
        """Take a fingerprint and write it to a file as JSON text; what was there is replaced.

        Args:
            output_filename: the file.

        Returns:
            True.

        Raises:
            BrowserError: as for `generate_fingerprint`.
            FileError: the file cannot be written.
        """
        text = (await self.generate_fingerprint()).to_json()
        try:
            await async_blocking(_write, Path(output_filename), text)
        except LocalFault as fault:
            raise FileError(f"{output_filename} cannot be written: {fault}") from fault
        return True


def _write(path: Path, text: str) -> None:
    with Partial(path) as partial:
        partial.write(text.encode())
        partial.finish()
