"""Java: one virtual machine, in which `JavaLoop.java` runs the calls with the evaluator that the JDK brings."""

from __future__ import annotations

import base64
import os
import resource
from pathlib import Path

from .loop_kernel import LoopKernel
from .programs import find_java

# The optimising compiler waits for code that is really hot: before that, it would only hold up the start.
PATIENT = (
    "-XX:Tier4InvocationThreshold=50000", "-XX:Tier4MinInvocationThreshold=20000",
    "-XX:Tier4CompileThreshold=100000", "-XX:Tier4BackEdgeThreshold=400000",
)  # fmt: skip
LEAST_HEAP = 64 << 20  # bytes


class Kernel(LoopKernel):
    """The virtual machine. A signal would end it, so interrupts come by the pipe."""

    spared = True

    def command(self, requests: int, events: int) -> list[str]:
        source = Path(self.folder, "JavaLoop.java")
        source.write_text(self.sent[source.name], "utf-8")
        files = [f"/proc/self/fd/{descriptor}" for descriptor in (requests, events)]
        return [find_java(), "-XX:+UseSerialGC", *heap(), *PATIENT, "-XX:+IgnoreUnrecognizedVMOptions",
                *proxies(), str(source), *files]  # fmt: skip

    def request(self, code: str, count: int) -> bytes:
        return b"%d %s\n" % (count, base64.b64encode(code.encode("utf-8", "replace")))

    def interrupt(self) -> None:
        super().interrupt()
        self.send(b"interrupt\n")


def heap() -> list[str]:
    """Half of what the process may hold: the machine itself needs about as much."""
    limit, _ = resource.getrlimit(resource.RLIMIT_DATA)
    return [] if limit == resource.RLIM_INFINITY else [f"-Xmx{max(limit // 2, LEAST_HEAP)}"]


def proxies() -> list[str]:
    """The way out that other programs find in the environment."""
    options = []
    for scheme in ("http", "https"):
        place = os.environ.get(f"{scheme}_proxy", "").rpartition("//")[2].strip("/")
        host, _, port = place.rpartition(":")
        if host and port.isdigit():
            options += [f"-D{scheme}.proxyHost={host}", f"-D{scheme}.proxyPort={port}"]
    return options
