"""Single files to and from a session: the road, the waits, the faults on the way, and what is left behind."""

from __future__ import annotations

import gzip
import json
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from agentbay import (
    APIConnectionError,
    APIError,
    APITimeoutError,
    AsyncAgentBay,
    AsyncFileTransfer,
    AsyncSession,
    AuthenticationError,
    ClientClosedError,
    ConflictError,
    DownloadResult,
    FileError,
    NotFoundError,
    RetryPolicy,
    UploadResult,
)
from agentbay._async import context_manager
from agentbay._async.streams import AsyncStreams
from tests.gateway import GONE, REQUEST_ID, SESSION_ID, Answer, Gateway, Received, no, ok, refusal
from tests.scripted import Server
from tests.store import Large, Plan, Store, content_md5

CONTEXT = "SdkCtx-04bdvpz4zzyyexmpl"
REMOTE = "/tmp/file-transfer/a b.txt"
STORED = "/tmp/file-transfer/a%20b.txt"
NAMES = ("GetContextFileUploadUrl", "GetContextFileDownloadUrl")

Make = Callable[..., AsyncAgentBay]


@pytest.fixture
def store() -> Iterator[Store]:
    with Store() as store:
        yield store


def tasks(*items: tuple[str, str, str], error: str = "", context: str = CONTEXT) -> Answer:
    """What GetContextInfo tells: path, kind and status of each task."""
    inner = [
        {"contextId": context, "path": path, "taskType": kind, "status": status, "errorMessage": error}
        for path, kind, status in items
    ]
    return ok({"ContextStatus": json.dumps([{"type": "data", "data": json.dumps(inner)}])})


def done(request: Received) -> Answer:
    """Whatever is asked for has just succeeded."""
    form = request.form
    return tasks(*[(form.get("Path", "/"), kind, "Success") for kind in ("upload", "download")])


def serve(gateway: Gateway, store: Store, **more: Any) -> None:
    """The service of a session whose files are in the store."""
    context = {"ContextId": CONTEXT, "ContextPath": "/tmp/file-transfer", "ContextType": "file_transfer"}
    gateway.on("GetAndLoadInternalContext", ok([{"ContextId": ""}, context]))
    for name in NAMES:
        gateway.on(name, lambda request: ok({"Url": store.url + quote(request.form["FilePath"]) + "?Signature=secret"}))
    gateway.on("SyncContext", ok())
    gateway.on("GetContextInfo", done)
    for name, answer in more.items():
        gateway.on(name, *(answer if isinstance(answer, list) else [answer]))


@pytest.fixture
def served(session: AsyncSession, gateway: Gateway, store: Store) -> AsyncSession:
    serve(gateway, store)
    return session


def left_behind(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.rglob("*"))


# --- The road ---------------------------------------------------------------------------------------------------------


async def test_a_file_is_put_into_the_store_and_pulled_into_the_session(
    served: AsyncSession, gateway: Gateway, store: Store, tmp_path: Path
) -> None:
    local = tmp_path / "x"
    local.write_bytes(b"caf\xc3\xa9" * 100_000)
    heard: list[int] = []

    result = await served.file_system.upload_file(local, REMOTE, content_type="text/plain", progress_cb=heard.append)

    put = store.of("PUT")[0]
    assert store.files == {STORED: local.read_bytes()}
    assert result == UploadResult(
        True, REQUEST_ID, REQUEST_ID, 200, put.md5.upper(), 500_000, REMOTE, request_id=REQUEST_ID
    )
    assert heard == [262_144, 500_000]
    assert put.headers.keys() == {"host", "content-type", "content-length"}
    assert put.headers["content-type"] == "text/plain"
    assert gateway.names == [
        "GetAndLoadInternalContext",
        "GetContextFileUploadUrl",
        "SyncContext",
        "GetContextInfo",
        "GetContextInfo",
    ]
    own = {"SessionId": SESSION_ID, "ContextId": CONTEXT, "Path": REMOTE}
    forms = [{name: text for name, text in one.form.items() if name != "Authorization"} for one in gateway.requests]
    assert forms == [
        {"SessionId": SESSION_ID, "ContextTypes.1": "file_transfer"},
        {"ContextId": CONTEXT, "FilePath": REMOTE},
        own | {"Mode": "download"},
        own,
        own | {"TaskType": "download"},
    ]


