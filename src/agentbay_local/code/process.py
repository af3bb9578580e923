"""The hold on a kernel process: its group, what it prints, its end. What kind of kernel it is, a subclass says.

It runs inside the sandbox, in the driver.
"""

from __future__ import annotations

import codecs
import contextlib
import ctypes
import os
import select
import shutil
import signal
import tempfile
from collections.abc import Iterable, Sequence
from typing import Any, ClassVar

START_LIMIT_S = 30.0
PR_SET_PDEATHSIG = 1
PIECE_SIZE = 1 << 16  # bytes; as much as a pipe holds

Message = dict[str, Any]


class KernelFailed(Exception):
    """The kernel could not be started; the text is for users, the name for programs."""

    name = "KernelFailed"


class LanguageMissing(KernelFailed):
    """Nothing here runs the language; the text says what is wanted and how to get it."""

    def __init__(self, name: str, text: str) -> None:
        super().__init__(text)
        self.name = name


def detach(parent: int, interrupts: Any = signal.default_int_handler) -> None:
    """In a fresh child: have a group of one's own for interrupts, and end when the parent does."""
    os.setsid()
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)
    signal.signal(signal.SIGINT, interrupts)


def ending(code: int) -> str:
    """How a process ended, in words."""
    if code >= 0:
        return f"exited with code {code}"
    hint = ", perhaps for want of memory" if -code == signal.SIGKILL else ""
    return f"was killed by signal {-code} ({signal.strsignal(-code)}){hint}"


class Unfit(ValueError):
    """The kernel cannot be given such code; the text is for users."""


class Outlet:
    """A pipe with what a kernel prints beside the protocol."""

    def __init__(self, descriptor: int, name: str) -> None:
        self.descriptor, self.name = descriptor, name
        self.decoder = codecs.getincrementaldecoder("utf-8")("replace")
        os.set_blocking(descriptor, False)

    def read(self) -> str | None:
        """What is there to read now; None at the end."""
        try:
            printed = os.read(self.descriptor, PIECE_SIZE)
        except BlockingIOError:
            return ""
        return self.decoder.decode(printed) if printed else None


def waiting_for(reading: Sequence[int], writing: Sequence[int]) -> select.poll:
    poller = select.poll()
    for descriptors, event in ((reading, select.POLLIN), (writing, select.POLLOUT)):
        for descriptor in descriptors:
            poller.register(descriptor, event)
    return poller


class KernelProcess:
    """A running kernel: the process that leads its group, and what is heard of it as messages of Jupyter's."""

    values_are_displays: ClassVar[bool] = False  # whether nothing tells the value of the last expression from the rest
    status: int | None = None
    held = False
    unread_stays: ClassVar[bool] = True  # whether messages can be left for later
    channels: Sequence[Any] = ()  # where messages come in, sockets or descriptors; those with outputs first

    def __init__(self) -> None:
        self.folder = tempfile.mkdtemp(prefix="kernel-")
        self.outlets: list[Outlet] = []
        try:
            self.pid = self.launch()
        except OSError as error:
            shutil.rmtree(self.folder, ignore_errors=True)
            raise KernelFailed(f"the kernel could not start: {error}") from error
        self.pidfd = os.pidfd_open(self.pid)
        try:
            self.await_ready()
        except KernelFailed:
            self.stop()
            raise

    # -- for subclasses

    def launch(self) -> int:
        """Start the process in a group of its own, and give its id; raises OSError."""
        raise NotImplementedError

    def await_ready(self) -> None:
        """Wait until calls can be made; raises KernelFailed."""
        raise NotImplementedError

    def execute(self, code: str, *, silent: bool) -> str:
        """Begin a call, and give the id that its messages refer to; raises Unfit."""
        raise NotImplementedError

    def messages(self, source: Any) -> Iterable[Message]:
        """What is there to read now, without waiting."""
        raise NotImplementedError

    def push(self) -> None:
        """Have more of a call on its way, if some of it waits."""

    def poller(self, reading: Sequence[int], writing: Sequence[int]) -> Any:
        """What waits for everything that may happen to the kernel, and for what the driver wants to read and write."""
        return waiting_for([*reading, *self.sources()], writing)

    def told(self, content: Message) -> Message:
        """An error as the kernel tells it, in the form that users know."""
        return content

    # -- for all

    def sources(self) -> list[Any]:
        """What is listened to; while the kernel is held, nothing that it prints."""
        if self.held:
            return [*self.channels[1:], self.pidfd]
        return [*self.channels, self.pidfd, *(outlet.descriptor for outlet in self.outlets)]

    def texts(self) -> Iterable[tuple[str, str]]:
        """What came beside the messages: the stream and the text."""
        for outlet in list(self.outlets):
            text = outlet.read()
            if text is None:
                self.outlets.remove(outlet)
                os.close(outlet.descriptor)
            elif text:
                yield outlet.name, text

    def hold(self, stopped: bool) -> None:
        """Stop the kernel with the programs that the code runs, or let them go on."""
        if stopped != self.held:
            self.held = stopped
            with contextlib.suppress(ProcessLookupError):  # its end is about to be told
                os.killpg(self.pid, signal.SIGSTOP if stopped else signal.SIGCONT)

    def interrupt(self) -> None:
        """The signal goes to the programs that the code runs, too."""
        self.hold(False)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGINT)

    def reap(self) -> str:
        """Wait for the end of the kernel process and say how it came."""
        if self.status is None:
            _, self.status = os.waitpid(self.pid, 0)
        return ending(os.waitstatus_to_exitcode(self.status))

    def stop(self) -> None:
        """Kill the kernel with everything in its group; leaves no file, descriptor or zombie."""
        with contextlib.suppress(ProcessLookupError):  # nothing of the group is left
            os.killpg(self.pid, signal.SIGKILL)
        self.reap()
        for outlet in self.outlets:
            os.close(outlet.descriptor)
        os.close(self.pidfd)
        shutil.rmtree(self.folder, ignore_errors=True)
