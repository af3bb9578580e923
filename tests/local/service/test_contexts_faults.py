"""Contexts of a runtime that is killed, has no folder to work in, or shares it; and what its log says of them."""

from __future__ import annotations

import asyncio
import io
import os
import signal
import sqlite3
import subprocess
import sys
from asyncio.subprocess import PIPE
from pathlib import Path

import pytest
from yarl import URL

from agentbay_local.app import Runtime
from agentbay_local.settings import Settings
from tests.local.conftest import Served, environment, serve
from tests.local.service.api import Api
from tests.local.service.test_contexts import made, put
from tests.local.service.test_contexts_files import address, fetched, raw_put

SERVE = [sys.executable, "-m", "agentbay_local", "serve", "--quiet", "--warm", "0"]


def kill(served: Served) -> None:
    served.process.send_signal(signal.SIGKILL)
    served.process.wait(20)


async def test_a_kill_in_the_middle_of_uploads_loses_nothing_and_keeps_nothing_half(tmp_path: Path) -> None:
    folder = str(tmp_path / "data")
    served = serve("--data", folder, "--warm", "0")
    async with Api(served.endpoint, served.key) as api:
        context = await made(api, "kept")
        await put(api, context, "/old", b"as before")
        writers = []
        for path in ("/old", "/new"):
            url = await address(api, "Upload", context, path)
            writers.append((await raw_put(url, "Content-Length: 9000000", b"x" * 6_000_000))[1])
        kill(served)
        for writer in writers:
            writer.close()
    again = serve("--data", folder, "--warm", "0")
    async with Api(again.endpoint, again.key) as api:
        assert await made(api, "kept") == context
        assert await fetched(api, context, "/old") == b"as before"
        answer = await api.call("DescribeContextFiles", ContextId=context, ParentFolderPath="/")
        assert [item["FilePath"] for item in answer.data] == ["/old"]
        assert len(os.listdir(f"{folder}/blobs")) == 1
    assert again.stop() == 0


async def test_whoever_has_the_first_key_has_the_same_contexts_after_every_start(tmp_path: Path) -> None:
    # `serve` takes two new keys at every start.
    ids = []
    for _ in range(2):
        served = serve("--data", str(tmp_path), "--warm", "0")
        async with Api(served.endpoint, served.key) as api, Api(served.endpoint, served.other_key) as other:
            ids.append((await made(api, "mine"), await made(other, "mine")))
        assert served.stop() == 0
    assert (ids[0] == ids[1], len({*ids[0]})) == (True, 2)


async def test_two_servers_share_a_folder(tmp_path: Path) -> None:
    one, other = (serve("--data", str(tmp_path), "--warm", "0") for _ in range(2))
    async with Api(one.endpoint, one.key) as first, Api(other.endpoint, other.key) as second:
        context = await made(first, "shared")
        assert await made(second, "shared") == context
        await asyncio.gather(*(put(api, context, f"/{n}", b"%d" % n) for n in range(10) for api in (first, second)))
        assert [await fetched(second, context, f"/{n}") for n in range(10)] == [b"%d" % n for n in range(10)]
        # An address of the one is good at the other, too.
        url = URL(await address(first, "Download", context, "/1")).with_port(URL(other.endpoint).port)
        async with second.http.get(url) as response:
            assert (response.status, await response.read()) == (200, b"1")
    assert [one.stop(), other.stop()] == [0, 0]


async def test_a_folder_that_cannot_be_used_matters_only_to_those_who_use_a_context(tmp_path: Path) -> None:
    variables = environment() | {"AGENTBAY_DATA": "/proc/nowhere"}
    process = await asyncio.create_subprocess_exec(*SERVE, env=variables, stdout=PIPE)
    assert process.stdout is not None
    told = [(await process.stdout.readline()).decode().strip().partition("=")[2] for _ in range(2)]
    async with Api(*told) as api:
        session = (await api.create())["SessionId"]
        assert (await api.shell(session, "echo works"))["stdout"] == "works\n"
        answer = await api.call("GetContext", Name="x", AllowCreate="True")
        assert answer.verdict == (503, "ServiceUnavailable")
        assert "/proc/nowhere" in answer.body["Message"]
    process.terminate()
    assert (await process.communicate())[0] == b""


async def test_a_server_that_needs_no_context_makes_no_folder(tmp_path: Path) -> None:
    variables = environment() | {"AGENTBAY_DATA": str(tmp_path / "data")}
    process = await asyncio.create_subprocess_exec(*SERVE, env=variables, stdout=PIPE)
    assert process.stdout is not None
    told = [(await process.stdout.readline()).decode().strip().partition("=")[2] for _ in range(2)]
    async with Api(*told) as api:
        await api.create()
    process.terminate()
    await process.communicate()
    assert os.listdir(tmp_path) == []


