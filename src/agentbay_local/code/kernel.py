"""The host's side of the code interpreter: starts a driver in the sandbox, sends it code, reads what comes back."""

from __future__ import annotations

import asyncio
import contextlib
import json
import math
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import cache
from importlib.resources import files
from typing import Any, Protocol

from .results import Ended, Outcome, Piece, Raised, Text, read_event

Take = Callable[[Piece], Awaitable[None]]

LINE_LIMIT = 128 << 20  # bytes; above any line that an honest driver sends
READ_SIZE = 1 << 18
ANSWER_LIMIT = 128 << 20  # characters of text and bytes of results; above any answer of an honest driver
PIECE_COST = 1 << 10  # bytes; about what holds the shortest result
START_LIMIT_S = 60.0
SPARE_S = 15.0  # after the limit of a call, in which its end should be told
SIGN_S = 60.0  # for a sign of life
CLOSE_LIMIT_S = 2.0
ALIASES = {
    "py": "python", "python3": "python", "js": "javascript", "node": "javascript", "nodejs": "javascript",
    "sh": "bash", "shell": "bash",
}  # fmt: skip
DRIVER = ("driver.py", "environment.py", "process.py", "programs.py", "run.py")
JUPYTER = ("jupyter.py", "spec_kernel.py")
LOOP = ("loop_kernel.py", *JUPYTER)
PARTS = {
    "python": (*DRIVER, "jupyter.py", "child.py"),
    "javascript": (*DRIVER, *LOOP, "javascript_loop.py", "node_loop.js"),
    "bash": (*DRIVER, *LOOP, "bash_loop.py"),
    "java": (*DRIVER, *LOOP, "java_loop.py", "JavaLoop.java"),
    "r": (*DRIVER, *JUPYTER),
}
"""The languages, and what of this folder is sent into the sandbox for each."""

CANNOT_START = (
    "the code interpreter did not start. It needs ipykernel 7 or newer beside the server: "
    "pip install 'agentbay-sdk[local]'"
)
ENDED = "the code interpreter ended; its variables are gone and the next call starts a new one"
TOO_MUCH = "the code interpreter sent more than one answer may hold and was ended"
SILENT = "the code interpreter does not answer and was ended"
WAITING = "import sys; sys.stdin.read()"
# The command line is short, because programs inside list it: what it runs comes first on standard input, with its size.
COMMAND = """
import os, sys
text, size = b"", int(os.read(0, 8))
while len(text) < size:
    text += os.read(0, size - len(text)) or sys.exit(1)
exec(text)
"""
# Makes modules of the texts when they are imported, in a package of their own, and starts the driver.
BOOT = """
import importlib.util, types

class Texts:
    def find_spec(self, name, path=None, target=None):
        package, _, module = name.rpartition(".")
        ours = package == "kernel_driver" and f"{module}.py" in texts
        return importlib.util.spec_from_loader(name, self) if ours else None

    def create_module(self, spec):
        return None

    def exec_module(self, module):
        file = module.__name__.rpartition(".")[2] + ".py"
        exec(compile(texts[file], file, "exec"), module.__dict__)

sys.meta_path.insert(0, Texts())
package = sys.modules["kernel_driver"] = types.ModuleType("kernel_driver")
package.__path__ = []
importlib.import_module("kernel_driver.driver").main(sys.argv[1], texts)
"""


class Process(Protocol):
    """A running program: its standard output, its standard input, its end."""

    @property
    def reader(self) -> asyncio.StreamReader: ...
    @property
    def writer(self) -> asyncio.StreamWriter: ...
    async def wait(self) -> int: ...
    async def kill(self) -> None: ...


class Spawner(Protocol):
    """What can start a program; a sandbox does."""

    async def spawn(
        self, argv: Sequence[str], *, cwd: str | None = None, env: Mapping[str, str] | None = None
    ) -> Process: ...


class UnsupportedLanguage(ValueError):
    """The runtime has no interpreter for this language; the text names those that it has."""

    def __init__(self, language: str) -> None:
        *served, last = (f"'{name}'" for name in PARTS)
        super().__init__(f"Unsupported language: {language}. This runtime runs {', '.join(served)} and {last}.")


class DriverGone(Exception):
    """The driver ended, or sent something that cannot be read; the text says which."""


def driver_argv(language: str, interpreter: str) -> list[str]:
    """The command that starts a driver; it needs no file but the interpreter with its installed packages."""
    return [interpreter, "-I", "-c", COMMAND, language]


@cache
def driver_text(language: str) -> bytes:
    """What the command reads before all else."""
    here = files("agentbay_local.code")
    texts = {name: here.joinpath(name).read_text("utf-8") for name in PARTS[language]}
    text = f"texts = {texts!r}\n{BOOT}".encode()
    return b"%08d%s" % (len(text), text)


