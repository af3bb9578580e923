"""The pages themselves, in a real browser: by mouse, by keyboard alone, on a desktop and on a phone.

Whatever a test does, nothing may be asked of another server, no rule of the page's policy broken, and no error written.
"""

from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from attrs import define, field
from PIL import Image

from agentbay_local.browser import installed
from agentbay_local.page.front import front_urls
from tests.local.conftest import Served
from tests.local.page.looking import Looker
from tests.local.programs import need_browser
from tests.local.service.api import Api

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.slow]
playwright = pytest.importorskip("playwright.async_api")

DESKTOP = {"viewport": {"width": 1280, "height": 800}}
PHONE = {"viewport": {"width": 390, "height": 844}, "is_mobile": True, "has_touch": True}
SMALL = {"viewport": {"width": 360, "height": 640}, "color_scheme": "dark"}
PATIENCE = 20_000


@define
class Eyes:
    """Opens pages, each in a profile of its own, by default that of the session; keeps what is wrong with them."""

    browser: Any
    looker: Looker
    wrong: list[str] = field(factory=list)
    contexts: list[Any] = field(factory=list)

    async def __call__(self, url: str | None = None, **device: Any) -> Any:
        context = await self.browser.new_context(**(device or DESKTOP), accept_downloads=True)
        self.contexts.append(context)
        context.set_default_timeout(PATIENCE)
        page = await context.new_page()
        page.on("console", lambda said: self.wrong.append(said.text) if said.type in {"error", "warning"} else None)
        page.on("pageerror", lambda error: self.wrong.append(str(error)))
        page.on("request", lambda asked: self.wrong.append(asked.url) if self._outside(asked.url) else None)
        await page.goto(self.looker.url if url is None else url)
        return page

    def _outside(self, url: str) -> bool:
        return not url.startswith((self.looker.api.endpoint, "about:", "data:", f"blob:{self.looker.api.endpoint}"))


@pytest_asyncio.fixture(loop_scope="session", scope="module")
async def chromium() -> AsyncIterator[Any]:
    need_browser()
    program = str(installed.look().program)
    async with playwright.async_playwright() as driver:
        browser = await driver.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield browser
        await browser.close()


@pytest_asyncio.fixture(loop_scope="session")
async def looker(runtime: Served) -> AsyncIterator[Looker]:
    async with Api(runtime.endpoint, runtime.key) as api:
        yield await Looker.of(api, (await api.create())["SessionId"])


@pytest_asyncio.fixture(loop_scope="session")
async def see(chromium: Any, looker: Looker) -> AsyncIterator[Eyes]:
    eyes = Eyes(chromium, looker)
    yield eyes
    for context in eyes.contexts:
        await context.close()
    assert [] == eyes.wrong


async def has(page: Any, selector: str, text: str) -> None:
    await playwright.expect(page.locator(selector).first).to_contain_text(text, timeout=PATIENCE)


async def type_and_see(page: Any, typed: str, printed: str) -> None:
    await has(page, ".xterm-rows", "$")
    await page.keyboard.type(typed)
    await has(page, ".xterm-rows", printed)


async def test_what_is_typed_in_the_terminal_is_run(see: Eyes) -> None:
    page = await see()
    await type_and_see(page, "echo $((6*7)) 你好; stty size\n", "42 你好")
    columns = await page.evaluate("Math.round(document.querySelector('.xterm-screen').clientWidth)")
    assert columns > 1000


async def test_on_a_phone_nothing_is_wider_than_the_screen_and_missing_keys_are_there(see: Eyes) -> None:
    for device in (PHONE, SMALL):
        page = await see(**device)
        await has(page, ".xterm-rows", "$")
        for tab in ("files", "use", "calls", "terminal"):
            await page.locator(f"#tab-{tab}").click()
            wide = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
            assert (tab, 0) == (tab, await page.evaluate(wide))
    page = await see(**PHONE)
    await type_and_see(page, "echo on''ce\n", "once")
    await page.keyboard.type("sleep 100\n")
    await page.get_by_role("button", name="Ctrl").tap()
    await page.keyboard.type("c")
    await has(page, ".xterm-rows", "^C")
    await page.get_by_role("button", name="Up").tap()
    await has(page, ".xterm-rows", "$ sleep 100")


