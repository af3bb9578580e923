"""A session's files by its page: look into folders, view, upload, download, make, rename, delete.

Paths come as JSON texts, so that also names that are no UTF-8 come through. Whatever a file holds, no browser takes it
for a page of this server.
"""

from __future__ import annotations

import asyncio
import errno
import json
import os
import posixpath
import re
import stat
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final
from urllib.parse import quote

from aiohttp import hdrs, web

from agentbay_local.answers import json_response
from agentbay_local.logs import say
from agentbay_local.page.tickets import Tickets, at_work
from agentbay_local.sandbox.contract import Process, SandboxError
from agentbay_local.service.core import Service
from agentbay_local.service.refusals import ServiceRefusal, bad
from agentbay_local.service.session import Session
from agentbay_local.tools.box import TEMPORARY, Box
from agentbay_local.tools.content import check_size, opened, push, replacing
from agentbay_local.tools.faults import ToolFailure, reason
from agentbay_local.tools.files import move_file

__all__ = ["FileDoors"]

MOST_ENTRIES: Final = 2000
AT_ONCE: Final = 16
MOST_VIEWED: Final = 16 << 20
"""Bytes of a file that is looked at in the page."""
PIECE: Final = 256 << 10
LONGEST_PATH: Final = 4096
REMOVE_S: Final = 120.0
UNSAFE: Final = re.compile(r'[\x00-\x1f\x7f"\\/%;]|[^\x00-\x7f]')
HARMLESS: Final = {
    hdrs.CONTENT_TYPE: "application/octet-stream",
    hdrs.CACHE_CONTROL: "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Content-Security-Policy": "default-src 'none'; sandbox",
}
SIZE: Final = "X-File-Size"


