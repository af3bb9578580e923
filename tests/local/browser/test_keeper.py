"""Pages that come and go while they are told what to be, and are filmed: by a browser that does exactly that."""

from __future__ import annotations

import base64
import io
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import aiohttp
import pytest
import pytest_asyncio
from aiohttp import web
from attrs import define, field
from PIL import Image

from agentbay_local.browser.cdp import Cdp
from agentbay_local.browser.keeper import Keeper, Told
from agentbay_local.browser.recorder import FOLDER, Recorder
from agentbay_local.desktop.patience import until
from agentbay_local.sandbox.contract import Sandbox
from agentbay_local.sandbox.engine import Limits, default_engine

pytestmark = pytest.mark.asyncio(loop_scope="session")

Json = dict[str, Any]
REFUSED = {"error": {"message": "not now"}}


def event(method: str, session: str = "", **params: Any) -> Json:
    return {"method": method, "params": params, "sessionId": session}


def attached(session: str) -> Json:
    return event("Target.attachedToTarget", sessionId=session, targetInfo={"type": "page", "browserContextId": "one"})


def changed(session: str) -> Json:
    return event("Page.screencastFrame", session, sessionId=1)


def picture() -> Json:
    file = io.BytesIO()
    Image.new("RGB", (16, 16), "red").save(file, "WEBP", quality=50)
    return {"result": {"data": base64.b64encode(file.getvalue()).decode()}}


@define
class Browser:
    """What it sends when it is asked for something: the answer first, and events."""

    says: Callable[[str, str], Iterator[Json]]
    asked: list[tuple[str, str]] = field(factory=list)

    async def serve(self, request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        async for message in socket:
            asked = message.json()
            session = asked.get("sessionId", "")
            self.asked.append((asked["method"], session))
            for said in self.says(asked["method"], session):
                await socket.send_json(said if "method" in said else {"id": asked["id"], **said})
        return socket


@pytest_asyncio.fixture(loop_scope="session")
async def sandbox() -> AsyncIterator[Sandbox]:
    engine = default_engine(Limits(workspace=80 << 20), warm=0)
    await engine.start()
    yield await engine.create()
    await engine.close()


@pytest_asyncio.fixture(loop_scope="session")
async def connected() -> AsyncIterator[Callable[[Browser], Any]]:
    """Connections to such browsers."""
    runners, made = list[web.AppRunner](), list[Cdp]()

    async def connect(browser: Browser) -> Cdp:
        app = web.Application()
        app.router.add_get("/", browser.serve)
        runners.append(web.AppRunner(app))
        await runners[-1].setup()
        await web.TCPSite(runners[-1], "127.0.0.1", 0).start()
        client = aiohttp.ClientSession()
        made.append(Cdp(client, await client.ws_connect(f"http://127.0.0.1:{runners[-1].addresses[0][1]}/")))
        return made[-1]

    yield connect
    for cdp in made:
        await cdp.close()
    for runner in runners:
        await runner.cleanup()


async def films(sandbox: Sandbox) -> list[int]:
    """How long each is by now, in bytes."""
    names = [each["name"] for each in await sandbox.fs("list", path=FOLDER)]
    return [(await sandbox.fs("stat", path=f"{FOLDER}/{name}"))["size"] for name in names]


async def test_a_page_that_is_gone_before_it_is_begun_is_not_filmed(sandbox: Sandbox, connected: Any) -> None:
    def says(method: str, session: str) -> Iterator[Json]:
        if session == "short":
            yield event("Target.detachedFromTarget", sessionId="short")
            yield REFUSED
            return
        yield picture() if method == "Page.captureScreenshot" else {"result": {}}
        if method == "Target.setAutoAttach":
            yield from map(attached, ("short", "long"))
        elif method == "Page.startScreencast":
            yield changed(session)

    browser = Browser(says)
    cdp = await connected(browser)
    recorder = Recorder(sandbox, cdp)
    await Keeper(cdp, Told(agent="me"), "1", recorder).begin()

    async def filmed() -> bool:
        return ("Page.captureScreenshot", "long") in browser.asked

    assert await until(filmed, 10, 0.01)
    assert len(await films(sandbox)) == 1
    await recorder.close()


async def test_a_picture_that_a_dialog_holds_up_does_not_end_the_film(sandbox: Sandbox, connected: Any) -> None:
    pictures = iter([REFUSED])

    def says(method: str, session: str) -> Iterator[Json]:
        yield next(pictures, picture()) if method == "Page.captureScreenshot" else {"result": {}}
        if method == "Target.setAutoAttach":
            yield attached("page")
        elif method in {"Page.startScreencast", "Page.screencastFrameAck"}:
            yield changed(session)

    cdp = await connected(Browser(says))
    recorder = Recorder(sandbox, cdp)
    await Keeper(cdp, Told(), "1", recorder).begin()

    async def written() -> bool:
        return any(await films(sandbox))

    assert await until(written, 10, 0.05)
    await recorder.close()
