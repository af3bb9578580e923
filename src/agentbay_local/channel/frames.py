"""The frames of a session's WebSocket, as the server reads and writes them. No I/O."""

from __future__ import annotations

import json
from typing import Final

from attrs import frozen

from agentbay._wire import Unreadable, read_object
from agentbay_local.channel.registry import Json

__all__ = ["GATEWAY", "LONGEST_ID", "BadFrame", "Frame", "read_frame", "write_frame"]

SDK: Final = "SDK"
GATEWAY: Final = "WEBSOCKET_SERVER"
LONGEST_ID: Final = 200


class BadFrame(Exception):
    """A frame that is not of the documented form; the text is for users. `id` is whose it is, if that can be read."""

    def __init__(self, reason: str, identity: str = "") -> None:
        super().__init__(reason)
        self.id = identity


@frozen
class Frame:
    """A message of a client."""

    id: str
    target: str
    data: Json

    @property
    def method(self) -> str:
        """What is asked of the target; empty if it is not said."""
        found = self.data.get("method")
        return found if isinstance(found, str) else ""


def read_frame(text: str | bytes) -> Frame | None:
    """Reads a frame; None for a heartbeat, which wants no answer.

    Raises:
        BadFrame: it is not of the documented form.
    """
    try:
        loaded = read_object(text.encode("utf-8", "surrogatepass") if isinstance(text, str) else text)
    except Unreadable as broken:
        raise BadFrame("The frame is not a JSON object") from broken
    identity = loaded.get("invocationId") or loaded.get("requestId")
    if identity is None and loaded.get("type") == "ping":
        return None
    if not isinstance(identity, str) or not 0 < len(identity) <= LONGEST_ID:
        raise BadFrame(f"The frame has no invocationId of 1 to {LONGEST_ID} characters")
    target, data = loaded.get("target"), loaded.get("data")
    if not isinstance(target, str) or not target:
        raise BadFrame("The frame has no target: the name of a tool's server, or PTY_SERVER", identity)
    if not isinstance(data, dict):
        raise BadFrame("The frame's data must be an object", identity)
    return Frame(identity, target, data)


def write_frame(identity: str, source: str, data: Json) -> str:
    """Writes a frame for a client; half characters, which UTF-8 does not have, as escapes."""
    frame = {"invocationId": identity, "source": source, "target": SDK, "data": data}
    text = json.dumps(frame, ensure_ascii=False, separators=(",", ":"))
    try:
        text.isascii() or text.encode()
    except UnicodeEncodeError:
        return json.dumps(frame, separators=(",", ":"))
    return text
