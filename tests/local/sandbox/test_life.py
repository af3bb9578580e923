"""How sandboxes begin and end, and that nothing is left of them."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import textwrap
import threading
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from agentbay_local.sandbox import bwrap, pids
from agentbay_local.sandbox.box import Box, BoxProcess
from agentbay_local.sandbox.channel import Control
from agentbay_local.sandbox.contract import CannotIsolate, Completed, LimitReached, Limits, SandboxError, SandboxGone
from agentbay_local.sandbox.engine import default_engine
from agentbay_local.sandbox.pool import BwrapEngine

Run = Callable[..., Awaitable[Completed]]
Until = Callable[[Callable[[], bool]], Awaitable[None]]
OURS = re.compile(r"(?!agentbay-build-).*agentbay")


def descendants(limits: Limits) -> list[int]:
    """Processes of sandboxes with these limits that this process has started; other tests may keep a server running."""
    present = pids.everything()
    ours = [each.pid for each in present.get(os.getpid(), ()) if mark(limits) in command_line(each.pid)]
    return [member.pid for root in ours for member in pids.tree(root, present)]


def alive(pid: int) -> bool:
    now = pids.read(pid)
    return now is not None and now.state not in pids.ENDED


def strays(limits: Limits) -> list[int]:
    """Processes of sandboxes with these limits that have lost their parent."""
    orphans = (each.pid for each in pids.everything().get(1, ()) if each.state not in pids.ENDED)
    return [pid for pid in orphans if mark(limits) in command_line(pid)]


def mark(limits: Limits) -> bytes:
    return f"\0{limits.memory}\0".encode()


def command_line(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


def descriptors() -> int:
    """Those that stay: the engine's watch opens files of /proc for a moment, at any time."""
    targets = [target(f"/proc/self/fd/{name}") for name in os.listdir("/proc/self/fd")]
    return sum(not path.startswith("/proc/") for path in targets)


def target(link: str) -> str:
    try:
        return os.readlink(link)
    except FileNotFoundError:
        return "/proc/gone"


def mounts() -> int:
    return len(Path("/proc/self/mountinfo").read_text().splitlines())


def folders() -> set[str]:
    """What might be ours where others leave things as well. Images are built by other tests alone."""
    places = (tempfile.gettempdir(), "/tmp", "/run", "/dev/shm", "/var/tmp")
    return {entry.path for place in places for entry in os.scandir(place) if OURS.match(entry.name)}


def kept() -> tuple[int, int, set[str], int]:
    """What sandboxes could leave behind. Of others' folders some may go meanwhile."""
    return descriptors(), mounts(), folders(), threading.active_count()


@pytest.mark.slow
async def test_nothing_is_left_of_fifty_sandboxes(engine: BwrapEngine, limits: Limits, until: Until) -> None:
    async def life() -> None:
        box = await engine.create()
        process = await box.spawn(["cat"])
        await asyncio.gather(
            box.run(["sh", "-c", "sleep 300 & yes"], timeout=0.02, max_output=1000), box.dial(1), return_exceptions=True
        )
        await box.close()
        with pytest.raises(SandboxGone):
            await process.wait()

    await life()
    before = kept()
    for _ in range(49):
        await life()
    await until(lambda: all(now <= then for now, then in zip(kept(), before, strict=True)))
    assert [] == descendants(limits)


async def test_an_engine_that_is_closed_leaves_nothing(limits: Limits, until: Until) -> None:
    before = descriptors()
    engine = BwrapEngine(limits, warm=2)
    await engine.start()
    boxes = [await engine.create() for _ in range(3)]
    await engine.close()
    await engine.close()
    assert ([True] * 3, []) == ([box.closed.is_set() for box in boxes], descendants(limits))
    await until(lambda: before == descriptors())
    with pytest.raises(SandboxError, match="not running"):
        await engine.create()


