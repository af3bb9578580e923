"""What can go wrong with a browser."""

from __future__ import annotations

__all__ = ["BrowserFault", "BrowserGone", "PageFault", "UnfitOption"]


class BrowserFault(Exception):
    """The browser could not do what was asked; the message is for users."""


class BrowserGone(BrowserFault):
    """The browser has ended, and its pages with it."""


class PageFault(BrowserFault):
    """A page could not do what was asked."""


class UnfitOption(ValueError):
    """An option that the browser cannot be started with; the text follows the words "The parameter BrowserOption"."""
