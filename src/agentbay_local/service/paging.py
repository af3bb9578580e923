"""Where the next page of a list begins, as text that means nothing to callers."""

from __future__ import annotations

import base64
import binascii

from agentbay_local.service.refusals import ServiceRefusal, bad

__all__ = ["page_size", "place_of", "serial_of", "token_for"]


def token_for(place: object) -> str:
    """Makes the token of a place; that of None is empty, which means the last page."""
    if place is None or place == "":
        return ""
    return base64.urlsafe_b64encode(f"before {place}".encode("utf-8", "surrogateescape")).decode().rstrip("=")


def place_of(token: str | None) -> str:
    """Reads a token; none is the beginning. Raises ServiceRefusal."""
    if not token:
        return ""
    try:
        data = base64.b64decode(token + "=" * (-len(token) % 4), altchars="-_", validate=True)
    except (binascii.Error, ValueError):
        raise _foreign() from None
    text = data.decode("utf-8", "surrogateescape")
    if not text.startswith("before "):
        raise _foreign()
    return text.removeprefix("before ")


def serial_of(token: str | None) -> int | None:
    """Reads a token whose place is a serial number; None is the beginning. Raises ServiceRefusal."""
    place = place_of(token)
    if place and not (place.isascii() and place.isdecimal() and len(place) < 19):
        raise _foreign()
    return int(place) if place else None


def _foreign() -> ServiceRefusal:
    return bad("NextToken", "is not one that this server gave")


def page_size(given: int | None, name: str = "MaxResults", *, default: int = 10, most: int = 100) -> int:
    """Reads how many entries a page may have. Raises ServiceRefusal."""
    size = default if given is None else given
    if not 1 <= size <= most:
        raise bad(name, f"must be from 1 to {most}")
    return size
