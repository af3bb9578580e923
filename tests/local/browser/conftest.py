"""A runtime with a model that says what a test wants, sessions with a browser, and a shop inside to look at."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from aiohttp import web
from attrs import define, field

from agentbay import AsyncAgentBay, AsyncSession, CreateSessionParams, LifecyclePolicy
from agentbay_local.app import Runtime
from agentbay_local.browser.model import Model
from agentbay_local.settings import Settings
from tests.local.inside import listening
from tests.local.programs import need_browser

SHOP = """<!doctype html><meta charset=utf-8><title>Shop</title><h1>Shop</h1>
<form onsubmit="event.preventDefault();
  out.textContent = `Bought ${qty.value} ${what.value}${gift.checked ? ' as gift' : ''} in ${col.value}`">
<label>Quantity <input id=qty type=number value=1></label> <label>What <input id=what></label>
<label><input type=checkbox id=gift> Gift</label>
<select id=col aria-label=Colour><option value=red>Red<option value=blue>Blue</select>
<input type=file id=file aria-label=File onchange="out.textContent = 'File ' + file.files[0].name">
<button>Buy</button></form><p id=out></p>
<a href="two.html" target=_blank>Second page</a> <button onclick="out.textContent = prompt('Your name?')">Ask</button>
<div id=box draggable=false onmousedown="out.textContent='down'" tabindex=0 aria-label=Box>box</div>
<script>console.log('hello', 3)</script>"""
SECOND = "<!doctype html><meta charset=utf-8><title>Two</title><h1>Zwei 你好</h1>"
START = "cd /tmp/www && (nohup python3 -m http.server 8000 --bind 127.0.0.1 >/dev/null 2>&1 &); "
ADDRESS = "http://127.0.0.1:8000/"


@pytest.fixture(scope="session")
def _with_a_browser() -> None:
    need_browser()


@define
class Mind:
    """A server of a model: it answers what it was given to say, and keeps what it was asked."""

    url: str = ""
    answers: list[Any] = field(factory=list)
    asked: list[dict[str, Any]] = field(factory=list)
    keys: list[str] = field(factory=list)

    async def answer(self, request: web.Request) -> web.Response:
        self.asked.append(await request.json())
        self.keys.append(request.headers.get("Authorization", ""))
        said = self.answers.pop(0)
        if callable(said):
            said = said(self.words)
        if isinstance(said, web.Response):
            return said
        text = said if isinstance(said, str) else json.dumps(said)
        return web.json_response({"choices": [{"message": {"role": "assistant", "content": text}}]})

    @property
    def words(self) -> str:
        """What the user's side of the last question says."""
        content = self.asked[-1]["messages"][-1]["content"]
        return content if isinstance(content, str) else content[0]["text"]


@pytest_asyncio.fixture(loop_scope="session", scope="session")
async def thinking() -> AsyncIterator[Mind]:
    mind, app = Mind(), web.Application(client_max_size=64 << 20)
    app.router.add_post("/v1/chat/completions", mind.answer)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    mind.url = f"http://127.0.0.1:{runner.addresses[0][1]}/v1"
    yield mind
    await runner.cleanup()


@pytest.fixture
def mind(thinking: Mind) -> Mind:
    thinking.answers.clear()
    thinking.asked.clear()
    return thinking


@pytest_asyncio.fixture(loop_scope="session", scope="session")
async def runtime_here(
    _with_a_browser: None, thinking: Mind, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Runtime]:
    folder: Path = tmp_path_factory.mktemp("data")
    settings = Settings(data=folder, warm=0, model=Model(thinking.url, "clever", "secret-key"))
    async with Runtime(settings) as runtime:
        yield runtime


@pytest_asyncio.fixture(loop_scope="session", scope="session")
async def client(runtime_here: Runtime) -> AsyncIterator[AsyncAgentBay]:
    async with AsyncAgentBay(api_key=runtime_here.keys[0], endpoint=runtime_here.endpoint) as client:
        yield client


async def opened(client: AsyncAgentBay, **params: Any) -> AsyncSession:
    """A session with a browser image in which the shop is open for business."""
    made = await client.create(CreateSessionParams(**{"image_id": "browser_latest", **params}))
    session = made.unwrap().session
    for name, text in {"index.html": SHOP, "two.html": SECOND}.items():
        (await session.file_system.write_file(f"/tmp/www/{name}", text)).unwrap()
    (await session.command.execute_command(START + listening(8000), 20_000)).unwrap()
    return session


@pytest_asyncio.fixture(loop_scope="session", scope="session")
async def shop(client: AsyncAgentBay) -> AsyncIterator[AsyncSession]:
    """A session for many tests, which must not end its browser. Long may pass between two of them."""
    session = await opened(client, lifecycle_policy=LifecyclePolicy(manual_release=True))
    yield session
    await session.delete()


@pytest_asyncio.fixture(loop_scope="session")
async def alone(client: AsyncAgentBay) -> AsyncIterator[AsyncSession]:
    """A session of the test's own."""
    session = await opened(client)
    yield session
    await session.delete()


Tool = Callable[..., Any]


@pytest.fixture
def use(shop: AsyncSession) -> Tool:
    """Calls a tool of the shop's browser; gives the text of a call that must succeed."""

    async def call(name: str, **args: Any) -> str:
        answer = await shop.call_mcp_tool(name, args)
        assert answer.success, answer.error_message
        return str(answer.data)

    return call