async def test_every_waiting_call_learns_that_the_sandbox_is_gone(box: Box, shell: Run) -> None:
    process = await box.spawn(["cat"])
    calls = [asyncio.create_task(shell("sleep 300")) for _ in range(5)]
    calls.append(asyncio.create_task(process.wait()))
    await asyncio.sleep(0.1)
    os.kill(box.first, signal.SIGKILL)
    ends = await asyncio.gather(*calls, return_exceptions=True)
    assert [SandboxGone] * 6 == [type(end) for end in ends]
    assert box.closed.is_set()
    for call in (
        box.run(["true"]),
        box.fs("list", path="/"),
        box.open("/x", 0),
        box.dial(1),
        box.usage(),
        box.spawn(["x"]),
    ):
        with pytest.raises(SandboxGone):
            await call
    await box.close()


async def test_the_end_of_the_monitor_is_the_end_of_the_sandbox(box: Box, until: Until) -> None:
    first = box.first
    os.kill(pids.read(first).parent, signal.SIGKILL)
    await asyncio.wait_for(box.closed.wait(), 10)
    await until(lambda: not alive(first))


async def test_closing_twice_or_at_once_is_no_problem(box: Box) -> None:
    await asyncio.gather(box.close(), box.close())
    await box.close()


async def test_warm_sandboxes_are_kept_ready_and_dead_ones_are_not_given_away(limits: Limits, until: Until) -> None:
    engine = default_engine(limits, warm=2)
    await engine.start()
    await until(lambda: len(engine._ready) == 2)
    os.kill(engine._ready[0].first, signal.SIGKILL)
    await engine._ready[0].closed.wait()
    box = await engine.create()
    assert 0 == (await box.run(["true"])).code
    await until(lambda: len(engine._ready) == 2)
    await engine.close()


async def test_many_sandboxes_are_made_at_once_and_are_different(engine: BwrapEngine) -> None:
    boxes = await asyncio.gather(*(engine.create() for _ in range(8)))
    await asyncio.gather(*(box.run(["sh", "-c", f"echo {number} > x"]) for number, box in enumerate(boxes)))
    done = await asyncio.gather(*(box.run(["cat", "x"]) for box in boxes))
    assert [f"{number}\n".encode() for number in range(8)] == [each.stdout for each in done]


async def test_a_creation_that_is_cancelled_leaves_nothing(engine: BwrapEngine, limits: Limits, until: Until) -> None:
    await (await engine.create()).close()
    before = descriptors()
    for delay in range(30):
        work = asyncio.create_task(engine.create())
        await asyncio.sleep(delay / 2000)
        work.cancel()
        await asyncio.gather(work, return_exceptions=True)
        if not work.cancelled():
            await work.result().close()
    await until(lambda: ([], before) == (descendants(limits), descriptors()))
    await until(lambda: not strays(limits))


async def test_a_daemon_that_speaks_before_anybody_listens_is_known_all_the_same() -> None:
    ours, theirs = bwrap.control_pair()
    with ours, theirs:
        theirs.send(b"R")
        assert (os.getpid(), []) == await Control(ours).ready()


async def test_the_daemon_outlives_whatever_a_call_stumbles_over(box: Box) -> None:
    # The promised descriptors are not sent: nothing that the daemon expects, so nothing that it names.
    with pytest.raises(OSError, match="Invalid argument"):
        await box._ask("run", argv=["true"], cwd="/", env={}, stdio=[True, True, True])
    with pytest.raises(OSError, match="Invalid argument"):
        await box._ask("mkdir", path=[])
    assert 0 == (await box.run(["true"])).code


async def dispose(end: object) -> None:
    """Close what a call may have given in spite of its cancellation."""
    if isinstance(end, int):
        os.close(end)
    elif isinstance(end, BoxProcess):
        await end.kill()
        await end.wait()
    elif isinstance(end, socket.socket):
        end.close()


