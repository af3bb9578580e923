"""Hibernation: a paused session's files go to the disk and its programs end; resumed, it has its files again."""

from __future__ import annotations

import asyncio
import json
import os
import resource
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from agentbay_local.app import Runtime
from agentbay_local.keeping import trees
from agentbay_local.sandbox.contract import SandboxError
from agentbay_local.service.session import Session
from agentbay_local.settings import Settings
from tests.local.channel.wire import connect
from tests.local.page.looking import Looker
from tests.local.service.api import Api

MIB = 1 << 20
MAKE = r"""
cd ~; mkdir -p a/b/c empty closed; echo hi >a/b/c/x; ln a/b/c/x a/twin; ln a/b/c/x twin2; ln -s ../nowhere a/link
mkfifo pipe; truncate -s 90M sparse; printf end | dd of=sparse bs=1 seek=93000000 conv=notrunc 2>/dev/null
echo in >closed/in; echo secret >shut; chmod 000 shut closed; chmod 2755 a; echo y >/dev/shm/y
printf x >"$(printf 'na\377me\nnew')"; head -c 3000000 /dev/urandom >/workspace/big; echo t >/tmp/t
touch -d '2001-02-03 04:05:06.123456789' /workspace/big a/b empty; touch -h -d '2002-01-01' a/link
"""
SHOW = r"""
for place in ~ /workspace /tmp/t /dev/shm; do find $place -printf '%p %y %m %s %n %T@ %b %l\n' 2>/dev/null; done | sort
sha256sum /workspace/big ~/sparse ~/a/twin; chmod 700 ~/closed ~/shut; cat ~/closed/in ~/shut; chmod 000 ~/shut ~/closed
stat -c %i ~/twin2 ~/a/twin ~/a/b/c/x | uniq | wc -l
"""
DEEP = """
import os
os.chdir('/tmp')
for _ in range(700):
    {step}os.chdir('a-folder')
open('bottom', '{mode}'){use}
"""


class Hibernating:
    """A runtime that hibernates at once, and a caller of it."""

    def __init__(self, runtime: Runtime, api: Api) -> None:
        self.runtime = runtime
        self.api = api

    def session(self, session_id: str) -> Session:
        found = self.runtime.service.store.find(session_id)
        assert found is not None
        return found

    async def sleep(self, session_id: str) -> None:
        """Pauses a session, and waits until it is hibernated."""
        assert (await self.api.call("PauseSessionAsync", SessionId=session_id)).verdict == (200, "ok")
        await self.slept(session_id)

    async def slept(self, session_id: str) -> None:
        for _ in range(1000):
            session = self.session(session_id)
            if session.asleep is not None and not session.shifting:
                return
            await asyncio.sleep(0.01)
        pytest.fail("it was never hibernated")

    async def begins(self, session_id: str) -> None:
        """Waits until a session is about to be hibernated."""
        session = self.session(session_id)
        for _ in range(5000):
            if session.shifting or session.asleep is not None:
                return
            await asyncio.sleep(0.001)
        pytest.fail("it was never to be hibernated")

    async def wake(self, session_id: str) -> None:
        assert (await self.api.call("ResumeSessionAsync", SessionId=session_id)).verdict == (200, "ok")
        assert await self.api.becomes(session_id, "RUNNING")

    def files(self) -> list[str]:
        folder = self.runtime.service.contexts.folder / "sessions"
        names = os.listdir(folder) if folder.exists() else []
        return [name for name in names if name not in {"runtimes", "lock", "salt"}]


@pytest.fixture
async def place(tmp_path: Path) -> AsyncIterator[Hibernating]:
    settings = Settings(data=tmp_path / "data", warm=1, hibernate=0.05)
    async with Runtime(settings) as runtime, Api(runtime.endpoint, runtime.keys[0]) as api:
        yield Hibernating(runtime, api)


async def test_every_kind_of_file_comes_back_as_it_was(place: Hibernating) -> None:
    session = (await place.api.create())["SessionId"]
    await place.api.shell(session, MAKE)
    before = (await place.api.shell(session, SHOW))["stdout"]
    await place.sleep(session)
    assert len(place.files()) == 2
    await place.wake(session)
    assert (await place.api.shell(session, SHOW))["stdout"] == before
    assert place.files() == []


async def test_folders_too_deep_for_any_path_come_back(place: Hibernating) -> None:
    session = (await place.api.create())["SessionId"]
    make = DEEP.format(step="os.mkdir('a-folder'); ", mode="w", use=".write('here')")
    await place.api.shell(session, f'python3 -c "{make}"')
    await place.sleep(session)
    await place.wake(session)
    read = DEEP.format(step="", mode="r", use=".read() == 'here' or exit(3)")
    assert (await place.api.shell(session, f'python3 -c "{read}"'))["exit_code"] == 0


