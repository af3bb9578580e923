"""A session's files become an image: all of them as they were, whatever the session does to prevent or abuse it."""

from __future__ import annotations

import asyncio
import base64
import io
import json
import os
import threading
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from agentbay_local.app import Runtime
from agentbay_local.images import snapshot, trees
from agentbay_local.images.snapshot import SnapshotFault, plant
from agentbay_local.settings import Settings
from tests.local.conftest import Served, serve
from tests.local.endurance.small_disk import small_disk
from tests.local.images.conftest import Place
from tests.local.service.api import Api

HOME = {"store": "/home/wuying", "mode": 0o755, "times": [1, 2]}
END = {"end": 0}
MAKE = r"""
cd ~; mkdir -p a/b/c empty closed; echo hi >a/b/c/x; ln a/b/c/x a/twin; ln a/b/c/x twin2; ln -s ../nowhere a/link
ln a/link a/link2; truncate -s 90M sparse; printf end | dd of=sparse bs=1 seek=93000000 conv=notrunc 2>/dev/null
echo in >closed/in; echo secret >shut; chmod 000 shut closed; mkdir sticky; chmod 1777 sticky
echo run >run; chmod 755 run
printf x >"$(printf 'na\377me\nnew')"; head -c 3000000 /dev/urandom >/workspace/big
touch -d '2001-02-03 04:05:06.123456789' /workspace/big a/b empty; touch -h -d '2002-01-01' a/link
"""
SHOW = r"""
for place in ~ /workspace; do find $place -mindepth 1 -printf '%p %y %m %s %n %T@ %l %U\n' 2>/dev/null; done |
    sed 's/^\([^ ]* d [0-7]* \)[0-9]* [0-9]*/\1/' | sort
sha256sum /workspace/big ~/sparse ~/a/twin; stat -c %b ~/sparse | awk '{ print $1 < 1000 }'
chmod 700 ~/closed ~/shut; cat ~/closed/in ~/shut; chmod 000 ~/shut ~/closed
"""


def stream(*facts: Any) -> bytes:
    return b"".join(each if isinstance(each, bytes) else json.dumps(each).encode() + b"\n" for each in facts)


def planted(tmp_path: Path, told: bytes, stop: threading.Event | None = None) -> Path:
    """What a stream becomes, in a folder that has something beside and above it."""
    source = tmp_path / "stream"
    source.write_bytes(told)
    (tmp_path / "layer").mkdir()
    with source.open("rb") as opened:
        plant(stop or threading.Event(), opened, tmp_path / "layer" / "files")
    return tmp_path / "layer" / "files"


def file(name: str, data: bytes = b"", **more: Any) -> bytes:
    extents = [[0, len(data)]] if data else []
    fact = {"name": name, "kind": "file", "mode": 0o644, "times": [3, 4], "size": len(data), "extents": extents}
    return stream(fact | more) + data


def folder(name: str) -> dict[str, Any]:
    return {"name": name, "kind": "folder", "mode": 0o755, "times": [5, 6]}


UP = {"up": True}


# --- Streams that nobody should believe -------------------------------------------------------------------------------


def test_a_stream_becomes_a_tree(tmp_path: Path) -> None:
    attributes = {"user.mark": base64.b64encode(b"x").decode(), "user.overlay.opaque": "eQ==", "trusted.x": "eQ=="}
    parts = file("f", b"data", mode=0o6755, attributes=attributes), folder("d"), file("g"), UP
    link = {"name": "l", "kind": "link", "mode": 0o777, "times": [7, 8], "target": "/etc/passwd"}
    pipe = {"name": "p", "kind": "pipe", "mode": 0o644, "times": [1, 1]}
    home = planted(tmp_path, stream(HOME, *parts, link, pipe, END)) / "home" / "wuying"
    assert sorted(os.listdir(home)) == ["d", "f", "l"]
    assert ((home / "f").read_bytes(), os.readlink(home / "l"), os.listdir(home / "d")) == (
        b"data",
        "/etc/passwd",
        ["g"],
    )
    found = (home / "f").stat()
    assert (oct(found.st_mode), found.st_mtime_ns, (home / "d").stat().st_mtime_ns) == (oct(0o100755), 4, 6)
    assert (home.stat().st_mtime_ns, (home / "l").lstat().st_mtime_ns) == (2, 8)
    assert os.listxattr(home / "f") == ["user.mark"]


