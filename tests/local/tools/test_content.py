"""Reading, writing and editing files in a real sandbox."""

from __future__ import annotations

import asyncio
import base64
from contextlib import suppress
from typing import Any

import pytest

from agentbay_local.sandbox.contract import LimitReached, Limits
from agentbay_local.tools.content import READ_LIMIT

pytestmark = pytest.mark.asyncio(loop_scope="session")

MIXED = "aé漢😀\r\n\0é漢"
BROKEN = b"ok \xff\xc3( \xe6\xbc \xf0\x9f\x98 \xed\xa0\x80 \x80\x80\x80\x80 \xf4\x90\x80\x80 \xc3"
PLACES = ("/dev/zero", "/dev/null", "fifo", "folder")


async def pieces(tools: Any, path: str, step: int, size: int) -> list[str]:
    return [await tools("read_file", path=path, offset=at, length=step) for at in range(0, size, step)]


# ---- reading and writing


@pytest.mark.parametrize("text", ["plain\n", MIXED, "\ufeffmark", "no end", "a\n---\nb:\n", "x" * 1_100_000])
async def test_what_is_written_is_read_back_exactly(tools: Any, text: str) -> None:
    await tools("write_file", path="/home/wuying/a.txt", content=text)
    assert text == await tools("read_file", path="/home/wuying/a.txt", offset=0, length=0)


async def test_an_empty_file_reads_as_empty_text(tools: Any) -> None:
    await tools("write_file", path="empty", content="")
    assert "" == await tools("read_file", path="empty")
    assert "" == await tools("read_file", path="empty", format="binary")


async def test_append_adds_to_the_end_and_makes_a_file_that_is_missing(tools: Any) -> None:
    for part in ("one\n", "two\n"):
        await tools("write_file", path="new/log", content=part, mode="append")
    assert "one\ntwo\n" == await tools("read_file", path="new/log")


async def test_directories_above_a_written_file_are_made(tools: Any) -> None:
    await tools("write_file", path="a/b/ü c/d.txt", content="deep")
    assert "deep" == await tools.sh("cat 'a/b/ü c/d.txt'")


async def test_paths_may_be_absolute_relative_or_start_at_home(tools: Any) -> None:
    await tools("write_file", path="~/x.txt", content="1")
    assert ["1"] * 4 == [
        await tools("read_file", path=path)
        for path in ("x.txt", "./x.txt", "/home/wuying/x.txt", "/home//wuying/x.txt")
    ]


async def test_overwriting_keeps_the_permissions(tools: Any) -> None:
    await tools.sh("echo old > run.sh; chmod 751 run.sh")
    await tools("write_file", path="run.sh", content="new")
    assert "751 new" == await tools.sh("stat -c %a run.sh | tr '\\n' ' '; cat run.sh")


async def test_a_file_is_overwritten_and_edited_also_where_no_program_can_be_started(tools: Any) -> None:
    await tools("write_file", path="f", content="old")
    await tools.sh("sh -c 'while :; do sleep 300 & done' 2>/dev/null || true")
    with suppress(LimitReached):  # there is a reserve beyond what programs may start themselves
        while await tools.box.sandbox.spawn(["sleep", "300"]):
            pass
    assert "limit of processes" in await tools.refused("shell", command="true")
    await tools("write_file", path="f", content="new")
    await tools("edit_file", path="f", edits=[{"oldText": "new", "newText": "newer"}])
    assert "newer" == await tools("read_file", path="f")


async def test_a_new_file_may_be_read_by_all_and_written_by_its_owner(tools: Any) -> None:
    await tools("write_file", path="new", content="")
    assert "644 wuying\n" == await tools.sh("stat -c '%a %U' new")


async def test_overwriting_through_a_link_changes_what_it_leads_to(tools: Any) -> None:
    await tools.sh("mkdir sub; echo old > sub/real; chmod 600 sub/real; ln -s sub/real link; ln -s missing loose")
    await tools("write_file", path="link", content="new")
    await tools("write_file", path="loose", content="made")
    await tools.sh("ln -s far/away/f distant")
    await tools("write_file", path="distant", content="made too")
    assert "made too" == await tools.sh("cat far/away/f")
    assert "sub/real 600 new made" == await tools.sh(
        "echo $(readlink link) $(stat -c %a sub/real) $(cat sub/real) $(cat missing) | tr -d '\\n'"
    )


