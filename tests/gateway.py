"""The service's stand-in: answers actions and tools by a script and keeps every request, decoded, for comparison."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from attrs import evolve, field, frozen
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

KEY = "akm-canary-key"
TOKEN = "canary-token"
REQUEST_ID = "7C1E0B5A-3F4D-5A61-9B77-2D0C8E6F1A34"
SESSION_ID = "session-04bdwfj7u2a6exmpl"
SERVERS = {"shell": "wuying_shell", "run_code": "wuying_codespace", "get_metrics": "wuying_system"} | dict.fromkeys(
    (
        "create_directory delete_file edit_file get_file_info list_directory move_file read_file read_multiple_files "
        "search_files write_file get_file_change"
    ).split(),
    "wuying_filesystem",
)
SERVERS |= dict.fromkeys(
    (
        "click_mouse move_mouse drag_mouse scroll get_cursor_position input_text press_keys release_keys "
        "get_screen_size list_root_windows get_active_window activate_window close_window maximize_window "
        "minimize_window restore_window fullscreen_window resize_window focus_mode tap swipe send_key "
        "get_clickable_ui_elements get_all_ui_elements"
    ).split(),
    "wuying_ui",
)
SERVERS |= dict.fromkeys(
    "get_installed_apps start_app list_visible_apps stop_app_by_pname stop_app_by_pid stop_app_by_cmd".split(),
    "wuying_app",
)
SERVERS |= {"system_screenshot": "mcp-server"} | dict.fromkeys(("screenshot", "long_screenshot"), "wuying_capture")
SERVERS |= dict.fromkeys(("flux_execute_task", "flux_get_task_status", "flux_terminate_task"), "wuying_computer_agent")
SERVERS |= dict.fromkeys(("execute_task", "get_task_status", "terminate_task"), "wuying_mobile_agent")
SERVERS |= dict.fromkeys(
    ("browser_use_execute_task", "browser_use_get_task_status", "browser_use_terminate_task"), "wuying_browseruse"
)
SERVERS |= dict.fromkeys(
    ("oss_env_init", "oss_upload", "oss_upload_annon", "oss_download", "oss_download_annon"), "wuying_oss"
)


@frozen
class Received:
    """One request as it came: `query` and `form` hold texts, `json` the body of a direct tool call."""

    path: str
    query: dict[str, str]
    form: dict[str, str]
    headers: dict[str, str]
    body: bytes
    json: Any = None

    @property
    def action(self) -> str:
        """The action; empty for a direct tool call."""
        return self.query.get("Action", "")

    @property
    def name(self) -> str:
        """The tool that is called, by either route, else the action."""
        if self.json is not None:
            return str(self.json["tool"])
        return self.form["Name"] if self.action == "CallMcpTool" else self.action

    @property
    def args(self) -> Any:
        """The arguments of a tool call by either route."""
        return self.json["args"] if self.json is not None else json.loads(self.form["Args"])


@frozen
class Answer:
    """What goes back: a status, a body, and header fields."""

    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(factory=dict)

    def by(self, _: Received) -> Answer:
        """The same by every route."""
        return self

    def headed(self, **headers: str) -> Answer:
        """The same with header fields; `_` stands for `-`."""
        return evolve(self, headers={name.replace("_", "-"): text for name, text in headers.items()})


@frozen
class Said:
    """What a tool says; each route wraps it in its own way."""

    text: str
    failed: bool = False

    def by(self, request: Received) -> Answer:
        """The answer in the form of the request's route."""
        result = {"content": [{"type": "text", "text": self.text}], "isError": self.failed}
        return linked({"result": result}) if request.json is not None else ok(json.dumps(result))


Scripted = Answer | Said | Callable[[Received], "Answer | Said"]


def raw(text: str | bytes, status: int = 200) -> Answer:
    """A body of any kind."""
    return Answer(status, text.encode() if isinstance(text, str) else text)


def of_json(value: Any, status: int = 200) -> Answer:
    """A JSON body."""
    return raw(json.dumps(value), status)


