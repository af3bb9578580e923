"""Files: every method, by whatever road the content travels."""

from __future__ import annotations

import json

import pytest

from agentbay import AsyncSession, FileError
from tests._async.both.doors import FOLDER, Script, ended, held, info, mocked, wrong
from tests.gateway import Received, Said

MISSING = f"{FOLDER}/missing"
GONE = wrong(f"Failed to get file status: {MISSING}, error: No such file or directory")

# Names of one, two, three and four bytes a letter; lengths that no piece of a file divides evenly.
TEXTS = {
    "empty": "",
    "one line": "hello\n",
    "no line end": "a\r\nb",
    "ascii": "0123456789" * 17_000,
    "two bytes": "x" + "ü" * 80_000,
    "three bytes": "你好" * 30_000,
    "four bytes": "ab" + "🎈" * 40_000,
}


class Disk:
    """What a written file holds, for the mocked server."""

    def __init__(self) -> None:
        self.content = b""

    def write(self, request: Received) -> Said:
        before = self.content if request.args["mode"] == "append" else b""
        self.content = before + request.args["content"].encode()
        return Said("True")

    def info(self, _: Received) -> Said:
        return info(len(self.content))

    def read(self, request: Received) -> Said:
        return held(self.content)(request)


def disk() -> Script:
    kept = Disk()
    return {"write_file": kept.write, "get_file_info": kept.info, "read_file": kept.read}


# --- Writing and reading ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", TEXTS.values(), ids=list(TEXTS))
@mocked(disk)
async def test_a_text_comes_back_as_it_was_written(session: AsyncSession, text: str) -> None:
    written = await session.file_system.write_file(f"{FOLDER}/deep/er/text", text)
    assert (True, True, "") == (written.success, written.data, written.error_message)
    read = await session.file_system.read_file(f"{FOLDER}/deep/er/text")
    assert (True, text) == (read.success, read.content)


@mocked(disk)
async def test_writing_again_replaces_and_appending_adds(session: AsyncSession) -> None:
    files, path = session.file_system, f"{FOLDER}/grows"
    await files.write_file(path, "first, and long")
    await files.write_file(path, "1")
    await files.write_file(path, "2ü", "append")
    assert "12ü" == (await files.read_file(path)).content


@mocked(disk)
async def test_appending_makes_the_file_and_takes_large_texts(session: AsyncSession) -> None:
    files, path, part = session.file_system, f"{FOLDER}/log", "zeile ä\n" * 12_000
    for _ in range(2):
        assert (await files.write(path, part, mode="append")).success
    assert part * 2 == (await files.read(path)).content


async def test_a_write_mode_is_overwrite_or_append(session: AsyncSession) -> None:
    result = await session.file_system.write_file(f"{FOLDER}/f", "x", "a+")
    assert (False, False) == (result.success, result.data)
    assert "Invalid write mode: a+. Must be 'overwrite' or 'append'." == result.error_message


BYTES = bytes(range(256)) * 500


@mocked(shell=ended(), get_file_info=info(len(BYTES)), read_file=held(BYTES))
async def test_bytes_come_back_as_they_are(session: AsyncSession) -> None:
    program = f"open('{FOLDER}/bytes', 'wb').write(bytes(range(256)) * 500)"
    (await session.command.run(f'python3 -c "{program}"')).unwrap()
    result = await session.file_system.read_file(f"{FOLDER}/bytes", format="bytes")
    assert (True, len(BYTES), None) == (result.success, result.size, result.content_type)
    assert BYTES == result.content


@mocked(shell=ended(), get_file_info=info(0))
async def test_an_empty_file_has_no_bytes(session: AsyncSession) -> None:
    await session.command.run(f"touch {FOLDER}/empty")
    result = await session.file_system.read_file(f"{FOLDER}/empty", format="bytes")
    assert (True, b"") == (result.success, result.content)


@mocked(get_file_info=GONE)
async def test_a_missing_file_cannot_be_read(session: AsyncSession) -> None:
    for result in (
        await session.file_system.read_file(MISSING),
        await session.file_system.read_file(MISSING, format="bytes"),
    ):
        assert (False, False) == (result.success, bool(result.content))
        assert f"{MISSING}, error: No such file or directory" in result.error_message
        assert isinstance(result.error, FileError)


