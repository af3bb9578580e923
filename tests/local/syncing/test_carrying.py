"""Files between the store and the sandbox, both ways."""

from __future__ import annotations

import asyncio
import os
import time

import pytest

from agentbay_local.contexts import Contexts, Kind
from agentbay_local.syncing.tasks import Status
from tests.local.syncing.conftest import PLACE, Bound, Listed, Put, Side

FAILED = Status.FAILED
SUCCESS = Status.SUCCESS


async def test_files_come_back_with_time_permissions_links_and_empty_folders(side: Side, bound: Bound) -> None:
    await side.sh("mkdir -p a/b empty; printf hello > a/b/x; chmod 750 a/b/x; touch -d @1000000000.5 a/b/x")
    await side.sh("ln -s b/x a/l; ln -s /etc/passwd out; ln -s nowhere dead; printf '%s' new > 'a/ü n'")
    assert SUCCESS == (await side.up()).status
    other = await bound()
    assert "hello" == await other.sh("cat a/b/x")
    assert "750 1000000000\n" == await other.sh("stat -c '%a %Y' a/b/x")
    assert "b/x\n/etc/passwd\nnowhere\n" == await other.sh("readlink a/l out dead")
    assert "new" == await other.sh("cat 'a/ü n'")
    assert "empty\n" == await other.sh("find . -type d -empty -printf '%P\n'")


async def test_a_name_that_is_not_utf8_is_carried_too(side: Side, bound: Bound) -> None:
    await side.python(r"open(b'\xff\xfe', 'w').write('odd')")
    assert (SUCCESS, "") == ((await side.up()).status, (await side.up()).error)
    assert "odd" == await (await bound()).python(r"print(open(b'\xff\xfe').read(), end='')")


async def test_many_files_and_a_large_one_are_carried(side: Side, bound: Bound) -> None:
    await side.python(
        """
        import os
        for folder in range(20):
            os.mkdir(f'd{folder}')
            for name in range(20):
                open(f'd{folder}/{name}', 'w').write(f'{folder}.{name}')
        open('big', 'wb').write(bytes(range(256)) * 20_000)
        """
    )
    assert SUCCESS == (await side.up()).status
    other = await bound()
    assert "401 5120000\n" == await other.sh("echo $(find . -type f | wc -l) $(stat -c %s big)")
    assert await side.sh("sha256sum big d7/*") == await other.sh("sha256sum big d7/*")


async def test_a_deletion_in_the_session_is_carried(side: Side, listed: Listed) -> None:
    await side.sh("mkdir d e; touch d/a b; ln -s b l")
    await side.up()
    assert {"d/a", "b", "e", "l"} == set(await listed())
    await side.sh("rm -r d e l")
    await side.up()
    assert {"b"} == set(await listed())


async def test_a_policy_may_keep_what_is_deleted_in_the_session(bound: Bound, listed: Listed) -> None:
    side = await bound(deletePolicy={"syncLocalFile": False})
    await side.sh("touch a b")
    await side.up()
    await side.sh("rm a")
    await side.up()
    assert {"a", "b"} == set(await listed())


async def test_a_file_that_becomes_a_folder_and_back_is_carried(side: Side, bound: Bound, listed: Listed) -> None:
    await side.sh("echo file > x")
    await side.up()
    await side.sh("rm x; mkdir x; echo below > x/y")
    assert SUCCESS == (await side.up()).status
    assert {"x/y": Kind.FILE} == {path: entry.kind for path, entry in (await listed()).items()}
    await side.sh("rm -r x; ln -s y x")
    await side.up()
    assert {"x": Kind.LINK} == {path: entry.kind for path, entry in (await listed()).items()}
    assert "y\n" == await (await bound()).sh("readlink x")


# --- Several sessions with one context --------------------------------------------------------------------------------


