"""The guides whose blocks need the cloud, run against a service that answers as the catalogue says."""

from __future__ import annotations

import asyncio
import inspect
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pytest_httpserver import HTTPServer

import agentbay
from tests.catalogue import TOOLS, example, example_text
from tests.channel import Channel, Frame, Peer
from tests.gateway import GONE, KEY, SESSION_ID, TOKEN, Gateway, Said, ok
from tests.store import Store
from tests.surroundings import clear_environment

GUIDES = Path(__file__).resolve().parents[2] / "docs" / "guides"
BLOCKS = [
    pytest.param(page, block, id=f"{page}-{number}")
    for page in ("agents", "desktop", "phones")
    for number, block in enumerate(
        re.findall("```python no-run\n(.*?)```", (GUIDES / f"{page}.md").read_text("utf-8"), re.DOTALL)
        if GUIDES.is_dir()
        else ()
    )
]
JPEG = '{"type": "image", "mime_type": "image/jpeg", "data": "/9j/4AAQ"}'


def url(store: Store) -> Any:
    return lambda request: ok({"Url": f"{store.url}{request.form['FilePath']}?Signature=x"})


@pytest.fixture
def gateway(httpserver: HTTPServer) -> Iterator[Gateway]:
    gateway = Gateway(httpserver)
    httpserver.expect_request(re.compile(".*")).respond_with_handler(gateway.handle)
    for tool in TOOLS:
        gateway.on(tool, Said(example_text(tool)))
    task = json.dumps([{"contextId": "c1", "status": "Success", "taskType": "download"}])
    gateway.on("long_screenshot", Said(JPEG))
    gateway.on("flux_get_task_status", Said('{"task_id": "t1", "status": "finished"}'))
    for action in ("GetAdbLink", "InitBrowser", "CreateNetwork", "DescribeNetwork", "GetSkillMetaData"):
        gateway.on(action, example(action))
    gateway.on("DeleteSessionAsync", ok())
    gateway.on("GetSessionDetail", GONE)
    gateway.on("GetContext", ok({"Id": "c1", "Name": "n"}))
    gateway.on("GetContextInfo", ok({"ContextStatus": json.dumps([{"type": "data", "data": task}])}))
    yield gateway
    assert gateway.surprises == []


def work(peer: Peer, frame: Frame) -> None:
    """A phone's agent that says something, asks, and ends after the answer."""
    event = {"phase": "event", "eventType": "content", "content": "Looking."}
    asked = {"toolName": "call_for_user", "toolCallId": "c1", "args": {"prompt": "Code?"}}
    peer.reply(frame, event, event | {"eventType": "tool_call"} | asked)
    assert peer.receive()["data"]["params"]["response"] == "385216"
    peer.reply(frame, {"phase": "end", "status": "finished", "taskResult": "done"})


@pytest.fixture
def channel() -> Iterator[Channel]:
    with Channel() as channel:
        channel.on("exec_task", work)
        yield channel


async def run_in_a_session(function: Any) -> None:
    async with agentbay.AsyncAgentBay() as client:
        await function((await client.get(SESSION_ID)).unwrap().session)


@pytest.mark.parametrize("direct", [False, True])
@pytest.mark.parametrize(("page", "block"), BLOCKS)
def test_a_block_runs(
    page: str,
    block: str,
    direct: bool,
    gateway: Gateway,
    channel: Channel,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clear_environment(monkeypatch)
    monkeypatch.chdir(tmp_path)
    for name, text in {"AGENTBAY_ENDPOINT": gateway.url, "AGENTBAY_API_KEY": KEY, "HOME": str(tmp_path)}.items():
        monkeypatch.setenv(name, text)
    (tmp_path / ".android").mkdir()
    (tmp_path / ".android" / "adbkey.pub").write_text("key")
    (tmp_path / "dev_info.json").write_text('{"version": 1}')
    monkeypatch.setattr("builtins.input", lambda prompt: "385216")
    wired = ok(gateway.session_data(direct=direct, WsUrl=channel.url, **{} if direct else {"Token": TOKEN}))
    gateway.on("CreateMcpSession", wired)
    gateway.on("GetSession", wired)

    with Store() as store, agentbay.AgentBay() as client:
        gateway.on("GetContextFileUploadUrl", url(store))
        session = client.create().unwrap().session
        scope: dict[str, Any] = {"__name__": "__main__", "session": session}
        exec(compile(block, page, "exec", dont_inherit=True), scope)
        for function in filter(inspect.iscoroutinefunction, scope.values()):
            if list(inspect.signature(function).parameters) == ["session"]:
                asyncio.run(run_in_a_session(function))

    assert len(gateway.requests) + len(channel.frames) > 1