def test_other_places_than_home_and_workspace_are_passed_over(tmp_path: Path) -> None:
    other = {"store": "/tmp", "mode": 0o1777, "times": [1, 2]}
    work = {"store": "/workspace", "mode": 0o700, "times": [1, 2]}
    parts = folder("d"), file("../f", b"x" * 10), UP, file("g", b"y", twin=3), {"name": "h", "kind": "twin", "twin": 3}
    fine = stream(other, *parts[:1], file("f", b"x" * 10), *parts[2:], work, file("w", b"data", twin=0), END)
    files = planted(tmp_path, fine)
    assert [str(path.relative_to(files)) for path in files.rglob("*")] == ["workspace", "workspace/w"]


@pytest.mark.parametrize(
    "told",
    [
        pytest.param(stream(HOME), id="no end"),
        pytest.param(b"", id="nothing"),
        pytest.param(stream(HOME, {"end": -5}), id="a negative end"),
        pytest.param(b"{", id="no JSON"),
        pytest.param(stream([1], END), id="no object"),
        pytest.param(b"[" * 100_000, id="too deep"),
        pytest.param(b"\xff\xfe\n", id="no text"),
        pytest.param(stream(HOME, file("../f"), END), id="a way up"),
        pytest.param(stream(HOME, file("/etc/f"), END), id="an absolute name"),
        pytest.param(stream(HOME, file("a/b"), END), id="a path"),
        pytest.param(stream(HOME, folder(".."), END), id="the folder above"),
        pytest.param(stream(HOME, folder("."), END), id="this folder"),
        pytest.param(stream(HOME, file(""), END), id="no name"),
        pytest.param(stream(HOME, file("a\0b"), END), id="a name with a zero byte"),
        pytest.param(stream(HOME, file("\ud800"), END), id="half a character"),
        pytest.param(stream(HOME, file("x" * 300), END), id="a long name"),
        pytest.param(stream(HOME, file("f"), file("f"), END), id="a name twice"),
        pytest.param(stream(HOME, folder("d"), UP, folder("d"), UP, END), id="a folder twice"),
        pytest.param(stream(HOME, UP, END), id="out of the top"),
        pytest.param(stream(UP, END), id="out of nowhere"),
        pytest.param(stream(HOME, folder("d"), END), id="an end in a folder"),
        pytest.param(stream(HOME, HOME, END), id="a place twice"),
        pytest.param(stream(HOME, file("f", size=-1), END), id="a negative size"),
        pytest.param(stream(HOME, file("f", size=1 << 62), END), id="an endless size"),
        pytest.param(stream(HOME, file("f", size="many"), END), id="a size in words"),
        pytest.param(stream(HOME, file("f", extents=[[0, 10]])), id="data that is missing"),
        pytest.param(stream(HOME, file("f", extents=[[0, -10]]), END), id="less than no data"),
        pytest.param(stream(HOME, file("f", extents=[[-1, 1]]), b"x", END), id="data before the beginning"),
        pytest.param(stream(HOME, file("f", extents=[[1 << 62, 1]]), b"x", END), id="data beyond all ends"),
        pytest.param(stream(HOME, file("f", extents=[[1]]), END), id="half an extent"),
        pytest.param(stream(HOME, file("f", times=[1 << 200, 0]), END), id="no time"),
        pytest.param(stream(HOME, file("f", attributes={"user.x": "?"}), END), id="an attribute that is none"),
        pytest.param(stream(HOME, {"name": "l", "kind": "link", "target": ""}, END), id="a link to nothing"),
        pytest.param(stream(HOME, {"name": "l", "kind": "link", "target": "x" * 5000}, END), id="a long link"),
        pytest.param(stream({"store": "/tmp"}, file("f", extents=[[0, -1 << 40]]), END), id="data that is passed over"),
    ],
)
def test_a_stream_that_is_not_in_order_is_refused(tmp_path: Path, told: bytes) -> None:
    with pytest.raises(SnapshotFault, match="cannot be kept as an image"):
        planted(tmp_path, told)
    assert sorted(os.listdir(tmp_path)) == ["layer", "stream"]


