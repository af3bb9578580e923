"""Files as the sandbox sees them."""

from __future__ import annotations

import errno
import os
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from agentbay_local.sandbox.box import Box
from agentbay_local.sandbox.contract import Completed

Run = Callable[..., Awaitable[Completed]]


async def write(box: Box, path: str, data: bytes) -> None:
    fd = await box.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    with os.fdopen(fd, "wb") as file:
        file.write(data)


async def test_a_file_written_from_outside_is_read_inside(box: Box, shell: Run) -> None:
    await write(box, "note", b"hello")
    assert b"hello" == (await shell("cat /home/wuying/note")).stdout


async def test_a_file_written_inside_is_read_from_outside(box: Box, shell: Run) -> None:
    await shell("printf inside > /workspace/x")
    with os.fdopen(await box.open("/workspace/x", os.O_RDONLY), "rb") as file:
        assert b"inside" == file.read()


@pytest.mark.parametrize(
    ("make", "number"),
    [
        ("mkdir x", errno.EISDIR),
        ("mkfifo x", errno.EINVAL),
        ("ln -s /dev/zero x", errno.EINVAL),
        ("ln -s /dev/tty x", errno.ENXIO),
        ("true", errno.ENOENT),
        ("touch x; chmod 000 x", errno.EACCES),
        ("ln -s x x", errno.ELOOP),
    ],
)
async def test_what_is_no_readable_file_is_refused_without_waiting(
    box: Box, shell: Run, make: str, number: int
) -> None:
    await shell(make)
    with pytest.raises(OSError, match="x") as caught:
        await box.open("x", os.O_RDONLY)
    assert number == caught.value.errno


async def test_a_fifo_cannot_hold_up_a_writer_either(box: Box, shell: Run) -> None:
    await shell("mkfifo x")
    with pytest.raises(OSError, match="x"):
        await box.open("x", os.O_WRONLY)


async def test_a_link_out_of_the_sandbox_leads_to_a_file_of_the_sandbox(box: Box, shell: Run) -> None:
    await shell("ln -s /etc/passwd x; ln -s ../../../../../../../etc/hostname y")
    with os.fdopen(await box.open("x", os.O_RDONLY)) as file:
        assert "wuying" in file.read()
    with pytest.raises(FileNotFoundError):
        await box.open("y", os.O_RDONLY)


async def test_stat_tells_size_mode_and_type(box: Box, shell: Run) -> None:
    await shell("printf 12345 > f; chmod 640 f; ln -s f l; mkdir d; mkfifo p")
    found = {name: await box.fs("stat", path=name, follow=False) for name in "fldp"}
    assert ["file", "symlink", "directory", "other"] == [each["type"] for each in found.values()]
    assert (5, 0o640, "file") == (
        found["f"]["size"],
        found["f"]["mode"] & 0o777,
        (await box.fs("stat", path="l"))["type"],
    )


async def test_a_folder_is_listed_by_name(box: Box, shell: Run) -> None:
    await shell("mkdir b; touch c; ln -s b a; mkfifo d")
    kinds = {"a": "symlink", "b": "directory", "c": "file", "d": "other"}
    assert [{"name": name, "type": kind} for name, kind in kinds.items()] == await box.fs("list", path=".")


async def test_names_that_are_not_utf_8_survive(box: Box, shell: Run) -> None:
    await shell(r'touch "$(printf "\377")" é')
    names = [entry["name"] for entry in await box.fs("list", path=".")]
    assert [b"\xc3\xa9", b"\xff"] == [os.fsencode(name) for name in names]
    await box.fs("remove", path=names[1])
    assert 1 == len(await box.fs("list", path="."))


async def test_folders_are_made_with_their_parents_if_wanted(box: Box) -> None:
    await box.fs("mkdir", path="a/b/c", parents=True)
    await box.fs("mkdir", path="a/b/c", parents=True)
    with pytest.raises(FileExistsError):
        await box.fs("mkdir", path="a", parents=False)
    with pytest.raises(FileNotFoundError):
        await box.fs("mkdir", path="x/y", parents=False)


async def test_a_path_of_very_many_folders_is_made_and_the_sandbox_lives_on(box: Box, shell: Run) -> None:
    deep = "/".join(["d"] * 1900)
    await box.fs("mkdir", path=deep, parents=True)
    assert "directory" == (await box.fs("stat", path=deep))["type"]
    assert 0 == (await shell("rm -r d")).code


@pytest.mark.parametrize(
    ("path", "error"), [("f/x", NotADirectoryError), ("f", FileExistsError), ("l", FileExistsError)]
)
async def test_no_folder_is_made_where_something_else_stands_in_the_way(
    box: Box, shell: Run, path: str, error: type[OSError]
) -> None:
    await shell("touch f; ln -s nowhere l")
    with pytest.raises(error):
        await box.fs("mkdir", path=path, parents=True)


async def test_a_file_is_removed_and_a_folder_is_not(box: Box, shell: Run) -> None:
    await shell("touch f; mkdir d")
    await box.fs("remove", path="f")
    with pytest.raises(IsADirectoryError):
        await box.fs("remove", path="d")
    assert ["d"] == [entry["name"] for entry in await box.fs("list", path=".")]


