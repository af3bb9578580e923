"""A session's files by its page: every way in and out, and what must not get further."""

from __future__ import annotations

import asyncio
import io
import json
import tarfile
from collections.abc import AsyncIterator
from urllib.parse import quote

import aiohttp
import pytest

from agentbay_local.page.tickets import MOST
from tests.local.page.looking import HEADER, Looker
from tests.local.service.api import Answer

HOME = "/home/wuying"


async def names(looker: Looker, path: str = HOME) -> dict[str, str]:
    found = await looker.get("/files", path=json.dumps(path))
    return {entry["name"]: entry["type"] for entry in found["entries"]}


async def fetched(looker: Looker, path: str) -> tuple[bytes, dict[str, str]]:
    """A file by a ticket."""
    ticket = await looker.ask("/ticket", "POST", {"path": path})
    assert 200 == ticket.status, ticket.body
    async with looker.api.http.get(looker.api.endpoint + ticket.body["url"]) as answer:
        assert 200 == answer.status
        return await answer.read(), dict(answer.headers)


async def test_a_folder_is_listed_with_folders_first_and_links_as_what_they_lead_to(looker: Looker) -> None:
    made = "mkdir z; echo 12345 > a; ln -s z to_z; ln -s nowhere dead; mkfifo pipe"
    await looker.api.shell(looker.session, made)
    found = await looker.get("/files", path='"~"')
    expected = [
        ("to_z", "directory", True), ("z", "directory", False), ("a", "file", False), ("dead", "broken link", True),
        ("pipe", "other", False),
    ]  # fmt: skip
    assert (HOME, expected) == (
        found["path"],
        [(each["name"], each["type"], each["link"]) for each in found["entries"]],
    )
    assert [6] == [each["size"] for each in found["entries"] if each["name"] == "a"]


async def test_what_was_uploaded_is_what_is_downloaded(looker: Looker) -> None:
    data = bytes(range(256)) * 4096
    path = f'{HOME}/qu"o\nte 你好 %41.bin'
    assert (200, {"size": len(data)}) == ((done := await looker.upload(path, data)).status, done.body)
    back, headers = await fetched(looker, path)
    assert data == back
    assert str(len(data)) == headers["Content-Length"]
    exact = quote(path.rpartition("/")[2], safe="")
    assert f"attachment; filename=\"qu_o_te __ _41.bin\"; filename*=UTF-8''{exact}" == headers["Content-Disposition"]


async def test_a_large_upload_goes_through_piece_by_piece_and_replaces_what_was_there(looker: Looker) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        for number in range(70):  # more than a request may hold that is not streamed
            yield bytes([number]) * (1 << 20)

    await looker.upload(f"{HOME}/big", b"before")
    assert 70 << 20 == (await looker.upload(f"{HOME}/big", pieces())).body["size"]
    told = await looker.api.shell(looker.session, "tail -c 1 big | od -An -tu1; ls -A")
    assert ["69", "big"] == told["stdout"].split()


async def test_an_upload_that_breaks_off_leaves_what_was_there(looker: Looker) -> None:
    gone = asyncio.Event()

    async def half() -> AsyncIterator[bytes]:
        yield b"half"
        await gone.wait()

    await looker.upload(f"{HOME}/file", b"whole")
    sending = asyncio.create_task(looker.upload(f"{HOME}/file", half()))
    await asyncio.sleep(0.2)
    sending.cancel()
    await asyncio.gather(sending, return_exceptions=True)
    for _ in range(100):
        if len(await names(looker)) == 1:
            break
        await asyncio.sleep(0.05)
    assert (b"whole", {"file": "file"}) == ((await fetched(looker, "file"))[0], await names(looker))


async def test_a_full_disk_is_told_with_its_size_and_nothing_is_left(looker: Looker) -> None:
    await looker.api.shell(looker.session, "fallocate -l 510M /tmp/fill")
    refused = await looker.upload("/tmp/more", io.BytesIO(bytes(4 << 20)))
    assert (400, True) == (refused.status, "No space left" in refused.body["Message"])
    assert "more" not in await names(looker, "/tmp")


async def test_what_a_file_holds_never_becomes_a_page(looker: Looker) -> None:
    page = b"<!doctype html><script>alert(1)</script>"
    await looker.upload(f"{HOME}/evil.html", page)
    body, by_ticket = await fetched(looker, "evil.html")
    where = looker.address("/file", path='"evil.html"')
    async with looker.api.http.get(where, headers={HEADER: looker.code}) as answer:
        viewed, shown = await answer.read(), dict(answer.headers)
    assert [page, page] == [body, viewed]
    for headers in (by_ticket, shown):
        assert "application/octet-stream" == headers["Content-Type"]
        assert headers["Content-Disposition"].startswith("attachment")
        assert ["nosniff", "no-store"] == [headers["X-Content-Type-Options"], headers["Cache-Control"]]
        assert "default-src 'none'; sandbox" == headers["Content-Security-Policy"]


async def test_a_view_brings_the_beginning_and_tells_the_size(looker: Looker) -> None:
    await looker.upload(f"{HOME}/file", b"0123456789")
    async with looker.api.http.get(
        looker.address("/file", path='"file"', most="4"), headers={HEADER: looker.code}
    ) as answer:
        assert (b"0123", "10") == (await answer.read(), answer.headers["X-File-Size"])
    for most in ("0", "-1", "x", str(17 << 20)):
        assert 400 == (await looker.ask("/file", path='"file"', most=most)).status


