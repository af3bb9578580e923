"""One file up or down by HTTP, by a session's own way out and with nothing but its descriptor; in constant memory."""

from __future__ import annotations

import asyncio
import os
import re
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from functools import cache
from typing import Final

import h11
from attrs import frozen

from agentbay_local.contexts.threads import in_thread
from agentbay_local.egress import Refused, WayOut
from agentbay_local.egress.relay import Heard, Speaker
from agentbay_local.oss.places import Place, UnfitPlace
from agentbay_local.oss.signing import Headers

__all__ = ["TransferFault", "download", "upload"]

CHUNK: Final = 1 << 20
QUIET_S: Final = 60.0
"""How long nothing may move."""
LONGEST_S: Final = 870.0
"""A whole transfer; clients wait for 15 minutes."""
HANDSHAKE_S: Final = 10.0
MOST_REDIRECTS: Final = 5
MOST_COMPLAINT: Final = 64 << 10
REDIRECTS: Final = (301, 302, 303, 307, 308)
COMPLAINT: Final = re.compile(rb"<(Code|Message)>([^<]{1,300})</")


class TransferFault(Exception):
    """A file could not be carried; the message is for users, and names neither keys nor signatures."""


@frozen
class _Exchange:
    """A request that has been answered: its server, the answer's head, and whoever counts what goes by."""

    server: Speaker
    response: h11.Response
    heard: Heard


async def upload(way: WayOut, place: Place, headers: Headers, fd: int, size: int) -> None:
    """Puts so many bytes of an open file where a PUT takes them.

    Raises:
        TransferFault: it cannot be reached, or refuses, or the file has fewer bytes by now.
        OSError: the file cannot be read.
    """
    whole = {**headers, "content-length": str(size)}
    async with _asked(way, "PUT", place, whole, _pieces(fd, size), until=_until()) as done:
        if not 200 <= done.response.status_code < 300:
            raise await _refusal(place, done)


async def download(way: WayOut, place: Place, headers: Headers, fd: int, most: int, *, follow: bool = False) -> int:
    """Gets a file into an open one, and gives its size. With `follow`, redirects are.

    Raises:
        TransferFault: it cannot be reached, refuses, ends too early, or there are more than `most` bytes.
        OSError: the file cannot be written.
    """
    until = _until()
    for _ in range(MOST_REDIRECTS if follow else 1):
        async with _asked(way, "GET", place, headers, until=until) as done:
            if done.response.status_code == 200:
                return await _store(place, done, fd, most)
            if not follow or done.response.status_code not in REDIRECTS:
                raise await _refusal(place, done)
            place = _redirected(place, done.response)
    raise TransferFault(f"{place} sends the caller on and on: more than {MOST_REDIRECTS} redirects")


def _redirected(place: Place, response: h11.Response) -> Place:
    location = dict(response.headers).get(b"location", b"").decode("ascii", "replace")
    try:
        return place.redirected(location)
    except UnfitPlace as unfit:
        raise TransferFault(f"{place} sends the caller to an address that {unfit}") from None


def _until() -> float:
    """When a transfer that begins now must have ended, by the clock of the loop."""
    return asyncio.get_running_loop().time() + LONGEST_S


# --- The connection ---------------------------------------------------------------------------------------------------


@asynccontextmanager
async def _asked(
    way: WayOut, method: str, place: Place, headers: Headers, body: AsyncIterator[bytes] | None = None, *, until: float
) -> AsyncIterator[_Exchange]:
    """Sends a request, and gives its answer for as long as the block lasts. Raises TransferFault."""
    try:
        async with asyncio.timeout_at(until), _connected(way, place) as server:
            async with asyncio.timeout(QUIET_S) as patience:
                heard = way.heard(patience, QUIET_S)
                response = await _answered(server, _request(method, place, headers), body, heard)
                yield _Exchange(server, response, heard)
    except TimeoutError as error:
        limits = f"within {LONGEST_S:g} s, or nothing moved for {QUIET_S:g} s"
        raise TransferFault(f"{place} did not carry the file {limits}") from error
    except Refused as refused:
        way.turned_down(refused)
        raise TransferFault(_refused(place, refused)) from refused
    except h11.ProtocolError as error:
        raise TransferFault(f"{place} gave no usable answer") from error


def _refused(place: Place, refused: Refused) -> str:
    """What would let the session out, and to which host."""
    told = " ".join(refused.text.split())
    return f"{told} Here HOST is {place.host}." if "HOST" in told else told


@asynccontextmanager
async def _connected(way: WayOut, place: Place) -> AsyncIterator[Speaker]:
    """A connection, closed at once in the end: nothing is left to be said then. Raises Refused and TransferFault."""
    reader, writer = await way.connect(place.host, place.port)
    try:
        if place.secure:
            await _secured(writer, place)
        yield Speaker((reader, writer), h11.CLIENT)
    finally:
        writer.transport.abort()
        with suppress(OSError):
            await writer.wait_closed()