@mocked(get_file_info=info(4096, "directory"))
async def test_a_directory_cannot_be_read(session: AsyncSession) -> None:
    result = await session.file_system.read_file(FOLDER)
    assert (False, "", True) == (result.success, result.content, FOLDER in result.error_message)


# --- Editing ----------------------------------------------------------------------------------------------------------


@mocked(
    edit_file=Said("--- a/f\n+++ b/f\n"),
    write_file=Said("True"),
    get_file_info=info(18),
    read_file="ONE two one two\nx\n",
)
async def test_edits_replace_the_first_place_each_in_order(session: AsyncSession) -> None:
    files, path = session.file_system, f"{FOLDER}/f"
    await files.write_file(path, "one two one two\n")
    edits = [{"oldText": "one", "newText": "ONE"}, {"oldText": "two\n", "newText": "two\nx\n"}]
    assert (await files.edit_file(path, edits)).success
    assert "ONE two one two\nx\n" == (await files.read_file(path)).content


@mocked(edit_file=Said("--- a/f\n+++ b/f\n"), write_file=Said("True"), get_file_info=info(4), read_file="one\n")
async def test_a_dry_run_writes_nothing(session: AsyncSession) -> None:
    files, path = session.file_system, f"{FOLDER}/f"
    await files.write_file(path, "one\n")
    assert (await files.edit_file(path, [{"oldText": "one", "newText": "two"}], dry_run=True)).success
    assert "one\n" == (await files.read_file(path)).content


@pytest.mark.parametrize("dry_run", [False, True])
@mocked(
    edit_file=wrong(f"Failed to edit file: {FOLDER}/f, error: the text of edit 2 is not there: 'nowhere'"),
    write_file=Said("True"),
    get_file_info=info(4),
    read_file="one\n",
)
async def test_an_edit_that_does_not_fit_changes_nothing(session: AsyncSession, dry_run: bool) -> None:
    files, path = session.file_system, f"{FOLDER}/f"
    await files.write_file(path, "one\n")
    edits = [{"oldText": "one", "newText": "two"}, {"oldText": "nowhere", "newText": ""}]
    result = await files.edit_file(path, edits, dry_run=dry_run)
    assert (False, True) == (result.success, "nowhere" in result.error_message)
    assert "one\n" == (await files.read_file(path)).content


# --- Directories ------------------------------------------------------------------------------------------------------


@mocked(
    create_directory=Said("True"), write_file=Said("True"), list_directory=Said("[DIR] b c\n[FILE] ä.txt\n[DIR] sub")
)
async def test_a_directory_lists_its_names(session: AsyncSession) -> None:
    files = session.file_system
    for name in ("sub/deeper", "b c"):
        assert (await files.create_directory(f"{FOLDER}/{name}")).success
    await files.write_file(f"{FOLDER}/ä.txt", "x")
    listed = await files.list_directory(FOLDER)
    found = {entry.name: (entry.is_directory, entry.is_file) for entry in listed.entries}
    assert {"sub": (True, False), "b c": (True, False), "ä.txt": (False, True)} == found
    assert listed.success


@mocked(create_directory=Said("True"))
async def test_making_a_directory_twice_is_fine(session: AsyncSession) -> None:
    for _ in range(2):
        assert (await session.file_system.create_directory(f"{FOLDER}/again")).success


@mocked(create_directory=Said("True"), list_directory=Said("No entries"))
async def test_an_empty_directory_has_no_names(session: AsyncSession) -> None:
    await session.file_system.create_directory(f"{FOLDER}/bare")
    result = await session.file_system.ls(f"{FOLDER}/bare")
    assert (True, []) == (result.success, result.entries)


@mocked(list_directory=wrong(f"Failed to list directory: {MISSING}, error: No such file or directory"))
async def test_a_missing_directory_cannot_be_listed(session: AsyncSession) -> None:
    result = await session.file_system.list(MISSING)
    assert (False, [], True) == (result.success, result.entries, MISSING in result.error_message)


# --- Whole files ------------------------------------------------------------------------------------------------------