def canonical(language: str) -> str:
    """The served language that is meant; raises UnsupportedLanguage."""
    name = language.strip().lower()
    name = ALIASES.get(name, name)
    if name not in PARTS:
        raise UnsupportedLanguage(language)
    return name


def usable(values: Mapping[str, str]) -> dict[str, str]:
    """The variables, if the system can hold them; raises ValueError."""
    for name, value in values.items():
        if not name or "=" in name or "\0" in name + value:
            raise ValueError(f"not a usable environment variable: {name!r}")
        (name + value).encode()
    return dict(values)


class Kernel:
    """One kernel of a session. Calls that overlap run one after the other; a kernel that died is replaced."""

    def __init__(self, spawner: Spawner, argv: Sequence[str], text: bytes, *, cwd: str, env: dict[str, str]) -> None:
        self._spawner, self._argv, self._text, self._cwd, self._env = spawner, argv, text, cwd, env
        self._lock = asyncio.Lock()
        self._process: Process | None = None
        self._input = bytearray()
        self._scanned = self._size = 0  # the bytes without a line's end, and those of the last line
        self._calls = 0

    async def start(self) -> None:
        """Have the kernel running before the first call; raises DriverGone when it cannot."""
        async with self._lock:
            await self._started()

    async def execute(self, code: str, timeout_s: float) -> dict[str, Any]:
        """Run code and give back what it printed, showed and raised, as the wire's result object.

        `timeout_s` counts from the moment the kernel takes up the code. Then the code is interrupted, and if that does
        not help, the kernel is restarted; `error` says which. Cancelling the call interrupts the code.
        """
        outcome = Outcome()

        async def add(piece: Piece) -> None:
            outcome.add(piece)

        try:
            await self._turn(code, timeout_s, add, live=False)
        except DriverGone as gone:
            outcome.add(Raised("KernelDied", str(gone)))
        return outcome.wire()

    async def watch(self, code: str, timeout_s: float, take: Take) -> None:
        """Run code as `execute` does, and hand over each piece as it comes; the last one is an `Ended`.

        While `take` waits, the code may be stopped, so that no more than a few MiB wait for it; its time runs on.

        Raises:
            DriverGone: the interpreter ended, and the variables with it.
        """
        await self._turn(code, timeout_s, take, live=True)

    async def set_env(self, values: Mapping[str, str]) -> None:
        """Set environment variables for code that starts from now on, also in a running kernel; raises ValueError."""
        self._env.update(usable(values))
        if self._process is not None:
            self._send_env(values)

    async def close(self) -> None:
        """End the kernel and what belongs to it."""
        await self._drop()

    async def _turn(self, code: str, timeout_s: float, take: Take, *, live: bool) -> None:
        """One call, when those before it are done."""
        async with self._lock:
            try:
                await self._started()
                await self._run(code, timeout_s, take, live=live)
            except DriverGone:
                await self._drop()
                raise

    async def _run(self, code: str, timeout_s: float, take: Take, *, live: bool) -> None:
        self._calls += 1
        identity = self._calls
        self._send({"op": "execute", "id": identity, "code": code, "timeout_s": timeout_s, "live": live})
        ended, room = False, math.inf if live else ANSWER_LIMIT
        try:
            while not ended:
                piece = await self._piece(identity, timeout_s)
                ended = isinstance(piece, Ended)
                room -= self._cost(piece)
                if room < 0:
                    raise DriverGone(TOO_MUCH)
                if piece is not None:
                    await take(piece)
        finally:
            if not ended:  # whoever asked has gone, or cannot take more
                self._send({"op": "interrupt", "id": identity})

    async def _piece(self, identity: int, timeout_s: float) -> Piece | None:
        """The next piece of a call; None for what is left over from one that nobody waits for any more."""
        event = await self._heard(timeout_s)
        try:
            return read_event(event) if event.get("id") == identity else None
        except ValueError as cause:
            raise DriverGone("the code interpreter sent an answer that cannot be read and was ended") from cause

    def _cost(self, piece: Piece | None) -> int:
        """What the piece that came last takes of the room for an answer; nothing, if it is no part of it."""
        if piece is None:
            return 0
        return len(piece.text) if isinstance(piece, Text) else PIECE_COST + self._size

    async def _heard(self, timeout_s: float) -> dict[str, Any]:
        """The next event; raises DriverGone where a call should have ended long ago and the driver gives no sign."""
        for limit_s in (timeout_s + SPARE_S, SIGN_S, SIGN_S):
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(limit_s):
                    return await self._event()
            await self._awake()
            self._send({"op": "ping", "id": self._calls})
        raise DriverGone(SILENT)

    async def _awake(self) -> None:
        """Wait while the sandbox is paused: it starts no program then. Time of a pause is not the driver's silence."""
        with contextlib.suppress(OSError):  # it is awake, or could not say so
            process = await self._spawner.spawn([self._argv[0], "-I", "-S", "-c", WAITING])
            await process.kill()
            process.writer.close()

    async def _started(self) -> None:
        if self._process is not None and not self._process.reader.at_eof():
            return
        await self._drop()
        given = dict(self._env)
        self._process = await self._spawner.spawn(self._argv, cwd=self._cwd, env=given or None)
        self._process.writer.write(self._text)
        # Sent ahead of "ready", so that it is on its way even if whoever waits for that is cancelled.
        self._send_env({name: value for name, value in self._env.items() if given.get(name) != value})
        try:
            async with asyncio.timeout(START_LIMIT_S):
                await self._event()  # "ready"
        except (DriverGone, TimeoutError) as cause:
            await self._drop()
            raise DriverGone(CANNOT_START) from cause

    async def _drop(self) -> None:
        process, self._process = self._process, None
        self._input.clear()
        self._scanned = 0
        if process is None:
            return
        process.writer.close()  # the driver takes its kernel along when its input ends
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(CLOSE_LIMIT_S):
                await process.wait()
                return
        await process.kill()

    # -- lines

    def _send_env(self, values: Mapping[str, str]) -> None:
        if values:
            self._send({"op": "env", "set": dict(values)})

    def _send(self, order: Mapping[str, Any]) -> None:
        """Tell the driver, if it has not been ended meanwhile."""
        if self._process is not None:
            self._process.writer.write(json.dumps(order).encode() + b"\n")

    async def _event(self) -> dict[str, Any]:
        try:
            event = json.loads(await self._line())
        except (ValueError, RecursionError) as cause:
            raise DriverGone("the code interpreter sent a line that cannot be read and was ended") from cause
        if not isinstance(event, dict):
            raise DriverGone("the code interpreter sent a line of the wrong form and was ended")
        return event

    async def _line(self) -> bytes:
        """The next line, of any length up to the limit, whatever the limit of the stream itself is."""
        if self._process is None:
            raise DriverGone(ENDED)
        while (end := self._input.find(b"\n", self._scanned)) < 0:
            self._scanned = len(self._input)
            chunk = await self._process.reader.read(READ_SIZE)
            if not chunk or len(self._input) > LINE_LIMIT:
                raise DriverGone(ENDED)
            self._input += chunk
        line = bytes(self._input[:end])
        del self._input[: end + 1]
        self._scanned, self._size = 0, end
        return line