async def test_the_end_of_a_session_undoes_nothing_of_another_one(side: Side, bound: Bound, listed: Listed) -> None:
    await side.sh("echo 1 > changed; echo 1 > deleted; echo 1 > mine")
    await side.up()
    other = await bound()
    await other.sh("echo 2 > changed; rm deleted; echo 2 > added")
    await other.end()
    await side.sh("echo 3 > mine")
    await side.end()
    assert {"changed", "mine", "added"} == set(await listed())
    last = await bound()
    assert "2\n3\n2\n" == await last.sh("cat changed mine added")


async def test_what_another_session_changed_is_not_deleted(side: Side, bound: Bound, listed: Listed) -> None:
    await side.sh("echo 1 > shared; mkdir folder")
    await side.up()
    other = await bound()
    await other.sh("echo 2 > shared; echo 2 > folder/new")
    await other.up()
    await side.sh("rm -r shared folder")
    await side.end()
    assert {"shared", "folder", "folder/new"} >= set(await listed()) >= {"shared", "folder/new"}


async def test_a_sync_fills_a_context_that_was_cleared_meanwhile(
    side: Side, listed: Listed, store: Contexts, context_id: str
) -> None:
    await side.sh("mkdir d; echo 1 > a; ln -s a l")
    await side.up()
    await store.apply(context_id, drop=[PLACE])
    await side.up()
    assert {"a", "d", "l"} == set(await listed())


async def test_a_file_that_was_read_while_it_changed_is_carried_again(side: Side, put: Put, listed: Listed) -> None:
    """Only what is known to be whole is passed over the next time."""
    await side.sh("echo 1 > a")
    await side.up()
    first = (await listed())["a"]
    await side.python(f"import os; open('a', 'r+').write('2'); os.utime('a', ns=(0, {first.mtime_ns}))")
    await side.up()
    assert first.digest != (await listed())["a"].digest


# --- Down -------------------------------------------------------------------------------------------------------------


async def test_a_download_brings_what_is_new_and_leaves_the_rest(side: Side, put: Put) -> None:
    await side.sh("echo own > own")
    await put("new", b"new")
    assert SUCCESS == (await side.down()).status
    assert "own\nnew" == await side.sh("cat own new")
    inode = await side.sh("stat -c %i new")
    await put("later", b"later")
    await side.down()
    assert (inode, "later") == (await side.sh("stat -c %i new"), await side.sh("cat later"))


async def test_a_download_brings_a_changed_file_back(side: Side, put: Put) -> None:
    await put("a", b"stored")
    await side.down()
    await side.sh("echo changed > a")
    await side.down()
    assert "stored" == await side.sh("cat a")


async def test_a_link_in_the_place_of_a_folder_is_not_followed(side: Side, put: Put) -> None:
    await side.sh("mkdir ../elsewhere; ln -s ../elsewhere d")
    await put("d/e/a")
    await put("b")
    task = await side.down()
    assert (FAILED, f"{PLACE}/d: Not a directory") == (task.status, task.error)
    assert "b\nd\n" == await side.sh("ls; ls ../elsewhere")


async def test_a_link_in_the_place_of_a_file_is_replaced(side: Side, put: Put) -> None:
    await side.sh("echo kept > ../victim; ln -s ../victim a")
    await put("a", b"stored")
    await side.down()
    assert "kept\nstored" == await side.sh("cat ../victim a")


async def test_a_folder_in_the_place_of_a_file_is_a_failure(side: Side, put: Put) -> None:
    await side.sh("mkdir -p a/full")
    await put("a")
    task = await side.down()
    assert (FAILED, f"{PLACE}/a: Is a directory") == (task.status, task.error)
    assert "a\n" == await side.sh("ls -A")


async def test_a_context_may_be_bound_without_its_files(bound: Bound, put: Put, listed: Listed) -> None:
    await put("a")
    side = await bound(downloadPolicy={"autoDownload": False})
    assert [SUCCESS] == [task.status for task in side.desk.tasks]
    assert {"status": "Success"}.items() <= next(iter(side.desk.tasks)).told().items()
    await side.end()
    assert {"a"} == set(await listed())