async def test_a_ticket_is_for_one_download_of_one_session(looker: Looker) -> None:
    await looker.upload(f"{HOME}/file", b"once")
    url = (await looker.ask("/ticket", "POST", {"path": "file"})).body["url"]
    stray = url.replace(looker.session, "session-other")
    statuses = []
    for each in (stray, url):
        async with looker.api.http.get(looker.api.endpoint + each) as answer:
            statuses.append(answer.status)
    assert [404, 404] == statuses  # the stray one has used it up
    url = (await looker.ask("/ticket", "POST", {"path": "file"})).body["url"]
    statuses = []
    for _ in range(2):
        async with looker.api.http.get(looker.api.endpoint + url) as answer:
            statuses.append(answer.status)
    assert [200, 404] == statuses


async def test_folders_are_made_renamed_and_deleted_with_all_that_is_in_them(looker: Looker) -> None:
    assert 200 == (await looker.change(do="mkdir", path="new")).status
    await looker.upload(f"{HOME}/new/file", b"x")
    assert 200 == (await looker.change(do="rename", path="new", to="second")).status
    assert ({"second": "directory"}, {"file": "file"}) == (await names(looker), await names(looker, f"{HOME}/second"))
    assert 200 == (await looker.change(do="delete", path="second")).status
    assert {} == await names(looker)


async def test_a_deleted_link_leaves_what_it_leads_to(looker: Looker) -> None:
    await looker.api.shell(looker.session, "mkdir kept; touch kept/file; ln -s kept link")
    await looker.change(do="delete", path="link")
    assert ({"kept": "directory"}, {"file": "file"}) == (await names(looker), await names(looker, f"{HOME}/kept"))


def said(answer: Answer) -> tuple[int, str]:
    return answer.status, answer.body["Message"]


async def test_what_cannot_be_done_is_told_in_words(looker: Looker) -> None:
    await looker.api.shell(looker.session, "touch a b")
    assert (409, "File exists.") == said(await looker.change(do="mkdir", path="a"))
    assert 400 == (await looker.change(do="rename", path="a", to="b")).status
    assert (404, "No such file or directory.") == said(await looker.change(do="delete", path="c"))
    assert (404, "No such file or directory.") == said(await looker.ask("/ticket", "POST", {"path": "c"}))
    assert (404, "No such file or directory.") == said(await looker.ask("/files", path='"c"'))
    assert (400, "The root cannot be deleted.") == said(await looker.change(do="delete", path="/"))
    assert 400 == (await looker.change(do="delete", path="/etc")).status
    assert {"a": "file", "b": "file"} == await names(looker)


@pytest.mark.parametrize("path", ["", "x", "1", '""', '"a\\u0000b"', "[" * 2000, json.dumps("x" * 5000)])
async def test_a_path_that_is_none_is_refused(looker: Looker, path: str) -> None:
    assert (400, "InvalidParameter") == (await looker.ask("/files", path=path)).verdict


@pytest.mark.parametrize("body", [None, 1, {}, {"do": "mkdir"}, {"do": "chmod", "path": "a"}, {"do": [], "path": "a"}])
async def test_a_wish_that_is_none_is_refused(looker: Looker, body: object) -> None:
    assert (400, "InvalidParameter") == (await looker.ask("/files", "POST", body)).verdict


async def test_a_name_that_is_no_text_can_be_seen_and_deleted(looker: Looker) -> None:
    await looker.api.shell(looker.session, "touch $'\\xff\\xfe'")
    [name] = await names(looker)
    assert 200 == (await looker.change(do="delete", path=name)).status
    assert {} == await names(looker)


async def test_a_folder_is_downloaded_as_an_archive(looker: Looker) -> None:
    await looker.api.shell(
        looker.session, "mkdir -p './-d 名/inner'; echo one > './-d 名/inner/file'; ln -s /etc './-d 名/link'"
    )
    body, headers = await fetched(looker, f"{HOME}/-d 名")
    with tarfile.open(fileobj=io.BytesIO(body)) as archive:
        assert {"./-d 名", "./-d 名/inner", "./-d 名/inner/file", "./-d 名/link"} == set(archive.getnames())
        inner = archive.extractfile("./-d 名/inner/file")
        assert inner is not None
        assert b"one\n" == inner.read()
    assert headers["Content-Disposition"].endswith("-d%20%E5%90%8D.tar")


async def test_of_a_link_to_a_folder_the_folder_is_fetched(looker: Looker) -> None:
    await looker.api.shell(looker.session, "mkdir real; echo in > real/file; ln -s real link")
    body, _ = await fetched(looker, "link")
    with tarfile.open(fileobj=io.BytesIO(body)) as archive:
        inner = archive.extractfile("./link/./file")
        assert inner is not None
        assert b"in\n" == inner.read()


async def test_tickets_of_one_session_leave_others_theirs(looker: Looker) -> None:
    other = await Looker.of(looker.api, (await looker.api.create())["SessionId"])
    wish = {"path": "/etc/passwd"}
    given = {(await looker.ask("/ticket", "POST", wish)).status for _ in range(MOST)}
    refused = await looker.ask("/ticket", "POST", wish)
    assert ({200}, (429, "QuotaExceeded.Ticket")) == (given, refused.verdict)
    assert 200 == (await other.ask("/ticket", "POST", wish)).status


async def test_a_folder_that_cannot_be_read_as_a_whole_breaks_off(looker: Looker) -> None:
    await looker.api.shell(looker.session, "mkdir d; touch d/a; chmod 0 d/a")
    url = (await looker.ask("/ticket", "POST", {"path": "d"})).body["url"]
    with pytest.raises(aiohttp.ClientError):
        async with looker.api.http.get(looker.api.endpoint + url) as answer:
            await answer.read()


async def test_a_file_that_the_kernel_makes_up_is_downloaded(looker: Looker) -> None:
    assert (await fetched(looker, "/proc/self/status"))[0].startswith(b"Name:")
