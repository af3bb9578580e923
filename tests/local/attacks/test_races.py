"""A program inside swaps folders and links while the host works on the same paths: nothing of the host is ever seen.

Each way in which files come or go is tried for a while, with thousands of swaps, against a canary outside.
"""

from __future__ import annotations

import asyncio
import json
import os
import shlex
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from agentbay_local.app import Runtime
from agentbay_local.settings import Settings
from tests.local.attacks.conftest import Prey
from tests.local.channel.wire import Wire, connect
from tests.local.service.api import Api

CANARY = "canary-of-the-host"
SECONDS = 0.8
AT_ONCE = 4
PLACE = "/tmp/race"
LOOP = """
mkdir -p {place}/real {place}/keep; cd {place}
echo inside > real/f; ln -s {outside} link; ln -s .. up; ln -s /proc/1/root proc; ln -s real d
swap() {{ ln -sfnT "$1" t && mv -T t d; }}
while :; do
  swap {outside}; swap real; swap ..; swap /proc/self/root{outside}; swap /proc/1/root{outside}
  rm -rf d; mv -T real d; mv -T d real; swap real
done
"""

Work = Callable[[int], Awaitable[str]]


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    """A folder of the host that strangers could read, with a file that nobody inside may see or change."""
    folder = tmp_path / "host"
    folder.mkdir()
    (folder / "f").write_text(CANARY)
    for path in (folder, *list(folder.parents)[:3]):
        if os.access(path, os.W_OK) and path != Path("/tmp"):
            path.chmod(path.stat().st_mode | 0o055)
    return folder


@pytest.fixture
async def racing(api: Api, outside: Path) -> AsyncIterator[str]:
    """A session in which the swapping goes on."""
    session = str((await api.create(ImageId="linux_latest"))["SessionId"])
    script = LOOP.format(place=PLACE, outside=shlex.quote(str(outside)))
    await api.shell(session, f"({script}) >/dev/null 2>&1 & sleep 0.05")
    yield session
    await api.shell(session, "pkill -9 sh || true")


async def raced(work: Work) -> str:
    """Works again and again, some at the same time; all that was said."""
    until = time.monotonic() + SECONDS

    async def worker(number: int) -> list[str]:
        said = []
        while time.monotonic() < until:
            said.append(await work(number))
        return said

    lists = await asyncio.gather(*map(worker, range(AT_ONCE)))
    assert all(lists)
    return "\n".join(text for said in lists for text in said)


def unharmed(outside: Path) -> bool:
    return (os.listdir(outside), (outside / "f").read_text()) == (["f"], CANARY)


async def test_the_swapping_is_real(api: Api, racing: str) -> None:
    async def work(_: int) -> str:
        return (await api.tool(racing, "read_file", path=f"{PLACE}/d/f")).said[0]

    said = set((await raced(work)).splitlines())
    assert "inside" in said
    assert any("No such file" in line or "not found" in line for line in said), said


@pytest.mark.parametrize(
    ("tool", "args"),
    [
        ("read_file", {"path": f"{PLACE}/d/f"}),
        ("read_multiple_files", {"paths": [f"{PLACE}/d/f", f"{PLACE}/link/f", f"{PLACE}/proc/f"]}),
        ("list_directory", {"path": f"{PLACE}/d"}),
        ("get_file_info", {"path": f"{PLACE}/d/f"}),
        ("search_files", {"path": f"{PLACE}/d", "pattern": "*"}),
        ("write_file", {"path": f"{PLACE}/d/f", "content": "inside"}),
        ("write_file", {"path": f"{PLACE}/d/new", "content": "inside"}),
        ("edit_file", {"path": f"{PLACE}/d/f", "edits": [{"oldText": "canary", "newText": "x"}]}),
        ("move_file", {"source": f"{PLACE}/d/f", "destination": f"{PLACE}/stolen"}),
        ("delete_file", {"path": f"{PLACE}/d/f"}),
        ("create_directory", {"path": f"{PLACE}/d/made"}),
        ("get_file_change", {"path": f"{PLACE}/d"}),
    ],
)  # fmt: skip
async def test_no_tool_follows_a_link_to_the_host(
    api: Api, racing: str, outside: Path, tool: str, args: object
) -> None:
    async def work(_: int) -> str:
        answer = await api.tool(racing, tool, **args)  # type: ignore[arg-type]
        assert answer.status == 200, answer.body
        return json.dumps(answer.body)

    said = await raced(work)
    assert (True, False) == (unharmed(outside), CANARY in said)
    assert CANARY not in (await api.shell(racing, f"cat {PLACE}/stolen {PLACE}/*/* 2>/dev/null; true"))["stdout"]


