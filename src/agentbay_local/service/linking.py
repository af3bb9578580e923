"""Actions: links into a session, to its ports."""

from __future__ import annotations

from agentbay.actions import GetLink, LinkData
from agentbay_local.service.browsing import cdp_link
from agentbay_local.service.core import Caller, Service, serves
from agentbay_local.service.refusals import ServiceRefusal, bad

MOST_LINKS = 256
_NO_PORT = "no port specified, cdp default, but only BrowserUse image support cdp"


@serves(GetLink)
async def get_link(service: Service, caller: Caller, action: GetLink) -> LinkData:
    session = service.live(caller, action.session_id)
    protocol = _protocol(action)
    if action.port is None:
        if session.family != "browser_latest":
            raise ServiceRefusal("MissingParameter", _NO_PORT)
        return await cdp_link(service, service.usable(session, "no link into it can be made now"))
    if not 1 <= action.port <= 65535:
        raise bad("Port", "must be from 1 to 65535")
    service.usable(session, "no link into it can be made now")
    if protocol == "tcp":
        return LinkData(service.tcp_links.link(session, action.port))
    known = service.store.ports(session)
    if action.port not in known and len(known) >= MOST_LINKS:
        text = f"The session has {MOST_LINKS} links: use one that there is, or another session."
        raise ServiceRefusal("QuotaExceeded.Link", text, 429)
    token = service.store.link(session, action.port)
    if protocol == "https":
        return LinkData(f"{service.base}/request_ai/{token}/path/")
    return LinkData(f"{service.base.replace('http', 'ws', 1)}/websocket_ai/{token}")


def _protocol(action: GetLink) -> str:
    protocol = (action.protocol_type or "wss").lower()
    if protocol == "http":
        raise ServiceRefusal("InvalidParameter", "http not supported")
    if protocol not in {"https", "wss", "tcp"}:
        raise bad("ProtocolType", "must be https, wss or tcp")
    return protocol