class Kernels:
    """The kernels of one session, at most one per language, each started when it is first needed.

    `interpreter` is a Python inside the sandbox that has ipykernel (default: the server's own), `cwd` where code
    starts, `env` what it finds in its environment besides the sandbox's own variables.
    """

    def __init__(
        self,
        spawner: Spawner,
        *,
        interpreter: str | None = None,
        cwd: str = "/workspace",
        env: Mapping[str, str] | None = None,
    ) -> None:
        self._spawner, self._cwd = spawner, cwd
        self._interpreter = interpreter or sys.executable
        self._env = dict(env or {})
        self._kernels: dict[str, Kernel] = {}

    def kernel(self, language: str) -> Kernel:
        """The kernel for a language or one of its short names; raises UnsupportedLanguage."""
        name = canonical(language)
        if name not in self._kernels:
            argv = driver_argv(name, self._interpreter)
            text = driver_text(name)
            self._kernels[name] = Kernel(self._spawner, argv, text, cwd=self._cwd, env=dict(self._env))
        return self._kernels[name]

    async def start(self, language: str) -> None:
        """Start a kernel ahead of its first call."""
        await self.kernel(language).start()

    async def execute(self, language: str, code: str, timeout_s: float = 60.0) -> dict[str, Any]:
        """Run code in the session's kernel for the language: `Kernel.execute`; raises UnsupportedLanguage."""
        return await self.kernel(language).execute(code, timeout_s)

    async def watch(self, language: str, code: str, timeout_s: float, take: Take) -> None:
        """Run code and hand over each piece as it comes: `Kernel.watch`; raises UnsupportedLanguage, DriverGone."""
        await self.kernel(language).watch(code, timeout_s, take)

    async def set_env(self, values: Mapping[str, str]) -> None:
        """Set environment variables in every kernel, running or yet to come; raises ValueError."""
        self._env.update(usable(values))
        for kernel in self._kernels.values():
            await kernel.set_env(values)

    async def close(self) -> None:
        """End every kernel."""
        kernels, self._kernels = list(self._kernels.values()), {}
        await asyncio.gather(*(kernel.close() for kernel in kernels))
