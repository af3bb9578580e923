"""What the live view believes of what comes from inside, and how it takes down what people do."""

from __future__ import annotations

import asyncio
import io
import time

import pytest
from PIL import Image

from agentbay_local.browser.keys import pressed
from agentbay_local.desktop.watch import Area
from agentbay_local.page.view_deeds import address
from agentbay_local.page.view_desktop import symbol_of
from agentbay_local.page.view_input import MESSAGES, BadInput, read
from agentbay_local.page.view_jpeg import jpeg_size
from agentbay_local.page.view_pace import Pace
from agentbay_local.page.view_viewer import Frame


def jpeg(width: int, height: int, **options: bool) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (width, height)).save(file, "jpeg", **options)
    return file.getvalue()


@pytest.mark.parametrize("options", [{}, {"progressive": True}])
def test_the_size_of_a_picture_is_read_without_decoding_it(options: dict[str, bool]) -> None:
    assert (321, 45) == jpeg_size(jpeg(321, 45, **options))


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xff\xd8",
        b"\xff\xd8\xff",
        b"<svg/>",
        b"\x89PNG\r\n\x1a\n" + bytes(50),
        jpeg(9, 9)[:20],
        b"\xff\xd8" + b"\xff\xe0\0\2" * 1000,
        b"\xff\xd8\xff\xda\0\2" + bytes(20),
        b"\xff\xd8\xff\xe0\0\0" + bytes(20),
        b"\xff\xd8\xff\xff\xc0\0\x11" + jpeg(9, 9)[2:],
        b"\xff\xd8\xff\xff\0\4xx" + jpeg(9, 9)[2:],
        b"\xff\xd8\xff\x01\0\4xx" + jpeg(9, 9)[2:],
        b"\xff\xd8\xff\xe0\0\1" + jpeg(9, 9)[2:],
    ],
)
def test_what_is_no_picture_has_no_size(data: bytes) -> None:
    assert (0, 0) == jpeg_size(data)


@pytest.mark.parametrize(
    ("typed", "url"),
    [
        ("example.com/a b", "https://example.com/a b"),
        (" localhost:3000 ", "http://localhost:3000"),
        ("127.0.0.1:1/x", "http://127.0.0.1:1/x"),
        ("[::1]:8", "http://[::1]:8"),
        ("HTTP://x.org", "HTTP://x.org"),
        ("about:blank", "about:blank"),
        ("data:text/html,x", "data:text/html,x"),
        ("javascript:alert(1)", "https://javascript:alert(1)"),
    ],
)
def test_an_address_is_completed_as_people_mean_it(typed: str, url: str) -> None:
    assert url == address(typed)


@pytest.mark.parametrize(
    ("key", "code", "symbol"),
    [
        ("a", "KeyA", 0x61),
        ("Ж", "Semicolon", 0x01000416),
        ("Enter", "NumpadEnter", 0xFF0D),
        ("Control", "ControlRight", 0xFFE4),
        ("Shift", "ShiftRight", 0xFFE1),
        ("AltGraph", "AltRight", 0xFFEA),
        ("F12", "F12", 0xFFC9),
        ("MediaPlayPause", "MediaPlayPause", 0),
        ("", "", 0),
    ],
)
def test_a_key_of_a_browser_is_a_key_of_the_desktop(key: str, code: str, symbol: int) -> None:
    assert symbol == symbol_of(key, code)


def test_a_key_goes_to_a_page_as_browsers_make_it() -> None:
    held = {"modifiers": 0, "autoRepeat": False}
    assert {
        "type": "keyDown",
        "key": "ä",
        "code": "Quote",
        "windowsVirtualKeyCode": 222,
        "text": "ä",
        **held,
    } == pressed("ä", "Quote", 0, down=True)
    copy = pressed("c", "KeyC", 2, down=True, again=True)
    assert ("rawKeyDown", ["copy"], 67, True) == (
        copy["type"], copy["commands"], copy["windowsVirtualKeyCode"], copy["autoRepeat"]
    )  # fmt: skip
    assert ("\r", 13) == ((enter := pressed("Enter", "Enter", 0, down=True))["text"], enter["windowsVirtualKeyCode"])
    assert {"type": "keyUp", "key": "", "code": "ShiftLeft", "modifiers": 0, "windowsVirtualKeyCode": 16} == pressed(
        "", "ShiftLeft", 0, down=False
    )


@pytest.mark.parametrize("kind", [kind for kind, fields in MESSAGES.items() if fields])
def test_a_message_without_its_fields_is_none(kind: str) -> None:
    with pytest.raises(BadInput, match=f"of {kind} must be"):
        read(f'{{"type": "{kind}"}}')


def test_a_message_keeps_its_fields_and_no_others() -> None:
    assert {"type": "tab", "id": "x"} == read('{"type": "tab", "id": "x", "more": 1}')


@pytest.mark.parametrize("value", ["true", "1e999", "1" + "0" * 400, "NaN", "-1", "65536", '"1"', "null"])
def test_a_place_is_a_number_on_some_screen(value: str) -> None:
    with pytest.raises(BadInput, match="x of wheel must be a number from 0 to 65535"):
        read(f'{{"type": "wheel", "dx": 0, "dy": 0, "x": {value}, "y": 1, "modifiers": 0}}')


def test_a_picture_is_sent_with_its_place_and_the_size_of_the_screen() -> None:
    packed = Frame(Area(1, 2, 3, 4), (640, 480), b"jpeg").packed(2**32 + 7)
    assert bytes([7, 0, 0, 0, 1, 0, 2, 0, 3, 0, 4, 0, 0x80, 2, 0xE0, 1]) + b"jpeg" == packed


async def test_a_picture_that_took_long_is_followed_by_a_rest() -> None:
    pace = Pace()
    await pace.turn()
    start = time.monotonic()
    with pace.making():
        await asyncio.sleep(0.1)
    await pace.turn()
    assert time.monotonic() - start > 0.19
