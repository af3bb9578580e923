"""Making, moving, removing, listing and finding files in a real sandbox."""

from __future__ import annotations

import json
import re
import time
from typing import Any

import pytest

from agentbay_local.tools import changes, search

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def events(tools: Any, path: str) -> list[tuple[str, str, str]]:
    found = json.loads(await tools("get_file_change", path=path))
    return [(event["eventType"], event["path"], event["pathType"]) for event in found]


async def kinds(tools: Any, path: str) -> str:
    return str(await tools("list_directory", path=path))


# ---- directories


async def test_a_directory_is_made_with_those_above_it_and_again_without_harm(tools: Any) -> None:
    for _ in range(2):
        await tools("create_directory", path="/home/wuying/a/b/ü")
    assert "directory\n" == await tools.sh("stat -c %F a/b/ü")


async def test_a_directory_in_place_of_a_file_is_refused(tools: Any) -> None:
    await tools.sh("touch f")
    wanted = "Execution failed. Error code:-32602 Error message: Failed to create directory: f, error: File exists"
    assert wanted == await tools.refused("create_directory", path="f")
    assert "Not a directory" in await tools.refused("create_directory", path="f/sub")


async def test_deep_nesting_can_be_made_and_searched(tools: Any) -> None:
    path = "/home/wuying/" + "/".join(["d"] * 490)
    await tools("create_directory", path=path)
    await tools("write_file", path=f"{path}/f", content="deep")
    assert f"{path}/f" == await tools("search_files", path="/home/wuying", pattern="f")


async def test_deeper_nesting_is_refused_and_harms_nobody(tools: Any) -> None:
    path = "/home/wuying/" + "/".join(["d"] * 1900)
    for name, more in (("create_directory", {}), ("write_file", {"content": ""})):
        assert "path must not have more than 500 parts" in await tools.refused(name, path=path, **more)
    assert "No entries" == await tools("list_directory", path=".")


async def test_a_listing_tells_directories_from_files(tools: Any) -> None:
    await tools.sh("mkdir d; touch f 'ü ä'; mkfifo p; ln -s d to-d; ln -s f to-f; ln -s none loose")
    assert "[DIR] d\n[FILE] f\n[FILE] loose\n[FILE] p\n[DIR] to-d\n[FILE] to-f\n[FILE] ü ä" == await kinds(tools, ".")


async def test_names_with_line_breaks_cannot_pass_for_other_entries(tools: Any) -> None:
    await tools.sh("mkdir d; touch $'d/a\\n[DIR] fake' $'d/b\\u2028c' $'d/\\xff'")
    assert [r"[FILE] a\n[DIR] fake", r"[FILE] b\u2028c", "[FILE] ?"] == (await kinds(tools, "d")).splitlines()


async def test_an_empty_directory_has_no_entries(tools: Any) -> None:
    assert "No entries" == await kinds(tools, "/home/wuying")


async def test_a_listing_of_what_is_no_directory_is_refused(tools: Any) -> None:
    assert "Failed to list directory: /etc/passwd, error: Not a directory" in await tools.refused(
        "list_directory", path="/etc/passwd"
    )
    assert "Failed to list directory: /no, error: No such file" in await tools.refused("list_directory", path="/no")


# ---- information


async def test_a_file_shows_its_size_times_type_and_permissions(tools: Any) -> None:
    await tools.sh("printf 12345 > f; chmod 640 f; TZ=UTC touch -m -d '2024-02-03 04:05:06' f")
    info = dict(line.split(": ", 1) for line in (await tools("get_file_info", path="f")).splitlines())
    moments = [info.pop(key) for key in ("created", "modified", "accessed")]
    assert {"size": "5", "isDirectory": "false", "isFile": "true", "permissions": "640"} == info
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", moment) for moment in moments)
    assert time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(1706933106)) == moments[1]


async def test_a_directory_and_a_device_are_no_files(tools: Any) -> None:
    for path, directory in (("/tmp", "true"), ("/dev/zero", "false")):
        text = await tools("get_file_info", path=path)
        assert f"isDirectory: {directory}\nisFile: false\n" in text


async def test_information_about_a_missing_path_names_it(tools: Any) -> None:
    wanted = "Failed to get file status: /nope/x, error: No such file or directory"
    said = await tools.refused("get_file_info", path="/nope/x")
    assert f"Execution failed. Error code:-32602 Error message: {wanted}" == said


# ---- removing and moving


