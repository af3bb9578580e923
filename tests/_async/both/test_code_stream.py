"""Code that streams, by the WebSocket of a real runtime: as it happens, many at once, and whatever interrupts it."""

from __future__ import annotations

import contextlib
import time

import pytest

from agentbay import (
    AgentBayError,
    AsyncSession,
    CodeEvent,
    CodeExecutionResult,
    EnhancedCodeExecutionResult,
    ExecutionError,
    ExecutionLogs,
    WsConnectionClosedError,
    WsHandshakeRejectedError,
    WsRemoteError,
)
from agentbay._pairs import async_blocking, async_each
from tests._async.both.conftest import Fresh
from tests.local.code.languages import need

pytestmark = pytest.mark.parametrize("door", ["link"], indirect=True)

SAID = "import sys, time\nsys.stdout.write('out\\n'); time.sleep(0.5); sys.stderr.write('err\\n')\n6 * 7"
SLOWLY = "import time\nfor n in range(3): print(n, flush=True); time.sleep(0.4)"
PRINTING = {
    "python": "print('ü 中 🙂')",
    "javascript": "console.log('ü 中 🙂')",
    "bash": "echo 'ü 中 🙂'",
    "java": 'System.out.println("ü 中 🙂")',
    "r": "cat('ü 中 🙂\\n')",
}
DYING = {
    "python": "import os; os.kill(os.getpid(), 9)",
    "javascript": "process.kill(process.pid, 'SIGKILL'); await new Promise(() => {})",
    "bash": "kill -9 $$",
    "java": 'new ProcessBuilder("sh", "-c", "kill -9 $PPID").start().waitFor()',
    "r": "tools::pskill(Sys.getpid(), 9); Sys.sleep(9)",
}
ANSWER = CodeExecutionResult(text="42", is_main_result=True)


class Heard:
    """The three callbacks of `run_code`, and what they got."""

    def __init__(self) -> None:
        self.out: list[str] = []
        self.err: list[str] = []
        self.errors: list[Exception] = []

    async def run(self, session: AsyncSession, code: str, language: str = "python") -> EnhancedCodeExecutionResult:
        return await session.code.run_code(
            code,
            language,
            stream_beta=True,
            on_stdout=self.out.append,
            on_stderr=self.err.append,
            on_error=self.errors.append,
        )


async def printed(session: AsyncSession, code: str, language: str = "python") -> str:
    """What code prints, streamed, once it is clear that nothing failed."""
    result = await session.code.run_code(code, language, stream_beta=True)
    return "".join(result.unwrap().logs.stdout)


async def test_the_events_of_a_stream_add_up_to_its_result(session: AsyncSession) -> None:
    async with session.code.stream(SAID, "python") as running:
        events = [event async for event in running]
    assert [
        CodeEvent("stdout", "out\n"),
        CodeEvent("stderr", "err\n"),
        CodeEvent("result", "42", result=ANSWER),
    ] == events
    result = running.result
    assert result is not None
    assert (True, ExecutionLogs(["out\n"], ["err\n"]), [ANSWER]) == (result.success, result.logs, result.results)
    assert (running.request_id, True) == (result.request_id, result.execution_time >= 0.5)


async def test_events_come_while_the_code_runs(session: AsyncSession) -> None:
    await printed(session, "0")
    async with session.code.stream(SLOWLY, "python") as running:
        times = [time.monotonic() async for _ in running]
    assert times[-1] - times[0] > 0.4


async def test_callbacks_get_what_is_printed_and_raised(session: AsyncSession) -> None:
    heard = Heard()
    result = await heard.run(session, "print('before'); nowhere")
    error = result.error
    assert isinstance(error, ExecutionError)
    assert (["before\n"], [], [error]) == (heard.out, heard.err, heard.errors)
    assert (False, "NameError", "name 'nowhere' is not defined") == (result.success, error.name, error.value)
    assert "nowhere" in error.traceback


async def test_a_stream_gives_the_result_that_a_single_call_gives(session: AsyncSession) -> None:
    single, streamed = [
        await session.code.run_code("print('x')\n[1, 2]", "python", stream_beta=beta) for beta in (False, True)
    ]
    assert (single.result, single.logs, single.results) == (streamed.result, streamed.logs, streamed.results)
    assert (single.execution_count or 0) + 1 == streamed.execution_count


@pytest.mark.parametrize(("language", "code"), PRINTING.items())
async def test_every_language_streams(session: AsyncSession, language: str, code: str) -> None:
    need(language)
    assert "ü 中 🙂\n" == await printed(session, code, language)


@pytest.mark.slow
@pytest.mark.parametrize(("language", "code"), DYING.items())
async def test_a_kernel_that_dies_is_an_error_and_the_next_call_has_a_new_one(
    session: AsyncSession, language: str, code: str
) -> None:
    need(language)
    heard = Heard()
    result = await heard.run(session, code, language)
    assert isinstance(result.error, ExecutionError)
    assert (False, "KernelDied", [result.error]) == (result.success, result.error.name, heard.errors)
    killed = f"the {language} kernel was killed by signal 9 (Killed), perhaps for want of memory"
    assert result.error.value == f"{killed}; its variables are gone and the next call starts with a new kernel"
    assert "ü 中 🙂\n" == await printed(session, PRINTING[language], language)