async def test_programs_are_gone_and_the_session_is_the_same_in_all_else(place: Hibernating) -> None:
    api = place.api
    made = await api.create(ImageId="code_latest", Labels='{"a": "b"}')
    session = made["SessionId"]
    await api.tool(session, "set_env", envs=[{"key": "MARK", "value": "kept"}])
    await api.tool(session, "run_code", code="x = 1", language="python")
    await api.shell(session, "nohup sleep 4321 >/dev/null 2>&1 & echo $! >/tmp/pid")
    link = (await api.call("GetLink", SessionId=session, ProtocolType="https", Port="30100")).data["Url"]
    await place.sleep(session)
    assert (await api.call("GetSession", SessionId=session)).data["Status"] == "PAUSED"
    await place.wake(session)
    code = json.loads((await api.tool(session, "run_code", code="import os; x", language="python")).said[0])
    env = json.loads((await api.tool(session, "run_code", code="os.environ['MARK']", language="python")).said[0])
    again = (await api.call("GetSession", SessionId=session)).data
    assert (code["error"]["name"], "kept" in json.dumps(env["results"])) == ("NameError", True)
    assert (await api.shell(session, "echo $MARK; pgrep -x sleep; cat /tmp/pid | wc -l"))["stdout"] == "kept\n1\n"
    same = ("SessionId", "Token", "AppInstanceId", "ResourceUrl", "LinkUrl", "WsUrl")
    assert [again[name] for name in same] == [made[name] for name in same]
    assert (await api.call("GetLink", SessionId=session, ProtocolType="https", Port="30100")).data["Url"] == link
    assert json.loads((await api.call("GetLabel", SessionId=session)).data["Labels"]) == {"a": "b"}


async def test_a_session_can_be_hibernated_again_and_again(place: Hibernating) -> None:
    session = (await place.api.create())["SessionId"]
    for number in range(4):
        await place.api.shell(session, f"echo {number} >>/workspace/log")
        await place.sleep(session)
        await place.wake(session)
    assert (await place.api.shell(session, "cat /workspace/log"))["stdout"] == "0\n1\n2\n3\n"


async def test_nothing_of_a_hibernated_session_is_in_memory(place: Hibernating) -> None:
    session = (await place.api.create())["SessionId"]
    await asyncio.sleep(0.3)
    boxes = len(place.runtime._engine._boxes)
    await place.sleep(session)
    assert len(place.runtime._engine._boxes) == boxes - 1


async def test_a_session_with_a_call_in_flight_stays_in_memory_and_the_call_is_answered(place: Hibernating) -> None:
    session = (await place.api.create())["SessionId"]
    call = asyncio.create_task(place.api.shell(session, "touch /tmp/begun; sleep 0.3; echo done"))
    await asyncio.sleep(0.15)
    await place.api.call("PauseSessionAsync", SessionId=session)
    await asyncio.sleep(0.3)
    assert (place.session(session).asleep, place.session(session).shifting) == (None, False)
    await place.wake(session)
    assert (await call)["stdout"] == "done\n"


async def test_a_full_disk_leaves_the_session_paused_with_its_programs(
    place: Hibernating, caplog: pytest.LogCaptureFixture
) -> None:
    session = (await place.api.create())["SessionId"]
    await place.api.shell(session, "head -c 9000000 /dev/urandom >/tmp/big; (sleep 2000 >/dev/null 2>&1 &)")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4 * MIB, hard))
    try:
        await place.api.call("PauseSessionAsync", SessionId=session)
        for _ in range(400):
            if "stays in memory" in caplog.text:
                break
            await asyncio.sleep(0.01)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert "make room on its disk" in caplog.text
    assert (await place.api.status(session), place.session(session).asleep, place.files()) == ("PAUSED", None, [])
    await place.wake(session)
    assert (await place.api.shell(session, "pgrep -c sleep; stat -c %s /tmp/big"))["stdout"] == "1\n9000000\n"


async def test_a_resume_while_files_are_packed_wins(place: Hibernating) -> None:
    session = (await place.api.create())["SessionId"]
    await place.api.shell(
        session, "head -c 40000000 /dev/urandom >/tmp/big; sha256sum /tmp/big >/tmp/sum; sleep 900 >/dev/null &"
    )
    for delay in range(8):
        await place.api.call("PauseSessionAsync", SessionId=session)
        await place.begins(session)
        await asyncio.sleep(0.01 * delay)
        await place.wake(session)
        assert (await place.api.shell(session, "sha256sum -c /tmp/sum"))["stdout"] == "/tmp/big: OK\n"
    assert [name for name in place.files() if name.startswith("part-")] == []


