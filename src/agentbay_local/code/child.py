"""The kernel process inside the sandbox: a fork of the driver that becomes a Jupyter kernel, and the hold on it.

What a kernel imports is loaded once, before the fork, so a new kernel after a crash takes milliseconds and shares its
memory with the driver. Nothing here starts a thread before the fork.
"""

from __future__ import annotations

import codecs
import contextlib
import ctypes
import importlib
import json
import os
import select
import shutil
import signal
import site
import sys
import tempfile
import threading
import traceback
import warnings
from collections.abc import Iterable, Mapping
from typing import Any, NoReturn

import zmq
from ipykernel.iostream import OutStream
from ipykernel.ipkernel import IPythonKernel
from ipykernel.kernelapp import IPKernelApp
from jupyter_client.jsonutil import json_default
from jupyter_client.session import Session, json_packer
from traitlets.config import Config

START_LIMIT_S = 30.0
WELCOME_MS = 100
SHELL, IOPUB, STDIN, CONTROL, HEARTBEAT = 1, 2, 3, 4, 5
PR_SET_PDEATHSIG = 1
READY = b"\0ready"
UNSENT = 1 << 20  # characters that code may print before it waits until they are on their way
PIPE_SIZE = 1 << 20  # bytes; no less than a pipe holds
MOST_READ = 64  # messages
MOST_WAITING = 32  # outputs on their way, each of about UNSENT characters at most: who prints faster is held up
COLOURS = ("FORCE_COLOR", "CLICOLOR", "CLICOLOR_FORCE")  # IPython sets them for the programs that the code starts

Message = dict[str, Any]


class KernelFailed(Exception):
    """The kernel could not be started; the text is for users."""


class PacedStream(OutStream):
    """Standard output or standard error of the code. What is printed in a flood goes out in parts, not in one.

    What programs print comes by a pipe, which a thread reads. A call ends with a flush, and that reads it too: what
    was printed before the end of the call belongs to it, however late the thread is.
    """

    unsent = 0

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self.reading = threading.Lock()
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


def kernel_class(language: str, texts: Mapping[str, str]) -> Any:
    """IPython's own kernel, or the wrapper around node."""
    if language == "python":
        return IPythonKernel
    from .node_kernel import NodeKernel  # noqa: PLC0415  # only there when the host sent it

    NodeKernel.loop = texts["node_loop.js"]
    return NodeKernel


def silence() -> None:
    """Point the standard streams away from the host: what a kernel prints travels over Jupyter only."""
    null = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(null, stream)
    os.close(null)


def pack(message: Any) -> bytes:
    """Jupyter's own packing, and escapes for the rare text that UTF-8 cannot hold."""
    try:
        return json_packer(message)
    except UnicodeEncodeError:
        return json.dumps(message, default=json_default).encode()


def detach(parent: int) -> None:
    """Give the kernel a group of its own for interrupts, and let it die with the driver."""
    os.setsid()
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)
    signal.signal(signal.SIGINT, signal.default_int_handler)


def become_kernel(language: str, texts: Mapping[str, str], folder: str, ready: int, parent: int) -> NoReturn:
    """Never returns."""
    try:
        prepare(language, texts, folder, ready, parent).start()
    finally:
        os._exit(0)


def prepare(language: str, texts: Mapping[str, str], folder: str, ready: int, parent: int) -> Any:
    """A kernel that can be started; the driver learns that it is ready, or else why not."""
    try:
        detach(parent)
        silence()
        return make_app(language, texts, folder)
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


def make_app(language: str, texts: Mapping[str, str], folder: str) -> Any:
    os.environ["IPYTHONDIR"] = f"{folder}/ipython"
    sys.argv = [language]
    add_workspace()
    add_home()
    app: Any = KernelApp.instance(
        config=configuration(), transport="ipc", ip=f"{folder}/s", connection_file=f"{folder}/kernel.json",
        shell_port=SHELL, iopub_port=IOPUB, stdin_port=STDIN, control_port=CONTROL, hb_port=HEARTBEAT,
        kernel_class=kernel_class(language, texts),
    )  # fmt: skip
    app.initialize([])
    app.session.pack = pack
    for name in COLOURS:
        os.environ.pop(name, None)
    if language == "python":
        app.shell.ask_exit = sys.exit  # exit() ends the call like sys.exit(), not the kernel
        warnings.filterwarnings("ignore", "To exit: use")
        app.shell.events.register("pre_run_cell", look_again)
    return app


