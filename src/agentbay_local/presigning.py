"""Addresses of single files of a context: whoever has one may read or write that file, in that way, for an hour."""

from __future__ import annotations

import hashlib
import hmac
import os
import time
from collections.abc import Mapping
from urllib.parse import quote, unquote_to_bytes

from attrs import frozen

__all__ = ["VALID", "BadAddress", "Place", "presigned", "verified"]

VALID = 3600
"""For how many seconds an address is good."""

PREFIX = "/store/"


class BadAddress(Exception):
    """An address was not made here, for this, or not in time. `code` is what object stores call that."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


@frozen
class Place:
    """What an address leads to: a path in a context."""

    context_id: str
    path: str


def presigned(base: str, secret: bytes, method: str, place: Place) -> str:
    """Makes the address under which `method` is allowed."""
    expires = str(int(time.time()) + VALID)
    where = f"{PREFIX}{place.context_id}{quote(os.fsencode(place.path))}"
    return f"{base}{where}?Expires={expires}&Signature={_signature(secret, method, place, expires)}"


def _signature(secret: bytes, method: str, place: Place, expires: str) -> str:
    text = f"{method}\n{place.context_id}\n{expires}\n{place.path}"
    return hmac.new(secret, os.fsencode(text), hashlib.sha256).hexdigest()


def verified(secret: bytes, method: str, raw_path: str, query: Mapping[str, str]) -> Place:
    """Reads an address, given the path as it came. Raises BadAddress."""
    context_id, slash, rest = raw_path.partition("?")[0].removeprefix(PREFIX).partition("/")
    place = Place(context_id, os.fsdecode(unquote_to_bytes(slash + rest)))
    expires = query.get("Expires", "")
    # Who may read a file may also ask how large it is.
    method = "GET" if method == "HEAD" else method
    given = query.get("Signature", "").encode("utf-8", "replace")
    # Nothing but digits may stand in Expires: no other text can then be made of the same parts.
    is_time = expires.isascii() and expires.isdecimal()
    if not is_time or not hmac.compare_digest(given, _signature(secret, method, place, expires).encode()):
        text = "The signature is wrong: the address was made for another method, file or server, or was changed."
        raise BadAddress("SignatureDoesNotMatch", text)
    if int(expires) < time.time():
        raise BadAddress("AccessDenied", "Request has expired: ask for a new address.")
    return place