async def test_a_file_or_a_link_is_removed_and_what_the_link_leads_to_stays(tools: Any) -> None:
    await tools.sh("touch f g; ln -s g link")
    for path in ("f", "link"):
        await tools("delete_file", path=path)
    assert "[FILE] g" == await kinds(tools, ".")


async def test_a_missing_file_or_a_directory_is_not_removed(tools: Any) -> None:
    await tools.sh("mkdir d")
    assert "Failed to delete file: none, error: No such file" in await tools.refused("delete_file", path="none")
    assert "Failed to delete file: d, error: Is a directory" in await tools.refused("delete_file", path="d")


@pytest.mark.parametrize("target", ["moved", "/tmp/moved", "/workspace/moved"])
async def test_files_and_directories_move_within_and_between_disks(tools: Any, target: str) -> None:
    await tools.sh("mkdir -p d/sub; echo in > d/sub/f; chmod 700 d/sub/f; ln -s sub d/link")
    await tools("move_file", source="d", destination=target)
    assert "in\n700 sub" == await tools.sh(
        f"cat {target}/sub/f; echo $(stat -c %a {target}/sub/f) $(readlink {target}/link) | tr -d '\\n'; test ! -e d"
    )


@pytest.mark.parametrize("target", ["there", "/tmp/there"])
async def test_a_destination_that_exists_is_never_replaced(tools: Any, target: str) -> None:
    await tools.sh(f"echo a > a; ln -s nowhere {target}")
    wanted = f"Failed to move file: a to {target}, error: File exists"
    assert wanted in await tools.refused("move_file", source="a", destination=target)
    assert "a\n" == await tools.sh("cat a")


async def test_a_move_that_cannot_be_made_is_explained(tools: Any) -> None:
    await tools.sh("mkdir d; head -c 50M /dev/zero > big; head -c 50M /dev/zero > /workspace/fill")
    said = await tools.refused("move_file", source="none", destination="/tmp/x")
    assert "Failed to move file: none to /tmp/x, error: No such file or directory" in said
    assert "Failed to move file: d to d/e" in await tools.refused("move_file", source="d", destination="d/e")
    said = await tools.refused("move_file", source="big", destination="/workspace/big")
    assert "Failed to move file: cp: error writing '/workspace/big': No space left on device" in said
    assert "52428800\n" == await tools.sh("test ! -e /workspace/big && stat -c %s big")


# ---- search


async def tree(tools: Any) -> None:
    await tools.sh(
        "mkdir -p w/src/lib w/node_modules/x 'w/[b]'; cd w;"
        "touch a.txt A.TXT src/a.txt src/b.py src/lib/c.py node_modules/x/a.txt '[b]/d.py' src/lib/readme"
    )


@pytest.mark.parametrize(
    ("pattern", "found"),
    [
        ("*.py", ["[b]/d.py", "src/b.py", "src/lib/c.py"]),
        ("?.txt", ["a.txt", "node_modules/x/a.txt", "src/a.txt"]),
        ("ead", ["src/lib/readme"]),
        ("src/*.py", ["src/b.py", "src/lib/c.py"]),
        ("**/*.py", ["[b]/d.py", "src/b.py", "src/lib/c.py"]),
        ("lib", ["src/lib"]),
        ("[b]", ["[b]"]),
        ("[b]*", ["[b]"]),
    ],
)
async def test_a_search_takes_wildcards_or_a_part_of_the_name(tools: Any, pattern: str, found: list[str]) -> None:
    await tree(tools)
    text = await tools("search_files", path="/home/wuying/w/", pattern=pattern)
    assert [f"/home/wuying/w/{name}" for name in found] == text.splitlines()


async def test_excluded_names_are_left_out_with_all_below_them(tools: Any) -> None:
    await tree(tools)
    text = await tools("search_files", path="w", pattern="*", excludePatterns="node_modules, *.py,src/lib,A.TXT")
    names = ["[b]", "a.txt", "src", "src/a.txt"]
    assert [f"/home/wuying/w/{name}" for name in names] == text.splitlines()


async def test_a_search_without_result_says_so(tools: Any) -> None:
    assert "No matches found" == await tools("search_files", path="/home/wuying", pattern="x*")


async def test_a_search_does_not_follow_links_out_of_the_directory(tools: Any) -> None:
    await tools.sh("mkdir d; ln -s /etc d/etc; ln -s .. d/up")
    assert "No matches found" == await tools("search_files", path="d", pattern="passwd")


async def test_a_pattern_made_to_take_long_is_answered_quickly(tools: Any) -> None:
    await tools.sh("touch " + "a" * 250)
    before = time.process_time()
    await tools("search_files", path=".", pattern="*a" * 60 + "*b")
    assert time.process_time() - before < 5


