"""The browser of one session: started when it is first needed, watched, ended, and started anew."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import re
from collections.abc import Iterable, Mapping
from typing import Final

from attrs import evolve

from agentbay_local.browser import installed
from agentbay_local.browser.calls import Calls
from agentbay_local.browser.cdp import Cdp
from agentbay_local.browser.faults import BrowserFault, BrowserGone, PageFault, UnfitOption
from agentbay_local.browser.keeper import Keeper, Told, fit_window, told_by
from agentbay_local.browser.lookout import Lookout
from agentbay_local.browser.options import CDP_PORT, Options, Upstream, command_line
from agentbay_local.browser.pages import Pages
from agentbay_local.browser.persona import document, from_document
from agentbay_local.browser.recorder import Recorder
from agentbay_local.browser.upstream import Relay
from agentbay_local.desktop import Desktop
from agentbay_local.desktop import parts as desktops
from agentbay_local.logs import say
from agentbay_local.sandbox.bwrap import DOOR
from agentbay_local.sandbox.contract import LimitReached, Process, Sandbox, SandboxError
from agentbay_local.undo import closing_on_failure

__all__ = ["CDP_PORT", "Browser"]

log = logging.getLogger("agentbay_local")

START_S: Final = 40.0
STOP_S: Final = 5.0
"""Seconds in which it may write down cookies and the like, before it is killed."""
LAST_WORD_S: Final = 1.0
"""Seconds between the end of its connections and that of its process, at most."""
LAST_WORDS_S: Final = 0.2
"""Seconds after its end in which what it has said may still come, if its children hold its output open."""
LISTENING: Final = re.compile(r"DevTools listening on ws://[^/\s]+(/devtools/browser/[0-9a-f-]+)")
SCREEN: Final = (desktops.WIDTH, desktops.HEIGHT)
NOISE: Final = ("dbus", "udev", "Fontconfig", "gpu", "vaapi", "DevTools listening")
LAST_WORDS: Final = 2000
LOCKS: Final = ("SingletonLock", "SingletonSocket", "SingletonCookie")
MERGED: Final = 'exec "$0" "$@" 2>&1'
ENDED: Final = "the browser has ended ({why}), and its pages are gone; the next call starts it anew"


class Browser:
    """At most one process tree, and the connection by which the tools drive it.

    With a desktop it has a window there, if this machine has desktops.
    """

    def __init__(
        self,
        sandbox: Sandbox,
        options: Options | None = None,
        calls: Calls | None = None,
        desktop: Desktop | None = None,
    ) -> None:
        self.path = ""
        """Where its CDP endpoint is on the port; empty while none runs."""
        self.options = options or Options()
        """Those of the last start, and of the next one that brings none."""
        self.pages: Pages | None = None
        self.calls = calls or Calls()
        """Where it asks for a person."""
        self._sandbox, self._desktop = sandbox, desktop
        self._lock = asyncio.Lock()
        self._process: Process | None = None
        self._output: asyncio.Task[None] | None = None
        self._heard = ""
        self._listening: asyncio.Future[str] | None = None
        self._cdp: Cdp | None = None
        self._relay: Relay | None = None
        self._recorder: Recorder | None = None
        self._lookout: Lookout | None = None
        self._lost = ""

    @property
    def running(self) -> bool:
        return bool(self.path)

    def elsewhere(self, sandbox: Sandbox, desktop: Desktop | None = None) -> Browser:
        """One in another sandbox, where it will start as this one did last."""
        return Browser(sandbox, self.options, self.calls, desktop)

    async def start(self, options: Options) -> int:
        """Start it, unless it runs; the port inside. Raises BrowserFault, BrowserMissing, UnfitOption, SandboxError."""
        async with self._lock:
            self._lost = ""
            if not self.running:
                self.options = options
                await self._begin(options)
        return CDP_PORT

    async def endpoint(self) -> int:
        """Have it running, with the options of the last start; the port inside. Raises as `start`."""
        async with self._lock:
            self._lost = ""
            if not self.running:
                await self._begin(self.options)
        return CDP_PORT

    async def opened(self) -> Pages:
        """What the tools work on. A browser that has ended by itself is told of once, and then started anew.

        Raises:
            BrowserGone: it has ended since the last call.
            BrowserFault, BrowserMissing, SandboxError: as `start`.
        """
        if self._lost:
            told, self._lost = self._lost, ""
            raise BrowserGone(ENDED.format(why=told))
        await self.endpoint()
        if self.pages is None:
            raise BrowserGone(ENDED.format(why="just now"))
        return self.pages

    async def explained(self, fault: BrowserGone) -> BrowserGone:
        """What a call that it has left without an answer says: how it ended, where that is known by now."""
        if self._output is not None:
            await asyncio.wait([self._output], timeout=LAST_WORD_S)
        told, self._lost = self._lost, ""
        return BrowserGone(ENDED.format(why=told)) if told else fault

    async def stop(self) -> None:
        """End it in an orderly way: what it keeps in its profile is written. Nothing happens if none runs."""
        async with self._lock:
            self._lost = ""
            await self._finish()
            self._lost = ""

    async def close(self) -> None:
        """Let go of all that is out here; the sandbox has ended, or is about to."""
        await self._let_go()
        if self._output is not None:
            self._output.cancel()
            await asyncio.gather(self._output, return_exceptions=True)

    # --- Beginning ----------------------------------------------------------------------------------------------------

    async def _begin(self, options: Options) -> None:
        found = installed.look()
        if options.kind not in {"", found.kind}:
            raise UnfitOption(f"cannot be met: this server's browser is {found.kind}, not {options.kind}")
        extensions = await self._extensions(options)
        if extensions and found.shell_only:
            text = "cannot be met: there are extensions, and the headless shell of this server runs none."
            raise UnfitOption(f"{text} This mends it: {installed.INSTALL}")
        for wish in options.unmet:
            log.warning("the browser does not do what was asked for: %s", wish)
            self.calls.notice(wish)
        await self._refuse_taken_port()
        options = await self._same_persona(options)
        await self._tidy(options.profile)
        async with closing_on_failure(self._finish):
            proxy_port = await self._way_out(options.upstream)
            shown = await self._display(found, options)
            line = command_line(options, proxy_port, extensions, screen=SCREEN if shown else None)
            await self._launch([found.inside, *line], shown)
            await self._settle(options)

    async def _display(self, found: installed.Installed, options: Options) -> dict[str, str]:
        """The variables that lead it to the desktop; none where it is to have no window."""
        hidden = any(argument.startswith("--headless") for argument in options.arguments)
        if self._desktop is None or hidden or found.shell_only or desktops.find().missing:
            return {}
        for last in (False, True):  # one that has ended says so once
            try:
                async with self._desktop.using():
                    return {"DISPLAY": desktops.DISPLAY}
            except desktops.NoDesktop as fault:
                if last:
                    raise BrowserFault(f"the browser has no desktop for its window: {fault}") from fault
        raise AssertionError

    async def _extensions(self, options: Options) -> tuple[str, ...]:
        """The unpacked extensions: folders that have a manifest."""
        if not options.extensions:
            return ()
        with contextlib.suppress(OSError):
            listed = await self._sandbox.fs("list", path=options.extensions)
            folders = [f"{options.extensions}/{each['name']}" for each in listed if each.get("type") == "directory"]
            return tuple([folder for folder in folders if await self._exists(f"{folder}/manifest.json")])
        return ()

    async def _exists(self, path: str) -> bool:
        try:
            await self._sandbox.fs("stat", path=path)
        except OSError:
            return False
        return True

    async def _refuse_taken_port(self) -> None:
        try:
            taken = await self._sandbox.dial(CDP_PORT)
        except ConnectionRefusedError:
            return
        taken.close()
        raise BrowserFault(f"port {CDP_PORT}, which the browser needs, is taken by another program of the session")

    async def _same_persona(self, options: Options) -> Options:
        """With the fingerprint that an earlier session has kept, if it is to be kept."""
        if not options.persona_file or not await self._exists(options.persona_file):
            return options
        with contextlib.suppress(OSError, ValueError, RecursionError):
            fd = await self._sandbox.open(options.persona_file, os.O_RDONLY)
            text = await asyncio.to_thread(_read, fd)
            return evolve(options, persona=from_document(json.loads(text)))
        return options

    async def _tidy(self, profile: str) -> None:
        """Locks of another session's browser came with its profile."""
        for name in LOCKS:
            with contextlib.suppress(OSError):
                await self._sandbox.fs("remove", path=f"{profile}/{name}")

    async def _way_out(self, upstream: Upstream | None) -> int:
        if upstream is None:
            return DOOR
        self._relay = await Relay.open(self._sandbox, upstream)
        return self._relay.port

    async def _launch(self, argv: list[str], env: Mapping[str, str]) -> None:
        self._listening = asyncio.get_running_loop().create_future()
        self._heard = ""
        try:
            self._process = await self._sandbox.spawn(["/bin/sh", "-c", MERGED, *argv], env=env or None)
        except LimitReached as error:
            raise BrowserFault(f"the browser could not be started: {error}") from error
        self._output = asyncio.create_task(self._listen(self._process))
        try:
            self.path = await asyncio.wait_for(asyncio.shield(self._listening), START_S)
        except TimeoutError as error:
            raise BrowserFault(f"the browser was not ready within {START_S:g} s. {self._heard}".strip()) from error

    async def _listen(self, process: Process) -> None:
        """Waits for its end, whoever else holds its output then, and reads that meanwhile."""
        assert self._listening is not None
        listening = self._listening
        reading = asyncio.create_task(self._read(process, listening))
        try:
            why = await _how(process)
            await asyncio.wait([reading], timeout=LAST_WORDS_S)
        finally:
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)
            process.writer.close()
        if not listening.done():
            listening.set_exception(
                BrowserFault(f"the browser could not be started ({why}): {self._heard}"[:LAST_WORDS])
            )
            listening.exception()
        elif self._process is process:
            self._lost = why
            say("browser ended by itself", how=why)
            await self._let_go()

    async def _read(self, process: Process, listening: asyncio.Future[str]) -> None:
        """Reads what it says, for it must not be held up; the last complaint is kept."""
        rest = b""
        while chunk := await process.reader.read(1 << 14):
            *lines, rest = (rest + chunk).split(b"\n")
            self._note([line.decode(errors="replace") for line in lines], listening)
            rest = rest[-LAST_WORDS:]
        self._note([rest.decode(errors="replace")], listening)

    def _note(self, lines: Iterable[str], listening: asyncio.Future[str]) -> None:
        for line in lines:
            if (found := LISTENING.search(line)) and not listening.done():
                listening.set_result(found[1])
            if line.strip() and not any(word in line for word in NOISE):
                self._heard = line.strip()[-LAST_WORDS:]

    async def _settle(self, options: Options) -> None:
        """Connect to it, and make it what the options say."""
        self._cdp = cdp = await Cdp.open(self._sandbox, CDP_PORT, self.path)
        if options.viewport:
            await fit_window(cdp, options.viewport)
        agent = str((await cdp.call("Browser.getVersion")).get("userAgent", ""))
        told = told_by(options, agent)
        major = re.search(r"Chrome/(\d+)", agent)
        if options.recorded:
            self._recorder = Recorder(self._sandbox, cdp)
        if options.person:
            self._lookout = Lookout(cdp, self.calls)
            await self._lookout.begin()
        await Keeper(cdp, told, major[1] if major else "0", self._recorder).begin()
        await self._keep(options, told)
        self.pages = Pages(self._sandbox, CDP_PORT, self.path, lifelike=options.lifelike)

    async def _keep(self, options: Options, told: Told) -> None:
        if not options.persona_file or told.persona is None:
            return
        folder = options.persona_file.rpartition("/")[0]
        text = json.dumps(document(told.persona, told.agent), ensure_ascii=False, indent=2)
        try:
            await self._sandbox.fs("mkdir", path=folder or "/", parents=True)
            fd = await self._sandbox.open(options.persona_file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        except OSError as error:
            raise UnfitOption(f"cannot be met: the fingerprint cannot be kept in {options.persona_file}") from error
        await asyncio.to_thread(_write, fd, text)

    # --- The end ------------------------------------------------------------------------------------------------------

    async def _finish(self) -> None:
        process, cdp = self._process, self._cdp
        self._process = None
        if process is not None:
            ended = asyncio.ensure_future(process.wait())
            if self._recorder is not None:
                await self._recorder.close()
            if cdp is not None:
                with contextlib.suppress(BrowserGone, PageFault):
                    await cdp.call("Browser.close", timeout=STOP_S)
                await asyncio.wait([ended], timeout=STOP_S)
            await process.kill()
            with contextlib.suppress(SandboxError):
                await ended
        await self._let_go()

    async def _let_go(self) -> None:
        self.path, self._process = "", None
        cdp, self._cdp = self._cdp, None
        pages, self.pages = self.pages, None
        relay, self._relay = self._relay, None
        recorder, self._recorder = self._recorder, None
        lookout, self._lookout = self._lookout, None
        for each in (recorder, lookout, pages, cdp, relay):
            if each is not None:
                await each.close()


async def _how(process: Process) -> str:
    """How it ended, once it has."""
    try:
        code = await process.wait()
    except SandboxError:
        return "with the sandbox"
    return f"signal {code - 128}" if code > 128 else f"exit code {code}"


def _read(fd: int) -> bytes:
    with open(fd, "rb") as file:
        return file.read(1 << 20)


def _write(fd: int, text: str) -> None:
    with open(fd, "w", encoding="utf-8") as file:
        file.write(text)