async def test_tabs_are_gone_through_and_the_terminal_is_left_by_keyboard_alone(see: Eyes) -> None:
    page = await see()
    focused = "document.activeElement.id"
    await has(page, ".xterm-rows", "$")
    await page.keyboard.press("Tab")  # which is the shell's
    assert "tab-terminal" != await page.evaluate(focused)
    await page.keyboard.press("Control+Alt+Shift")
    places = [await page.evaluate(focused)]
    for key in ("ArrowRight", "ArrowRight", "End", "ArrowRight", "ArrowLeft", "Home", "ArrowRight"):
        await page.keyboard.press(key)
        places.append(await page.evaluate(focused))
    names = ("terminal", "files", "screen", "calls", "terminal", "calls", "terminal", "files")
    assert [f"tab-{name}" for name in names] == places
    assert ["tab-files"] == await page.evaluate("[...document.querySelectorAll('[aria-selected=true]')].map(t => t.id)")
    await page.keyboard.press("Tab")
    assert "files-upload" == await page.evaluate(focused)


def read(path: str) -> bytes:
    return Path(path).read_bytes()


def picture() -> bytes:
    made = io.BytesIO()
    Image.new("RGB", (32, 24), (200, 30, 60)).save(made, "PNG")
    return made.getvalue()


async def test_files_are_brought_looked_at_fetched_renamed_and_deleted(see: Eyes, looker: Looker) -> None:
    page = await see()
    await page.locator("#tab-files").click()
    files = [("note.txt", b"hello <b>you</b> \xe4\xbd\xa0"), ("dot.png", picture())]
    brought = [{"name": name, "mimeType": "application/octet-stream", "buffer": data} for name, data in files]
    await page.locator("#files-chosen").set_input_files(brought)
    await page.get_by_role("button", name="note.txt", exact=True).click()
    await has(page, "#viewer pre", "hello <b>you</b> 你")
    await page.locator("#viewer-close").click()
    await page.get_by_role("button", name="dot.png", exact=True).click()
    await has(page, "#viewer-word", "32 \u00d7 24 pixels")
    async with page.expect_download() as fetching:
        await page.locator("#viewer-get").click()
    fetched = await fetching.value
    assert ("dot.png", files[1][1]) == (fetched.suggested_filename, read(await fetched.path()))
    await page.locator("#viewer-close").click()
    await page.get_by_role("button", name="Rename note.txt").click()
    await page.locator("#ask-name").fill("new 名.txt")
    await page.keyboard.press("Enter")
    await has(page, "#files-list", "new 名.txt")
    await page.get_by_role("button", name="Delete new 名.txt").click()
    await page.locator("#ask-no").click()
    await page.get_by_role("button", name="Delete new 名.txt").click()
    await page.locator("#ask-yes").click()
    await has(page, "#files-word", "deleted")
    assert ["dot.png"] == (await looker.api.shell(looker.session, "ls -A"))["stdout"].split()


async def test_folders_are_made_and_gone_through_and_dropped_files_arrive(see: Eyes, looker: Looker) -> None:
    page = await see()
    await page.locator("#tab-files").click()
    await page.locator("#files-folder").click()
    await page.locator("#ask-name").fill("inner")
    await page.locator("#ask-yes").click()
    await page.get_by_role("button", name="inner", exact=True).click()
    await playwright.expect(page.locator("#files-none")).to_be_visible()
    drop = """() => {
        const data = new DataTransfer();
        data.items.add(new File(["dropped"], "a b.txt"));
        document.getElementById("files").dispatchEvent(new DragEvent("drop", { dataTransfer: data, bubbles: true }));
    }"""
    await page.evaluate(drop)
    await has(page, "#files-list", "a b.txt")
    assert "dropped" == (await looker.api.shell(looker.session, "cat 'inner/a b.txt'"))["stdout"]
    await page.get_by_role("button", name="Folder above").click()
    await has(page, "#files-list", "inner")


