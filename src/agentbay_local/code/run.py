"""One call inside the sandbox: its limits, and the events that tell the host about it."""

from __future__ import annotations

import json
import os
import time
from typing import Any

OUTPUT_LIMIT = 10 << 20  # characters that one call may send back
TRUNCATED = f"\n[output cut: one call may send back at most {OUTPUT_LIMIT >> 20} Mi characters]\n"

Event = dict[str, Any]


def emit(event: Event) -> None:
    """Write one line to the host; lone surrogates become question marks."""
    line = memoryview(json.dumps(event, ensure_ascii=False).encode("utf-8", "replace") + b"\n")
    while line:
        line = line[os.write(1, line) :]


class Run:
    """One call: its code, its limits, what has come of it so far."""

    def __init__(self, identity: int, code: str, timeout_s: float | None, *, silent: bool = False) -> None:
        self.identity, self.code, self.timeout_s, self.silent = identity, code, timeout_s, silent
        self.message = ""
        self.reply: Event | None = None
        self.idle = False
        self.told = False  # what it raised
        self.stopping = ""  # why it is being stopped: "timeout", "interrupt" or not at all
        self.nudged = False
        self.started = self.deadline = 0.0
        self.room = OUTPUT_LIMIT

    def begin(self, message: str) -> None:
        self.message, self.started = message, time.monotonic()
        self.deadline = float("inf") if self.timeout_s is None else self.started + self.timeout_s

    def send(self, kind: str, **content: Any) -> None:
        if not self.silent:
            emit({"id": self.identity, "type": kind, **content})

    def send_text(self, stream: str, text: str) -> None:
        kept = self.fit(text)
        if kept:
            self.send(stream, text=kept)

    def fit(self, text: str) -> str:
        """What still fits of the text, with a mark where the rest was cut; nothing after that."""
        if self.room <= 0:
            return ""
        kept, self.room = text[: self.room], self.room - len(text)
        return kept if self.room >= 0 else kept + TRUNCATED

    def rich(self, data: Event) -> Event:
        """The bundle itself, or one line instead when it is larger than what one call may send back."""
        size = sum(len(value) if isinstance(value, str) else len(json.dumps(value)) for value in data.values())
        if size > self.room:
            return {"text/plain": f"[result of {size} characters left out: one call may send back {OUTPUT_LIMIT}]"}
        self.room -= size
        return data

    def raised(self, error: Event, traceback: str) -> None:
        """Tell an error of the code, once; to leave without an exit code is none."""
        if self.told or (error["ename"] == "SystemExit" and error["evalue"] in ("", "0", "None")):
            return
        self.told = True
        value, trace = self.fit(error["evalue"]), self.fit(traceback)
        self.send("error", name=error["ename"], value=value, traceback=trace)

    def failed(self, name: str, value: str) -> None:
        self.send("error", name=name, value=value, traceback="")
        self.finish()

    def finish(self) -> None:
        reply = self.reply or {}
        took = time.monotonic() - self.started if self.started else 0.0
        self.send("end", count=reply.get("execution_count") or 0, seconds=round(took, 6))