class FileDoors:
    """The files of sessions, for whoever has a session's code."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._tickets = Tickets()

    def routes(self) -> list[web.RouteDef]:
        here = "/session/{session}"
        return [
            web.get(f"{here}/files", self.list),
            web.post(f"{here}/files", self.change),
            web.get(f"{here}/file", self.view),
            web.put(f"{here}/file", self.upload),
            web.post(f"{here}/ticket", self.ticket),
            web.get(f"{here}/download/{{ticket}}", self.download),
        ]

    @asynccontextmanager
    async def _working(self, request: web.Request) -> AsyncIterator[Session]:
        """The session, which is in use meanwhile; what its system refuses is told in words."""
        session = at_work(self._service, request, "its files cannot be reached now")
        with session.in_use():
            async with in_words(session.box):
                yield session

    async def list(self, request: web.Request) -> web.Response:
        """What is in a folder: folders first, by name."""
        async with self._working(request) as session:
            path = session.box.path(path_of(request))
            found = await session.box.sandbox.fs("list", path=path)
            found = [entry for entry in found if not entry["name"].startswith(TEMPORARY)]
            some = [entry["name"] for entry in found[:MOST_ENTRIES]]
            turn = asyncio.Semaphore(AT_ONCE)
            entries = await asyncio.gather(*(described(session.box, path, name, turn) for name in some))
        shown = sorted(filter(None, entries), key=lambda entry: (entry["type"] != "directory", entry["name"].lower()))
        return json_response({"path": path or "/", "entries": shown, "left": max(0, len(found) - MOST_ENTRIES)})

    async def change(self, request: web.Request) -> web.Response:
        """Makes a folder, renames, deletes."""
        async with self._working(request) as session:
            wish = await asked(request)
            box, path = session.box, session.box.path(text(wish, "path"))
            match wish.get("do"):
                case "mkdir":
                    await box.sandbox.fs("mkdir", path=path)
                case "rename":
                    await move_file(box, path, box.path(text(wish, "to")))
                case "delete":
                    await remove(box, path)
                case _:
                    raise bad("do", "must be mkdir, rename or delete")
        return json_response({})

    async def view(self, request: web.Request) -> web.StreamResponse:
        """The beginning of a file, for the page to show."""
        async with self._working(request) as session, opened(session.box, path_of(request), os.O_RDONLY) as fd:
            data = os.pread(fd, most(request), 0)
            whole = max(os.fstat(fd).st_size, len(data))
        return web.Response(body=data, headers=HARMLESS | {SIZE: str(whole), hdrs.CONTENT_DISPOSITION: "attachment"})

    async def upload(self, request: web.Request) -> web.Response:
        """A whole file, in the place of the one that has its name; what breaks off leaves nothing."""
        async with self._working(request) as session:
            box, path = session.box, path_of(request)
            check_size(box, request.content_length or 0)
            async with replacing(box, path) as fd:
                length = await poured(request, box, fd)
        say("page", did="upload", session=session.id, owner=session.owner, bytes=length)
        return json_response({"size": length})

    async def ticket(self, request: web.Request) -> web.Response:
        """An address to fetch a file by, once, within a minute."""
        async with self._working(request) as session:
            path = session.box.path(text(await asked(request), "path"))
            if not await is_folder(session.box, path):
                async with opened(session.box, path, os.O_RDONLY):
                    pass
            name = self._tickets.issue(session, path)
        return json_response({"url": f"/session/{session.id}/download/{name}"})

    async def download(self, request: web.Request) -> web.StreamResponse:
        """A file, or a folder as a tar archive, streamed, for whoever has a ticket."""
        ticket = self._tickets.use(request.match_info["session"], request.match_info["ticket"])
        session = self._service.usable(ticket.session, "its files cannot be reached now")
        with session.in_use():
            async with in_words(session.box):
                if await is_folder(session.box, ticket.path):
                    return await packed(request, session.box, ticket.path)
                async with opened(session.box, ticket.path, os.O_RDONLY) as fd:
                    return await sent(request, fd, posixpath.basename(ticket.path))


# ---- what the page asks for


def path_of(request: web.Request) -> str:
    """The path in the query. Raises ServiceRefusal."""
    try:
        path = json.loads(request.query.get("path", ""))
    except (ValueError, RecursionError):
        path = None
    return text({"path": path}, "path")


def text(wish: dict[str, Any], name: str) -> str:
    """A path. Raises ServiceRefusal."""
    path = wish.get(name)
    if not isinstance(path, str) or not 0 < len(path) <= LONGEST_PATH or "\0" in path:
        raise bad(name, f"must be a JSON text of 1 to {LONGEST_PATH} characters, without NUL")
    return path


def most(request: web.Request) -> int:
    wanted = request.query.get("most", str(MOST_VIEWED))
    if not wanted.isascii() or not wanted.isdecimal() or not 0 < int(wanted[:12]) <= MOST_VIEWED:
        raise bad("most", f"must be from 1 to {MOST_VIEWED}")
    return int(wanted)


async def asked(request: web.Request) -> dict[str, Any]:
    """The body, an object. Raises ServiceRefusal."""
    try:
        wish = json.loads(await request.read())
    except (ValueError, RecursionError):
        wish = None
    if not isinstance(wish, dict):
        raise ServiceRefusal("InvalidParameter", "The body must be a JSON object.")
    return wish


@asynccontextmanager
async def in_words(box: Box) -> AsyncIterator[None]:
    """Tells what the sandbox refuses. Raises ServiceRefusal."""
    try:
        yield
    except ConnectionError:
        raise
    except OSError as error:
        status = {errno.ENOENT: 404, errno.EACCES: 403, errno.EPERM: 403, errno.EEXIST: 409}.get(error.errno or 0, 400)
        raise ServiceRefusal("File.Refused", f"{reason(error, box.limits)}.", status) from error
    except ToolFailure as failure:
        raise ServiceRefusal("File.Refused", str(failure)) from failure
    except SandboxError as error:
        raise ServiceRefusal("File.Refused", f"{error}.", 409) from error


# ---- what is done


async def described(box: Box, folder: str, name: str, turn: asyncio.Semaphore) -> dict[str, Any] | None:
    """One entry, a link as what it leads to; nothing if it has vanished."""
    path = f"{folder}/{name}"
    async with turn:
        try:
            about = await box.sandbox.fs("stat", path=path, follow=False)
        except OSError:
            return None
        link = about["type"] == "symlink"
        if link:
            about = await led_to(box, path) or about | {"type": "broken link"}
    return {"name": name, "type": about["type"], "size": about["size"], "time": about["mtime"], "link": link}


async def led_to(box: Box, path: str) -> dict[str, Any] | None:
    """What a link leads to, if there is anything."""
    try:
        found: dict[str, Any] = await box.sandbox.fs("stat", path=path)
    except OSError:
        return None
    return found


async def remove(box: Box, path: str) -> None:
    """Deletes a file, a link, or a folder with all that is in it."""
    if path in {"/", ""}:
        raise ToolFailure("The root cannot be deleted.")
    about = await box.sandbox.fs("stat", path=path, follow=False)
    if about["type"] != "directory":
        await box.sandbox.fs("remove", path=path)
        return
    ended = await box.sandbox.run(["/bin/rm", "-rf", "--", path], timeout=REMOVE_S, max_output=4096)
    if ended.code:
        said = "it takes too long" if ended.timed_out else ended.stderr.decode(errors="replace").strip()
        raise ToolFailure(f"Not all of it could be deleted: {said}")


async def poured(request: web.Request, box: Box, fd: int) -> int:
    """Writes what comes, piece by piece; the number of bytes."""
    length = 0
    async for piece in request.content.iter_any():
        length += len(piece)
        check_size(box, length)
        push(fd, piece)
    if request.content_length not in {None, length}:
        raise ConnectionAbortedError
    return length


async def is_folder(box: Box, path: str) -> bool:
    about = await box.sandbox.fs("stat", path=path)
    return bool(about["type"] == "directory")


async def begun(request: web.Request, name: str, length: int = 0) -> web.StreamResponse:
    """The head of a download."""
    response = web.StreamResponse(headers=HARMLESS | {hdrs.CONTENT_DISPOSITION: disposition(name)})
    if length:
        response.content_length = length
    await response.prepare(request)
    return response


def broken(request: web.Request, response: web.StreamResponse) -> web.StreamResponse:
    """Breaks off, so that nobody takes what came for the whole."""
    if request.transport is not None:
        request.transport.abort()
    return response


async def sent(request: web.Request, fd: int, name: str) -> web.StreamResponse:
    """Sends a file; one that says it is empty, as those of /proc do, until its end."""
    about = os.fstat(fd)
    length = about.st_size if stat.S_ISREG(about.st_mode) else 0
    response = await begun(request, name, length)
    position = 0
    while piece := os.pread(fd, min(PIECE, length - position) if length else PIECE, position):
        await response.write(piece)
        position += len(piece)
    if position < length:
        return broken(request, response)
    await response.write_eof()
    return response


async def packed(request: web.Request, box: Box, path: str) -> web.StreamResponse:
    """Sends a folder as a tar archive, which a program inside makes."""
    above, name = posixpath.split(path)
    about = await box.sandbox.fs("stat", path=path, follow=False)
    what = f"./{name}/." if about["type"] == "symlink" else f"./{name}"  # of a link, what it leads to
    program = await box.sandbox.spawn(["tar", "-C", above or "/", "-cf", "-", what])
    try:
        response = await begun(request, f"{name or 'root'}.tar")
        while piece := await program.reader.read(PIECE):
            await response.write(piece)
        whole = await ended_well(program)
    finally:
        await program.kill()
    if not whole:
        return broken(request, response)
    await response.write_eof()
    return response


async def ended_well(program: Process) -> bool:
    try:
        return await program.wait() <= 1  # which is for files that changed meanwhile
    except SandboxError:
        return False


def disposition(name: str) -> str:
    """How a file is to be called on the disk, whatever its name is."""
    plain = UNSAFE.sub("_", name) or "file"
    exact = quote(name.encode("utf-8", "replace"), safe="")
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{exact}"
