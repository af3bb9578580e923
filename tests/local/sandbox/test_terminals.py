"""Terminals in a sandbox: what programs see of them, what they take and print, how they end."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable

import pytest

from agentbay_local.sandbox.box import Box
from agentbay_local.sandbox.contract import Completed, SandboxError, SandboxGone
from agentbay_local.sandbox.programs import BoxTerminal, require_terminal

Run = Callable[..., Awaitable[Completed]]
Until = Callable[[Callable[[], bool]], Awaitable[None]]


async def printed(terminal: BoxTerminal) -> bytes:
    """All that comes until the end, as the lines were written."""
    pieces = []
    while piece := await terminal.read():
        pieces.append(piece)
    return b"".join(pieces).replace(b"\r\n", b"\n")


async def said(box: Box, command: str, **options: object) -> bytes:
    """What a command prints on a terminal of its own."""
    terminal = await box.terminal(["sh", "-c", command], **options)
    try:
        return await printed(terminal)
    finally:
        terminal.close()


async def read_until(terminal: BoxTerminal, mark: bytes) -> bytes:
    seen = b""
    while mark not in seen:
        piece = await terminal.read()
        assert piece, seen
        seen += piece
    return seen


async def test_a_program_sees_a_terminal_of_the_wanted_size_which_it_controls(box: Box) -> None:
    seen = await said(box, "tty; stty size; echo here > /dev/tty", cols=132, rows=43)
    name, size, here = seen.decode().splitlines()
    assert (True, "43 132", "here") == (name.startswith("/dev/pts/"), size, here)


async def test_the_exit_code_comes_after_all_that_was_printed(box: Box) -> None:
    terminal = await box.terminal(["sh", "-c", "seq 20000; exit 7"])
    expected = "".join(f"{number}\n" for number in range(1, 20001)).encode()
    assert (expected, 7) == (await printed(terminal), await terminal.wait())
    terminal.close()


async def test_what_is_typed_is_read_and_echoed(box: Box) -> None:
    terminal = await box.terminal(["sh", "-c", 'read line; echo "got $line"'])
    await terminal.write("größe\n".encode())
    assert "größe\ngot größe\n".encode() == await printed(terminal)
    terminal.close()


async def test_the_interrupt_key_ends_what_runs_in_the_foreground(box: Box) -> None:
    terminal = await box.terminal(["sh", "-c", "trap 'echo caught; exit 3' INT; echo on; while :; do sleep 0.02; done"])
    await read_until(terminal, b"on\r\n")
    await terminal.write(b"\x03")
    assert (b"^Ccaught\n", 3) == (await printed(terminal), await terminal.wait())
    terminal.close()


async def test_a_new_size_is_told_to_the_program(box: Box) -> None:
    terminal = await box.terminal(["sh", "-c", "trap 'stty size; exit' WINCH; echo on; while :; do sleep 0.01; done"])
    await read_until(terminal, b"on")
    terminal.resize(101, 29)
    assert b"29 101\n" in await printed(terminal)
    terminal.close()


async def test_the_callers_folder_and_variables_count(box: Box) -> None:
    assert b"/workspace vt100 hi\n" == await said(
        box, "echo $PWD $TERM $X", cwd="/workspace", env={"TERM": "vt100", "X": "hi"}
    )


async def test_a_mebibyte_can_be_pasted(box: Box) -> None:
    line = b"x" * 63 + b"\n"
    terminal = await box.terminal(["sh", "-c", "stty -echo; echo on; head -c 1048576 | sha256sum"])
    await read_until(terminal, b"on")
    _, seen = await asyncio.gather(terminal.write(line * 16384), printed(terminal))
    expected = (await box.run(["sh", "-c", "sha256sum"], stdin=line * 16384)).stdout
    assert expected == seen.lstrip()
    terminal.close()


async def test_a_program_that_nobody_reads_from_is_held_up_and_goes_on_when_read(box: Box, shell: Run) -> None:
    terminal = await box.terminal(["sh", "-c", "seq 1000000; echo > done"])
    await asyncio.sleep(0.3)
    assert 1 == (await shell("[ -e done ]")).code
    assert (await printed(terminal)).endswith(b"\n1000000\n")
    terminal.close()


async def test_killing_a_terminal_ends_the_jobs_of_its_shell_too(box: Box, shell: Run) -> None:
    terminal = await box.terminal(["sh", "-ic", "sleep 300 & sleep 301 & trap '' HUP; echo on; sleep 302"])
    await read_until(terminal, b"on\r\n")
    terminal.kill()
    assert 137 == await terminal.wait()
    assert 0 == (await shell("while pgrep sleep; do sleep 0.01; done >&2")).code
    terminal.kill()
    terminal.close()


async def test_closing_a_terminal_ends_its_program_and_may_be_repeated(box: Box, shell: Run) -> None:
    terminal = await box.terminal(["sleep", "300"])
    reading = asyncio.create_task(terminal.read())
    await asyncio.sleep(0)
    terminal.close()
    terminal.close()
    assert (b"", b"") == (await reading, await terminal.read())
    await terminal.write(b"nobody reads this")
    terminal.resize(1, 1)
    assert 0 == (await shell("while pgrep sleep; do sleep 0.01; done >&2")).code


async def test_a_child_that_keeps_the_terminal_open_does_not_hold_up_its_end(box: Box) -> None:
    terminal = await box.terminal(["sh", "-c", "setsid sleep 300 & echo started"])
    assert b"started\n" == await printed(terminal)
    assert 0 == await terminal.wait()
    terminal.close()


async def test_a_paused_sandbox_pauses_its_terminals(box: Box) -> None:
    terminal = await box.terminal(["sh", "-c", "stty -echo; read line; echo $line"])
    await asyncio.sleep(0.1)
    await box.pause()
    await terminal.write(b"later\n")
    reading = asyncio.create_task(printed(terminal))
    await asyncio.sleep(0.1)
    assert not reading.done()
    await box.resume()
    assert b"later\n" == await reading
    terminal.close()


async def test_the_end_of_the_sandbox_is_the_end_of_its_terminals(box: Box) -> None:
    terminal = await box.terminal(["sleep", "300"])
    reading = asyncio.create_task(terminal.read())
    await asyncio.sleep(0)
    await box.close()
    assert b"" == await reading
    with pytest.raises(SandboxGone):
        await terminal.wait()


async def test_a_program_or_folder_that_is_not_there_is_an_error_that_names_it(box: Box) -> None:
    with pytest.raises(FileNotFoundError) as caught:
        await box.terminal(["no-such-shell"])
    assert "no-such-shell" == caught.value.filename
    with pytest.raises(FileNotFoundError) as caught:
        await box.terminal(["sh"], cwd="/no/such/folder")
    assert "/no/such/folder" == caught.value.filename


async def test_nothing_is_left_of_terminals(box: Box, shell: Run, until: Until) -> None:
    def count() -> int:
        return len(os.listdir("/proc/self/fd"))

    before = count()
    for _ in range(10):
        assert b"x\n" == await said(box, "echo x")
    with pytest.raises(FileNotFoundError):
        await box.terminal(["no-such-shell"])
    await until(lambda: count() == before)
    assert b"ptmx\n" == (await shell("ls /dev/pts")).stdout
    await until(lambda: count() == before)


async def test_a_terminal_opens_even_at_the_limit_of_processes(box: Box, python: Run) -> None:
    await python("""
        import os, time
        for _ in range(200):
            try:
                if os.fork() == 0:
                    for fd in (0, 1, 2): os.close(fd)
                    time.sleep(300)
            except OSError: pass
    """)
    assert b"in\n" == await said(box, "echo in; kill -9 -1")


def test_only_a_terminal_is_taken_for_one() -> None:
    with open("/dev/null", "rb") as other, pytest.raises(SandboxError):
        require_terminal(other.fileno())
