"""One call inside the sandbox: its limits, and the events that tell the host about it."""

from __future__ import annotations

import json
import os
import time
from typing import Any

OUTPUT_LIMIT = 10 << 20  # characters that one call may send back, unless they are taken as they come
WAITING_LIMIT = 32 << 20  # bytes that may wait for the host; what a program writes in one go, it may not wait with
WRITE_SIZE = 1 << 18
PIECE = 64 << 10  # characters of text in one event
RESULT_COST = 256  # characters that a result counts at least: very many short ones take room, too
TRUNCATED = f"\n[output cut: one call may send back at most {OUTPUT_LIMIT >> 20} Mi characters]\n"
TOO_FAST = f"\n[output cut: more than {WAITING_LIMIT >> 20} MiB waited to be read]\n"

Event = dict[str, Any]


class Outbox:
    """What is on its way to the host, which may be slow to take it. Nothing here waits for it."""

    def __init__(self) -> None:
        self.waiting = bytearray()

    def put(self, event: Event) -> None:
        """Add one line; lone surrogates become question marks."""
        self.waiting += json.dumps(event, ensure_ascii=False).encode("utf-8", "replace") + b"\n"
        self.flush()

    def flush(self) -> None:
        """Write what the host takes at this moment."""
        try:
            while self.waiting:
                del self.waiting[: os.write(1, memoryview(self.waiting)[:WRITE_SIZE])]
        except BlockingIOError:
            return

    def discard(self) -> None:
        """Leave out what nobody wants any more, but for the line that has begun."""
        end = self.waiting.find(b"\n") + 1
        del self.waiting[end:]


OUT = Outbox()


class Run:
    """One call: its code, its limits, what has come of it so far. What a `live` one sends is taken as it comes."""

    def __init__(
        self, identity: int, code: str, timeout_s: float | None, *, live: bool = False, silent: bool = False
    ) -> None:
        self.identity, self.code, self.timeout_s, self.live, self.silent = identity, code, timeout_s, live, silent
        self.message = ""
        self.reply: Event | None = None
        self.idle = False
        self.told = False  # what it raised
        self.stopping = ""  # why it is being stopped: "timeout", "interrupt" or not at all
        self.nudged = False
        self.started = self.deadline = 0.0
        self.kept: Event | None = None  # shown last, and perhaps the value of the last expression
        self.room = OUTPUT_LIMIT
        self.cut = False  # what was to be sent last

    def begin(self, message: str) -> None:
        self.message, self.started = message, time.monotonic()
        self.deadline = float("inf") if self.timeout_s is None else self.started + self.timeout_s

    def send(self, kind: str, **content: Any) -> None:
        if not self.silent:
            OUT.put({"id": self.identity, "type": kind, **content})

    def show(self, result: Event | None, *, main: bool) -> None:
        """Send a result that `fitting` has made."""
        if result:
            self.send("result", main=main, **result)

    def show_kept(self, *, main: bool = False) -> None:
        """Send what was kept back until it was known whether something follows."""
        kept, self.kept = self.kept, None
        self.show(kept, main=main)

    def send_text(self, stream: str, text: str) -> None:
        kept = self.fit(text)
        for start in range(0, len(kept), PIECE):
            self.send(stream, text=kept[start : start + PIECE])

    def space(self) -> int:
        """How much may be sent now."""
        return WAITING_LIMIT - len(OUT.waiting) if self.live else self.room

    def fit(self, text: str) -> str:
        """What still fits of the text, with a mark where the rest was cut; nothing after that until something fits."""
        kept = text[: max(self.space(), 0)]
        self.room -= len(text)
        cut_before, self.cut = self.cut, len(kept) < len(text) or (self.cut and not text)
        mark = TOO_FAST if self.live else TRUNCATED
        return kept + mark if self.cut and not cut_before else kept

    def fitting(self, data: Event, place: Any = None) -> Event | None:
        """A result, or one line instead of one that is too large; nothing, but for a mark, once no line fits either."""
        size = sum(length(value) for value in (*data.values(), place))
        cost, space = RESULT_COST + size, min(self.space(), OUTPUT_LIMIT)
        if space < RESULT_COST:
            return self.no_more_results()
        if cost > space:
            data, place, cost = {"text/plain": left_out(f"result of {size} characters")}, None, RESULT_COST
        self.room -= cost
        self.cut = False
        return {"data": data, "place": place}

    def no_more_results(self) -> Event | None:
        """The mark, unless one was told since something fitted last. What is left of the room, text does not get."""
        cut_before, self.cut, self.room = self.cut, True, min(self.room, 0)
        mark = TOO_FAST.strip() if self.live else left_out("further results")
        return None if cut_before else {"data": {"text/plain": mark}}

    def raised(self, error: Event, traceback: str) -> None:
        """Tell an error of the code, once; to leave without an exit code is none."""
        if self.told or (error["ename"] == "SystemExit" and error["evalue"] in ("", "0", "None")):
            return
        self.told = True
        self.show_kept()
        value, trace = self.fit(error["evalue"]), self.fit(traceback)
        self.send("error", name=error["ename"], value=value, traceback=trace)

    def failed(self, name: str, value: str) -> None:
        self.show_kept()
        self.send("error", name=name, value=value, traceback="")
        self.finish()

    def finish(self) -> None:
        self.show_kept(main=not self.told)
        reply = self.reply or {}
        took = time.monotonic() - self.started if self.started else 0.0
        self.send("end", count=reply.get("execution_count") or 0, seconds=round(took, 6))


def length(value: Any) -> int:
    return len(value if isinstance(value, str) else json.dumps(value))


def left_out(what: str) -> str:
    return f"[{what} left out: one call may send back {OUTPUT_LIMIT} characters]"
