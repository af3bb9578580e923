"""The door to single files of contexts: presigned addresses, as an object store has them. Streamed, both ways."""

from __future__ import annotations

import base64
import hashlib
import html
import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from email.utils import formatdate

from aiohttp import hdrs, web
from attrs import define

from agentbay_local.answers import REQUEST_ID
from agentbay_local.contexts import Contexts, Entry, InTheWay, New, NoContext, NoFile, Reading
from agentbay_local.contexts.values import LARGEST
from agentbay_local.logs import say
from agentbay_local.presigning import PREFIX, BadAddress, Place, verified
from agentbay_local.service.core import Service
from agentbay_local.service.refusals import ServiceRefusal

__all__ = ["StoreDoor"]

CHUNK = 1 << 20
AHEAD = 16 << 20
"""How much more may come of a file of unknown size until it is asked again whether there is room for it."""

# What refusals are called by object stores, with the status that they have there.
_AS_STORE: dict[type[ServiceRefusal], tuple[str, int]] = {
    NoContext: ("NoSuchBucket", 404),
    NoFile: ("NoSuchKey", 404),
    InTheWay: ("FileAlreadyExists", 409),
}
# File names may have line ends in them.
_ADDRESS = PREFIX + "{tail:(?s:.*)}"
_ETAG = "ETag"
_RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})")

# Whatever a file has in it, a browser must not take it for a page of this server.
_HARMLESS = {
    hdrs.CONTENT_TYPE: "application/octet-stream",
    hdrs.CONTENT_DISPOSITION: "attachment",
    hdrs.CACHE_CONTROL: "private, no-cache",
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'; sandbox",
}

Work = Callable[["_Visit"], Awaitable[web.StreamResponse]]


@define
class _Visit:
    """One request to a file. `moved` counts the bytes, for the log."""

    request: web.Request
    place: Place
    moved: int = 0


class StoreDoor:
    """Reads and writes the files that presigned addresses lead to."""

    def __init__(self, service: Service) -> None:
        self._service = service

    def routes(self) -> list[web.RouteDef]:
        return [web.get(_ADDRESS, self.get), web.put(_ADDRESS, self.put)]

    async def get(self, request: web.Request) -> web.StreamResponse:
        """GET and HEAD of a file."""
        return await self._answer(request, self._send)

    async def put(self, request: web.Request) -> web.StreamResponse:
        """A whole file. It is there once this is answered; what breaks off leaves nothing."""
        return await self._answer(request, self._take)

    async def _answer(self, request: web.Request, work: Work) -> web.StreamResponse:
        start, visit, code = time.perf_counter(), _Visit(request, Place("-", "")), "ok"
        try:
            visit.place = verified(
                await self._service.contexts.secret(), request.method, request.raw_path, request.query
            )
            return await work(visit)
        except BadAddress as fault:
            code = fault.code
            return _refused(code, str(fault), 403)
        except ServiceRefusal as fault:
            code, status = _AS_STORE.get(type(fault), (fault.code, fault.status))
            return _refused(code, fault.message, status)
        except ConnectionError:
            # Nobody is left to read it.
            code = "RequestTimeout"
            return _refused(code, "The connection broke off.", 400)
        finally:
            took = 1000 * (time.perf_counter() - start)
            facts = {"method": request.method, "context": visit.place.context_id, "code": code}
            say("store answered", **facts, bytes=visit.moved, ms=took, request_id=REQUEST_ID.get())

    # --- Out ----------------------------------------------------------------------------------------------------------

    async def _send(self, visit: _Visit) -> web.StreamResponse:
        contexts = self._service.contexts
        entry = await contexts.entry(visit.place.context_id, visit.place.path)
        async with contexts.reading(entry) as reading:
            response, part = _head(visit.request, entry)
            await response.prepare(visit.request)
            if visit.request.method != hdrs.METH_HEAD:
                await _pour(visit, reading, response, part)
        await response.write_eof()
        return response

    # --- In -----------------------------------------------------------------------------------------------------------

    async def _take(self, visit: _Visit) -> web.StreamResponse:
        request, contexts = visit.request, self._service.contexts
        _check_head(request)
        await contexts.require_room(visit.place.context_id, request.content_length or 0)
        async with contexts.staging() as staging:
            blob = await staging.take(_body(visit, contexts))
            new = New(visit.place.path, blob=blob, mtime_ns=time.time_ns())
            await contexts.apply(visit.place.context_id, [new], careful=True)
        return web.Response(headers={_ETAG: f'"{blob.digest}"', "x-request-id": REQUEST_ID.get()})


