"""Bombs hurt the session in which they go off, and no other; that one can still be deleted."""

from __future__ import annotations

import asyncio
import os
import shlex
import textwrap
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

import pytest

from agentbay_local.sandbox import kernel_memory, pids, watch
from agentbay_local.sandbox.box import Box
from agentbay_local.sandbox.bwrap import interpreter
from agentbay_local.sandbox.contract import CannotIsolate, Completed, Limits
from agentbay_local.sandbox.pool import BwrapEngine
from tests.local.conftest import Served, serve
from tests.local.service.api import Api

MEBI = 1 << 20
Run = Callable[[str], Awaitable[Completed]]

SMALL = ("--memory", "128M", "--processes", "40", "--workspace", "32M", "--file-size", "48M", "--warm", "1")
SHELL = {
    "processor": "for i in $(seq 8); do (while :; do :; done &) ; done; sleep 0.2",
    "disk": "for d in ~ /workspace /tmp /dev/shm; do cat /dev/zero > $d/x; done 2>/dev/null; true",
    "a file with holes": "truncate -s 100T /tmp/x || truncate -s 40M /tmp/x; head -c 1 /tmp/x | wc -c",
    "output": "timeout 1 cat /dev/zero",
    "lines": "timeout 1 yes",
}
PYTHON = {
    "forks": """
        if os.fork(): time.sleep(0.3); sys.exit()
        os.setsid()
        while True:
            try: os.fork()
            except OSError: time.sleep(0.01)
    """,
    "forks without descriptors": """
        if os.fork(): time.sleep(0.3); sys.exit()
        os.closerange(0, 99)
        while True:
            try: os.fork()
            except OSError: time.sleep(0.01)
    """,
    "memory of one": "held = bytearray(10 << 30)",
    "memory of many": """
        for _ in range(6):
            if os.fork() == 0: held = bytearray(b"x") * (100 << 20); time.sleep(60)
        time.sleep(1)
    """,
    "shared memory": """
        held = mmap.mmap(-1, 2 << 30)
        while True: held.write(bytes(1 << 20))
    """,
    "deleted files that are open": """
        while True:
            fd = os.open("/tmp/x", os.O_CREAT | os.O_WRONLY); os.unlink("/tmp/x"); os.write(fd, bytes(1 << 20))
    """,
    "signals": """
        for _ in range(100_000): os.kill(1, signal.SIGTERM); os.kill(1, signal.SIGCHLD)
    """,
    "descriptors": """
        while True: os.dup(0)
    """,
    "pipes": """
        while True:
            reader, writer = os.pipe(); os.set_blocking(writer, False)
            try: fcntl.fcntl(writer, 1031, 1 << 20)
            except OSError: pass
            try:
                while os.write(writer, bytes(1 << 16)): pass
            except BlockingIOError: pass
    """,
    "names": """
        os.chdir("/tmp")
        for _ in range(20_000): os.mkdir("n" * 255); os.chdir("n" * 255)
    """,
    "timers": """
        libc = ctypes.CDLL(None)
        for _ in range(50_000): libc.timer_create(0, None, ctypes.byref(ctypes.c_void_p()))
    """,
}
MODULES = "import ctypes, fcntl, mmap, os, signal, sys, time"
BOMBS = SHELL | {
    name: f"python3 -I -S -c {shlex.quote(f'{MODULES}{chr(10)}{textwrap.dedent(source)}')} >/dev/null 2>&1"
    for name, source in PYTHON.items()
}


@pytest.fixture(scope="module")
def small() -> Iterator[Served]:
    """A server whose sessions may use little."""
    served = serve(*SMALL)
    yield served
    assert 0 == served.stop()


@pytest.fixture
async def calls(small: Served) -> AsyncIterator[Api]:
    async with Api(small.endpoint, small.key) as caller:
        yield caller


@pytest.mark.parametrize("bomb", sorted(BOMBS))
async def test_a_bomb_hurts_its_own_session_alone(calls: Api, bomb: str) -> None:
    neighbour, bomber = [str((await calls.create())["SessionId"]) for _ in range(2)]
    going_off = asyncio.create_task(calls.tool(bomber, "shell", command=BOMBS[bomb], timeout_ms=8000))
    try:
        async with asyncio.timeout(20):
            for _ in range(3):
                await asyncio.sleep(0.1)
                assert "fine\n" == (await calls.shell(neighbour, "echo fine"))["stdout"]
    finally:
        answer = await going_off
    assert answer.status == 200, answer.body
    async with asyncio.timeout(20):
        assert (await calls.call("PauseSessionAsync", SessionId=bomber)).status in {200, 400}
        await calls.call("ResumeSessionAsync", SessionId=bomber)
        assert (await calls.call("ReleaseMcpSession", SessionId=bomber)).status == 200
        assert "fine\n" == (await calls.shell(neighbour, "echo fine"))["stdout"]


