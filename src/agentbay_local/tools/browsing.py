"""The browser's tools that both families share: what they work on, and how they fail; and its end."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Any, Final, TypeVar

from agentbay_local.browser.faults import BrowserFault, BrowserGone, UnfitOption
from agentbay_local.browser.installed import BrowserMissing
from agentbay_local.tools.box import Box
from agentbay_local.tools.faults import INTERNAL, ToolFailure
from agentbay_local.tools.registry import tool

__all__ = ["WITH_BROWSER", "on_pages", "refusing"]

WITH_BROWSER: Final = ("linux_latest", "browser_latest")
UNREADABLE: Final = (KeyError, TypeError, ValueError, AttributeError, IndexError, OverflowError)

F = TypeVar("F", bound=Callable[..., Awaitable[str]])


@contextmanager
def refusing() -> Iterator[None]:
    """Makes what goes wrong with a browser a tool's answer. Its answers come from inside, and may be anything."""
    try:
        yield
    except (BrowserFault, BrowserMissing) as fault:
        raise ToolFailure(f"Browser error: {fault}", INTERNAL) from fault
    except UnfitOption as unfit:
        raise ToolFailure(f"Browser error: BrowserOption {unfit}", INTERNAL) from unfit
    except UNREADABLE as error:
        raise ToolFailure(f"Browser error: its answer cannot be read ({error!r:.200})", INTERNAL) from error


def on_pages(*, server: str, images: tuple[str, ...], doing: str) -> Callable[[F], F]:
    """Registers a tool of the browser."""

    def register(function: F) -> F:
        @wraps(function)
        async def guarded(box: Box, **given: Any) -> str:
            with refusing():
                try:
                    return await function(box, **given)
                except BrowserGone as gone:
                    raise await box.browser.explained(gone) from gone

        tool(server=server, images=images, doing=doing)(guarded)
        return function

    return register


@on_pages(server="wuying_cdp_mcp_server", images=WITH_BROWSER, doing="stop browser")
async def stopChrome(box: Box) -> str:  # noqa: N802  (the service's name)
    """Stops the browser; what it keeps in its profile is written first."""
    await box.browser.stop()
    return "True"
