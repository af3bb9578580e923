"""The doors for programs: actions, and direct tool calls."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Mapping
from typing import Any, Self
from urllib.parse import parse_qsl

from aiohttp import web

from agentbay_local.answers import REQUEST_ID, accepted, json_response
from agentbay_local.guard import linked, same
from agentbay_local.logs import NOTES, Fact, say
from agentbay_local.metrics import Metrics
from agentbay_local.service import (
    browsing,
    calls,
    context_files,
    contexts,
    lifecycle,
    linking,
    listing,
    pausing,
    session_contexts,
    skills,
    volumes,
)
from agentbay_local.service.core import HANDLERS, Service
from agentbay_local.service.refusals import ServiceRefusal, bad

__all__ = ["HANDLER_MODULES", "Doors"]

# Importing them makes their handlers known.
HANDLER_MODULES = (
    browsing,
    calls,
    context_files,
    contexts,
    lifecycle,
    linking,
    listing,
    pausing,
    session_contexts,
    skills,
    volumes,
)

# What has a door of its own.
_NO_ACTIONS = ("callTool", "snapshot")
_MOST_PARAMETERS = 1000
_LONGEST_NAME = 200
_SESSION_ID = re.compile(r"session-[a-z0-9]{1,40}")


class Doors:
    """What the server answers to whom."""

    def __init__(self, service: Service) -> None:
        self._service = service

    def routes(self) -> list[web.RouteDef]:
        return [
            web.post("/", self.action),
            web.post("/link/{session}/callTool", self.tool),
        ]

    async def action(self, request: web.Request) -> web.Response:
        """An action, its parameters in the query and in the form body."""
        with Logged(self._service.metrics) as logged:
            params = await _params(request)
            logged.about(params.get("Action", ""), params.get("SessionId", ""))
            data = await self._service.perform(params)
        return accepted(data)

    async def tool(self, request: web.Request) -> web.Response:
        """A tool call by a session's direct link."""
        with Logged(self._service.metrics) as logged:
            logged.about("callTool", request.match_info["session"])
            session = linked(self._service, request)
            call = _tool_call(await request.read(), session.token)
            result = await calls.use_tool(self._service, session, call["tool"], call["args"])
        request_id = str(call.get("requestId") or REQUEST_ID.get())
        return json_response({"data": _text({"result": result}), "requestId": request_id})


class Logged:
    """Counts a request when it is answered, and writes a line about it: no payload, no secret, nothing made up.

    What others note of it meanwhile (`logs.note`: the owner, the tool, its outcome) stands in the line, too.
    """

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._action = "-"
        self._notes: dict[str, Fact] = {"session": "-", "owner": "-"}
        self._start = time.perf_counter()

    def about(self, action: str, session: str) -> None:
        self._action = action if action in HANDLERS or action in _NO_ACTIONS else "?"
        if _SESSION_ID.fullmatch(session):
            self._notes["session"] = session

    def __enter__(self) -> Self:
        self._outer = NOTES.set(self._notes)
        return self

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        NOTES.reset(self._outer)
        code = "ok" if error is None else getattr(error, "code", type(error).__name__)
        took = time.perf_counter() - self._start
        self._metrics.actions.add(self._action, code)
        self._metrics.action_seconds.add(took, self._action)
        facts = {"code": code, "ms": 1000 * took, "request_id": REQUEST_ID.get()}
        say("answered", action=self._action, **self._notes, **facts)


async def _params(request: web.Request) -> Mapping[str, str]:
    """Merges the parameters of query and body."""
    body = await request.read()
    try:
        pairs = parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True, max_num_fields=_MOST_PARAMETERS)
    except ValueError:
        raise ServiceRefusal("InvalidParameter", f"There are more than {_MOST_PARAMETERS} parameters.") from None
    params = {**request.query, **dict(pairs)}
    if any(len(name) > _LONGEST_NAME for name in params):
        raise ServiceRefusal("InvalidParameter", f"A parameter's name is longer than {_LONGEST_NAME} characters.")
    return params


def _tool_call(body: bytes, token: str) -> dict[str, Any]:
    """Reads the body of a direct call. Raises ServiceRefusal."""
    try:
        call = json.loads(body)
    except (ValueError, RecursionError):
        raise ServiceRefusal("InvalidParameter", "The body is not JSON.") from None
    if not isinstance(call, dict) or not isinstance(call.get("tool"), str):
        raise bad("tool", "must be the name of a tool")
    if not isinstance(call.setdefault("args", {}), dict):
        raise bad("args", "must be an object")
    if "token" in call and not same(str(call["token"]), token):
        raise ServiceRefusal("NOT_LOGIN", "The token in the body is wrong.", 401)
    return call


def _text(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
