"""Answers in the service's form, and one place that turns everything that goes wrong into it."""

from __future__ import annotations

import asyncio
import json
import logging
import uuid
from contextvars import ContextVar
from typing import Any

from aiohttp import web
from aiohttp.typedefs import Handler

from agentbay._wire import dump_data
from agentbay_local.service.core import Counted, Page
from agentbay_local.service.refusals import ServiceRefusal
from agentbay_local.shortage import shortage

__all__ = ["REQUEST_ID", "accepted", "in_service_form", "json_response"]

log = logging.getLogger("agentbay_local")

# The id of the request that is being answered.
REQUEST_ID: ContextVar[str] = ContextVar("request_id")

_STATUS_CODES = {404: "InvalidPath.NotFound", 405: "InvalidMethod", 413: "RequestEntityTooLarge"}
_BUG = "Something went wrong in the server; its log says what."


def json_response(value: Any, status: int = 200) -> web.Response:
    """Writes JSON; half characters, which UTF-8 does not have, as escapes."""
    try:
        body = json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
    except UnicodeEncodeError:
        body = json.dumps(value, separators=(",", ":")).encode()
    return web.Response(body=body, status=status, content_type="application/json", charset="utf-8")


def accepted(data: Any) -> web.Response:
    """Wraps what a handler gave."""
    body: dict[str, Any] = {"Code": "ok", "Success": True, "HttpStatusCode": 200, "Message": ""}
    body["RequestId"] = REQUEST_ID.get()
    if isinstance(data, Page):
        body |= {"NextToken": data.next_token, "MaxResults": data.max_results, data.total_name: data.total}
        data = data.items
    if isinstance(data, Counted):
        body["TotalCount"] = data.total
        data = data.data
    if data is not None:
        body["Data"] = dump_data(data)
    return json_response(body)


def refused(refusal: ServiceRefusal) -> web.Response:
    """Writes a refusal in the form that all of the platform has."""
    body = {
        "RequestId": REQUEST_ID.get(),
        "HostId": "agentbay.local",
        "Code": refusal.code,
        "Message": refusal.message,
        "Success": False,
        "HttpStatusCode": refusal.status,
    }
    return json_response(body, refusal.status)


def _as_refusal(request: web.Request, error: BaseException) -> ServiceRefusal:
    if isinstance(error, ServiceRefusal):
        return error
    if isinstance(error, web.HTTPRequestEntityTooLarge):
        limit = request.client_max_size >> 20
        return ServiceRefusal("RequestEntityTooLarge", f"The request is larger than the limit of {limit} MiB.", 413)
    if isinstance(error, web.HTTPException):
        return ServiceRefusal(_STATUS_CODES.get(error.status, "InvalidRequest"), f"{error.reason}.", error.status)
    if isinstance(error, ConnectionError | asyncio.CancelledError):  # nobody is left to read it
        return ServiceRefusal("RequestTimeout", "The connection broke off.", 400)
    if why := shortage(error):
        log.warning("request_id=%s could not be answered: %s", REQUEST_ID.get(), why)
        return ServiceRefusal("ServiceUnavailable", f"{why[0].upper()}{why[1:]}.", 503)
    log.error("unexpected error request_id=%s", REQUEST_ID.get(), exc_info=error)
    return ServiceRefusal("InternalError", _BUG, 500)


@web.middleware
async def in_service_form(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Turns every refusal, and every bug, into the service's form."""
    REQUEST_ID.set(str(uuid.uuid4()).upper())
    [outcome] = await asyncio.gather(handler(request), return_exceptions=True)
    if isinstance(outcome, BaseException):
        return refused(_as_refusal(request, outcome))
    return outcome
