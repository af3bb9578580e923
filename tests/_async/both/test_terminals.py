"""Terminals on the runtime, as programs and people use them."""

from __future__ import annotations

import hashlib

import pytest

from agentbay import (
    AsyncAgentBay,
    AsyncPtyHandle,
    AsyncSession,
    PtyError,
    PtyNotConnectedError,
    PtySessionNotFoundError,
    PtyTimeoutError,
    SessionError,
)
from tests._async.both.conftest import Fresh
from tests._async.both.doors import FOLDER, Door

# The mocked server has no WebSocket of its own; what is said on it is compared in test_pty.py.
pytestmark = pytest.mark.parametrize("door", ["link"], indirect=True)

PLAIN = "sh -c 'stty -echo; exec sh'"


async def everything(terminal: AsyncPtyHandle) -> str:
    """All that comes until the end, with plain ends of lines."""
    pieces = [piece async for piece in terminal]
    return b"".join(pieces).decode().replace("\r\n", "\n")


async def read_until(terminal: AsyncPtyHandle, mark: str) -> str:
    """What comes until something is printed."""
    seen = b""
    async for piece in terminal:
        seen += piece
        if mark.encode() in seen:
            break
    assert mark.encode() in seen
    return seen.decode(errors="replace").replace("\r\n", "\n")


async def opened(session: AsyncSession, **options: object) -> AsyncPtyHandle:
    """A terminal whose shell neither echoes nor prompts, so that only output is seen."""
    terminal = await session.pty.create(shell=PLAIN, envs={"PS1": ""}, **options)  # type: ignore[arg-type]
    await terminal.send_input(b"echo re''ady\n")
    await read_until(terminal, "ready\n".replace("\n", "\r\n"))
    return terminal


async def test_a_shell_runs_what_is_typed_and_tells_its_exit_code(session: AsyncSession) -> None:
    async with await session.pty.create() as terminal:
        await terminal.send_input(b"cd /workspace\n")
        await terminal.send_input(b"echo in $PWD on $TERM\n")
        await terminal.send_input(b"exit 3\n")
        seen = await everything(terminal)
        assert (True, 3, 3) == (
            "in /workspace on xterm-256color\n" in seen,
            await terminal.wait(10),
            terminal.exit_code,
        )
    assert not terminal.is_connected


async def test_programs_see_the_size_and_its_change(session: AsyncSession) -> None:
    terminal = await opened(session, cols=132, rows=43)
    await terminal.send_input(b"stty size\n")
    assert "43 132\n" == await read_until(terminal, "\n")
    await terminal.resize(500, 1)
    await terminal.send_input(b"stty size; tput cols; exit\n")
    assert "1 500\n500\n" == await everything(terminal)


async def test_the_interrupt_key_stops_the_program_and_not_the_shell(session: AsyncSession) -> None:
    terminal = await opened(session)
    await terminal.send_input(b"""sh -c 'trap "echo caught; exit 9" INT; echo on; while :; do sleep 0.02; done'\n""")
    await read_until(terminal, "on\r\n")
    await terminal.send_input(b"\x03")
    await terminal.send_input(b"echo still $?; exit\n")
    assert "caught\nstill 9\n" == (await everything(terminal)).lstrip("^C")


async def test_text_of_all_languages_passes(session: AsyncSession) -> None:
    terminal = await opened(session)
    text = "grüße 你好 🎈"
    await terminal.send_input(f"printf '{text}' | tee {FOLDER}/said; exit\n".encode())
    assert text == await everything(terminal)
    assert text == (await session.file_system.read_file(f"{FOLDER}/said")).content


async def test_bytes_that_are_no_text_pass(session: AsyncSession) -> None:
    terminal = await opened(session)
    command = f"head -c 100000 /dev/urandom > {FOLDER}/noise; stty raw; cat {FOLDER}/noise; exit\n"
    await terminal.send_input(command.encode())
    seen = b"".join([piece async for piece in terminal])
    assert seen == (await session.file_system.read_file(f"{FOLDER}/noise", format="bytes")).content


async def test_half_a_character_is_not_kept_back(session: AsyncSession) -> None:
    terminal = await opened(session)
    await terminal.send_input(b"printf 'Stra\\337'; read line; exit\n")
    seen = b""
    async for piece in terminal:
        seen += piece
        if seen == b"Stra\xdf":
            await terminal.send_input(b"on\n")
    assert b"Stra\xdf" == seen


async def test_a_mebibyte_is_pasted_without_loss(session: AsyncSession) -> None:
    terminal = await opened(session)
    data = b"".join(b"%056d pasted\n" % number for number in range(1 << 14))
    await terminal.send_input(b"head -c 1048576 | sha256sum; exit\n")
    await terminal.send_input(data)
    assert hashlib.sha256(data).hexdigest() in await everything(terminal)


async def test_twenty_terminals_do_not_mix(session: AsyncSession) -> None:
    terminals = [await opened(session) for _ in range(20)]
    for number, terminal in enumerate(terminals):
        await terminal.send_input(f"echo terminal {number}; exit {number}\n".encode())
    said = [await everything(terminal) for terminal in terminals]
    assert [f"terminal {number}\n" for number in range(20)] == said
    assert list(range(20)) == [await terminal.wait(10) for terminal in terminals]


