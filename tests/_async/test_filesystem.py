"""Files: large ones in pieces by the action, in one by the direct link; every form in which the tools answer."""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any

import pytest

from agentbay import (
    APIError,
    AsyncSession,
    BinaryFileContentResult,
    DirectoryListResult,
    FileChangeResult,
    FileContentResult,
    FileError,
    FileInfoResult,
    FileSearchResult,
    FileWriteResult,
    MultipleFileContentResult,
    NotFoundError,
)
from tests.catalogue import TOOLS
from tests.gateway import GONE, REQUEST_ID, SESSION_ID, Gateway, Received, Said, ok

READ = 51200
WRITE = TOOLS["write_file"]["max_content_bytes_rpc"]


def serve(gateway: Gateway, content: bytes) -> None:
    """Make the gateway offer one file, as the service does."""

    def read(request: Received) -> Said:
        args = request.args
        end = args["offset"] + args["length"] if args["length"] else len(content)
        part = content[args["offset"] : end]
        return Said(base64.b64encode(part).decode() if args.get("format") else part.decode())

    gateway.on("get_file_info", Said(f"size: {len(content)}\nisDirectory: false\nisFile: true"))
    gateway.on("read_file", read)


def asked(gateway: Gateway) -> list[tuple[int, int]]:
    return [(request.args["offset"], request.args["length"]) for request in gateway.of("read_file")]


# --- Reading ----------------------------------------------------------------------------------------------------------

PIECES: list[tuple[int, list[tuple[int, int]]]] = [
    (0, []),
    (1, [(0, 1)]),
    (READ - 1, [(0, READ - 1)]),
    (READ, [(0, READ)]),
    (READ + 1, [(0, READ), (READ, 1)]),
    (2 * READ, [(0, READ), (READ, READ)]),
    (2 * READ + 7, [(0, READ), (READ, READ), (2 * READ, 7)]),
]


@pytest.mark.parametrize(("size", "pieces"), PIECES, ids=[str(size) for size, _ in PIECES])
async def test_text_is_read_in_pieces(
    session: AsyncSession, gateway: Gateway, size: int, pieces: list[tuple[int, int]]
) -> None:
    text = "".join(chr(97 + number % 26) for number in range(size))
    serve(gateway, text.encode())

    result = await session.file_system.read_file("/f")

    assert asked(gateway) == pieces
    assert result == FileContentResult(REQUEST_ID, success=True, content=text)
    assert len(gateway.of("get_file_info")) == 1


@pytest.mark.parametrize("size", [1, READ, READ + 1, 3 * READ + 5])
async def test_bytes_are_read_in_pieces(session: AsyncSession, gateway: Gateway, size: int) -> None:
    content = bytes(number * 7 % 256 for number in range(size))
    serve(gateway, content)

    result = await session.file_system.read_file("/f", format="bytes")

    assert result == BinaryFileContentResult(REQUEST_ID, success=True, content=content, size=size)
    assert result.content_type is None


async def test_an_empty_file_has_no_bytes(session: AsyncSession, gateway: Gateway) -> None:
    serve(gateway, b"")

    result = await session.file_system.read_file("/f", format="bytes")

    assert (result.success, result.content, gateway.of("read_file")) == (True, b"", [])


async def test_the_direct_link_carries_a_file_in_one_piece(direct: AsyncSession, gateway: Gateway) -> None:
    content = "häy" * READ
    serve(gateway, content.encode())

    result = await direct.file_system.read_file("/f")

    assert (result.content, asked(gateway), gateway.of("get_file_info")) == (content, [(0, 0)], [])


@pytest.mark.parametrize("info", ["isDirectory: true\nsize: 4096", "", "no colon here"])
async def test_what_is_no_file_cannot_be_read(session: AsyncSession, gateway: Gateway, info: str) -> None:
    gateway.on("get_file_info", Said(info))

    result = await session.file_system.read_file("/d")

    message = "Path does not exist or is a directory: /d"
    assert result == FileContentResult(REQUEST_ID, success=False, error_message=message)
    assert (type(result.error), result.error.session_id) == (FileError, SESSION_ID)


