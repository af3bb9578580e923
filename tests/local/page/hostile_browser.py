"""A program that a session runs as its browser, and that tells of what no browser tells of."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import socket
import struct
import threading
from typing import Any

MAGIC = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
HEAD = "HTTP/1.1 101 Yes\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
HALF = "\ud800 half"
PICTURE = "@@picture@@"


def created(target: object, title: object = "") -> dict[str, Any]:
    about = {"type": "page", "targetId": target, "title": title, "url": "about:blank"}
    return {"method": "Target.targetCreated", "params": {"targetInfo": about}}


def changed(target: object, title: object) -> dict[str, Any]:
    return {**created(target, title), "method": "Target.targetInfoChanged"}


def frame(width: int, data: object = PICTURE) -> dict[str, Any]:
    sides = {"deviceWidth": width, "deviceHeight": 20}
    return about("Page.screencastFrame", data=data, metadata=sides, sessionId=1)


def about(method: str, /, **params: object) -> dict[str, Any]:
    return {"method": method, "params": params, "sessionId": "s"}


NONE = [created(5), created(None), created([1]), created("x" * 65), created(""), changed({}, ""), changed("no", "")]
MANY = [created("first", [[]]), *(created(f"p{number}") for number in range(300)), changed("first", HALF)]
EVENTS = {
    "Target.setDiscoverTargets": [*NONE, *MANY, {"method": "Target.targetDestroyed", "params": {"targetId": [1]}}],
    "Page.startScreencast": [frame(10**400), frame(-1), frame(20, 7), {**frame(20), "params": {}}, frame(30)],
    "Page.enable": [about("Page.javascriptDialogOpening", message=HALF, type=[7])],
}
ANSWERS = {
    "Target.attachToTarget": {"sessionId": "s"},
    "Target.getTargets": {"targetInfos": [each["params"]["targetInfo"] for each in (MANY[-1], *MANY[1:3], *NONE[:6])]},
}


class Connection:
    """One client, by WebSocket."""

    def __init__(self, link: socket.socket) -> None:
        self.file = link.makefile("rwb")

    def serve(self) -> None:
        self.shake_hands()
        while asked := self.read():
            if (method := asked["method"]) == "Browser.close":
                os._exit(0)
            whose = {"sessionId": asked["sessionId"]} if "sessionId" in asked else {}
            self.write({"id": asked["id"], "result": ANSWERS.get(method, {}), **whose})
            for event in EVENTS.get(method, []):
                self.write(event)

    def shake_hands(self) -> None:
        key = ""
        while line := self.file.readline().strip().decode():
            name, _, value = line.partition(":")
            key = value.strip() if name.lower() == "sec-websocket-key" else key
        accept = base64.b64encode(hashlib.sha1((key + MAGIC).encode()).digest()).decode()
        self.file.write(f"{HEAD}Sec-WebSocket-Accept: {accept}\r\n\r\n".encode())
        self.file.flush()

    def read(self) -> dict[str, Any] | None:
        head = self.file.read(2)
        if len(head) < 2 or head[0] & 15 != 1:
            return None
        length = head[1] & 127
        if length > 125:
            [length] = struct.unpack(">H" if length == 126 else ">Q", self.file.read(2 if length == 126 else 8))
        mask, data = self.file.read(4), self.file.read(length)
        told: dict[str, Any] = json.loads(bytes(byte ^ mask[at % 4] for at, byte in enumerate(data)))
        return told

    def write(self, told: dict[str, Any]) -> None:
        data = json.dumps(told).encode()
        self.file.write(struct.pack(">BBQ", 0x81, 127, len(data)) + data)
        self.file.flush()


def main() -> None:
    server = socket.create_server(("127.0.0.1", 9222))
    print("DevTools listening on ws://127.0.0.1:9222/devtools/browser/0-0", flush=True)
    while True:
        threading.Thread(target=Connection(server.accept()[0]).serve).start()


if __name__ == "__main__":
    main()