async def test_a_reader_never_sees_half_of_an_overwrite(tools: Any) -> None:
    letters = ["a" * 3_000_000, "b" * 3_000_000]
    await tools("write_file", path="f", content=letters[0])
    watch = "until [ -e stop ]; do cat f | tr -s ab; echo; done | sort -u"
    reader = asyncio.ensure_future(tools.sh(watch))
    for number in range(6):
        await tools("write_file", path="f", content=letters[number % 2])
    await tools("write_file", path="stop", content="")
    assert set((await reader).split()) <= {"a", "b"}


async def test_writes_at_the_same_time_leave_one_of_them_whole(tools: Any) -> None:
    texts = [str(number) * 2_000_000 for number in range(4)]
    await asyncio.gather(*(tools("write_file", path="same", content=text) for text in texts))
    assert await tools("read_file", path="same") in texts
    assert "same\n" == await tools.sh("ls -A")


async def test_a_disk_that_is_full_leaves_the_file_as_it_was_and_names_the_limit(tools: Any) -> None:
    await tools("write_file", path="keep", content="old")
    await tools.sh("head -c 78M /dev/zero > fill")
    for mode in ("overwrite", "append"):
        said = await tools.refused("write_file", path="keep", content="x" * 4_000_000, mode=mode)
        wanted = "Failed to write file: keep, error: No space left on device (the sandbox's disk holds 80 MiB)"
        assert f"Execution failed. Error code:-32603 Error message: {wanted}" == said
    assert "old" == await tools("read_file", path="keep")
    assert "fill\nkeep\n" == await tools.sh("ls -A")


async def test_a_file_over_the_size_limit_is_refused_before_anything_is_written(tools: Any) -> None:
    tools.box.limits = Limits(file_size=10)
    await tools("write_file", path="f", content="12345678")
    wanted = "Failed to write file: f, error: File too large (a file may hold 10 bytes)"
    assert wanted in await tools.refused("write_file", path="f", content="123", mode="append")
    assert wanted in await tools.refused("write_file", path="f", content="12345678901")
    assert "12345678" == await tools("read_file", path="f")


async def test_a_place_that_may_not_be_written_is_named(tools: Any) -> None:
    said = await tools.refused("write_file", path="/usr/evil", content="x")
    assert said.startswith(
        "Execution failed. Error code:-32602 Error message: Failed to write file: /usr/evil, error: "
    )


async def test_a_file_as_a_directory_is_refused(tools: Any) -> None:
    await tools("write_file", path="f", content="x")
    for mode in ("overwrite", "append"):
        assert "error: Not a directory" in await tools.refused("write_file", path="f/g", content="x", mode=mode)


@pytest.mark.parametrize("path", PLACES)
async def test_what_is_no_file_is_neither_read_nor_written(tools: Any, path: str) -> None:
    await tools.sh("mkfifo fifo; mkdir folder")
    why = "Is a directory" if path == "folder" else "Not a regular file"
    assert f"Failed to read file: {path}, error: {why}" in await tools.refused("read_file", path=path)
    for mode in ("overwrite", "append"):
        said = await tools.refused("write_file", path=path, content="x", mode=mode)
        assert f"Failed to write file: {path}, error: {why}" in said
    assert f"Failed to edit file: {path}, error: {why}" in await tools.refused("edit_file", path=path, edits=[])


async def test_links_lead_nowhere_but_to_places_of_the_sandbox(tools: Any) -> None:
    await tools.sh("ln -s /etc/passwd out; ln -s /etc/shadow secret; ln -s /proc/1/root/etc/shadow round; ln -s x x")
    assert "wuying" in await tools("read_file", path="out")
    assert await tools.sh("cat /etc/passwd") == await tools("read_file", path="out")
    assert "No such file or directory" in await tools.refused("read_file", path="secret")
    assert "Failed to read file: round, error: " in await tools.refused("read_file", path="round")
    assert "Too many levels of symbolic links" in await tools.refused("read_file", path="x")
    assert "Too many levels of symbolic links" in await tools.refused("write_file", path="x", content="")


