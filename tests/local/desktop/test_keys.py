"""Names of keys and characters as the numbers of X."""

from __future__ import annotations

import pytest

from agentbay_local.desktop.keyboard import assignments, pressed, strokes_of
from agentbay_local.desktop.keys import SHIFT, UnknownKey, key_symbol, text_symbols

STANDARD = """
    Ctrl Alt Shift Win Meta Super Command Tab Enter Escape Backspace Delete Insert Home End PageUp PageDown Space
    CapsLock NumLock ScrollLock PrintScreen Pause ArrowUp ArrowDown ArrowLeft ArrowRight a 5 - = [ ] \\ ; ' , . / `
""".split()


@pytest.mark.parametrize("name", [*STANDARD, *(f"F{number}" for number in range(1, 25))])
def test_every_standard_name_is_a_key_in_any_case(name: str) -> None:
    assert key_symbol(name) == key_symbol(name.lower()) == key_symbol(name.upper().lower())


@pytest.mark.parametrize(
    ("name", "symbol"),
    [
        ("control", 0xFFE3), ("CTRL", 0xFFE3), ("cmd", 0xFFEB), ("up", 0xFF52), ("return", 0xFF0D), ("f1", 0xFFBE),
        ("F24", 0xFFD5), ("a", 0x61), ("A", 0x41), ("ä", 0xE4), ("я", 0x100044F), ("漢", 0x1006F22), ("\n", 0xFF0D),
    ],
)  # fmt: skip
def test_a_key_has_the_number_that_x_gives_it(name: str, symbol: int) -> None:
    assert symbol == key_symbol(name)


@pytest.mark.parametrize("name", ["", "nokey", "F25", "\x07", "ab", "\u200b\u200b"])
def test_what_is_no_key_is_named(name: str) -> None:
    with pytest.raises(UnknownKey, match="There is no key named"):
        key_symbol(name)


def test_text_is_typed_with_one_return_for_each_end_of_a_line() -> None:
    assert [0x61, 0xFF0D, 0xFF0D, 0xFF09, 0x101F600] == list(text_symbols("a\r\n\r\t😀"))


@pytest.mark.parametrize("one", ["\0", "\x7f", "\x9f"])
def test_a_control_character_is_not_typed(one: str) -> None:
    with pytest.raises(UnknownKey, match="control character U\\+00"):
        list(text_symbols(f"a{one}"))


def test_a_symbol_is_made_without_shift_where_that_is_possible() -> None:
    rows = {10: (0x61, 0x41), 11: (0x31, 0x21), 12: (0x21,), 13: (), 50: (SHIFT, 0)}
    plain = {0x61: (10, False), 0x31: (11, False), 0x21: (12, False)}
    assert {**plain, SHIFT: (50, False), 0x41: (10, True)} == strokes_of(rows)
    del rows[50]
    assert plain == strokes_of(rows)


def test_each_bit_of_a_keymap_is_a_key_that_is_down() -> None:
    assert [0, 10, 255] == pressed(bytes([1, 4, *[0] * 29, 128]))


def test_keys_beside_each_other_get_their_symbols_by_one_request() -> None:
    requests = list(assignments({9: 1, 8: 2, 20: 3}))
    assert [(100, 2, 8), (100, 1, 20)] == [(each[0], each[1], each[4]) for each in requests]