async def test_a_search_in_a_missing_place_or_for_nothing_is_refused(tools: Any) -> None:
    assert "Failed to search files: /no, error: No such" in await tools.refused("search_files", path="/no", pattern="a")
    assert "pattern must not be empty" in await tools.refused("search_files", path="/tmp", pattern="")


async def test_a_search_that_finds_or_looks_through_too_much_is_refused(
    tools: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    await tools.sh("touch {1..9}")
    monkeypatch.setattr(search, "MOST_MATCHES", 8)
    assert "error: 9 matches; use a narrower pattern" in await tools.refused("search_files", path=".", pattern="?")
    monkeypatch.setattr(search, "MOST_ENTRIES", 8)
    assert "search a directory further down" in await tools.refused("search_files", path=".", pattern="x")


async def test_excluding_by_path_takes_along_what_is_below(tools: Any) -> None:
    await tree(tools)
    text = await tools("search_files", path="w", pattern="lib", excludePatterns="src/*")
    assert "No matches found" == text


# ---- changes


async def test_the_first_look_at_a_directory_tells_of_no_change(tools: Any) -> None:
    await tools.sh("touch f")
    assert [] == await events(tools, ".")
    assert [] == await events(tools, ".")


async def test_changes_at_any_depth_are_told_once(tools: Any) -> None:
    await tools.sh("mkdir -p w/old; echo 1 > w/same; echo 1 > w/old/change; echo 1 > w/gone")
    await events(tools, "w")
    await tools.sh("mkdir w/new; echo 1 > w/new/f; echo 22 > w/old/change; rm w/gone")
    base = "/home/wuying/w"
    assert [
        ("delete", f"{base}/gone", "file"),
        ("create", f"{base}/new", "directory"),
        ("create", f"{base}/new/f", "file"),
        ("modify", f"{base}/new/f", "file"),
        ("modify", f"{base}/old/change", "file"),
    ] == await events(tools, "w/")
    assert [] == await events(tools, base)


async def test_a_file_that_becomes_a_directory_is_deleted_and_created(tools: Any) -> None:
    await tools.sh("mkdir w; touch w/x")
    await events(tools, "w")
    await tools.sh("rm w/x; mkdir w/x")
    path = "/home/wuying/w/x"
    assert [("delete", path, "file"), ("create", path, "directory")] == await events(tools, "w")


async def test_an_overwrite_by_the_tools_is_one_modification(tools: Any) -> None:
    await tools("write_file", path="w/f", content="1")
    await events(tools, "w")
    await tools("write_file", path="w/f", content="22")
    assert [("modify", "/home/wuying/w/f", "file")] == await events(tools, "w")


async def test_each_directory_has_its_own_last_look(tools: Any) -> None:
    await tools.sh("mkdir -p w/sub")
    await events(tools, "w")
    await tools.sh("touch w/sub/f")
    assert [] == await events(tools, "w/sub")
    assert ["create", "modify"] == [kind for kind, _, _ in await events(tools, "w")]


async def test_a_watched_directory_that_is_removed_and_made_again_tells_of_both(tools: Any) -> None:
    await tools.sh("mkdir w; touch w/f")
    await events(tools, "w")
    await tools.sh("rm -r w")
    assert [("delete", "/home/wuying/w/f", "file")] == await events(tools, "w")
    await tools.sh("mkdir w; touch w/g")
    assert ["create", "modify"] == [kind for kind, _, _ in await events(tools, "w")]


async def test_a_missing_directory_or_a_file_cannot_be_watched(tools: Any) -> None:
    assert "Failed to get file change: /no, error: No such" in await tools.refused("get_file_change", path="/no")
    said = await tools.refused("get_file_change", path="/etc/passwd")
    assert "Failed to get file change: /etc/passwd, error: Not a directory" in said


async def test_looks_at_too_many_directories_forget_the_oldest(tools: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(changes, "MOST_KEPT", 5)
    await tools.sh("for d in a b c; do mkdir $d; touch $d/1 $d/2; done")
    for name in "abc":
        await events(tools, name)
    assert ["/home/wuying/c"] == list(tools.box.snapshots)


async def test_a_directory_with_too_much_below_it_is_refused(tools: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(changes, "MOST_ENTRIES", 5)
    await tools.sh("mkdir w; touch w/{1..9}")
    assert "more than 5 entries are below it" in await tools.refused("get_file_change", path="w")