async def test_a_program_that_uses_the_whole_screen_is_shown_as_it_draws(session: AsyncSession) -> None:
    terminal = await opened(session, cols=100, rows=30)
    await terminal.send_input(b"tput smcup; tput cup 4 9; printf 'hit a key'; read key; tput rmcup; exit\n")
    seen = await read_until(terminal, "hit a key")
    assert seen == "\x1b[?1049h\x1b[22;0;0t\x1b[5;10Hhit a key"
    await terminal.send_input(b"q\n")
    assert "\x1b[?1049l\x1b[23;0;0t" == await everything(terminal)


async def test_a_flood_is_slowed_down_to_the_reader_and_others_pass(session: AsyncSession) -> None:
    terminal, other = await opened(session), await opened(session)
    await terminal.send_input(b"yes 'the quick brown fox' | head -c 20000000; exit\n")
    async for _ in terminal:
        break
    await other.send_input(b"echo quick; exit\n")
    assert "quick\n" == await everything(other)
    assert (await session.command.run("echo fine")).success
    count = sum([len(piece) async for piece in terminal])
    assert (True, 0) == (count > 10_000_000, await terminal.wait(10))


async def test_a_terminal_is_left_and_taken_up_again(session: AsyncSession) -> None:
    terminal = await opened(session)
    identity = terminal.pty_session_id
    terminal.disconnect()
    with pytest.raises(PtyNotConnectedError):
        await terminal.send_input(b"lost\n")
    assert identity in [one.pty_session_id for one in await session.pty.list()]
    async with await session.pty.connect(identity) as again:
        await again.send_input(b"echo back; exit 4\n")
        assert ("back\n", 4) == (await everything(again), await again.wait(10))
    assert identity not in [one.pty_session_id for one in await session.pty.list()]


async def test_another_client_sees_what_was_printed_while_nobody_was_there(
    client: AsyncAgentBay, session: AsyncSession, door: Door
) -> None:
    async with AsyncAgentBay(door.key, endpoint=door.endpoint) as first:
        there = (await first.get(session.session_id)).unwrap().session
        terminal = await opened(there)
        await terminal.send_input(f"until [ -e {FOLDER}/go ]; do sleep 0.02; done; echo meanwhile; exit 5\n".encode())
    await session.command.run(f"touch {FOLDER}/go; sleep 0.3")
    again = await session.pty.connect(terminal.pty_session_id)
    assert ("meanwhile\n", 5) == (await everything(again), await again.wait(10))


async def test_two_clients_see_one_terminal(session: AsyncSession, door: Door) -> None:
    terminal = await opened(session)
    async with AsyncAgentBay(door.key, endpoint=door.endpoint) as second:
        there = (await second.get(session.session_id)).unwrap().session
        beside = await there.pty.connect(terminal.pty_session_id)
        await beside.send_input(b"echo both; exit\n")
        assert ["both\n"] * 2 == [await everything(one) for one in (terminal, beside)]


async def test_killing_a_terminal_ends_its_jobs(session: AsyncSession) -> None:
    async with await session.pty.create() as terminal:
        await terminal.send_input(b"sleep 1234 & sleep 1235 & echo started jo''bs\n")
        await read_until(terminal, "started jobs")
        await terminal.kill()
        assert 137 == await terminal.wait(10)
    assert 0 == (await session.command.run("while pgrep -f 'sleep 123[45]$'; do sleep 0.02; done", 10_000)).exit_code
    with pytest.raises(PtySessionNotFoundError, match="PTY session not found"):
        await session.pty.kill(terminal.pty_session_id)


async def test_a_wait_that_takes_too_long_leaves_the_terminal(session: AsyncSession) -> None:
    terminal = await opened(session)
    with pytest.raises(PtyTimeoutError):
        await terminal.wait(0.05)
    await terminal.send_input(b"exit\n")
    assert 0 == await terminal.wait(10)


async def test_an_unknown_terminal_cannot_be_connected_to(session: AsyncSession) -> None:
    with pytest.raises(PtySessionNotFoundError, match="PTY session not found: pty-none"):
        await session.pty.connect("pty-none")


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"shell": "no-such-shell"}, "shell no-such-shell cannot be used: No such file or directory"),
        ({"cwd": "/no/such"}, "working directory /no/such cannot be used: No such file or directory"),
        ({"shell": "sh 'open"}, "the shell is no command"),
        ({"envs": {"A B": "x"}}, "Invalid environment variable name"),
    ],
)
async def test_what_cannot_be_started_is_named(session: AsyncSession, options: dict[str, str], complaint: str) -> None:
    with pytest.raises(PtyError, match=complaint):
        await session.pty.create(**options)  # type: ignore[arg-type]


async def test_the_sessions_variables_are_there_and_the_callers_count_more(fresh: Fresh) -> None:
    session = await fresh()
    (await session.env.set({"PTY_A": "session", "PTY_B": "session"})).unwrap()
    async with await session.pty.create(envs={"PTY_B": "call"}, shell="sh -c 'echo $PTY_A $PTY_B'") as terminal:
        assert "session call\n" == await everything(terminal)


async def test_the_end_of_the_session_is_the_end_of_its_terminals(fresh: Fresh) -> None:
    session = await fresh()
    terminal = await opened(session)
    await session.delete()
    with pytest.raises(SessionError):
        await terminal.wait(10)


async def test_terminals_stand_still_in_a_pause(fresh: Fresh) -> None:
    session = await fresh()
    terminal = await opened(session)
    await terminal.send_input(b"i=0; while [ $i -lt 300 ]; do i=$((i+1)); echo $i; sleep 0.001; done; exit\n")
    await read_until(terminal, "10\r\n")
    await session.pause(poll_interval=0.01)
    await session.resume(poll_interval=0.01)
    assert "299\n300\n" == (await everything(terminal))[-8:]