HOSTILE = '<img src=x onerror="document.title=1"><script>document.title=1</script>'


async def test_whatever_a_session_shows_stays_text(see: Eyes, looker: Looker) -> None:
    page = await see()
    title = await page.title()
    await looker.upload(f"/home/wuying/{HOSTILE.replace('/', '_')}", b"x")
    await looker.upload("/home/wuying/evil.svg", f"<svg xmlns='http://www.w3.org/2000/svg'>{HOSTILE}</svg>".encode())
    await looker.api.tool(looker.session, "read_file", path=HOSTILE)
    script = "nohup bash -c 'exec -a \"<img src=x onerror=alert(1)>\" sleep 90' >/dev/null 2>&1 &"
    await looker.api.shell(looker.session, script)
    await type_and_see(page, f"printf '\\033]0;{HOSTILE}\\007'; echo d''one\n", "done")
    await page.locator("#tab-files").click()
    await has(page, "#files-list", "<img src=x")
    await page.get_by_role("button", name="evil.svg", exact=True).click()
    await has(page, "#viewer pre", "<script>")
    await page.locator("#viewer-close").click()
    await page.locator("#tab-use").click()
    await has(page, "#use-list", "<img src=x")
    await page.locator("#tab-calls").click()
    await has(page, "#calls-list", "onerror")
    assert (0, title) == (await page.locator("img").count(), await page.title())


async def test_programs_are_seen_and_ended_and_the_log_fills_by_itself(see: Eyes, looker: Looker) -> None:
    await looker.api.shell(looker.session, "sleep 4321 >/dev/null 2>&1 &")
    page = await see()
    await page.locator("#tab-use").click()
    await has(page, "#use-list", "sleep 4321")
    await has(page, "#use-meters", "of 2.0 GiB")
    await page.get_by_role("button", name="End sleep").click()
    await page.locator("#ask-yes").click()
    await playwright.expect(page.locator("#use-list")).not_to_contain_text("4321", timeout=PATIENCE)
    await page.locator("#tab-calls").click()
    await has(page, "#calls-list", "sleep 4321")
    await looker.api.tool(looker.session, "read_file", path="/nothing/here")
    await has(page, "#calls-list tr", "No such file or directory")


async def test_a_pause_is_told_and_a_deletion_ends_all_asking(see: Eyes, looker: Looker) -> None:
    page = await see()
    await type_and_see(page, "X=ke''pt\n", "X=")
    await looker.api.call("PauseSessionAsync", SessionId=looker.session)
    await has(page, "#state", "paused")
    await has(page, "#notice", "paused")
    await page.locator("#resume").click()
    await has(page, "#state", "running")
    await page.locator(".xterm-helper-textarea").focus()
    await page.keyboard.type("echo $X\n")
    await has(page, ".xterm-rows", "kept")
    await page.locator("#delete").click()
    await page.locator("#ask-yes").click()
    await has(page, "#notice", "deleted")
    await has(page, "#terminal-word", "ended")
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    await asyncio.sleep(2.5)
    assert [] == asked


async def test_a_terminal_whose_connection_breaks_comes_back_to_its_shell(see: Eyes, looker: Looker) -> None:
    page = await see("about:blank")
    sockets: list[Any] = []

    async def through(socket: Any) -> None:
        sockets.append(socket)
        socket.connect_to_server()

    await page.route_web_socket("**/terminal*", through)
    await page.goto(looker.url)
    await type_and_see(page, "X=41; echo re''ady\n", "ready")
    await sockets[0].close(code=1011)
    await has(page, "#terminal-word", "Trying again")
    await playwright.expect(page.locator("#terminal-word")).to_have_text("", timeout=PATIENCE)
    await page.locator(".xterm-helper-textarea").focus()
    await page.keyboard.type("echo $((X+1))\n")
    await has(page, ".xterm-rows", "42")
    assert 2 == len(sockets)


