"""Time limits, crashes, floods: the next call always finds a kernel."""

from __future__ import annotations

import asyncio
import errno
import json
import os
import signal
import sys
from typing import Any

import pytest

from agentbay_local.code import Kernels, driver_argv
from agentbay_local.code.child import PythonKernel
from agentbay_local.code.process import KernelFailed
from tests.local.code.conftest import ChildProcess, ChildSpawner, told

pytestmark = pytest.mark.asyncio(loop_scope="module")

DEAD = "; its variables are gone and the next call starts with a new kernel"


def gone(process: int) -> bool:
    """Ended, though perhaps not yet reaped by whoever inherited it."""
    try:
        with open(f"/proc/{process}/stat") as stat:
            return stat.read().rpartition(")")[2].split()[0] == "Z"
    except (FileNotFoundError, ProcessLookupError):
        return True


@pytest.mark.parametrize("code", [
    "while True: pass", "import time; time.sleep(60)", "import asyncio\nawait asyncio.sleep(60)",
    "import subprocess; subprocess.run(['sleep', '60'])",
])  # fmt: skip
async def test_code_is_stopped_at_its_limit_and_its_variables_stay(fresh: Any, code: str) -> None:
    await fresh.run("mine = 7")
    answer = await fresh.run(code, timeout_s=0.3)
    assert told(answer) == "TimeoutError: the code was stopped after its limit of 0.3 s; its variables were kept"
    assert await fresh.value("mine") == "7"


async def test_code_that_swallows_the_interrupt_costs_the_kernel(fresh: Any) -> None:
    answer = await fresh.run(
        "import time\nmine = 1\nwhile True:\n  try: time.sleep(9)\n  except KeyboardInterrupt: pass", timeout_s=0.2
    )
    assert told(answer) == (
        "TimeoutError: the code was stopped after its limit of 0.2 s; "
        "it did not react to an interrupt, so the kernel was restarted and its variables are gone"
    )
    assert await fresh.value("'mine' in globals()") == "False"


async def test_what_was_printed_before_the_limit_is_kept(fresh: Any) -> None:
    answer = await fresh.run("import time\nprint('so far', flush=True)\ntime.sleep(60)", timeout_s=0.3)
    assert answer["logs"]["stdout"] == ["so far\n"]


@pytest.mark.parametrize(("code", "words"), [
    ("import os; os._exit(3)", "exited with code 3"),
    ("import os; os.kill(os.getpid(), 11)", "was killed by signal 11 (Segmentation fault)"),
    ("import os; os.kill(os.getpid(), 9)", "was killed by signal 9 (Killed), perhaps for want of memory"),
])  # fmt: skip
async def test_a_crash_is_told_and_the_next_call_has_a_fresh_kernel(fresh: Any, code: str, words: str) -> None:
    answer = await fresh.run(f"print('first', flush=True)\n{code}")
    assert told(answer) == f"KernelDied: the python kernel {words}{DEAD}"
    assert (await fresh.run("1"))["execution_count"] == 1


async def test_a_death_between_two_calls_is_told_by_the_next(fresh: Any, eventually: Any) -> None:
    kernel = int(await fresh.value("import os; os.getpid()"))
    os.kill(kernel, signal.SIGKILL)
    await eventually(lambda: not os.path.exists(f"/proc/{kernel}"))  # the driver has noticed
    answer = await fresh.run("print('new')")
    assert answer["logs"]["stdout"] == ["new\n"]
    assert "since the last call; its variables are gone" in answer["logs"]["stderr"][0]


async def test_code_that_kills_its_driver_gets_an_error_and_then_a_new_one(fresh: Any) -> None:
    answer = await fresh.run("import os, time; os.kill(os.getppid(), 9); time.sleep(9)")
    assert told(answer).startswith("KernelDied: the code interpreter ended")
    assert await fresh.value("1") == "1"


async def test_lines_forged_by_the_code_end_the_driver_but_not_the_session(fresh: Any) -> None:
    forge = "import os, time\nwith open(f'/proc/{{os.getppid()}}/fd/1', 'w') as line: line.write({!r})\ntime.sleep(9)"
    for line in ("nonsense\n", "[]\n", "[" * 200_000 + "\n", '{"id": 1, "type": "stdout", "text": 1}\n'):
        answer = await Kernels(fresh.spawner, cwd=fresh.folder).execute("python", forge.format(line))
        assert told(answer).startswith("KernelDied: the code interpreter sent ")


