"""A store of files as presigned URLs show it: PUT and GET of bytes, piece by piece, with faults on demand."""

from __future__ import annotations

import base64
import hashlib
import http.server
import socket
import struct
import threading
import time
from types import TracebackType
from typing import Any, Self

from attrs import define, field, frozen

PIECE = 256 * 1024
REFUSAL = b"<?xml version='1.0'?><Error><Code>AccessDenied</Code><Message>Request has expired.</Message></Error>"


@frozen
class Large:
    """A file that is never in memory as a whole."""

    size: int

    def piece(self, start: int, end: int) -> bytes:
        block = bytes(range(256)) * (PIECE // 256)
        return block[: end - start]

    @property
    def md5(self) -> bytes:
        digest = hashlib.md5()
        for start in range(0, self.size, PIECE):
            digest.update(self.piece(start, min(self.size, start + PIECE)))
        return digest.digest()


@frozen
class Asked:
    """A request as it came; of a body, its size and checksum."""

    method: str
    path: str
    headers: dict[str, str]
    size: int = 0
    md5: str = ""


@define
class Plan:
    """How one request is answered instead of the usual way.

    `cut` ends the connection after so many bytes of the body, the hard way; `status` refuses; `headers` are added, an
    empty one is left out; `whole` ignores ranges.
    """

    status: int = 0
    cut: int = -1
    headers: dict[str, str] = field(factory=dict)
    body: bytes | None = None
    whole: bool = False


class Store:
    """Serves and keeps files; what `keep` says is kept in `files`, else only counted.

    Before each piece of a file that it gives it pauses for so many seconds.
    """

    def __init__(self, *, keep: bool = True) -> None:
        self.files: dict[str, bytes | Large] = {}
        self.plans: list[Plan] = []
        self.asked: list[Asked] = []
        self.keep = keep
        self.pause = 0.0
        self.lock = threading.Lock()
        store = self

        class Handler(_Handler):
            owner = store

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = False
        self.open: set[socket.socket] = set()
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        with self.lock:
            for sock in self.open:
                sock.shutdown(socket.SHUT_RDWR)
        self._server.server_close()
        self._thread.join()

    def of(self, method: str) -> list[Asked]:
        """The requests of one kind."""
        return [asked for asked in self.asked if asked.method == method]


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    owner: Store

    def setup(self) -> None:
        super().setup()
        with self.owner.lock:
            self.owner.open.add(self.connection)

    def finish(self) -> None:
        with self.owner.lock:
            self.owner.open.discard(self.connection)
        super().finish()

    def handle(self) -> None:
        try:
            super().handle()
        except OSError:
            self.close_connection = True

    def log_message(self, format: str, *args: Any) -> None:
        pass

    def do_PUT(self) -> None:
        plan = self._plan()
        left = size = int(self.headers["Content-Length"])
        digest, kept = hashlib.md5(), []
        while left and not 0 <= plan.cut <= size - left:
            piece = self.rfile.read1(min(PIECE, left))
            if not piece:
                break
            left -= len(piece)
            digest.update(piece)
            kept += [piece] if self.owner.keep else []
        self._note(size - left, digest.hexdigest())
        if left:
            self._reset()
            return
        if not plan.status:
            self.owner.files[self._key()] = b"".join(kept)
        self._reply(plan.status or 200, REFUSAL if plan.status >= 400 else b"", plan, etag=digest.hexdigest().upper())

    def do_GET(self) -> None:
        plan = self._plan()
        self._note(0, "")
        file = self.owner.files.get(self._key())
        if plan.status or file is None:
            self._reply(plan.status or 404, REFUSAL, plan)
            return
        size = file.size if isinstance(file, Large) else len(file)
        etag = f"v{size}"
        asked = self.headers.get("Range")
        start = 0
        if asked and not plan.whole and self.headers.get("If-Range") == f'"{etag}"':
            start = int(asked.removeprefix("bytes=").rstrip("-"))
        self._head(206 if start else 200, size - start, plan, etag, start, size)
        self._send(file, start, min(size, start + plan.cut) if plan.cut >= 0 else size)
        if plan.cut >= 0:
            self._reset()

    def _send(self, file: bytes | Large, start: int, end: int) -> None:
        for place in range(start, end, PIECE):
            last = min(end, place + PIECE)
            time.sleep(self.owner.pause)
            self.wfile.write(file.piece(place, last) if isinstance(file, Large) else file[place:last])

    def _head(self, status: int, length: int, plan: Plan, etag: str, start: int, size: int) -> None:
        headers = {"Content-Length": str(length), "ETag": f'"{etag}"'}
        if status == 206:
            headers["Content-Range"] = f"bytes {start}-{size - 1}/{size}"
        self._begin(status, headers | plan.headers)

    def _reply(self, status: int, body: bytes, plan: Plan, etag: str = "") -> None:
        body = body if plan.body is None else plan.body
        headers = {"Content-Length": str(len(body))} | ({"ETag": f'"{etag}"'} if etag else {})
        self._begin(status, headers | plan.headers)
        self.wfile.write(body)

    def _begin(self, status: int, headers: dict[str, str]) -> None:
        self.send_response_only(status)
        for name, text in headers.items():
            if text:
                self.send_header(name, text)
        self.end_headers()

    def _plan(self) -> Plan:
        with self.owner.lock:
            return self.owner.plans.pop(0) if self.owner.plans else Plan()

    def _note(self, size: int, md5: str) -> None:
        headers = {name.lower(): text for name, text in self.headers.items()}
        with self.owner.lock:
            self.owner.asked.append(Asked(self.command, self.path, headers, size, md5))

    def _key(self) -> str:
        return self.path.split("?", 1)[0]

    def _reset(self) -> None:
        self.close_connection = True
        self.wfile.flush()
        if self.command == "PUT":
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.shutdown(socket.SHUT_RDWR)


def content_md5(data: bytes) -> str:
    """The field by which a store promises what the bytes are."""
    return base64.b64encode(hashlib.md5(data).digest()).decode()
