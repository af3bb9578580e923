"""The local runtime as a child process, shared by all clients of this process that ask for the endpoint `local`.

Nothing of `agentbay_local` is imported. The child watches this process and ends with it, whatever ends it.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import subprocess
import sys
import threading
from typing import IO

from attrs import define, field

from agentbay.errors import LocalRuntimeError

__all__ = ["acquire", "end_of_runtime", "release"]

START_TIMEOUT = 30.0
STOP_TIMEOUT = 30.0
GRACE = 0.2

_lock = threading.Lock()


@define(eq=False)
class _Runtime:
    """One child, and the tickets of the clients that use it."""

    process: subprocess.Popen[bytes]
    stderr: IO[bytes]
    owner: int
    base_url: str = ""
    api_key: str = field(default="", repr=False)
    tickets: list[object] = field(factory=list, repr=False)

    @property
    def usable(self) -> bool:
        return self.owner == os.getpid() and self.process.poll() is None

    def last_words(self) -> str:
        self.stderr.seek(0)
        return self.stderr.read()[-4000:].decode("utf-8", "replace").strip()


_children: list[_Runtime] = []
"""The last one serves; others have died, or belong to the process that forked this one, and still have clients."""


def _spawn() -> _Runtime:
    command = [
        sys.executable,
        "-P",
        "-m",
        "agentbay_local",
        "serve",
        "--port",
        "0",
        "--quiet",
        "--parent",
        str(os.getpid()),
    ]
    import tempfile  # noqa: PLC0415  (only for a local runtime)

    stderr = tempfile.TemporaryFile()  # noqa: SIM115  (lives as long as the child)
    process = subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=stderr, start_new_session=True
    )
    return _Runtime(process, stderr, os.getpid())


def _listen(runtime: _Runtime) -> None:
    """Read the two lines by which the runtime says that it is ready; end of output means it never will be."""
    assert runtime.process.stdout is not None  # noqa: S101  (we asked for the pipe)
    impatience = threading.Timer(START_TIMEOUT, runtime.process.kill)
    impatience.daemon = True
    impatience.start()
    with runtime.process.stdout as lines:
        runtime.base_url, runtime.api_key = (lines.readline().decode().strip().partition("=")[2] for _ in range(2))
    code = None if runtime.api_key else runtime.process.wait()
    impatience.cancel()
    if code is None:
        return
    with runtime.stderr:
        words = runtime.last_words() or "it said nothing"
    raise LocalRuntimeError(
        f"The local runtime did not start (exit code {code}): {words.rstrip('.')}.",
        hint="`agentbay doctor` shows what this machine needs.",
    )


def acquire(ticket: object) -> tuple[str, str]:
    """Give the base URL and the API key of the running child; start it if there is none. Blocks until it is ready.

    Raises:
        LocalRuntimeError: it did not start; the message says why.
    """
    with _lock:
        if not _children or not _children[-1].usable:
            runtime = _spawn()
            _listen(runtime)
            _children.append(runtime)
        _children[-1].tickets.append(ticket)
        return _children[-1].base_url, _children[-1].api_key


def release(ticket: object) -> None:
    """Say that the client with this ticket is done; the last one ends the child."""
    with _lock:
        for runtime in [child for child in _children if ticket in child.tickets]:
            runtime.tickets.remove(ticket)
            if not runtime.tickets:
                _children.remove(runtime)
                _stop(runtime)


def _stop(runtime: _Runtime) -> None:
    if runtime.owner == os.getpid():
        runtime.process.terminate()
        try:
            runtime.process.wait(STOP_TIMEOUT)
        except subprocess.TimeoutExpired:
            runtime.process.kill()
            runtime.process.wait()
    runtime.stderr.close()


def end_of_runtime(ticket: object) -> str:
    """Say how the child of this client ended; empty while it runs. Its sockets may close a moment before its end."""
    runtime = next((child for child in _children if ticket in child.tickets), None)
    if runtime is None or runtime.owner != os.getpid():
        return ""
    try:
        runtime.process.wait(GRACE)
    except subprocess.TimeoutExpired:
        return ""
    return f"The local runtime has ended (exit code {runtime.process.returncode}). {runtime.last_words()}".strip()


@atexit.register
def _stop_at_exit() -> None:
    for runtime in _children:
        with contextlib.suppress(OSError):
            _stop(runtime)