async def test_a_clearing_that_cannot_go_on_goes_on_later(
    runtime_alone: Api, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("agentbay_local.contexts.catalogue._PATIENCE", 0.05)
    monkeypatch.setattr("agentbay_local.service.contexts._PAUSE", 0.05)
    api = runtime_alone
    context = await made(api)
    await put(api, context, "/a", b"x")
    database = sqlite3.connect(tmp_path / "data" / "catalogue.sqlite", isolation_level=None)
    database.execute("CREATE TRIGGER obstacle BEFORE DELETE ON files BEGIN SELECT RAISE(ABORT, 'obstacle'); END")
    assert (await api.call("ClearContext", Id=context)).verdict == (200, "ok")
    await asyncio.sleep(0.2)
    assert (await api.call("GetContext", ContextId=context)).data["State"] == "clearing"
    database.execute("DROP TRIGGER obstacle")
    database.close()
    for _ in range(200):
        if (await api.call("GetContext", ContextId=context)).data["State"] == "available":
            break
        await asyncio.sleep(0.02)
    assert (await api.call("GetContext", ContextId=context)).data["State"] == "available"


async def test_a_stop_in_the_middle_of_an_upload_is_a_clean_one(tmp_path: Path) -> None:
    served = serve("--data", str(tmp_path), "--warm", "0")
    async with Api(served.endpoint, served.key) as api:
        url = await address(api, "Upload", await made(api), "/a")
        _, writer = await raw_put(url, "Content-Length: 9000000", b"x" * 6_000_000)
        assert await asyncio.to_thread(served.stop) == 0
        writer.close()
    assert os.listdir(tmp_path / "blobs") == os.listdir(tmp_path / "runtimes") == []


@pytest.mark.skipif(os.getuid() != 0, reason="only root can mount a small disk")
async def test_an_upload_that_the_disk_has_no_room_for_is_told(tmp_path: Path) -> None:
    await command("mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(tmp_path))
    try:
        async with (
            Runtime(Settings(data=tmp_path / "data", warm=0)) as runtime,
            Api(runtime.endpoint, runtime.keys[0]) as api,
        ):
            context = await made(api)
            await put(api, context, "/a", b"as before")
            async with api.http.put(
                await address(api, "Upload", context, "/a"), data=io.BytesIO(bytes(3 << 20))
            ) as told:
                said = await told.text()
            assert (told.status, "<Code>ServiceUnavailable</Code>" in said, "make room" in said) == (503, True, True)
            assert await fetched(api, context, "/a") == b"as before"
            await put(api, context, "/a", bytes(1 << 20))
    finally:
        await command("umount", "-l", str(tmp_path))


async def command(*words: str) -> None:
    process = await asyncio.create_subprocess_exec(*words)
    assert await process.wait() == 0


async def test_the_log_has_a_line_for_every_file_and_no_secret(tmp_path: Path) -> None:
    talkative = [word for word in SERVE if word != "--quiet"]
    process = await asyncio.create_subprocess_exec(
        *talkative, "--data", str(tmp_path), stdout=PIPE, stderr=PIPE, env=environment()
    )
    assert process.stdout is not None
    told = [(await process.stdout.readline()).decode().strip().partition("=")[2] for _ in range(2)]
    async with Api(*told) as api:
        context = await made(api, "named")
        up = await address(api, "Upload", context, "/path.txt")
        async with api.http.put(up, data=io.BytesIO(b"payload")) as response:
            assert response.status == 200
        async with api.http.get(up) as response:
            assert response.status == 403
        async with api.http.get(f"{api.endpoint}/store/x%0Aforged/y") as response:
            assert response.status == 403
    process.terminate()
    log = (await process.communicate())[1].decode()
    assert f"store answered method=PUT context={context} code=ok bytes=7 ms=" in log
    assert log.count("store answered method=GET context=- code=SignatureDoesNotMatch bytes=0 ms=") == 2
    secrets = (api.key, URL(up).query["Signature"], "payload", "path.txt", "forged", "Traceback", "named")
    assert [word for word in secrets if word in log] == []


def test_help_says_where_contexts_are() -> None:
    helps = [sys.executable, "-m", "agentbay_local", "serve", "--help"]
    said = subprocess.run(helps, env=environment(), capture_output=True, text=True, timeout=30, check=True).stdout
    assert "AGENTBAY_DATA" in said
