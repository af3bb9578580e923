"""Archives: unpacked on arrival, made on upload, and harmless whatever is in them."""

from __future__ import annotations

import io
import stat
import tarfile
import zipfile
from typing import Any

import pytest

from agentbay_local.contexts import Contexts
from agentbay_local.syncing.tasks import Status
from tests.local.syncing.conftest import PLACE, Bound, Listed, Put, Side

FAILED = Status.FAILED
SUCCESS = Status.SUCCESS
ARCHIVE = {"uploadPolicy": {"uploadMode": "Archive"}}


def zipped(*entries: tuple[str | zipfile.ZipInfo, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w", method) as archive:
        for name, data in entries:
            archive.writestr(name, data)
    return held.getvalue()


def special(name: str, kind: int) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name)
    info.external_attr = (kind | 0o755) << 16
    return info


def tarred(*members: tuple[str, dict[str, Any], bytes], mode: str = "w:gz") -> bytes:
    held = io.BytesIO()
    with tarfile.open(fileobj=held, mode=mode) as archive:  # type: ignore[call-overload]
        for name, facts, data in members:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            for fact, value in facts.items():
                setattr(info, fact, value)
            archive.addfile(info, io.BytesIO(data))
    return held.getvalue()


# --- Unpacking --------------------------------------------------------------------------------------------------------


async def test_a_zip_is_unpacked_beside_itself_and_removed(side: Side, put: Put) -> None:
    program = special("bin/run", stat.S_IFREG)
    link = (special("bin/link", stat.S_IFLNK), b"../a.txt")
    await put("d/pack.zip", zipped(("a.txt", b"hello"), (program, b"#!/bin/sh"), link, ("empty/", b"")))
    assert (SUCCESS, "") == ((await side.down()).status, (await side.down()).error)
    assert "d/pack/a.txt d/pack/bin/link d/pack/bin/run\n" == await side.sh(
        "echo $(find . ! -type d -printf '%P\n' | sort)"
    )
    assert "hello755\n" == await side.sh("cat d/pack/bin/link; stat -c %a d/pack/bin/run; rmdir d/pack/empty")


@pytest.mark.parametrize(
    ("name", "mode"), [("a.tar", "w:"), ("a.tgz", "w:gz"), ("a.tar.xz", "w:xz"), ("a.tar.bz2", "w:bz2")]
)
async def test_tar_archives_are_unpacked_too(side: Side, put: Put, name: str, mode: str) -> None:
    members = (
        ("d", {"type": tarfile.DIRTYPE}, b""),
        ("./d/x", {"mode": 0o755, "mtime": 10**9}, b"data"),
        ("hard", {"type": tarfile.LNKTYPE, "linkname": "d/x"}, b""),
        ("soft", {"type": tarfile.SYMTYPE, "linkname": "d/x"}, b""),
    )
    await put(name, tarred(*members, mode=mode))
    assert SUCCESS == (await side.down()).status
    assert "datadatadata755 1000000000\n" == await side.sh("cd a; cat d/x hard soft; stat -c '%a %Y' d/x")


async def test_a_policy_may_keep_archives_as_they_are(bound: Bound, put: Put) -> None:
    await put("a.zip", zipped(("x", b"1")))
    side = await bound(extractPolicy={"extract": False})
    assert "a.zip\n" == await side.sh("ls")
    both = await bound(extractPolicy={"deleteSrcFile": False, "extractToCurrentFolder": True})
    assert "a.zip\nx\n" == await both.sh("ls")


async def test_a_file_that_was_stored_after_an_archive_wins_over_it(side: Side, bound: Bound, put: Put) -> None:
    await put("a.zip", zipped(("x", b"old"), ("y", b"old")))
    await side.down()
    await side.sh("printf new > a/x")
    await side.end()
    assert "newold" == await (await bound()).sh("cat a/x a/y")


async def test_what_was_unpacked_and_not_changed_is_not_stored_twice(side: Side, put: Put, listed: Listed) -> None:
    await put("a.zip", zipped(("x", b"1"), ("y", b"2")))
    await side.down()
    await side.up()
    await side.sh("printf 3 > a/y")
    await side.up()
    assert {"a.zip", "a/y"} == set(await listed())


BAD = {
    "up": (zipped(("../out", b"x"), ("in", b"y")), "leads out of its folder"),
    "up from a folder": (zipped(("a/../../out", b"x")), "leads out of its folder"),
    "absolute": (zipped(("/tmp/out", b"x")), "leads out of its folder"),
    "link up": (zipped(("in", b"y"), (special("l", stat.S_IFLNK), b"../../out")), "a link that leads out"),
    "link to an absolute path": (zipped((special("l", stat.S_IFLNK), b"/tmp/out")), "a link that leads out"),
    "through a link": (
        zipped((special("l", stat.S_IFLNK), b"sub"), ("l/out", b"x")),
        "it cannot be unpacked: File exists",
    ),
    "device": (zipped((special("dev", stat.S_IFCHR), b"")), "a device or another special file"),
    "bomb": (zipped(("bomb", bytes(40 << 20))), "it cannot be unpacked: File too large"),
    "disk bomb": (
        zipped(*((f"bomb{n}", bytes(7 << 20)) for n in range(4))),
        "it cannot be unpacked: No space left on device",
    ),
    "entries": (zipped(*((f"{n}", b"") for n in range(30))), "too many entries"),
    "no zip": (b"PK\x05\x06 no archive at all", "no archive that can be unpacked"),
    "half a zip": (zipped(("a", b"x" * 100))[:60], "no archive that can be unpacked"),
    "tar up": (tarred(("../out", {}, b"x")), "leads out of its folder"),
    "tar link": (
        tarred(("l", {"type": tarfile.SYMTYPE, "linkname": "/etc"}, b""), ("l/x", {}, b"")),
        "a link that leads out",
    ),
    "tar hard link": (
        tarred(("h", {"type": tarfile.LNKTYPE, "linkname": "../../etc/passwd"}, b"")),
        "leads out of its folder",
    ),
    "tar hard link to nothing": (
        tarred(("h", {"type": tarfile.LNKTYPE, "linkname": "not/there"}, b"")),
        "no archive that can be unpacked",
    ),
    "tar device": (
        tarred(("dev", {"type": tarfile.CHRTYPE, "devmajor": 1, "devminor": 5}, b"")),
        "a device or another",
    ),
    "tar pipe": (tarred(("pipe", {"type": tarfile.FIFOTYPE}, b"")), "a device or another"),
}


@pytest.mark.parametrize(("data", "said"), BAD.values(), ids=list(BAD))
async def test_a_bad_archive_stays_a_file_and_writes_nothing(
    side: Side, put: Put, monkeypatch: pytest.MonkeyPatch, data: bytes, said: str
) -> None:
    monkeypatch.setattr("agentbay_local.syncing.unpacking.MOST_ENTRIES", 20)
    await put("bad.zip", data)
    task = await side.down()
    assert (FAILED, True) == (task.status, said in task.error), task.error
    assert "bad.zip\n" == await side.sh("find . -type f -printf '%P\n'")
    assert "" == await side.sh("find /tmp /home/wuying -xdev -name out")


async def test_a_link_that_is_already_there_is_not_unpacked_through(side: Side, put: Put) -> None:
    await side.sh("mkdir ../victim; mkdir a; ln -s ../../victim a/d")
    await put("a.zip", zipped(("d/x", b"1")))
    task = await side.down()
    assert (FAILED, True) == (task.status, "something else is where the archive has a folder" in task.error)
    assert "" == await side.sh("ls ../victim")


# --- Packing ----------------------------------------------------------------------------------------------------------


async def test_an_upload_as_archive_stores_one_and_comes_back_whole(bound: Bound, listed: Listed) -> None:
    side = await bound(**ARCHIVE)
    await side.sh("mkdir -p d/e empty; printf 1 > d/e/x; chmod 755 d/e/x; touch -d @1000000000 d/e/x; ln -s /etc out")
    await side.sh("printf 2 > 'a:b ü'")
    assert (SUCCESS, {"data.agentbay.zip"}) == ((await side.up()).status, set(await listed()))
    other = await bound(**ARCHIVE)
    assert "12755 1000000000\n/etc\n" == await other.sh(
        "cat d/e/x a:*; stat -c '%a %Y' d/e/x; readlink out; rmdir empty"
    )
    assert "a:b ü\nd\nout\n" == await other.sh("ls -A")


async def test_an_archive_is_made_anew_only_when_something_changed(
    bound: Bound, listed: Listed, store: Contexts
) -> None:
    side = await bound(**ARCHIVE)
    await side.sh("printf 1 > a; printf 2 > b")
    await side.end()
    first = await listed()
    other = await bound(**ARCHIVE)
    await other.end()
    assert first == await listed()
    third = await bound(**ARCHIVE)
    await third.sh("rm a")
    await third.end()
    assert first["data.agentbay.zip"].digest != (await listed())["data.agentbay.zip"].digest
    assert "b\n" == await (await bound(**ARCHIVE)).sh("ls -A")


async def test_excluded_paths_stay_single_files(bound: Bound, listed: Listed) -> None:
    side = await bound(uploadPolicy={"uploadMode": "Archive", "archiveExcludePaths": ["/logs"]})
    await side.sh("mkdir logs; touch logs/a b")
    await side.up()
    assert {"logs/a", "data.agentbay.zip"} == set(await listed())
    await side.sh("rm logs/a")
    await side.up()
    assert {"logs", "data.agentbay.zip"} == set(await listed())


async def test_an_archive_takes_the_place_of_single_files(side: Side, bound: Bound, listed: Listed) -> None:
    await side.sh("printf 1 > a; printf 2 > b")
    await side.end()
    other = await bound(**ARCHIVE)
    await other.sh("printf 3 > a")
    await other.end()
    assert {"data.agentbay.zip"} == set(await listed())
    assert "32" == await (await bound()).sh("cat a b")


async def test_what_cannot_be_read_is_left_out_of_an_archive_and_named(bound: Bound) -> None:
    side = await bound(**ARCHIVE)
    await side.python(r"open(b'\xff', 'w'); open('ok', 'w'); open('no', 'w'); import os; os.chmod('no', 0)")
    task = await side.up()
    assert (FAILED, True) == (task.status, f"{PLACE}/no: Permission denied" in task.error)
    assert "ok\n" == await (await bound()).sh("ls -A")
