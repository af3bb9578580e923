"""Several runtimes on one folder, and runtimes that die: whole changes or none, and nothing stays behind."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import sys
from asyncio.subprocess import PIPE, Process
from pathlib import Path

import pytest

from agentbay_local.contexts import Contexts, NoContext
from tests.local.conftest import environment
from tests.local.contexts.stored import OWNER, blobs, content, made, names, needed, put

ROOT = str(Path(__file__).parents[3])

BEGIN = """
import asyncio, sys
from pathlib import Path
from agentbay_local.contexts import Contexts, New
from tests.local.contexts.stored import OWNER, chunks, made, put
folder, *words = sys.argv[1:]
contexts = Contexts(Path(folder))
def say(*what): print(*what, flush=True)
"""

# Round after round, all files get the number of the round.
ROUNDS = """
async def main():
    context = await made(contexts)
    for number in range(int(words[0]) + 1, 10**6):
        await put(contexts, context, "/", **{f"d{n % 7}_{n}": b"%d" % number * 1000 for n in range(40)})
        say(number)
asyncio.run(main())
"""

# Everything that lasts only as long as the runtime does.
HALFWAY = """
async def main():
    context, other = await made(contexts), await made(contexts, "cleared")
    await contexts.hold(context, "session-1")
    await put(contexts, other, a=b"1")
    await contexts.begin_clear(OWNER, other)
    hidden = await contexts.make_hidden(OWNER, "session-1")
    await put(contexts, hidden.id, a=b"2")
    async with contexts.staging() as staging:
        await staging.take(chunks(b"half" * 1000))
        say("ready")
        await asyncio.sleep(1000)
asyncio.run(main())
"""


async def started(script: str, folder: Path, *words: str) -> Process:
    command = [sys.executable, "-c", BEGIN + script, str(folder), *words]
    where = environment()
    where["PYTHONPATH"] = os.pathsep.join([ROOT, where["PYTHONPATH"]])
    return await asyncio.create_subprocess_exec(*command, env=where, stdout=PIPE)


async def killed(process: Process) -> list[str]:
    """Kills a process; gives all lines that it had said."""
    process.send_signal(signal.SIGKILL)
    said, _ = await process.communicate()
    return said.decode().split()


async def line(process: Process) -> str:
    assert process.stdout is not None
    return (await asyncio.wait_for(process.stdout.readline(), 20)).decode().strip()


async def test_two_runtimes_work_on_one_folder(folder: Path) -> None:
    one, other = Contexts(folder), Contexts(folder)
    ids = await asyncio.gather(*(made(store, f"name {n % 5}") for n in range(20) for store in (one, other)))
    context = ids[0]
    await asyncio.gather(*(put(store, context, **{f"{n}": b"%d" % n}) for n in range(20) for store in (one, other)))
    expected = {f"/{n}": b"%d" % n for n in range(20)}
    assert (len(set(ids)), await content(one, context)) == (5, expected)
    assert (await content(other, context), blobs(folder)) == (expected, needed(folder))
    await one.close()
    await other.close()


async def test_a_runtime_leaves_alone_what_another_one_is_about_to_store(folder: Path) -> None:
    process = await started(HALFWAY, folder)
    assert await line(process) == "ready"
    late = Contexts(folder)
    context = await late.named(OWNER, "one")
    cleared = await late.named(OWNER, "cleared")
    assert (context.state, cleared.state, len(blobs(folder) - needed(folder))) == ("in-use", "clearing", 1)
    await late.close()
    await killed(process)


async def test_what_a_dead_runtime_left_is_tidied_up(folder: Path) -> None:
    process = await started(HALFWAY, folder)
    assert await line(process) == "ready"
    await killed(process)
    late = Contexts(folder)
    context = await late.named(OWNER, "one")
    cleared = await late.named(OWNER, "cleared")
    assert (context.state, cleared.state, await content(late, cleared.id)) == ("available", "available", {})
    assert (blobs(folder), needed(folder)) == (set(), set())
    await late.close()
    assert not [name for name in names(folder) if name.startswith("runtimes/")]


async def test_a_runtime_that_dies_while_another_one_runs_is_noticed(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("agentbay_local.contexts.store._PERIOD", 0.05)
    process = await started(HALFWAY, folder)
    assert await line(process) == "ready"
    store = Contexts(folder)
    assert (await store.named(OWNER, "one")).state == "in-use"
    await killed(process)
    for _ in range(400):
        if (await store.named(OWNER, "one")).state == "available":
            break
        await asyncio.sleep(0.02)
    assert (await store.named(OWNER, "one")).state == "available"
    with pytest.raises(NoContext):
        await store.named(OWNER, "session-1")
    await store.close()


@pytest.mark.parametrize("attempt", range(3))
async def test_a_kill_in_the_middle_of_a_change_leaves_the_change_before_or_after_it(
    folder: Path, attempt: int
) -> None:
    process = await started(ROUNDS, folder, "0")
    first = await line(process)
    await asyncio.sleep(random.uniform(0, 0.1))
    acknowledged = int([first, *await killed(process)][-1])
    store = Contexts(folder)
    found = await content(store, await made(store))
    await store.close()
    [whole] = {value for value in found.values() if isinstance(value, bytes)}
    number = int(whole[: len(whole) // 1000])
    assert (len(found), number in {acknowledged, acknowledged + 1}) == (40, True)
    assert blobs(folder) == needed(folder)
