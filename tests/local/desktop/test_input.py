"""Mouse and keyboard, by what reaches a program."""

from __future__ import annotations

from typing import Any

import pytest

from agentbay_local.desktop.patience import until

pytestmark = pytest.mark.asyncio(loop_scope="session")

SCRIPTS = {
    "Latin": "Grüße, ça va? Łódź — “½” €20 ~`|\\",
    "Cyrillic": "Привет, Ёлка Їжак",
    "Greek": "Καλημέρα Ωμέγα",
    "Han and kana": "漢字 你好世界 こんにちは カタカナ",
    "Arabic and Hebrew": "سلام שלום",
    "Devanagari": "नमस्ते",
    "emoji": "😀👍🏽🎉",
}
# The terminal answers the last sequence, so that it has read those before when the file appears.
MODES = "\\033[?100{mode}h\\033[?1006h\\033[5n"
WATCH = f"sh -c 'stty -echo -icanon min 1; printf \"{MODES}\"; head -c 4 > /dev/null; cat > /tmp/seen'"


async def watching(desk: Any, mode: int) -> dict[str, Any]:
    """A terminal that writes down what the mouse does in it; its window."""
    window: dict[str, Any] = await desk.terminal(WATCH.format(mode=mode), "-b 0 -fn 6x13")
    assert "there" == await desk.sh("until [ -e /tmp/seen ]; do sleep 0.05; done; printf there")
    return window


async def typed(desk: Any, text: str, wanted: str = "") -> str:
    """What a program that has the focus reads when a text is typed."""
    window = await desk.terminal("sh -c 'cat > /tmp/typed'")
    await desk("input_text", text=f"{text}\n")
    read = str(await desk.reads("/tmp/typed", f"{wanted or text}\n"))
    await desk("close_window", window_id=window["window_id"])

    async def gone() -> bool:  # another window may get its number
        return [] == await desk("list_root_windows")

    assert await until(gone, 20, 0.05)
    return read


@pytest.mark.parametrize("script", SCRIPTS)
async def test_text_of_any_script_reaches_the_program_that_has_the_focus(shared: Any, script: str) -> None:
    assert f"{SCRIPTS[script]}\n" == await typed(shared, SCRIPTS[script])


async def test_a_text_with_more_characters_than_a_keyboard_has_keys_arrives_whole(shared: Any) -> None:
    text = "".join(map(chr, range(0x4E00, 0x4E00 + 300)))
    assert f"{text}\n" == await typed(shared, text)


async def test_text_is_typed_as_it_is_while_caps_lock_is_on(desk: Any) -> None:
    await desk("press_keys", keys=["CapsLock"])
    await desk.terminal("sh -c 'cat > /tmp/typed'")
    await desk("input_text", text="aB é я")
    await desk("press_keys", keys=["x", "Enter"])
    assert "aB é яX\n" == await desk.reads("/tmp/typed", "aB é яX\n")


async def test_two_thousand_characters_arrive_as_fast_as_a_program_reads(shared: Any) -> None:
    text = ("The quick brown fox, ÄÖÜ жук 漢字 αβγ; " * 60)[:2000]
    assert f"{text}\n" == await typed(shared, text)


async def test_text_is_typed_as_it_is_while_keys_are_held_and_modifiers_are_held_again(desk: Any) -> None:
    await desk.terminal("sh -c 'cat > /tmp/typed'")
    await desk("press_keys", keys=["Ctrl", "Shift"], hold=True)
    await desk("input_text", text="aB é я")
    await desk("release_keys", keys=["Ctrl"])
    await desk("press_keys", keys=["x"])
    await desk("release_keys", keys=["Shift"])
    await desk("press_keys", keys=["x", "Enter"])
    assert "aB é яXx\n" == await desk.reads("/tmp/typed", "aB é яXx\n")


async def test_lines_and_tabs_are_keys_of_their_own(shared: Any) -> None:
    wanted = "a\tb\nc\n\nd"
    assert f"{wanted}\n" == await typed(shared, "a\tb\r\nc\n\rd", wanted)


async def test_keys_are_pressed_together_and_held_until_they_are_released(desk: Any) -> None:
    await desk.terminal("sh -c 'cat > /tmp/typed'")
    await desk("press_keys", keys=["Shift"], hold=True)
    await desk("press_keys", keys=["a"])
    await desk("release_keys", keys=["shift"])
    for keys in (["b"], ["Shift", "c"], ["!"], ["ctrl", "v"], ["Tab"], ["Ä"], ["Enter"], ["Control", "d"]):
        await desk("press_keys", keys=keys)

    async def ended() -> bool:
        return [] == await desk("list_root_windows")

    assert await until(ended, 10, 0.05)
    assert "AbC!\tÄ\n" == await desk.sh("cat /tmp/typed")