# --- Policies ---------------------------------------------------------------------------------------------------------


async def test_white_lists_hold_both_ways(bound: Bound, listed: Listed) -> None:
    lists = {"whiteLists": [{"path": "/src", "excludePaths": ["/tmp"]}, {"path": "top"}]}
    side = await bound(bwList=lists)
    await side.sh("mkdir -p src/tmp src/e other; touch src/a src/tmp/b other/c top topper")
    await side.up()
    assert {"src/a", "src/e", "top"} == set(await listed())
    everything = await bound()
    await everything.sh("mkdir -p src/tmp; touch src/tmp/b other")
    await everything.end()
    assert "./src/a\n./top\n" == await (await bound(bwList=lists)).sh("find . -type f | sort")
    await side.sh("rm -r src")
    await side.up()
    assert {"src/tmp/b", "other", "top"} == set(await listed())


async def test_patterns_hold_both_ways(bound: Bound, listed: Listed) -> None:
    patterns = {"path": r"(.*/)?[a-z]+\.py|keep", "isPathRegex": True, "excludePaths": [".*test.*"]}
    side = await bound(bwList={"whiteLists": [patterns | {"isExcludeRegex": True}]})
    await side.sh("mkdir -p keep/deep tests; touch a.py b.pyc keep/deep/x tests/a.py keep/test.txt A.py")
    assert SUCCESS == (await side.up()).status
    assert {"a.py", "keep/deep/x"} == set(await listed())


