"""A browser with a window, worked like any other program: by what is seen, clicked and typed."""

from __future__ import annotations

import json
import os
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from agentbay_local.browser import installed
from agentbay_local.desktop.patience import until
from agentbay_local.sandbox.engine import Engine
from agentbay_local.tools import Box
from tests.local.desktop.conftest import LIMITS, Desk
from tests.local.desktop.test_input import SCRIPTS
from tests.local.programs import need_browser

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.slow]

PAGE = """<!doctype html><meta charset=utf-8><title>Page</title>
<style>body{margin:0} textarea,div{position:fixed;left:0;width:100%;box-sizing:border-box;border:0}
#text{top:0;height:300px;background:#0f0} #long{top:300px;height:200px;overflow:auto;background:#fff}
#button{top:500px;height:200px;background:#f00}</style>
<textarea id=text autofocus spellcheck=false></textarea>
<div id=long><p style='height:5000px;margin:0;background:linear-gradient(#00f 100px,#fff 0)'></div>
<div id=button onclick="button.style.background='#ff0'"></div>
<script>
const tell = () => fetch('/', {method: 'POST', body: JSON.stringify({text: text.value, top: long.scrollTop})})
const empty = () => { text.value = ''; long.scrollTop = 0; button.style.background = '#f00'; text.focus() }
onkeydown = event => {
  if (event.key == 'F8') empty()
  if (event.key == 'F8' || event.key == 'F9') tell()
}
</script>"""
SERVER = """
import http.server, os
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(open("/tmp/page.html", "rb").read())
    def do_POST(self):
        with open("/tmp/told.new", "wb") as file:
            file.write(self.rfile.read(int(self.headers["Content-Length"])))
        os.rename("/tmp/told.new", "/tmp/told")
        self.send_response(204)
        self.end_headers()
    def log_message(self, *_):
        pass
http.server.ThreadingHTTPServer(("127.0.0.1", 8000), Handler).serve_forever()
"""
GREEN, RED, YELLOW, BLUE, WHITE = (0, 255, 0), (255, 0, 0), (255, 255, 0), (0, 0, 255), (255, 255, 255)


async def write(desk: Desk, path: str, text: str) -> None:
    fd = await desk.box.sandbox.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.write(fd, text.encode())
    os.close(fd)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def page(engine: Engine, programs: None) -> AsyncIterator[Desk]:
    need_browser()
    desk = Desk(Box(await engine.create(), "linux_latest", LIMITS))
    await write(desk, "/tmp/page.html", PAGE)
    await write(desk, "/tmp/server.py", SERVER)
    await desk("start_app", start_cmd="python3 /tmp/server.py")
    await desk("start_app", start_cmd="google-chrome --user-data-dir=/tmp/profile --app=http://127.0.0.1:8000/")
    assert await shows(desk, (640, 300), GREEN)
    yield desk
    await desk.box.close()


@pytest_asyncio.fixture(loop_scope="session")
async def field(page: Desk) -> Desk:
    """The page as it was in the beginning, with the focus in its field."""
    await page("click_mouse", **xy(await at(page, 150)))
    assert {"text": "", "top": 0} == await told(page, "F8")
    return page


def xy(place: tuple[int, int]) -> dict[str, int]:
    return {"x": place[0], "y": place[1]}


async def at(desk: Desk, y: int, x: int = 400) -> tuple[int, int]:
    """A place of the page, on the screen."""
    [window] = [each for each in await desk("list_root_windows") if each["window_title"] == "Page"]
    return window["absolute_upper_left_x"] + x, window["absolute_upper_left_y"] + y


async def shows(desk: Desk, place: tuple[int, int], colour: tuple[int, int, int]) -> bool:
    async def is_so() -> bool:
        return (await desk.picture()).getpixel(place) == colour

    return await until(is_so, 20, 0.05)


