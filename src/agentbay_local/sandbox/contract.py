"""What a sandbox is to the rest of the runtime: values, errors, and the interface, whatever engine stands behind it."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, Protocol

from attrs import frozen

from agentbay_local.egress.policy import Permit
from agentbay_local.egress.way import WayOut
from agentbay_local.images.image import Image
from agentbay_local.metrics import Metrics

Json = Any


@frozen
class Limits:
    """What one sandbox may use. Sizes are in bytes."""

    processes: int = 512
    """Processes and threads at once."""
    memory: int = 1 << 30
    """Data of one process. All processes of a sandbox together may hold twice as much."""
    file_size: int = 1 << 30
    """One file."""
    workspace: int = 1 << 30
    """All files in the home folder, and again as much in /workspace; half of it in /tmp."""
    open_files: int = 1024
    """Descriptors of one process."""


@frozen
class Completed:
    """A program that has ended."""

    code: int
    """Its exit code; 128+n when signal n ended it."""
    stdout: bytes
    stderr: bytes
    timed_out: bool = False
    """The time limit passed: its process group was killed, and this is what it had written."""
    dropped_stdout: int = 0
    """Bytes that it wrote beyond what the caller wanted to keep; they are lost."""
    dropped_stderr: int = 0

    @property
    def truncated(self) -> bool:
        """Whether something was dropped."""
        return self.dropped_stdout + self.dropped_stderr > 0


@frozen
class Usage:
    """What a sandbox uses at this moment."""

    processes: int
    memory: int
    """Bytes, shared pages counted once."""
    cpu_seconds: float
    """Since its start, ended processes included."""
    workspace_used: int
    """Bytes in the home folder and in /workspace."""
    workspace_total: int


@frozen
class Running:
    """A program that runs in a sandbox. Its names are whatever it has made of them."""

    pid: int
    """As programs inside see it."""
    name: str
    command: str
    cpu_seconds: float
    """Since its start, ended children included."""
    memory: int
    """Bytes, shared pages counted in parts."""
    started: float
    """Seconds after the machine's start; tells it from another one that gets the same id later."""
    stopped: bool


Fact = tuple[str, int, int]
"""What is known of a file or folder: its type, its size in bytes, the time of its last change in ns."""


@frozen
class Change:
    """What a path was at one look, and is at the next; None when there was, or is, nothing."""

    path: str
    before: Fact | None
    after: Fact | None


class SandboxError(Exception):
    """A sandbox could not do what was asked. The message is for users."""


class SandboxGone(SandboxError):
    """The sandbox ended before it answered."""


class LimitReached(SandboxError):
    """A limit of the sandbox, or of this server, stands in the way."""


class CannotIsolate(SandboxError):
    """This machine refuses to run sandboxes; the message names the cause and the one line that mends it."""


class Process(Protocol):
    """A long-lived program in a sandbox. Its standard error is discarded."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def wait(self) -> int:
        """Its exit code (128+n for signal n), once it has ended.

        Raises:
            SandboxGone: the sandbox ended first.
        """
        ...

    async def kill(self) -> None:
        """SIGKILL to its process group; nothing happens if it has ended."""
        ...


class Terminal(Protocol):
    """A program that controls a terminal. One may read and one may write at a time."""

    async def read(self) -> bytes:
        """What was printed; waits for something. Nothing means that the program has ended, or `close` was called.

        While nobody reads, the program is held up once it has printed some kilobytes.
        """
        ...

    async def write(self, data: bytes) -> None:
        """Type something; waits while the program takes nothing in. After the program's end nothing happens."""
        ...

    def resize(self, cols: int, rows: int) -> None:
        """Change the size; the program in the foreground gets SIGWINCH."""
        ...

    async def wait(self) -> int:
        """The program's exit code (128+n for signal n), once it has ended.

        Raises:
            SandboxGone: the sandbox ended first.
        """
        ...

    def kill(self) -> None:
        """SIGKILL to all processes of the terminal's session; nothing happens if the program has ended."""
        ...

    def close(self) -> None:
        """End the program as `kill` does, and let go of the terminal. May be repeated."""
        ...


class Following(Protocol):
    """What changes below a folder, from its making to `close`."""

    async def changes(self) -> list[Change]:
        """What has changed since the last call, or since the beginning; waits for something.

        Changes within a short time are told as one, and what came and went in it is not told at all. A folder that is
        removed has lost all that was in it; if it comes back, all that is in it is new. While nobody asks, nothing is
        kept but what was there at the last look. Nothing comes only after `close`.

        Raises:
            SandboxGone: the sandbox has ended.
            LimitReached: there is too much below the folder.
            OSError: the watch, which a program inside had ended, could not begin anew.
        """
        ...

    def close(self) -> None:
        """The end of it. May be repeated; nobody may be waiting."""
        ...