async def test_a_file_is_pushed_into_the_store_and_fetched_from_it(
    served: AsyncSession, gateway: Gateway, store: Store, tmp_path: Path
) -> None:
    store.files[STORED] = b"x" * 300_000
    heard: list[int] = []
    local = tmp_path / "deep" / "er" / "x"

    result = await served.file_system.download_file(REMOTE, str(local), progress_cb=heard.append)

    assert local.read_bytes() == store.files[STORED]
    assert result == DownloadResult(
        True, REQUEST_ID, REQUEST_ID, 200, 300_000, REMOTE, str(local), etag="v300000", request_id=REQUEST_ID
    )
    assert result.unwrap() is result
    assert heard == [262_144, 300_000]
    assert store.asked[0].headers.keys() == {"host", "accept-encoding"}
    own = {"SessionId": SESSION_ID, "ContextId": CONTEXT, "Path": REMOTE}
    forms = [{name: text for name, text in one.form.items() if name != "Authorization"} for one in gateway.requests]
    assert forms == [
        {"SessionId": SESSION_ID, "ContextTypes.1": "file_transfer"},
        own | {"Mode": "upload"},
        own,
        own | {"TaskType": "upload"},
        {"ContextId": CONTEXT, "FilePath": REMOTE},
    ]
    assert left_behind(tmp_path) == ["deep", "er", "x"]


async def test_an_empty_file_goes_both_ways(served: AsyncSession, tmp_path: Path) -> None:
    (tmp_path / "empty").touch()

    assert (await served.fs.upload_file(tmp_path / "empty", REMOTE)).success
    assert (await served.fs.download_file(REMOTE, tmp_path / "back")).success
    assert (tmp_path / "back").read_bytes() == b""


async def test_the_hidden_context_is_asked_for_once(served: AsyncSession, gateway: Gateway, tmp_path: Path) -> None:
    (tmp_path / "x").touch()

    assert await served.fs.get_file_transfer_context_path() == "/tmp/file-transfer"
    await served.fs.upload_file(tmp_path / "x", REMOTE)

    assert len(gateway.of("GetAndLoadInternalContext")) == 1


async def test_without_waiting_the_work_is_only_begun(served: AsyncSession, gateway: Gateway, tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"1")

    assert (await served.fs.upload_file(tmp_path / "x", REMOTE, wait=False)).success
    assert (await served.fs.download_file(REMOTE, tmp_path / "y", wait=False)).success
    assert "GetContextInfo" not in gateway.names
    assert [request.form["Mode"] for request in gateway.of("SyncContext")] == ["download", "upload"]


async def test_the_own_http_client_of_the_caller_carries_files_too(
    make: Make, gateway: Gateway, store: Store, tmp_path: Path
) -> None:
    serve(gateway, store, GetSession=ok(gateway.session_data()))
    (tmp_path / "x").write_bytes(b"abc")
    async with httpx.AsyncClient(headers={"x-mine": "1"}) as mine:
        session = (await make(http_client=mine).get(SESSION_ID)).unwrap().session

        assert (await session.fs.upload_file(tmp_path / "x", REMOTE)).success
        assert (await session.fs.download_file(REMOTE, tmp_path / "y")).success

    assert (tmp_path / "y").read_bytes() == b"abc"
    assert [("authorization" in asked.headers, "x-mine" in asked.headers) for asked in store.asked] == [
        (False,) * 2
    ] * 2


async def test_files_go_through_the_proxy_of_the_client(
    make: Make, gateway: Gateway, store: Store, tmp_path: Path
) -> None:
    serve(gateway, store)
    store.files["http://far.example/x"] = b"by proxy"
    session = AsyncSession(make(), SESSION_ID)
    session.agent_bay._streams._proxy = store.url
    for name in NAMES:
        gateway.on(name, ok({"Url": "http://far.example/x?s"}))

    assert (await session.fs.download_file(REMOTE, tmp_path / "x")).success
    assert (tmp_path / "x").read_bytes() == b"by proxy"