async def test_a_missing_file_says_so(session: AsyncSession, gateway: Gateway) -> None:
    text = TOOLS["get_file_info"]["error_examples"][0]
    gateway.on("get_file_info", Said(text, failed=True))

    result = await session.file_system.read_file("/nope", format="bytes")

    assert result == BinaryFileContentResult(REQUEST_ID, success=False, error_message=text)
    assert type(result.error) is FileError


async def test_a_piece_that_fails_is_the_result(session: AsyncSession, gateway: Gateway) -> None:
    gateway.on("get_file_info", Said(f"size: {3 * READ}"))
    gateway.on("read_file", Said("a" * READ), Said("disk on fire", failed=True))

    result = await session.file_system.read_file("/f")

    assert result == FileContentResult(REQUEST_ID, success=False, error_message="disk on fire")
    assert len(gateway.of("read_file")) == 2


async def test_a_piece_that_is_not_base64_is_a_failure(either: AsyncSession, gateway: Gateway) -> None:
    gateway.on("get_file_info", Said(f"size: {2 * READ}"))
    gateway.on("read_file", Said("not base64!"))

    result = await either.file_system.read_file("/f", format="bytes")

    assert (result.success, result.content, len(gateway.of("read_file"))) == (False, b"", 1)
    assert result.error_message.startswith("Failed to decode base64: ")


async def test_a_format_is_text_or_bytes(session: AsyncSession, gateway: Gateway) -> None:
    wrong: Any = "binary"
    with pytest.raises(ValueError, match=r"Invalid format: 'binary'. Must be 'text' or 'bytes'"):
        await session.file_system.read_file("/f", format=wrong)

    assert gateway.requests == []


# --- Writing ----------------------------------------------------------------------------------------------------------

