"""A hibernated session has no desktop and no browser any more; awake, it starts new ones with the same options."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from agentbay_local.app import Runtime
from agentbay_local.settings import Settings
from tests.local.programs import need_browser, need_desktop
from tests.local.service.api import Api
from tests.local.service.test_hibernation import Hibernating

AGENT = "Mine/1.0"
SHOWN = "data:text/html,<title>x</title><script>document.title = navigator.userAgent</script>"
BEGUN = {"PersistentPath": "/tmp/agentbay_browser", "BrowserOption": json.dumps({"userAgent": AGENT})}


@pytest.fixture
async def place(tmp_path: Path) -> AsyncIterator[Hibernating]:
    settings = Settings(data=tmp_path / "data", warm=0, hibernate=0.05)
    async with Runtime(settings) as runtime, Api(runtime.endpoint, runtime.keys[0]) as api:
        yield Hibernating(runtime, api)


def here() -> list[str]:
    """The tasks of this process that work for a desktop or a browser."""
    names = [getattr(task.get_coro(), "__qualname__", "") for task in asyncio.all_tasks()]
    return [name for name in names if name.startswith(("XLink", "Cdp", "Browser", "BoxProcess"))]


async def use(place: Hibernating, session: str, name: str, **args: Any) -> str:
    text, failed = (await place.api.tool(session, name, **args)).said
    assert not failed, text
    return text


async def running(place: Hibernating, session: str, pattern: str) -> int:
    return int((await place.api.shell(session, f"pgrep -c '{pattern}'"))["stdout"])


async def test_a_woken_session_starts_a_desktop_anew(place: Hibernating) -> None:
    need_desktop()
    session = (await place.api.create())["SessionId"]
    before = here()
    await use(place, session, "start_app", start_cmd="xterm")
    assert here() != before
    await place.sleep(session)
    assert here() == before
    await place.wake(session)
    assert 0 == await running(place, session, "^X|openbox|xterm")
    assert [] == json.loads(await use(place, session, "list_root_windows"))
    await use(place, session, "start_app", start_cmd="xterm")
    assert 1 == await running(place, session, "^xterm")


async def test_a_woken_session_starts_its_browser_anew_with_the_same_options(place: Hibernating) -> None:
    need_browser()
    session = (await place.api.create(ImageId="browser_latest"))["SessionId"]
    before = here()
    assert (200, "ok") == (await place.api.call("InitBrowser", SessionId=session, **BEGUN)).verdict
    link = (await place.api.call("GetCdpLink", SessionId=session)).data["Url"]
    assert here() != before
    await place.sleep(session)
    assert here() == before
    await place.wake(session)
    assert 0 == await running(place, session, "chrom")
    assert AGENT in await use(place, session, "page_use_navigate", url=SHOWN)
    assert link == (await place.api.call("GetCdpLink", SessionId=session)).data["Url"]


@pytest.mark.slow
async def test_the_options_of_a_browser_outlive_the_server(tmp_path: Path) -> None:
    need_browser()
    settings = Settings(data=tmp_path / "data", warm=0, keys=("akm-browsing",))
    async with Runtime(settings) as runtime, Api(runtime.endpoint, "akm-browsing") as api:
        made = await api.call("CreateMcpSession", ImageId="browser_latest")
        session = made.data["SessionId"]
        assert (200, "ok") == (await api.call("InitBrowser", SessionId=session, **BEGUN)).verdict
        assert (200, "ok") == (await api.call("PauseSessionAsync", SessionId=session)).verdict
    async with Runtime(settings) as runtime, Api(runtime.endpoint, "akm-browsing") as api:
        api.adopt(session)
        place = Hibernating(runtime, api)
        await place.wake(session)
        assert AGENT in await use(place, session, "page_use_navigate", url=SHOWN)
