"""Programs in a sandbox: started, fed, read, timed and ended."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from agentbay_local.sandbox.box import Box
from agentbay_local.sandbox.contract import Completed

Run = Callable[..., Awaitable[Completed]]


async def test_a_program_gives_its_output_its_errors_and_its_code(shell: Run) -> None:
    assert Completed(3, b"out\n", b"err\n") == await shell("echo out; echo err >&2; exit 3")


async def test_a_program_reads_what_it_is_fed(box: Box) -> None:
    data = bytes(range(256)) * 4096
    assert Completed(0, data, b"") == await box.run(["cat"], stdin=data)


async def test_a_program_that_does_not_read_what_it_is_fed_is_no_problem(box: Box) -> None:
    assert Completed(0, b"", b"") == await box.run(["true"], stdin=b"x" * (1 << 20))


async def test_without_input_a_program_reads_an_empty_one(box: Box) -> None:
    assert Completed(0, b"", b"") == await box.run(["cat"])


async def test_a_signal_that_ends_a_program_is_128_and_its_number(shell: Run) -> None:
    assert 128 + 9 == (await shell("kill -9 $$")).code


async def test_standard_streams_can_be_opened_again_by_name(shell: Run) -> None:
    assert Completed(0, b"a\n", b"b\n") == await shell("echo a > /dev/stdout; echo b > /dev/stderr")


async def test_a_program_starts_in_the_home_folder_or_where_it_is_told(shell: Run) -> None:
    assert b"/home/wuying\n" == (await shell("pwd")).stdout
    assert b"/workspace\n" == (await shell("pwd", cwd="/workspace")).stdout


async def test_the_callers_variables_go_over_the_default_ones(shell: Run) -> None:
    done = await shell('echo "$HOME $USER $LANG $X $http_proxy"', env={"LANG": "C", "X": "é"})
    assert "/home/wuying wuying C é http://127.0.0.1:3128\n" == done.stdout.decode()


async def test_a_program_that_is_not_there_is_an_error_that_names_it(box: Box) -> None:
    with pytest.raises(FileNotFoundError) as caught:
        await box.run(["no-such-program"])
    assert "no-such-program" == caught.value.filename


async def test_a_folder_that_is_not_there_is_an_error_that_names_it(box: Box) -> None:
    with pytest.raises(FileNotFoundError) as caught:
        await box.run(["true"], cwd="/no/such/folder")
    assert "/no/such/folder" == caught.value.filename


@pytest.mark.parametrize("argv", [[], "true", ["a\0b"]])
async def test_a_command_that_is_none_is_refused(box: Box, argv: list[str]) -> None:
    with pytest.raises((ValueError, OSError)):
        await box.run(argv)
    assert 0 == (await box.run(["true"])).code


async def test_a_program_over_its_time_is_killed_with_its_group_and_its_output_kept(shell: Run) -> None:
    done = await shell("echo early; sleep 300 & sleep 300", timeout=0.5)
    assert Completed(137, b"early\n", b"", timed_out=True) == done
    assert 0 == (await shell("while pgrep sleep; do sleep 0.01; done >&2")).code


async def test_a_background_child_outlives_its_program_and_does_not_keep_it_waiting(shell: Run) -> None:
    assert b"started\n" == (await shell("sleep 300 & echo started", timeout=20)).stdout
    assert 0 == (await shell("pgrep sleep")).code


async def test_a_background_child_may_go_on_writing_to_streams_that_nobody_reads_any_more(shell: Run) -> None:
    await shell("(for i in $(seq 20000); do echo more and more output || exit; done; echo > done) & true")
    assert 0 == (await shell("while ! [ -e done ]; do sleep 0.01; done")).code


async def test_output_over_the_limit_is_dropped_and_the_program_goes_on(shell: Run) -> None:
    done = await shell("head -c 3000000 /dev/zero; echo end >&2", max_output=1000)
    assert Completed(0, bytes(1000), b"end\n", dropped_stdout=2_999_000) == done


async def test_an_output_bomb_neither_fills_memory_nor_blocks_others(shell: Run) -> None:
    bomb, other = await asyncio.gather(shell("yes", timeout=1, max_output=10_000), shell("echo fine"))
    assert (True, True, 10_000, b"fine\n") == (bomb.timed_out, bomb.truncated, len(bomb.stdout), other.stdout)


async def test_output_of_exactly_the_limit_is_not_truncated(shell: Run) -> None:
    assert Completed(0, b"12345", b"") == await shell("printf 12345", max_output=5)


async def test_what_is_dropped_of_each_stream_is_counted_to_the_last_byte(shell: Run) -> None:
    done = await shell("printf 123456; head -c 700007 /dev/zero >&2; sleep 300 &", max_output=5)
    assert Completed(0, b"12345", bytes(5), dropped_stdout=1, dropped_stderr=700_002) == done


async def test_a_program_that_writes_into_a_wide_pipe_is_counted_as_well(python: Run) -> None:
    widened = "import fcntl, os; fcntl.fcntl(1, fcntl.F_SETPIPE_SZ, 1 << 20); os.write(1, bytes(1 << 20))"
    assert Completed(0, bytes(10), b"", dropped_stdout=(1 << 20) - 10) == await python(widened, max_output=10)


async def test_a_child_may_go_on_writing_after_its_programs_output_was_cut(shell: Run) -> None:
    noise = (
        "(for i in $(seq 20000); do echo more and more output || exit; done; echo > done) & head -c 100000 /dev/zero"
    )
    assert (await shell(noise, max_output=10)).truncated
    assert 0 == (await shell("while ! [ -e done ]; do sleep 0.01; done")).code


async def test_cancelling_a_run_kills_its_group(shell: Run) -> None:
    work = asyncio.create_task(shell("sleep 300 & sleep 300"))
    await shell("while [ $(pgrep -c sleep) != 2 ]; do :; done")
    work.cancel()
    with pytest.raises(asyncio.CancelledError):
        await work
    assert 0 == (await shell("while pgrep sleep; do sleep 0.01; done >&2")).code


async def test_many_programs_run_at_once(shell: Run) -> None:
    done = await asyncio.gather(*(shell(f"echo {number}") for number in range(30)))
    assert [f"{number}\n".encode() for number in range(30)] == [each.stdout for each in done]


async def test_a_spawned_program_is_talked_with_until_it_ends(box: Box) -> None:
    process = await box.spawn(["sh", "-c", "read line; echo got $line; exit 5"])
    process.writer.write(b"hello\n")
    assert (b"got hello\n", 5) == (await process.reader.readline(), await process.wait())
    process.writer.close()


async def test_what_a_spawned_program_wrote_before_its_end_can_still_be_read(box: Box) -> None:
    process = await box.spawn(["sh", "-c", "echo last words"])
    assert (0, b"last words\n") == (await process.wait(), await process.reader.read())
    process.writer.close()


async def test_a_spawned_program_sees_the_end_of_its_input(box: Box) -> None:
    process = await box.spawn(["cat"])
    process.writer.write(b"all")
    process.writer.write_eof()
    assert (b"all", 0) == (await process.reader.read(), await process.wait())
    process.writer.close()


async def test_a_spawned_program_can_be_killed_with_its_group_and_killed_again(box: Box, shell: Run) -> None:
    process = await box.spawn(["sh", "-c", "sleep 300 & sleep 300"])
    await process.kill()
    await process.kill()
    assert (137, 0) == (await process.wait(), (await shell("while pgrep sleep; do sleep 0.01; done >&2")).code)


async def test_a_spawned_program_that_is_not_there_is_an_error(box: Box) -> None:
    with pytest.raises(FileNotFoundError):
        await box.spawn(["no-such-program"])


async def test_a_terminal_can_be_opened_inside(python: Run) -> None:
    assert b"True\n" == (await python("import os; print(os.isatty(os.openpty()[0]))")).stdout


async def test_signals_and_their_mask_are_the_default_ones(shell: Run) -> None:
    done = await shell("grep -E '^Sig(Blk|Ign)' /proc/self/status")
    assert b"SigBlk:\t0000000000000000\nSigIgn:\t0000000000000000\n" == done.stdout


async def test_orphans_are_reaped(shell: Run) -> None:
    await shell("for i in $(seq 30); do (true &) ; done")
    assert 0 == (await shell("while ps -e -o stat | grep -q Z; do sleep 0.01; done")).code