async def _secured(writer: asyncio.StreamWriter, place: Place) -> None:
    context = await in_thread(None, _trusting)
    try:
        await writer.start_tls(context, server_hostname=place.host, ssl_handshake_timeout=HANDSHAKE_S)
    except ssl.SSLCertVerificationError as error:
        why = f"its certificate is not trusted ({error.verify_message}); SSL_CERT_FILE names other roots"
        raise TransferFault(f"{place}: {why}") from error
    except (OSError, TimeoutError) as error:
        raise TransferFault(f"{place} does not speak TLS as it must") from error


@cache
def _trusting() -> ssl.SSLContext:
    """Trusts what this machine does."""
    return ssl.create_default_context()


# --- The exchange -----------------------------------------------------------------------------------------------------


def _request(method: str, place: Place, headers: Headers) -> h11.Request:
    usual = {"host": place.authority, "user-agent": "agentbay-local", "accept-encoding": "identity"}
    whole = {**usual, **headers, "connection": "close"}
    return h11.Request(method=method, target=place.target, headers=list(whole.items()))


async def _answered(
    server: Speaker, request: h11.Request, body: AsyncIterator[bytes] | None, heard: Heard
) -> h11.Response:
    """Sends the request while it listens for the answer, which may come before all has gone."""
    sending = asyncio.create_task(_send(server, request, body, heard))
    getting = asyncio.create_task(_head(server))
    try:
        await asyncio.wait({sending, getting}, return_when=asyncio.FIRST_COMPLETED)
        if not getting.done():
            await sending
        return await getting
    finally:
        for task in (sending, getting):
            task.cancel()
        await asyncio.gather(sending, getting, return_exceptions=True)


async def _send(server: Speaker, request: h11.Request, body: AsyncIterator[bytes] | None, heard: Heard) -> None:
    """Raises OSError of the file alone: a server that wants to read no more may well have answered."""
    said = await _said(server, request, heard)
    if body is not None:
        async for piece in body:
            said = said and await _said(server, h11.Data(data=piece), heard)
            if not said:
                break
    if said:
        await _said(server, h11.EndOfMessage(), heard)


async def _said(server: Speaker, event: h11.Event, heard: Heard) -> bool:
    """Whether something could be sent."""
    with suppress(OSError):
        heard("out", await server.say(event))
        return True
    return False


async def _head(server: Speaker) -> h11.Response:
    try:
        event = await server.hear()
        while isinstance(event, h11.InformationalResponse):
            event = await server.hear()
    except OSError as error:
        raise TransferFault("the connection broke before an answer came") from error
    if not isinstance(event, h11.Response):
        raise h11.RemoteProtocolError("closed without an answer")
    return event


async def _pieces(fd: int, size: int) -> AsyncIterator[bytes]:
    at = 0
    while at < size:
        piece = await in_thread(None, os.pread, fd, min(CHUNK, size - at), at)
        if not piece:
            raise TransferFault("the file became smaller while it was being read")
        yield piece
        at += len(piece)


async def _received(done: _Exchange) -> AsyncIterator[bytes]:
    """The body of an answer. Raises TransferFault where the connection breaks."""
    while True:
        try:
            event = await done.server.hear()
        except OSError as error:
            raise TransferFault("the connection broke in the middle of the file") from error
        if not isinstance(event, h11.Data):
            return
        done.heard("in", len(event.data))
        yield bytes(event.data)


async def _store(place: Place, done: _Exchange, fd: int, most: int) -> int:
    size, waiting = 0, bytearray()
    too_much = TransferFault(f"{place} sends more than the {most} bytes that a file may hold here")
    if int(dict(done.response.headers).get(b"content-length", b"0")) > most:
        raise too_much
    async for piece in _received(done):
        size += len(piece)
        if size > most:
            raise too_much
        waiting += piece
        if len(waiting) >= CHUNK:
            await in_thread(None, _write, fd, waiting)
            waiting = bytearray()
    await in_thread(None, _write, fd, waiting)
    return size


def _write(fd: int, data: bytearray) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(fd, rest) :]


async def _refusal(place: Place, done: _Exchange) -> TransferFault:
    """What a server's complaint says, as far as it is meant for people."""
    body = bytearray()
    async for piece in _received(done):
        body += piece
        if len(body) >= MOST_COMPLAINT:
            break
    told = dict(COMPLAINT.findall(bytes(body[:MOST_COMPLAINT])))
    words = [done.response.reason, told.get(b"Code", b""), told.get(b"Message", b"")]
    said = ": ".join(word.decode(errors="replace") for word in words if word)
    clean = "".join(letter if letter.isprintable() else " " for letter in said)
    return TransferFault(f"{place} answered {done.response.status_code} {clean}")