async def test_files_go_through_the_proxy_of_the_environment_unless_it_says_otherwise(
    make: Make, gateway: Gateway, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", store.url)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    serve(gateway, store)
    store.files |= {"http://far.example/x": b"by proxy", STORED: b"straight"}
    session = AsyncSession(make(), SESSION_ID)

    assert (await session.fs.download_file(REMOTE, tmp_path / "x")).success
    for name in NAMES:
        gateway.on(name, ok({"Url": "http://far.example/x?s"}))
    assert (await session.fs.download_file(REMOTE, tmp_path / "y")).success
    assert [(tmp_path / name).read_bytes() for name in "xy"] == [b"straight", b"by proxy"]


async def test_redirects_are_followed_with_the_same_method_and_body(
    served: AsyncSession, store: Store, tmp_path: Path
) -> None:
    (tmp_path / "x").write_bytes(b"abc" * 100_000)
    store.plans += [Plan(302, headers={"Location": "/other"}, body=b""), Plan()]

    assert (await served.fs.upload_file(tmp_path / "x", REMOTE)).success
    assert [(asked.method, asked.path, asked.size) for asked in store.asked][1] == ("PUT", "/other", 300_000)
    store.plans += [Plan(307, headers={"Location": f"{store.url}/other"}, body=b"")]
    assert (await served.fs.download_file(REMOTE, tmp_path / "y")).success
    assert (tmp_path / "y").read_bytes() == (tmp_path / "x").read_bytes()


async def test_redirects_can_be_refused(served: AsyncSession, store: Store, tmp_path: Path) -> None:
    (tmp_path / "x").touch()
    store.plans += [Plan(302, headers={"Location": "/other"}, body=b"")]
    transfer = AsyncFileTransfer(served.agent_bay, served, follow_redirects=False)

    result = await transfer.upload(tmp_path / "x", REMOTE)

    assert (result.success, result.http_status, result.error_message) == (False, 302, "Upload failed with HTTP 302")


@pytest.mark.parametrize("location", ["file:///etc/passwd", "http://[", "/round"])
async def test_a_redirect_to_nowhere_is_a_failure(
    served: AsyncSession, store: Store, tmp_path: Path, location: str
) -> None:
    store.plans += [Plan(302, headers={"Location": location}, body=b"")] * 30

    result = await served.fs.download_file(REMOTE, tmp_path / "x")

    assert (result.success, type(result.error)) == (False, APIConnectionError)
    assert (result.error_message or "").startswith("Download exception: the store redirects")
    assert left_behind(tmp_path) == []


# --- Faults of the store ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [401, 403])
async def test_a_url_that_has_expired_is_asked_for_anew_once(
    served: AsyncSession, gateway: Gateway, store: Store, tmp_path: Path, status: int
) -> None:
    (tmp_path / "x").write_bytes(b"abc")
    store.plans += [Plan(status)]

    assert (await served.fs.upload_file(tmp_path / "x", REMOTE)).success
    assert len(gateway.of("GetContextFileUploadUrl")) == 2
    store.plans += [Plan(status)] * 2
    result = await served.fs.download_file(REMOTE, tmp_path / "y")
    assert len(gateway.of("GetContextFileDownloadUrl")) == 2
    assert result.error_message == f"Download failed with HTTP {status} (AccessDenied)"
    assert (result.http_status, type(result.error)) == (status, AuthenticationError)
    assert left_behind(tmp_path) == ["x"]


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
async def test_a_store_that_is_busy_is_tried_again(
    served: AsyncSession, store: Store, tmp_path: Path, status: int
) -> None:
    (tmp_path / "x").write_bytes(b"abc")
    store.plans += [Plan(status)] * 2

    assert (await served.fs.upload_file(tmp_path / "x", REMOTE)).success
    store.plans += [Plan(status)] * 3
    result = await served.fs.download_file(REMOTE, tmp_path / "y")
    assert (result.success, result.http_status) == (False, status)


async def test_a_store_that_wants_a_long_rest_gets_no_second_try(
    served: AsyncSession, store: Store, tmp_path: Path
) -> None:
    store.plans += [Plan(503, headers={"Retry-After": "86400"})]

    assert (await served.fs.download_file(REMOTE, tmp_path / "y")).http_status == 503
    assert len(store.asked) == 1


@pytest.mark.parametrize("status", [404, 400, 409])
async def test_other_refusals_are_final(served: AsyncSession, store: Store, tmp_path: Path, status: int) -> None:
    (tmp_path / "x").write_bytes(b"abc")
    store.plans += [Plan(status, body=b"<html>no</html>" * 5000)]

    result = await served.fs.upload_file(tmp_path / "x", REMOTE)

    assert (result.error_message, result.bytes_sent) == (f"Upload failed with HTTP {status}", 3)
    assert type(result.error) is {404: NotFoundError, 409: ConflictError}.get(status, APIError)
    assert (result.error.hint, len(store.asked)) == ("", 1)


async def test_an_upload_that_is_cut_begins_anew(served: AsyncSession, store: Store, tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(bytes(range(256)) * 20_000)
    store.plans += [Plan(cut=0), Plan(cut=1_000_000)]

    result = await served.fs.upload_file(tmp_path / "x", REMOTE)

    assert (result.success, result.bytes_sent) == (True, 5_120_000)
    assert store.files[STORED] == (tmp_path / "x").read_bytes()
    assert len(store.asked) == 3


@pytest.mark.parametrize("cut", [0, 1, 300_000, 999_999])
async def test_a_download_that_is_cut_goes_on_where_it_ended(
    served: AsyncSession, store: Store, tmp_path: Path, cut: int
) -> None:
    store.files[STORED] = bytes(range(250)) * 4000
    store.plans += [Plan(cut=cut)]

    result = await served.fs.download_file(REMOTE, tmp_path / "y")

    assert result.success
    assert (tmp_path / "y").read_bytes() == store.files[STORED]
    whole_pieces = cut // 262_144 * 262_144
    assert store.asked[1].headers.get("range") == (f"bytes={whole_pieces}-" if whole_pieces else None)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        pytest.param({"ETag": ""}, {}, id="without an etag"),
        pytest.param({"ETag": 'W/"x"'}, {}, id="with a weak etag"),
        pytest.param({"ETag": '"other"'}, {}, id="with another etag than now"),
        pytest.param({}, {"whole": True}, id="without ranges"),
    ],
)
async def test_a_cut_download_begins_anew_where_the_rest_cannot_be_had(
    served: AsyncSession, store: Store, tmp_path: Path, first: dict[str, str], second: dict[str, Any]
) -> None:
    store.files[STORED] = bytes(range(250)) * 4000
    store.plans += [Plan(cut=600_000, headers=first), Plan(**second)]

    assert (await served.fs.download_file(REMOTE, tmp_path / "y")).success
    assert (tmp_path / "y").read_bytes() == store.files[STORED]


