"""The live view of a browser that is none, and tells what it likes."""

from __future__ import annotations

import base64
import io
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from PIL import Image

from agentbay_local.app import Runtime
from agentbay_local.browser import installed
from agentbay_local.settings import Settings
from tests.local.page import hostile_browser
from tests.local.page.looking import Looker
from tests.local.page.viewing import looking
from tests.local.service.api import Api


@pytest.fixture
def browser(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The program that this machine takes for its browser meanwhile."""
    picture = io.BytesIO()
    Image.new("RGB", (30, 20), (0, 0, 187)).save(picture, "jpeg")
    text = "#!/usr/bin/env python3\n" + Path(hostile_browser.__file__).read_text("utf-8")
    program = tmp_path / "hostile" / "linux" / "chrome"
    program.parent.mkdir(parents=True)
    program.write_text(text.replace("@@picture@@", base64.b64encode(picture.getvalue()).decode()), "utf-8")
    program.chmod(0o755)
    monkeypatch.setenv(installed.NAMED, str(program))
    for known in (installed._looked, installed.shown):
        known.cache_clear()
    yield program
    for known in (installed._looked, installed.shown):
        known.cache_clear()


@pytest.fixture
async def looker(browser: Path) -> AsyncIterator[Looker]:
    async with Runtime(Settings(warm=0)) as runtime, Api(runtime.endpoint, runtime.keys[0]) as api:
        yield await Looker.of(api, (await api.create(ImageId="browser_latest"))["SessionId"])


async def test_what_a_browser_cannot_mean_is_passed_over_and_the_view_goes_on(looker: Looker) -> None:
    async with looking(looker) as eye:
        await eye.send("start")
        await eye.until(lambda: eye.frames and eye.told.get("dialog", {}).get("kind"))
        tabs = {each["id"]: each["title"] for each in eye.told["tabs"]["tabs"]}
        assert {"first": hostile_browser.HALF} | {f"p{number}": "" for number in range(99)} == tabs
        assert ("alert", hostile_browser.HALF) == (eye.told["dialog"]["kind"], eye.told["dialog"]["message"])
        assert (30, 20) == eye.picture.size
    async with looking(looker) as late:
        await late.until(lambda: late.frames)
    listed = (await looker.api.tool(looker.session, "browser_tab_list")).said[0]
    assert 3 == len(listed.splitlines()), listed
    assert "browser_tab_list" == (await looker.get("/calls"))["calls"][0]["tool"]
