"""A kernel that speaks Jupyter's protocol, and the sockets that lead to it.

It runs inside the sandbox, in the driver.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any, ClassVar

import zmq
from jupyter_client.jsonutil import json_default
from jupyter_client.session import Session, json_packer

from .process import START_LIMIT_S, KernelFailed, KernelProcess, Message

WELCOME_MS = 100
SHELL, IOPUB, STDIN, CONTROL, HEARTBEAT = 1, 2, 3, 4, 5
MOST_READ = 64  # messages
MOST_WAITING = 32  # outputs on their way, each of about a million characters at most: who prints faster is held up


def pack(message: Any) -> bytes:
    """Jupyter's own packing, and escapes for the rare text that UTF-8 cannot hold."""
    try:
        return json_packer(message)
    except UnicodeEncodeError:
        return json.dumps(message, default=json_default).encode()


class JupyterProcess(KernelProcess):
    """A running kernel and its sockets, in a folder that only this user can enter."""

    key: ClassVar[bytes] = b""  # no signature
    greeting: ClassVar[str] = "comm_info_request"  # ipykernel 6 does not greet, but announces its work

    def await_listening(self) -> None:
        """Wait until there is somebody to connect to; raises KernelFailed."""
        raise NotImplementedError

    def await_ready(self) -> None:
        self.context: zmq.Context[Any] = zmq.Context()
        self.session = Session(key=self.key)
        self.session.pack = pack
        self.await_listening()
        self.shell = self.socket(zmq.DEALER, SHELL)
        self.iopub = self.socket(zmq.SUB, IOPUB)
        self.iopub.subscribe(b"")
        self.channels = (self.iopub, self.shell)
        waited = 0
        while not self.iopub.poll(WELCOME_MS):  # the welcome: from here on nothing is missed
            waited += WELCOME_MS
            if waited > START_LIMIT_S * 1000:
                raise KernelFailed(f"the kernel did not answer within {START_LIMIT_S:g} s")
            self.session.send(self.shell, self.greeting)

    def socket(self, kind: int, port: int) -> Any:
        socket = self.context.socket(kind)
        socket.set(zmq.LINGER, 0)
        socket.set(zmq.RCVHWM, MOST_WAITING)
        socket.connect(f"ipc://{self.folder}/s-{port}")
        return socket

    def poller(self, reading: Sequence[int], writing: Sequence[int]) -> Any:
        poller = zmq.Poller()
        for sources, event in (([*reading, *self.sources()], zmq.POLLIN), (writing, zmq.POLLOUT)):
            for source in sources:
                poller.register(source, event)
        return poller

    def execute(self, code: str, *, silent: bool) -> str:
        content = {"code": code, "silent": silent, "store_history": not silent, "user_expressions": {},
                   "allow_stdin": False, "stop_on_error": False}  # fmt: skip
        message: Any = self.session.send(self.shell, "execute_request", content)
        return str(message["header"]["msg_id"])

    def messages(self, source: Any) -> Iterable[Message]:
        """Of a flood only so much that the host's orders get their turn."""
        for _ in range(MOST_READ):
            _, message = self.session.recv(source, zmq.NOBLOCK)
            if message is None:
                return
            yield message

    def interrupt(self) -> None:
        super().interrupt()
        self.session.send(self.shell, self.greeting)  # wakes a loop that waits: a signal alone does not

    def stop(self) -> None:
        super().stop()
        self.context.destroy(linger=0)
