"""Actions: the tools of an image, and calls of them in a session."""

from __future__ import annotations

import json
import time
from functools import cache
from typing import Any

from agentbay.actions import CallMcpTool, ListMcpTools
from agentbay_local import tools
from agentbay_local.logs import note
from agentbay_local.service.core import Caller, Service, serves
from agentbay_local.service.refusals import missing
from agentbay_local.service.session import Session
from agentbay_local.tools.registry import TOOLS


def page_url(service: Service, session: Session) -> str:
    """Where a person can look at a session; whoever has the address may."""
    query = f"resourceId={session.resource_id}&authcode={session.auth_code}"
    return f"{service.base}/session/{session.id}?{query}"


async def use_tool(service: Service, session: Session, name: str, args: dict[str, Any]) -> dict[str, Any]:
    """Calls a tool in a session, and gives its answer in the form of the protocol."""
    known = name if name in TOOLS else "?"
    note(tool=known, owner=session.owner)
    begun = time.perf_counter()
    with session.journal.noting(name, args) as entry:
        service.usable(session, "its tools cannot be called now")
        session.box.page = page_url(service, session)
        with session.in_use():
            outcome = await tools.call(session.box, name, args)
            service.require_lasting(session)
        if outcome.is_error:
            entry.failed(outcome.text)
    said = "error" if outcome.is_error else "ok"
    note(outcome=said)
    service.metrics.tools.add(known, said)
    service.metrics.tool_seconds.add(time.perf_counter() - begun, known)
    return {"content": [{"type": "text", "text": outcome.text}], "isError": outcome.is_error}


@cache
def tool_text(image: str) -> str:
    """Lists the tools of an image, as JSON text."""
    return json.dumps(tools.tool_list(image), ensure_ascii=False)


@serves(ListMcpTools)
async def list_mcp_tools(service: Service, _caller: Caller, action: ListMcpTools) -> str:
    return tool_text((await service.gallery.find(action.image_id)).family)


@serves(CallMcpTool)
async def call_mcp_tool(service: Service, caller: Caller, action: CallMcpTool) -> str:
    if not action.name:
        raise missing("Name")
    session = service.live(caller, action.session_id)
    return json.dumps(await use_tool(service, session, action.name, action.args), ensure_ascii=False)
