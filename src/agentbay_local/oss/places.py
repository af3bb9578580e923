"""Where a request of HTTP goes: read off an address that a caller gave. No I/O."""

from __future__ import annotations

from typing import Final
from urllib.parse import SplitResult, quote, urljoin, urlsplit

from attrs import frozen

from agentbay_local.egress.policy import host_name

__all__ = ["Place", "UnfitPlace", "read_parts", "read_place"]

PORTS: Final = {"http": 80, "https": 443}
LONGEST: Final = 16 << 10
KEPT: Final = "%/:=&?~+!$,;'@()*[]-._"
"""What stands in the path and the query of an address as it is; anything else is escaped."""


class UnfitPlace(ValueError):
    """An address, a bucket or an object that cannot be used; the message follows the argument's name."""


@frozen
class Place:
    """One address of HTTP. `target` is its path with its query, which may carry a signature: it is never shown."""

    scheme: str
    host: str
    port: int
    target: str

    def __str__(self) -> str:
        return f"{self.scheme}://{self.authority}"

    @property
    def secure(self) -> bool:
        return self.scheme == "https"

    @property
    def authority(self) -> str:
        """The host as the request names it, with the port where that is not the usual one."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == PORTS[self.scheme] else f"{host}:{self.port}"

    def redirected(self, location: str) -> Place:
        """Where the server sends the caller instead; never from HTTPS to HTTP. Raises UnfitPlace."""
        there = read_place(urljoin(f"{self}{self.target}", location))
        if self.secure and not there.secure:
            raise UnfitPlace("leads away from HTTPS")
        return there


def read_parts(text: str) -> tuple[SplitResult, str, int]:
    """The parts of an address, its host and its port. Raises UnfitPlace."""
    if len(text) > LONGEST:
        raise UnfitPlace(f"must have at most {LONGEST} characters")
    if any(letter <= " " or letter == "\x7f" for letter in text):
        raise UnfitPlace("must hold neither spaces nor control characters")
    try:
        parts = urlsplit(text)
        host, port = host_name(as_ascii(parts.hostname or "")), parts.port
    except ValueError:
        raise UnfitPlace("is no address") from None
    if parts.scheme not in PORTS or host is None or port == 0:
        raise UnfitPlace("must be an address such as https://bucket.example.com/file")
    if parts.username is not None or parts.password is not None:
        raise UnfitPlace("must hold no user and password")
    return parts, host, port or PORTS[parts.scheme]


def as_ascii(host: str) -> str:
    """A host's name as the network has it. Raises ValueError."""
    return host if host.isascii() else host.encode("idna").decode("ascii")


def read_place(text: str) -> Place:
    """Reads the address of a file. Raises UnfitPlace."""
    parts, host, port = read_parts(text)
    query = f"?{quote(parts.query, safe=KEPT)}" if parts.query else ""
    return Place(parts.scheme, host, port, quote(parts.path or "/", safe=KEPT) + query)
