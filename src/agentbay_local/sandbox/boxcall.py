"""The daemon's loop and its calls: what is watched, and how a request comes in and answers go out.

Runs inside the sandbox beside boxd.py, under the same rule: nothing is imported that is slow to import.
"""

from __future__ import annotations

import _ctypes
import _json
import _socket
import errno
import marshal
import os
import select
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:  # `typing` itself would be the slowest import of all
    from collections.abc import Callable
    from typing import Any, Final

    Answer = dict[str, Any]

CHUNK: Final = 1 << 16

encoder = _json.make_encoder(None, None, _json.encode_basestring_ascii, None, ":", ",", False, False, True)  # type: ignore[arg-type]

poller = select.poll()
watched: dict[int, Callable[[], object]] = {}


def watch(fd: int, action: Callable[[], object]) -> None:
    """Call `action` whenever `fd` can be read or has hung up."""
    watched[fd] = action
    poller.register(fd, select.POLLIN)


def unwatch(fd: int) -> None:
    """Forget `fd`, which may be unknown."""
    if watched.pop(fd, None):
        poller.unregister(fd)


def serve_for_ever() -> None:
    """Do what is to be done for each descriptor that is ready."""
    while True:
        for fd, _ in poller.poll():
            if action := watched.get(fd):
                action()


def library(name: str, *arguments: int | bytes | None) -> None:
    """Call a function of the C library."""
    _ctypes.call_function(_ctypes.dlsym(_ctypes.dlopen(None, 0), name), arguments)  # type: ignore[arg-type]


def encode(value: Answer) -> str:
    """JSON (names that are not UTF-8 travel as lone surrogates)."""
    return "".join(encoder(value, 0))


def failure(error: Exception) -> Answer:
    """What the host needs to raise the same error on its side."""
    if isinstance(error, OSError):
        return {"errno": error.errno or errno.EIO, "path": os.fsdecode(error.filename) if error.filename else None}
    return {"errno": errno.EINVAL, "path": None}


def received(controls: list[tuple[int, int, bytes]]) -> list[int]:
    """The descriptors that came with one read."""
    cells = [data[at : at + 4] for _, _, data in controls for at in range(0, len(data) - 3, 4)]
    return [int.from_bytes(cell, sys.byteorder) for cell in cells]


def close_all(fds: list[int]) -> None:
    """Close descriptors, and forget them."""
    while fds:
        os.close(fds.pop())


class Call:
    """One request on a channel of its own. The host orders the end of the work by ending its side."""

    def __init__(self, fd: int) -> None:
        self.channel = _socket.socket(fileno=fd)
        self.bytes = bytearray()
        self.fds: list[int] = []
        self.gifts: list[int] = []  # descriptors that go to the host once the program has started
        self.report = -1  # where a starting program says that it could not start
        self.failed = False
        self.dropped = 0

    def read(self) -> dict[str, Any] | None:
        """Read on: the request, once it is complete."""
        data, controls, _, _ = self.channel.recvmsg(CHUNK, _socket.CMSG_SPACE(16), _socket.MSG_CMSG_CLOEXEC)
        self.fds += received(controls)
        self.bytes += data
        if not data:
            raise EOFError
        if len(self.bytes) < 4 + int.from_bytes(self.bytes[:4], "big"):
            return None
        return dict(marshal.loads(self.bytes[4:]))

    def answer(self, answer: Answer, *fds: int) -> None:
        self.send(encode(answer).encode(), *fds)

    def send(self, body: bytes, *fds: int) -> None:
        """One frame back, descriptors with it. A host that has gone needs no answer."""
        frame = len(body).to_bytes(4, "big") + body
        rights = b"".join(fd.to_bytes(4, sys.byteorder) for fd in fds)
        controls = [(_socket.SOL_SOCKET, _socket.SCM_RIGHTS, rights)] if fds else []
        try:
            sent = self.channel.sendmsg([frame], controls)
            if sent < len(frame):
                self.channel.sendall(frame[sent:])
        except OSError:
            return

    def release(self) -> None:
        """Close the descriptors that came with the request."""
        close_all(self.fds)

    def close(self) -> None:
        """The end of this call."""
        unwatch(self.channel.fileno())
        self.channel.close()
        close_all(self.fds)
        close_all(self.gifts)