def test_a_link_is_no_way_out_for_what_comes_after_it(tmp_path: Path) -> None:
    link = {"name": "d", "kind": "link", "times": [1, 1], "target": str(tmp_path)}
    for number, after in enumerate((folder("d"), file("d", b"x"))):
        (tmp_path / str(number)).mkdir()
        with pytest.raises(SnapshotFault):
            planted(tmp_path / str(number), stream(HOME, link, after, file("in"), UP, END))
    assert sorted(os.listdir(tmp_path)) == ["0", "1"]


def test_there_is_a_limit_of_entries(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(snapshot, "MOST_ENTRIES", 3)
    with pytest.raises(SnapshotFault, match="more than 3"):
        planted(tmp_path, stream(HOME, *(file(str(number)) for number in range(3)), END))


def test_it_can_be_stopped(tmp_path: Path) -> None:
    stop = threading.Event()
    stop.set()
    with pytest.raises(SnapshotFault):
        planted(tmp_path, stream(HOME, END), stop)


def test_no_descriptor_stays_open(tmp_path: Path) -> None:
    before = len(os.listdir("/proc/self/fd"))
    for number, told in enumerate(
        (stream(HOME, folder("d"), file("f", b"x"), UP, END), stream(HOME, folder("d"), END))
    ):
        (tmp_path / str(number)).mkdir()
        try:
            planted(tmp_path / str(number), told)
        except SnapshotFault:
            assert number == 1
    assert len(os.listdir("/proc/self/fd")) == before


def test_thousands_of_folders_below_each_other_are_made(tmp_path: Path) -> None:
    depth = 1500
    files = planted(tmp_path, stream(HOME, *[folder("d")] * depth, *[UP] * depth, END))
    trees.remove(files)
    assert not files.exists()


# --- Sessions ---------------------------------------------------------------------------------------------------------


async def test_every_kind_of_file_is_in_a_fork_as_it_was(place: Place) -> None:
    origin = await place.create()
    await place.says(origin, MAKE)
    told = await place.take(origin, "ready")
    assert (told["Name"], told["Family"], 3_000_000 < told["Size"] < 4_000_000) == ("ready", "linux_latest", True)
    fork = await place.create("ready")
    assert await place.says(fork, SHOW) == await place.says(origin, SHOW)


async def test_what_is_only_for_the_moment_is_not_kept(place: Place) -> None:
    origin = await place.create()
    await place.says(origin, "echo x >/tmp/x; mkfifo ~/pipe; echo y >/dev/shm/y; nohup sleep 4321 >/dev/null 2>&1 &")
    await place.take(origin, "ready")
    fork = await place.create("ready")
    assert await place.says(fork, "ls -A ~; ls /tmp/x /dev/shm/y 2>/dev/null; pgrep -x sleep") == ""
    assert (await place.says(origin, "cat /tmp/x; pgrep -xc sleep")) == "x\n1\n"


async def test_the_session_stands_still_meanwhile_and_goes_on(place: Place) -> None:
    """A program writes two files in turn, always the first one first: so the copies can differ by one at most."""
    origin = await place.create()
    count = "i=0; while :; do i=$((i+1)); echo $i >~/.n; mv ~/.n ~/one; echo $i >~/.n; mv ~/.n ~/two; done"
    await place.says(origin, f"nohup sh -c '{count}' >/dev/null 2>&1 & sleep 0.2")
    await place.take(origin, "ready")
    fork = await place.create("ready")
    one, two = map(int, (await place.says(fork, "cat one two")).split())
    assert one - two in {0, 1}
    assert int(await place.says(origin, "cat two")) >= two


async def test_paused_and_hibernated_sessions_can_be_kept_too_and_stay_so(resting: Place) -> None:
    origin = await resting.create()
    await resting.says(origin, "echo paused >~/file; echo tmp >/tmp/file")
    await resting.hibernated(origin)
    await resting.take(origin, "asleep")
    assert await resting.api.status(origin) == "PAUSED"
    await resting.resumed(origin)
    assert await resting.says(origin, "cat ~/file /tmp/file") == "paused\ntmp\n"
    fork = await resting.create("asleep")
    assert await resting.says(fork, "cat ~/file; ls /tmp/file 2>/dev/null") == "paused\n"


async def test_a_session_that_is_paused_by_its_owner_stays_paused(place: Place) -> None:
    origin = await place.create()
    await place.says(origin, "echo here >~/file")
    await place.api.call("PauseSessionAsync", SessionId=origin)
    await place.take(origin, "paused")
    assert await place.api.status(origin) == "PAUSED"
    fork = await place.create("paused")
    assert await place.says(fork, "cat ~/file") == "here\n"


async def test_a_pause_meanwhile_comes_first(place: Place) -> None:
    origin = await place.create()
    await place.says(origin, "head -c 200M /dev/zero | tr '\\0' x >~/large")
    taking = asyncio.create_task(place.ask({"session": origin, "name": "ready"}))
    for _ in range(5000):
        if place.session(origin).shifting:
            break
        await asyncio.sleep(0.001)
    assert (await place.api.call("PauseSessionAsync", SessionId=origin)).verdict == (200, "ok")
    answer = await taking
    assert answer.verdict in {(400, "InvalidMcpSession.Paused"), (200, "ok")}
    assert await place.api.status(origin) == "PAUSED"
    if answer.status == 400:
        assert place.layers() == []
    await place.resumed(origin)
    assert await place.says(origin, "stat -c %s ~/large") == "209715200\n"


# --- Who may, and what cannot be --------------------------------------------------------------------------------------


async def test_only_the_owner_of_a_session_may_keep_it(runtime: Served) -> None:
    async with Api(runtime.endpoint, runtime.key) as api, Api(runtime.endpoint, runtime.other_key) as stranger:
        made = await api.create()
        told = {"session": made["SessionId"], "name": "stolen"}
        other = await stranger.post("/images", json=told, headers={"Authorization": f"Bearer {stranger.key}"})
        none = await stranger.post(
            "/images",
            json={"session": "session-none", "name": "stolen"},
            headers={"Authorization": f"Bearer {stranger.key}"},
        )
        nobody = await stranger.post("/images", json=told)
        wrong = await stranger.post("/images", json=told, headers={"X-Access-Token": "wrong"})
    assert other.verdict == none.verdict == wrong.verdict == (400, "InvalidMcpSession.NotFound")
    assert nobody.verdict == (400, "NOT_LOGIN")


async def test_a_sessions_own_token_opens_the_door_as_well(place: Place) -> None:
    made = await place.api.create()
    answer = await place.ask({"session": made["SessionId"], "name": "ready"}, **{"X-Access-Token": made["Token"]})
    assert answer.verdict == (200, "ok")


@pytest.mark.parametrize(
    ("told", "code", "word"),
    [
        ([], "InvalidParameter", "JSON object"),
        ({"name": "x"}, "MissingParameter", "session"),
        ({"session": "session-x"}, "MissingParameter", "name"),
        ({"session": 1, "name": "x"}, "InvalidParameter", "session"),
        ({"session": "session-x", "name": "x", "replace": "yes"}, "InvalidParameter", "replace"),
    ],
)
async def test_what_is_asked_wrongly_is_named(runtime: Served, told: Any, code: str, word: str) -> None:
    async with Api(runtime.endpoint, runtime.key) as api:
        answer = await api.post("/images", json=told, headers={"Authorization": f"Bearer {api.key}"})
    assert (answer.verdict, word in answer.body["Message"]) == ((400, code), True)


async def test_names_are_held_to_their_rule_and_to_being_new(place: Place) -> None:
    origin = await place.create()
    await place.take(origin, "ready")
    unfit = await place.ask({"session": origin, "name": "linux_latest"})
    taken = await place.ask({"session": origin, "name": "ready"})
    assert (unfit.verdict, taken.verdict) == ((400, "InvalidParameter"), (400, "Image.AlreadyExists"))
    assert (await place.take(origin, "ready", replace=True))["Name"] == "ready"
    assert len(place.layers()) == 1


async def test_a_full_disk_leaves_nothing_behind(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    origin = await place.create()
    await place.says(origin, "echo x >~/x")
    monkeypatch.setattr(os, "sendfile", full)
    answer = await place.ask({"session": origin, "name": "ready"})
    monkeypatch.undo()
    assert (answer.verdict, "make room" in answer.body["Message"]) == ((503, "ServiceUnavailable"), True)
    assert (place.layers(), await place.says(origin, "cat ~/x")) == ([], "x\n")
    await place.take(origin, "ready")


@pytest.mark.slow
async def test_a_disk_that_is_really_full_is_told_and_has_nothing_of_it(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", "4m") as disk:
        async with Api(disk.server.endpoint, disk.server.key) as api:
            origin = (await api.create())["SessionId"]
            told, key = {"session": origin, "name": "ready"}, {"Authorization": f"Bearer {api.key}"}
            images = disk.seen / "data" / "images"
            for size in ("3M", "5M"):  # without room for the image, and for the copy that it is made from
                await api.shell(origin, f"head -c {size} /dev/urandom >~/file")
                answer = await api.post("/images", json=told, headers=key)
                assert (answer.verdict, "make room" in answer.body["Message"]) == ((503, "ServiceUnavailable"), True)
                assert [path.name for path in images.rglob("part-*")] + [
                    path.name for path in images.glob("*.json")
                ] == []
            await api.shell(origin, "head -c 1M /dev/urandom >~/file")
            assert (await api.post("/images", json=told, headers=key)).verdict == (200, "ok")
            fork = (await api.create(ImageId="ready"))["SessionId"]
            show = "sha256sum ~/file"
            assert (await api.shell(fork, show))["stdout"] == (await api.shell(origin, show))["stdout"]


@pytest.mark.slow
async def test_a_server_that_is_killed_meanwhile_leaves_nothing_that_the_next_one_keeps(tmp_path: Path) -> None:
    data = tmp_path / "data"
    first = serve("--data", str(data), "--warm", "0")
    try:
        async with Api(first.endpoint, first.key) as api:
            origin = (await api.call("CreateMcpSession")).data["SessionId"]
            await api.shell(origin, "head -c 200M /dev/zero | tr '\\0' x >~/large")
            told, key = {"session": origin, "name": "ready"}, {"Authorization": f"Bearer {api.key}"}
            taking = asyncio.create_task(api.post("/images", json=told, headers=key))
            for _ in range(2000):
                if [*data.rglob("part-*")]:
                    break
                await asyncio.sleep(0.005)
            first.process.kill()
            with pytest.raises(aiohttp.ClientError):
                await taking
    finally:
        first.process.kill()
        first.process.wait()
    assert [*data.rglob("part-*")] != []
    async with Runtime(Settings(data=data, warm=0)) as runtime, Api(runtime.endpoint, runtime.keys[0]) as api:
        place = Place(runtime, api)
        origin = await place.create()
        await place.take(origin, "ready")
        assert [*data.rglob("part-*")] == []
        assert [each.name for each in runtime.service.gallery.store.all()] == ["ready"]


async def test_no_body_leaves_the_server_unwell(runtime: Served) -> None:
    async with Api(runtime.endpoint, runtime.key) as api:
        key = {"Authorization": f"Bearer {api.key}"}
        for body in (b"", b"\xff", b"[" * 60_000):
            answer = await api.post("/images", data=io.BytesIO(body), headers=key)
            assert answer.verdict == (400, "InvalidParameter")


async def test_a_large_body_is_read_of_nobody_and_not_to_its_end(runtime: Served) -> None:
    async with Api(runtime.endpoint, runtime.key) as api:
        body = json.dumps({"session": "x" * 100_000, "name": "x"})
        nobody = await api.post("/images", data=body)
        known = await api.post("/images", data=body, headers={"Authorization": f"Bearer {api.key}"})
        token = await api.post("/images", data=body, headers={"X-Access-Token": "any"})
    assert nobody.verdict == (400, "NOT_LOGIN")
    assert known.verdict == token.verdict == (413, "RequestEntityTooLarge")