@mocked(write_file=Said("True"), get_file_info=[info(6), info(4096, "directory")])
async def test_a_file_and_a_directory_tell_what_they_are(session: AsyncSession) -> None:
    files = session.file_system
    await files.write_file(f"{FOLDER}/f", "grüß")
    told = await files.get_file_info(f"{FOLDER}/f")
    assert (True, 6, True, False, "644") == (
        told.success,
        told.size,
        told.is_file,
        told.is_directory,
        told.permissions,
    )
    assert {"size", "created", "modified", "isDirectory", "isFile", "permissions"} <= told.file_info.keys()
    folder = await files.get_file_info(FOLDER)
    assert (True, False, "755") == (folder.is_directory, folder.is_file, folder.permissions)


@mocked(get_file_info=GONE)
async def test_a_missing_file_has_no_information(session: AsyncSession) -> None:
    result = await session.file_system.get_file_info(MISSING)
    assert (False, {}, True) == (result.success, result.file_info, MISSING in result.error_message)


@mocked(write_file=Said("True"), move_file=Said("True"), get_file_info=[GONE, info(1)], read_file="x")
async def test_a_file_moves(session: AsyncSession) -> None:
    files = session.file_system
    await files.write_file(MISSING, "x")
    assert (await files.move_file(MISSING, f"{FOLDER}/there")).success
    assert not (await files.read_file(MISSING)).success
    assert "x" == (await files.read_file(f"{FOLDER}/there")).content


@mocked(
    write_file=Said("True"),
    move_file=wrong(f"Failed to move file: {FOLDER}/a to {FOLDER}/b, error: File exists"),
    get_file_info=info(1),
    read_file="b",
)
async def test_a_move_never_replaces(session: AsyncSession) -> None:
    files = session.file_system
    for name in ("a", "b"):
        await files.write_file(f"{FOLDER}/{name}", name)
    result = await files.move_file(f"{FOLDER}/a", f"{FOLDER}/b")
    assert (False, True) == (result.success, "File exists" in result.error_message)
    assert "b" == (await files.read_file(f"{FOLDER}/b")).content


@mocked(move_file=wrong(f"Failed to move file: {MISSING} to {FOLDER}/b, error: No such file or directory"))
async def test_a_missing_file_cannot_move(session: AsyncSession) -> None:
    result = await session.file_system.move_file(MISSING, f"{FOLDER}/b")
    assert (False, True) == (result.success, "No such file or directory" in result.error_message)


@mocked(
    write_file=Said("True"),
    delete_file=[Said("True"), wrong(f"Failed to delete file: {MISSING}, error: No such file or directory")],
)
async def test_a_file_can_be_deleted_only_once(session: AsyncSession) -> None:
    files = session.file_system
    await files.write_file(MISSING, "x")
    first, second = await files.delete_file(MISSING), await files.delete_file(MISSING)
    assert (True, False, True) == (first.success, second.success, MISSING in second.error_message)


@pytest.mark.parametrize("name", ["delete_file", "delete", "remove", "rm"])
@mocked(write_file=Said("True"), delete_file=Said("True"), list_directory=Said("No entries"))
async def test_every_name_of_delete_deletes(session: AsyncSession, name: str) -> None:
    await session.file_system.write_file(f"{FOLDER}/f", "x")
    assert (await getattr(session.file_system, name)(f"{FOLDER}/f")).success
    assert [] == (await session.file_system.list_directory(FOLDER)).entries


@mocked(write_file=Said("True"), get_file_info=info(1), read_file="x")
async def test_all_names_of_the_module_are_one(session: AsyncSession) -> None:
    await session.files.write(f"{FOLDER}/f", "x")
    for files in (session.file_system, session.files, session.fs, session.filesystem):
        assert "x" == (await files.read(f"{FOLDER}/f")).content


# --- Several files ----------------------------------------------------------------------------------------------------

BLOCKS = (
    f"{FOLDER}/a:\nalpha\nbeta\n\n---\n{FOLDER}/ü b:\n你好: x\n\n---\n{MISSING}:\nError: No such file or directory\n"
)


@mocked(write_file=Said("True"), read_multiple_files=BLOCKS)
async def test_several_files_are_read_at_once_and_a_missing_one_says_so(session: AsyncSession) -> None:
    texts = {f"{FOLDER}/a": "alpha\nbeta", f"{FOLDER}/ü b": "你好: x"}
    for path, text in texts.items():
        await session.file_system.write_file(path, text)
    result = await session.file_system.read_multiple_files([*texts, MISSING])
    missing = result.contents.pop(MISSING)
    assert (True, texts, True) == (result.success, result.contents, "No such file or directory" in missing)


