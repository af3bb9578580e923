"""What a sandbox is to the rest of the runtime: values, errors, and the interface, whatever engine stands behind it."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from attrs import frozen

Json = Any


@frozen
class Limits:
    """What one sandbox may use. Sizes are in bytes."""

    processes: int = 256
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


class Sandbox(Protocol):
    """One isolated machine. Paths are resolved inside it, relative ones from the home folder.

    Every method raises `SandboxGone` when the sandbox has ended, or ends before the answer.
    """

    closed: asyncio.Event
    """Set once the sandbox has ended, for whatever reason."""

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

    async def open(self, path: str, flags: int, mode: int = 0o644) -> int:
        """A descriptor of a regular file inside, which the caller closes.

        Raises:
            OSError: as inside the sandbox; EISDIR for a folder, EINVAL for what else is no regular file.
        """
        ...

    async def fs(self, verb: str, **args: Json) -> Json:
        """A file verb; raises OSError as inside the sandbox.

        - `stat(path, follow=True)`: size, mode, mtime, atime, ctime, type
        - `list(path)`: name and type of each entry, by name
        - `mkdir(path, parents=False)`
        - `remove(path)`: a file or a link
        - `rename(source, destination, replace=False)`: EEXIST if the destination is there, unless it may be replaced
        - `scan(path, limit, budget_s)`: everything below a folder
        """
        ...

    async def dial(self, port: int) -> socket.socket:
        """A non-blocking connection to a port on the sandbox's loopback interface.

        Raises:
            ConnectionRefusedError: nobody listens there.
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

    async def usage(self) -> Usage:
        """What it uses now; works while it is paused."""
        ...

    async def close(self) -> None:
        """End it: no process, descriptor, mount or folder is left. May be repeated."""
        ...


class Engine(Protocol):
    """A maker of sandboxes."""

    async def start(self) -> None:
        """Get ready. Raises `CannotIsolate` if this machine cannot run sandboxes."""
        ...

    async def create(self) -> Sandbox:
        """A new sandbox, out of the warm ones if there is one."""
        ...

    async def close(self) -> None:
        """End every sandbox. May be repeated."""
        ...
