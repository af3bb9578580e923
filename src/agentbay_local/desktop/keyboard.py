"""The keyboard: keys that are pressed and released, and text of any script."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from typing import Final

from agentbay_local.desktop import xproto
from agentbay_local.desktop.keys import (
    CAPS_LOCK,
    HELD,
    INERT,
    SHIFT,
    UnknownKey,
    is_character,
    key_symbol,
    text_symbols,
)
from agentbay_local.desktop.patience import until
from agentbay_local.desktop.xlink import XLink
from agentbay_local.desktop.xproto import HEADER, KEY_PRESS, KEY_RELEASE

__all__ = ["Keyboard"]

SETTLED_S: Final = 0.1
"""After this time a program that is at rest has read the keys that it was sent, and one may get another meaning."""
REST_S: Final = 10.0
"""How long it may be at work before that; then it is not waited for any more."""
NOTICED_S: Final = 0.05
"""For programs to notice that keys have another meaning; some hear of it on a connection of its own, out of turn."""
BELIEVED_S: Final = 2.0
"""How long one may be at work before it is believed to have noticed."""
LOOKS: Final = 3
"""In a row at which it has to be at rest, for it may wait for the X server in between."""
LOOK_S: Final = 0.01
AT_ONCE: Final = 200
"""Keys that are sent before their arrival is waited for."""
SHIFTED, LOCKED = 1, 1 << 1
"""Of the modifiers: Shift is held, Caps Lock is on."""
MULTIMEDIA: Final = 0x1008FE00
"""The first symbol of keys that no text and no shortcut has; Unicode ends before it."""
FEWEST_SPARE: Final = 8

Stroke = tuple[int, bool]
"""The code of a key, and whether Shift is held with it."""


class Keyboard:
    """The keyboard of one X server.

    A character that is on no key is given to a key that has none. Programs look up what a key means when they read
    the event, not when it was sent, so the key that was used longest ago changes first, and not before the program
    that has the focus is at rest, which `at_work` tells. Keys that programs obey by their place stay as they are.
    """

    def __init__(self, link: XLink, at_work: Callable[[], Awaitable[bool]]) -> None:
        self._link = link
        self._at_work = at_work
        self._strokes: dict[int, Stroke] = {}
        self._spare: list[int] = []
        self._used: dict[int, float] = {}

    # --- Keys by their names ------------------------------------------------------------------------------------------

    async def press(self, names: Sequence[str], *, hold: bool) -> None:
        """Press keys one after the other, and release them unless they are to be held. Raises UnknownKey."""
        strokes = await self._of([key_symbol(name) for name in names])
        codes = [code for stroke in strokes for code in self._codes(stroke)]
        major = await self._major()
        down = [xproto.fake_input(major, KEY_PRESS, code) for code in dict.fromkeys(codes)]
        up = [xproto.fake_input(major, KEY_RELEASE, code) for code in reversed(dict.fromkeys(codes))]
        await self._link.do(*down, *([] if hold else up))
        self._were_used(strokes)

    async def release(self, names: Sequence[str]) -> None:
        """Release keys, also such as are not held. Raises UnknownKey."""
        strokes = await self._of([key_symbol(name) for name in names])
        codes = dict.fromkeys(code for stroke in strokes for code in self._codes(stroke))
        await self._send(KEY_RELEASE, reversed(codes))

    async def down(self, symbol: int) -> int:
        """Press the key of a symbol, and leave it down; its code. Raises UnknownKey.

        Where a character needs Shift to be otherwise than it is, it is so while the key is pressed.
        """
        [(code, shifted)] = strokes = await self._of([symbol])
        major = await self._major()
        events = [xproto.fake_input(major, KEY_PRESS, code)]
        [pointer] = await self._link.ask(xproto.query_pointer(self._link.setup.root))
        held = bool(xproto.unpack("H", pointer, 24)[0] & SHIFTED)
        if is_character(symbol) and held is not shifted:
            [(shift, _)] = await self._of([SHIFT])
            before, after = (KEY_PRESS, KEY_RELEASE) if shifted else (KEY_RELEASE, KEY_PRESS)
            events = [xproto.fake_input(major, before, shift), *events, xproto.fake_input(major, after, shift)]
        await self._link.do(*events)
        self._were_used(strokes)
        return code

    async def up(self, codes: Sequence[int]) -> None:
        """Release keys by their codes."""
        await self._send(KEY_RELEASE, codes)

    def _codes(self, stroke: Stroke) -> Iterator[int]:
        code, shifted = stroke
        if shifted:
            yield self._strokes[SHIFT][0]
        yield code

    async def _of(self, symbols: list[int]) -> list[Stroke]:
        await self._learn()
        await self._provide(list(dict.fromkeys(symbols)))
        return [self._strokes[symbol] for symbol in symbols]

    # --- Text ---------------------------------------------------------------------------------------------------------

    async def type(self, text: str) -> None:
        """Type a text as it is, whatever keys are held. Raises UnknownKey for what cannot be typed, before anything is.

        Ctrl, Shift and their like are held again afterwards; other keys are not, for that would type them once more.
        """
        symbols = list(text_symbols(text))
        await self._learn()
        locked = await self._caps_lock()
        held = await self._let_go()
        if locked:
            await self.press(["capslock"], hold=False)
        try:
            while symbols:
                count = max(1, self._reach(symbols))
                await self._type(symbols[:count])
                symbols = symbols[count:]
        finally:
            if locked:
                await self.press(["capslock"], hold=False)
            await self._send(KEY_PRESS, held)

    async def _let_go(self) -> list[int]:
        """Release all keys that are held; the codes of those to hold again."""
        [reply] = await self._link.ask(xproto.query_keymap())
        down = pressed(reply[8:])
        await self._send(KEY_RELEASE, down)
        again = {self._strokes[symbol][0] for symbol in HELD if symbol in self._strokes}
        return [code for code in down if code in again]

    async def _send(self, kind: int, codes: Iterable[int]) -> None:
        major = await self._major()
        await self._link.do(*(xproto.fake_input(major, kind, code) for code in codes))

    async def _caps_lock(self) -> bool:
        [pointer] = await self._link.ask(xproto.query_pointer(self._link.setup.root))
        return CAPS_LOCK in self._strokes and bool(xproto.unpack("H", pointer, 24)[0] & LOCKED)

    def _reach(self, symbols: list[int]) -> int:
        """How many can be typed before a spare key would need a second meaning."""
        needed: set[int] = set()
        for number, symbol in enumerate(symbols):
            if symbol not in self._strokes:
                needed.add(symbol)
                if len(needed) > len(self._spare) // 2:
                    return number
        return len(symbols)

    async def _type(self, symbols: list[int]) -> None:
        await self._provide(list(dict.fromkeys(symbols)))
        major = await self._major()
        for start in range(0, len(symbols), AT_ONCE):
            part = symbols[start : start + AT_ONCE]
            strokes = [self._strokes[symbol] for symbol in part]
            await self._link.do(*(event for stroke in strokes for event in self._events(major, stroke)))
            self._were_used(strokes)

    def _were_used(self, strokes: Iterable[Stroke]) -> None:
        self._used |= dict.fromkeys((code for code, _ in strokes), time.monotonic())

    def _events(self, major: int, stroke: Stroke) -> Iterator[bytes]:
        codes = list(self._codes(stroke))
        yield from (xproto.fake_input(major, KEY_PRESS, code) for code in codes)
        yield from (xproto.fake_input(major, KEY_RELEASE, code) for code in reversed(codes))

    # --- What keys mean -----------------------------------------------------------------------------------------------

    async def _major(self) -> int:
        return await self._link.extension("XTEST")

    async def _learn(self) -> None:
        """Read what the keys mean, if that may have changed."""
        if not self._link.keys_changed:
            return
        self._link.keys_changed = False
        first, last = self._link.setup.first_code, self._link.setup.last_code
        [reply] = await self._link.ask(xproto.get_keyboard_mapping(first, last))
        width = max(reply[1], 1)
        symbols = xproto.read_words(reply[HEADER:])
        rows = {first + number: symbols[number * width :][:width] for number in range(last - first + 1)}
        self._strokes = strokes_of(rows)
        known = set(self._spare)
        self._spare = [code for code in self._spare if code in rows]
        self._spare += [code for code, row in rows.items() if code in INERT - known and idle(row)]

    async def _provide(self, symbols: list[int]) -> None:
        """Have a key for each symbol; the spare keys that these are on already go last to be used anew."""
        used = {self._strokes[each][0] for each in symbols if each in self._strokes}
        self._spare = [each for each in self._spare if each not in used] + [
            each for each in self._spare if each in used
        ]
        missing = [each for each in symbols if each not in self._strokes]
        if not missing:
            return
        if len(missing) > len(self._spare) or len(self._spare) < FEWEST_SPARE:
            raise UnknownKey("the keyboard of this desktop has no key left for characters that are on none")
        codes, self._spare = self._spare[: len(missing)], self._spare[len(missing) :]
        self._spare += codes
        await self._rested(max(self._used.get(code, 0.0) for code in codes))
        self._strokes = {each: stroke for each, stroke in self._strokes.items() if stroke[0] not in codes}
        await self._link.do(*assignments(dict(zip(codes, missing, strict=True))))
        self._strokes |= {symbol: (code, False) for code, symbol in zip(codes, missing, strict=True)}
        self._link.keys_changed = False  # this change is our own, and known
        await self._rested(time.monotonic(), NOTICED_S, BELIEVED_S)

    async def _rested(self, used: float, least: float = SETTLED_S, most: float = REST_S) -> None:
        """Wait until what was sent at that time has been read, for so many seconds at least and at most."""
        if used + REST_S < time.monotonic():
            return
        await asyncio.sleep(max(0.0, used + least - time.monotonic()))

        async def at_rest() -> bool:
            return not any([await self._at_work() for _ in range(LOOKS)])

        await until(at_rest, most, LOOK_S)


def idle(row: Sequence[int]) -> bool:
    """Whether a key means nothing, or only what keyboards have for players, lamps and the like."""
    return all(symbol == 0 or symbol >= MULTIMEDIA for symbol in row)


def pressed(keymap: bytes) -> list[int]:
    """The codes of the keys that are down: one bit for each."""
    return [8 * place + bit for place, byte in enumerate(keymap) for bit in range(8) if byte >> bit & 1]


def strokes_of(rows: dict[int, tuple[int, ...]]) -> dict[int, Stroke]:
    """How each symbol is made: without Shift if that is possible, or if there is none; with the lowest code."""
    found: dict[int, Stroke] = {}
    for shifted in (False, True) if any(row[:1] == (SHIFT,) for row in rows.values()) else (False,):
        for code, row in rows.items():
            if len(row) > shifted and row[shifted]:
                found.setdefault(row[shifted], (code, shifted))
    return found


def assignments(meanings: dict[int, int]) -> Iterator[bytes]:
    """Requests that give keys their symbols: one for each run of codes."""
    run: list[int] = []
    for code in [*sorted(meanings), 0]:
        if run and code != run[-1] + 1:
            yield xproto.change_keyboard_mapping(run[0], [meanings[each] for each in run])
            run = []
        run.append(code)