def ok(data: Any = None, **envelope: Any) -> Answer:
    """The service's yes; no `Data` when there is none."""
    told = {"Code": "ok", "HttpStatusCode": 200, "Message": "", "RequestId": REQUEST_ID, "Success": True}
    return of_json(told | ({} if data is None else {"Data": data}) | envelope)


def refusal(code: str, message: str = "", status: int = 400) -> Answer:
    """The service's no by HTTP status."""
    return of_json({"Code": code, "Message": message, "RequestId": REQUEST_ID, "HostId": "here"}, status)


def no(code: str, message: str = "", **envelope: Any) -> Answer:
    """The service's no within a good HTTP answer."""
    told = {"Code": code, "HttpStatusCode": 200, "Message": message, "RequestId": REQUEST_ID, "Success": False}
    return of_json(told | envelope)


def linked(data: Any) -> Answer:
    """The envelope of the direct route, its data as JSON text."""
    return of_json({"data": json.dumps(data)})


GONE = refusal("InvalidMcpSession.NotFound", "Resource [McpSession] is not found.")


class Gateway:
    """Follows scripts. The last answer of a script is given again and again."""

    def __init__(self, server: HTTPServer) -> None:
        self.url = server.url_for("").rstrip("/")
        self.link_url = f"{self.url}/link"
        self.requests: list[Received] = []
        self.surprises: list[str] = []
        self._scripts: dict[str, list[Scripted]] = {}
        self._lock = threading.Lock()

    def on(self, name: str, *answers: Scripted) -> None:
        """Say what an action, or a tool by either route, answers in turn."""
        self._scripts[name] = list(answers)

    def on_life(self, *statuses: str) -> None:
        """Say which states GetSession and GetSessionDetail tell in turn; GONE is the end."""
        told = [GONE if status == "GONE" else ok({"SessionId": SESSION_ID, "Status": status}) for status in statuses]
        self.on("GetSession", *told)
        self.on("GetSessionDetail", *told)

    def of(self, name: str) -> list[Received]:
        """The requests of one action or tool."""
        return [request for request in self.requests if request.name == name]

    def last(self, name: str) -> Received:
        """The last request of one action or tool."""
        return self.of(name)[-1]

    @property
    def names(self) -> list[str]:
        """The actions and tools that were called, in order."""
        return [request.name for request in self.requests]

    def session_data(self, *, direct: bool = False, **more: Any) -> dict[str, Any]:
        """What GetSession and CreateMcpSession tell of a session."""
        tools = [{"name": name, "server": server, "tool": name} for name, server in SERVERS.items()]
        link = {"LinkUrl": f"{self.link_url}/", "Token": TOKEN} if direct else {"LinkUrl": "", "Token": ""}
        return {"SessionId": SESSION_ID, "ToolList": json.dumps(tools), "Status": "RUNNING"} | link | more

    def handle(self, request: Request) -> Response:
        """Answer one request."""
        received = _received(request)
        with self._lock:
            self.requests.append(received)
            script = self._scripts.get(received.name, [])
            if not script:
                self.surprises.append(received.name)
            answer = script.pop(0) if len(script) > 1 else (script or [refusal("InvalidAction.NotFound")])[0]
        told = answer(received) if callable(answer) else answer
        made = told.by(received)
        return Response(made.body, made.status, made.headers, "application/json")


def _received(request: Request) -> Received:
    body = request.get_data()
    direct = request.path.endswith("/callTool")
    return Received(
        path=urlsplit(request.url).path,
        query=_pairs(request.query_string.decode()),
        form={} if direct else _pairs(body.decode()),
        headers={name.lower(): text for name, text in request.headers.items()},
        body=body,
        json=json.loads(body) if direct else None,
    )


def _pairs(text: str) -> dict[str, str]:
    pairs = parse_qsl(text, keep_blank_values=True, strict_parsing=bool(text))
    assert len(pairs) == len(dict(pairs)), "a parameter came twice"
    return dict(pairs)


def without(values: Mapping[str, str], *names: str) -> dict[str, str]:
    """A copy without some names."""
    return {name: text for name, text in values.items() if name not in names}
