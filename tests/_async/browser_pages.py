"""Pages as Playwright has them, for as much as is used of them."""

from __future__ import annotations

from typing import Any


class AsyncCdp:
    """A CDP session that knows its target."""

    def __init__(self, page: AsyncFakePage) -> None:
        self._page = page

    async def send(self, method: str) -> Any:
        self._page.done.append(method)
        if self._page.broken:
            raise LookupError(self._page.broken)
        return {"targetInfo": {"targetId": "target-7"}}

    async def detach(self) -> None:
        self._page.done.append("detach")


class AsyncFakeContext:
    """The second context of a browser, or the only one of none."""

    def __init__(self, alone: bool) -> None:
        self.browser = None if alone else self
        self.contexts: list[Any] = [object(), self]

    async def new_cdp_session(self, page: AsyncFakePage) -> AsyncCdp:
        return AsyncCdp(page)


class AsyncFakePage:
    """Keeps what is done with it; `heights` are what it tells of itself in turn."""

    def __init__(self, *heights: Any, broken: str = "", alone: bool = False, size: Any = None) -> None:
        self.done: list[Any] = []
        self.broken = broken
        self.viewport_size = size
        self.context = AsyncFakeContext(alone)
        self._heights = list(heights)

    async def evaluate(self, expression: str, /) -> Any:
        self.done.append(
            "scroll" if "scrollTo(0, Math" in expression else "reveal" if "data-src" in expression else "height"
        )
        if "data-src" in expression:
            return None
        return self._heights.pop(0) if len(self._heights) > 1 else self._heights[0]

    async def wait_for_timeout(self, timeout: float, /) -> None:
        self.done.append(timeout)

    async def set_viewport_size(self, viewport_size: Any, /) -> None:
        self.done.append(viewport_size)

    async def screenshot(self, *args: Any, **kwargs: Any) -> bytes:
        self.done.append(kwargs)
        if self.broken:
            raise LookupError(self.broken)
        return b"\x89PNG"
