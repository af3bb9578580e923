"""Drives one Jupyter kernel from inside the sandbox.

The host writes JSON lines to standard input (`execute`, `interrupt`, `env`, `ping`) and reads JSON lines, one event
each, from standard output. This file and those that it is made of reach the sandbox as text (`kernel.py` says which and
how), so they may import nothing of this project but each other.
"""

from __future__ import annotations

import collections
import gc
import importlib
import json
import os
import signal
import time
from collections.abc import Mapping
from typing import Any, ClassVar

from .environment import setting
from .process import KernelFailed, KernelProcess, Unfit, waiting_for
from .programs import find_spec, found_program
from .run import OUT, Run

LATE_LIMIT = 64 << 10  # characters kept from what background work prints between two calls
GRACE_S = 2.0  # from the first interrupt to the kill
TICK_MS = 250
HIGH, LOW = 1 << 20, 1 << 18  # bytes that wait for the host when the kernel is stopped, and when it may go on
SUSPENDED_S = 1.5  # a longer gap between two ticks means that the whole session was stopped meanwhile

Event = dict[str, Any]


def launched(language: str, texts: Mapping[str, str]) -> KernelProcess:
    """A running kernel: ours where its program is there, else one that is installed; raises KernelFailed."""
    kernel: KernelProcess
    if language == "python":
        kernel = part("child").PythonKernel()
    elif found_program(language):
        kernel = part(f"{language}_loop").Kernel(texts)
    else:
        kernel = part("spec_kernel").SpecKernel(find_spec(language))
    return kernel


def part(name: str) -> Any:
    """One of our modules: what it imports is slow, and of no use to other languages."""
    return importlib.import_module(f".{name}", __package__)


def is_picture(data: Event) -> bool:
    return any(kind.startswith("image/") for kind in data)


