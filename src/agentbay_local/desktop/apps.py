"""Programs with windows: what is installed, what runs, how one starts and ends. Nothing here needs an X server."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
from collections.abc import Awaitable, Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, Final

from attrs import Factory, define, field, frozen

from agentbay_local.browser.installed import BrowserMissing
from agentbay_local.desktop.browsers import browser_line, browser_name
from agentbay_local.desktop.files import read, there
from agentbay_local.desktop.parts import DISPLAY
from agentbay_local.desktop.patience import until
from agentbay_local.sandbox.contract import Process, Sandbox, SandboxError, SandboxGone

__all__ = ["AppFailed", "Apps", "Place", "Running"]

SCRIPTS: Final = Path(__file__).with_name("inside")
PATIENCE_S: Final = 20.0
EARLY_S: Final = 0.6
"""A program that fails to start mostly does so within this time, and another shows a window."""
POLITE_S: Final = 2.0
"""From the friendly signal to the other one."""
LOOK_S: Final = 0.02
LAST_WORDS: Final = 2048
FIELD_CODE: Final = re.compile(r"(?<!\S)%[fFuUdDnNickvm](?!\S)|%%")
STARTER: Final = 'echo $$; exec 2>&1 </dev/null; eval "$1"'
SIMPLE: Final = re.compile(r"[^=;&|<>()$`\n]+")
"""Command lines of one program, which then takes the place of the shell."""
SIGNAL: Final = 'signal=$1; shift; kill -s "$signal" -- "$@" 2>/dev/null; true'


class AppFailed(Exception):
    """A program could not be started or stopped; the message is for users."""


@frozen
class Running:
    """A process, as the sandbox numbers them."""

    pid: int
    parent: int
    session: int
    pname: str
    program: str
    cmdline: str


@frozen
class Place:
    """Where a program starts: its folder, its variables, and the shell that reads its command line."""

    folder: str
    env: Mapping[str, str]
    shell: str


@define(eq=False)
class App:
    """A program that was started, and the last of what it says; somebody has to read it, or it would be held up."""

    process: Process
    said: bytearray = field(factory=bytearray)
    reading: asyncio.Task[None] = Factory(lambda self: asyncio.create_task(self.read()), takes_self=True)

    async def read(self) -> None:
        with contextlib.suppress(ConnectionError):
            while more := await self.process.reader.read(LAST_WORDS):
                self.said += more
                del self.said[:-LAST_WORDS]

    def close(self) -> None:
        self.reading.cancel()


class Apps:
    """The programs of one sandbox."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox
        self._started: set[App] = set()

    # --- What there is ------------------------------------------------------------------------------------------------

    async def installed(self, *, menu: bool, desktop: bool, everything: bool) -> list[dict[str, str]]:
        """The programs that desktop entries tell of, by name."""
        asked = {"menu": menu, "desktop": desktop, "all": everything}
        return [stoppable(each) for each in await self._inside("installed.py", asked) if isinstance(each, dict)]

    async def running(self) -> list[Running]:
        """Every process but the sandbox's own first one."""
        found = await self._inside("processes.py", None)
        try:
            live = [each for each in found if not each.pop("dead") and each["pid"] != 1]
            return [Running(**each) for each in live]
        except (AttributeError, KeyError, TypeError) as error:
            raise AppFailed("the sandbox gave no usable answer about its processes") from error

    async def names(self, pids: Iterable[int]) -> dict[int, str]:
        """What processes are called, of those that there are."""
        told = {pid: await read(self._sandbox, f"/proc/{pid}/comm") for pid in set(pids)}
        return {pid: name.decode(errors="replace").removesuffix("\n") for pid, name in told.items() if name}

    async def _inside(self, script: str, asked: Any) -> list[Any]:
        argv = [self._sandbox.interpreter, "-I", "-S", "-c", (SCRIPTS / script).read_text("utf-8")]
        ended = await self._sandbox.run(argv, stdin=json.dumps(asked).encode(), timeout=PATIENCE_S)
        try:
            found = json.loads(ended.stdout)
        except (ValueError, RecursionError):
            found = None
        if not isinstance(found, list):
            raise AppFailed("the sandbox gave no usable answer about its programs")
        return found

    # --- What is done -------------------------------------------------------------------------------------------------

    async def start(self, command: str, place: Place, shown: Callable[[], Awaitable[bool]]) -> list[Running]:
        """Start a program by its command line; the processes that it has after a moment, or once a window is `shown`.

        Raises:
            AppFailed: it ended at once with an error; the message has its last words.
            OSError: the folder is not there.
        """
        line = await self._runnable(command)
        argv = [place.shell, "-c", STARTER, "sh", f"exec {line}" if SIMPLE.fullmatch(line) else line]
        process = await self._sandbox.spawn(argv, cwd=place.folder, env={**place.env, "DISPLAY": DISPLAY})
        first = (await process.reader.readline()).strip()
        app = App(process)
        self._started.add(app)
        app.reading.add_done_callback(lambda _: self._over(app))
        await self._early(app, command.strip(), shown)
        session = int(first) if first.isdigit() else 0
        found = [each for each in await self.running() if each.session == session]
        return [each for each in found if STARTER not in each.cmdline] or found

    async def _runnable(self, command: str) -> str:
        """A command line without the codes of desktop entries; a browser is the one that this machine has.

        A root of one's own may lack that one, and have another. Raises AppFailed where there is none at all.
        """
        line = FIELD_CODE.sub(lambda code: "%" if code[0] == "%%" else "", command).strip()
        try:
            found = browser_line(line)
        except BrowserMissing as missing:
            text = str(missing)
            raise AppFailed(text[:1].upper() + text[1:]) from None
        return found if found == line or await there(self._sandbox, found.split()[0]) else line

    def _over(self, app: App) -> None:
        """Nobody is left who could say anything."""
        self._started.discard(app)
        app.process.writer.close()

    @staticmethod
    async def _early(app: App, line: str, shown: Callable[[], Awaitable[bool]]) -> None:
        """Raises AppFailed if it has ended with an error before it shows anything."""
        ended = asyncio.ensure_future(app.process.wait())

        async def clear() -> bool:
            return ended.done() or await shown()

        try:
            await until(clear, EARLY_S, LOOK_S)
            code = ended.result() if ended.done() else 0
        finally:
            ended.cancel()
        if code:
            said = app.said.decode(errors="replace").strip().splitlines()[-3:]
            words = f": {' '.join(said)}" if said else ""
            raise AppFailed(f"{line!r:.200} ended at once with exit code {code}{words}")

    async def stop_named(self, name: str) -> None:
        """End every process of a name, which is that of the process or of its program. Raises AppFailed."""
        await self._stop(lambda each: name in (each.pname, each.program), f"No process is named {name!r:.80}")

    async def stop_pid(self, pid: int) -> None:
        """End one process. Raises AppFailed."""
        await self._stop(lambda each: each.pid == pid, f"There is no process with the id {pid}")

    async def _stop(self, chosen: Callable[[Running], bool], none: str) -> None:
        """Ask them to end; end those that do not."""
        found = {each.pid for each in await self.running() if chosen(each)}
        if not found:
            raise AppFailed(none)
        await self._signal("TERM", found)
        if left := await self._left(found):
            await self._signal("KILL", left)
            await self._left(left)

    async def _left(self, pids: set[int]) -> set[int]:
        """Those that are there still after they had some time."""
        left = pids

        async def none() -> bool:
            nonlocal left
            left = pids & {each.pid for each in await self.running()}
            return not left

        await until(none, POLITE_S, LOOK_S)
        return left

    async def _signal(self, name: str, pids: Iterable[int]) -> None:
        await self._sandbox.run(["/bin/sh", "-c", SIGNAL, "sh", name, *map(str, pids)], timeout=PATIENCE_S)

    async def close(self) -> None:
        """Let go of the programs; they end with the sandbox."""
        for app in list(self._started):
            app.close()
        reading = [app.reading for app in self._started]
        await asyncio.gather(*reading, return_exceptions=True)
        with contextlib.suppress(SandboxError, SandboxGone):
            await asyncio.gather(*(app.process.kill() for app in list(self._started)))


def stoppable(app: dict[str, str]) -> dict[str, str]:
    """A browser is ended by the name that its process has, which its desktop entry does not tell."""
    name = browser_name(str(app.get("start_cmd")))
    return {**app, "stop_cmd": f"pkill -x {name}"} if name else app