# --- Memory of the kernel ---------------------------------------------------------------------------------------------


@pytest.fixture
async def box() -> AsyncIterator[Box]:
    # A memory limit of its own tells the processes of this test run from all others.
    engine = BwrapEngine(Limits(processes=60, memory=128 * MEBI + os.getpid() * 4096, workspace=64 * MEBI), warm=0)
    try:
        await engine.start()
    except CannotIsolate as error:
        pytest.skip(f"this machine cannot run sandboxes: {error}")
    yield await engine.create()
    await engine.close()


@pytest.fixture
def python(box: Box) -> Run:
    async def run(source: str) -> Completed:
        return await box.run([str(interpreter()), "-I", "-S", "-c", textwrap.dedent(source)], timeout=20)

    return run


async def test_what_waits_in_sockets_is_counted(python: Run) -> None:
    done = await python("""
        import os, signal, socket, time
        children = []
        while len(children) < 4 and 0 not in children: children.append(os.fork())
        if 0 in children:
            held = []
            try:
                while True:
                    pair = socket.socketpair(); held.append(pair)
                    for end in pair:
                        end.setblocking(False)
                        try:
                            while True: end.send(bytes(1 << 15))
                        except BlockingIOError: pass
            except OSError: time.sleep(60)
        ended, status = os.wait()
        print(os.waitstatus_to_exitcode(status))
        for child in set(children) - {ended}: os.kill(child, signal.SIGKILL)
    """)
    assert (0, b"-9\n", False) == (done.code, done.stdout, done.timed_out)


async def test_what_waits_in_connections_is_counted(box: Box, python: Run) -> None:
    done = await python("""
        import socket
        door = socket.create_server(("127.0.0.1", 0))
        ends = []
        for _ in range(8):
            link = socket.create_connection(door.getsockname()); other, _ = door.accept()
            link.setblocking(False); ends += [link, other]
            try:
                while True: link.send(bytes(1 << 16))
            except BlockingIOError: pass
        import os, time
        print(sum(map(bool, ends)), flush=True)
        if os.fork() == 0: os.setsid(); os.close(1); os.close(2); time.sleep(60)
    """)
    assert b"16\n" == done.stdout
    assert kernel_memory.queues(box.first) > 8 * (256 << 10)
    assert kernel_memory.of_sockets(box.first) > kernel_memory.queues(box.first)


async def test_a_buffer_cannot_be_made_larger(python: Run) -> None:
    done = await python("""
        import socket
        pair = socket.socketpair()
        before = pair[0].getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF)
        for option in (socket.SO_SNDBUF, socket.SO_RCVBUF): pair[0].setsockopt(socket.SOL_SOCKET, option, 8 << 20)
        print(before == pair[0].getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF))
        pair[0].setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
        print(pair[0].getsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED))
    """)
    assert b"True\n1\n" == done.stdout


async def test_the_tables_of_addresses_are_counted(python: Run) -> None:
    """Pages of nothing but zeros are no memory, but to know of them costs memory."""
    done = await python("""
        import ctypes
        libc = ctypes.CDLL(None)
        libc.mmap.restype, libc.mmap.argtypes = ctypes.c_void_p, [ctypes.c_void_p, ctypes.c_size_t] + [ctypes.c_int] * 4
        size = 1 << 42
        place = libc.mmap(None, size, 1, 0x4022, -1, 0)
        libc.madvise(ctypes.c_void_p(place), ctypes.c_size_t(size), 15)
        for at in range(place, place + size, 2 << 20): ctypes.c_char.from_address(at).value
    """)
    assert (137, False) == (done.code, done.timed_out)


async def test_attributes_of_files_are_counted(box: Box, python: Run) -> None:
    before = watch.inodes(box)
    done = await python("""
        import os
        open("/tmp/x", "w")
        try:
            for number in range(300): os.setxattr("/tmp/x", f"user.{number}", bytes(60000))
            print("made")
        except OSError: print("refused")
    """)
    grown = (watch.inodes(box) - before) * watch.INODE
    assert done.stdout == b"refused\n" or grown > 300 * 60000


async def test_terminals_are_limited_for_each_sandbox(box: Box, python: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch, "MOST_TERMINALS", 40)
    own = await box.terminal(["cat"])
    done = await python("""
        import os, time
        for _ in range(3):
            if os.fork() == 0: break
        held = [os.openpty() for _ in range(30)]
        time.sleep(20)
    """)
    for _ in range(200):
        if watch.terminals(box) <= 40:
            break
        await asyncio.sleep(0.05)
    assert (True, False) == (watch.terminals(box) <= 40, done.timed_out)
    await own.write(b"still here\n")
    assert b"still here" in await own.read()
    own.close()


async def test_only_the_daemon_is_never_ended(box: Box) -> None:
    [daemon] = pids.tree(box.first, pids.everything())
    assert (False, True) == (watch.end(box, daemon, "patience"), (await box.run(["true"])).code == 0)