async def told(desk: Desk, key: str = "F9") -> dict[str, Any]:
    """What the page says of itself when a key is pressed."""
    await desk.sh("rm -f /tmp/told")
    await desk("press_keys", keys=[key])

    async def there() -> bool:
        return bool(await desk.sh("cat /tmp/told 2>/dev/null"))

    assert await until(there, 10, 0.05)
    return dict(json.loads(await desk.sh("cat /tmp/told")))


@pytest.mark.parametrize("script", SCRIPTS)
async def test_text_of_any_script_reaches_a_field_of_a_page(field: Desk, script: str) -> None:
    await field("input_text", text=SCRIPTS[script])
    assert SCRIPTS[script] == (await told(field))["text"]


async def test_long_texts_reach_a_field_of_a_page_whole(field: Desk) -> None:
    many = "".join(map(chr, range(0x4E00, 0x4E00 + 200)))
    fast = ("The quick brown fox, ÄÖÜ жук 漢字 αβγ; " * 60)[:2000]
    await field("input_text", text=f"{many}\n")
    await field("input_text", text=fast)
    assert f"{many}\n{fast}" == (await told(field))["text"]


async def test_a_click_changes_a_page_and_the_picture_shows_it(field: Desk) -> None:
    button = await at(field, 600)
    await field("click_mouse", **xy(button))
    assert await shows(field, button, YELLOW)


async def test_the_wheel_scrolls_a_page(field: Desk) -> None:
    place = await at(field, 350)
    assert await shows(field, place, BLUE)
    await field("scroll", **xy(place), direction="down", amount=3)
    assert await shows(field, place, WHITE)
    assert (await told(field))["top"] > 100


async def test_what_is_copied_in_a_page_is_pasted_in_another_program(field: Desk) -> None:
    text = "Clipboard: ж 漢字 😀"
    await field("input_text", text=text)
    await field("press_keys", keys=["ctrl", "a"])
    await field("press_keys", keys=["ctrl", "c"])
    window = await field.terminal("sh -c 'stty -icanon; cat > /tmp/pasted'", "-xrm 'XTerm*selectToClipboard: true'")
    await field("press_keys", keys=["shift", "insert"])
    assert text == await field.reads("/tmp/pasted", text)
    await field("close_window", window_id=window["window_id"])

    async def gone() -> bool:
        return window["window_id"] not in [each["window_id"] for each in await field("list_root_windows")]

    assert await until(gone, 10, 0.05)


async def test_what_is_dragged_over_is_selected_and_replaced_by_what_is_typed(field: Desk) -> None:
    await field("input_text", text="one line of text")
    left, right = await at(field, 12, 1), await at(field, 12, 900)
    await field("drag_mouse", from_x=left[0], from_y=left[1], to_x=right[0], to_y=right[1])
    await field("input_text", text="я")
    assert "я" == (await told(field))["text"]


async def test_a_browser_is_the_one_of_this_machine_and_ends_as_its_entry_says(page: Desk) -> None:
    found = [each for each in await page("get_installed_apps") if "chrom" in each["start_cmd"]]
    if not found:
        pytest.skip("the browser of this machine is in no menu")
    app = found[0]
    before = {each["pid"] for each in await page("list_visible_apps")}
    started = await page("start_app", start_cmd=f"{app['start_cmd']} --user-data-dir=/tmp/other about:blank")
    pids, own = {each["pid"] for each in started}, list[dict[str, Any]]()

    async def visible() -> bool:
        own[:] = [each for each in await page("list_visible_apps") if each["pid"] not in before]
        return bool(own)

    async def gone() -> bool:
        return not await visible()

    assert await until(visible, 40, 0.05)
    [shown] = own
    assert shown["pid"] in pids
    assert installed.look().program.name == shown["pname"] == app["stop_cmd"].removeprefix("pkill -x ")
    await page("stop_app_by_pid", pid=shown["pid"])
    assert await until(gone, 10, 0.05)
