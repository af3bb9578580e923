"""A Jupyter kernel that is installed on this machine, of whatever language, run as its specification says.

It runs inside the sandbox, in the driver.
"""

from __future__ import annotations

import json
import os
import select
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import zmq

from .jupyter import CONTROL, HEARTBEAT, IOPUB, SHELL, STDIN, JupyterProcess
from .process import START_LIMIT_S, KernelFailed, Message, Outlet, detach

LOOK_S = 0.02
PARTING_S = 0.5
PORTS = {"shell": SHELL, "iopub": IOPUB, "stdin": STDIN, "control": CONTROL, "hb": HEARTBEAT}


class SpecKernel(JupyterProcess):
    """A program that speaks the protocol by itself. What goes to its standard streams beside that is kept, too."""

    key = os.urandom(16).hex().encode()  # some kernels sign in any case
    greeting = "kernel_info_request"
    values_are_displays = True

    def __init__(self, spec: Mapping[str, Any]) -> None:
        self.spec = spec
        super().__init__()

    def launch(self) -> int:
        file = Path(self.folder, "kernel.json")
        sockets = {f"{name}_port": port for name, port in PORTS.items()}
        file.write_text(json.dumps({"transport": "ipc", "ip": f"{self.folder}/s", "key": self.key.decode(),
                                    "signature_scheme": "hmac-sha256", "kernel_name": ""} | sockets))  # fmt: skip
        given = {"{connection_file}": str(file), "{resource_dir}": str(self.spec["folder"])}
        parent = os.getpid()
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(
            [fill(str(word), given) for word in self.spec["argv"]],
            stdin=subprocess.DEVNULL, stdout=pipe, stderr=pipe, env=os.environ | dict(self.spec.get("env") or {}),
            preexec_fn=lambda: detach(parent),  # noqa: PLW1509  # between two kernels the driver has no other thread
        )  # fmt: skip
        for stream, name in ((self.process.stdout, "stdout"), (self.process.stderr, "stderr")):
            assert stream
            self.outlets.append(Outlet(os.dup(stream.fileno()), name))
            stream.close()
        return self.process.pid

    def await_listening(self) -> None:
        limit = time.monotonic() + START_LIMIT_S
        while not os.path.exists(f"{self.folder}/s-{IOPUB}"):
            if select.select([self.pidfd], [], [], LOOK_S)[0]:
                said = "".join(text for _, text in self.texts()).strip().rpartition("\n")[2]
                raise KernelFailed(f"the kernel could not start: it {self.reap()}{said and ': '}{said}")
            if time.monotonic() > limit:
                raise KernelFailed(f"the kernel was not ready within {START_LIMIT_S:g} s")

    def interrupt(self) -> None:
        if self.spec.get("interrupt_mode") != "message":
            super().interrupt()
            return
        self.hold(False)
        control = self.socket(zmq.DEALER, CONTROL)
        self.session.send(control, "interrupt_request")
        control.close(linger=1000)

    def stop(self) -> None:
        """Let it tidy up, if it listens."""
        if self.status is None and os.path.exists(f"{self.folder}/s-{CONTROL}"):
            self.hold(False)
            control = self.socket(zmq.DEALER, CONTROL)
            self.session.send(control, "shutdown_request", {"restart": False})
            select.select([self.pidfd], [], [], PARTING_S)
        super().stop()

    def told(self, content: Message) -> Message:
        """R's kernel shouts the name, and ends the message as a line."""
        name = "Error" if content["ename"] == "ERROR" else content["ename"]
        return content | {"ename": name, "evalue": content["evalue"].strip()}

    def reap(self) -> str:
        self.process.returncode = 0  # whoever waits for it is us, not its own object
        return super().reap()


def fill(word: str, given: Mapping[str, str]) -> str:
    for name, value in given.items():
        word = word.replace(name, value)
    return word
