"""Object storage: files between the session and buckets, by what the session's policy lets out."""

from __future__ import annotations

import asyncio
import json
import os
import posixpath
import secrets
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager, suppress
from importlib.resources import files
from typing import Any, Final

from agentbay_local.oss import (
    Keys,
    Place,
    Storage,
    TransferFault,
    UnfitPlace,
    download,
    read_place,
    read_storage,
    upload,
)
from agentbay_local.oss.signing import Headers
from agentbay_local.sandbox.contract import SandboxError, SandboxGone
from agentbay_local.tools.arguments import Path
from agentbay_local.tools.box import TEMPORARY, Box
from agentbay_local.tools.content import opened, replacing
from agentbay_local.tools.faults import INTERNAL, ToolFailure
from agentbay_local.tools.registry import tool

SERVER: Final = "wuying_oss"
IMAGES: Final = ("linux_latest", "code_latest")
LONGEST_KEY: Final = 8 << 10
PACKING_S: Final = 300.0
AS_IT_IS: Final = "application/octet-stream"


@tool(server=SERVER, images=IMAGES, doing="initialize OSS environment")
async def oss_env_init(
    box: Box,
    access_key_id: str,
    access_key_secret: str,
    security_token: str,
    endpoint: str | None = None,
    region: str | None = None,
) -> str:
    """Gives the session a temporary key for `oss_upload` and `oss_download`; it is kept in memory, for this session.

    Without an endpoint it is that of the region, without either that of cn-hangzhou. The text is a JSON object with
    `endpoint` and `region`.
    """
    keys = Keys(
        _key("access_key_id", access_key_id),
        _key("access_key_secret", access_key_secret),
        _key("security_token", security_token),
    )
    try:
        box.storage = read_storage(keys, endpoint or "", region or "")
    except UnfitPlace as unfit:
        raise ToolFailure(f"Invalid arguments for tool oss_env_init: {unfit}") from None
    return json.dumps({"endpoint": box.storage.endpoint, "region": box.storage.region})


def _key(name: str, value: str) -> str:
    if not value or len(value) > LONGEST_KEY or not value.isascii() or not value.isprintable() or " " in value:
        said = f"{name} must have 1 to {LONGEST_KEY} printable ASCII characters without spaces"
        raise ToolFailure(f"Invalid arguments for tool oss_env_init: {said}")
    return value


@tool(server=SERVER, images=IMAGES, doing="upload file")
async def oss_upload(box: Box, bucket: str, path: Path, object: str = "") -> str:
    """Stores a file in a bucket, under its own name unless `object` gives another; a directory is packed as a zip."""
    storage = _storage(box, "oss_upload")
    async with _source(box, path) as (fd, name):
        place, headers = _signed(storage, "PUT", bucket, object or name, {"content-type": AS_IT_IS})
        await _uploaded(box, path, place, headers, fd)
    return "Upload success"


@tool(server=SERVER, images=IMAGES, doing="upload file")
async def oss_upload_annon(box: Box, url: str, path: Path) -> str:
    """Stores a file where a presigned address takes it, by PUT; a directory is packed as a zip."""
    place = _place("oss_upload_annon", url)
    async with _source(box, path) as (fd, _):
        await _uploaded(box, path, place, {}, fd)
    return "Upload success"


@tool(server=SERVER, images=IMAGES, doing="download file")
async def oss_download(box: Box, bucket: str, object: str, path: Path) -> str:
    """Fetches an object of a bucket; missing directories are made, and a file that is there is replaced as a whole."""
    place, headers = _signed(_storage(box, "oss_download"), "GET", bucket, object, {})
    await _downloaded(box, path, place, headers)
    return "download success"


@tool(server=SERVER, images=IMAGES, doing="download file")
async def oss_download_annon(box: Box, url: str, path: Path) -> str:
    """Fetches what is at an address, following redirects; the file is placed as by `oss_download`."""
    await _downloaded(box, path, _place("oss_download_annon", url), {}, follow=True)
    return "download success"


# ---- what is asked for


