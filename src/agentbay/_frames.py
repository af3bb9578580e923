"""The frames of a session's WebSocket: how they are written and read, and whom each one is for. No I/O."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Any

from attrs import define, evolve, field, frozen

from agentbay._params import compact_json
from agentbay._value import Value
from agentbay._wire import Unreadable, read_object
from agentbay.errors import AgentBayError, WsProtocolError, WsRemoteError

__all__ = [
    "Backlog",
    "BadFrame",
    "Frame",
    "Outcome",
    "Push",
    "Resend",
    "Router",
    "Shielded",
    "Subscription",
    "judge",
    "new_id",
    "read_frame",
    "write_frame",
]

logger = logging.getLogger("agentbay")

SDK = "SDK"
GATEWAY = "WEBSOCKET_SERVER"
SHOWN = 500
OVERHEAD = 1024

Json = dict[str, Any]


def new_id() -> str:
    """Make the id of a call or stream."""
    return os.urandom(16).hex()


def write_frame(identity: str, target: str, data: Json) -> str:
    """Write a frame that goes out."""
    return compact_json({"invocationId": identity, "source": SDK, "target": target, "data": data})


class BadFrame(Unreadable):
    """A frame that is not of the documented form; `id` is whose it would be, if that can be read."""

    def __init__(self, reason: str, identity: str = "") -> None:
        super().__init__(reason)
        self.id = identity


@frozen(eq=False, repr=False)
class Frame(Value):
    """A frame that came in. `error` is what the gateway itself complains of."""

    id: str
    source: str
    target: str
    data: Json = field(repr=False)
    error: str = ""

    @property
    def route(self) -> str:
        """The name under which a push of this kind is subscribed to."""
        return self.source if self.target == SDK and self.source not in ("", SDK) else self.target


def read_frame(message: str | bytes) -> Frame:
    """Read a frame.

    Raises:
        BadFrame: it is not of the documented form.
    """
    try:
        loaded = read_object(message.encode("utf-8", "surrogatepass") if isinstance(message, str) else message)
    except Unreadable as broken:
        raise BadFrame("it is not a JSON object") from broken
    identity = loaded.get("invocationId") or loaded.get("requestId")
    if not isinstance(identity, str) or not identity:
        raise BadFrame("it has no id")
    source, target = (loaded.get(name) or "" for name in ("source", "target"))
    if not isinstance(source, str) or not isinstance(target, str):
        raise BadFrame("its source or target is not text", identity)
    data, error = _data(loaded.get("data")), loaded.get("error")
    if source == GATEWAY:
        return Frame(identity, source, target, data or {}, error if isinstance(error, str) else "")
    if not target:
        raise BadFrame("it has no target", identity)
    if data is None:
        raise BadFrame("its data is not an object", identity)
    return Frame(identity, source, target, data)


def _data(value: Any) -> Json | None:
    """An object, or text that holds one; None for anything else."""
    if isinstance(value, str):
        try:
            return read_object(value.encode("utf-8", "surrogatepass"))
        except Unreadable:
            return None
    return value if isinstance(value, dict) else None


# --- What a frame means for the one who waits for it ------------------------------------------------------------------


@frozen(eq=False, repr=False)
class Outcome(Value):
    """What came for a call or stream: data, or the error it ended with. Nothing comes after the `last` one.

    `size` is about how many bytes it takes for as long as nobody has read it.
    """

    data: Json = field(factory=dict)
    error: AgentBayError | None = None
    last: bool = True
    size: int = field(default=0, eq=False, repr=False)


def judge(frame: Frame, stream: bool) -> Outcome:
    """Tell what a frame means for the call or stream whose id it has."""
    said = frame.data.get("error")
    if frame.source == GATEWAY:
        complaint = frame.error or (said if isinstance(said, str) else "")
        return _refused(frame, complaint) if complaint else Outcome(frame.data)
    if isinstance(said, str) and said:
        return _refused(frame, said)
    if stream:
        return _judge_phase(frame)
    if frame.data.get("result") is None and said is not None:
        return _refused(frame, said)
    return Outcome(frame.data)


def _judge_phase(frame: Frame) -> Outcome:
    match frame.data.get("phase"):
        case "event":
            return Outcome(frame.data, last=False)
        case "end":
            return Outcome(frame.data)
        case "error":
            return _refused(frame, frame.data.get("error") or frame.data.get("message"))
    return Outcome(error=WsProtocolError("A stream's frame has no known phase", request_id=frame.id))


def _refused(frame: Frame, said: Any) -> Outcome:
    if isinstance(said, dict):
        said = said.get("message") or compact_json(said)
    text = str(said)[:SHOWN] if said else None
    return Outcome(error=WsRemoteError(text, request_id=frame.id))


# --- Whom a frame is for ----------------------------------------------------------------------------------------------

Push = Callable[[Json], None]
Deliver = Callable[[Outcome], None]


@frozen(eq=False, repr=False)
class Resend(Value):
    """A call that a subscription needs after a reconnect, and who is told what came of it."""

    target: str
    data: Json
    deliver: Deliver
    stream: bool = False


def _nothing() -> list[Resend]:
    return []


@define(eq=False)
class Subscription:
    """Somebody who wants the pushes of a route.

    `restore` tells what to send after a reconnect; `ended` is called once, when the channel is over for good.
    """

    route: str
    on_push: Push
    restore: Callable[[], list[Resend]] = _nothing
    ended: Callable[[AgentBayError], None] | None = None


class Backlog:
    """How much has come for somebody and was not read yet. One thread may count in while another one counts out."""

    def __init__(self) -> None:
        self._came = self._read = 0

    def add(self, size: int, most: int) -> bool:
        """Something came; whether there is still room for it. The first thing always has room."""
        waiting = self._came - self._read
        self._came += size
        return not waiting or waiting + size <= most

    def remove(self, size: int) -> None:
        """Something was read."""
        self._read += size


@define(eq=False)
class _Waiting:
    deliver: Deliver
    stream: bool
    seq: Any = None
    latest: Json | None = None

    def repeats(self, data: Json) -> bool:
        """Whether a numbered event is the one before it over again, as from a proxy that sends twice."""
        seq = data.get("seq")
        again = isinstance(seq, int) and seq == self.seq and data == self.latest
        self.seq, self.latest = seq, data
        return again


class Shielded:
    """Whatever a callback raises is logged; it is no reason to end the channel."""

    def __enter__(self) -> None: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> bool:
        if isinstance(error, Exception):
            logger.error("a callback of the WebSocket channel failed", exc_info=error)
        return isinstance(error, Exception)


class Router:
    """Knows who waits for what. Any thread may ask; callbacks run in the one that brings the frames."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: dict[str, _Waiting] = {}
        self._subscriptions: list[Subscription] = []

    def forked(self) -> None:
        """This is a forked child, where nobody lets go of a lock that another thread held."""
        self._lock = threading.Lock()

    def expect(self, identity: str, deliver: Deliver, *, stream: bool) -> None:
        """Let `deliver` have the frames with this id."""
        with self._lock:
            self._waiting[identity] = _Waiting(deliver, stream)

    def forget(self, identity: str) -> None:
        """Nobody waits for this id any more."""
        with self._lock:
            self._waiting.pop(identity, None)

    def subscribe(self, subscription: Subscription) -> Subscription:
        """Let a subscription have the pushes of its route."""
        with self._lock:
            self._subscriptions.append(subscription)
        return subscription

    def unsubscribe(self, subscription: Subscription) -> None:
        """End a subscription; it may have ended already."""
        with self._lock:
            self._subscriptions = [other for other in self._subscriptions if other is not subscription]

    def restores(self) -> list[Resend]:
        """What to send now that the connection is open (again)."""
        with self._lock:
            subscriptions = list(self._subscriptions)
        return [resend for subscription in subscriptions for resend in subscription.restore()]

    def receive(self, message: str | bytes) -> None:
        """Hand a frame to whom it is for. What cannot be read is dropped, and fails the stream it belongs to."""
        try:
            frame = read_frame(message)
        except BadFrame as bad:
            logger.warning("a WebSocket frame of %d characters was dropped: %s", len(message), bad)
            error = WsProtocolError(f"A frame cannot be read: {bad}", request_id=bad.id)
            self._conclude(bad.id, Outcome(error=error))
            return
        waiting = self._waiting.get(frame.id)
        if waiting is None:
            self._push(frame)
        elif not (waiting.stream and waiting.repeats(frame.data)):
            self._deliver(frame.id, waiting, evolve(judge(frame, waiting.stream), size=OVERHEAD + len(message)))

    def drop(self, error: AgentBayError) -> None:
        """Tell everybody who waits that nothing will come."""
        with self._lock:
            waiting, self._waiting = self._waiting, {}
        for one in waiting.values():
            with Shielded():
                one.deliver(Outcome(error=error))

    def end(self, error: AgentBayError) -> None:
        """Tell the subscribers too that the channel is over."""
        self.drop(error)
        with self._lock:
            subscriptions, self._subscriptions = self._subscriptions, []
        for subscription in subscriptions:
            if subscription.ended is not None:
                with Shielded():
                    subscription.ended(error)

    def _conclude(self, identity: str, outcome: Outcome) -> None:
        waiting = self._waiting.get(identity)
        if waiting is not None:
            self._deliver(identity, waiting, outcome)

    def _deliver(self, identity: str, waiting: _Waiting, outcome: Outcome) -> None:
        if outcome.last:
            self.forget(identity)
        with Shielded():
            waiting.deliver(outcome)

    def _push(self, frame: Frame) -> None:
        with self._lock:
            takers = [taker for taker in self._subscriptions if taker.route == frame.route]
        for taker in takers:
            with Shielded():
                taker.on_push(frame.data)