TREE = ("a.py", "b.txt", "sub/c.py", "sub/skip/d.py", "sub/e.pyc")

# Pattern and what is left out, to what is found below the folder.
SEARCHES: dict[tuple[str, str], list[str]] = {
    ("*.py", ""): ["a.py", "sub/c.py", "sub/skip/d.py"],
    ("*.py", "skip"): ["a.py", "sub/c.py"],
    ("*.py", "c.*,skip"): ["a.py"],
    (".py", ""): ["a.py", "sub/c.py", "sub/e.pyc", "sub/skip/d.py"],
    ("?.py", "sub"): ["a.py"],
    ("*.PY", ""): [],
    ("skip", ""): ["sub/skip"],
}


def search(request: Received) -> Said:
    found = SEARCHES[request.args["pattern"], request.args.get("excludePatterns", "")]
    return Said("\n".join(f"{FOLDER}/{name}" for name in found) or "No matches found")


@pytest.mark.parametrize(("pattern", "without"), SEARCHES)
@mocked(write_file=Said("True"), search_files=search)
async def test_a_search_finds_by_name(session: AsyncSession, pattern: str, without: str) -> None:
    for name in TREE:
        await session.file_system.write_file(f"{FOLDER}/{name}", "x")
    exclude = without.split(",") if without else None
    result = await session.file_system.search_files(FOLDER, pattern, exclude)
    assert (True, [f"{FOLDER}/{name}" for name in SEARCHES[pattern, without]]) == (
        result.success,
        sorted(result.matches),
    )


@mocked(search_files=wrong(f"Failed to search files: {MISSING}, error: No such file or directory"))
async def test_a_missing_directory_cannot_be_searched(session: AsyncSession) -> None:
    result = await session.file_system.search_files(MISSING, "x")
    assert (False, [], True) == (result.success, result.matches, MISSING in result.error_message)


# --- Changes ----------------------------------------------------------------------------------------------------------

LOOKED, WATCHED = f"{FOLDER}/looked", f"{FOLDER}/watched"


def changes(*events: tuple[str, str]) -> Said:
    told = [{"eventType": kind, "path": path, "pathType": "file"} for kind, path in events]
    return Said(json.dumps(told))


@mocked(
    write_file=Said("True"),
    delete_file=Said("True"),
    get_file_change=[
        changes(),
        changes(("create", f"{LOOKED}/new"), ("modify", f"{LOOKED}/new"), ("modify", f"{LOOKED}/old")),
        changes(("delete", f"{LOOKED}/new")),
        changes(),
    ],
)
async def test_changes_are_told_since_the_last_look(session: AsyncSession) -> None:
    files, new, old = session.file_system, f"{LOOKED}/new", f"{LOOKED}/old"
    await files.write_file(old, "x")
    first = await files.get_file_change(LOOKED)
    await files.write_file(new, "x")
    await files.write_file(old, "longer")
    second = await files.get_file_change(LOOKED)
    await files.delete_file(new)
    third, last = await files.get_file_change(LOOKED), await files.get_file_change(LOOKED)
    assert (True, [False, False]) == (first.success, [first.has_changes(), last.has_changes()])
    assert ([new], [new, old], [new]) == (
        second.get_created_files(),
        second.get_modified_files(),
        third.get_deleted_files(),
    )
    assert {"file"} == {event.path_type for event in second.events}


@mocked(
    create_directory=Said("True"), shell=ended(), get_file_change=[changes(), changes(("modify", f"{WATCHED}/seen"))]
)
async def test_a_watch_iterates_over_changes(session: AsyncSession) -> None:
    await session.file_system.create_directory(WATCHED)
    script = f"for i in $(seq 200); do echo $i >> {WATCHED}/seen; sleep 0.05; done"
    await session.command.run(f"({script}) >/dev/null 2>&1 &")
    watch = session.file_system.watch_directory(WATCHED, interval=0.01)
    async for events in watch:
        assert {f"{WATCHED}/seen"} == {event.path for event in events}
        break
    await watch.aclose()