async def test_the_front_page_leads_to_the_page_of_a_session(see: Eyes, looker: Looker, runtime: Served) -> None:
    [url] = front_urls(runtime.endpoint, [runtime.key])
    page = await see(url)
    line = page.locator("#front-list tr", has_text=looker.session)
    await playwright.expect(line).to_contain_text("running", timeout=PATIENCE)
    await page.set_viewport_size(SMALL["viewport"])
    wide = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
    assert 0 == await page.evaluate(wide)
    async with page.context.expect_page() as opening:
        await line.get_by_role("link").click()
    opened = await opening.value
    await has(opened, "#name", looker.session)
    assert await opened.evaluate("window.opener === null && document.referrer === ''")


async def test_the_log_begins_anew_with_a_server_that_has_started_anew(see: Eyes, looker: Looker) -> None:
    page = await see("about:blank")
    call = {"number": 1, "at": 0, "arguments": "{}", "outcome": "ok", "error": "", "ms": 1}
    journals = [
        {"change": 9, "calls": [{**call, "tool": "before"}]},
        {"change": 2, "calls": []},
        {"change": 2, "calls": [{**call, "tool": "after"}]},
    ]
    asked: list[str] = []

    async def answer(route: Any) -> None:
        asked.append(route.request.url.partition("?")[2])
        await route.fulfill(json=journals.pop(0) if len(journals) > 1 else journals[0])

    await page.route("**/calls?*", answer)
    await page.goto(looker.url)
    await page.locator("#tab-calls").click()
    await has(page, "#calls-list", "after")
    assert ["after=0", "after=9", "after=0"] == asked[:3]
    assert 1 == await page.locator("#calls-list tr").count()


async def served(looker: Looker) -> str:
    """The link of a page that the session serves, once it does."""
    html = "<title>own</title><link rel=icon href=data:,>"
    serve = f"cd /tmp; echo 'onfetch = () => {{}}' > worker.js; echo '{html}' > index.html"
    await looker.api.shell(looker.session, f"{serve}; nohup python3 -m http.server 8000 >/dev/null 2>&1 &")
    link = (await looker.api.call("GetLink", SessionId=looker.session, Port="8000", ProtocolType="https")).data["Url"]
    for _ in range(200):
        async with looker.api.http.get(link) as answer:
            if answer.status == 200:
                break
        await asyncio.sleep(0.05)
    return str(link)


async def test_a_page_of_a_session_gets_no_hold_of_the_sessions_page(see: Eyes, looker: Looker) -> None:
    page = await see(await served(looker))
    tried = """async (url) => {
        const workers = [];
        for (const options of [{ scope: "/" }, {}])
            workers.push(await navigator.serviceWorker.register("worker.js", options).then(() => "taken", e => e.name));
        const frame = document.createElement("iframe");
        frame.src = url;
        document.body.append(frame);
        await new Promise(done => { frame.onload = done; });
        let inside = "nothing";
        try { inside = frame.contentDocument?.title ?? "nothing"; } catch { }
        const opened = window.open(url);
        for (let turn = 0; turn < 200 && !opened.closed; turn++) await new Promise(done => setTimeout(done, 50));
        let seen = "nothing";
        try { seen = opened.closed ? "closed" : opened.document.title; } catch { }
        return [workers.includes("taken"), inside, seen];
    }"""
    told = await page.evaluate(tried, looker.url)
    see.wrong.clear()  # the browser says what it has refused
    assert [False, "nothing", "closed"] == told


async def test_a_page_of_a_session_that_is_opened_next_is_told_no_address_of_the_sessions_page(
    see: Eyes, looker: Looker
) -> None:
    link = await served(looker)
    page = await see()
    await page.evaluate("name = location.href")  # as worse than the page is
    await page.goto(link)
    told = await page.evaluate("[document.referrer, name, ...(navigation.entries().map(each => each.url))]")
    assert [] == [each for each in told if each and looker.code in each]
