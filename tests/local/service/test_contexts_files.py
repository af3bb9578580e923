"""The files of contexts: listed, deleted, and carried by presigned addresses as by an object store."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import os
import re
import time
from collections.abc import AsyncIterator, Mapping
from itertools import chain
from urllib.parse import urlsplit

import pytest
from aiohttp import hdrs
from yarl import URL

from agentbay_local.presigning import Place, presigned
from tests.local.service.api import Api
from tests.local.service.test_contexts import cleared, made, put

ODD_NAMES = [
    "/a b&c=d?e#f%2Fg.txt",
    "/Ünïcode 文/🎉.bin",
    "/new\nline\ttab",
    "/'quote\"; --",
    "/..hidden/...",
    "/" + "x" * 255,
    "/+%20+",
    "/a\\b",
]


async def address(api: Api, way: str, context: str, path: str) -> str:
    answer = await api.call(f"GetContextFile{way}Url", ContextId=context, FilePath=path)
    assert answer.verdict == (200, "ok"), answer.body
    return str(answer.data["Url"])


async def get(api: Api, url: str, method: str = "GET", **headers: str) -> tuple[int, bytes, Mapping[str, str]]:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    async with api.http.request(method, URL(url, encoded=True), headers=named) as response:
        return response.status, await response.read(), response.headers


async def fetched(api: Api, context: str, path: str) -> bytes:
    status, body, _ = await get(api, await address(api, "Download", context, path))
    assert status == 200
    return body


async def listed(api: Api, context: str, parent: str = "/", **params: str) -> list[tuple[str, str, int]]:
    answer = await api.call("DescribeContextFiles", ContextId=context, ParentFolderPath=parent, **params)
    return [(item["FilePath"], item["FileType"], item["Size"]) for item in answer.data]


def code(body: bytes) -> str:
    found = re.search(rb"<Code>(\w+)</Code>", body)
    return found[1].decode() if found else ""


# --- Lists ------------------------------------------------------------------------------------------------------------


async def test_a_folder_is_listed_one_level_deep(api: Api) -> None:
    context = await made(api)
    for path in ("/tmp/data/b.txt", "/tmp/data/a/1", "/tmp/data/a/2", "/tmp/data/a.txt", "/tmp/database", "/z"):
        await put(api, context, path, b"12345")
    assert [await listed(api, context, parent) for parent in ("/", "/tmp/", "/tmp/data", "/tmp/data/a", "/none")] == [
        [("/tmp", "FOLDER", 0), ("/z", "FILE", 5)],
        [("/tmp/data", "FOLDER", 0), ("/tmp/database", "FILE", 5)],
        [("/tmp/data/a.txt", "FILE", 5), ("/tmp/data/a", "FOLDER", 0), ("/tmp/data/b.txt", "FILE", 5)],
        [("/tmp/data/a/1", "FILE", 5), ("/tmp/data/a/2", "FILE", 5)],
        [],
    ]


async def test_an_entry_has_all_that_the_protocol_names(api: Api) -> None:
    context = await made(api)
    await put(api, context, "/tmp/data/a.txt", b"x" * 21)
    answer = await api.call("DescribeContextFiles", ContextId=context, ParentFolderPath="/tmp/data")
    [item] = answer.data
    file_id, *times = item.pop("FileId"), item.pop("GmtCreate"), item.pop("GmtModified")
    assert item == {
        "FileName": "a.txt",
        "FilePath": "/tmp/data/a.txt",
        "RelativePath": "a.txt",
        "FileType": "FILE",
        "Size": 21,
        "Status": "ready",
    }
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", moment) for moment in times)
    assert (file_id.startswith("fid-"), answer.body["Count"], answer.body["MaxResults"]) == (True, 1, 50)
    assert (answer.body["NextToken"], "TotalCount" in answer.body) == ("", False)


async def test_pages_by_number_and_by_token_give_the_same(api: Api) -> None:
    context = await made(api)
    names = [f"/d/{number:02}" for number in range(7)] + ["/d/03-folder/x", "/d/03-folder/y"]
    for path in names:
        await put(api, context, path, b"")
    whole = await listed(api, context, "/d")
    by_number = [await listed(api, context, "/d", PageNumber=str(number), PageSize="3") for number in (1, 2, 3, 4)]
    by_token, token = [], ""
    while True:
        params = {"MaxResults": "3", "NextToken": token, "ContextId": context, "ParentFolderPath": "/d"}
        page = await api.call("DescribeContextFiles", **params)
        by_token.append([(item["FilePath"], item["FileType"], item["Size"]) for item in page.data])
        assert page.body["Count"] == 8
        if not (token := page.body["NextToken"]):
            break
    assert [len(page) for page in by_number] == [3, 3, 2, 0]
    assert [*chain(*by_number)] == [*chain(*by_token)] == whole


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PageNumber", "0"),
        ("PageNumber", "9" * 30),
        ("PageSize", "0"),
        ("PageSize", "1001"),
        ("MaxResults", "-1"),
        ("NextToken", "!"),
        ("ParentFolderPath", "tmp"),
        ("ParentFolderPath", "/../etc"),
        ("ParentFolderPath", "/a\0"),
    ],
)
async def test_a_malformed_question_is_named(api: Api, name: str, value: str) -> None:
    params = {"ContextId": await made(api), "ParentFolderPath": "/", name: value}
    answer = await api.call("DescribeContextFiles", **params)
    assert (answer.verdict, name in answer.body["Message"]) == ((400, "InvalidParameter"), True)


@pytest.mark.parametrize("action", ["DeleteContextFile", "GetContextFileUploadUrl", "GetContextFileDownloadUrl"])
@pytest.mark.parametrize(
    "path", ["a.txt", "", "/", "/a/", "/a/../b", "/..", "/a\0b", "/" + "x" * 256, "/a" * 2100, "../a", "C:", "/\ud800"]
)
async def test_a_path_that_cannot_be_a_files_is_refused(api: Api, action: str, path: str) -> None:
    context = await made(api)
    escaped = path.encode("utf-8", "surrogatepass").decode("latin-1") if "\ud800" in path else path
    answer = await api.call(action, ContextId=context, FilePath=escaped)
    if "\ud800" in path:
        assert answer.status in {200, 400}
    else:
        assert (answer.verdict, "FilePath" in answer.body["Message"]) == ((400, "InvalidParameter"), True)


async def test_one_file_has_one_path_however_it_is_spelled(api: Api) -> None:
    context = await made(api)
    await put(api, context, "//tmp/./data///a.txt", b"1")
    await put(api, context, "C:\\Users\\x\\a.txt", b"2")
    assert await listed(api, context, "/tmp/data") == [("/tmp/data/a.txt", "FILE", 1)]
    assert await listed(api, context, "C:\\Users\\x") == [("/C:/Users/x/a.txt", "FILE", 1)]


# --- Deleting ---------------------------------------------------------------------------------------------------------


async def test_a_deleted_file_is_gone_and_no_other(api: Api) -> None:
    context = await made(api)
    for path in ("/a/1", "/a/2"):
        await put(api, context, path, b"same")
    url = await address(api, "Download", context, "/a/1")
    assert (await api.call("DeleteContextFile", ContextId=context, FilePath="/a/1")).verdict == (200, "ok")
    assert await listed(api, context, "/a") == [("/a/2", "FILE", 4)]
    status, body, _ = await get(api, url)
    assert (status, code(body), await fetched(api, context, "/a/2")) == (404, "NoSuchKey", b"same")


async def test_a_file_that_is_not_there_is_told_so(api: Api) -> None:
    context = await made(api)
    await put(api, context, "/folder/a", b"x")
    for path in ("/none", "/folder", "/folder/a/b", "/folde"):
        answer = await api.call("GetContextFileDownloadUrl", ContextId=context, FilePath=path)
        assert (answer.verdict, "file not exist" in answer.body["Message"]) == (
            (400, "ContextFile.NotFound"),
            True,
        )
    assert (await api.call("DeleteContextFile", ContextId=context, FilePath="/none")).verdict == (
        400,
        "ContextFile.NotFound",
    )


async def test_a_folder_with_something_in_it_is_not_deleted_as_a_file(api: Api) -> None:
    context = await made(api)
    await put(api, context, "/folder/a", b"x")
    answer = await api.call("DeleteContextFile", ContextId=context, FilePath="/folder")
    assert (answer.verdict, await fetched(api, context, "/folder/a")) == ((400, "ContextFile.Conflict"), b"x")


# --- Up and down ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ODD_NAMES)
async def test_a_file_of_any_name_comes_back_as_it_was(api: Api, path: str) -> None:
    context = await made(api)
    url = await address(api, "Upload", context, path)
    async with api.http.put(URL(url, encoded=True), data=b"of any name") as response:
        assert response.status == 200
    assert await fetched(api, context, path) == b"of any name"
    answer = await api.call("DescribeContextFiles", ContextId=context, ParentFolderPath=os.path.dirname(path))
    assert [item["FilePath"] for item in answer.data] == [path]


@pytest.mark.parametrize("size", [0, 1, 1 << 20, (3 << 20) + 7])
async def test_a_file_of_any_size_comes_back_as_it_was(api: Api, size: int) -> None:
    data = os.urandom(size)
    context = await made(api)
    await put(api, context, "/x", data)
    url = await address(api, "Download", context, "/x")
    status, body, headers = await get(api, url)
    assert (status, body == data, headers["Content-Length"]) == (200, True, str(size))
    assert headers["ETag"] == f'"{hashlib.sha256(data).hexdigest()}"'
    assert headers["Accept-Ranges"] == "bytes"


async def test_an_upload_is_answered_with_the_checksum(api: Api) -> None:
    url = await address(api, "Upload", await made(api), "/x")
    async with api.http.put(url, data=b"abc", headers={"Content-Type": "text/plain"}) as response:
        assert (response.status, await response.read()) == (200, b"")
        assert response.headers["ETag"] == f'"{hashlib.sha256(b"abc").hexdigest()}"'


async def test_an_upload_in_chunks_of_unknown_number_is_taken(api: Api) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        for number in range(50):
            yield b"%d," % number

    context = await made(api)
    async with api.http.put(await address(api, "Upload", context, "/x"), data=chunks()) as response:
        assert (response.status, response.request_info.headers.get("Transfer-Encoding")) == (200, "chunked")
    assert await fetched(api, context, "/x") == b"".join(b"%d," % number for number in range(50))


async def test_a_new_upload_replaces_the_file_for_those_who_come_later(api: Api) -> None:
    context = await made(api)
    await put(api, context, "/x", b"1" * (8 << 20))
    url = await address(api, "Download", context, "/x")
    async with api.http.get(url) as response:
        begun = await response.content.readexactly(10)
        await put(api, context, "/x", b"new")
        rest = await response.read()
    assert (set(begun + rest), len(begun + rest)) == (set(b"1"), 8 << 20)
    assert (await get(api, url))[1] == b"new"


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ("bytes=0-0", b"0"),
        ("bytes=2-4", b"234"),
        ("bytes=7-", b"789"),
        ("bytes=-3", b"789"),
        ("bytes=-99", b"0123456789"),
        ("bytes=5-99", b"56789"),
    ],
)
async def test_a_part_of_a_file_can_be_asked_for(api: Api, asked: str, expected: bytes) -> None:
    context = await made(api)
    await put(api, context, "/x", b"0123456789")
    status, body, headers = await get(api, await address(api, "Download", context, "/x"), Range=asked)
    start = b"0123456789".index(expected)
    assert (status, body) == (206, expected)
    assert headers["Content-Range"] == f"bytes {start}-{start + len(expected) - 1}/10"
    assert headers["Content-Length"] == str(len(expected))


@pytest.mark.parametrize("asked", ["bytes=10-", "bytes=99-100", "bytes=-0"])
async def test_a_part_that_is_not_there_is_refused(api: Api, asked: str) -> None:
    context = await made(api)
    await put(api, context, "/x", b"0123456789")
    status, body, headers = await get(api, await address(api, "Download", context, "/x"), Range=asked)
    assert (status, body, headers["Content-Range"]) == (416, b"", "bytes */10")


@pytest.mark.parametrize(
    "asked", ["bytes=3-1", "bytes=-", "bytes=1-2,4-5", "lines=1-2", "bytes=x", "bytes=" + "9" * 40]
)
async def test_a_range_without_a_meaning_gives_the_whole_file(api: Api, asked: str) -> None:
    context = await made(api)
    await put(api, context, "/x", b"0123456789")
    assert (await get(api, await address(api, "Download", context, "/x"), Range=asked))[:2] == (200, b"0123456789")


async def test_a_rest_is_only_given_of_the_same_file(api: Api) -> None:
    context = await made(api)
    await put(api, context, "/x", b"0123456789")
    url = await address(api, "Download", context, "/x")
    etag = (await get(api, url))[2]["ETag"]
    same = await get(api, url, Range="bytes=8-", If_Range=etag)
    unchanged = await get(api, url, If_None_Match=etag)
    await put(api, context, "/x", b"9876543210")
    other = await get(api, url, Range="bytes=8-", If_Range=etag)
    assert [same[:2], unchanged[:2], other[:2]] == [(206, b"89"), (304, b""), (200, b"9876543210")]


async def test_the_size_can_be_asked_for_alone(api: Api) -> None:
    context = await made(api)
    await put(api, context, "/x", b"12345")
    status, body, headers = await get(api, await address(api, "Download", context, "/x"), "HEAD")
    assert (status, body, headers["Content-Length"]) == (200, b"", "5")


async def test_a_browser_never_takes_a_file_for_a_page(api: Api) -> None:
    context = await made(api)
    await put(api, context, "/x.html", b"<script>alert(1)</script>")
    headers = (await get(api, await address(api, "Download", context, "/x.html"), Origin="https://example.com"))[2]
    assert headers["Content-Type"] == "application/octet-stream"
    assert (headers["Content-Disposition"], headers["X-Content-Type-Options"]) == ("attachment", "nosniff")


async def test_an_empty_folder_on_the_way_is_no_obstacle_but_a_file_is(api: Api) -> None:
    context = await made(api)
    await put(api, context, "/a/b", b"file")
    for path in ("/a", "/a/b/c"):
        async with api.http.put(await address(api, "Upload", context, path), data=b"x") as response:
            assert (response.status, code(await response.read())) == (409, "FileAlreadyExists")
    assert await fetched(api, context, "/a/b") == b"file"


# --- Addresses --------------------------------------------------------------------------------------------------------


async def test_an_address_says_for_how_long_it_is_good(api: Api) -> None:
    context = await made(api)
    answer = await api.call("GetContextFileUploadUrl", ContextId=context, FilePath="/x")
    query = URL(answer.data["Url"]).query
    assert answer.data["ExpireTime"] == 3600
    assert 3590 < int(query["Expires"]) - time.time() <= 3601
    assert answer.data["Url"].startswith(f"{api.endpoint}/store/{context}/x?")


async def test_an_address_is_good_for_its_file_method_and_time_alone(runtime_alone: Api) -> None:
    api = runtime_alone
    context, other = await made(api), await made(api)
    for one in (context, other):
        for path in ("/a", "/b", "/a\n/b"):
            await put(api, one, path, b"secret")
    down, up = await address(api, "Download", context, "/a"), await address(api, "Upload", context, "/a")
    query = URL(down).query
    late, signature = str(int(query["Expires"]) + 1), query["Signature"]
    lines = URL(await address(api, "Download", context, "/a\n/b")).query
    base = f"{api.endpoint}/store/{context}"
    swapped = {
        "path": down.replace("/a?", "/b?"),
        "context": down.replace(context, other),
        "time": down.replace(query["Expires"], late),
        "signature": down.replace(signature, signature[::-1]),
        "no signature": down.partition("&Signature")[0],
        "nothing": down.partition("?")[0],
        "not ASCII": down.replace(signature, "%C3%A9"),
        "upload's": up,
        "parts moved": f"{base}/b?Expires={lines['Expires']}%0A/a&Signature={lines['Signature']}",
    }
    answers = {name: (await get(api, url))[:2] for name, url in swapped.items()}
    assert {(status, code(body)) for status, body in answers.values()} == {(403, "SignatureDoesNotMatch")}, answers
    assert not [name for name, (_, body) in answers.items() if b"secret" in body]
    for method, url in (("PUT", down), ("HEAD", up)):
        assert (await get(api, url, method))[0] == 403
    assert (await get(api, down))[:2] == (200, b"secret")


async def test_an_address_expires(runtime_alone: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    api = runtime_alone
    context = await made(api)
    await put(api, context, "/a", b"x")
    monkeypatch.setattr("agentbay_local.presigning.VALID", -1)
    status, body, headers = await get(api, await address(api, "Download", context, "/a"))
    assert (status, code(body), b"expired" in body) == (403, "AccessDenied", True)
    assert headers["Content-Type"].startswith("application/xml")


async def test_an_address_of_another_server_is_refused(api: Api) -> None:
    context = await made(api)
    url = presigned(api.endpoint, b"another secret", "GET", Place(context, "/a"))
    assert (await get(api, url))[0] == 403


async def test_other_methods_are_refused(api: Api) -> None:
    url = await address(api, "Upload", await made(api), "/a")
    assert [(await get(api, url, method))[0] for method in ("POST", "DELETE", "PATCH")] == [405] * 3


async def test_an_address_outlives_neither_its_context_nor_its_file(api: Api) -> None:
    context = await made(api)
    await put(api, context, "/a", b"x")
    down, up = await address(api, "Download", context, "/a"), await address(api, "Upload", context, "/a")
    await api.call("ClearContext", Id=context)
    assert await cleared(api, context)
    assert code((await get(api, down))[1]) == "NoSuchKey"
    await api.call("DeleteContext", Id=context)
    assert code((await get(api, down))[1]) == "NoSuchBucket"
    async with api.http.put(up, data=b"x") as response:
        assert (response.status, code(await response.read())) == (404, "NoSuchBucket")


# --- Uploads that go wrong --------------------------------------------------------------------------------------------


async def raw_put(url: str, head: str, body: bytes) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    parts = urlsplit(url)
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
    target = url[len(f"{parts.scheme}://{parts.netloc}") :]
    writer.write(f"PUT {target} HTTP/1.1\r\nHost: localhost\r\n{head}\r\n\r\n".encode() + body)
    await writer.drain()
    return reader, writer


@pytest.mark.parametrize(
    ("head", "body"),
    [
        ("Content-Length: 5000000", b"x" * 3_000_000),
        ("Content-Length: 10", b""),
        ("Transfer-Encoding: chunked", b"5\r\nabcde\r\n"),
    ],
)
async def test_an_upload_that_breaks_off_leaves_what_was_there(
    runtime_alone: Api, tmp_path: os.PathLike[str], head: str, body: bytes
) -> None:
    api = runtime_alone
    context = await made(api)
    await put(api, context, "/a", b"as before")
    _, writer = await raw_put(await address(api, "Upload", context, "/a"), head, body)
    await asyncio.sleep(0.05)
    writer.close()
    await writer.wait_closed()
    blobs = os.path.join(tmp_path, "data", "blobs")
    for _ in range(200):
        if len(os.listdir(blobs)) == 1:
            break
        await asyncio.sleep(0.02)
    assert len(os.listdir(blobs)) == 1
    assert await fetched(api, context, "/a") == b"as before"


async def test_an_upload_is_refused_by_its_head_when_it_is_too_large_or_encoded(api: Api) -> None:
    url = await address(api, "Upload", await made(api), "/a")
    for head, expected in (
        (f"Content-Length: {(10 << 30) + 1}", "EntityTooLarge"),
        ("Content-Encoding: gzip\r\nContent-Length: 3", "NotImplemented"),
    ):
        reader, writer = await raw_put(url, head, b"")
        answer = await reader.readuntil(b"</Error>")
        writer.close()
        assert (answer[:12], code(answer)) == (b"HTTP/1.1 400", expected)


async def test_an_upload_whose_announced_checksum_is_wrong_is_refused(api: Api) -> None:
    context = await made(api)
    url = await address(api, "Upload", context, "/a")
    right = base64.b64encode(hashlib.md5(b"data").digest()).decode()
    for body, expected in ((b"dada", 400), (b"data", 200)):
        async with api.http.put(url, data=body, headers={hdrs.CONTENT_MD5: right}) as response:
            assert response.status == expected
    assert await fetched(api, context, "/a") == b"data"


async def test_uploads_beside_each_other_end_as_one_of_them(api: Api) -> None:
    context = await made(api)
    bodies = [bytes([number]) * 300_000 for number in range(8)]
    await asyncio.gather(*(put(api, context, "/a", body) for body in bodies))
    assert await fetched(api, context, "/a") in bodies


async def test_an_upload_is_not_held_to_the_limit_of_other_requests(api: Api) -> None:
    context = await made(api)
    size = 70 << 20

    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(70):
            yield b"x" * (1 << 20)

    url = await address(api, "Upload", context, "/large")
    async with api.http.put(url, data=chunks(), headers={"Content-Length": str(size)}) as response:
        assert response.status == 200
    assert await listed(api, context) == [("/large", "FILE", size)]
    await api.call("DeleteContext", Id=context)


async def test_who_stops_reading_harms_nobody(api: Api) -> None:
    context = await made(api)
    await put(api, context, "/a", b"x" * (8 << 20))
    url = await address(api, "Download", context, "/a")
    for _ in range(3):
        response = await api.http.get(url)
        await response.content.readexactly(10)
        response.close()
    assert len(await fetched(api, context, "/a")) == 8 << 20