def _refused(code: str, message: str, status: int) -> web.Response:
    parts = {"Code": code, "Message": message, "RequestId": REQUEST_ID.get()}
    inner = "".join(f"<{name}>{html.escape(text, quote=False)}</{name}>" for name, text in parts.items())
    body = f'<?xml version="1.0" encoding="UTF-8"?>\n<Error>{inner}</Error>\n'.encode("utf-8", "replace")
    return web.Response(body=body, status=status, content_type="application/xml", charset="utf-8")


def _head(request: web.Request, entry: Entry) -> tuple[web.StreamResponse, range]:
    """Makes the head of an answer, and tells which bytes belong into its body."""
    etag = f'"{entry.digest}"'
    headers = _HARMLESS | {_ETAG: etag, hdrs.ACCEPT_RANGES: "bytes"}
    headers[hdrs.LAST_MODIFIED] = formatdate(entry.stored, usegmt=True)
    if etag in request.headers.get(hdrs.IF_NONE_MATCH, ""):
        return web.Response(status=304, headers=headers), range(0)
    part = _asked_for(request, etag, entry.size)
    if part is None:
        return _whole(headers, entry.size), range(entry.size)
    if not part:
        headers[hdrs.CONTENT_RANGE] = f"bytes */{entry.size}"
        return web.Response(status=416, headers=headers), part
    headers[hdrs.CONTENT_RANGE] = f"bytes {part.start}-{part.stop - 1}/{entry.size}"
    return _whole(headers, len(part), 206), part


def _whole(headers: dict[str, str], size: int, status: int = 200) -> web.StreamResponse:
    response = web.StreamResponse(status=status, headers=headers)
    response.content_length = size
    return response


def _asked_for(request: web.Request, etag: str, size: int) -> range | None:
    """Which part is asked for: None for all, an empty one for a part that is not there."""
    match = _RANGE.fullmatch(request.headers.get(hdrs.RANGE, ""))
    if match is None or request.headers.get(hdrs.IF_RANGE, etag) != etag or match[1] == match[2] == "":
        return None
    if not match[1]:
        return range(max(0, size - int(match[2])), size)
    last = int(match[2]) if match[2] else size - 1
    # A part whose end is before its beginning is none at all, and such a header does not count.
    return range(int(match[1]), min(last + 1, size)) if last >= int(match[1]) or not match[2] else None


async def _pour(visit: _Visit, reading: Reading, response: web.StreamResponse, part: range) -> None:
    while visit.moved < len(part):
        piece = await reading.read(part.start + visit.moved, min(CHUNK, len(part) - visit.moved))
        if not piece:
            # Less than was promised: only a connection that breaks off tells that.
            raise ConnectionAbortedError
        await response.write(piece)
        visit.moved += len(piece)


def _check_head(request: web.Request) -> None:
    """Refuses what cannot be taken before any of it has come."""
    if (request.content_length or 0) > LARGEST:
        raise ServiceRefusal("EntityTooLarge", f"The file is larger than the limit of {LARGEST} bytes.", 400)
    if request.headers.get(hdrs.CONTENT_ENCODING, "identity").lower() != "identity":
        raise ServiceRefusal("NotImplemented", "Content-Encoding is not kept: send the bytes as they are.", 400)


async def _body(visit: _Visit, contexts: Contexts) -> AsyncIterator[bytes]:
    """What comes, until it is complete. Raises ServiceRefusal or ConnectionError when it is not what was announced."""
    announced = visit.request.headers.get(hdrs.CONTENT_MD5)
    checksum = hashlib.md5(usedforsecurity=False)
    checked = visit.request.content_length or 0
    async for piece in visit.request.content.iter_any():
        visit.moved += len(piece)
        if visit.moved > checked:
            checked = visit.moved + AHEAD
            await contexts.require_room(visit.place.context_id, visit.moved)
        if announced:
            checksum.update(piece)
        yield piece
    if visit.request.content_length not in {None, visit.moved}:
        raise ConnectionAbortedError
    if announced and base64.b64encode(checksum.digest()).decode() != announced:
        raise ServiceRefusal("BadDigest", "The bytes do not match the Content-MD5 header.", 400)
