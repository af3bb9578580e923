"""Sessions that come, are used in every way and end in every way, for long: nothing grows."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve

from tests.local.channel.test_pty import ask, everything
from tests.local.channel.wire import connect
from tests.local.conftest import Served, serve
from tests.local.endurance.syncs import bound, synced
from tests.local.endurance.watching import Vitals, memory, opened, vitals
from tests.local.inside import listening
from tests.local.service.api import Api
from tests.local.service.test_contexts import made, put
from tests.local.service.test_contexts_files import fetched
from tests.local.service.test_links import link

AT_ONCE = 10
SESSIONS = 100
SECONDS, NIGHTLY_SECONDS = 40, 600
WARM_UP = 2
"""Waves after which everything that is made once has been made."""
MIB = 1 << 20
GROWTH = 24 * MIB
"""Bytes of memory: finished sessions are remembered for two minutes, and an allocator gives little back."""
MOST_THREADS = 40
PAGES = "cd /tmp; echo page > index.html; python3 -m http.server 30123 >/dev/null 2>&1 &"

Json = dict[str, Any]
Use = Callable[[Api, Json], Awaitable[None]]

# ---- What is done with sessions --------------------------------------------------------------------------------------


async def shell(api: Api, made: Json) -> None:
    """Programs that end, that go on, and that write a lot."""
    session = made["SessionId"]
    done = await api.shell(session, "sleep 1000 & echo out; head -c 300000 /dev/zero | tr '\\0' x; exit 3")
    assert (done["exit_code"], len(done["stdout"]) > 100_000) == (3, True)


async def files(api: Api, made: Json) -> None:
    session = made["SessionId"]
    assert not (await api.tool(session, "write_file", path="/workspace/a", content="x" * 100_000)).said[1]
    text, failed = (await api.tool(session, "read_file", path="/workspace/a")).said
    assert (failed, text) == (False, "x" * 100_000)


async def code(api: Api, made: Json) -> None:
    answer = await api.tool(made["SessionId"], "run_code", language="python", code="print(6 * 7)", timeout_s=30)
    assert "42" in answer.said[0]


async def terminal(api: Api, made: Json) -> None:
    """Two terminals: one comes to its end, one is left open."""
    wire = await connect(api, made)
    for shell in ("sh", "sh -c 'echo hello'"):
        answer = await ask(wire, "pty.create", cols=80, rows=24, shell=shell)
    name = answer["data"]["result"]["ptySessionId"]
    assert await everything(wire, name) == (b"hello\r\n", 0)
    await wire.socket.close()


async def stream(api: Api, made: Json) -> None:
    """Code by the WebSocket, which is left open."""
    wire = await connect(api, made)
    assert await wire.printed(await wire.code("print('streamed')")) == "streamed\n"


async def page(api: Api, made: Json) -> None:
    session = made["SessionId"]
    await api.shell(session, PAGES)
    assert (await api.shell(session, listening(30123)))["exit_code"] == 0
    async with api.http.get(await link(api, session)) as response:
        assert (response.status, await response.text()) == (200, "page\n")


async def pause(api: Api, made: Json) -> None:
    session = made["SessionId"]
    for action in ("PauseSessionAsync", "ResumeSessionAsync"):
        assert (await api.call(action, SessionId=session)).verdict == (200, "ok")
    await api.shell(session, "true")


async def transfer(api: Api, made: Json) -> None:
    """A hidden context, and a file in it."""
    session = made["SessionId"]
    answer = await api.call("GetAndLoadInternalContext", SessionId=session, **{"ContextTypes.1": "file_transfer"})
    [found] = answer.data
    await put(api, found["ContextId"], "/tmp/file-transfer/a", b"x" * 100_000)
    assert await fetched(api, found["ContextId"], "/tmp/file-transfer/a") == b"x" * 100_000


# ---- How they end ----------------------------------------------------------------------------------------------------


async def release(api: Api, made: Json) -> None:
    assert (await api.call("ReleaseMcpSession", SessionId=made["SessionId"])).verdict == (200, "ok")


async def delete(api: Api, made: Json) -> None:
    assert (await api.call("DeleteSessionAsync", SessionId=made["SessionId"])).verdict == (200, "ok")


async def kill(api: Api, made: Json) -> None:
    """All that runs inside, from inside, and then the session."""
    await api.tool(made["SessionId"], "shell", command="kill -9 -1", timeout_ms=5000)
    await release(api, made)


async def leave(api: Api, made: Json) -> None:
    """In the middle of a command, whose caller has gone."""
    call = asyncio.create_task(api.tool(made["SessionId"], "shell", command="sleep 100", timeout_ms=200_000))
    await asyncio.sleep(0.05)
    call.cancel()
    await asyncio.gather(call, return_exceptions=True)
    await release(api, made)


USES: list[list[Use]] = [
    [shell, files, release],
    [code, delete],
    [page, release],
    [terminal, delete],
    [files, pause, release],
    [shell, kill],
    [stream, release],
    [transfer, pause, delete],
    [files, leave],
]


async def kept(api: Api, context: str, number: int) -> None:
    """A session with a context, whose files go both ways."""
    session = await bound(api, context, "/workspace/kept")
    await api.shell(session, f"echo {number} | tee /workspace/kept/last > /workspace/kept/{number % 10}")
    assert [task["status"] for task in await synced(api, session, context)] == ["Success"]
    await release(api, {"SessionId": session})


async def wave(served: Served, number: int) -> None:
    """Some sessions at once, each used in another way, by a caller who goes afterwards."""
    api = Api(served.endpoint, served.key)
    try:
        context = await made(api, "kept")
        await asyncio.gather(kept(api, context, number), *(one(api, uses) for uses in USES))
    finally:
        await api.http.close()


async def one(api: Api, uses: list[Use]) -> None:
    image = "code_latest" if code in uses or stream in uses else "linux_latest"
    opened = await api.create(ImageId=image)
    for use in uses:
        await use(api, opened)


# ---- What is left ----------------------------------------------------------------------------------------------------


async def tasks(served: Served) -> int:
    """How many tasks the server has, as it says itself; the one that answers is not counted."""
    api = Api(served.endpoint, served.key)
    try:
        async with api.http.get(f"{served.endpoint}/metrics") as response:
            lines = (await response.text()).splitlines()
    finally:
        await api.http.close()
    return int(float(next(line for line in lines if line.startswith("agentbay_tasks ")).split()[1])) - 1


async def settled(served: Served, bound: Vitals | None, *folders: Path) -> Vitals:
    """What the server has once it has come to rest, which is when it has no more than it may have."""
    if bound is None:
        await asyncio.sleep(1.5)  # the next sandbox is made ready
    found = vitals(served, *folders, tasks=await tasks(served))
    for _ in range(100):
        before, found = found, vitals(served, *folders, tasks=await tasks(served))
        if not found.exceeds(bound or before):
            break
        await asyncio.sleep(0.1)
    return found


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    """A server with folders of its own."""
    (tmp_path / "temporary").mkdir()
    options = ("--data", str(tmp_path / "data"), "--warm", "1")
    made = serve(*options, TMPDIR=str(tmp_path / "temporary"))
    yield made
    assert (made.stop(), list((tmp_path / "temporary").iterdir())) == (0, [])


@pytest.mark.slow
@pytest.mark.timeout(1200)
async def test_sessions_without_end_leave_nothing_behind(served: Served, tmp_path: Path, nightly: bool) -> None:
    until = time.monotonic() + (NIGHTLY_SECONDS if nightly else SECONDS)
    for number in range(WARM_UP):
        await wave(served, number)
    first, heavy = await settled(served, None, tmp_path / "temporary"), memory(served)
    # Threads of pools come when so many have had work at once, and stay.
    first, usual = evolve(first, threads=MOST_THREADS), opened(served)
    number = WARM_UP
    while time.monotonic() < until or number < SESSIONS // AT_ONCE:
        await wave(served, number)
        number += 1
        rest = await settled(served, first, tmp_path / "temporary")
        assert rest.exceeds(first) == {}, f"after {number * AT_ONCE} sessions: {opened(served) - usual}"
        if number == SESSIONS // AT_ONCE // 2:
            heavy = max(heavy, memory(served))
    grown = memory(served) - heavy
    print(f"{number * AT_ONCE} sessions; {first}; {heavy / MIB:.1f} MiB of memory, and {grown / MIB:+.1f} in the end")
    assert grown < GROWTH
    # Ten contents, what is beside them, and no more: whatever else was stored has been given back.
    assert sum(1 for _ in (tmp_path / "data").rglob("*")) < 30