@pytest.mark.parametrize("answer", [Plan(416), Plan(headers={"Content-Range": "bytes 7-9/10"})])
async def test_a_wrong_part_is_not_taken_for_the_rest(
    served: AsyncSession, store: Store, tmp_path: Path, answer: Plan
) -> None:
    store.files[STORED] = bytes(range(250)) * 4000
    store.plans += [Plan(cut=600_000), answer]

    assert (await served.fs.download_file(REMOTE, tmp_path / "y")).success
    assert (tmp_path / "y").read_bytes() == store.files[STORED]
    assert "range" not in store.asked[2].headers


async def test_tries_that_get_on_do_not_count(served: AsyncSession, store: Store, tmp_path: Path) -> None:
    store.files[STORED] = bytes(range(250)) * 40_000
    store.plans += [Plan(cut=1_600_000) for _ in range(6)]

    assert (await served.fs.download_file(REMOTE, tmp_path / "y")).success
    assert (tmp_path / "y").read_bytes() == store.files[STORED]


async def test_a_download_that_is_cut_again_and_again_leaves_nothing(
    served: AsyncSession, store: Store, tmp_path: Path
) -> None:
    store.files[STORED] = bytes(1_000_000)
    (tmp_path / "y").write_bytes(b"old")
    store.plans += [Plan(cut=10)] * 9

    result = await served.fs.download_file(REMOTE, tmp_path / "y")

    assert (result.success, type(result.error), len(store.asked)) == (False, APIConnectionError, 3)
    assert (result.error_message or "").startswith(f"Download exception: no complete answer from {store.url}: ")
    assert result.error is not None
    assert (result.error.attempts, result.error.session_id) == (3, SESSION_ID)
    assert (left_behind(tmp_path), (tmp_path / "y").read_bytes()) == (["y"], b"old")