async def test_a_pattern_that_never_ends_fails_only_its_task(bound: Bound, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("agentbay_local.syncing.patterns.PATIENCE_S", 0.5)
    side = await bound(bwList={"whiteLists": [{"path": "(a+)+b", "isPathRegex": True}]})
    await side.sh(f"touch {'a' * 40}c")
    task = await side.up()
    assert (FAILED, True) == (task.status, "took longer than 0.5 s" in task.error)
    assert "" == await side.sh("pgrep -f [f]ullmatch || true")


async def test_a_lifecycle_counts_from_the_upload(bound: Bound, listed: Listed) -> None:
    side = await bound(recyclePolicy={"lifecycle": "Lifecycle_3Days", "paths": ["/logs", "old"]})
    await side.sh("mkdir logs; touch logs/a old new")
    await side.up()
    found = await listed()
    assert [3, 3, None] == [days(found[name].expires) for name in ("logs/a", "old", "new")]


def days(expires: float | None) -> int | None:
    return None if expires is None else round((expires - time.time()) / 86400)


async def test_a_mapping_finds_the_files_of_another_place(side: Side, bound: Bound, listed: Listed) -> None:
    await side.sh("mkdir d; echo 1 > d/a")
    await side.up()
    other = await bound("/home/wuying/moved", mappingPolicy={"path": PLACE})
    assert "1\n" == await sh(other, "cat d/a")
    await sh(other, "echo 2 > d/b; rm d/a")
    await other.up("/home/wuying/moved")
    assert {"d/b"} == set(await listed())


async def sh(side: Side, command: str) -> str:
    ended = await side.sandbox.run(["/bin/sh", "-c", command], cwd=side.desk.bindings[0].place)
    assert ended.code == 0, ended.stderr
    return ended.stdout.decode()


# --- A part of a context ----------------------------------------------------------------------------------------------


async def test_a_single_file_and_a_folder_can_be_carried(side: Side, put: Put, listed: Listed) -> None:
    await side.sh("mkdir -p d/e; touch a b d/c d/e/f")
    assert SUCCESS == (await side.up(f"{PLACE}/a")).status
    assert {"a"} == set(await listed())
    await side.up(f"{PLACE}//d/")
    assert {"a", "d/c", "d/e/f"} == set(await listed())
    await put("one", b"1")
    await put("two", b"2")
    assert SUCCESS == (await side.down(f"{PLACE}/one")).status
    assert "a\nb\nd\none\n" == await side.sh("ls")


async def test_a_part_that_is_nowhere_is_a_failure(side: Side, listed: Listed) -> None:
    up, down = await side.up(f"{PLACE}/no"), await side.down(f"{PLACE}/no")
    assert (FAILED, f"{PLACE}/no: No such file or directory") == (up.status, up.error)
    assert (FAILED, f"{PLACE}/no: the context has no such file") == (down.status, down.error)


async def test_a_part_that_was_deleted_here_is_deleted_there(side: Side, listed: Listed) -> None:
    await side.sh("mkdir d; touch a d/b d/c")
    await side.up()
    await side.sh("rm -r a d")
    assert [SUCCESS, SUCCESS] == [(await side.up(f"{PLACE}/{part}")).status for part in ("a", "d")]
    assert {} == await listed()


# --- Failures ---------------------------------------------------------------------------------------------------------


async def test_what_cannot_be_read_is_named_and_the_rest_is_carried(side: Side, listed: Listed) -> None:
    await side.sh("for i in 1 2 3 4 5; do touch $i; chmod 0 $i; done; touch ok; mkfifo pipe")
    task = await side.up()
    named = "; ".join(f"{PLACE}/{number}: Permission denied" for number in (1, 2, 3))
    assert (FAILED, f"{named}; and 2 more") == (task.status, task.error)
    assert {"ok"} == set(await listed())


@pytest.mark.parametrize("mode", ["000", "600", "300"])
async def test_what_is_in_a_closed_folder_is_not_taken_for_deleted(side: Side, listed: Listed, mode: str) -> None:
    await side.sh("mkdir -p d/e; touch d/e/a b")
    await side.up()
    await side.sh(f"touch c; rm b; chmod {mode} d")
    task = await side.up()
    assert (FAILED, f"{PLACE}/d: Permission denied") == (task.status, task.error)
    assert {"d/e/a", "c"} == set(await listed())
    await side.sh("chmod 755 d; rm -r d")
    assert SUCCESS == (await side.up()).status
    assert {"c"} == set(await listed())


async def test_a_place_that_cannot_be_written_is_a_failure(bound: Bound) -> None:
    side = await bound("/mnt/data")
    [task] = side.desk.tasks
    assert (FAILED, True) == (task.status, "it cannot be written in the session" in task.error)


async def test_a_file_without_room_leaves_nothing_behind(side: Side, put: Put) -> None:
    await side.sh("head -c 7000000 /dev/zero > one; cp one two")
    for name in "abc":
        await put(name, bytes(7_000_000))
    task = await side.down()
    assert (FAILED, True) == (task.status, "No space left on device" in task.error)
    assert "one\ntwo\n" == await side.sh("ls -A")


async def test_a_file_above_the_limit_is_a_failure(side: Side, put: Put) -> None:
    await put("large", bytes(9 << 20))
    await put("small")
    task = await side.down()
    assert (FAILED, f"{PLACE}/large: File too large (a file may hold 8 MiB)") == (task.status, task.error)
    assert "small\n" == await side.sh("ls -A")


async def test_files_with_holes_do_not_fill_the_store(side: Side, listed: Listed) -> None:
    await side.sh("for n in $(seq 20); do truncate -s 8000000 $n; done")
    task = await side.up()
    assert (FAILED, True) == (task.status, "larger than the session's disks, which hold 32 MiB each" in task.error)
    assert {} == await listed()


@pytest.mark.parametrize("mode", ["File", "Archive"])
async def test_a_time_that_nobody_can_write_is_carried_as_the_nearest(bound: Bound, mode: str) -> None:
    side = await bound(uploadPolicy={"uploadMode": mode})
    await side.sh("touch -d @99999999999999 late; touch -d @-99999999999 early")
    assert (SUCCESS, "") == ((task := await side.up()).status, task.error)
    assert "early\nlate\n" == await (await bound()).sh("ls")


async def test_a_context_that_was_deleted_meanwhile_is_a_failure(side: Side, store: Contexts, context_id: str) -> None:
    await store.delete("key-1", context_id)
    task = await side.up()
    assert (FAILED, "Resource [Context] is not found.") == (task.status, task.error)
    await side.end()


async def test_a_sandbox_that_dies_fails_the_task(side: Side) -> None:
    await side.sandbox.close()
    task = await side.up()
    assert (FAILED, True) == (task.status, "the sandbox could not do it" in task.error)
    await side.end()


async def test_files_that_come_and_go_meanwhile_do_no_harm(side: Side) -> None:
    """Programs go on working while their files are carried."""
    busy = "while :; do for name in 1 2 3 4 5 6 7 8 9; do echo x > $name; done; rm -f 2 4 6 8; done"
    process = await side.sandbox.spawn(["/bin/sh", "-c", busy], cwd=PLACE)
    try:
        for _ in range(5):
            task = await side.up()
            assert (SUCCESS, "") == (task.status, task.error)
            await asyncio.sleep(0.01)
    finally:
        await process.kill()


# --- Many turns -------------------------------------------------------------------------------------------------------

WORK = """
import os, random, shutil, sys
dice = random.Random(int(sys.argv[1]))
names = ['a', 'b', 'c d', 'ü']
for _ in range(60):
    path = '/'.join(dice.choice(names) for _ in range(dice.randint(1, 3)))
    above = os.path.dirname(path)
    try:
        act = dice.choice(['write', 'write', 'append', 'folder', 'link', 'remove', 'mode'])
        if act == 'folder':
            os.makedirs(path, exist_ok=True)
        elif act == 'remove' and os.path.isdir(path) and not os.path.islink(path):
            shutil.rmtree(path)
        elif act == 'remove':
            os.remove(path)
        elif act == 'mode' and os.path.isfile(path):
            os.chmod(path, dice.choice([0o600, 0o755, 0o444]))
        elif act == 'mode':
            continue
        elif act == 'link':
            os.symlink(dice.choice(names), path)
        else:
            if above:
                os.makedirs(above, exist_ok=True)
            with open(path, 'w' if act == 'write' else 'a') as file:
                file.write(str(dice.random()))
    except OSError:
        pass
"""
SHOW = (
    "find . -type d -empty -printf 'D %P\\n' -o -type l -printf 'L %P %l\\n' -o -type f -printf 'F %P %m %T@\\n' | sort"
)


@pytest.mark.parametrize("mode", ["File", "Archive"])
async def test_whatever_is_done_in_a_session_the_next_one_has_it_so(bound: Bound, mode: str) -> None:
    policy = {"uploadPolicy": {"uploadMode": mode}}
    side = await bound(**policy)
    for turn in range(4):
        await side.sandbox.run(["python3", "-c", WORK, str(turn)], cwd=PLACE)
        show = SHOW if mode == "File" else SHOW.replace(" %T@", "")
        before = await side.sh(f"{show}; cat $(find . -type f -name '[abü]' | sort) | sha256sum")
        await side.end()
        side = await bound(**policy)
        assert before == await side.sh(f"{show}; cat $(find . -type f -name '[abü]' | sort) | sha256sum")


async def test_a_write_that_is_cancelled_leaves_all_or_nothing(
    side: Side, put: Put, store: Contexts, context_id: str
) -> None:
    await put("stored", bytes(300_000))
    entry = await store.entry(context_id, f"{PLACE}/stored")
    tree = side.desk.bindings[0].tree
    descriptors = len(os.listdir("/proc/self/fd"))
    for steps in range(40):
        async with store.reading(entry) as source:
            writing = asyncio.create_task(tree.write(f"{PLACE}/a", source, 0o644, 0))
            for _ in range(steps):
                await asyncio.sleep(0)
            writing.cancel()
            await asyncio.wait([writing])
        assert "" == await side.sh("ls -A | grep -v '^a$' || true")
        assert await side.sh("[ -e a ] && stat -c %s a; true") in {"", "300000\n"}
    assert descriptors == len(os.listdir("/proc/self/fd"))
