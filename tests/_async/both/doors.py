"""Three doors to a service: the mocked server, the runtime by a session's direct link, the runtime by the RPC alone.

A body says what it expects of the public API once, for all of them. What the mocked server has to be told for it stands
beside it, in `@mocked(...)`; the runtime is told nothing and does the work.
"""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
from collections.abc import Callable
from functools import cache
from typing import Any, Protocol, TypeVar

import pytest

from agentbay import AsyncSession
from tests.catalogue import ACTIONS, TOOLS, check_action, check_args
from tests.gateway import GONE, KEY, SESSION_ID, Gateway, Received, Said, Scripted, ok
from tests.local.conftest import Served, environment

DOORS = ("mock", "link", "rpc")

# Every body on the runtime finds this folder empty.
FOLDER = "/tmp/both"

# Well-formed, and no session of anybody.
UNKNOWN = "session-0000000000nowhere"

Told = str | Scripted
Script = dict[str, Told | list[Told]]
F = TypeVar("F", bound=Callable[..., Any])


def mocked(make: Callable[[], Script] | None = None, **script: Told | list[Told]) -> Callable[[F], F]:
    """Say what the mocked server answers to the body below, by action or tool; a list is said in turn.

    `make` makes the script of a server that has to remember something.
    """

    def mark(body: F) -> F:
        body.mocked = make or (lambda: script)  # type: ignore[attr-defined]
        return body

    return mark


# --- What the service says --------------------------------------------------------------------------------------------


def wrong(text: str, code: int = -32602) -> Said:
    """A tool's complaint."""
    return Said(f"Execution failed. Error code:{code} Error message: {text}", failed=True)


def ended(stdout: str = "", stderr: str = "", exit_code: int = 0) -> Said:
    """The end of a command."""
    trace = {"traceId": "0a1b" * 8} if exit_code else {}
    return Said(json.dumps({"stdout": stdout, "stderr": stderr, "exit_code": exit_code} | trace))


def ran(stdout: str = "", stderr: str = "", error: str = "", *shown: dict[str, Any]) -> Said:
    """The end of a piece of code; an error is told as its name, its value and, below an empty line, its traceback."""
    head, _, traceback = error.partition("\n\n")
    name, _, value = head.partition(": ")
    told = {
        "logs": {"stdout": [stdout] if stdout else [], "stderr": [stderr] if stderr else []},
        "results": list(shown),
        "error": {"name": name, "value": value, "traceback": traceback} if error else None,
        "isError": bool(error),
        "execution_count": 1,
        "execution_time": 0.12,
    }
    return Said(json.dumps(told))


def value(text: str, **forms: Any) -> dict[str, Any]:
    """The value of the last expression."""
    return {"text": text, "is_main_result": True} | forms


def info(size: int, kind: str = "file") -> Said:
    """What is known of a file or directory."""
    flags = f"isDirectory: {str(kind == 'directory').lower()}\nisFile: {str(kind == 'file').lower()}"
    times = "created: 2025-09-01 10:00:00\nmodified: 2025-09-01 10:00:00"
    return Said(f"size: {size}\n{times}\n{flags}\npermissions: {644 if kind == 'file' else 755}")


def held(content: bytes) -> Callable[[Received], Said]:
    """The content of a file, or the piece of it that is asked for; a character belongs where it begins."""

    def read(request: Received) -> Said:
        start, length = request.args["offset"], request.args["length"]
        end = start + length if length else len(content)
        if request.args.get("format") == "binary":
            return Said(base64.b64encode(content[start:end]).decode())
        return Said(content[:end].decode(errors="ignore").removeprefix(content[:start].decode(errors="ignore")))

    return read


# --- The doors --------------------------------------------------------------------------------------------------------


class Door(Protocol):
    """Where a client finds the service, and by which key."""

    name: str
    endpoint: str
    key: str

    def lead(self, session: AsyncSession) -> AsyncSession:
        """Make the session's tool calls go through this door."""
        ...


class Mocked:
    """The mocked server: plainly yes where a body scripts nothing. Every request is held against the catalogue."""

    name = "mock"
    key = KEY

    def __init__(self, gateway: Gateway, script: Script) -> None:
        self.endpoint = gateway.url
        self._gateway = gateway
        made = ok(gateway.session_data())
        usual: Script = {
            "CreateMcpSession": made,
            "GetSession": made,
            "DeleteSessionAsync": ok(),
            "GetSessionDetail": GONE,
        }
        for name, told in (usual | script).items():
            gateway.on(name, *map(_scripted, told if isinstance(told, list) else [told]))

    def lead(self, session: AsyncSession) -> AsyncSession:
        """Tool calls go by the RPC, as the session has no direct link."""
        assert session.session_id == SESSION_ID
        return session

    def check(self) -> None:
        """Hold what was asked for against the catalogue."""
        for request in self._gateway.requests:
            assert request.action in ACTIONS
            if request.form.get("Authorization", request.query.get("Authorization")) == f"Bearer {KEY}":
                check_action(request)
            if request.name in TOOLS:
                check_args(request.name, request.args)


def _scripted(told: Told) -> Scripted:
    return Said(told) if isinstance(told, str) else told


class Real:
    """The runtime, by the direct link or without it."""

    def __init__(self, name: str, served: Served) -> None:
        self.name = name
        self.endpoint = served.endpoint
        self.key = served.key

    def lead(self, session: AsyncSession) -> AsyncSession:
        """Without a link, tool calls go by the RPC."""
        assert session.link_url
        if self.name == "rpc":
            session.link_url = ""
        return session


@cache
def why_no_sandboxes() -> str:
    """Why sandboxes cannot run on this machine; empty when they can."""
    command = [sys.executable, "-m", "agentbay_local", "doctor"]
    done = subprocess.run(command, capture_output=True, text=True, env=environment(), timeout=60, check=False)
    failed = [line.split("  ")[-1] for line in done.stdout.splitlines() if line.startswith("FAIL")]
    return "" if done.returncode == 0 else "; ".join(failed or done.stderr.strip().splitlines()[-1:])


def require_sandboxes() -> None:
    """Skip where sandboxes cannot run; a CI machine must not be one of those."""
    missing = why_no_sandboxes()
    if missing:
        refuse = pytest.fail if os.environ.get("CI") else pytest.skip
        refuse(f"this machine cannot run sandboxes: {missing}")