async def test_the_checksum_of_the_store_is_held_against_the_bytes(
    served: AsyncSession, store: Store, tmp_path: Path
) -> None:
    store.files[STORED] = b"abc" * 200_000
    wrong, right = (Plan(headers={"Content-MD5": content_md5(data)}) for data in (b"x", b"abc" * 200_000))
    store.plans += [wrong, right]

    assert (await served.fs.download_file(REMOTE, tmp_path / "y")).success
    assert len(store.asked) == 2
    store.plans += [wrong] * 3
    result = await served.fs.download_file(REMOTE, tmp_path / "z")
    assert result.error_message == "Download exception: the bytes do not match the store's checksum"
    assert left_behind(tmp_path) == ["y"]


@pytest.mark.parametrize("text", ["no base64", "YWJj"])
async def test_what_is_no_checksum_is_passed_over(
    served: AsyncSession, store: Store, tmp_path: Path, text: str
) -> None:
    store.files[STORED] = b"abc"
    store.plans += [Plan(headers={"Content-MD5": text})]

    assert (await served.fs.download_file(REMOTE, tmp_path / "y")).success


async def test_a_resumed_download_is_held_against_the_checksum_of_the_whole(
    served: AsyncSession, store: Store, tmp_path: Path
) -> None:
    store.files[STORED] = b"abc" * 400_000
    store.plans += [Plan(cut=600_000, headers={"Content-MD5": content_md5(store.files[STORED])})]

    result = await served.fs.download_file(REMOTE, tmp_path / "y")

    assert (result.success, result.http_status, result.bytes_received) == (True, 206, 1_200_000)


async def test_a_compressed_answer_is_unpacked_and_never_resumed(
    served: AsyncSession, store: Store, tmp_path: Path
) -> None:
    store.files[STORED] = gzip.compress(b"abc" * 2_000_000, 0, mtime=0)
    encoded = {"Content-Encoding": "gzip"}
    store.plans += [Plan(cut=1_000_000, headers=encoded), Plan(headers=encoded)]

    assert (await served.fs.download_file(REMOTE, tmp_path / "y")).success
    assert (tmp_path / "y").read_bytes() == b"abc" * 2_000_000
    assert "range" not in store.asked[1].headers


def served_by(session: AsyncSession, handler: Callable[[httpx.Request], httpx.Response]) -> AsyncStreams:
    """Let a function of ours answer in the store's place."""
    session.agent_bay._transport._policy = RetryPolicy(attempts=1)
    client = httpx.AsyncClient(transport=httpx.MockTransport(handler))
    streams = session.agent_bay._streams = AsyncStreams(http_client=client)
    return streams


async def test_an_answer_that_is_too_short_is_noticed_whoever_carries_it(served: AsyncSession, tmp_path: Path) -> None:
    served_by(served, lambda _: httpx.Response(200, headers={"Content-Length": "10"}, content=b"12345"))

    result = await served.fs.download_file(REMOTE, tmp_path / "y")

    assert result.error_message == "Download exception: 5 of 10 bytes came"
    assert left_behind(tmp_path) == []