async def test_what_the_runtime_refuses_is_a_failed_result(session: AsyncSession) -> None:
    heard: list[AgentBayError] = []
    result = await session.code.run_code("1", "r", 86_401, stream_beta=True, on_error=heard.append)
    text = "run_code: timeoutS must be from 1 to 86400, got 86401"
    assert (False, WsRemoteError, text) == (result.success, type(result.error), result.error_message)
    assert [result.error] == heard


async def test_code_is_stopped_at_its_limit(session: AsyncSession) -> None:
    result = await session.code.run_code("kept = 'kept'\nwhile True: pass", "python", 1, stream_beta=True)
    assert isinstance(result.error, ExecutionError)
    assert (False, "TimeoutError") == (result.success, result.error.name)
    assert "kept\n" == await printed(session, "print(kept)")


async def test_who_leaves_early_lets_the_code_run_on(session: AsyncSession) -> None:
    async with session.code.stream(
        "import time\nprint('on', flush=True)\ntime.sleep(0.3); ran = True", "python"
    ) as left:
        assert "on" == (await left.__anext__()).text.strip()
    assert "True\n" == await printed(session, "print(ran)")


async def test_two_hundred_streams_share_one_connection(session: AsyncSession) -> None:
    found: dict[int, str] = {}

    async def run(number: int) -> None:
        result = await session.code.run_code(f"print({number})", "python", 300, stream_beta=True)
        found[number] = "".join(result.unwrap().logs.stdout)

    await session._channel.open()
    await async_each(run, range(200), 200)
    assert {number: f"{number}\n" for number in range(200)} == found


async def test_ten_mebibytes_reach_a_slow_reader_whole(session: AsyncSession) -> None:
    pieces: list[str] = []

    def slowly(piece: str) -> None:
        time.sleep(0.002)
        pieces.append(piece)

    result = await session.code.run_code(
        "for n in range(10240): print(f'{n:1023}')", "python", stream_beta=True, on_stdout=slowly
    )
    text = "".join(pieces)
    assert (10 << 20, [str(n) for n in range(10240)]) == (len(text), text.split())
    assert [True, pieces] == [result.success, result.logs.stdout]


async def test_the_channel_connects_anew_after_the_server_closed_it(session: AsyncSession) -> None:
    await printed(session, "kept = 'kept'")
    with pytest.raises(WsConnectionClosedError):
        await printed(session, "#" * (17 << 20))  # beyond what the server takes
    assert "kept\n" == await printed_at_last(session, "print(kept)")


async def printed_at_last(session: AsyncSession, code: str) -> str:
    """What code prints; who is quick may send to a connection that is known to be gone only by that."""
    for _ in range(20):
        try:
            return await printed(session, code)
        except WsConnectionClosedError:
            await async_blocking(time.sleep, 0.05)
    return await printed(session, code)


async def test_closing_the_channel_interrupts_the_code(session: AsyncSession) -> None:
    stream = session.code.stream("import time\nprint('on', flush=True)\nat = 1\ntime.sleep(60)\nat = 2", "python")
    async with stream as running:
        await running.__anext__()
        await session._channel.aclose()
    assert "1\n" == "".join((await session.code.run_code("print(at)", "python")).unwrap().logs.stdout)


async def test_sessions_do_not_see_each_other(fresh: Fresh) -> None:
    sessions = [await fresh("code_latest") for _ in range(2)]
    for number, session in enumerate(sessions):
        await printed(session, f"mine = {number}")
    assert ["0\n", "1\n"] == [await printed(session, "print(mine)") for session in sessions]


async def test_the_token_of_another_session_is_refused(fresh: Fresh) -> None:
    one, two = [await fresh("code_latest") for _ in range(2)]
    one.token = two.token
    with pytest.raises(WsHandshakeRejectedError) as caught:
        await one._channel.open()
    assert 401 == caught.value.status_code


async def test_a_paused_session_streams_again_after_its_pause(fresh: Fresh) -> None:
    session = await fresh("code_latest")
    await printed(session, "kept = 'kept'")
    (await session.pause(poll_interval=0.01)).unwrap()
    asleep = await session.code.run_code("1", "python", stream_beta=True)
    assert (False, WsRemoteError, True) == (asleep.success, type(asleep.error), "PAUSED" in asleep.error_message)
    (await session.resume(poll_interval=0.01)).unwrap()
    assert "kept\n" == await printed(session, "print(kept)")


async def test_the_end_of_the_session_ends_a_stream(fresh: Fresh) -> None:
    session = await fresh("code_latest")
    async with session.code.stream("print('on', flush=True)\nimport time; time.sleep(60)", "python") as running:
        await running.__anext__()
        await session.delete()
        # Both ends hang up: either the service's word comes first, or our own does.
        with contextlib.suppress(WsConnectionClosedError):
            assert [] == [event async for event in running if event.text != "\n"]
            assert running.result is not None
            assert (False, "The session has ended.") == (running.result.success, running.result.error_message)
    assert not (running.result and running.result.success)