async def test_cancelling_a_call_interrupts_its_code(fresh: Any) -> None:
    await fresh.run("import time; reached = 0")
    call = asyncio.create_task(fresh.run("reached = 1\ntime.sleep(60)\nreached = 2"))
    await asyncio.sleep(0.3)
    call.cancel()
    assert await fresh.value("reached") == "1"
    assert call.cancelled()


async def test_a_flood_of_output_is_cut_with_a_mark(fresh: Any) -> None:
    answer = await fresh.run("print('x' * 30_000_000)\n'done'")
    (text,) = answer["logs"]["stdout"]
    limit = 10 << 20
    assert text[limit:] == "\n[output cut: one call may send back at most 10 Mi characters]\n"
    assert await fresh.value("'still here'") == "'still here'"


async def test_results_without_end_are_cut_with_one_mark(fresh: Any) -> None:
    show = "from IPython.display import HTML, display\ndisplay(HTML('x' * ((10 << 20) - 2000)))\n"
    answer = await fresh.run(show + "for n in range(1000): display(n)\nprint('then')\nn")
    large, *small, mark = [item["text"] for item in answer["results"]]
    assert large.startswith("<IPython")
    assert 0 < len(small) < 10, "each takes more room than its text"
    assert small == [str(n) for n in range(len(small))]
    assert mark == "[further results left out: one call may send back 10485760 characters]"
    assert (told(answer), answer["logs"]["stdout"]) == ("", [])
    assert (await fresh.run("n"))["results"][0]["text"] == "999"


async def test_the_name_of_a_display_takes_room_as_well(fresh: Any) -> None:
    answer = await fresh.run("from IPython.display import display\n_ = display(1, display_id='x' * 20_000_000)")
    (item,) = answer["results"]
    assert item["text"].startswith("[result of 2")


@pytest.mark.parametrize("kind", ["stdout", "result"])
async def test_a_driver_that_sends_without_end_is_ended(fresh: Any, monkeypatch: Any, kind: str) -> None:
    monkeypatch.setattr("agentbay_local.code.kernel.ANSWER_LIMIT", 1 << 20)
    event = {"id": 1, "type": kind, "text": "x" * 999, "data": {"text/plain": "y"}, "main": False}
    line = json.dumps(event) + "\n"
    answer = await fresh.run(
        f"import os\nwith open(f'/proc/{{os.getppid()}}/fd/1', 'w') as lines: lines.write({line!r} * 2000)"
    )
    assert told(answer) == "KernelDied: the code interpreter sent more than one answer may hold and was ended"
    assert await fresh.value("1") == "1"


@pytest.mark.slow
async def test_many_small_outputs_all_arrive(fresh: Any) -> None:
    answer = await fresh.run("from IPython.display import display\nfor i in range(3000): display(i)")
    assert [len(answer["results"]), told(answer)] == [3000, ""]


async def test_a_result_beyond_the_limit_is_left_out_with_a_word(fresh: Any) -> None:
    answer = await fresh.run("from IPython.display import HTML\nHTML('x' * 20_000_000)")
    (item,) = answer["results"]
    assert item["text"].startswith("[result of 2")
    assert [set(item), len(item["text"]) < 200] == [{"text", "is_main_result"}, True]


STOP = "import os, signal; os.kill(os.getppid(), signal.SIGSTOP)"


@pytest.fixture
def impatient(monkeypatch: Any) -> None:
    monkeypatch.setattr("agentbay_local.code.kernel.SPARE_S", 0.0)
    monkeypatch.setattr("agentbay_local.code.kernel.SIGN_S", 0.5)


@pytest.mark.usefixtures("impatient")
async def test_a_driver_that_gives_no_sign_of_life_is_ended(fresh: Any) -> None:
    async with asyncio.timeout(20):
        answer = await fresh.run(STOP, timeout_s=0.2)
    assert told(answer) == "KernelDied: the code interpreter does not answer and was ended"
    assert await fresh.value("1") == "1"


