"""Object storage: signed files up and down, by the way that a session's policy leaves open."""

from __future__ import annotations

import asyncio
import hashlib
import io
import json
import logging
import ssl
import zipfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import trustme
from attrs import frozen

from agentbay import AsyncAgentBay, CreateSessionParams
from agentbay_local.app import Runtime
from agentbay_local.egress import Policy
from agentbay_local.egress.policy import read_rule
from agentbay_local.oss import carrying
from agentbay_local.sandbox.contract import Limits
from agentbay_local.sandbox.pool import BwrapEngine
from agentbay_local.settings import Settings
from agentbay_local.tools import Box
from tests.local.egress.world import World, raw_server
from tests.local.tools.bucket_server import KEYS, Buckets, bucket_server
from tests.local.tools.conftest import Tools

LIMITS = Limits(file_size=6 << 20, workspace=16 << 20)
KEY = {
    "access_key_id": KEYS.access_key_id,
    "access_key_secret": KEYS.access_key_secret,
    "security_token": KEYS.security_token,
}
AT = {"endpoint": "http://oss.example", "region": "cn-test"}


@frozen
class Place:
    """A session of a world with a storage, and its tools."""

    tools: Tools
    world: World
    buckets: Buckets

    def allow(self, *rules: str) -> None:
        self.tools.box.sandbox.egress.policy = Policy("buckets", tuple(map(read_rule, rules)))

    async def left_over(self) -> str:
        """Files that were on their way and still are there."""
        return await self.tools.sh(
            "find / -xdev -name '.agentbay-*' 2>/dev/null; find /tmp /workspace ~ -name '.agentbay-*'"
        )


@pytest.fixture
async def outside() -> AsyncIterator[tuple[World, Tools]]:
    """A session, and the world that it would reach."""
    world = World()
    engine = BwrapEngine(LIMITS, warm=0, reach=world.reach)
    await engine.start()
    box = Box(await engine.create(), "linux_latest", LIMITS)
    yield world, Tools(box)
    await box.close()
    await engine.close()


@pytest.fixture
async def place(outside: tuple[World, Tools]) -> AsyncIterator[Place]:
    world, tools = outside
    async with bucket_server(world) as buckets:
        made = Place(tools, world, buckets)
        made.allow("*.oss.example", "oss.example", "elsewhere.example")
        yield made


# ---- up and down


@pytest.mark.parametrize(("region", "version"), [("cn-test", "OSS4-HMAC-SHA256"), (None, "OSS")])
async def test_a_file_goes_up_signed_and_comes_down_the_same(place: Place, region: str | None, version: str) -> None:
    told = json.loads(await place.tools("oss_env_init", **KEY, endpoint="http://oss.example", region=region))
    assert {"endpoint": "http://oss.example", "region": region or ""} == told
    name = "a folder/ü+%?#&.bin"
    await place.tools.sh("mkdir -p up; head -c 3145728 /dev/urandom > up/data")
    stored = await place.tools("oss_upload", bucket="photos", object=name, path="up/data")
    data = place.buckets.objects[f"/photos/{name}"]
    fetched = await place.tools("oss_download", bucket="photos", object=name, path="/workspace/new/down/data")
    same = (await place.tools.sh("sha256sum < /workspace/new/down/data")).split()[0]
    assert ("Upload success", "download success", 3 << 20) == (stored, fetched, len(data))
    assert (hashlib.sha256(data).hexdigest(), [version] * 2) == (same, place.buckets.signatures)
    assert not await place.left_over()


async def test_an_object_without_a_name_gets_that_of_the_file(place: Place) -> None:
    await place.tools("oss_env_init", **KEY, **AT)
    await place.tools.sh("echo hello > note.txt; : > empty")
    for path in ("note.txt", "/home/wuying/empty"):
        await place.tools("oss_upload", bucket="photos", object="", path=path)
    assert {"/photos/note.txt": b"hello\n", "/photos/empty": b""} == place.buckets.objects


