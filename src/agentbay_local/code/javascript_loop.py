"""JavaScript: one node process, in which `node_loop.js` runs the calls."""

from __future__ import annotations

import contextlib
import json
import os

from .loop_kernel import LoopKernel
from .programs import find_node

CHATTER = "Waiting for the debugger to disconnect...\n"  # node's own words on exit; the debugger is our watcher


class Kernel(LoopKernel):
    """Node, and beside it a thread that can stop it in the middle of a loop."""

    interrupts = 0

    def command(self, requests: int, events: int) -> list[str]:
        descriptors = (requests, events, self.ordered)
        loop = self.sent["node_loop.js"]
        return [find_node(), "-e", f"(() => {{{loop}\n}})()", "--", *map(str, descriptors)]

    def opened(self) -> list[int]:
        self.ordered, self.orders = os.pipe()
        return [self.ordered]

    def request(self, code: str, count: int) -> bytes:
        return self._line(op="execute", id=self.calls + 1, code=code, count=count)

    def readable(self, text: str) -> str:
        return text.replace(CHATTER, "")

    def interrupt(self) -> None:
        """Ask the main thread, and the watcher beside it for the case that the main thread is too busy to listen."""
        super().interrupt()
        with contextlib.suppress(BrokenPipeError):  # its end is about to be told
            os.write(self.orders, bytes([self.interrupts & 0xFF]))
        self.interrupts += 1
        self.send(self._line(op="interrupt", id=self.calls))

    def release(self) -> None:
        super().release()
        os.close(self.orders)

    @staticmethod
    def _line(**request: object) -> bytes:
        return json.dumps(request).encode() + b"\n"
