"""A server for the inside of a session, of plain sockets: the first line of a connection says what it does."""

from __future__ import annotations

import hashlib
import socket
import struct
import sys
import threading
import time


def echo(peer: socket.socket) -> None:
    while data := peer.recv(65536):
        peer.sendall(data)


def digest(peer: socket.socket) -> None:
    found = hashlib.sha256()
    while data := peer.recv(65536):
        found.update(data)
    peer.sendall(found.hexdigest().encode())


def reset(peer: socket.socket) -> None:
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def wait(peer: socket.socket) -> None:
    peer.sendall(b"ok")
    try:
        peer.recv(1)
    except OSError as error:
        print(type(error).__name__, flush=True)


def deaf(peer: socket.socket) -> None:
    peer.sendall(b"ok")
    time.sleep(600)


def serve(peer: socket.socket) -> None:
    with peer:
        line = b""
        while not line.endswith(b"\n"):
            piece = peer.recv(1)
            if not piece:
                return
            line += piece
        {b"echo\n": echo, b"digest\n": digest, b"reset\n": reset, b"wait\n": wait, b"deaf\n": deaf}[line](peer)


server = socket.create_server(("127.0.0.1", int(sys.argv[1])), backlog=128)
while True:
    threading.Thread(target=serve, args=(server.accept()[0],), daemon=True).start()