async def test_files_that_were_damaged_on_the_disk_are_noticed(place: Hibernating) -> None:
    session = (await place.api.create())["SessionId"]
    await place.api.shell(session, "echo precious-content >/tmp/x")
    await place.sleep(session)
    asleep = place.session(session).asleep
    assert asleep is not None
    stream = place.runtime.service.contexts.folder / "sessions" / asleep.tree
    whole = stream.read_bytes()
    stream.write_bytes(whole.replace(b"precious", b"perverse"))
    refused = await place.api.call("ResumeSessionAsync", SessionId=session)
    assert (refused.verdict, "damaged" in refused.body["Message"]) == ((503, "ServiceUnavailable"), True)
    assert await place.api.status(session) == "PAUSED"
    stream.write_bytes(whole)
    await place.wake(session)
    assert (await place.api.shell(session, "cat /tmp/x"))["stdout"] == "precious-content\n"


async def test_a_hibernated_session_ends_when_its_time_is_over(place: Hibernating) -> None:
    session = (await place.api.create())["SessionId"]
    await place.sleep(session)
    found = place.session(session)
    found.created -= 3600
    found.lifetime = type(found.lifetime)(idle=300, total=60)
    place.runtime.service.changed.set()
    assert await place.api.becomes(session, "FINISH")
    detail = (await place.api.call("GetSessionDetail", SessionId=session)).data
    assert (detail["EndReason"], place.files()) == ("MaxRuntime", [])


async def test_a_session_for_manual_release_sleeps_for_ever(place: Hibernating) -> None:
    session = (await place.api.create(ManualRelease="true"))["SessionId"]
    await place.sleep(session)
    refused = await place.api.call("ReleaseMcpSession", SessionId=session)
    assert (refused.verdict, place.session(session).deadline(0)[0]) == ((400, "InvalidMcpSession.Paused"), float("inf"))
    await place.wake(session)
    assert (await place.api.call("ReleaseMcpSession", SessionId=session)).verdict == (200, "ok")


async def test_what_cannot_be_packed_is_said(place: Hibernating) -> None:
    session = place.session((await place.api.create())["SessionId"])
    sandbox = session.box.sandbox
    with pytest.raises(SandboxError, match="not paused"):
        async with sandbox.attended():
            pass
    process = await trees._started(sandbox, "freeze.py", "/no/such/place")
    with pytest.raises(SandboxError, match="No such file or directory"):
        await trees._require(process, "pack")
    await trees._end(process)


async def test_connections_are_closed_and_say_why(place: Hibernating) -> None:
    made = await place.api.create()
    wire = await connect(place.api, made)
    await wire.send("PTY_SERVER", {"method": "pty.create", "params": {}})
    await wire.next()
    await place.sleep(made["SessionId"])
    closed = await wire.closed()
    assert (closed.code, closed.reason) == (1001, "the session is hibernated: resume it first")
    await wire.socket.close()
    await place.wake(made["SessionId"])
    wire = await connect(place.api, made)
    identity = await wire.send("PTY_SERVER", {"method": "pty.list", "params": {}})
    assert (await wire.rest(identity))[-1]["result"] == {"ptySessionIds": []}
    await wire.socket.close()


async def test_a_hibernated_session_is_counted_and_its_page_says_it(place: Hibernating) -> None:
    made = await place.api.create()
    await place.sleep(made["SessionId"])
    async with place.api.http.get(f"{place.api.endpoint}/metrics") as answer:
        assert "agentbay_sessions_hibernated 1\n" in await answer.text()
    told = await (await Looker.of(place.api, made["SessionId"])).get("/state")
    assert ("PAUSED", True) == (told["state"], told["hibernated"])


async def test_fifty_calls_at_once_of_sessions_that_fall_asleep_leave_no_session_in_between(place: Hibernating) -> None:
    sessions = [(await place.api.create())["SessionId"] for _ in range(3)]
    for session in sessions:
        await place.api.shell(session, "head -c 300000 /dev/urandom >/tmp/x; sha256sum /tmp/x >/tmp/sum")

    async def shake(number: int) -> None:
        await asyncio.sleep(number * 0.02)
        action = ("PauseSessionAsync", "ResumeSessionAsync")[number // 3 % 2]
        await place.api.call(action, SessionId=sessions[number % 3])

    await asyncio.gather(*(shake(number) for number in range(50)))
    for session in sessions:
        if await place.api.status(session) != "RUNNING":
            await place.api.becomes(session, "PAUSED")
            await place.wake(session)
        assert (await place.api.shell(session, "sha256sum -c /tmp/sum"))["stdout"] == "/tmp/x: OK\n"
    assert place.files() == []
