"""Pages of Playwright, or of what works like it: what a browser does with one that the user hands over."""

from __future__ import annotations

from typing import Any, Protocol

from agentbay._browser import HEIGHT, REVEAL, SCROLL, SHOT, whole_page

__all__ = ["AsyncPage", "async_capture", "async_place_of"]

SCROLLS = 8
SCROLL_MS = 1200
REVEAL_MS = 1500


class AsyncPage(Protocol):
    """What is used of a page; the pages of Playwright have it."""

    @property
    def context(self) -> Any:
        """The browser context of the page."""

    @property
    def viewport_size(self) -> Any:
        """The size of the window; None when it was never set."""

    async def evaluate(self, expression: str, /) -> Any:
        """Run a script in the page."""

    async def wait_for_timeout(self, timeout: float, /) -> None:
        """Let so many milliseconds pass."""

    async def set_viewport_size(self, viewport_size: Any, /) -> None:
        """Change the size of the window."""

    async def screenshot(self, *args: Any, **kwargs: Any) -> bytes:
        """Take a picture."""
        ...


async def async_capture(page: AsyncPage, full_page: bool, options: dict[str, Any]) -> bytes:
    """Take a picture of a page with all that it loads late; the window has its old size afterwards."""
    last: Any = None
    for _ in range(SCROLLS):
        height = await page.evaluate(SCROLL)
        if height == last:
            break
        last = height
        await page.wait_for_timeout(SCROLL_MS)
    await page.evaluate(REVEAL)
    await page.wait_for_timeout(REVEAL_MS)
    before = page.viewport_size
    await page.set_viewport_size(whole_page(await page.evaluate(HEIGHT)))
    try:
        return await page.screenshot(**{**SHOT, "full_page": full_page, **options})
    finally:
        if before is not None:
            await page.set_viewport_size(before)


async def async_place_of(page: AsyncPage | None) -> dict[str, Any]:
    """By which arguments the service knows a page; without one, the active page of the first context."""
    if page is None:
        return {"context_id": 0}
    context = page.context
    client = await context.new_cdp_session(page)
    try:
        told = await client.send("Target.getTargetInfo")
    finally:
        await client.detach()
    contexts = context.browser.contexts if context.browser is not None else [context]
    return {"context_id": contexts.index(context), "page_id": told["targetInfo"]["targetId"]}