async def test_a_directory_goes_up_as_a_zip_of_what_is_in_it(place: Place) -> None:
    await place.tools("oss_env_init", **KEY, **AT)
    await place.tools.sh(
        "mkdir -p site/css site/none; echo a > site/index.html; echo b > site/css/x.css; chmod 700 site/index.html; "
        "ln -s /etc/passwd site/link; mkfifo site/pipe; touch -d 1970-01-02 site/css/x.css"
    )
    await place.tools("oss_upload", bucket="photos", object="", path="~/site")
    with zipfile.ZipFile(io.BytesIO(place.buckets.objects["/photos/site.zip"])) as archive:
        found = {info.filename: (info.external_attr >> 16, archive.read(info)) for info in archive.infolist()}
    assert {"index.html", "css/", "css/x.css", "none/", "link"} == set(found)
    assert ((0o100700, b"a\n"), (0o120777, b"/etc/passwd")) == (found["index.html"], found["link"])
    assert not await place.left_over()


async def test_presigned_addresses_take_and_give_files_without_a_key(place: Place) -> None:
    await place.tools.sh("echo hello > note.txt")
    url = "http://elsewhere.example/a%20b?presigned"
    await place.tools("oss_upload_annon", url=url, path="note.txt")
    await place.tools("oss_download_annon", url=url, path="back.txt")
    assert ({"/a b": b"hello\n"}, "hello\n") == (place.buckets.objects, await place.tools.sh("cat back.txt"))


async def test_redirects_are_followed_without_a_key_and_only_where_the_policy_leads(place: Place) -> None:
    place.buckets.objects["/x"] = b"there"
    there = "http://elsewhere.example/x?presigned"
    await place.tools("oss_download_annon", url=f"http://oss.example/moved?{there}", path="x")
    assert "there" == await place.tools.sh("cat x")
    place.allow("oss.example")
    said = await place.tools.refused("oss_download_annon", url=f"http://oss.example/moved?{there}", path="y")
    assert "elsewhere.example:80 is not among what the policy buckets of this session allows" in said
    said = await place.tools.refused("oss_download_annon", url="http://oss.example/round", path="y")
    assert said.endswith("http://oss.example sends the caller on and on: more than 5 redirects")


async def test_a_file_that_is_there_is_replaced_as_a_whole_and_keeps_its_permissions(place: Place) -> None:
    place.buckets.objects["/x"] = b"new"
    await place.tools.sh("echo something longer > old; chmod 640 old; ln -s old by-link")
    await place.tools("oss_download_annon", url="http://oss.example/x?presigned", path="by-link")
    assert "new640 symbolic link\n" == await place.tools.sh(
        "cat old; stat -c '%a' old | tr -d '\\n'; stat -c ' %F' by-link"
    )


# ---- what goes wrong


async def test_without_a_policy_nothing_goes_out_and_the_host_to_allow_is_named(place: Place) -> None:
    place.tools.box.sandbox.egress.policy = Policy()
    await place.tools("oss_env_init", **KEY, **AT)
    await place.tools.sh("echo hello > note.txt")
    said = await place.tools.refused("oss_upload", bucket="photos", object="", path="note.txt")
    assert "Egress is denied by default" in said
    assert "`agentbay policy set NAME --allow HOST`" in said
    assert said.endswith("Here HOST is photos.oss.example.")
    assert ([], {("no_policy",): 1}) == (
        place.world.looked_up,
        place.tools.box.sandbox.way.metrics.egress_refused.values,
    )


async def test_this_machine_is_never_reached_whatever_the_policy_says(place: Place) -> None:
    place.world.names["sneaky.example"] = ["127.0.0.1"]
    place.allow("*")
    for url in ("http://sneaky.example/x", "http://127.0.0.1:1/x", "http://[::1]/", "http://10.0.0.1/x"):
        said = await place.tools.refused("oss_download_annon", url=url, path="x")
        assert "always refused" in said or "private" in said
    assert [] == place.world.dialled


async def test_a_refusal_tells_the_storages_reason_and_none_of_what_was_signed(place: Place) -> None:
    await place.tools("oss_env_init", **(KEY | {"access_key_secret": "wrong"}), **AT)
    await place.tools.sh("head -c 2000000 /dev/zero > big; echo old > kept")
    said = await place.tools.refused("oss_upload", bucket="photos", object="x", path="big")
    assert "http://photos.oss.example answered 403 Forbidden: SignatureDoesNotMatch: The signature is wrong." in said
    await place.tools("oss_env_init", **KEY, **AT)
    gone = await place.tools.refused("oss_download", bucket="photos", object="x", path="kept")
    assert gone.endswith(
        "Failed to download file: kept, error: http://photos.oss.example answered 404 Not Found: NoSuchKey"
    )
    assert ("old\n", "") == (await place.tools.sh("cat kept"), await place.left_over())
    assert not any(secret in said + gone for secret in KEY.values())