async def test_whatever_breaks_below_is_a_lost_connection(served: AsyncSession, tmp_path: Path) -> None:
    def broken(request: httpx.Request) -> httpx.Response:
        raise OSError(5, "something below")

    served_by(served, broken)
    result = await served.fs.download_file(REMOTE, tmp_path / "y")

    assert (type(result.error), "something below" in str(result.error_message)) == (APIConnectionError, True)


async def test_what_breaks_because_the_client_was_closed_says_so(served: AsyncSession, tmp_path: Path) -> None:
    def closed(request: httpx.Request) -> httpx.Response:
        streams._closed = True
        raise httpx.ReadError("gone")

    streams = served_by(served, closed)

    with pytest.raises(ClientClosedError, match="This client was closed during the transfer"):
        await served.fs.download_file(REMOTE, tmp_path / "y")


async def test_a_silent_store_runs_into_the_time_limit(served: AsyncSession, gateway: Gateway, tmp_path: Path) -> None:
    with Server(lambda _: silent.over.wait(10)) as silent:
        for name in NAMES:
            gateway.on(name, ok({"Url": f"{silent.url}/x?Signature=secret"}))
        served.agent_bay._transport._policy = RetryPolicy(attempts=1)
        transfer = AsyncFileTransfer(served.agent_bay, served, http_timeout=0.05)

        result = await transfer.download(REMOTE, tmp_path / "y")

    assert (result.success, type(result.error)) == (False, APITimeoutError)
    assert result.error_message == f"Download exception: no complete answer from {silent.url}: time ran out"


async def test_a_store_that_cannot_be_reached_is_told_without_the_secret(
    served: AsyncSession, gateway: Gateway, tmp_path: Path
) -> None:
    for name in NAMES:
        gateway.on(name, ok({"Url": "http://127.0.0.1:9/x?Signature=secret"}))
    (tmp_path / "x").touch()

    result = await served.fs.upload_file(tmp_path / "x", REMOTE)

    assert (result.error_message or "").startswith("Upload exception: cannot reach http://127.0.0.1:9: ")
    assert "secret" not in repr(result) + str(result.error) + str(result.error_message)


@pytest.mark.parametrize("data", [{"Url": ""}, {"Url": "ftp://x/y"}, {"Url": "x" * 70_000}, {}, None])
async def test_a_url_that_is_none_is_a_failure(
    served: AsyncSession, gateway: Gateway, tmp_path: Path, data: Any
) -> None:
    gateway.on("GetContextFileDownloadUrl", ok(data))

    result = await served.fs.download_file(REMOTE, tmp_path / "y")

    assert result.error_message == "get_file_download_url failed: The service gave no usable URL"
    assert result.request_id_download_url == REQUEST_ID


# --- Faults of the service --------------------------------------------------------------------------------------------


async def test_a_missing_file_in_the_session_is_told(served: AsyncSession, gateway: Gateway, tmp_path: Path) -> None:
    gateway.on("GetContextFileDownloadUrl", no("NoSuchFile.NotFound", "file not exist"))

    result = await served.fs.download_file(REMOTE, tmp_path / "y")

    assert result.error_message == "get_file_download_url failed: [NoSuchFile.NotFound] file not exist"
    assert (type(result.error), result.code) == (NotFoundError, "NoSuchFile.NotFound")
    with pytest.raises(NotFoundError):
        result.unwrap()


async def test_a_session_that_is_gone_is_told(served: AsyncSession, gateway: Gateway, tmp_path: Path) -> None:
    (tmp_path / "x").touch()
    gateway.on("GetAndLoadInternalContext", GONE)

    result = await served.fs.upload_file(tmp_path / "x", REMOTE)

    assert (type(result.error), result.error_message) == (NotFoundError, "Resource [McpSession] is not found.")
    assert result.request_id == REQUEST_ID
    assert await served.fs.get_file_transfer_context_path() is None


@pytest.mark.parametrize("data", [None, [], [{"ContextId": "x"}]])
async def test_without_a_hidden_context_nothing_can_be_moved(
    served: AsyncSession, gateway: Gateway, tmp_path: Path, data: Any
) -> None:
    gateway.on("GetAndLoadInternalContext", ok(data))

    result = await served.fs.download_file(REMOTE, tmp_path / "y")

    assert (result.success, result.error_message) == (False, "Response contains no data")