class Driver:
    """Takes orders from the host, one call at a time, and keeps a kernel alive."""

    def __init__(self, language: str, texts: Mapping[str, str]) -> None:
        self.language, self.texts = language, texts
        self.kernel: KernelProcess | None = None
        self.waiting: collections.deque[Run] = collections.deque()
        self.run: Run | None = None
        self.late: list[tuple[str, str]] = []
        self.late_room = LATE_LIMIT
        self.input = bytearray()
        self.last_tick = 0.0

    # -- orders

    def read_orders(self) -> bool:
        try:
            chunk = os.read(0, 1 << 16)
        except BlockingIOError:
            return True
        *lines, rest = chunk.split(b"\n")
        for line in lines:
            self.obey(json.loads(self.input + line))
            self.input.clear()
        self.input += rest
        return bool(chunk)

    def obey(self, order: Event) -> None:
        getattr(self, f"on_{order['op']}")(order)

    def on_execute(self, order: Event) -> None:
        self.waiting.append(Run(order["id"], order["code"], order["timeout_s"], live=order["live"]))

    def on_ping(self, order: Event) -> None:
        OUT.put({"id": order["id"], "type": "pong"})

    def on_env(self, order: Event) -> None:
        for name, value in order["set"].items():
            os.environ.pop(name, None) if value is None else os.environ.__setitem__(name, value)
        code = setting(self.language, order["set"])
        if self.kernel and code:  # a later kernel inherits them
            self.waiting.append(Run(0, code, GRACE_S, silent=True))

    def on_interrupt(self, order: Event) -> None:
        if self.run and self.run.identity == order["id"]:
            OUT.discard()
            self.halt(self.run, "interrupt")
        for run in [run for run in self.waiting if run.identity == order["id"]]:
            self.waiting.remove(run)
            run.failed("KeyboardInterrupt", "interrupted before it began")

    # -- the kernel

    def start(self) -> KernelProcess:
        if self.kernel is None:
            self.kernel = launched(self.language, self.texts)
        return self.kernel

    def replace(self) -> None:
        """Stop the kernel, if any is left, and have the next one ready before it is asked for."""
        if self.kernel:
            self.kernel.stop()
        self.kernel = None
        try:
            self.start()
        except KernelFailed:
            return  # the next call tries again and says why

    def begin_next(self) -> None:
        if self.run or not self.waiting:
            return
        run = self.waiting.popleft()
        try:
            kernel = self.start()
        except KernelFailed as failure:
            run.failed(failure.name, str(failure))
            return
        if not run.silent:
            self.tell_late(run)
        try:
            run.begin(kernel.execute(run.code, silent=run.silent))
        except Unfit as unfit:
            run.failed("ValueError", str(unfit))
            return
        self.run, self.last_tick = run, time.monotonic()

    def tell_late(self, run: Run) -> None:
        for name, text in self.late:
            run.send_text(name, text)
        self.late, self.late_room = [], LATE_LIMIT

    def halt(self, run: Run, reason: str) -> None:
        if self.kernel and not run.stopping:
            run.stopping, run.deadline = reason, time.monotonic() + GRACE_S
            self.kernel.interrupt()

    def watch_clock(self) -> None:
        run, now = self.run, time.monotonic()
        if run is None or self.kernel is None:
            return
        if now - self.last_tick > SUSPENDED_S:  # a paused session does not use up its time
            run.deadline += now - self.last_tick
        self.last_tick = now
        if now >= run.deadline:
            self.give_up(run) if run.stopping else self.halt(run, "timeout")
        elif run.stopping and not run.nudged and now >= run.deadline - GRACE_S / 2:
            run.nudged = True  # the first signal can meet code that swallows it
            self.kernel.interrupt()

    def keep_pace(self) -> bool:
        """Let the kernel run no faster than the host reads; tells whether it waits. To be ended, it must run."""
        if self.kernel is None:
            return False
        ending = self.kernel.status is not None or (self.run is not None and bool(self.run.stopping))
        self.kernel.hold(not ending and len(OUT.waiting) > (LOW if self.kernel.held else HIGH))
        return self.kernel.held

    def give_up(self, run: Run) -> None:
        self.run = None
        kept = "it did not react to an interrupt, so the kernel was restarted and its variables are gone"
        run.failed(*self.stopped(run, kept))
        self.replace()

    def stopped(self, run: Run, state: str) -> tuple[str, str]:
        if run.stopping == "timeout":
            return "TimeoutError", f"the code was stopped after its limit of {run.timeout_s:g} s; {state}"
        return "KeyboardInterrupt", f"the code was interrupted; {state}"

    def on_death(self) -> None:
        assert self.kernel is not None
        words = f"the {self.language} kernel {self.kernel.reap()}"
        self.read_messages()
        self.read_texts()
        run, self.run = self.run, None
        if run:
            run.failed("KernelDied", f"{words}; its variables are gone and the next call starts with a new kernel")
        else:
            self.late.append(("stderr", f"[{words} since the last call; its variables are gone]\n"))
        self.replace()

    # -- messages

    def read_messages(self) -> None:
        assert self.kernel is not None
        for channel in self.kernel.channels:
            for message in self.kernel.messages(channel):
                handle = self.HANDLERS.get(message["msg_type"])
                if handle:
                    handle(self, message["content"], message["parent_header"].get("msg_id"))
                if self.keep_pace() and self.kernel.unread_stays:
                    break

    def on_reply(self, content: Event, parent: str) -> None:
        if self.run and parent == self.run.message:
            self.run.reply = content
            self.show_pages(self.run)

    def show_pages(self, run: Run) -> None:
        """Help that a terminal would page (`name?`) is a result like any other."""
        for payload in (run.reply or {}).get("payload", []):
            if payload.get("source") == "page":
                run.show(run.fitting(payload["data"]), main=False)

    def read_texts(self) -> None:
        """What the kernel, or a program that it started, printed without telling it by messages."""
        assert self.kernel is not None
        for name, text in self.kernel.texts():
            self.on_text(name, text)

    def on_stream(self, content: Event, _parent: str) -> None:
        self.on_text(content["name"], content["text"])

    def on_text(self, name: str, text: str) -> None:
        if self.run and not self.run.silent:
            self.run.show_kept()
            self.run.send_text(name, text)
        elif self.late_room > 0:
            self.late.append((name, text[: self.late_room]))
            self.late_room -= len(text)

    def on_result(self, content: Event, parent: str) -> None:
        if self.run and parent == self.run.message:
            self.read_texts()
            self.run.show_kept()
            self.run.show(self.run.fitting(content["data"]), main=True)

    def on_display(self, content: Event, parent: str) -> None:
        if self.run and parent == self.run.message:
            self.read_texts()
            shown = self.run.fitting(content["data"], content.get("transient", {}).get("display_id"))
            if self.kernel and self.kernel.values_are_displays and not is_picture(content["data"]):
                self.run.show_kept()
                self.run.kept = shown
            else:
                self.run.show(shown, main=False)

    def on_error(self, content: Event, parent: str) -> None:
        if self.run and parent == self.run.message and not self.run.stopping:
            assert self.kernel is not None
            self.read_texts()
            self.run.raised(self.kernel.told(content), "\n".join(content["traceback"]))

    def on_status(self, content: Event, parent: str) -> None:
        if self.run and parent == self.run.message and content["execution_state"] == "idle":
            self.run.idle = True

    HANDLERS: ClassVar = {
        "stream": on_stream, "execute_result": on_result, "display_data": on_display, "update_display_data": on_display,
        "error": on_error, "status": on_status, "execute_reply": on_reply,
    }  # fmt: skip

    def end_run(self) -> None:
        run = self.run
        if run is None or not run.idle or run.reply is None:
            return
        self.read_texts()
        self.run = None
        if run.stopping:
            run.failed(*self.stopped(run, "its variables were kept"))
            return
        if run.reply["status"] == "error":  # exception groups and wrong magics are told on stderr, without a message
            run.raised(run.reply, "")
        run.finish()

    # -- the loop

    def serve(self) -> None:
        alive = True
        while alive:
            self.begin_next()
            alive = self.step()
        if self.kernel:
            self.kernel.stop()

    def step(self) -> bool:
        """Wait for the next thing to happen and deal with it; False once the host has gone."""
        kernel, writing = self.kernel, [1] if OUT.waiting else []
        poller = kernel.poller([0], writing) if kernel else waiting_for([0], writing)
        ready = dict(poller.poll(TICK_MS if self.run else 0 if self.waiting else None))
        if 1 in ready:
            OUT.flush()
        if kernel:
            kernel.push()
        if kernel and any(channel in ready for channel in kernel.channels):
            self.read_messages()
        if kernel and any(outlet.descriptor in ready for outlet in kernel.outlets):
            self.read_texts()
        self.end_run()
        if kernel and kernel.pidfd in ready:
            self.on_death()
        self.watch_clock()
        self.keep_pace()
        return 0 not in ready or self.read_orders()


def main(language: str, texts: Mapping[str, str]) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.set_blocking(1, False)
    if language == "python":
        part("child")
    gc.freeze()  # keeps the pages shared after the fork
    driver = Driver(language, texts)
    driver.replace()
    OUT.put({"id": 0, "type": "ready"})
    driver.serve()
