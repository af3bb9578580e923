"""Actions: the browser of a session begins, and is driven by a link."""

from __future__ import annotations

from typing import Any

from agentbay.actions import GetCdpLink, InitBrowser, LinkData
from agentbay_local.browser.faults import BrowserFault, UnfitOption
from agentbay_local.browser.installed import BrowserMissing
from agentbay_local.browser.options import read_options
from agentbay_local.sandbox.contract import SandboxError, SandboxGone
from agentbay_local.service.core import Caller, Service, serves
from agentbay_local.service.images import FAMILIES
from agentbay_local.service.refusals import ServiceRefusal, bad, no_session
from agentbay_local.service.session import Session

__all__ = ["WITH_BROWSER", "cdp_link"]

WITH_BROWSER = frozenset({"browser_latest", "linux_latest"})


@serves(InitBrowser)
async def init_browser(service: Service, caller: Caller, action: InitBrowser) -> dict[str, Any]:
    session = _browsing(service, caller, action.session_id)
    try:
        options = read_options(action.persistent_path, action.browser_option)
    except UnfitOption as unfit:
        raise bad("BrowserOption", str(unfit)) from unfit
    with session.in_use():
        port = await _started(session.box.browser.start(options))
    return {"Port": port, **({"Unmet": list(options.unmet)} if options.unmet else {})}


@serves(GetCdpLink)
async def get_cdp_link(service: Service, caller: Caller, action: GetCdpLink) -> LinkData:
    return await cdp_link(service, _browsing(service, caller, action.session_id))


async def cdp_link(service: Service, session: Session) -> LinkData:
    """The address of a session's browser, which is started if none runs."""
    with session.in_use():
        port = await _started(session.box.browser.endpoint())
    token = service.store.link(session, port)
    return LinkData(f"{service.base.replace('http', 'ws', 1)}/websocket_ai/{token}")


def _browsing(service: Service, caller: Caller, session_id: str) -> Session:
    session = service.live(caller, session_id)
    if session.family not in WITH_BROWSER:
        text = f"The image has no browser. Expected: BrowserUse, Actual: {FAMILIES[session.family]}"
        raise ServiceRefusal("ImageTypeNotMatched", text)
    return service.usable(session, "its browser cannot be used now")


async def _started(work: Any) -> int:
    try:
        return int(await work)
    except UnfitOption as unfit:
        raise bad("BrowserOption", str(unfit)) from unfit
    except BrowserMissing as gone:
        raise ServiceRefusal("Browser.NotInstalled", str(gone)) from gone
    except BrowserFault as fault:
        raise ServiceRefusal("Browser.NotStarted", str(fault)) from fault
    except SandboxGone as ended:
        raise no_session() from ended
    except (SandboxError, OSError) as error:
        raise ServiceRefusal("Browser.NotStarted", f"The browser could not be started: {error}") from error
