"""The tools that drive a page step by step."""

from __future__ import annotations

import base64
import re

import pytest
import pytest_asyncio

from agentbay import AsyncSession
from tests.local.browser.conftest import ADDRESS, Tool

pytestmark = pytest.mark.asyncio(loop_scope="session")


@pytest_asyncio.fixture(loop_scope="session")
async def page(use: Tool) -> str:
    """The snapshot of the shop's page, in the only tab."""
    while "1: " in await use("browser_tab_list"):
        await use("browser_tab_close", index=1)
    return await use("browser_navigate", url=ADDRESS)


def ref(page: str, name: str) -> str:
    found = re.search(re.escape(name) + r".*?\[ref=(e\d+)\]", page)
    assert found, page
    return found[1]


async def test_a_snapshot_names_what_is_on_the_page_and_what_can_be_used(page: str) -> None:
    assert f"Page URL: {ADDRESS}\nPage title: Shop\n" in page
    assert '- heading "Shop" [level=1]\n' in page
    assert re.search(r'- spinbutton "Quantity" \[ref=e\d+\]: 1\n', page)
    assert re.search(r'- combobox "Colour" \[ref=e\d+\]: Red\n  - option "Red" \[selected\]\n', page)


async def test_a_form_is_filled_and_sent(use: Tool, page: str) -> None:
    fields = [
        {"ref": ref(page, '"Quantity"'), "value": "3", "type": "textbox"},
        {"ref": ref(page, '"What"'), "value": "Äpfel 苹果 яблоки तफ़्फ़ा תפוח", "type": "textbox"},
        {"ref": ref(page, '"Gift"'), "value": "true", "type": "checkbox"},
        {"ref": ref(page, '"Colour"'), "value": "Blue", "type": "combobox"},
    ]
    await use("browser_fill_form", fields=fields)
    said = await use("browser_click", ref=ref(page, '"Buy"'), element="Buy")
    assert "text: Bought 3 Äpfel 苹果 яблоки तफ़्फ़ा תפוח as gift in blue\n" in said


async def test_text_is_typed_and_sent_by_the_keyboard(use: Tool, page: str) -> None:
    place = ref(page, '"What"')
    await use("browser_type", ref=place, text="first")
    await use("browser_press_key", key="Control+a")
    await use("browser_press_key", key="x")
    said = await use("browser_type", ref=place, text="pears", slowly=True, submit=True)
    assert "Bought 1 pears in red" in said
    said = await use("browser_select_option", ref=ref(page, '"Colour"'), values=["blue"])
    assert "[ref=" in said
    assert ": Blue" in said


async def test_a_dialog_is_told_of_and_answered(use: Tool, page: str, shop: AsyncSession) -> None:
    said = await use("browser_click", ref=ref(page, '"Ask"'))
    assert said.endswith("The page waits for an answer to its prompt: 'Your name?'. Use browser_handle_dialog.")
    held = await shop.call_mcp_tool("browser_press_key", {"key": "a"})
    assert held.success
    said = await use("browser_handle_dialog", accept=True, promptText="Ada")
    assert "text: Ada\n" in said
    none = await shop.call_mcp_tool("browser_handle_dialog", {"accept": True})
    assert "the page has no dialog open" in none.error_message


async def test_a_click_that_opens_a_tab_leads_there(use: Tool, page: str) -> None:
    said = await use("browser_click", ref=ref(page, '"Second page"'))
    assert 'heading "Zwei 你好"' in said
    listed = await use("browser_tab_list")
    assert listed == f"0: Shop <{ADDRESS}>\n1: (current) Two <{ADDRESS}two.html>"
    assert "Page title: Shop" in await use("browser_tab_select", index=0)
    assert (await use("browser_tab_close", index=1)).count("\n") == 0
    assert "1: (current) Two" in await use("browser_tab_new", url=f"{ADDRESS}two.html")
    assert "0: (current) Shop" in await use("browser_tab_close")


async def test_back_and_forward_go_through_the_history(use: Tool, page: str) -> None:
    await use("browser_navigate", url=f"{ADDRESS}two.html")
    assert "Page title: Shop" in await use("browser_navigate_back")
    assert "Page title: Two" in await use("browser_navigate_forward")
    assert (await use("browser_navigate_forward")).startswith("There is no later page.")


async def test_the_console_and_the_requests_are_remembered(use: Tool, page: str) -> None:
    assert "[LOG] hello 3" in await use("browser_console_messages")
    assert f"[GET] {ADDRESS} => 200" in await use("browser_network_requests")


async def test_pictures_and_documents_are_taken(use: Tool, page: str) -> None:
    kind, _, data = (await use("browser_take_screenshot")).partition(",")
    assert (kind, base64.b64decode(data)[1:4]) == ("data:image/png;base64", b"PNG")
    assert "to /home/wuying/box.jpeg." in await use(
        "browser_take_screenshot", filename="box.jpeg", ref=ref(page, '"Box"')
    )
    assert "bytes to /tmp/shop.pdf." in await use("browser_pdf_save", filename="/tmp/shop.pdf")
    assert (await use("read_file", path="/tmp/shop.pdf", length=4, format="binary")) is not None


async def test_files_of_the_session_are_uploaded(use: Tool, page: str, shop: AsyncSession) -> None:
    assert "text: File two.html" in await use("browser_file_upload", paths=["/tmp/www/two.html"])
    missing = await shop.call_mcp_tool("browser_file_upload", {"paths": ["/tmp/none"]})
    assert not missing.success


async def test_mouse_and_window_do_what_they_are_told(use: Tool, page: str) -> None:
    await use("browser_hover", ref=ref(page, '"Buy"'))
    said = await use("browser_drag", startRef=ref(page, '"Box"'), endRef=ref(page, '"Buy"'))
    assert "text: down\n" in said
    assert await use("browser_resize", width=800, height=600) == "The page is 800 x 600 pixels."
    assert "Waited." in await use("browser_wait_for", time=0.01, text="Shop", textGone="Nobody")


@pytest.mark.parametrize(
    ("tool", "args", "text"),
    [
        ("browser_click", {"ref": "e99999"}, "there is no e99999 on the page: take a new snapshot"),
        ("browser_click", {"ref": "#none"}, "there is no #none on the page"),
        ("browser_tab_select", {"index": 9}, "there is no tab 9"),
        ("browser_press_key", {"key": "Ctrll+a"}, "'Ctrll' is no key to hold: use Control, Shift, Alt or Meta"),
        ("browser_press_key", {"key": "Entr"}, "'Entr' is no key: use a letter, or a name such as Enter"),
        ("browser_navigate", {"url": "http://127.0.0.1:8001/"}, "nothing listens there in the session"),
        ("browser_navigate", {"url": "https://example.com/"}, "does its policy allow this host?"),
        ("browser_navigate", {"url": "no address"}, "no address cannot be opened"),
        ("browser_resize", {"width": 0, "height": 1}, "width and height must be from 1 to 10000"),
        ("browser_wait_for", {"time": 10**400}, "time must be a number"),
        ("page_use_screenshot", {"page_id": "ABC"}, "there is no page ABC"),
        ("page_use_screenshot", {"context_id": 7}, "there is no browser context 7"),
    ],
)
async def test_what_cannot_be_done_is_refused_with_the_reason(
    shop: AsyncSession, use: Tool, tool: str, args: dict[str, object], text: str
) -> None:
    await use("browser_navigate", url=ADDRESS)
    answer = await shop.call_mcp_tool(tool, args)
    assert (answer.success, text in answer.error_message) == (False, True), answer.error_message
