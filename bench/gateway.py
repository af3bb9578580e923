"""A gateway that answers at once, or after a fixed time: as little work as possible, in a process of its own.

    python -m bench.gateway FOLDER

writes FOLDER/ca.pem and prints one line of JSON: for each latency in milliseconds its plain and its TLS port.
It ends when its standard input ends.
"""

from __future__ import annotations

import asyncio
import json
import ssl
import sys
from functools import partial
from pathlib import Path
from typing import cast
from urllib.parse import parse_qs, urlsplit

import trustme

LATENCIES = (0, 50, 100, 1000)
OUTPUT = json.dumps({"stdout": "hello\n", "stderr": "", "exit_code": 0})
TOOL = {"content": [{"type": "text", "text": OUTPUT}], "isError": False}
SESSION = {
    "AppInstanceId": "", "ErrMsg": "", "LinkUrl": "", "NetworkInterfaceIp": "", "ResourceId": "r-1", "ResourceUrl": "",
    "SessionId": "s-bench", "Success": True, "Token": "", "ToolList": "[]", "VpcResource": False, "WsUrl": "",
}  # fmt: skip
DATA: dict[str, object] = {
    "CreateMcpSession": SESSION,
    "CallMcpTool": json.dumps(TOOL),
    "GetSession": SESSION | {"Status": "RUNNING"},
    "GetSessionDetail": SESSION | {"Status": "RUNNING"},
}


def rendered(data: object) -> bytes:
    """A whole HTTP answer with the service's envelope."""
    envelope = {"Code": "ok", "Success": True, "HttpStatusCode": 200, "Message": "", "RequestId": "R-1", "Data": data}
    body = json.dumps(envelope).encode()
    return b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)


ANSWERS = {action.encode(): rendered(data) for action, data in DATA.items()}
OTHER = rendered("")


def answer_to(head: bytes) -> bytes:
    """The answer that fits the action of a request, named in its target."""
    target = head.split(b" ", 2)[1]
    action = parse_qs(urlsplit(target).query).get(b"Action", [b""])[0]
    return ANSWERS.get(action, OTHER)


class Connection(asyncio.Protocol):
    """One client: requests come one after the other."""

    counted = 0

    def __init__(self, latency: float) -> None:
        self._latency = latency
        self._received = b""
        self._known: dict[bytes, bytes] = {}

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        Connection.counted += 1

    def data_received(self, data: bytes) -> None:
        self._received += data
        while True:
            head, end, rest = self._received.partition(b"\r\n\r\n")
            if not end:
                return
            size = length_of(head)
            if len(rest) < size:
                return
            self._received = rest[size:]
            self._reply(head)

    def _reply(self, head: bytes) -> None:
        answer = ANSWERS[b"CallMcpTool"] if b"Action=CallMcpTool&" in head else answer_to(head)
        if self._latency:
            asyncio.get_running_loop().call_later(self._latency, self._transport.write, answer)
        else:
            self._transport.write(answer)


def length_of(head: bytes) -> int:
    """The Content-Length of a request."""
    lower = head.lower()
    start = lower.find(b"content-length:")
    return int(lower[start + 15 : start + 30].split(b"\r", 1)[0]) if start >= 0 else 0


def server_context(folder: Path) -> ssl.SSLContext:
    """A certificate for loopback; its authority goes to the folder."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(folder / "ca.pem"))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1", "localhost").configure_cert(context)
    return context


async def serve(folder: Path) -> None:
    """Serves until standard input ends."""
    loop = asyncio.get_running_loop()
    context = server_context(folder)
    ports: dict[str, dict[str, int]] = {}
    for latency in LATENCIES:
        for scheme, tls in (("http", None), ("https", context)):
            make = partial(Connection, latency / 1000)
            server = await loop.create_server(make, "127.0.0.1", 0, ssl=tls, backlog=2048)
            ports.setdefault(str(latency), {})[scheme] = server.sockets[0].getsockname()[1]
    print(json.dumps(ports), flush=True)
    await loop.run_in_executor(None, sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(serve(Path(sys.argv[1])))