@pytest.mark.parametrize("path", ["", "a\0b", None, 5, ["a"], {"a": 1}, "\udcff", True])
async def test_a_path_that_is_none_is_refused(tools: Any, path: Any) -> None:
    for name in ("read_file", "get_file_info", "list_directory", "delete_file", "create_directory", "get_file_change"):
        said = await tools.refused(name, path=path)
        assert said.startswith(
            f"Execution failed. Error code:-32602 Error message: Invalid arguments for tool {name}: path "
        )


async def test_a_path_that_is_too_long_is_refused(tools: Any) -> None:
    assert "File name too long" in await tools.refused("read_file", path="x" * 300)
    assert "File name too long" in await tools.refused("write_file", path=f"{'y' * 99}/" * 90, content="")


async def test_the_longest_name_and_a_deep_path_can_be_written(tools: Any) -> None:
    path = "/".join(["d" * 50] * 60 + ["ü" * 127])
    await tools("write_file", path=path, content="deep")
    await tools("write_file", path=path, content="deeper")
    assert "deeper" == await tools("read_file", path=path)


async def test_a_missing_file_is_named(tools: Any) -> None:
    wanted = "Execution failed. Error code:-32602 Error message: Failed to read file: /nope, error: "
    assert f"{wanted}No such file or directory" == await tools.refused("read_file", path="/nope")


async def test_content_that_is_no_text_or_a_mode_that_does_not_exist_is_refused(tools: Any) -> None:
    assert "content must be a string, got a number" in await tools.refused("write_file", path="a", content=5)
    assert "content is required" in await tools.refused("write_file", path="a")
    said = await tools.refused("write_file", path="a", content="", mode="truncate")
    assert "mode must be 'overwrite' or 'append', got 'truncate'" in said


# ---- pieces


@pytest.mark.parametrize("step", [1, 2, 3, 4, 5, 7, 1000])
async def test_pieces_cut_at_any_byte_join_to_the_exact_text(tools: Any, step: int) -> None:
    await tools("write_file", path="mixed", content=MIXED * 3)
    assert MIXED * 3 == "".join(await pieces(tools, "mixed", step, len((MIXED * 3).encode())))


@pytest.mark.parametrize("step", [1, 2, 3, 5, 1000])
async def test_pieces_of_bytes_that_are_not_utf8_join_to_what_the_whole_shows(tools: Any, step: int) -> None:
    await tools.sh(f"echo {base64.b64encode(BROKEN).decode()} | base64 -d > broken")
    shown = BROKEN.decode(errors="replace")
    assert shown == await tools("read_file", path="broken")
    assert shown == "".join(await pieces(tools, "broken", step, len(BROKEN)))


async def test_offset_and_length_count_bytes(tools: Any) -> None:
    await tools("write_file", path="ten", content="0123456789")
    read = [
        await tools("read_file", path="ten", offset=at, length=size) for at, size in ((0, 4), (4, 4), (8, 4), (7, 0))
    ]
    assert ["0123", "4567", "89", "789"] == read
    assert "" == await tools("read_file", path="ten", offset=10)
    assert "" == await tools("read_file", path="ten", offset=10_000, length=5)
    assert "12" == await tools("read_file", path="ten", offset="1", length=2.0)


async def test_binary_is_base64_of_the_exact_bytes(tools: Any) -> None:
    data = bytes(range(256)) * 5
    await tools.sh(f"echo {base64.b64encode(data).decode()} | base64 -d > bytes")
    assert data == base64.b64decode(await tools("read_file", path="bytes", format="binary"))
    piece = await tools("read_file", path="bytes", offset=250, length=10, format="binary")
    assert data[250:260] == base64.b64decode(piece)


@pytest.mark.parametrize("wrong", [{"offset": -1}, {"length": -5}, {"offset": 1 << 70}, {"length": 1 << 62}])
async def test_an_offset_or_length_out_of_range_is_refused(tools: Any, wrong: dict[str, int]) -> None:
    said = await tools.refused("read_file", path="/etc/passwd", **wrong)
    assert "Invalid arguments for tool read_file: offset and length" in said


async def test_a_format_that_does_not_exist_is_refused(tools: Any) -> None:
    said = await tools.refused("read_file", path="/etc/passwd", format="hex")
    assert "format must be 'text' or 'binary', got 'hex'" in said


