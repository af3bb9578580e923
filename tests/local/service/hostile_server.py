"""A server for the inside of a session that does what it likes; the path says what. It tells what ended."""

from __future__ import annotations

import base64
import hashlib
import socket
import struct
import sys
import threading
import time

OK = b"HTTP/1.1 200 OK\r\n"

SAID = {
    "/fine": OK + b"Content-Length: 4\r\n\r\nfine",
    "/long": OK + b"Content-Length: 4\r\n\r\nfine and more",
    "/short": OK + b"Content-Length: 400\r\n\r\nfine",
    "/cut": OK + b"Transfer-Encoding: chunked\r\n\r\n4\r\nfine\r\n",
    "/early": b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" + OK + b"Content-Length: 4\r\n\r\nfine",
    "/trailers": OK + b"Transfer-Encoding: chunked\r\nTrailer: X-T\r\n\r\n4\r\nfine\r\n0\r\nX-T: 1\r\n\r\n",
    "/cookies": OK + b"Set-Cookie: a=1\r\nSet-Cookie: b=2; HttpOnly\r\nContent-Length: 4\r\n\r\nfine",
    "/length": OK + b"Content-Length: 4000\r\n\r\n",
    "/split": OK + b"X: a\rSet-Cookie: stolen=1\r\nContent-Length: 4\r\n\r\nfine",
    "/both": OK + b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nfine\r\n0\r\n\r\n",
    "/minus": OK + b"Content-Length: -4\r\n\r\nfine",
}
# The first frame of a message, and more of the same; neither is the last one.
FIRST, MORE = (opcode + b"\x7f" + struct.pack("!Q", 1 << 20) + bytes(1 << 20) for opcode in (b"\x02", b"\x00"))
REPEATED = {"/headers": (OK, b"X: yyyyyyyy\r\n" * 10), "/body": (OK + b"\r\n", bytes(65536))}


def never(peer: socket.socket) -> None:
    while peer.recv(65536):
        pass


def repeat(peer: socket.socket, first: bytes, more: bytes) -> None:
    peer.sendall(first)
    while True:
        peer.sendall(more)


def drip(peer: socket.socket) -> None:
    for byte in SAID["/fine"]:
        peer.sendall(bytes([byte]))
        time.sleep(0.003)


def socket_of(peer: socket.socket, head: bytes) -> None:
    """Opens a WebSocket, and begins a message that never ends."""
    key = head.partition(b"Sec-WebSocket-Key: ")[2].split(b"\r")[0]
    accept = base64.b64encode(hashlib.sha1(key + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest())
    upgrade = b"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: "
    repeat(peer, b"HTTP/1.1 101 Switching Protocols\r\n" + upgrade + accept + b"\r\n\r\n" + FIRST, MORE)


def answer(peer: socket.socket) -> str:
    head = b""
    while b"\r\n\r\n" not in head:
        piece = peer.recv(65536)
        if not piece:
            return "nothing"
        head += piece
    path = head.split()[1].decode()
    print("asked", path, flush=True)
    if path in SAID:
        peer.sendall(SAID[path])
    elif path in REPEATED:
        repeat(peer, *REPEATED[path])
    elif path == "/socket":
        socket_of(peer, head)
    elif path == "/drip":
        drip(peer)
    else:
        never(peer)
    return path


def serve(peer: socket.socket) -> None:
    with peer:
        try:
            path = answer(peer)
        except OSError as error:
            path = type(error).__name__
    print("ended", path, flush=True)


server = socket.create_server(("127.0.0.1", int(sys.argv[1])), backlog=128)
while True:
    threading.Thread(target=serve, args=(server.accept()[0],), daemon=True).start()