async def test_a_rename_replaces_a_file_if_it_may_but_no_folder(box: Box, shell: Run) -> None:
    await shell("echo a > a; echo b > b; mkdir d")
    await box.fs("rename", source="a", destination="b", replace=True)
    assert b"a\n" == (await shell("cat b")).stdout
    with pytest.raises(IsADirectoryError):
        await box.fs("rename", source="b", destination="d", replace=True)


async def test_a_rename_does_not_replace_unasked(box: Box, shell: Run) -> None:
    await shell("echo a > a; echo b > b")
    with pytest.raises(FileExistsError):
        await box.fs("rename", source="a", destination="b")
    await box.fs("rename", source="a", destination="c")
    assert b"b\na\n" == (await shell("cat b c")).stdout


async def test_a_scan_finds_all_and_follows_no_link(box: Box, shell: Run) -> None:
    await shell("mkdir -p t/u; printf 123 > t/u/f; ln -s / t/l; mkdir t/closed; touch t/closed/x; chmod 000 t/closed")
    found = await box.fs("scan", path="t", limit=100, budget_s=10.0)
    kinds = {"t/closed": "directory", "t/l": "symlink", "t/u": "directory", "t/u/f": "file"}
    assert (False, kinds) == (found["truncated"], {each["path"]: each["type"] for each in found["entries"]})


async def test_a_scan_stops_at_its_limit(box: Box, shell: Run) -> None:
    await shell("touch $(seq 50)")
    found = await box.fs("scan", path=".", limit=10, budget_s=10.0)
    assert (True, 10) == (found["truncated"], len(found["entries"]))


SCAN = """
    import os, resource, sys, time
    sys.path.insert(0, "/run/agentbay")
    from boxfs import walk
    used = max(map(int, os.listdir("/proc/self/fd")))
    resource.setrlimit(resource.RLIMIT_NOFILE, (used + {more}, used + {more}))
    try:
        print(len(walk("t", 10_000, time.monotonic() + 30)["entries"]))
    except OSError as error:
        print(error.strerror)
"""


async def test_a_scan_needs_no_descriptor_for_a_folder_that_waits_its_turn(shell: Run, python: Run) -> None:
    await shell("mkdir t; cd t; mkdir $(seq 300); for i in $(seq 300); do : > $i/f; done")
    assert b"600\n" == (await python(SCAN.format(more=2))).stdout


async def test_a_scan_without_descriptors_fails_instead_of_leaving_folders_out(shell: Run, python: Run) -> None:
    await shell("mkdir -p t/a/b")
    assert b"Too many open files\n" == (await python(SCAN.format(more=0))).stdout


async def test_a_scan_of_nothing_is_an_error(box: Box) -> None:
    with pytest.raises(FileNotFoundError):
        await box.fs("scan", path="/nope", limit=10, budget_s=1.0)


async def test_a_big_tree_is_scanned_and_listed_whole(box: Box, shell: Run) -> None:
    await shell("mkdir t; cd t; touch $(seq 5000)")
    assert 5000 == len(await box.fs("list", path="t"))
    assert 5000 == len((await box.fs("scan", path="t", limit=10_000, budget_s=20.0))["entries"])


async def test_a_link_is_made_and_tells_where_it_leads(box: Box) -> None:
    await box.fs("mkdir", path="t")
    await box.fs("symlink", target="../nowhere", path="t/l")
    with pytest.raises(FileExistsError):
        await box.fs("symlink", target="x", path="t/l")
    [found] = (await box.fs("scan", path="t", limit=10, budget_s=5.0, detail=True))["entries"]
    assert ("t/l", "symlink", "../nowhere") == (found["path"], found["type"], found["target"])
    looked = await box.fs("stat", path="t/l", follow=False, detail=True)
    assert {name: looked[name] for name in found if name != "path"} == {
        name: fact for name, fact in found.items() if name != "path"
    }


async def test_details_tell_a_change_that_its_time_hides(box: Box, shell: Run) -> None:
    async def detail() -> tuple[int, int, int]:
        found = await box.fs("stat", path="f", detail=True)
        return found["size"], found["mtime_ns"], found["ctime_ns"]

    await shell("printf 1 > f; touch -d @1 f")
    first = await detail()
    await shell("printf 2 > f; touch -d @1 f")
    second = await detail()
    assert (first[:2], True) == (second[:2], first[2] < second[2])


async def test_wrong_arguments_are_refused_and_end_nothing(box: Box) -> None:
    with pytest.raises(ValueError, match="format"):
        await box.fs("format", path="/")
    with pytest.raises(OSError, match="Invalid"):
        await box.fs("stat", wrong="/")
    with pytest.raises(OSError, match="Invalid"):
        await box.fs("stat", path="a\0b")
    assert "directory" == (await box.fs("stat", path="/"))["type"]


async def test_a_renaming_race_never_shows_a_file_of_the_host(box: Box, shell: Run, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("host")
    loop = "while :; do mv -T real x; mv -T trap real; mv -T real trap; mv -T x real; done"
    await shell(f"mkdir -p real; echo inside > real/secret; ln -sfn {tmp_path} trap")
    await shell(f"({loop}) > /dev/null 2>&1 & true")
    seen = set()
    for _ in range(300):
        try:
            with os.fdopen(await box.open("real/secret", os.O_RDONLY)) as file:
                seen.add(file.read())
        except OSError as error:
            seen.add(errno.errorcode[error.errno])
    assert seen <= {"inside\n", "ENOENT"}
