"""Tries each road out of the sandbox, and prints as JSON how each ended. PORT is a port at which the host listens."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import urllib.error
import urllib.request
from collections.abc import Callable

PORT = int(os.environ["HOST_PORT"])
DOOR = {"http": os.environ["http_proxy"]}


def connect(host: str, port: int) -> str:
    with contextlib.closing(socket.create_connection((host, port), timeout=3)):
        return "connected"


def ask_the_door(url: str) -> str:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler(DOOR))
    with opener.open(url, timeout=3) as answer:
        return f"connected: {answer.status}"


def resolve(name: str) -> str:
    return f"connected: {socket.getaddrinfo(name, 443)}"


ROADS: dict[str, Callable[[], str]] = {
    "a server on the internet": lambda: connect("1.1.1.1", 443),
    "a port of the host": lambda: connect("127.0.0.1", PORT),
    "a name server": lambda: resolve("example.com"),
    "the internet by the proxy": lambda: ask_the_door("http://example.com/"),
    "the host by the proxy": lambda: ask_the_door(f"http://127.0.0.1:{PORT}/"),
}

ended = {}
for road, attempt in ROADS.items():
    try:
        ended[road] = attempt()
    except OSError as error:
        ended[road] = f"refused: {error}"
print(json.dumps(ended))