async def test_a_download_that_breaks_off_leaves_the_old_file(place: Place) -> None:
    place.buckets.objects["/x"] = bytes(3 << 20)
    place.buckets.broken_after = 2 << 20
    await place.tools.sh("echo old > kept")
    said = await place.tools.refused("oss_download_annon", url="http://oss.example/x?presigned", path="kept")
    assert "connection broke" in said or "no usable answer" in said
    assert ("old\n", "") == (await place.tools.sh("cat kept"), await place.left_over())


async def test_a_download_larger_than_a_file_may_be_ends_there(place: Place) -> None:
    place.buckets.objects["/x"] = bytes(7 << 20)
    for chunked in (False, True):
        place.buckets.chunked = chunked
        said = await place.tools.refused("oss_download_annon", url="http://oss.example/x?presigned", path="kept")
        assert "sends more than the 6291456 bytes that a file may hold here" in said
    assert not await place.left_over()


async def test_a_full_disk_ends_a_download_and_an_archive_with_the_reason(place: Place) -> None:
    place.buckets.objects["/x"] = bytes(2 << 20)
    await place.tools.sh(
        "mkdir -p d; head -c 900000 /dev/urandom > d/x; for n in 1 2; do head -c 6M /dev/zero > /tmp/$n; done; true"
    )
    said = await place.tools.refused("oss_download_annon", url="http://oss.example/x?presigned", path="/tmp/x")
    assert "No space left on device (the sandbox's disk holds 16 MiB)" in said
    said = await place.tools.refused("oss_upload_annon", url="http://oss.example/y?presigned", path="d")
    assert "the directory could not be packed: " in said
    assert "No space left on device" in said
    assert not await place.left_over()


