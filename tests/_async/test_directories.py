"""Whole directories to and from a session: what is chosen, what fails, and that nothing leads out of them."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

import pytest

from agentbay import (
    APIError,
    APIResponseError,
    APITimeoutError,
    AsyncAgentBay,
    AsyncSession,
    DirectoryTransferResult,
    FileError,
    NotFoundError,
    RetryPolicy,
)
from tests.gateway import GONE, REQUEST_ID, SESSION_ID, Answer, Gateway, Received, Said, no, ok, raw
from tests.store import Plan, Store

Make = Callable[..., AsyncAgentBay]

CONTEXT = "SdkCtx-04bdvpz4zzyyexmpl"
BASE = "/tmp/file-transfer/tree"


@pytest.fixture
def store() -> Iterator[Store]:
    with Store() as store:
        yield store


def done(request: Received) -> Answer:
    """Whatever is asked for has just succeeded."""
    path = request.form.get("Path", "/")
    inner = [
        {"contextId": CONTEXT, "path": path, "taskType": kind, "status": "Success"} for kind in ("upload", "download")
    ]
    return ok({"ContextStatus": json.dumps([{"type": "data", "data": json.dumps(inner)}])})


def listing(store: Store) -> Callable[[Received], Answer]:
    """The folders of the store, two entries a page."""

    def answer(request: Received) -> Answer:
        folder = request.form["ParentFolderPath"].rstrip("/") + "/"
        paths = [unquote(path) for path in store.files if unquote(path).startswith(folder)]
        names = sorted({path.removeprefix(folder).partition("/")[:2] for path in paths} - {("", "")})
        start = int(request.query.get("NextToken", "0"))
        entries = {
            name: {"FileName": name, "FilePath": folder + name, "FileType": "FOLDER" if cut else "FILE"}
            for name, cut in names
        }
        page = list(entries.values())[start : start + 2]
        return ok(page, NextToken=str(start + 2) if start + 2 < len(entries) else "")

    return answer


@pytest.fixture
def served(session: AsyncSession, gateway: Gateway, store: Store) -> AsyncSession:
    gateway.on("GetAndLoadInternalContext", ok([{"ContextId": CONTEXT, "ContextPath": "/tmp/file-transfer"}]))
    for name in ("GetContextFileUploadUrl", "GetContextFileDownloadUrl"):
        gateway.on(name, lambda request: ok({"Url": store.url + quote(request.form["FilePath"]) + "?Signature=s"}))
    gateway.on("SyncContext", ok())
    gateway.on("GetContextInfo", done)
    gateway.on("DescribeContextFiles", listing(store))
    return session


def make_tree(root: Path, *names: str) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(name)


def tree(root: Path) -> dict[str, str]:
    return {path.relative_to(root).as_posix(): path.read_text() for path in sorted(root.rglob("*")) if path.is_file()}


def stored(store: Store) -> list[str]:
    return sorted(unquote(path).removeprefix(f"{BASE}/") for path in store.files)


NAMES = ("a.txt", "deep/er/b.txt", "deep/é ü.bin", "z")


# --- There and back ---------------------------------------------------------------------------------------------------


async def test_a_directory_goes_there_and_back(
    served: AsyncSession, gateway: Gateway, store: Store, tmp_path: Path
) -> None:
    make_tree(tmp_path / "x", *NAMES)
    heard: list[str] = []

    up = await served.fs.upload_directory(tmp_path / "x", f"{BASE}/", progress_cb=heard.append)
    down = await served.fs.download_directory(BASE, str(tmp_path / "y"))

    facts: dict[str, Any] = {"request_id": REQUEST_ID, "success": True, "path": BASE, "files": sorted(NAMES)}
    size = sum(len(name.encode()) for name in NAMES)
    assert up == DirectoryTransferResult(**facts, local_path=str(tmp_path / "x"), bytes_moved=size)
    assert down == DirectoryTransferResult(**facts, local_path=str(tmp_path / "y"), bytes_moved=size)
    assert sorted(heard) == sorted(NAMES)
    assert tree(tmp_path / "y") == {name: name for name in sorted(NAMES)}
    assert [(one.form["Path"], one.form["Mode"]) for one in gateway.of("SyncContext")] == [
        (BASE, "download"),
        (BASE, "upload"),
    ]


async def test_without_waiting_the_session_is_only_told_to_begin(
    served: AsyncSession, gateway: Gateway, tmp_path: Path
) -> None:
    make_tree(tmp_path / "x", "a")

    assert (await served.fs.upload_directory(tmp_path / "x", BASE, wait=False)).success
    assert (await served.fs.download_directory(BASE, tmp_path / "y", wait=False)).success
    assert "GetContextInfo" not in gateway.names


async def test_an_empty_directory_needs_no_sync(served: AsyncSession, gateway: Gateway, tmp_path: Path) -> None:
    assert (await served.fs.upload_directory(tmp_path, BASE)).files == []
    assert "SyncContext" not in gateway.names
    assert (await served.fs.download_directory(BASE, tmp_path)).files == []


async def test_the_top_of_the_store_is_a_directory_too(served: AsyncSession, store: Store, tmp_path: Path) -> None:
    store.files["/a/b"] = b"1"

    assert (await served.fs.download_directory("/", tmp_path)).files == ["a/b"]


async def test_empty_directories_are_made_there_and_back(
    served: AsyncSession, gateway: Gateway, store: Store, tmp_path: Path
) -> None:
    make_tree(tmp_path / "x", "a/b")
    for name in ("hollow", "deep/er", "a/é", "skipped"):
        (tmp_path / "x" / name).mkdir(parents=True)
    gateway.on("create_directory", Said("True"))
    heard: list[str] = []
    names = ["a/b", "a/é/", "deep/er/", "hollow/"]

    up = await served.fs.upload_directory(tmp_path / "x", BASE, exclude=["skipped"], progress_cb=heard.append)
    made = sorted(one.args["path"] for one in gateway.of("create_directory"))
    store.files |= {quote(f"{BASE}/{name}"): b"" for name in (*names[1:], "skipped/")}
    down = await served.fs.download_directory(BASE, tmp_path / "y", exclude=["skipped"])

    assert (up.files, sorted(heard), up.success, up.request_id) == (names, names, True, REQUEST_ID)
    assert made == [f"{BASE}/{name[:-1]}" for name in names[1:]]
    assert (down.files, down.success) == (names, True)
    there = sorted(path.relative_to(tmp_path / "y").as_posix() for path in (tmp_path / "y").rglob("*"))
    assert there == ["a", "a/b", "a/é", "deep", "deep/er", "hollow"]


async def test_only_the_wanted_empty_directories_are_made(
    served: AsyncSession, gateway: Gateway, store: Store, tmp_path: Path
) -> None:
    (tmp_path / "x" / "hollow").mkdir(parents=True)
    store.files[f"{BASE}/hollow/"] = b""

    assert (await served.fs.upload_directory(tmp_path / "x", BASE, include=["*.py"])).files == []
    assert (await served.fs.download_directory(BASE, tmp_path / "y", include=["*.py"])).files == []
    assert ("create_directory" in gateway.names, (tmp_path / "y").exists()) == (False, False)


@pytest.mark.parametrize(("kind", "files"), [("isDirectory", ["hollow/"]), ("isFile", [])])
async def test_a_directory_that_cannot_be_made_is_told_unless_it_is_there(
    served: AsyncSession, gateway: Gateway, tmp_path: Path, kind: str, files: list[str]
) -> None:
    (tmp_path / "hollow").mkdir()
    gateway.on("create_directory", Said("it exists", failed=True))
    gateway.on("get_file_info", Said(f"size: 0\n{kind}: true"))

    result = await served.fs.upload_directory(tmp_path, BASE)

    assert (result.success, result.files) == (bool(files), files)
    assert result.failures == ({} if files else {"hollow/": "create_directory failed: it exists"})


async def test_an_empty_directory_that_cannot_be_made_here_is_told(
    served: AsyncSession, store: Store, tmp_path: Path
) -> None:
    make_tree(tmp_path, "y/hollow", "outside/x")
    (tmp_path / "y" / "link").symlink_to(tmp_path / "outside")
    store.files = {f"{BASE}/{name}/": b"" for name in ("hollow", "link", "link/deep")}

    result = await served.fs.download_directory(BASE, tmp_path / "y")

    text = "it would be outside of the directory"
    assert result.failures == {"hollow/": "Download exception: File exists", "link/deep/": text}
    assert tree(tmp_path / "outside") == {"x": "outside/x"}


@pytest.mark.parametrize("concurrency", [1, 3, 50])
async def test_many_files_go_at_once(served: AsyncSession, store: Store, tmp_path: Path, concurrency: int) -> None:
    names = [f"{number % 7}/{number}" for number in range(60)]
    make_tree(tmp_path / "x", *names)

    up = await served.fs.upload_directory(tmp_path / "x", BASE, concurrency=concurrency)
    down = await served.fs.download_directory(BASE, tmp_path / "y", concurrency=concurrency)

    assert (up.files, down.files, tree(tmp_path / "y")) == (sorted(names), sorted(names), tree(tmp_path / "x"))
    assert len(store.open) <= concurrency


# --- Choosing ---------------------------------------------------------------------------------------------------------

CHOICES = [
    (None, None, ["a.py", "src/b.py", "src/c.txt", "src/node_modules/d.py", "x[1]"]),
    (["*.py"], None, ["a.py", "src/b.py", "src/node_modules/d.py"]),
    (["*.py"], ["node_modules"], ["a.py", "src/b.py"]),
    (["src"], ["src/node_modules/"], ["src/b.py", "src/c.txt"]),
    (None, ["src/*"], ["a.py", "x[1]"]),
    (None, ["*"], []),
    ([], [], ["a.py", "src/b.py", "src/c.txt", "src/node_modules/d.py", "x[1]"]),
    (["?.py", "x[[]1]"], None, ["a.py", "src/b.py", "src/node_modules/d.py", "x[1]"]),
]


@pytest.mark.parametrize(("include", "exclude", "wanted"), CHOICES)
async def test_patterns_choose_both_ways(
    served: AsyncSession, store: Store, tmp_path: Path, include: Any, exclude: Any, wanted: list[str]
) -> None:
    names = CHOICES[0][2]
    make_tree(tmp_path / "x", *names)

    up = await served.fs.upload_directory(tmp_path / "x", BASE, include=include, exclude=exclude)
    assert (up.files, stored(store)) == (wanted, wanted)
    store.files = {f"{BASE}/{quote(name)}": b"1" for name in names}
    down = await served.fs.download_directory(BASE, tmp_path / "y", include=include, exclude=exclude)
    assert (down.files, sorted(tree(tmp_path / "y"))) == (wanted, wanted)


@pytest.mark.parametrize(
    ("arguments", "kind"),
    [
        ({"include": "*.py"}, TypeError),
        ({"exclude": "*.py"}, TypeError),
        ({"concurrency": 0}, ValueError),
        ({"concurrency": 8.5}, TypeError),
        ({"concurrency": True}, TypeError),
        ({"concurrency": "8"}, TypeError),
    ],
)
async def test_wrong_arguments_are_refused_before_any_request(
    served: AsyncSession, gateway: Gateway, tmp_path: Path, arguments: dict[str, Any], kind: type[Exception]
) -> None:
    with pytest.raises(kind):
        await served.fs.upload_directory(tmp_path, BASE, **arguments)
    with pytest.raises(kind):
        await served.fs.download_directory(BASE, tmp_path, **arguments)
    assert gateway.names == []


# --- Links and hostile names ------------------------------------------------------------------------------------------


async def test_links_never_lead_out_of_what_is_sent(served: AsyncSession, store: Store, tmp_path: Path) -> None:
    make_tree(tmp_path, "outside/secret", "x/inside/file")
    links = {
        "out": "../outside/secret",
        "outdir": "../outside",
        "in": "inside/file",
        "indir": "inside",
        "no": "missing",
    }
    for name, target in links.items():
        (tmp_path / "x" / name).symlink_to(target)
    (tmp_path / "x" / "loop").symlink_to("loop")
    os.mkfifo(tmp_path / "x" / "pipe")

    result = await served.fs.upload_directory(tmp_path / "x", BASE, exclude=["no"])

    assert stored(store) == ["in", "inside/file"]
    assert result.skipped == ["indir", "loop", "out", "outdir", "pipe"]
    assert result.success


async def test_links_never_lead_out_of_where_files_are_put(served: AsyncSession, store: Store, tmp_path: Path) -> None:
    make_tree(tmp_path, "outside/old")
    root = tmp_path / "y"
    root.mkdir()
    (root / "link").symlink_to(tmp_path / "outside")
    (root / "file").symlink_to(tmp_path / "outside" / "old")
    store.files = {f"{BASE}/{name}": b"new" for name in ("link/old", "link/deep/new", "file", "good")}

    result = await served.fs.download_directory(BASE, root)

    text = "it would be outside of the directory"
    assert (result.files, result.failures) == (["file", "good"], {"link/deep/new": text, "link/old": text})
    assert tree(tmp_path / "outside") == {"old": "outside/old"}
    assert (root / "file").is_symlink() is False


@pytest.mark.parametrize(
    "path",
    [
        "/etc/passwd",
        f"{BASE}/../x",
        f"{BASE}/..",
        f"{BASE}/.",
        f"{BASE}/a/b",
        f"{BASE}/",
        f"{BASE}/a\0b",
        "",
        BASE + "x",
    ],
)
async def test_a_hostile_name_is_told_and_never_used(
    served: AsyncSession, gateway: Gateway, store: Store, tmp_path: Path, path: str
) -> None:
    store.files[f"{BASE}/good"] = b"1"
    entries = [{"FilePath": path, "FileType": kind} for kind in ("FILE", "FOLDER")]
    gateway.on("DescribeContextFiles", ok([*entries, {"FilePath": f"{BASE}/good", "FileType": "FILE"}]))

    result = await served.fs.download_directory(BASE, tmp_path / "y")

    assert (result.files, list(result.failures)) == (["good"], [path])
    assert tree(tmp_path) == {"y/good": "1"}
    assert (result.error_message, type(result.error)) == ("1 of 2 files failed", FileError)


async def test_a_tree_without_an_end_is_left_at_a_depth(served: AsyncSession, gateway: Gateway, tmp_path: Path) -> None:
    gateway.on(
        "DescribeContextFiles",
        lambda request: ok([{"FilePath": request.form["ParentFolderPath"] + "/x", "FileType": "FOLDER"}]),
    )

    result = await served.fs.download_directory(BASE, tmp_path)

    assert list(result.failures) == [BASE + "/x" * 102]


async def test_a_name_that_is_not_utf_8_is_told(served: AsyncSession, store: Store, tmp_path: Path) -> None:
    (tmp_path / "good").touch()
    (tmp_path / os.fsdecode(b"\xff")).touch()
    (tmp_path / os.fsdecode(b"\xfe")).mkdir()

    result = await served.fs.upload_directory(tmp_path, BASE)

    text = "its name is not UTF-8"
    assert (result.files, result.failures) == (["good"], {"\udcff": text, "\udcfe/": text})
    assert stored(store) == ["good"]


# --- Faults -----------------------------------------------------------------------------------------------------------


async def test_a_file_that_fails_does_not_keep_the_others(served: AsyncSession, store: Store, tmp_path: Path) -> None:
    make_tree(tmp_path / "x", "a", "b", "c")
    store.plans = [Plan(), Plan(404), Plan()]

    up = await served.fs.upload_directory(tmp_path / "x", BASE, concurrency=1)

    assert (up.success, up.files, up.bytes_moved) == (False, ["a", "c"], 2)
    assert up.failures == {"b": "Upload failed with HTTP 404 (AccessDenied)"}
    assert (up.error_message, type(up.error)) == ("1 of 3 files failed", FileError)
    with pytest.raises(FileError):
        up.unwrap()


async def test_an_answer_that_cannot_be_read_fails_one_file_only(
    served: AsyncSession, gateway: Gateway, store: Store, tmp_path: Path
) -> None:
    make_tree(tmp_path / "x", "a", "b")
    gateway.on("GetContextFileUploadUrl", raw("no json"), ok({"Url": store.url + "/b"}))

    up = await served.fs.upload_directory(tmp_path / "x", BASE, concurrency=1)

    assert (up.files, list(up.failures)) == (["b"], ["a"])


async def test_a_store_that_cannot_be_reached_ends_it_early(
    served: AsyncSession, gateway: Gateway, tmp_path: Path
) -> None:
    served.agent_bay._transport._policy = RetryPolicy(attempts=1)
    make_tree(tmp_path / "x", *map(str, range(30)))
    gateway.on("GetContextFileUploadUrl", ok({"Url": "http://127.0.0.1:9/x"}))

    up = await served.fs.upload_directory(tmp_path / "x", BASE, concurrency=1)

    assert len(up.failures) == 30
    assert list(up.failures.values()).count("not tried, for the service cannot be reached") == 20
    assert len(gateway.of("GetContextFileUploadUrl")) == 10


async def test_existing_files_are_kept_when_asked(served: AsyncSession, store: Store, tmp_path: Path) -> None:
    make_tree(tmp_path, "a")
    store.files = {f"{BASE}/{name}": b"new" for name in "ab"}

    result = await served.fs.download_directory(BASE, tmp_path, overwrite=False)

    assert tree(tmp_path) == {"a": "a", "b": "new"}
    assert result.failures == {"a": f"Destination exists and overwrite=False: {tmp_path / 'a'}"}


async def test_what_is_no_directory_is_told_before_any_request(
    served: AsyncSession, gateway: Gateway, tmp_path: Path
) -> None:
    make_tree(tmp_path, "file")

    for path in (tmp_path / "missing", tmp_path / "file"):
        result = await served.fs.upload_directory(path, BASE)
        assert (result.success, type(result.error)) == (False, FileError)
        assert result.error_message.startswith("Local directory cannot be read: ")
    assert gateway.names == []


async def test_a_refusal_before_the_first_file_ends_it(
    served: AsyncSession, gateway: Gateway, store: Store, tmp_path: Path
) -> None:
    make_tree(tmp_path / "x", "a")
    gateway.on("DescribeContextFiles", no("X", "y"))
    listed = await served.fs.download_directory(BASE, tmp_path / "y")
    gateway.on("SyncContext", no("X", "y"))
    synced = await served.fs.upload_directory(tmp_path / "x", BASE)
    gateway.on("GetAndLoadInternalContext", GONE)
    session = AsyncSession(served.agent_bay, SESSION_ID)
    gone = await session.fs.upload_directory(tmp_path / "x", BASE)

    assert (listed.error_message, type(listed.error)) == ("list_files failed: [X] y", APIError)
    assert (synced.error_message, synced.files) == ("session.context.sync(upload) failed: [X] y", ["a"])
    assert (gone.error_message, type(gone.error)) == ("Resource [McpSession] is not found.", NotFoundError)
    assert (listed.request_id, gone.request_id) == (REQUEST_ID, REQUEST_ID)


async def test_files_that_do_not_arrive_in_the_session_are_told(
    served: AsyncSession, gateway: Gateway, tmp_path: Path
) -> None:
    make_tree(tmp_path / "x", "a")
    gateway.on("GetContextInfo", ok())

    result = await served.fs.upload_directory(tmp_path / "x", BASE, wait_timeout=0)

    assert (result.error_message, type(result.error)) == (
        "Upload sync not finished: task not finished",
        APITimeoutError,
    )


async def test_an_exception_of_the_callers_own_ends_it(served: AsyncSession, store: Store, tmp_path: Path) -> None:
    make_tree(tmp_path / "x", *map(str, range(40)))

    def stop(name: str) -> None:
        raise KeyError(name)

    with pytest.raises(KeyError):
        await served.fs.upload_directory(tmp_path / "x", BASE, concurrency=4, progress_cb=stop)
    assert len(store.asked) < 40


async def test_a_list_that_cannot_be_had_raises(served: AsyncSession, gateway: Gateway, tmp_path: Path) -> None:
    served.agent_bay._transport._policy = RetryPolicy(attempts=1)
    gateway.on("DescribeContextFiles", raw("no json"))

    with pytest.raises(APIResponseError):
        await served.fs.download_directory(BASE, tmp_path)
