"""Pausing: nothing runs; afterwards everything goes on as it was."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from agentbay_local.sandbox import pids
from agentbay_local.sandbox.box import Box
from agentbay_local.sandbox.contract import Completed, SandboxError, SandboxGone

Run = Callable[..., Awaitable[Completed]]
Until = Callable[[Callable[[], bool]], Awaitable[None]]


def ticks(box: Box) -> int:
    return sum(each.ticks for each in pids.tree(box.first, pids.everything()))


def states(box: Box) -> set[str]:
    return {each.state for each in pids.tree(box.first, pids.everything())}


async def test_no_process_gets_any_time_while_paused_and_all_go_on_afterwards(
    box: Box, shell: Run, until: Until
) -> None:
    await shell("for i in 1 2 3; do (while :; do :; done) & done; (while :; do echo x >> log; done) & true")
    await asyncio.sleep(0.1)
    await box.pause()
    before = ticks(box)
    await asyncio.sleep(0.3)
    assert (before, {"T"}) == (ticks(box), states(box))
    await box.resume()
    await until(lambda: ticks(box) >= before + 3)


async def test_a_call_made_while_paused_is_answered_after_resume(box: Box, shell: Run) -> None:
    await box.pause()
    call = asyncio.create_task(shell("echo later"))
    await asyncio.sleep(0.1)
    assert not call.done()
    await box.resume()
    assert b"later\n" == (await call).stdout


async def test_what_was_stopped_before_stays_stopped(box: Box, shell: Run) -> None:
    await shell("setsid sleep 300 & setsid sleep 301 & true")
    await shell("while ! pkill -STOP -f '^sleep 300'; do sleep 0.01; done")
    await shell("until ps -C sleep -o stat= | grep -q T; do sleep 0.01; done")
    await box.pause()
    await box.resume()
    found = await shell("ps -C sleep -o args=,stat= | sort")
    assert [True, False] == [line.split()[2].startswith("T") for line in found.stdout.decode().splitlines()]


async def test_pausing_and_resuming_again_changes_nothing(box: Box, shell: Run) -> None:
    await box.pause()
    await box.pause()
    await box.resume()
    await box.resume()
    assert b"fine\n" == (await shell("echo fine")).stdout


async def test_a_fork_bomb_can_be_paused(box: Box, python: Run, shell: Run) -> None:
    await python("""
        import os, time
        for fd in (0, 1, 2): os.close(fd)
        if os.fork(): os._exit(0)
        while True:
            try:
                if os.fork() == 0: time.sleep(0.01); os._exit(0)
                os.waitpid(-1, os.WNOHANG)
            except OSError: pass
    """)
    await box.pause()
    before = ticks(box)
    await asyncio.sleep(0.2)
    assert before == ticks(box)
    await box.resume()
    await shell("kill -9 -1")
    assert b"fine\n" == (await shell("echo fine")).stdout


async def test_a_paused_sandbox_tells_its_usage_and_can_be_closed(box: Box, shell: Run) -> None:
    await shell("sleep 300 & true")
    await box.pause()
    call = asyncio.create_task(shell("true"))
    await asyncio.sleep(0.05)
    assert 1 == (await box.usage()).processes
    await box.close()
    with pytest.raises(SandboxGone):
        await call


async def test_a_sandbox_that_has_ended_cannot_be_paused(box: Box) -> None:
    await box.close()
    with pytest.raises(SandboxGone):
        await box.pause()
    await box.resume()


async def test_a_parent_that_waits_for_its_vfork_child_can_be_paused(box: Box, python: Run) -> None:
    await python("""
        import ctypes, os, signal
        if os.fork(): os._exit(0)
        for fd in (0, 1, 2): os.close(fd)
        libc = ctypes.CDLL(None)
        if libc.vfork() == 0:
            while True: libc.pause()
    """)
    await box.pause()
    await box.resume()
    assert 0 == (await box.run(["true"])).code


async def test_a_program_that_goes_on_in_a_child_again_and_again_is_stopped(box: Box, python: Run) -> None:
    await python("""
        import os
        if os.fork(): os._exit(0)
        for fd in (0, 1, 2): os.close(fd)
        while True:
            try:
                if os.fork(): os._exit(0)
            except OSError: pass
    """)
    for _ in range(20):
        await box.pause()
        before = {(each.pid, each.state, each.ticks) for each in pids.kin(box.first, pids.everything())}
        await asyncio.sleep(0.02)
        after = {(each.pid, each.state, each.ticks) for each in pids.kin(box.first, pids.everything())}
        assert (set(), before) == ({state for _, state, _ in before} - {"T", "Z"}, after)
        await box.resume()


async def test_threads_whose_first_one_has_ended_are_stopped_too(box: Box, python: Run, shell: Run) -> None:
    await python("""
        import ctypes, os, threading, time
        if os.fork(): os._exit(0)
        for fd in (0, 1, 2): os.close(fd)
        def count():
            number = 0
            while True:
                number += 1
                with open("/tmp/number", "w") as file: file.write(str(number))
                time.sleep(0.001)
        threading.Thread(target=count).start()
        ctypes.CDLL(None).syscall(60 if os.uname().machine == "x86_64" else 93, 0)
    """)
    await shell("until grep -q ... /tmp/number; do sleep 0.01; done")
    await box.pause()
    async with box.attended():
        first = (await box.run(["cat", "/tmp/number"])).stdout
        await asyncio.sleep(0.1)
        later = (await box.run(["cat", "/tmp/number"])).stdout
    assert first == later
    await box.resume()
    await shell(f'until [ "$(cat /tmp/number)" -gt {int(later or 1)} ] 2>/dev/null; do sleep 0.01; done')


async def test_our_own_calls_are_answered_while_all_else_stands_still(box: Box, shell: Run) -> None:
    await shell("while :; do echo x >>/tmp/log; done >/dev/null 2>&1 & true")
    await box.pause()
    async with box.attended():
        sizes = {(await box.fs("stat", path="/tmp/log"))["size"] for _ in range(20)}
    assert (1, {"T"}) == (len(sizes), states(box))
    await box.resume()
    assert b"fine\n" == (await shell("echo fine")).stdout


async def test_only_a_paused_sandbox_can_be_attended(box: Box) -> None:
    with pytest.raises(SandboxError, match="not paused"):
        async with box.attended():
            pass
