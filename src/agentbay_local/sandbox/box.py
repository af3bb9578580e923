"""A sandbox made by bwrap, driven through its daemon."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import signal
import socket
import stat
import weakref
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping, Sequence
from typing import Any, Final, TypeVar

from agentbay_local.egress import Permit, WayOut
from agentbay_local.images.image import Image
from agentbay_local.sandbox import running
from agentbay_local.sandbox.bwrap import HOME, Launched, environment, inside, own_environment
from agentbay_local.sandbox.channel import NO_ANSWER, Answer, Channel, Control, close_all, host_descriptors, writable
from agentbay_local.sandbox.contract import (
    Completed,
    Json,
    LimitReached,
    Running,
    SandboxError,
    SandboxGone,
    Usage,
)
from agentbay_local.sandbox.following import BoxFollowing
from agentbay_local.sandbox.pipes import Collector, Feeder, make_pipe
from agentbay_local.sandbox.programs import BoxProcess, BoxTerminal, only, words
from agentbay_local.sandbox.standstill import Standstill
from agentbay_local.undo import closing_on_failure, on_failure

VERBS: Final = frozenset({"stat", "list", "mkdir", "remove", "rename", "scan", "symlink"})
START_TIME: Final = 30.0
"""Seconds after which a sandbox that is not ready never will be."""
KILL_TIME: Final = 5.0
LINE: Final = 1 << 18
"""Bytes that a spawned program may write before it has to wait for its reader, and the longest line of `readline`."""

T = TypeVar("T")


class Box:
    """One sandbox; see `contract.Sandbox`. Its maker gives it its `way` out."""

    way: WayOut

    def __init__(self, launched: Launched, user: int | None, image: Image | None = None) -> None:
        self.closed = asyncio.Event()
        self.first = 0
        """Its first process, as the host numbers them."""
        self.stores: list[int] = []
        """A descriptor of each writable file system."""
        self.egress = Permit()
        self.interpreter = inside(image)
        self._own = own_environment(image)
        self._user = user
        self._control = Control(launched.control)
        self._complaints = launched.complaints
        self._last_words = ""
        self._monitor = launched.monitor
        self._standstill = Standstill()
        self._at_end: list[Callable[[], None]] = []
        self._tasks: set[asyncio.Task[Any]] = set()
        self._processes: weakref.WeakSet[BoxProcess] = weakref.WeakSet()
        self._terminals: weakref.WeakSet[BoxTerminal] = weakref.WeakSet()
        self._kill = -1
        self._end = os.pidfd_open(launched.monitor.pid)
        asyncio.get_running_loop().add_reader(self._end, self._ended)

    async def ready(self) -> None:
        """Wait until it can be used.

        Raises:
            SandboxGone: it cannot; the message is what bwrap, or the daemon, had to say.
        """
        try:
            async with closing_on_failure(self.close), asyncio.timeout(START_TIME):
                self.first, self.stores = await self._control.ready()
                self._kill = os.pidfd_open(self.first)
        except (SandboxGone, TimeoutError, ProcessLookupError) as error:
            raise SandboxGone(self._last_words) from error
        finally:
            self._complaints.close()

    def _ended(self) -> None:
        """The monitor has ended, and with it everything inside."""
        asyncio.get_running_loop().remove_reader(self._end)
        self._monitor.wait()
        if not self._complaints.closed:
            self._last_words = last_words(self._complaints.fileno())
            self._complaints.close()
        self._control.shut()
        self._later(self._control.close())
        close_all([self._end, *self.stores, *([self._kill] if self._kill >= 0 else [])])
        self.stores = []
        for process in self._processes:
            process.writer.close()
        for terminal in self._terminals:
            terminal.close()
        self.closed.set()
        for action in self._at_end:
            action()

    def at_end(self, action: Callable[[], None]) -> None:
        """Do something once the sandbox has ended."""
        self._at_end.append(action)

    async def close(self) -> None:
        if not self.closed.is_set():
            self._kill_everything()
            try:
                await asyncio.wait_for(self.closed.wait(), KILL_TIME)
            except TimeoutError:
                self._kill_launch()
                await self.closed.wait()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _kill_everything(self) -> None:
        """The kernel ends a sandbox with its first process, once that one is known."""
        if self._kill < 0:
            self._kill_launch()
            return
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(self._kill, signal.SIGKILL)

    def _kill_launch(self) -> None:
        """End bwrap with its group: alone, it would leave behind a child that waits for its word for ever."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._monitor.pid, signal.SIGKILL)

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
        with contextlib.ExitStack() as held:
            ends: list[int] = []
            with contextlib.ExitStack() as theirs:
                theirs.callback(lambda: close_all(ends))
                if stdin:
                    self._feed(stdin, ends, held)
                streams = [self._collect(max_output, ends, held) for _ in ("stdout", "stderr")]
                channel = await self._start(argv, cwd, env, [bool(stdin), True, True], ends)
            held.callback(channel.close)
            code, timed_out = await self._exit(channel, timeout)
            (out, lost_out), (err, lost_err) = [await stream.finish() for stream in streams]
            return Completed(code, out, err, timed_out, lost_out, lost_err)

    def _feed(self, data: bytes, ends: list[int], held: contextlib.ExitStack) -> None:
        reader, writer = make_pipe(self._user)
        ends.append(reader)
        held.callback(Feeder(writer, data).close)

    def _collect(self, most: int, ends: list[int], held: contextlib.ExitStack) -> Collector:
        reader, writer = make_pipe(self._user)
        ends.append(writer)
        stream = Collector(reader, most, self._drain)
        held.callback(stream.close)
        return stream

    def _drain(self, fd: int) -> asyncio.Task[Channel | None]:
        """Let the daemon swallow what else comes: whoever writes must neither be held up nor be told to stop."""
        with host_descriptors():
            copy = os.dup(fd)
        return self._later(self._hand_over(copy))

    def _later(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _hand_over(self, fd: int) -> Channel | None:
        try:
            return await self._control.open({"verb": "drain"}, [fd])
        except SandboxError:
            return None
        finally:
            os.close(fd)

    async def spawn(
        self, argv: Sequence[str], *, cwd: str | None = None, env: Mapping[str, str] | None = None
    ) -> BoxProcess:
        with host_descriptors():
            ours, theirs = socket.socketpair()
        with on_failure(ours.close):
            with theirs:
                ends = [theirs.fileno(), theirs.fileno()]
                channel = await self._start(argv, cwd, env, [True, True, False], ends)
            with on_failure(channel.close):
                reader, writer = await asyncio.open_unix_connection(sock=ours, limit=LINE)
        process = BoxProcess(channel, self.exit_code(channel), reader, writer)
        self._processes.add(process)
        return process

    async def terminal(
        self,
        argv: Sequence[str],
        *,
        cwd: str | None = None,
        env: Mapping[str, str] | None = None,
        cols: int = 80,
        rows: int = 24,
    ) -> BoxTerminal:
        request = {"verb": "terminal", "cols": cols, "rows": rows}
        try:
            channel, fds = await self._begin(request, argv, cwd, env)
        except OSError as error:
            if error.errno == errno.ENOSPC:
                raise LimitReached("this machine has no terminals left; raise its kernel.pty.max") from error
            raise
        with on_failure(channel.close):
            terminal = BoxTerminal(only(fds), channel, lambda: self.exit_code(channel))
        self._terminals.add(terminal)
        return terminal

    async def follow(self, path: str, *, skip: str = "") -> BoxFollowing:
        following = BoxFollowing(self._open, self._answer, {"verb": "follow", "path": path, "skip": skip})
        await following.begin()
        return following

    async def _start(
        self,
        argv: Sequence[str],
        cwd: str | None,
        env: Mapping[str, str] | None,
        stdio: list[bool],
        ends: Sequence[int],
    ) -> Channel:
        """Start a program; the channel on which its end will be told."""
        channel, _ = await self._begin({"verb": "run", "stdio": stdio}, argv, cwd, env, ends)
        return channel

    async def _begin(
        self,
        request: Answer,
        argv: Sequence[str],
        cwd: str | None,
        env: Mapping[str, str] | None,
        ends: Sequence[int] = (),
    ) -> tuple[Channel, list[int]]:
        """Start a program; the channel on which its end will be told, and the descriptors that came with its start."""
        place = cwd or HOME
        program = {"argv": words(argv), "cwd": place, "env": environment() | self._own | dict(env or {})}
        channel = await self._open(request | program, ends)
        with on_failure(channel.close):
            try:
                _, fds = await self._answer(channel)
            except BlockingIOError as error:
                raise LimitReached("the sandbox has reached its limit of processes") from error
            except OSError as error:
                raise OSError(error.errno, error.strerror, place if error.filename == place else argv[0]) from None
        return channel, fds

    async def _exit(self, channel: Channel, timeout: float | None) -> tuple[int, bool]:
        """The exit code, and whether the time limit had to be enforced."""
        try:
            async with asyncio.timeout(timeout):
                return await self.exit_code(channel), False
        except TimeoutError:
            channel.hang_up()
        return await self.exit_code(channel), True

    async def exit_code(self, channel: Channel) -> int:
        answer, _ = await self._answer(channel)
        code = answer.get("code")
        if not isinstance(code, int):
            raise SandboxError(NO_ANSWER)
        return code if code >= 0 else 128 - code

    async def open(self, path: str, flags: int, mode: int = 0o644) -> int:
        _, fds = await self._ask("open", path=path, flags=flags, mode=mode)
        fd = only(fds)
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            os.close(fd)
            raise OSError(errno.EINVAL, "not a regular file", path)
        return fd

    async def fs(self, verb: str, **args: Json) -> Json:
        if verb not in VERBS:
            raise ValueError(f"unknown file verb {verb!r}")
        answer, _ = await self._ask(verb, **args)
        return answer.get("value", answer)

    async def dial(self, port: int) -> socket.socket:
        link = await self._tcp("dial", port)
        with on_failure(link.close):
            await connected(link)
        return link

    async def dial_path(self, path: str) -> socket.socket:
        _, fds = await self._ask("dial_path", path=path)
        return stream(fds, socket.AF_UNIX)

    async def listen(self, port: int) -> socket.socket:
        return await self._tcp("listen", port)

    async def _tcp(self, verb: str, port: int) -> socket.socket:
        if not 0 < port < 1 << 16:
            raise ValueError(f"{port} is no port")
        _, fds = await self._ask(verb, port=port)
        return stream(fds, socket.AF_INET, socket.AF_INET6)

    async def pause(self) -> None:
        self._require()
        await self._standstill.begin(self.first)

    async def resume(self) -> None:
        await self._standstill.end()

    @contextlib.asynccontextmanager
    async def attended(self) -> AsyncIterator[None]:
        self._require()
        async with self._standstill.attended(self.first):
            yield

    async def usage(self) -> Usage:
        self._require()
        return await asyncio.to_thread(running.measure, self.first, self.stores[:2])

    async def running(self) -> list[Running]:
        self._require()
        return await asyncio.to_thread(running.look, self.first)

    def _require(self) -> None:
        if self.closed.is_set():
            raise SandboxGone("the sandbox has ended")

    async def _ask(self, verb: str, **args: Json) -> tuple[Answer, list[int]]:
        channel = await self._open({"verb": verb, **args})
        try:
            return await self._answer(channel)
        finally:
            channel.close()

    async def _open(self, request: Answer, fds: Sequence[int] = ()) -> Channel:
        self._require()
        return await self._control.open(request, fds)

    async def _answer(self, channel: Channel) -> tuple[Answer, list[int]]:
        try:
            return await channel.answer()
        except EOFError:
            await self._settle()
        self._require()
        raise SandboxError("a program inside the sandbox ended this call")

    async def _settle(self) -> None:
        """A dying sandbox closes its channels a moment before it is gone."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self.closed.wait(), 1.0)


def stream(fds: list[int], *families: int) -> socket.socket:
    """The one socket that came, if it is of the right kind."""
    link = socket.socket(fileno=only(fds))
    if link.family not in families or link.type != socket.SOCK_STREAM:
        link.close()
        raise SandboxError("the sandbox sent a socket of another kind")
    link.setblocking(False)
    return link


async def connected(link: socket.socket) -> None:
    """Wait for a connection that is being made."""
    try:
        link.getpeername()
    except OSError:
        await writable(link.fileno())
    if number := link.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
        raise OSError(number, os.strerror(number))


def last_words(fd: int) -> str:
    """What a process that has ended wrote to its standard error."""
    os.set_blocking(fd, False)
    try:
        said = os.read(fd, 1 << 14)
    except BlockingIOError:
        return ""
    return said.decode(errors="replace").strip()