async def test_a_refused_sync_is_told(served: AsyncSession, gateway: Gateway, tmp_path: Path) -> None:
    (tmp_path / "x").touch()
    gateway.on("SyncContext", refusal("Busy", "later"))

    up = await served.fs.upload_file(tmp_path / "x", REMOTE)
    down = await served.fs.download_file(REMOTE, tmp_path / "y")

    assert up.error_message == "session.context.sync(upload) failed: [Busy] later"
    assert down.error_message == "session.context.sync(download) failed: [Busy] later"


@pytest.mark.parametrize(
    ("answer", "text"),
    [
        (tasks((REMOTE, "download", "Failed")), "Task error: no reason was given"),
        (tasks((REMOTE, "download", "Success"), error="disk full"), "Task error: disk full"),
        (tasks((REMOTE, "upload", "Success")), "task not finished"),
        (tasks(("/other", "download", "Success")), "task not finished"),
        (tasks((REMOTE, "download", "Success"), context="other"), "task not finished"),
        (tasks(), "task not finished"),
        (no("X", "y"), "task not finished"),
    ],
)
async def test_a_file_that_does_not_arrive_is_told(
    served: AsyncSession, gateway: Gateway, tmp_path: Path, answer: Answer, text: str
) -> None:
    (tmp_path / "x").touch()
    gateway.on("GetContextInfo", tasks(), answer)

    result = await served.fs.upload_file(tmp_path / "x", REMOTE, wait_timeout=0.02)

    assert (result.success, result.error_message) == (False, f"Upload sync not finished: {text}")
    assert type(result.error) is (APITimeoutError if text == "task not finished" else APIError)
    assert result.bytes_sent == 0
    assert result.http_status == 200


async def test_a_task_that_never_ends_is_given_up(
    served: AsyncSession, gateway: Gateway, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(context_manager, "SYNC_TIMEOUT", 0.05)
    gateway.on("GetContextInfo", tasks((REMOTE, "upload", "Running")))

    result = await served.fs.download_file(REMOTE, tmp_path / "y", wait_timeout=0.05)

    assert result.error_message == "Download sync not finished: task not finished"
    assert type(result.error) is APITimeoutError


@pytest.mark.parametrize("word", ["Success", "SUCCESSFUL", "ok", "finished", "Done", "completed", "complete"])
async def test_every_word_of_success_counts(served: AsyncSession, gateway: Gateway, tmp_path: Path, word: str) -> None:
    (tmp_path / "x").touch()
    gateway.on("GetContextInfo", tasks(), tasks(), tasks((REMOTE, "download", "x"), (REMOTE, "download", word)))

    assert (await served.fs.upload_file(tmp_path / "x", REMOTE)).success


# --- Faults of this machine -------------------------------------------------------------------------------------------


async def test_what_is_no_local_file_is_refused_before_any_request(
    served: AsyncSession, gateway: Gateway, tmp_path: Path
) -> None:
    for path in (tmp_path / "missing", tmp_path):
        result = await served.fs.upload_file(path, REMOTE)
        assert (result.error_message, type(result.error)) == (f"Local file not found: {path}", FileError)
    assert not (await served.fs.upload_file("a\0b", REMOTE)).success
    assert gateway.names == []


async def test_a_file_that_shrinks_on_the_way_is_told(served: AsyncSession, tmp_path: Path) -> None:
    local = tmp_path / "x"
    local.write_bytes(bytes(1_000_000))

    result = await served.fs.upload_file(local, REMOTE, progress_cb=lambda _: local.write_bytes(b""))

    assert result.error_message == "Upload exception: the file became shorter while it was sent"
    assert (type(result.error), result.bytes_sent) == (FileError, 262_144)


async def test_a_file_that_cannot_be_read_is_told(
    served: AsyncSession, gateway: Gateway, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "x").touch()

    def refuse(path: Path, *_: Any, **__: Any) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "open", refuse)
    up = await served.fs.upload_file(tmp_path / "x", REMOTE)
    down = await served.fs.download_file(REMOTE, tmp_path / "y")

    assert [up.error_message, down.error_message] == [
        "Upload exception: Permission denied",
        "Download exception: Permission denied",
    ]
    assert {type(up.error), type(down.error)} == {FileError}


