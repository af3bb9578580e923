"""Who may talk to the doors: no web page of another site, also none whose name was made to point here."""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit

from aiohttp import web
from aiohttp.typedefs import Handler
from attrs import frozen

from agentbay_local.service.refusals import ServiceRefusal

__all__ = ["Guard"]

# Links are made to be opened by any page; their path is the secret.
_FOR_PAGES = ("/request_ai/", "/websocket_ai/")


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


def _place(text: str) -> tuple[str, int | None]:
    """Reads host and port of a Host or Origin header; some clients put the scheme into Host, too."""
    try:
        parts = urlsplit(text if "://" in text else f"//{text}")
        return (parts.hostname or "").rstrip("."), parts.port
    except ValueError:
        return "", None


@frozen
class Guard:
    """Knows the names of this server: those on loopback, and those it was told."""

    names: frozenset[str]
    port: int
    any_address: bool = False

    @web.middleware
    async def middleware(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Lets a request through, or raises ServiceRefusal."""
        if not self._known(_place(request.headers.get("Host", ""))[0]):
            raise ServiceRefusal("Forbidden.Host", "This server is not known by the name in the Host header.", 403)
        origin = request.headers.get("Origin")
        if origin is not None and not request.path.startswith(_FOR_PAGES) and not self._own(origin):
            raise ServiceRefusal("Forbidden.Origin", "Web pages of other sites may not use this server.", 403)
        return await handler(request)

    def _known(self, host: str) -> bool:
        if host == "localhost" or host.endswith(".localhost") or host in self.names:
            return True
        # A name can be made to point at this machine, an address in the Host header cannot.
        address = _address(host)
        return address is not None and (address.is_loopback or self.any_address)

    def _own(self, origin: str) -> bool:
        host, port = _place(origin)
        return self._known(host) and (port == self.port or host in self.names)