@pytest.mark.parametrize(
    ("tool", "args", "mode", "seen"),
    [
        ("click_mouse", {"button": "left"}, 0, "\x1b[<0;{0}M\x1b[<0;{0}m"),
        ("click_mouse", {"button": "middle"}, 0, "\x1b[<1;{0}M\x1b[<1;{0}m"),
        ("click_mouse", {"button": "right"}, 0, "\x1b[<2;{0}M\x1b[<2;{0}m"),
        ("click_mouse", {"button": "double_left"}, 0, "\x1b[<0;{0}M\x1b[<0;{0}m\x1b[<0;{0}M\x1b[<0;{0}m"),
        ("click_mouse", {}, 0, "\x1b[<0;{0}M\x1b[<0;{0}m"),
        ("scroll", {"direction": "up", "amount": 2}, 0, "\x1b[<64;{0}M\x1b[<64;{0}M"),
        ("scroll", {"direction": "down"}, 0, "\x1b[<65;{0}M"),
        ("scroll", {}, 0, "\x1b[<64;{0}M"),
    ],
)
async def test_a_program_sees_which_button_was_pressed_where(
    desk: Any, tool: str, args: dict[str, Any], mode: int, seen: str
) -> None:
    window = await watching(desk, mode)
    x, y = window["absolute_upper_left_x"] + 6 * 10 + 3, window["absolute_upper_left_y"] + 13 * 4 + 5
    await desk(tool, x=x, y=y, **args)
    expected = seen.format("11;5")
    assert expected == await desk.reads("/tmp/seen", expected)


async def test_a_drag_presses_moves_and_releases(desk: Any) -> None:
    window = await watching(desk, 2)
    left, top = window["absolute_upper_left_x"], window["absolute_upper_left_y"]
    await desk("drag_mouse", from_x=left + 3, from_y=top + 5, to_x=left + 6 * 20 + 3, to_y=top + 13 * 5 + 5)
    end = "\x1b[<0;21;6m"

    async def released() -> bool:
        return (await desk.sh("cat /tmp/seen")).endswith(end)

    assert await until(released, 10, 0.05)
    seen = await desk.sh("cat /tmp/seen")
    assert seen.startswith("\x1b[<0;1;1M\x1b[<32;")
    assert "\x1b[<32;21;6M" in seen


async def test_the_pointer_is_where_it_was_moved_to(shared: Any) -> None:
    await shared("move_mouse", x=7, y=799)
    assert {"x": 7, "y": 799} == await shared("get_cursor_position")
    await shared("move_mouse", x=1279, y=0)
    assert {"x": 1279, "y": 0} == await shared("get_cursor_position")


async def test_the_screen_has_its_size(shared: Any) -> None:
    assert {"width": 1280, "height": 800, "dpiScalingFactor": 1.0} == await shared("get_screen_size")


@pytest.mark.parametrize(
    ("tool", "args", "why"),
    [
        ("click_mouse", {"x": 1280, "y": 0}, "x must be from 0 to 1279 (the screen is 1280 x 800 pixels), got 1280"),
        ("move_mouse", {"x": 0, "y": -1}, "y must be from 0 to 799"),
        ("scroll", {"x": 0, "y": 900}, "y must be from 0 to 799"),
        ("drag_mouse", {"from_x": 0, "from_y": 0, "to_x": 2000, "to_y": 0}, "to_x must be from 0 to 1279"),
        ("click_mouse", {"x": 0, "y": 0, "button": "fourth"}, "button must be 'left' or 'right' or 'middle' or"),
        ("drag_mouse", {"from_x": 0, "from_y": 0, "to_x": 1, "to_y": 1, "button": "double_left"}, "button must be"),
        ("scroll", {"x": 0, "y": 0, "direction": "in"}, "direction must be 'up' or 'down' or 'left' or 'right'"),
        ("scroll", {"x": 0, "y": 0, "amount": 0}, "amount must be from 1 to 1000, got 0"),
        ("click_mouse", {"x": 0}, "y is required"),
        ("press_keys", {"keys": []}, "keys must hold from 1 to 32 keys, got 0"),
        ("press_keys", {"keys": ["NoSuchKey"]}, "There is no key named 'NoSuchKey': give one character, or a name"),
        ("release_keys", {"keys": ["Ctrl", ""]}, "There is no key named ''"),
        ("input_text", {"text": "a\x07"}, "text must not hold the control character U+0007"),
        ("input_text", {"text": "a" * 20_001}, "the length of text must be from 0 to 20000, got 20001"),
        ("input_text", {}, "text is required"),
    ],
)
async def test_what_no_mouse_and_no_keyboard_can_do_is_refused(
    shared: Any, tool: str, args: dict[str, Any], why: str
) -> None:
    assert why in await shared.refused(tool, **args)