async def test_nothing_is_overwritten_unasked(served: AsyncSession, gateway: Gateway, tmp_path: Path) -> None:
    (tmp_path / "y").write_bytes(b"old")

    result = await served.fs.download_file(REMOTE, tmp_path / "y", overwrite=False)

    assert result.error_message == f"Destination exists and overwrite=False: {tmp_path / 'y'}"
    assert (gateway.names, (tmp_path / "y").read_bytes()) == ([], b"old")


async def test_a_directory_or_device_is_never_replaced(served: AsyncSession, store: Store, tmp_path: Path) -> None:
    store.files[STORED] = b"abc"
    (tmp_path / "file").touch()

    results = [await served.fs.download_file(REMOTE, path) for path in (tmp_path, "/dev/null", tmp_path / "file" / "x")]

    assert [(result.success, type(result.error)) for result in results] == [(False, FileError)] * 3
    assert results[1].error_message == "Download exception: /dev/null is there and is not a regular file"
    assert (left_behind(tmp_path), store.asked) == (["file"], [])


async def test_a_partial_download_never_looks_finished(served: AsyncSession, store: Store, tmp_path: Path) -> None:
    store.files[STORED] = bytes(1_000_000)
    seen: list[list[str]] = []

    await served.fs.download_file(REMOTE, tmp_path / "y", progress_cb=lambda _: seen.append(left_behind(tmp_path)))

    assert seen
    assert all(len(names) == 1 and names[0].startswith(".y.") and names[0].endswith(".part") for names in seen)
    assert left_behind(tmp_path) == ["y"]


async def test_an_exception_of_the_callers_own_leaves_nothing(
    served: AsyncSession, store: Store, tmp_path: Path
) -> None:
    store.files[STORED] = bytes(1_000_000)

    def stop(count: int) -> None:
        raise KeyError(count)

    with pytest.raises(KeyError):
        await served.fs.download_file(REMOTE, tmp_path / "y", progress_cb=stop)
    assert left_behind(tmp_path) == []
    (tmp_path / "x").write_bytes(bytes(1_000_000))
    with pytest.raises(KeyError):
        await served.fs.upload_file(tmp_path / "x", REMOTE, progress_cb=stop)


async def test_a_closed_client_ends_transfers(served: AsyncSession, store: Store, tmp_path: Path) -> None:
    store.files[STORED] = bytes(1_000_000)
    transfer = served.file_transfer
    await transfer.context_path()
    await served.agent_bay._streams.aclose()

    with pytest.raises(ClientClosedError):
        await transfer.download(REMOTE, tmp_path / "y")
    assert left_behind(tmp_path) == []


# --- Size and number --------------------------------------------------------------------------------------------------


async def test_memory_does_not_grow_with_the_file(served: AsyncSession, gateway: Gateway, tmp_path: Path) -> None:
    size = 64 * 1024 * 1024
    with Store(keep=False) as store:
        serve(gateway, store)
        large = Large(size)
        store.files[STORED] = large
        tracemalloc.start()
        try:
            down = await served.fs.download_file(REMOTE, tmp_path / "y")
            store.files.clear()
            up = await served.fs.upload_file(tmp_path / "y", REMOTE)
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

        assert (down.bytes_received, up.bytes_sent) == (size, size)
        assert store.of("PUT")[0].md5 == large.md5.hex()
    assert peak < 16 * 1024 * 1024


async def test_transfers_share_connections(served: AsyncSession, store: Store, tmp_path: Path) -> None:
    store.files[STORED] = b"abc"

    for _ in range(20):
        assert (await served.fs.download_file(REMOTE, tmp_path / "y")).success

    assert len(store.open) == 1
