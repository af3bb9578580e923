"""The live view of a browser: its page is seen and worked, its tabs, dialogs and ends are told of."""

from __future__ import annotations

from collections.abc import AsyncIterator
from itertools import count
from typing import Any
from urllib.parse import quote

import pytest
import pytest_asyncio

from tests.local.conftest import Served
from tests.local.page.looking import Looker
from tests.local.page.viewing import Eye, begun, looking
from tests.local.programs import need_browser
from tests.local.service.api import Api

pytestmark = pytest.mark.asyncio(loop_scope="session")

RED, BLUE = (170, 0, 0), (0, 0, 187)
STYLE = "<style>body{background:#a00;margin:0}#b{position:absolute;left:0;top:100px;width:300px;height:200px}</style>"
NUMBERS = count()
FORM = f"""<title>Form %s</title>{STYLE}<input id=i autofocus style='width:300px'>
<button id=b onclick="document.title = prompt('Your name?', 'Ann')">Ask</button>
<script>i.oninput = () => document.title = i.value</script>"""
BLUE_PAGE = "<title>Blue</title><body style='background:#00b'>"


def page(html: str) -> str:
    return f"data:text/html,{quote(html)}"


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def caller(runtime: Served) -> AsyncIterator[Api]:
    need_browser()
    async with Api(runtime.endpoint, runtime.key) as api:
        yield api


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def shared(caller: Api) -> Looker:
    """A session whose browser runs."""
    looker = await Looker.of(caller, (await caller.create(ImageId="browser_latest"))["SessionId"])
    await begun(looker, "browser")
    return looker


@pytest_asyncio.fixture(loop_scope="session")
async def eye(shared: Looker) -> AsyncIterator[Eye]:
    """Somebody who looks at the form."""
    async with looking(shared) as looker:
        await looker.until(lambda: looker.frames or looker.told.get("tabs", {}).get("crashed"))
        for each in [each for each in tabs(looker) if each["id"] != looker.told["tabs"]["shown"]]:
            await looker.send("shut", id=each["id"])
        await looker.until(lambda: len(tabs(looker)) == 1)
        await opened(looker)
        yield looker


async def opened(eye: Eye) -> str:
    """Goes to the form; its title, which no form had before."""
    title = f"Form {next(NUMBERS)}"
    await eye.send("navigate", url=page(FORM.replace("Form %s", title)))
    await eye.shown(RED, (600, 400))
    await titled(eye, title)
    return title


async def titled(eye: Eye, title: str) -> None:
    await eye.until(
        lambda: any(each["title"] == title for each in tabs(eye) if each["id"] == eye.told["tabs"]["shown"])
    )


def tabs(eye: Eye) -> list[dict[str, Any]]:
    return list(eye.told.get("tabs", {}).get("tabs", []))


async def test_a_look_starts_no_browser_and_a_press_on_the_button_does(caller: Api) -> None:
    looker = await Looker.of(caller, (await caller.create(ImageId="browser_latest"))["SessionId"])
    async with looking(looker) as eye:
        await eye.state("off")
        assert {"type": "hello", "of": "browser", "offers": ["browser"]} == eye.told["hello"]
        await eye.send("start")
        await eye.until(lambda: eye.frames)
        assert (eye.told["size"]["width"], eye.told["size"]["height"]) == eye.picture.size
        await caller.shell(looker.session, "pkill -KILL -o chrom")
        assert "The browser has ended" == (await eye.state("off"))["message"]
        await eye.send("start")
        await eye.state("on")


async def test_keys_and_text_reach_the_page(eye: Eye) -> None:
    await eye.click(100, 10)
    await eye.key("a", "KeyA")
    await eye.key("Shift", "ShiftLeft", 8, "down")
    await eye.key("B", "KeyB", 8)
    await eye.send("text", text="漢字 שלום 👍")
    await titled(eye, "aB漢字 שלום 👍")
    await eye.key("Backspace")
    await titled(eye, "aB漢字 שלום")
    await eye.key("a", "KeyA", 2)
    await eye.send("copy")
    await eye.until(lambda: "clipboard" in eye.told)
    assert "aB漢字 שלום " == eye.told["clipboard"]["text"]


async def test_a_dialog_is_shown_and_answered(eye: Eye) -> None:
    await eye.click(150, 200)
    await eye.until(lambda: eye.told["dialog"]["kind"])
    assert {"type": "dialog", "kind": "prompt", "message": "Your name?", "text": "Ann"} == eye.told["dialog"]
    await eye.click(10, 10)  # nobody can click on a page that asks
    await eye.send("dialog", accept=True, text="Bo")
    await titled(eye, "Bo")
    assert "" == eye.told["dialog"]["kind"]


async def test_a_dialog_that_the_tools_know_of_waits_for_the_next_viewer(shared: Looker) -> None:
    async with looking(shared) as early:
        await early.until(lambda: early.frames)
        await opened(early)
        await shared.api.tool(shared.session, "browser_snapshot")
        await early.click(150, 200)
        await early.until(lambda: early.told["dialog"]["kind"])
    async with looking(shared) as late:
        await late.until(lambda: late.told.get("dialog", {}).get("kind"))
        await late.send("dialog", accept=True, text="Cy")
        await titled(late, "Cy")
        assert "" == late.told["dialog"]["kind"]


