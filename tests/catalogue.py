"""The wire catalogues: what each action and tool may be sent, and where it travels."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.gateway import KEY, Answer, Received, of_json

DATA = Path(__file__).parent / "data"
CONTROL: dict[str, Any] = json.loads((DATA / "control-plane.json").read_text("utf-8"))
DATA_PLANE: dict[str, Any] = json.loads((DATA / "data-plane.json").read_text("utf-8"))
TOOLS: dict[str, Any] = DATA_PLANE["tools"]
WS: dict[str, Any] = DATA_PLANE["ws"]["methods"]
ACTIONS: dict[str, Any] = CONTROL["actions"]

VERSION = CONTROL["api_version"]


def _is_json(text: str) -> bool:
    json.loads(text)
    return True


ENCODED: dict[str, Callable[[str], bool]] = {
    "string": lambda _: True,
    "int-decimal": str.isdecimal,
    "bool-text": {"True", "False"}.__contains__,
    "json-string": _is_json,
    "indexed-list": lambda _: True,
    "dotted-object": lambda _: True,
}

KINDS = {"string": str, "integer": int, "boolean": bool, "array": list, "object": dict}


def example(action: str) -> Answer:
    """The catalogue's answer to an action."""
    return of_json(ACTIONS[action]["response_example"])


def example_text(tool: str) -> str:
    """The catalogue's text of a tool."""
    shown = TOOLS[tool]["result_example"]
    return shown if isinstance(shown, str) else json.dumps(shown)


def check_action(request: Received) -> dict[str, str]:
    """Hold a request against its action's page; gives the parameters of its own."""
    own = _check_envelope(request)
    known = {param["name"]: param for param in ACTIONS[request.action]["params"]}
    places = {top(name): "query" for name in request.query if name in known}
    places |= {top(name): "body" for name in request.form}
    assert {name: known[name]["in"] for name in places} == places
    assert {name for name, param in known.items() if param["required"]} <= places.keys()
    parameters = own | request.form
    assert all(ENCODED[known[top(name)]["encoding"]](text) for name, text in parameters.items())
    assert parameters.pop("Authorization") == f"Bearer {KEY}"
    return parameters


def top(name: str) -> str:
    """The parameter to which a dotted or counted name belongs."""
    return name.partition(".")[0]


def _check_envelope(request: Received) -> dict[str, str]:
    """Check what every request of an action has; gives the rest of its query."""
    query = dict(request.query)
    always = {name: query.pop(name) for name in CONTROL["transport"]["query_always"]}
    assert request.path == "/"
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", always.pop("Timestamp"))
    assert re.fullmatch(r"[0-9a-f]{32}", always.pop("SignatureNonce"))
    assert always == {"Action": request.action, "Format": "json", "Version": VERSION}
    names = ("x-acs-version", "x-acs-action", "content-type")
    assert [request.headers[name] for name in names] == [VERSION, request.action, "application/x-www-form-urlencoded"]
    assert re.fullmatch(r"AlibabaCloud \(.+; .+\) Python/\S+ Core/\S+ TeaDSL/2", request.headers["user-agent"])
    assert "authorization" not in request.headers
    return query


def check_args(tool: str, args: dict[str, Any]) -> None:
    """Hold a tool's arguments against its page."""
    known = TOOLS[tool]["args"]
    assert args.keys() <= known.keys()
    assert {name for name, arg in known.items() if arg["required"]} <= args.keys()
    for name, value in args.items():
        kind = re.match("[a-z]+", known[name]["type"])
        assert kind is not None
        assert type(value) is KINDS[kind[0]]
        assert "enum" not in known[name] or value in known[name]["enum"]
