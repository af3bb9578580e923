"""A kernel that is one program which keeps the state, and reads calls from a pipe; it answers in Jupyter's messages.

It runs inside the sandbox, in the driver. The program tells the ends of calls on another pipe; what it prints comes by
its standard streams.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar

from .process import START_LIMIT_S, KernelFailed, KernelProcess, Message, Outlet, detach

READ_SIZE = 1 << 16

Event = dict[str, Any]


class LoopKernel(KernelProcess):
    """The program and its pipes. What it is told, and how, a subclass says."""

    unread_stays = False
    spared: ClassVar[bool] = False  # whether the program gets its interrupts by another road than the signal

    def __init__(self, texts: Mapping[str, str]) -> None:
        self.sent = texts
        self.calls = self.count = 0
        self.line = b""
        self.outgoing = bytearray()
        super().__init__()

    # -- for subclasses

    def command(self, requests: int, events: int) -> list[str]:
        """The command that starts the program; it is given the descriptors for requests and events."""
        raise NotImplementedError

    def stdin(self, _requests: int) -> int:
        """What the program's standard input is."""
        return subprocess.DEVNULL

    def opened(self) -> list[int]:
        """More descriptors for the program; ours are closed once it has them."""
        return []

    def request(self, code: str, count: int) -> bytes:
        """A call in the form the program reads; raises Unfit."""
        raise NotImplementedError

    def event(self, line: bytes) -> Event:
        """A line of the program: its `type` is `ready` or `end`."""
        return dict(json.loads(line))

    def readable(self, text: str) -> str:
        """What the program printed, without what it says by itself."""
        return text

    # -- its life

    def launch(self) -> int:
        requests, self.requests = os.pipe()
        self.events, events = os.pipe()
        self.channels = (self.events,)
        theirs = [requests, events, *self.opened()]
        try:
            process = self._spawn(requests, events, theirs)
        except OSError:
            self.release()
            raise
        finally:
            for descriptor in theirs:
                os.close(descriptor)
        process.returncode = 0  # whoever waits for it is us, not its own object
        for stream, name in ((process.stdout, "stdout"), (process.stderr, "stderr")):
            assert stream
            self.outlets.append(Outlet(os.dup(stream.fileno()), name))
            stream.close()
        return process.pid

    def _spawn(self, requests: int, events: int, theirs: list[int]) -> subprocess.Popen[bytes]:
        parent, interrupts = os.getpid(), signal.SIG_IGN if self.spared else signal.SIG_DFL
        os.set_blocking(self.requests, False)
        os.set_blocking(self.events, False)
        return subprocess.Popen(
            self.command(requests, events),
            stdin=self.stdin(requests),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            pass_fds=theirs,
            preexec_fn=lambda: detach(parent, interrupts),  # noqa: PLW1509  # the driver has no other thread
        )

    def await_ready(self) -> None:
        """Wait until the program takes calls, and forget what it said on the way."""
        poll = select.poll()
        for descriptor in (self.events, self.pidfd):
            poll.register(descriptor, select.POLLIN)
        ready = dict(poll.poll(START_LIMIT_S * 1000))
        if not ready:
            raise KernelFailed(f"the kernel was not ready within {START_LIMIT_S:g} s")
        said = "".join(text for _, text in self.texts())
        if self.pidfd in ready:
            last = said.strip().rpartition("\n")[2]
            raise KernelFailed(f"the kernel could not start: it {self.reap()}{last and ': '}{last}")
        self._lines()

    def release(self) -> None:
        for descriptor in (self.requests, self.events):
            os.close(descriptor)

    def stop(self) -> None:
        super().stop()
        self.release()

    # -- calls

    def poller(self, reading: Sequence[int], writing: Sequence[int]) -> Any:
        return super().poller(reading, [*writing, *([self.requests] if self.outgoing else [])])

    def execute(self, code: str, *, silent: bool) -> str:
        request = self.request(code, self.count + (not silent))
        self.calls += 1
        self.count += not silent
        self.send(request)
        return str(self.calls)

    def send(self, data: bytes) -> None:
        """Have it on its way, as far as the program takes it now."""
        self.outgoing += data
        with contextlib.suppress(BlockingIOError, BrokenPipeError):  # if it is broken, its end is about to be told
            while self.outgoing:
                del self.outgoing[: os.write(self.requests, self.outgoing)]

    def texts(self) -> Iterable[tuple[str, str]]:
        for name, text in super().texts():
            if told := self.readable(text):
                yield name, told

    def push(self) -> None:
        self.send(b"")

    def messages(self, source: Any) -> Iterable[Message]:  # noqa: ARG002  # there is only one
        """The ends of calls. All that was printed before is in its pipe by then."""
        for event in map(self.event, self._lines()):
            if event["type"] == "end":
                yield from self._ended(event)

    def _lines(self) -> list[bytes]:
        data = b""
        with contextlib.suppress(BlockingIOError):
            data = os.read(self.events, READ_SIZE)
        *lines, self.line = (self.line + data).split(b"\n")
        return lines

    def _ended(self, event: Event) -> Iterable[Message]:
        """As Jupyter tells it: what came of the call, that the kernel is idle, and the reply."""
        parent = {"msg_id": str(self.calls)}
        reply = {"status": event["status"], "execution_count": self.count}
        if event["status"] == "error":
            content = {"ename": event["name"], "evalue": event["message"]}
            reply |= content | {"traceback": [event["stack"]] if event["stack"] else []}
            yield {"msg_type": "error", "content": reply, "parent_header": parent}
        elif event.get("data"):
            content = {"data": event["data"], "metadata": {}}
            yield {"msg_type": "execute_result", "content": content, "parent_header": parent}
        yield {"msg_type": "status", "content": {"execution_state": "idle"}, "parent_header": parent}
        yield {"msg_type": "execute_reply", "content": reply, "parent_header": parent}