class Sandbox(Protocol):
    """One isolated machine. Paths are resolved inside it, relative ones from the home folder.

    Every method raises `SandboxGone` when the sandbox has ended, or ends before the answer.
    """

    closed: asyncio.Event
    """Set once the sandbox has ended, for whatever reason."""
    interpreter: str
    """The Python inside that runs programs of ours."""
    egress: Permit
    """What its programs may reach outside; nothing at first."""
    way: WayOut
    """How a tool of this server reaches the same, and nothing else, on their behalf."""

    async def run(
        self,
        argv: Sequence[str],
        *,
        cwd: str | None = None,
        env: Mapping[str, str] | None = None,
        timeout: float | None = None,
        stdin: bytes = b"",
        max_output: int = 16 << 20,
    ) -> Completed:
        """Run a program to its end, in a process group of its own. Cancelling the call kills the group.

        Args:
            argv: Program and arguments; a program without a slash is looked up on PATH.
            cwd: Where it starts; the home folder by default.
            env: Variables over the default ones.
            timeout: Seconds after which its group is killed; none by default.
            stdin: What it reads.
            max_output: Bytes of each stream that are kept.

        Raises:
            OSError: the program or its folder does not exist or may not be used.
            LimitReached: nothing more can be started.
        """
        ...

    async def spawn(
        self, argv: Sequence[str], *, cwd: str | None = None, env: Mapping[str, str] | None = None
    ) -> Process:
        """Start a program and keep its standard input and output. Errors as in `run`."""
        ...

    async def terminal(
        self,
        argv: Sequence[str],
        *,
        cwd: str | None = None,
        env: Mapping[str, str] | None = None,
        cols: int = 80,
        rows: int = 24,
    ) -> Terminal:
        """Start a program on a new terminal of that size, which it controls. Errors as in `run`."""
        ...

    async def follow(self, path: str, *, skip: str = "") -> Following:
        """Watch a folder and all below it, links not followed.

        Args:
            path: The folder.
            skip: How the names begin of files that are passed over; empty for none.

        Raises:
            OSError: it does not exist, is no folder or may not be read.
            LimitReached: there is too much below it, or nothing more can be started.
        """
        ...

    async def open(self, path: str, flags: int, mode: int = 0o644) -> int:
        """A descriptor of a regular file inside, which the caller closes.

        Raises:
            OSError: as inside the sandbox; EISDIR for a folder, EINVAL for what else is no regular file.
        """
        ...

    async def fs(self, verb: str, **args: Json) -> Json:
        """A file verb; raises OSError as inside the sandbox.

        - `stat(path, follow=True, detail=False)`: size, mode, mtime, atime, ctime, type
        - `list(path)`: name and type of each entry, by name
        - `mkdir(path, parents=False)`
        - `remove(path)`: a file or a link
        - `rename(source, destination, replace=False)`: EEXIST if the destination is there, unless it may be replaced
        - `symlink(target, path)`
        - `scan(path, limit, budget_s, detail=False)`: everything below a folder

        With `detail` they tell inode, times in nanoseconds, and where links lead, too.
        """
        ...

    async def dial(self, port: int) -> socket.socket:
        """A non-blocking connection to a port on the sandbox's loopback interface.

        Raises:
            ConnectionRefusedError: nobody listens there.
        """
        ...

    async def dial_path(self, path: str) -> socket.socket:
        """A non-blocking connection to a Unix socket inside.

        Raises:
            OSError: as inside the sandbox; BlockingIOError when too many wait there.
        """
        ...

    async def listen(self, port: int) -> socket.socket:
        """A non-blocking socket that listens on the sandbox's loopback interface, for the host to accept on."""
        ...

    async def pause(self) -> None:
        """Stop every process; calls made meanwhile are answered after `resume`."""
        ...

    async def resume(self) -> None:
        """Let go on what `pause` has stopped, and nothing else."""
        ...

    def attended(self) -> AbstractAsyncContextManager[None]:
        """While it is paused: answers calls within the block, for us alone; its own programs stay stopped.

        Raises:
            SandboxError: it is not paused.
        """
        ...

    async def usage(self) -> Usage:
        """What it uses now; works while it is paused."""
        ...

    async def running(self) -> list[Running]:
        """Its programs, the first 1000; works while it is paused."""
        ...

    async def close(self) -> None:
        """End it: no process, descriptor, mount or folder is left. May be repeated."""
        ...


class Engine(Protocol):
    """A maker of sandboxes."""

    metrics: Metrics
    """What it counts."""

    @property
    def ready(self) -> int:
        """How many sandboxes wait for a session."""
        ...

    async def start(self) -> None:
        """Get ready. Raises `CannotIsolate` if this machine cannot run sandboxes."""
        ...

    async def create(self, image: Image | None = None) -> Sandbox:
        """A new sandbox, out of the warm ones if there is one and the image has no layers of its own.

        Raises:
            CannotIsolate: this machine cannot lay images over each other, or not this one.
            LimitReached: the server has no means left for another one.
        """
        ...

    async def close(self) -> None:
        """End every sandbox. May be repeated."""
        ...
