"""The Python kernel inside the sandbox: a fork of the driver that becomes IPython's own kernel.

What a kernel imports is loaded once, before the fork, so a new kernel after a crash takes milliseconds and shares its
memory with the driver. Nothing here starts a thread before the fork.
"""

from __future__ import annotations

import codecs
import importlib
import os
import select
import site
import sys
import threading
import traceback
import warnings
from typing import Any, NoReturn

import zmq
from ipykernel.iostream import OutStream
from ipykernel.ipkernel import IPythonKernel
from ipykernel.kernelapp import IPKernelApp
from traitlets.config import Config

from .jupyter import CONTROL, HEARTBEAT, IOPUB, MOST_WAITING, SHELL, STDIN, JupyterProcess, pack
from .process import START_LIMIT_S, KernelFailed, detach

READY = b"\0ready"
UNSENT = 1 << 20  # characters that code may print before it waits until they are on their way
PIPE_SIZE = 1 << 20  # bytes; no less than a pipe holds
COLOURS = ("FORCE_COLOR", "CLICOLOR", "CLICOLOR_FORCE")  # IPython sets them for the programs that the code starts


class PacedStream(OutStream):
    """Standard output or standard error of the code. What is printed in a flood goes out in parts, not in one.

    What programs print comes by a pipe, which a thread reads. A call ends with a flush, and that reads it too: what
    was printed before the end of the call belongs to it, however late the thread is.
    """

    unsent = 0

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self.reading = threading.RLock()  # a signal's handler prints in the middle of a flush
        self.decoder = codecs.getincrementaldecoder("utf-8")("replace")
        super().__init__(*args, **kwargs)  # type: ignore[no-untyped-call]

    @property
    def pipe(self) -> int:
        """Where what programs print comes out. On Linux there always is one."""
        assert self._fid is not None
        return int(self._fid)

    def _watch_pipe_fd(self) -> None:
        while self._should_watch and self._is_readable(None):
            self._take_piped()

    def _is_readable(self, wait_ms: float | None) -> bool:
        poll = select.poll()
        poll.register(self.pipe, select.POLLIN)
        return any(event & select.POLLIN for _, event in poll.poll(wait_ms))

    def _take_piped(self) -> None:
        """Take what is in the pipe now, and no more: a program may print for ever."""
        with self.reading:
            printed = os.read(self.pipe, PIPE_SIZE) if self._is_readable(0) else b""
            text = self.decoder.decode(printed)
            if text:  # the base holds a lock for it, and a signal's handler that prints then has to wait for itself
                super().write(text)
        self._pace(len(text))

    def flush(self) -> None:
        """Have everything on its way that was printed so far."""
        if os.getpid() == self._master_pid:  # a fork has no thread that reads, and perhaps a taken lock
            self._take_piped()
        super().flush()  # type: ignore[no-untyped-call]

    def write(self, string: str) -> int:
        super().write(string)
        self._pace(len(string))
        return len(string)

    def _pace(self, size: int) -> None:
        self.unsent += size
        if self.unsent > UNSENT:
            self.unsent = 0
            super().flush()  # type: ignore[no-untyped-call]


class KernelApp(IPKernelApp):
    """A kernel that never drops an output for being one of many, and never has very many on their way."""

    def init_iopub(self, context: zmq.Context[Any]) -> None:
        context.sndhwm = MOST_WAITING  # for sockets to come
        context.setsockopt(zmq.XPUB_NODROP, 1)  # the next one waits until there is room
        super().init_iopub(context)  # type: ignore[no-untyped-call]


def configuration() -> Config:
    """No history file, no colours, no signature: the sockets live in a folder that only this user can enter."""
    config = Config()
    config.Session.key = b""
    config.HistoryManager.enabled = False
    config.InteractiveShell.colors = "nocolor"
    config.InteractiveShellApp.exec_PYTHONSTARTUP = False
    config.IPCompleter.use_jedi = False
    config.IPKernelApp.outstream_class = f"{__name__}.PacedStream"
    return config


def silence() -> None:
    """Point the standard streams away from the host: what a kernel prints travels over Jupyter only."""
    null = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(null, stream)
    os.close(null)


def become_kernel(folder: str, ready: int, parent: int) -> NoReturn:
    """Never returns."""
    try:
        prepare(folder, ready, parent).start()
    finally:
        os._exit(0)


def prepare(folder: str, ready: int, parent: int) -> Any:
    """A kernel that can be started; the driver learns that it is ready, or else why not."""
    try:
        detach(parent)
        silence()
        return make_app(folder)
    finally:
        os.write(ready, traceback.format_exc().encode() if sys.exc_info()[0] else READY)
        os.close(ready)


def add_workspace() -> None:
    """Let code import its own files, as in any notebook: after the standard library, before what is installed."""
    installed = (place for place, path in enumerate(sys.path) if path.endswith(("site-packages", "dist-packages")))
    sys.path.insert(next(installed, len(sys.path)), "")


def add_home() -> None:
    """Let code import what pip puts into the home folder, from the cell after that on."""
    sys.path.append(site.getusersitepackages())


def look_again(_: object) -> None:
    importlib.invalidate_caches()


def make_app(folder: str) -> Any:
    os.environ["IPYTHONDIR"] = f"{folder}/ipython"
    sys.argv = ["python"]
    add_workspace()
    add_home()
    app: Any = KernelApp.instance(
        config=configuration(), transport="ipc", ip=f"{folder}/s", connection_file=f"{folder}/kernel.json",
        shell_port=SHELL, iopub_port=IOPUB, stdin_port=STDIN, control_port=CONTROL, hb_port=HEARTBEAT,
        kernel_class=IPythonKernel,
    )  # fmt: skip
    app.initialize([])
    app.session.pack = pack
    for name in COLOURS:
        os.environ.pop(name, None)
    app.shell.ask_exit = sys.exit  # exit() ends the call like sys.exit(), not the kernel
    warnings.filterwarnings("ignore", "To exit: use")
    app.shell.events.register("pre_run_cell", look_again)
    return app


def reason(said: bytes) -> str:
    """The last line of a traceback, without the module's name."""
    name, colon, text = said.decode("utf-8", "replace").strip().rpartition("\n")[2].partition(": ")
    return text if name.endswith(KernelFailed.__name__) else name + colon + text


class PythonKernel(JupyterProcess):
    """IPython in a fork of the driver."""

    def launch(self) -> int:
        self.ready, ready_end = os.pipe()
        parent = os.getpid()
        try:
            pid = os.fork()
        except OSError:
            os.close(self.ready)
            os.close(ready_end)
            raise
        if pid == 0:
            os.close(self.ready)
            become_kernel(self.folder, ready_end, parent)
        os.close(ready_end)
        return pid

    def await_listening(self) -> None:
        try:
            self._await_word()
        finally:
            os.close(self.ready)

    def _await_word(self) -> None:
        said = b""
        while not said.endswith(READY):
            readable, _, _ = select.select([self.ready], [], [], START_LIMIT_S)
            if not readable:
                raise KernelFailed(f"the kernel was not ready within {START_LIMIT_S:g} s")
            chunk = os.read(self.ready, 1 << 16)
            if not chunk:
                raise KernelFailed(f"the kernel could not start: {reason(said) or self.reap()}")
            said += chunk
