"""The log: a line for each thing that happens, nothing of what was sent, and no line that somebody else has written."""

from __future__ import annotations

import io
import json
import logging
import re
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentbay_local.app import Runtime
from agentbay_local.logs import JsonLines, Seldom, TextLines, note, say, shown
from agentbay_local.service.core import HANDLERS
from agentbay_local.settings import Settings
from tests.local.conftest import environment
from tests.local.protocol.rows import ACTION_ROWS, SKILL, SKILL_TEXT, World
from tests.local.service.api import Api

HOSTILE = 'a\n2026-11-22 20:00:00,000 INFO answered action=Forged\r\x1b[2J\u202e\u2028\x00"' + "x" * 100_000
OURS = re.compile(r"(session|SdkCtx|ai|p|key)-\S+|linux_latest|code_latest")


class Log:
    """What was logged since the beginning, in both forms."""

    def __init__(self) -> None:
        self.handlers = [logging.StreamHandler(io.StringIO()) for _ in range(2)]
        for handler, form in zip(self.handlers, (TextLines, JsonLines), strict=True):
            handler.setFormatter(form())

    @property
    def texts(self) -> list[str]:
        return str(self.handlers[0].stream.getvalue()).splitlines()

    @property
    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.handlers[1].stream.getvalue().splitlines()]

    def told(self, event: str) -> list[dict[str, Any]]:
        return [line for line in self.lines if line.get("event") == event]

    @property
    def all(self) -> str:
        return "".join(handler.stream.getvalue() for handler in self.handlers)


@pytest.fixture
def log() -> Iterator[Log]:
    made, root = Log(), logging.getLogger()
    before = root.level
    root.setLevel(logging.INFO)
    for handler in made.handlers:
        root.addHandler(handler)
    yield made
    for handler in made.handlers:
        root.removeHandler(handler)
    root.setLevel(before)


@pytest.fixture
async def api(tmp_path: Path, log: Log) -> AsyncIterator[Api]:
    """A caller of a runtime in this very process."""
    (tmp_path / "skills" / SKILL).mkdir(parents=True)
    (tmp_path / "skills" / SKILL / "SKILL.md").write_text(SKILL_TEXT)
    async with Runtime(Settings(data=tmp_path, warm=1)) as runtime, Api(runtime.endpoint, runtime.keys[0]) as caller:
        yield caller


def texts_in(value: Any) -> Iterator[str]:
    """Every text of an answer, and every part of an address that could be a secret."""
    if isinstance(value, dict):
        for each in value.values():
            yield from texts_in(each)
    elif isinstance(value, list):
        for each in value:
            yield from texts_in(each)
    elif isinstance(value, str):
        yield from re.split(r"[/?&=]", value) if "://" in value else [value]


async def test_every_action_has_its_line_and_nothing_that_was_sent_or_given_is_told(api: Api, log: Log) -> None:
    world, exchanged = World(api), {api.key}
    for action, row in ACTION_ROWS.items():
        params = await row(world)
        answer = await api.call(action, **params)
        assert answer.status == 200, answer.body
        if action == "CreateMcpSession":
            api.adopt(answer.data["SessionId"])
        exchanged |= {*params.values(), *texts_in(answer.body.get("Data"))}
    secrets = {text for text in exchanged if len(text) > 7 and not OURS.fullmatch(text)}
    assert {line["action"] for line in log.told("answered")} == set(HANDLERS)
    assert [secret for secret in secrets if secret in log.all or json.dumps(secret)[1:-1] in log.all] == []
    assert {line["request_id"] for line in log.told("answered")} >= {answer.body["RequestId"]}


async def test_a_line_tells_who_did_what_for_how_long_and_how_it_ended(api: Api, log: Log) -> None:
    session = (await api.create())["SessionId"]
    await api.tool(session, "shell", command="echo PAYLOAD-1; exit 3")
    await api.tool(session, "read_file", path="/PAYLOAD-2")
    await api.call("GetSession", SessionId="session-none")
    await api.call("GetSession", Authorization="Bearer PAYLOAD-3")
    lines = log.told("answered")
    for line in lines:
        assert (line.pop("time")[-1], line.pop("level"), line.pop("ms") > 0) == ("Z", "info", True)
        assert re.fullmatch("[0-9A-F-]{36}", line.pop("request_id"))
    head = {"event": "answered", "session": session, "owner": "key-1", "code": "ok"}
    none = {"event": "answered", "action": "GetSession", "session": "session-none"}
    assert lines == [
        head | {"action": "CreateMcpSession"},
        head | {"action": "CallMcpTool", "tool": "shell", "outcome": "ok"},
        head | {"action": "CallMcpTool", "tool": "read_file", "outcome": "error"},
        none | {"owner": "key-1", "code": "InvalidMcpSession.NotFound"},
        {"event": "answered", "action": "GetSession", "session": "-", "owner": "-", "code": "NOT_LOGIN"},
    ]
    assert "PAYLOAD" not in log.all


async def test_sessions_and_what_they_carry_are_told_from_beginning_to_end(api: Api, log: Log) -> None:
    world = World(api)
    session = await world.bound()
    await api.call("ReleaseMcpSession", SessionId=session)
    [opened], [ended] = log.told("session opened"), log.told("session ended")
    assert (opened["session"], opened["image"], opened["owner"]) == (session, "linux_latest", "key-1")
    assert (ended["session"], ended["reason"]) == (session, "Released")
    assert {(line["method"], line["code"], line["bytes"]) for line in log.told("store answered")} == {("PUT", "ok", 7)}
    assert {(line["session"], line["task"]) for line in log.told("context synced")} == {(session, "download")}