async def test_a_file_too_large_for_one_answer_is_read_in_pieces(tools: Any) -> None:
    await tools.sh(f"truncate -s {READ_LIMIT + 5} big; printf end | dd of=big bs=1 seek={READ_LIMIT + 2} conv=notrunc")
    wanted = "Failed to read file: big, error: more than 64 MiB; read it in pieces with offset and length"
    assert wanted in await tools.refused("read_file", path="big")
    assert wanted in await tools.refused("read_file", path="big", length=READ_LIMIT + 1)
    assert "end" == await tools("read_file", path="big", offset=READ_LIMIT + 2)


async def test_a_file_that_does_not_know_its_size_is_read_whole(tools: Any) -> None:
    assert "Name:" in await tools("read_file", path="/proc/self/status")


async def test_a_line_of_a_megabyte_is_read_whole(tools: Any) -> None:
    await tools.sh("head -c 1000000 /dev/zero | tr '\\0' x > long; echo >> long")
    assert "x" * 1_000_000 + "\n" == await tools("read_file", path="long")


# ---- several at once


async def test_several_files_come_as_blocks_and_a_missing_one_shows_why(tools: Any) -> None:
    await tools("write_file", path="/tmp/a.txt", content="content a")
    await tools("write_file", path="/tmp/b.txt", content="content b")
    text = await tools("read_multiple_files", paths=["/tmp/a.txt", "/tmp/none", "/tmp", "/tmp/b.txt"])
    wanted = (
        "/tmp/a.txt:\ncontent a\n\n---\n/tmp/none:\nError: No such file or directory\n\n---\n"
        "/tmp:\nError: Is a directory\n\n---\n/tmp/b.txt:\ncontent b\n"
    )
    assert wanted == text


async def test_a_file_too_large_among_several_shows_why(tools: Any) -> None:
    await tools.sh(f"truncate -s {READ_LIMIT + 5} big; echo small > small")
    text = await tools("read_multiple_files", paths=["big", "small"])
    assert text.startswith("big:\nError: Failed to read file: big, error: more than 64 MiB;")
    assert text.endswith("\n---\nsmall:\nsmall\n\n")


async def test_paths_that_are_no_list_of_paths_are_refused(tools: Any) -> None:
    assert "paths must be an array, got a string" in await tools.refused("read_multiple_files", paths="a")
    assert "paths must be from 1 to 1000, got 0" in await tools.refused("read_multiple_files", paths=[])
    assert "paths item 1 must be a string, got a number" in await tools.refused("read_multiple_files", paths=["a", 1])
    assert "paths item 0 must not hold a NUL" in await tools.refused("read_multiple_files", paths=["\0"])


# ---- edits


async def test_each_edit_replaces_the_first_place_in_order(tools: Any) -> None:
    await tools("write_file", path="/tmp/e", content="a b a b")
    edits = [{"oldText": "a", "newText": "x"}, {"oldText": "x b", "newText": "y"}, {"oldText": "b", "newText": ""}]
    await tools("edit_file", path="/tmp/e", edits=edits, dryRun=False)
    assert "y a " == await tools("read_file", path="/tmp/e")


async def test_an_edit_answers_with_a_diff(tools: Any) -> None:
    lines = [f"line {number}\n" for number in range(40)]
    await tools("write_file", path="/tmp/e", content="".join(lines))
    text = await tools("edit_file", path="/tmp/e", edits=[{"oldText": "line 20\n", "newText": "LINE 20\nmore\n"}])
    wanted = (
        "--- a/tmp/e\n+++ b/tmp/e\n@@ -18,7 +18,8 @@\n line 17\n line 18\n line 19\n-line 20\n+LINE 20\n+more\n"
        " line 21\n line 22\n line 23\n"
    )
    assert wanted == text
    await tools("write_file", path="/tmp/p", content=text)
    await tools("write_file", path="/tmp/q/tmp/e", content="".join(lines))
    await tools.sh("! command -v patch || (cd /tmp/q && patch -p1 < /tmp/p && cmp tmp/e /tmp/e)")


