"""Screenshots, by their pixels."""

from __future__ import annotations

import base64
import io
from typing import Any

import pytest
from PIL import Image

from agentbay_local.pictures import MOST_BYTES, MOST_PICTURES, Pictures

pytestmark = pytest.mark.asyncio(loop_scope="session")

BACKGROUND = (0x3B, 0x42, 0x52)


@pytest.mark.parametrize(("kind", "start"), [("png", b"\x89PNG\r\n\x1a\n"), ("jpeg", b"\xff\xd8\xff")])
async def test_a_screenshot_is_a_picture_of_the_screen_in_the_format_asked_for(
    desk: Any, kind: str, start: bytes
) -> None:
    told = await desk("screenshot", format=kind)
    data = base64.b64decode(told.pop("data"), validate=True)
    assert {"type": "image", "mime_type": f"image/{kind}", "width": 1280, "height": 800} == told
    assert data.startswith(start)
    picture = Image.open(io.BytesIO(data)).convert("RGB")
    assert (1280, 800) == picture.size
    assert all(abs(a - b) < 4 for a, b in zip(BACKGROUND, picture.getpixel((700, 700)), strict=True))


async def test_a_screenshot_is_png_unless_something_else_is_wanted(shared: Any) -> None:
    assert "image/png" == (await shared("screenshot"))["mime_type"]
    assert "format must be 'png' or 'jpeg', got 'gif'" in await shared.refused("screenshot", format="gif")


async def test_a_changed_screen_is_a_changed_picture(desk: Any) -> None:
    await desk.sh("DISPLAY=:0 true")
    assert BACKGROUND == (await desk.picture()).getpixel((640, 400))
    window = await desk.terminal("cat", "-bg '#00ff00' -geometry 80x24+300+200 -b 0")
    at = window["absolute_upper_left_x"] + 300, window["absolute_upper_left_y"] + 200
    colours = {(await desk.picture()).getpixel(at) for _ in range(5)}
    assert (0, 255, 0) in colours


async def test_without_a_server_there_is_no_address_for_a_picture(shared: Any) -> None:
    assert "This server keeps no pictures" in await shared.refused("system_screenshot")


async def test_pictures_have_addresses_of_their_own_and_the_oldest_make_room() -> None:
    pictures = Pictures("http://here")
    one, other = pictures.shelf(), pictures.shelf()
    kept = other.publish(b"kept", "image/png")
    urls = [one.publish(bytes([number]), "image/png") for number in range(MOST_PICTURES + 2)]

    def found(url: str) -> bytes | None:
        picture = pictures.find(url.removeprefix("http://here/screenshot/").removesuffix(".png"))
        return picture and picture.data

    assert [None, None, *(bytes([number]) for number in range(2, MOST_PICTURES + 2))] == [found(url) for url in urls]
    large = one.publish(bytes(MOST_BYTES + 1), "image/png")
    assert [None] * len(urls) == [found(url) for url in urls]
    assert (MOST_BYTES + 1, b"kept") == (len(found(large) or b""), found(kept))
    assert None is pictures.find("no-such-token")