def _storage(box: Box, name: str) -> Storage:
    if box.storage is None:
        raise ToolFailure(f"Failed to {name}: the session has no key to any storage; call oss_env_init first")
    return box.storage


def _signed(storage: Storage, method: str, bucket: str, name: str, headers: Headers) -> tuple[Place, Headers]:
    try:
        return storage.request(method, bucket, name, headers)
    except UnfitPlace as unfit:
        raise ToolFailure(f"Invalid arguments for this tool: {unfit}") from None


def _place(name: str, url: str) -> Place:
    try:
        return read_place(url)
    except UnfitPlace as unfit:
        raise ToolFailure(f"Invalid arguments for tool {name}: url {unfit}") from None


# ---- the session's files


async def _uploaded(box: Box, path: str, place: Place, headers: Headers, fd: int) -> None:
    async with box.transfers:
        try:
            await _while_it_lives(box, upload(box.sandbox.way, place, headers, fd, os.fstat(fd).st_size))
        except TransferFault as fault:
            raise ToolFailure(f"Failed to upload file: {path}, error: {fault}", INTERNAL) from fault


async def _downloaded(box: Box, path: str, place: Place, headers: Headers, *, follow: bool = False) -> None:
    """Puts the file in its place in one step, once it is whole."""
    async with box.transfers, replacing(box, path) as fd:
        most = box.limits.file_size
        try:
            await _while_it_lives(box, download(box.sandbox.way, place, headers, fd, most, follow=follow))
        except TransferFault as fault:
            raise ToolFailure(f"Failed to download file: {path}, error: {fault}", INTERNAL) from fault


async def _while_it_lives(box: Box, work: Coroutine[Any, Any, object]) -> None:
    """Does the work, unless the sandbox ends meanwhile: nobody would have any use of it then. Raises SandboxGone."""
    working, ended = asyncio.create_task(work), asyncio.create_task(box.sandbox.closed.wait())
    try:
        await asyncio.wait({working, ended}, return_when=asyncio.FIRST_COMPLETED)
        if not working.done():
            raise SandboxGone("it ended while a file was carried")
        await working
    finally:
        for task in (working, ended):
            task.cancel()
        await asyncio.gather(working, ended, return_exceptions=True)


@asynccontextmanager
async def _source(box: Box, path: str) -> AsyncIterator[tuple[int, str]]:
    """A file to read and its name; of a directory, an archive of it."""
    name = posixpath.basename(box.path(path)) or "root"
    found = await box.sandbox.fs("stat", path=box.path(path))
    if found["type"] == "directory":
        async with _packed(box, path) as fd:
            yield fd, f"{name}.zip"
    else:
        async with opened(box, path, os.O_RDONLY) as fd:
            yield fd, name


@asynccontextmanager
async def _packed(box: Box, path: str) -> AsyncIterator[int]:
    """An archive of a directory, made inside and within the session's limits. It has no name while it is read."""
    archive = f"/tmp/{TEMPORARY}{secrets.token_hex(8)}.zip"
    try:
        await _pack(box, path, archive)
        fd = await box.sandbox.open(archive, os.O_RDONLY | os.O_NOFOLLOW)
    finally:
        with suppress(OSError, SandboxError):
            await box.sandbox.fs("remove", path=archive)
    try:
        yield fd
    finally:
        os.close(fd)


async def _pack(box: Box, path: str, archive: str) -> None:
    program = files("agentbay_local.oss").joinpath("packing.py").read_text("utf-8")
    told = json.dumps({"folder": box.path(path), "archive": archive}).encode()
    ended = await box.sandbox.run([box.sandbox.interpreter, "-I", "-S", "-c", program], stdin=told, timeout=PACKING_S)
    if ended.timed_out or ended.code:
        said = ended.stderr.decode(errors="replace").strip().splitlines()[-1:] or [f"exit code {ended.code}"]
        why = f"it took longer than {PACKING_S:g} s" if ended.timed_out else said[0]
        raise ToolFailure(f"Failed to upload file: {path}, error: the directory could not be packed: {why}", INTERNAL)