async def test_a_direct_call_is_told_like_any_other(api: Api, log: Log) -> None:
    made = await api.create()
    body = json.dumps({"tool": "get_env", "args": {}, "requestId": HOSTILE, "server": HOSTILE[:999]})
    headers = {"X-Access-Token": made["Token"]}
    await api.post(f"/link/{made['SessionId']}/callTool", data=io.BytesIO(body.encode()), headers=headers)
    [line] = [line for line in log.told("answered") if line["action"] == "callTool"]
    assert (line["tool"], line["owner"], line["outcome"]) == ("get_env", "key-1", "ok")
    assert made["Token"] not in log.all


async def test_code_that_streams_is_told_and_counted_as_the_tool_that_it_is(api: Api, log: Log) -> None:
    made = await api.create(ImageId="code_latest")
    call = {"method": "run_code", "params": {"language": "python", "code": "print('PAYLOAD')"}}
    frame = {"invocationId": "1", "source": "SDK", "target": "wuying_codespace", "data": call}
    async with api.http.ws_connect(made["WsUrl"], headers={"X-Access-Token": made["Token"]}) as socket:
        await socket.send_json(frame)
        while (await socket.receive_json())["data"].get("phase") != "end":
            pass
    [line] = log.told("streamed")
    facts = {"tool": "run_code", "session": made["SessionId"], "owner": "key-1", "outcome": "ok"}
    assert {name: line[name] for name in facts} == facts
    assert [line["session"] for line in log.told("channel opened")] == [made["SessionId"]]
    async with api.http.get(f"{api.endpoint}/metrics") as response:
        assert 'agentbay_tool_calls_total{tool="run_code",outcome="ok"} 1' in (await response.text()).splitlines()
    assert "PAYLOAD" not in log.all


async def test_what_callers_make_up_neither_forges_lines_nor_makes_long_ones(api: Api, log: Log) -> None:
    session = (await api.create())["SessionId"]
    name = HOSTILE[:5000]
    await api.call(name, SessionId=name)
    await api.call("GetSession", SessionId=name)
    await api.call("CallMcpTool", SessionId=session, Name=name, Args=json.dumps({name: name}), Server=name)
    await api.call("SetLabel", SessionId=session, Labels=json.dumps({name: name}))
    assert (len(log.told("answered")), len(log.texts)) == (5, len(log.lines))
    assert [line for line in log.texts if "Forged" in line or len(line) > 400 or not line.isprintable()] == []


async def test_refused_ways_out_are_told_but_not_without_end(api: Api, log: Log) -> None:
    session = (await api.create())["SessionId"]
    ask = "for n in $(seq 25); do curl -so /dev/null http://user:PAYLOAD@host$n.example/PAYLOAD?PAYLOAD; done"
    await api.shell(session, ask)
    lines = log.told("egress refused")
    assert [line["to"] for line in lines] == [f"host{number}.example:80" for number in range(1, 11)]
    assert {(line["session"], line["reason"]) for line in lines} == {(session, "no_policy")}
    assert "PAYLOAD" not in log.all


@given(st.text() | st.just(HOSTILE))
def test_any_value_stays_on_its_line_and_can_be_read_back(value: str) -> None:
    log = Log()
    record = logging.LogRecord("x", logging.INFO, "", 0, "%s", (value,), None)
    for handler in log.handlers:
        handler.handle(record)
    assert (len(log.texts), len(log.lines)) == (1, 1)
    assert log.texts[0].isprintable()
    assert len(log.texts[0]) < 25_000
    text = shown(value)
    assert (text.isascii(), len(text) < 1500) == (True, True)
    assert " " not in text or text.startswith('"')


def test_an_unexpected_error_is_told_by_where_it_came_from_without_its_words(log: Log) -> None:
    def broken() -> None:
        raise ValueError("PAYLOAD") from OSError(28, "PAYLOAD\nFORGED")

    try:
        broken()
    except ValueError:
        logging.getLogger("agentbay_local").exception("unexpected")
    first, *rest = log.texts
    assert first.endswith(" ERROR unexpected")
    assert [line for line in rest if not line.startswith("    | ")] == []
    assert [line[6:] for line in rest if " in " not in line] == ["ValueError", "OSError (No space left on device)"]
    assert log.lines[0]["traceback"] == [line[6:] for line in rest]
    assert "PAYLOAD" not in log.all


def test_what_is_noted_outside_of_a_request_goes_nowhere(log: Log) -> None:
    note(owner="nobody")
    say("stopped", count=2, seconds=0.12345, reason="a b")
    assert log.texts[0].endswith(' INFO stopped count=2 seconds=0.1 reason="a b"')
    assert {name: log.lines[0][name] for name in ("count", "seconds")} == {"count": 2, "seconds": 0.123}


def test_what_comes_too_often_is_counted_instead() -> None:
    seldom = Seldom(most=2, seconds=10)
    assert [seldom.due(now) for now in (0, 1, 2, 3, 10, 11, 12, 20)] == [0, 0, None, None, 2, 0, None, 1]


@pytest.mark.parametrize(("options", "levels"), [((), {"info"}), (("--quiet",), set())])
def test_the_server_writes_its_log_on_standard_error_in_the_form_that_is_wanted(
    options: tuple[str, ...], levels: set[str], tmp_path: Path
) -> None:
    command = [sys.executable, "-m", "agentbay_local", "serve", "--log-format", "json", "--warm", "0", *options]
    told = subprocess.PIPE
    with subprocess.Popen(command, stdout=told, stderr=told, env=environment(), text=True) as process:
        assert process.stdout is not None
        said = [process.stdout.readline() for _ in range(2)]
        process.send_signal(signal.SIGTERM)
        _, log = process.communicate(timeout=30)
    assert ({json.loads(line)["level"] for line in log.splitlines()}, process.returncode) == (levels, 0)
    assert said[1].strip().partition("=")[2] not in log