async def test_a_dry_run_writes_nothing(tools: Any) -> None:
    await tools("write_file", path="e", content="old")
    text = await tools("edit_file", path="e", edits=[{"oldText": "old", "newText": "new"}], dryRun=True)
    assert "-old" in text.splitlines()
    assert "+new" in text.splitlines()
    assert "old" == await tools("read_file", path="e")


async def test_a_text_that_is_not_there_leaves_the_file_as_it_was(tools: Any) -> None:
    await tools("write_file", path="e", content="old")
    edits = [{"oldText": "old", "newText": "new"}, {"oldText": "old", "newText": "newer"}]
    wanted = "Failed to edit file: e, error: the text of edit 2 is not there: 'old'"
    assert wanted in await tools.refused("edit_file", path="e", edits=edits)
    assert "is not there: ''" in await tools.refused("edit_file", path="e", edits=[{"oldText": "", "newText": "x"}])
    assert "old" == await tools("read_file", path="e")


async def test_edits_that_change_nothing_say_so(tools: Any) -> None:
    await tools("write_file", path="e", content="old")
    assert "No changes\n" == await tools("edit_file", path="e", edits=[])
    assert "No changes\n" == await tools("edit_file", path="e", edits=[{"oldText": "old", "newText": "old"}])


async def test_an_edit_keeps_line_ends_permissions_and_bytes_that_are_not_utf8(tools: Any) -> None:
    await tools.sh(r"printf 'a\r\n\xff\r\nb' > e; chmod 700 e")
    await tools("edit_file", path="e", edits=[{"oldText": "b", "newText": "漢"}])
    assert b"a\r\n\xff\r\n\xe6\xbc\xa2" == base64.b64decode(await tools("read_file", path="e", format="binary"))
    assert "700\n" == await tools.sh("stat -c %a e")


async def test_edits_at_the_same_time_are_all_kept(tools: Any) -> None:
    await tools("write_file", path="e", content="".join(f"<{number}>" for number in range(10)))
    edits = [[{"oldText": f"<{number}>", "newText": f"({number})"}] for number in range(10)]
    await asyncio.gather(*(tools("edit_file", path="e", edits=each) for each in edits))
    assert "".join(f"({number})" for number in range(10)) == await tools("read_file", path="e")


async def test_an_edit_of_a_long_file_is_quick_and_tells_only_its_size(tools: Any) -> None:
    await tools("write_file", path="/tmp/e", content="same\n" * 300_000 + "end\n")
    edits = [{"oldText": "same\n", "newText": "first\n"}, {"oldText": "end\n", "newText": "last\n"}]
    text = await tools("edit_file", path="/tmp/e", edits=edits)
    assert "--- a/tmp/e\n+++ b/tmp/e\n(300001 lines from line 1 on became 300001 lines)\n" == text


@pytest.mark.parametrize(
    ("edits", "why"),
    [
        ("x", "edits must be an array, got a string"),
        ([1], "edits item 0 must be an object, got a number"),
        ([{"oldText": "a"}], "edits item 0 has no newText"),
        ([{"oldText": "a", "newText": None}], "edits item 0 has a newText that must be a string, got null"),
        ([{"oldText": "a", "newText": "b"}] * 1001, "edits may be at most 1000, got 1001"),
    ],
)
async def test_edits_of_the_wrong_form_are_refused(tools: Any, edits: Any, why: str) -> None:
    said = await tools.refused("edit_file", path="e", edits=edits)
    assert f"Execution failed. Error code:-32602 Error message: Invalid arguments for tool edit_file: {why}" == said


async def test_a_dry_run_that_is_neither_true_nor_false_is_refused(tools: Any) -> None:
    assert "dryRun must be a boolean, got a string" in await tools.refused("edit_file", path="e", edits=[], dryRun="no")


# ---- cancellation


async def test_a_cancelled_write_leaves_the_old_file_and_nothing_else(tools: Any) -> None:
    await tools("write_file", path="f", content="old")
    for _ in range(5):
        call = asyncio.ensure_future(tools("write_file", path="f", content="n" * 20_000_000))
        await asyncio.sleep(0.003)
        call.cancel()
        await asyncio.wait([call])
    assert (await tools("read_file", path="f"))[:1] in {"o", "n"}
    assert "f\n" == await tools.sh("ls -A")
