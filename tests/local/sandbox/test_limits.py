"""Limits hold, and what runs into one leaves the sandbox usable."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from agentbay_local.sandbox import pids, watch
from agentbay_local.sandbox.box import Box
from agentbay_local.sandbox.contract import Completed, Limits

Run = Callable[..., Awaitable[Completed]]

FORK_BOMB = """
    import os, time
    if os.fork(): os._exit(0)
    os.setsid()
    while True:
        try: os.fork()
        except OSError: time.sleep(0.05)
"""


async def test_a_fork_bomb_stops_at_the_limit_and_can_be_ended(
    box: Box, python: Run, shell: Run, limits: Limits
) -> None:
    await python("import os; [os.close(fd) for fd in (0, 1, 2)];" + FORK_BOMB.strip().replace("\n    ", "\n"))
    for _ in range(100):
        count = (await box.usage()).processes
        assert count <= limits.processes + 5
        if count >= limits.processes - 1:
            break
        await asyncio.sleep(0.05)
    assert count >= limits.processes - 1
    await shell("kill -9 -1")
    assert b"fine\n" == (await shell("echo fine")).stdout


async def test_threads_count_as_processes(python: Run, limits: Limits) -> None:
    done = await python("""
        import threading
        threading.stack_size(64 << 10)  # or it would be the memory that ends it
        stop = threading.Event()
        try:
            for number in range(1000): threading.Thread(target=stop.wait).start()
        except RuntimeError: print(number)
        finally: stop.set()
    """)
    assert limits.processes // 2 < int(done.stdout) <= limits.processes


async def test_a_process_over_its_memory_gets_an_error(python: Run) -> None:
    done = await python("""
        try: bytearray(2 << 30)
        except MemoryError: print("refused")
    """)
    assert b"refused\n" == done.stdout


async def test_processes_over_the_memory_of_the_sandbox_are_killed(shell: Run, python: Run) -> None:
    done = await python("""
        import mmap, os, time
        for _ in range(4):
            if os.fork() == 0:
                held = mmap.mmap(-1, 200 << 20)
                for _ in range(200): held.write(bytes(1 << 20))
                time.sleep(300)
        print(os.wait()[1])
    """)
    assert b"9\n" == done.stdout
    assert b"fine\n" == (await shell("pkill python; echo fine")).stdout


@pytest.mark.parametrize(
    ("place", "share"), [("/home/wuying", 1), ("/workspace", 1), ("/tmp", 2), ("/var/tmp", 2), ("/dev/shm", 1)]
)
async def test_a_writable_place_fills_up_at_its_size(shell: Run, limits: Limits, place: str, share: int) -> None:
    done = await shell(f"for n in 1 2 3; do head -c 20M /dev/zero > {place}/$n; done; cat {place}/? | wc -c")
    assert (limits.workspace // share, True) == (int(done.stdout), b"No space left" in done.stderr)


async def test_all_writable_places_are_known(shell: Run) -> None:
    done = await shell("find / -xdev -type d -writable 2>/dev/null; grep -v ' ro,' /proc/mounts | cut -d' ' -f2 | sort")
    devices = [f"/dev/{name}" for name in ("full", "null", "pts", "random", "tty", "urandom", "zero")]
    places = sorted(["/home/wuying", "/workspace", "/tmp", "/dev/shm", "/proc", *devices])
    found = [line for line in done.stdout.decode().split() if line in places or not await is_read_only(shell, line)]
    assert places == sorted(set(found))


async def is_read_only(shell: Run, path: str) -> bool:
    return b"Read-only" in (await shell(f"touch {path}/probe")).stderr


async def test_a_file_over_the_limit_is_cut_off(python: Run) -> None:
    done = await python("""
        import errno, os, signal
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        fd = os.open("/workspace/x", os.O_CREAT | os.O_WRONLY)
        try: os.truncate("/workspace/x", 49 << 20)
        except OSError as error: print(errno.errorcode[error.errno])
    """)
    assert b"EFBIG\n" == done.stdout


async def test_descriptors_are_limited(python: Run, limits: Limits) -> None:
    done = await python("""
        import os
        try:
            while True: last = os.dup(0)
        except OSError: print(last + 1)
    """)
    assert limits.open_files == int(done.stdout)


async def test_no_core_is_dumped_and_no_limit_can_be_raised(python: Run, limits: Limits) -> None:
    done = await python("""
        import resource
        names = ("RLIMIT_NPROC", "RLIMIT_DATA", "RLIMIT_FSIZE", "RLIMIT_NOFILE", "RLIMIT_CORE")
        for name in names:
            kind = getattr(resource, name)
            soft, hard = resource.getrlimit(kind)
            assert soft == hard
            try: resource.setrlimit(kind, (hard + 1, hard + 1))
            except (ValueError, OSError): print(name, hard)
    """)
    values = (limits.processes, limits.memory, limits.file_size, limits.open_files, 0)
    assert list(map(str, values)) == done.stdout.decode().split()[1::2]


async def test_files_without_content_cannot_eat_up_the_host(shell: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch, "INODE", 1 << 20)
    done = await shell("while :; do for i in $(seq 1000); do : > f$i.$((n=n+1)); done; done", timeout=20)
    assert (137, False) == (done.code, done.timed_out)


async def test_usage_tells_processes_memory_time_and_space(box: Box, shell: Run, limits: Limits) -> None:
    await shell("sleep 300 & head -c 10M /dev/zero > /workspace/x; head -c 1M /dev/zero > ~/y")
    await shell("i=0; while [ $i -lt 100000 ]; do i=$((i+1)); done")
    usage = await box.usage()
    assert (1, 11 << 20, 2 * limits.workspace) == (usage.processes, usage.workspace_used, usage.workspace_total)
    assert usage.memory > 1 << 20
    assert usage.cpu_seconds > 0.02


async def test_shared_pages_are_counted_once(python: Run, box: Box) -> None:
    await python("""
        import os, time
        held = bytearray(100 << 20)
        for _ in range(8):
            if os.fork() == 0:
                os.setsid(); time.sleep(300)
    """)
    usage = await box.usage()
    assert (8, True) == (usage.processes, usage.memory < 200 << 20)
    assert sum(each.resident for each in pids.tree(box.first, pids.everything())) > 800 << 20