async def test_a_dialog_of_a_page_that_nobody_looks_at_any_more_is_cancelled(caller: Api) -> None:
    looker = await Looker.of(caller, (await caller.create(ImageId="browser_latest"))["SessionId"])
    await begun(looker, "browser")
    async with looking(looker) as early:
        await early.until(lambda: early.frames)
        await opened(early)
        await early.click(150, 200)
        await early.until(lambda: early.told["dialog"]["kind"])
    async with looking(looker) as late:
        await titled(late, "null")


async def test_tabs_are_told_of_chosen_and_closed(shared: Looker, eye: Eye) -> None:
    first = eye.told["tabs"]["shown"]
    await eye.send("open")
    await eye.until(lambda: len(tabs(eye)) == 2 and eye.told["tabs"]["shown"] != first)
    await eye.send("navigate", url=page(BLUE_PAGE))
    await eye.shown(BLUE, (600, 400))
    await titled(eye, "Blue")
    second = eye.told["tabs"]["shown"]
    await eye.send("tab", id=first)
    await eye.shown(RED, (600, 400))
    told = (await shared.api.tool(shared.session, "browser_tab_list")).said[0]
    assert "(current) Form" in told, told
    await eye.send("shut", id=first)
    await eye.shown(BLUE, (600, 400))
    assert [second] == [each["id"] for each in tabs(eye)]


async def test_the_page_that_the_tools_turn_to_is_shown(shared: Looker, eye: Eye) -> None:
    await shared.api.tool(shared.session, "browser_tab_new")
    await shared.api.tool(shared.session, "browser_navigate", url=page(BLUE_PAGE))
    await eye.shown(BLUE, (600, 400))
    await shared.api.tool(shared.session, "browser_tab_select", index=0)
    await eye.shown(RED, (600, 400))
    await shared.api.tool(shared.session, "browser_tab_close", index=1)
    await eye.until(lambda: len(tabs(eye)) == 1)


async def test_history_goes_back_and_forward(eye: Eye) -> None:
    await eye.send("navigate", url=page(BLUE_PAGE))
    await eye.shown(BLUE, (600, 400))
    await eye.send("travel", where="back")
    await eye.shown(RED, (600, 400))
    await eye.send("travel", where="forward")
    await eye.shown(BLUE, (600, 400))
    await eye.send("travel", where="reload")
    await titled(eye, "Blue")


async def test_an_address_that_cannot_be_opened_is_told_of(eye: Eye) -> None:
    await eye.send("navigate", url="127.0.0.1:1/x")
    await eye.until(lambda: "notice" in eye.told)
    assert "http://127.0.0.1:1/x cannot be opened: net::ERR_" in eye.told["notice"]["text"]


async def test_a_page_that_has_crashed_is_told_of_and_loads_again_for_the_tools_too(shared: Looker, eye: Eye) -> None:
    await shared.api.tool(shared.session, "browser_snapshot")
    await eye.send("navigate", url="chrome://crash")
    await eye.until(lambda: eye.told["tabs"]["crashed"])
    await eye.send("navigate", url=page(BLUE_PAGE))
    await eye.shown(BLUE, (600, 400))
    assert not eye.told["tabs"]["crashed"]
    assert "Blue" in (await shared.api.tool(shared.session, "browser_snapshot")).said[0]


async def test_who_comes_after_a_crash_is_told_of_it_and_loads_the_page_again(shared: Looker, eye: Eye) -> None:
    await eye.send("navigate", url="chrome://crash")
    await eye.until(lambda: eye.told["tabs"]["crashed"])
    await eye.socket.close()
    async with looking(shared) as late:
        await late.until(lambda: late.told.get("tabs", {}).get("crashed"))
        await late.send("travel", where="reload")
        await late.shown(RED, (600, 400))
        assert not late.told["tabs"]["crashed"]


async def test_tools_that_come_after_a_crash_are_told_of_it_and_have_the_page_again(caller: Api) -> None:
    looker = await Looker.of(caller, (await caller.create(ImageId="browser_latest"))["SessionId"])
    await begun(looker, "browser")
    async with looking(looker) as eye:
        await eye.until(lambda: eye.frames)
        await eye.send("navigate", url="chrome://crash")
        await eye.until(lambda: eye.told["tabs"]["crashed"])

    async def use(name: str, **arguments: Any) -> str:
        return (await caller.tool(looker.session, name, **arguments)).said[0]

    assert "the page has crashed: navigate to an address" in await use("browser_snapshot")
    assert "Talker" in await use("browser_navigate", url=page("<title>Talker</title><script>console.log(17)</script>"))
    assert "[LOG] 17" in await use("browser_console_messages")


async def test_where_no_page_is_open_one_can_be_opened(eye: Eye) -> None:
    await eye.send("open")
    await eye.until(lambda: len(tabs(eye)) == 2)
    for each in tabs(eye):
        await eye.send("shut", id=each["id"])
    await eye.until(lambda: not tabs(eye) or eye.told["state"]["state"] == "off")
    await eye.send("start" if eye.told["state"]["state"] == "off" else "open")
    await eye.until(lambda: len(tabs(eye)) == 1)