async def test_no_way_of_contexts_follows_a_link_to_the_host(api: Api, outside: Path) -> None:
    """Both directions, with bindings at the swapped folder itself and above it."""
    contexts = [str((await api.call("GetContext", Name=f"race-{n}", AllowCreate="true")).data["Id"]) for n in range(2)]
    bound = [{"ContextId": contexts[0], "Path": PLACE}, {"ContextId": contexts[1], "Path": f"{PLACE}/d"}]
    session = str((await api.create(PersistenceDataList=json.dumps(bound)))["SessionId"])
    script = LOOP.format(place=PLACE, outside=shlex.quote(str(outside)))
    await api.shell(session, f"({script}) >/dev/null 2>&1 & sleep 0.05")

    async def work(number: int) -> str:
        for mode in ("upload", "download"):
            await api.call("SyncContext", SessionId=session, ContextId=contexts[number % 2], Mode=mode)
        await asyncio.sleep(0.05)
        return "asked"

    await raced(work)
    await api.call("ReleaseMcpSession", SessionId=session)
    stored = [await everything(api, context) for context in contexts]
    for context in contexts:
        await api.call("DeleteContext", Id=context)
    assert (True, False) == (unharmed(outside), CANARY in json.dumps(stored))


async def everything(api: Api, context: str, folder: str = "/") -> list[str]:
    """The content of all files of a context."""
    found = []
    listed = await api.call("DescribeContextFiles", ContextId=context, ParentFolderPath=folder)
    for entry in listed.data:
        path = entry["FilePath"]
        if entry["FileType"] == "FOLDER":
            found += await everything(api, context, path)
            continue
        url = await api.call("GetContextFileDownloadUrl", ContextId=context, FilePath=path)
        if url.status == 200:
            async with api.http.get(url.data["Url"]) as response:
                found.append(await response.text(errors="replace"))
    return found


async def test_no_watch_tells_of_the_host(api: Api, outside: Path) -> None:
    made = await api.create()
    session = str(made["SessionId"])
    script = LOOP.format(place=PLACE, outside=shlex.quote(str(outside)))
    await api.shell(session, f"({script}) >/dev/null 2>&1 & sleep 0.05")
    wire = await connect(api, made)
    for path in (f"{PLACE}/d", f"{PLACE}/d/", PLACE):
        await wire.send("wuying_filesystem", {"method": "subscribe_file_change", "params": {"path": path}})
    found = await pushes(wire, outside)
    await wire.socket.close()
    # That there were pushes at all; which of the swaps they tell of is chance.
    assert f"{PLACE}/" in found
    assert "only-here" not in found


async def pushes(wire: Wire, outside: Path) -> str:
    """What is pushed for a while, in which files come to the host's folder."""
    found = []
    until = time.monotonic() + SECONDS
    while time.monotonic() < until:
        (outside / f"only-here-{time.monotonic_ns()}").write_text(CANARY)
        try:
            found.append(json.dumps(await asyncio.wait_for(wire.next(), 0.1)))
        except TimeoutError:
            continue
    return "".join(found)


async def test_no_pause_and_no_way_on_changes_that(api: Api, racing: str, outside: Path, prey: Prey) -> None:
    async def work(number: int) -> str:
        if number == 0:
            await api.call("PauseSessionAsync", SessionId=racing)
            await api.call("ResumeSessionAsync", SessionId=racing)
        return json.dumps((await api.tool(racing, "read_file", path=f"{PLACE}/d/f")).body)

    said = await raced(work)
    await api.call("ResumeSessionAsync", SessionId=racing)
    assert await api.becomes(racing, "RUNNING")
    assert (True, False) == (unharmed(outside), CANARY in said)


async def test_no_hibernation_takes_or_writes_anything_of_the_host(outside: Path, tmp_path: Path) -> None:
    """The links are there when the session is packed, and again when it is unpacked."""
    settings = Settings(data=tmp_path / "data", warm=0, keys=("akm-here",), hibernate=0.01)
    async with Runtime(settings) as runtime, Api(runtime.endpoint, "akm-here") as api:
        session = str((await api.create())["SessionId"])
        script = LOOP.format(place=PLACE, outside=shlex.quote(str(outside)))
        links = f"ln -s {shlex.quote(str(outside))} ~/out; ln -s {shlex.quote(str(outside / 'f'))} ~/file"
        await api.shell(session, f"({script}) >/dev/null 2>&1 & {links}; sleep 0.1")
        await api.call("PauseSessionAsync", SessionId=session)
        for _ in range(2000):
            if runtime.service.store.find(session).asleep is not None:  # type: ignore[union-attr]
                break
            await asyncio.sleep(0.01)
        kept = [path.read_bytes() for path in (tmp_path / "data").rglob("*") if path.is_file()]
        await api.call("ResumeSessionAsync", SessionId=session)
        assert await api.becomes(session, "RUNNING")
        seen = (await api.shell(session, f"ls -l ~; cat ~/file ~/out/f {PLACE}/*/* 2>/dev/null; true"))["stdout"]
    assert (True, False) == (bool(kept), any(CANARY.encode() in data for data in kept))
    assert (True, True, False) == (unharmed(outside), "out -> " in seen, CANARY in seen)
