"""Actions: links into a session, to its ports."""

from __future__ import annotations

from agentbay.actions import GetLink, LinkData
from agentbay_local.service.core import Caller, Service, serves
from agentbay_local.service.refusals import ServiceRefusal, bad

_NO_PORT = "no port specified, cdp default, but only BrowserUse image support cdp"


@serves(GetLink)
async def get_link(service: Service, caller: Caller, action: GetLink) -> LinkData:
    session = service.live(caller, action.session_id)
    protocol = (action.protocol_type or "wss").lower()
    if protocol == "http":
        raise ServiceRefusal("InvalidParameter", "http not supported")
    if protocol not in {"https", "wss"}:
        raise bad("ProtocolType", "must be https or wss")
    if action.port is None:
        raise ServiceRefusal("MissingParameter", _NO_PORT)
    if not 1 <= action.port <= 65535:
        raise bad("Port", "must be from 1 to 65535")
    service.usable(session, "no link into it can be made now")
    token = service.store.link(session, action.port)
    if protocol == "https":
        return LinkData(f"{service.base}/request_ai/{token}/path/")
    return LinkData(f"{service.base.replace('http', 'ws', 1)}/websocket_ai/{token}")