async def test_calls_that_are_cancelled_leave_no_descriptor(box: Box, until: Until) -> None:
    await box.run(["true"])
    before = descriptors()
    for delay in range(20):
        calls = [
            asyncio.create_task(each)
            for each in (box.run(["cat"], stdin=b"x"), box.open("/etc/passwd", 0), box.dial(3128), box.spawn(["cat"]))
        ]
        await asyncio.sleep(delay / 4000)
        for call in calls:
            call.cancel()
        for end in await asyncio.gather(*calls, return_exceptions=True):
            await dispose(end)
    await until(lambda: before == descriptors())


def use_up(held: list[int]) -> None:
    """Take every descriptor that this process may have."""
    with contextlib.suppress(OSError):
        while True:
            held.append(os.dup(0))


async def test_a_server_without_descriptors_says_so(box: Box) -> None:
    held: list[int] = []
    try:
        use_up(held)
        with pytest.raises(LimitReached, match="file descriptors"):
            await box.run(["true"])
    finally:
        for fd in held:
            os.close(fd)
    assert 0 == (await box.run(["true"])).code


def fake_bwrap(folder: Path) -> str:
    fake = folder / "bwrap"
    fake.write_text("#!/bin/sh\necho setting up uid map: Permission denied >&2\nexit 1\n")
    fake.chmod(0o755)
    folder.chmod(0o755)
    return str(fake)


async def test_a_bwrap_that_does_not_work_is_named_with_what_it_said(
    monkeypatch: pytest.MonkeyPatch, limits: Limits, tmp_path: Path
) -> None:
    monkeypatch.setenv("AGENTBAY_BWRAP", fake_bwrap(tmp_path))
    before = descriptors()
    with pytest.raises(CannotIsolate, match="uid map: Permission denied"):
        await BwrapEngine(limits).start()
    assert before == descriptors()


@pytest.mark.skipif(os.geteuid() != 0, reason="an ordinary user reads what is its own")
async def test_a_closed_folder_that_roots_sandboxes_need_is_named(
    monkeypatch: pytest.MonkeyPatch, limits: Limits, tmp_path: Path
) -> None:
    monkeypatch.setenv("AGENTBAY_BWRAP", fake_bwrap(tmp_path))
    os.chmod(tmp_path, 0o700)
    with pytest.raises(CannotIsolate, match=f"chmod -R go\\+rX {tmp_path}"):
        await BwrapEngine(limits).start()


async def test_a_bwrap_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch, limits: Limits) -> None:
    monkeypatch.setenv("AGENTBAY_BWRAP", "/no/such/bwrap")
    with pytest.raises(CannotIsolate, match="/no/such/bwrap"):
        await BwrapEngine(limits).start()


SERVER = """
    import asyncio, sys
    from agentbay_local.sandbox.engine import Limits, default_engine

    async def main():
        engine = default_engine(Limits(), warm=1)
        await engine.start()
        box = await engine.create()
        await box.run(["sh", "-c", "sleep 4242 & setsid sleep 4242 & true"])
        print(box.first, flush=True)
        await asyncio.sleep(300)

    asyncio.run(main())
"""


async def test_a_server_that_is_killed_leaves_nothing(tmp_path: Path, until: Until) -> None:
    before = folders()
    server = start_server(tmp_path)
    said = server.stdout.readline()
    if not said:
        server.communicate()
        pytest.skip("this machine cannot run sandboxes")
    started = pids.tree(server.pid, pids.everything())[1:]
    server.kill()
    server.communicate()
    await until(lambda: not any(alive(each.pid) for each in started))
    assert (True, set(), []) == (len(started) >= 4, folders() - before, os.listdir(tmp_path))


def start_server(scratch: Path) -> subprocess.Popen[bytes]:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "TMPDIR": str(scratch)}
    return subprocess.Popen([sys.executable, "-c", textwrap.dedent(SERVER)], stdout=subprocess.PIPE, env=environment)