CONTENTS: list[tuple[str, list[int]]] = [
    ("", [0]),
    ("a" * WRITE, [WRITE]),
    ("a" * (WRITE + 1), [WRITE, 1]),
    ("a" * (2 * WRITE), [WRITE, WRITE]),
    ("ä" * (WRITE // 2), [WRITE]),
    ("a" + "ä" * (WRITE // 2), [WRITE - 1, 2]),
    ("😀" * (WRITE // 4 + 1), [WRITE, 4]),
    ("aaa" + "😀" * (WRITE // 4), [WRITE - 1, 4]),
]


@pytest.mark.parametrize(("content", "sizes"), CONTENTS, ids=range(len(CONTENTS)))
@pytest.mark.parametrize("mode", ["overwrite", "append"])
async def test_text_is_written_in_pieces_between_characters(
    session: AsyncSession, gateway: Gateway, content: str, sizes: list[int], mode: str
) -> None:
    gateway.on("write_file", Said("True"))

    result = await session.file_system.write_file("/f", content, mode)

    sent = [request.args for request in gateway.requests]
    assert [len(args["content"].encode()) for args in sent] == sizes
    assert "".join(args["content"] for args in sent) == content
    assert [args["mode"] for args in sent] == [mode, *["append"] * (len(sizes) - 1)]
    assert result == FileWriteResult(REQUEST_ID, success=True, data=True)


async def test_the_direct_link_takes_a_file_in_one_piece(direct: AsyncSession, gateway: Gateway) -> None:
    gateway.on("write_file", Said("True"))
    content = "häy" * WRITE

    await direct.file_system.write("/f", content)

    assert [request.args for request in gateway.requests] == [{"path": "/f", "content": content, "mode": "overwrite"}]


async def test_writing_ends_at_a_piece_that_fails(session: AsyncSession, gateway: Gateway) -> None:
    gateway.on("write_file", Said("True"), Said("disk full", failed=True))

    result = await session.file_system.write_file("/f", "a" * (4 * WRITE))

    assert result == FileWriteResult(REQUEST_ID, success=False, error_message="disk full")
    assert len(gateway.requests) == 2


async def test_a_write_mode_is_overwrite_or_append(either: AsyncSession, gateway: Gateway) -> None:
    result = await either.file_system.write_file("/f", "a", "truncate")

    message = "Invalid write mode: truncate. Must be 'overwrite' or 'append'."
    assert result == FileWriteResult(success=False, data=False, error_message=message)
    assert (type(result.error), gateway.requests) == (FileError, [])


# --- What the tools say -----------------------------------------------------------------------------------------------


async def test_what_is_known_of_a_file(either: AsyncSession, gateway: Gateway) -> None:
    lines = "size: 1.5\n name : a: b\nisDirectory: TRUE\nisFile: False\nsize: 7\nodd\npermissions: 0644x\nempty:"
    gateway.on("get_file_info", Said(lines))

    result = await either.file_system.get_file_info("/f")

    assert result.file_info == {
        "size": 7,
        "name": "a: b",
        "isDirectory": True,
        "isFile": False,
        "permissions": "0644x",
        "empty": "",
    }
    told = (result.size, result.is_directory, result.is_file, result.permissions)
    assert told == (7, True, False, "0644x")


def test_an_unknown_size_is_nothing() -> None:
    infos = [FileInfoResult(), FileInfoResult(file_info={"size": "big"}), FileInfoResult(file_info={"size": 2.9})]

    assert [info.size for info in infos] == [0, 0, 2]
    assert (infos[0].is_directory, infos[0].is_file, infos[0].permissions) == (False, False, "")


BLOCKS: list[tuple[str, dict[str, str]]] = [
    ("/a:\none\n\ntwo\n\n---\n/b: inline\nmore\n", {"/a": "one\n\ntwo", "/b": "inline\nmore"}),
    ("/a:\nx\n  ---  \n/b:\ny", {"/a": "x", "/b": "y"}),
    ("noise\n/a:\nx: y", {"/a": "x: y"}),
    ("---\nno path\n---", {}),
    ("", {}),
]


@pytest.mark.parametrize(("text", "contents"), BLOCKS, ids=range(len(BLOCKS)))
async def test_several_files_are_read_as_blocks(
    session: AsyncSession, gateway: Gateway, text: str, contents: dict[str, str]
) -> None:
    gateway.on("read_multiple_files", Said(text))

    result = await session.file_system.read_multiple_files(["/a", "/b"])

    assert result == MultipleFileContentResult(REQUEST_ID, success=True, contents=contents)


ASKED = [
    ("/a:\n---\nkey: value\n\n---\n/b:\nb\n", {"/a": "---\nkey: value", "/b": "b"}),
    ("/a: one\n---\n---\n---\n/b:", {"/a": "one\n---\n---", "/b": ""}),
    ("/b:\nb\n---\n/a:\na: 1", {"/b": "b", "/a": "a: 1"}),
    ("/a:\n/b: no block\n---\n/b:\nb", {"/a": "/b: no block", "/b": "b"}),
    ("./a:\na\n---\n/b:\nb", {"./a": "a", "/b": "b"}),
]


@pytest.mark.parametrize(("text", "contents"), ASKED, ids=range(len(ASKED)))
async def test_only_the_paths_that_were_asked_for_begin_a_block(
    session: AsyncSession, gateway: Gateway, text: str, contents: dict[str, str]
) -> None:
    gateway.on("read_multiple_files", Said(text))

    assert (await session.file_system.read_multiple_files(["/a", "/b"])).contents == contents


async def test_of_two_paths_that_fit_the_longer_one_begins_the_block(session: AsyncSession, gateway: Gateway) -> None:
    gateway.on("read_multiple_files", Said("/a:b: x\n---\n/a: y"))

    result = await session.file_system.read_multiple_files(["/a", "/a:b", "/a"])

    assert result.contents == {"/a:b": "x", "/a": "y"}


@pytest.mark.parametrize(
    ("text", "matches"), [("", []), ("\n", []), ("No matches found\n", []), (" /a \n/b c\n", ["/a", "/b c"])]
)
async def test_a_search_finds_one_path_a_line(
    session: AsyncSession, gateway: Gateway, text: str, matches: list[str]
) -> None:
    gateway.on("search_files", Said(text))

    result = await session.file_system.search_files("/", "*")

    assert result == FileSearchResult(REQUEST_ID, success=True, matches=matches)


CHANGES = (
    '[{"eventType":"create","path":"/c","pathType":"file"},{"eventType":"modify","path":"/m","pathType":"file"},'
    '{"eventType":"delete","path":"/d","pathType":"directory"},{"path":7},"noise"]'
)


async def test_changes_are_sorted_by_their_kind(either: AsyncSession, gateway: Gateway) -> None:
    gateway.on("get_file_change", Said(CHANGES))

    result = await either.file_system.get_file_change("/")

    kinds = [result.get_created_files(), result.get_modified_files(), result.get_deleted_files()]
    assert kinds == [["/c"], ["/m"], ["/d"]]
    assert (result.has_changes(), len(result.events), result.events[3].path) == (True, 4, "7")


@pytest.mark.parametrize("text", ["[]", "no json", "{}", ""])
async def test_what_is_no_list_of_changes_is_none(session: AsyncSession, gateway: Gateway, text: str) -> None:
    gateway.on("get_file_change", Said(text))

    result = await session.file_system.get_file_change("/")

    assert result == FileChangeResult(REQUEST_ID, success=True, raw_data=text)
    assert not result.has_changes()


FAILURES: dict[str, tuple[Callable[[AsyncSession], Any], str, type[Any]]] = {
    "read_file": (lambda session: session.fs.read_file("/f"), "Failed to read file", FileContentResult),
    "write_file": (lambda session: session.fs.write_file("/f", ""), "Failed to write file", FileWriteResult),
    "list_directory": (lambda session: session.fs.ls("/f"), "Failed to list directory", DirectoryListResult),
    "get_file_info": (lambda session: session.fs.get_file_info("/"), "Failed to get file info", FileInfoResult),
    "read_multiple_files": (
        lambda session: session.fs.read_multiple_files([]),
        "Failed to read multiple files",
        MultipleFileContentResult,
    ),
    "search_files": (lambda session: session.fs.search_files("/", "a"), "Failed to search files", FileSearchResult),
    "get_file_change": (
        lambda session: session.fs.get_file_change("/"),
        "Failed to get file change",
        FileChangeResult,
    ),
}


@pytest.mark.parametrize(("tool", "failure"), FAILURES.items(), ids=list(FAILURES))
async def test_a_tool_that_fails_without_words_gets_some(
    direct: AsyncSession, gateway: Gateway, tool: str, failure: tuple[Callable[[AsyncSession], Any], str, type[Any]]
) -> None:
    call, message, kind = failure
    gateway.on(tool, Said("", failed=True))

    result = await call(direct)

    assert (type(result), result.success, result.error_message, type(result.error)) == (kind, False, message, FileError)


async def test_files_of_a_session_that_is_gone_are_not_found(session: AsyncSession, gateway: Gateway) -> None:
    gateway.on("write_file", GONE)
    gateway.on("get_file_info", GONE)
    gateway.on("list_directory", ok())

    results = [await session.fs.write("/f", "a"), await session.fs.read("/f"), await session.fs.list("/")]

    assert [type(result.error) for result in results] == [NotFoundError, NotFoundError, APIError]
    assert [type(result) for result in results] == [FileWriteResult, FileContentResult, DirectoryListResult]