async def test_a_driver_that_is_silent_for_a_reason_goes_on(fresh: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr("agentbay_local.code.kernel.SPARE_S", -29.8)  # as if the time had been up soon
    assert await fresh.value("import time; time.sleep(1); 'on'") == "'on'"


@pytest.mark.usefixtures("impatient")
async def test_a_pause_is_not_taken_for_silence(folder: str) -> None:
    spawner = PausedSpawner(folder)
    kernels = Kernels(spawner, cwd=folder)
    await kernels.start("python")
    spawner.awake.clear()
    call = asyncio.create_task(kernels.execute("python", STOP + "; 'on'", 0.2))
    await asyncio.wait([call], timeout=2)
    assert not call.done()
    os.kill(spawner.children[0].pid, signal.SIGCONT)
    spawner.awake.set()
    assert (await call)["error"] is None
    await kernels.close()


class PausedSpawner(ChildSpawner):
    """Starts nothing while it is paused."""

    def __init__(self, folder: str) -> None:
        super().__init__(folder)
        self.awake = asyncio.Event()
        self.awake.set()

    async def spawn(self, *args: Any, **options: Any) -> ChildProcess:
        await self.awake.wait()
        return await super().spawn(*args, **options)


@pytest.mark.slow
async def test_time_spent_paused_is_not_counted(fresh: Any) -> None:
    kernel = int(await fresh.value("import os, time; os.getpid()"))
    call = asyncio.create_task(fresh.run("time.sleep(0.6); 'slept'", timeout_s=1.5))
    await asyncio.sleep(0.2)
    for process in (fresh.driver(), kernel):
        os.kill(process, signal.SIGSTOP)
    await asyncio.sleep(2)
    for process in (kernel, fresh.driver()):
        os.kill(process, signal.SIGCONT)
    assert told(await call) == ""


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
async def test_a_kernel_does_not_outlive_its_driver(fresh: Any, eventually: Any, how: int) -> None:
    kernel = int(await fresh.value("import os; os.getpid()"))
    os.kill(fresh.driver(), how)
    await eventually(lambda: gone(kernel))


async def test_closing_leaves_no_process_and_no_file(fresh: Any) -> None:
    before = set(os.listdir(fresh.folder))
    kernel = int(await fresh.value("import os; os.getpid()"))
    ours = set(os.listdir(fresh.folder)) - before
    await fresh.kernels.close()
    assert [len(ours), ours & set(os.listdir(fresh.folder))] == [1, set()]
    assert gone(kernel)
    assert await fresh.spawner.children[-1].wait() == 0


async def test_closing_in_the_middle_of_a_call_tells_whoever_waits(fresh: Any) -> None:
    await fresh.run("import time")
    call = asyncio.create_task(fresh.run("time.sleep(60)"))
    await asyncio.sleep(0.1)
    await fresh.kernels.close()
    assert told(await call).startswith("KernelDied: the code interpreter ended")


async def test_a_handler_of_signals_may_print_in_the_middle_of_a_flush(fresh: Any) -> None:
    """The moment that it has to meet is short, so what is held then is held here."""
    answer = await fresh.run(
        "import signal, sys\nsignal.signal(signal.SIGUSR1, lambda *_: print('told', flush=True))\n"
        "with sys.stdout.reading: signal.raise_signal(signal.SIGUSR1)",
        timeout_s=5,
    )
    assert (told(answer), answer["logs"]["stdout"]) == ("", ["told\n"])


async def test_a_kernel_that_cannot_be_forked_leaves_no_pipe(monkeypatch: Any) -> None:
    def refuse() -> int:
        raise BlockingIOError(errno.EAGAIN, "no more processes")

    monkeypatch.setattr(os, "fork", refuse)
    before = os.listdir("/proc/self/fd")
    with pytest.raises(KernelFailed, match="no more processes"):
        PythonKernel()
    assert os.listdir("/proc/self/fd") == before


async def test_without_a_usable_interpreter_the_error_says_what_is_needed(fresh: Any) -> None:
    kernels = Kernels(fresh.spawner, interpreter="/bin/false", cwd=fresh.folder)
    answer = await kernels.execute("python", "1")
    assert told(answer).startswith("KernelDied: the code interpreter did not start. It needs ipykernel")


async def test_the_driver_needs_no_file_of_ours() -> None:
    interpreter, *options, command, language = driver_argv("python", sys.executable)
    assert (interpreter, options, language) == (sys.executable, ["-I", "-c"], "python")
    assert len(command) < 200, "programs inside list it"
