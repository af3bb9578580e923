"""Measures desktops of the local runtime through the SDK, each figure beside that of the bare X server on this machine.

    python -m bench.desktop [--rounds N] [--many N] [--browsers]

Figures of one run compare with each other only: client, server and sandboxes share the processors. The bare server is
the same program without a sandbox, with a client here that does nothing but ask. `xdotool` is measured where it is
installed. `--many` desktops run at once, with a browser in each if wanted.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import shutil
import socket
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from agentbay import AgentBay, AsyncAgentBay, AsyncSession, CreateSessionParams, Session
from agentbay_local.desktop import parts, xproto
from agentbay_local.desktop.keys import text_symbols
from agentbay_local.desktop.picture import encoded
from bench.runtime import runtime, show

TEXT = "The quick brown fox"
HAN = "漢字仮名交じり文"
CALLS = 30
DISPLAY = 77
LOOK_S = 0.002
IDLE_S = 5.0
MEBI = 1 << 20
TICKS = os.sysconf("SC_CLK_TCK")
IMAGE = CreateSessionParams(image_id="linux_latest")


def median_ms(function: Callable[[], object], calls: int = CALLS) -> float:
    """Milliseconds of a call, after one that does not count."""
    function()
    return 1000 * statistics.median(timed(function) for _ in range(calls))


def timed(function: Callable[[], object]) -> float:
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


def compare(what: str, ours: float, bare: float) -> None:
    show(what, ours, f"ms   bare {bare:6.1f} ms   {ours - bare:+6.1f} ms")


# --- The bare program -------------------------------------------------------------------------------------------------


class Bare:
    """A connection to an X server that does nothing but send a request and read what comes."""

    def __init__(self, display: int) -> None:
        self.link = socket.socket(socket.AF_UNIX)
        self.link.connect(f"/tmp/.X11-unix/X{display}")
        self.link.sendall(xproto.hello())
        self.setup = xproto.setup(self.read(xproto.setup_size(self.read(8))))
        self.test = self.ask(xproto.query_extension("XTEST"))[9]
        self.codes = self.keys()

    def read(self, size: int) -> bytes:
        found = bytearray()
        while len(found) < size:
            more = self.link.recv(size - len(found))
            if not more:
                raise EOFError("the X server has ended")
            found += more
        return bytes(found)

    def ask(self, *requests: bytes) -> bytes:
        """Send requests of which the last has a reply, and read until that comes."""
        self.link.sendall(b"".join(requests))
        while (head := self.read(xproto.HEADER))[0] != xproto.REPLY:
            pass
        return head + self.read(4 * xproto.unpack("I", head, 4)[0])

    def keys(self) -> dict[int, int]:
        first, last = self.setup.first_code, self.setup.last_code
        reply = self.ask(xproto.get_keyboard_mapping(first, last))
        symbols = xproto.read_words(reply[xproto.HEADER :])
        return {symbols[reply[1] * number]: first + number for number in range(last - first + 1)}

    def picture(self, kind: str) -> None:
        size = (parts.WIDTH, parts.HEIGHT)
        encoded(kind, size, self.ask(xproto.get_image(self.setup.root, *size))[xproto.HEADER :])

    def fake(self, *events: tuple[int, int, int, int]) -> None:
        root = self.setup.root
        made = (xproto.fake_input(self.test, kind, detail, root, x, y) for kind, detail, x, y in events)
        self.ask(*made, xproto.get_input_focus())

    def click(self) -> None:
        self.fake((xproto.MOTION, 0, 9, 9), (xproto.BUTTON_PRESS, 1, 0, 0), (xproto.BUTTON_RELEASE, 1, 0, 0))

    def type(self, text: str) -> None:
        codes = [self.codes.get(symbol, self.codes[0x61]) for symbol in text_symbols(text.lower())]
        kinds = (xproto.KEY_PRESS, xproto.KEY_RELEASE)
        self.fake(*((kind, code, 0, 0) for code in codes for kind in kinds))

    def managed(self) -> bool:
        atom = xproto.unpack("I", self.ask(xproto.intern_atom("_NET_SUPPORTING_WM_CHECK")), 8)[0]
        return bool(self.ask(xproto.get_property(self.setup.root, atom))[16])

    def wait_for_manager(self) -> None:
        while not self.managed():
            time.sleep(LOOK_S)


@contextmanager
def bare_desktop() -> Iterator[Bare]:
    """The same two programs, without a sandbox."""
    found = parts.required()
    with tempfile.TemporaryDirectory() as folder:
        settings = Path(folder, "openbox.xml")
        settings.write_bytes(parts.settings(focus_new=True))
        server = [found.server, f":{DISPLAY}", *moved(found.server_argv[2:], folder)]
        manager = [found.manager, "--sm-disable", "--config-file", str(settings)]
        quiet = {"stderr": subprocess.DEVNULL, "env": {**os.environ, "DISPLAY": f":{DISPLAY}"}}
        with ended(server, stdout=subprocess.PIPE, **quiet) as ready, ended(manager, **quiet):  # type: ignore[arg-type]
            assert ready.stdout is not None
            ready.stdout.readline()
            bare = Bare(DISPLAY)
            bare.wait_for_manager()
            yield bare
            bare.link.close()


def moved(options: list[str], folder: str) -> list[str]:
    return [each.replace(parts.VIEW, f"{folder}/view") for each in options]


@contextmanager
def ended(command: list[str], **options: object) -> Iterator[subprocess.Popen[bytes]]:
    """A program that does not outlive the block."""
    with subprocess.Popen(command, **options) as process:  # type: ignore[call-overload]
        try:
            yield process
        finally:
            process.terminate()


def bare_start() -> float:
    """Seconds until server and manager are there."""
    start = time.perf_counter()
    with bare_desktop():
        return time.perf_counter() - start


def started_manager_waits(rounds: int) -> float:
    return 1000 * statistics.median(bare_start() for _ in range(rounds))


# --- One desktop ------------------------------------------------------------------------------------------------------


def first_use(client: AgentBay) -> float:
    with client.create(IMAGE).unwrap().session as session:
        return timed(lambda: session.computer.get_screen_size().unwrap())


def one(client: AgentBay, rounds: int) -> None:
    compare("start", 1000 * statistics.median(first_use(client) for _ in range(rounds)), started_manager_waits(rounds))
    with client.create(IMAGE).unwrap().session as session, bare_desktop() as bare:
        for kind in ("png", "jpeg"):
            ours = median_ms(lambda kind=kind: session.computer.beta_take_screenshot(kind))  # type: ignore[misc]
            compare(f"screenshot, {kind}", ours, median_ms(lambda kind=kind: bare.picture(kind)))  # type: ignore[misc]
        hands(session, bare)
        windows(session)
    tool()


def hands(session: Session, bare: Bare) -> None:
    desk = session.computer
    compare("click", median_ms(lambda: desk.click_mouse(9, 9).unwrap()), median_ms(bare.click))
    for name, text in (("on the keyboard", TEXT), ("not on it, the first time known", HAN)):
        ours = median_ms(lambda text=text: desk.input_text(text).unwrap())  # type: ignore[misc]
        compare(f"type {len(text)} characters {name}", ours, median_ms(lambda text=text: bare.type(text)))  # type: ignore[misc]
    new = (chr(code) for code in range(0x4E00, 0x9000))
    show("type one character, new each time", median_ms(lambda: desk.input_text(next(new)).unwrap()), "ms")


def windows(session: Session) -> None:
    session.computer.start_app("xterm").unwrap()
    while not (found := session.computer.list_root_windows().unwrap().windows):
        time.sleep(LOOK_S)
    number = found[0].window_id
    show("list_root_windows", median_ms(lambda: session.computer.list_root_windows().unwrap()), "ms")
    show("activate_window", median_ms(lambda: session.computer.activate_window(number).unwrap()), "ms")


def tool() -> None:
    """The program that others use for the same."""
    if shutil.which("xdotool") is None:
        return
    with bare_desktop():
        env = {**os.environ, "DISPLAY": f":{DISPLAY}"}

        def run(*words: str) -> None:
            subprocess.run(["xdotool", *words], env=env, check=True)

        show("xdotool click", median_ms(lambda: run("mousemove", "9", "9", "click", "1")), "ms")
        show(f"xdotool type {len(TEXT)} characters", median_ms(lambda: run("type", "--delay", "0", TEXT)), "ms")


# --- Many desktops ----------------------------------------------------------------------------------------------------


async def many(client: AsyncAgentBay, count: int, *, browsers: bool) -> None:
    made = await asyncio.gather(*(client.create(IMAGE) for _ in range(count)))
    sessions = [each.unwrap().session for each in made]
    try:
        for what, command in (("desktop and terminal", "xterm"), ("browser too", "chromium about:blank"))[
            : 1 + browsers
        ]:
            start = time.perf_counter()
            await asyncio.gather(*(window(session, command) for session in sessions))
            show(f"{count} at once, {what}: ready", 1000 * (time.perf_counter() - start), "ms")
            await asyncio.sleep(IDLE_S)
            await at_rest(count)
    finally:
        await asyncio.gather(*(client.delete(session) for session in sessions))


async def window(session: AsyncSession, command: str) -> None:
    before = (await session.computer.list_root_windows(60_000)).unwrap().windows
    (await session.computer.start_app(command)).unwrap()
    while len((await session.computer.list_root_windows(60_000)).unwrap().windows) <= len(before):  # noqa: ASYNC110
        await asyncio.sleep(0.05)


async def at_rest(count: int) -> None:
    """What each takes while nobody does anything."""
    before, start = used(), time.perf_counter()
    await asyncio.sleep(IDLE_S)
    after, took = used(), time.perf_counter() - start
    for name in sorted(after, key=lambda name: -after[name][0]):
        memory, ticks = after[name]
        spent = (ticks - before.get(name, (0, 0))[1]) / TICKS / took
        show(f"  {name}: memory (PSS) of each session", memory / MEBI / count, f"MiB, {100 * spent / count:.2f} % CPU")
    show("  all: memory (PSS) of each session", sum(memory for memory, _ in after.values()) / MEBI / count, "MiB")


def used() -> dict[str, tuple[int, int]]:
    """Bytes and ticks of the processes below this one, by their names."""
    found: dict[str, tuple[int, int]] = {}
    for pid in below(os.getpid()):
        try:
            name = Path(f"/proc/{pid}/comm").read_text().strip()
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
        except OSError:  # it has ended, or is another user's
            continue
        memory, ticks = found.get(name, (0, 0))
        pss = next((int(line.split()[1]) for line in rollup.splitlines() if line.startswith("Pss:")), 0)
        found[name] = memory + 1024 * pss, ticks + int(fields[11]) + int(fields[12])
    return found


def below(parent: int) -> list[int]:
    """All processes that descend from one."""
    children: dict[int, list[int]] = {}
    for each in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = each.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        children.setdefault(int(fields[1]), []).append(int(each.parent.name))
    found = [parent]
    for pid in found:
        found += children.get(pid, [])
    return found[1:]


def main() -> int:
    """Measures everything."""
    parser = argparse.ArgumentParser(prog="python -m bench.desktop", description="Measures the local desktops.")
    parser.add_argument("--rounds", type=int, default=5, help="desktops per figure of the start (default 5)")
    parser.add_argument("--many", type=int, default=10, help="desktops at once (default 10)")
    parser.add_argument("--browsers", action="store_true", help="with a browser in each of these")
    given = parser.parse_args()
    with runtime("--warm", "2") as (endpoint, key):
        with AgentBay(key, endpoint=endpoint) as client:
            print("one desktop")
            one(client, given.rounds)
        asyncio.run(together(endpoint, key, given))
    return 0


async def together(endpoint: str, key: str, given: argparse.Namespace) -> None:
    print(f"{given.many} desktops")
    async with AsyncAgentBay(key, endpoint=endpoint) as client:
        await many(client, given.many, browsers=given.browsers)


if __name__ == "__main__":
    raise SystemExit(main())