def ending(status: int) -> str:
    """How a process ended, in words."""
    code = os.waitstatus_to_exitcode(status)
    if code >= 0:
        return f"exited with code {code}"
    hint = ", perhaps for want of memory" if -code == signal.SIGKILL else ""
    return f"was killed by signal {-code} ({signal.strsignal(-code)}){hint}"


class KernelProcess:
    """A running kernel and the two sockets that lead to it."""

    def __init__(self, language: str, texts: Mapping[str, str]) -> None:
        self.folder = tempfile.mkdtemp(prefix="kernel-")
        ready, ready_end = os.pipe()
        parent = os.getpid()
        self.pid = os.fork()
        if self.pid == 0:
            os.close(ready)
            become_kernel(language, texts, self.folder, ready_end, parent)
        os.close(ready_end)
        self.pidfd = os.pidfd_open(self.pid)
        self.status: int | None = None
        self.held = False
        self.context: zmq.Context[Any] = zmq.Context()
        self.session = Session(key=b"")
        self.session.pack = pack
        try:
            self._await_ready(ready)
            self._connect()
        except KernelFailed:
            self.stop()
            raise
        finally:
            os.close(ready)

    def _await_ready(self, ready: int) -> None:
        said = b""
        while not said.endswith(READY):
            readable, _, _ = select.select([ready], [], [], START_LIMIT_S)
            if not readable:
                raise KernelFailed(f"the kernel was not ready within {START_LIMIT_S:g} s")
            chunk = os.read(ready, 1 << 16)
            if not chunk:
                why = said.decode("utf-8", "replace").strip().rpartition("\n")[2] or self.reap()
                raise KernelFailed(f"the kernel could not start: {why}")
            said += chunk

    def _connect(self) -> None:
        self.shell = self._socket(zmq.DEALER, SHELL)
        self.iopub = self._socket(zmq.SUB, IOPUB)
        self.iopub.subscribe(b"")
        waited = 0
        while not self.iopub.poll(WELCOME_MS):  # the welcome: from here on nothing is missed
            waited += WELCOME_MS
            if waited > START_LIMIT_S * 1000:
                raise KernelFailed(f"the kernel did not answer within {START_LIMIT_S:g} s")
            self.session.send(self.shell, "comm_info_request")  # ipykernel 6 does not greet, but announces its work

    def _socket(self, kind: int, port: int) -> Any:
        socket = self.context.socket(kind)
        socket.set(zmq.LINGER, 0)
        socket.set(zmq.RCVHWM, MOST_WAITING)
        socket.connect(f"ipc://{self.folder}/s-{port}")
        return socket

    def execute(self, code: str, *, silent: bool) -> str:
        content = {"code": code, "silent": silent, "store_history": not silent, "user_expressions": {},
                   "allow_stdin": False, "stop_on_error": False}  # fmt: skip
        message: Any = self.session.send(self.shell, "execute_request", content)
        return str(message["header"]["msg_id"])

    def messages(self, socket: Any) -> Iterable[Message]:
        """What is there to read now, without waiting; of a flood only so much that the host's orders get their turn."""
        for _ in range(MOST_READ):
            _, message = self.session.recv(socket, zmq.NOBLOCK)
            if message is None:
                return
            yield message

    def hold(self, stopped: bool) -> None:
        """Stop the kernel with the programs that the code runs, or let them go on."""
        if stopped != self.held:
            self.held = stopped
            with contextlib.suppress(ProcessLookupError):  # its end is about to be told
                os.killpg(self.pid, signal.SIGSTOP if stopped else signal.SIGCONT)

    def interrupt(self) -> None:
        """The signal goes to the programs that the code runs, too."""
        self.hold(False)
        os.killpg(self.pid, signal.SIGINT)
        self.session.send(self.shell, "comm_info_request")  # wakes a loop that waits: a signal alone does not

    def reap(self) -> str:
        """Wait for the end of the kernel process and say how it came."""
        if self.status is None:
            _, self.status = os.waitpid(self.pid, 0)
        return ending(self.status)

    def stop(self) -> None:
        """Kill the kernel with everything in its group; leaves no file, socket, thread or zombie."""
        with contextlib.suppress(ProcessLookupError):  # nothing of the group is left
            os.killpg(self.pid, signal.SIGKILL)
        self.reap()
        self.context.destroy(linger=0)
        os.close(self.pidfd)
        shutil.rmtree(self.folder, ignore_errors=True)
