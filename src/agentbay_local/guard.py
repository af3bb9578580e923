"""Who may talk to the doors.

No web page of another site may, also none whose name was made to point here. To what belongs to one session, only those
may who have its token.
"""

from __future__ import annotations

import hmac
import ipaddress
import re
from urllib.parse import urlsplit

from aiohttp import web
from aiohttp.typedefs import Handler
from attrs import frozen

from agentbay_local.service.core import Service
from agentbay_local.service.refusals import ServiceRefusal, no_session
from agentbay_local.service.session import Session

__all__ = ["Guard", "linked", "same"]

# Links are made to be opened by any page; their path is the secret.
_FOR_PAGES = ("/request_ai/", "/websocket_ai/", "/store/")
# Letters, digits and their like; nothing that one reader takes for the end of the name and another does not.
_PLAIN = re.compile(r"(?:[a-z][a-z+.-]*://)?(?:[\w.-]+|\[[\da-f:.]+\])(?::\d{1,5})?", re.ASCII | re.IGNORECASE)


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


def _place(text: str) -> tuple[str, int | None]:
    """Reads host and port of a Host or Origin header; some clients put the scheme into Host, too."""
    if not _PLAIN.fullmatch(text):
        return "", None
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
        if "Service-Worker" in request.headers or request.headers.get("Sec-Fetch-Dest") == "serviceworker":
            # Wherever it is at home, one would be told the address of each page of this origin, and so its code.
            raise ServiceRefusal("Forbidden.ServiceWorker", "No page of this server may have a service worker.", 403)
        return await handler(request)

    def _known(self, host: str) -> bool:
        if host == "localhost" or host.endswith(".localhost") or host in self.names:
            return True
        # A name can be made to point at this machine, an address in the Host header cannot.
        address = _address(host)
        return address is not None and (address.is_loopback or self.any_address)

    def _own(self, origin: str) -> bool:
        host, port = _place(origin)
        # Behind another name there may be a proxy with a port of its own; here, another port is another's page.
        address = _address(host)
        elsewhere = host in self.names and host != "localhost" and not (address is not None and address.is_loopback)
        return self._known(host) and (port == self.port or elsewhere)


def same(given: str, secret: str) -> bool:
    """Compares in a time that tells nothing."""
    return hmac.compare_digest(given.encode("utf-8", "replace"), secret.encode())


def linked(service: Service, request: web.Request) -> Session:
    """Finds the session that a path names, for those who have its token. Raises ServiceRefusal."""
    session = service.store.find(request.match_info["session"])
    if session is not None and not same(request.headers.get("X-Access-Token", ""), session.token):
        raise ServiceRefusal("NOT_LOGIN", "The header X-Access-Token is missing or wrong.", 401)
    if session is None or not session.live:
        refusal = no_session()
        refusal.status = 404
        raise refusal
    return session