async def test_a_server_that_says_nothing_is_given_up(
    outside: tuple[World, Tools], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(carrying, "QUIET_S", 0.2)
    world, tools = outside
    tools.box.sandbox.egress.policy = Policy("all", (read_rule("*"),))

    async def mute(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        await reader.read()

    async def noise(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"220 mail.example ready\r\n")

    async with raw_server(mute) as silent, raw_server(noise) as noisy:
        world.place("mute.example", 80, silent)
        world.place("noise.example", 80, noisy, "93.184.216.35")
        late = await tools.refused("oss_download_annon", url="http://mute.example/", path="x")
        odd = await tools.refused("oss_download_annon", url="http://noise.example/", path="x")
    nobody = await tools.refused("oss_download_annon", url="http://nobody.example/", path="x")
    assert late.endswith("http://mute.example did not carry the file within 870 s, or nothing moved for 0.2 s")
    assert odd.endswith("http://noise.example gave no usable answer")
    assert nobody.endswith("nobody.example:80 is allowed, but its name could not be resolved.")


async def test_a_transfer_ends_with_its_session(outside: tuple[World, Tools]) -> None:
    world, tools = outside
    tools.box.sandbox.egress.policy = Policy("all", (read_rule("*"),))
    begun, ended = asyncio.Event(), asyncio.Event()

    async def mute(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        begun.set()
        try:
            await reader.read()
        finally:
            ended.set()

    async with raw_server(mute) as port:
        world.place("mute.example", 80, port)
        going = asyncio.create_task(tools.refused("oss_download_annon", url="http://mute.example/", path="x"))
        await begun.wait()
        await tools.box.sandbox.close()
        assert "The session has expired" in await going
        await asyncio.wait_for(ended.wait(), 5)


async def test_an_early_no_is_heard_though_the_server_reads_no_further(outside: tuple[World, Tools]) -> None:
    world, tools = outside
    tools.box.sandbox.egress.policy = Policy("all", (read_rule("*"),))

    async def full(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 507 Insufficient Storage\r\nContent-Length: 0\r\n\r\n")
        await writer.drain()
        await asyncio.sleep(5)

    await tools.sh("head -c 6000000 /dev/zero > big")
    async with raw_server(full) as port:
        world.place("full.example", 80, port)
        said = await tools.refused("oss_upload_annon", url="http://full.example/x", path="big")
    assert said.endswith("http://full.example answered 507 Insufficient Storage")


@pytest.mark.parametrize(
    ("tool", "args", "why"),
    [
        ("oss_env_init", {**KEY, "security_token": ""}, "security_token must have 1 to 8192 printable"),
        ("oss_env_init", {**KEY, "access_key_id": "a\r\nb"}, "access_key_id must have"),
        ("oss_env_init", {**KEY, "endpoint": "x/y"}, "endpoint must be a host alone"),
        ("oss_env_init", {"access_key_id": "a"}, "access_key_secret is required"),
        ("oss_upload", {"bucket": "photos", "path": "x"}, "call oss_env_init first"),
        ("oss_download", {"bucket": "photos", "object": "x", "path": "x"}, "call oss_env_init first"),
        ("oss_download_annon", {"url": "file:///etc/passwd", "path": "x"}, "url must be an address"),
        ("oss_download_annon", {"url": "http://a b/", "path": "x"}, "url must hold neither spaces"),
        ("oss_upload_annon", {"url": "http://oss.example/x", "path": "nowhere"}, "nowhere, error: No such file"),
        ("oss_upload_annon", {"url": "http://oss.example/x", "path": "/dev/zero"}, "Not a regular file"),
        ("oss_download_annon", {"url": "http://oss.example/x", "path": "/tmp"}, "/tmp, error: Is a directory"),
        ("oss_download_annon", {"url": "http://oss.example/x", "path": "/usr/x"}, "error: Read-only file system"),
    ],
)
async def test_what_cannot_be_meant_is_refused_and_named(
    outside: tuple[World, Tools], tool: str, args: dict[str, Any], why: str
) -> None:
    assert why in await outside[1].refused(tool, **args)


async def test_tls_is_spoken_only_with_servers_that_are_trusted(
    outside: tuple[World, Tools], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world, tools = outside
    tools.box.sandbox.egress.policy = Policy("all", (read_rule("*"),))
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("*.oss.example").configure_cert(context)
    async with bucket_server(world, context) as buckets:
        await tools("oss_env_init", **KEY, endpoint="oss.example", region="cn-test")
        await tools.sh("head -c 2000000 /dev/urandom > data")
        said = await tools.refused("oss_upload", bucket="photos", object="", path="data")
        assert "its certificate is not trusted" in said
        authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
        carrying._trusting.cache_clear()
        try:
            await tools("oss_upload", bucket="photos", object="", path="data")
            await tools("oss_download", bucket="photos", object="data", path="back")
        finally:
            carrying._trusting.cache_clear()
        assert "" == await tools.sh("cmp data back")
        assert 2_000_000 == len(buckets.objects["/photos/data"])


async def test_the_clients_own_methods_do_it_all(tmp_path: Path) -> None:
    world = World()
    engine = BwrapEngine(LIMITS, warm=0, reach=world.reach)
    async with bucket_server(world) as buckets, Runtime(Settings(data=tmp_path, limits=LIMITS), engine) as runtime:
        runtime.service.policies.set("buckets", ["*.oss.example"])
        async with AsyncAgentBay(runtime.keys[0], endpoint=runtime.endpoint) as client:
            created = await client.create(CreateSessionParams(policy_id="buckets"))
            async with created.unwrap().session as session:
                await session.file_system.write_file("a.txt", "hello")
                for call in (
                    session.oss.env_init(*KEY.values(), **AT),
                    session.oss.upload("photos", "", "a.txt"),
                    session.oss.download("photos", "a.txt", "b.txt"),
                    session.oss.upload_anonymous("http://photos.oss.example/c?presigned", "b.txt"),
                    session.oss.download_anonymous("http://photos.oss.example/c?presigned", "d.txt"),
                ):
                    (await call).unwrap()
                assert "hello" == (await session.file_system.read_file("d.txt")).unwrap().content
    assert {"/photos/a.txt": b"hello", "/c": b"hello"} == buckets.objects


async def test_keys_are_shown_nowhere(place: Place, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    await place.tools("oss_env_init", **KEY, **AT)
    shown = repr(place.tools.box) + repr(place.tools.box.storage) + caplog.text
    env = await place.tools("get_env")
    assert not any(secret in shown + env for secret in KEY.values())
