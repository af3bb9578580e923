"""One WebSocket of a session: messages in, each to its handler; frames out, at the pace of the client."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
import uuid
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Final, TypeVar

from aiohttp import WSMessage, WSMsgType, web

from agentbay_local.channel.call import Call
from agentbay_local.channel.frames import GATEWAY, BadFrame, Frame, read_frame, write_frame
from agentbay_local.channel.registry import MESSAGES, Handler, Json, Refused
from agentbay_local.sandbox.contract import SandboxError
from agentbay_local.service.refusals import ServiceRefusal

if TYPE_CHECKING:
    from agentbay_local.channel.room import Kept, Room

__all__ = ["Connection", "ConnectionOver"]

log = logging.getLogger("agentbay_local")

K = TypeVar("K", bound="Kept")

PING_EVERY = 20.0
STALLED = 60.0
LAST_WORDS = 2.0
SETTLE = 0.5
MOST_CALLS = 1000
MOST_HELD = 64 << 20
_REMEMBERED: Final = 4096
_BUG: Final = "Something went wrong in the server; its log says what."
_GONE: Final = "The session has ended."

# Codes of RFC 6455.
GOING_AWAY: Final = 1001
POLICY: Final = 1008


class ConnectionOver(Exception):
    """The client has gone, or was told to go: nothing can be sent to it any more."""


class Connection:
    """A client's connection. `over` is set once it has ended.

    Whoever sends waits while the client does not read: at most one frame beyond the socket's buffer is held for it.
    """

    def __init__(self, room: Room, socket: web.WebSocketResponse, transport: asyncio.Transport | None) -> None:
        self.session = room.session
        self.over = asyncio.Event()
        self._room = room
        self._socket = socket
        self._transport = transport
        self._sending = asyncio.Lock()
        self._heard = time.monotonic()
        self._calls: dict[str, Call] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._known: dict[str, None] = {}
        self._held = 0
        self._eased = asyncio.Event()
        self._hooks: list[Callable[[], Awaitable[None]]] = []

    # --- What handlers use --------------------------------------------------------------------------------------------

    async def push(self, source: str, data: Json) -> None:
        """Sends what nobody has asked for at this moment, as from a target; waits while the client is slow.

        Raises:
            ConnectionOver: the client has gone.
        """
        await self.send(uuid.uuid4().hex, source, data)

    def on_close(self, hook: Callable[[], Awaitable[None]]) -> Callable[[], None]:
        """Has a function awaited once the connection has ended; what comes back takes that back."""
        self._hooks.append(hook)
        return lambda: self._hooks.remove(hook) if hook in self._hooks else None

    def kept(self, kind: type[K]) -> K:
        """The one object of a class that the session keeps, whatever connection asks; made when first needed."""
        return self._room.kept(kind)

    def streamed(self, tool: str, outcome: str, seconds: float) -> None:
        """Has a tool's call counted that was answered piece by piece."""
        self._room.streamed(tool, outcome, seconds)

    async def send(self, identity: str, source: str, data: Json) -> None:
        """Sends a frame; waits while the client is slow.

        Raises:
            ConnectionOver: the client has gone.
        """
        text = write_frame(identity, source, data)
        self.session.touch()
        await self._transmit(lambda: self._socket.send_str(text))
        self._heard = time.monotonic()

    def release(self, call: Call, size: int) -> None:
        """Counts characters of a call's messages as dealt with."""
        call.held -= size
        self._held -= size
        self._eased.set()

    # --- Its life -----------------------------------------------------------------------------------------------------

    async def serve(self) -> None:
        """Takes messages until either side closes; returns when nothing of it runs any more."""
        keeper = asyncio.create_task(self._keep_alive())
        try:
            async for message in self._socket:
                self._heard = time.monotonic()
                await self._take(message)
        except ConnectionOver:
            log.debug("session=%s a client went away", self.session.id)
        finally:
            self.over.set()
            for _ in range(2):  # what came just before the end begins at least: input that nobody waits for counts
                await asyncio.sleep(0)
            await _stopped(keeper, *self._tasks)
            await asyncio.gather(*(hook() for hook in self._hooks))

    async def close(self, code: int, reason: str) -> None:
        """Ends the connection, telling the client why; one that does not listen is cut off."""
        self._end()
        if self._transport is not None:
            asyncio.get_running_loop().call_later(LAST_WORDS, self._transport.abort)
        with contextlib.suppress(TimeoutError, ConnectionError):
            async with asyncio.timeout(LAST_WORDS):
                await self._socket.close(code=code, message=reason.encode()[:120])

    async def settle(self) -> None:
        """Lets handlers, whose session has ended, say so; those that do not notice are not waited for."""
        if self._tasks:
            await asyncio.wait(set(self._tasks), timeout=SETTLE)

    def _end(self) -> None:
        self.over.set()
        self._eased.set()

    async def _keep_alive(self) -> None:
        """Pings a client that says nothing, and gives up one that is dead."""
        while True:
            await asyncio.sleep(PING_EVERY)
            silent = time.monotonic() - self._heard
            if silent > STALLED:
                await self._give_up("the client does not answer pings")
            elif silent >= PING_EVERY / 2:
                with contextlib.suppress(ConnectionOver):
                    await self._transmit(self._socket.ping)

    async def _transmit(self, send: Callable[[], Awaitable[None]]) -> None:
        async with self._sending:
            if self.over.is_set():
                raise ConnectionOver
            try:
                async with asyncio.timeout(STALLED):
                    await send()
            except TimeoutError:
                await self._give_up(f"the client has read nothing for {STALLED:g} s")
                raise ConnectionOver from None
            except ConnectionError as gone:
                self._end()
                raise ConnectionOver from gone

    async def _give_up(self, reason: str) -> None:
        log.info("session=%s a connection was cut: %s", self.session.id, reason)
        await self.close(POLICY, reason)

    # --- Messages -----------------------------------------------------------------------------------------------------

    async def _take(self, message: WSMessage) -> None:
        if message.type is WSMsgType.PING:
            await self._transmit(lambda: self._socket.pong(message.data))
        elif message.type in {WSMsgType.TEXT, WSMsgType.BINARY}:
            await self._read(message.data)

    async def _read(self, text: str | bytes) -> None:
        try:
            frame = read_frame(text)
        except BadFrame as bad:
            log.debug("session=%s a frame of %d characters was bad: %s", self.session.id, len(text), bad)
            if bad.id:
                await self._refuse(bad.id, str(bad))
            return
        if frame is None:
            return
        self.session.touch()
        running = self._calls.get(frame.id)
        if running is not None:
            self._follow(running, frame, len(text))
        elif frame.id not in self._known:  # else it came twice, or after the end of its stream
            await self._begin(frame, len(text))
        while self._held > MOST_HELD and not self.over.is_set():
            self._eased.clear()
            await self._eased.wait()

    def _follow(self, running: Call, frame: Frame, size: int) -> None:
        # The very message over again, as from a proxy that sends twice, is none of its further ones.
        if running.target == frame.target and running.data != frame.data:
            self._held += size
            running.follow(frame, size)

    async def _begin(self, frame: Frame, size: int) -> None:
        self._remember(frame.id)
        handler = MESSAGES.get((frame.target, frame.method))
        if handler is None:
            await self._refuse(frame.id, _unknown(frame))
        elif len(self._calls) >= MOST_CALLS:
            await self._refuse(frame.id, f"This connection has {MOST_CALLS} messages in work: wait until some are done")
        else:
            call = self._calls[frame.id] = Call(self, frame, size)
            self._held += size
            task = asyncio.create_task(self._answer(call, handler))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    def _remember(self, identity: str) -> None:
        self._known[identity] = None
        if len(self._known) > _REMEMBERED:
            del self._known[next(iter(self._known))]

    async def _answer(self, call: Call, handler: Handler) -> None:
        try:
            with self.session.in_use():
                answer = await self._outcome(call, handler)
                if answer is not None:
                    with contextlib.suppress(ConnectionOver):
                        await call.reply(answer)
        finally:
            del self._calls[call.id]
            self.release(call, call.held)

    async def _outcome(self, call: Call, handler: Handler) -> Json | None:
        """What the handler gives, or the frame that tells why it gives nothing."""
        try:
            self._room.check_usable()
        except ServiceRefusal as refusal:
            return _failed(call, refusal.message)
        [outcome] = await asyncio.gather(handler(call), return_exceptions=True)
        if isinstance(outcome, ConnectionOver | asyncio.CancelledError):
            return None
        if isinstance(outcome, Refused | SandboxError):
            return _failed(call, str(outcome) if self.session.live else _GONE)
        if isinstance(outcome, BaseException):
            log.error("session=%s unexpected error in %s", self.session.id, call.method, exc_info=outcome)
            return _failed(call, _BUG)
        return outcome

    async def _refuse(self, identity: str, text: str) -> None:
        await self.send(identity, GATEWAY, {"error": text})


def _failed(call: Call, text: str) -> Json:
    return {"method": call.method, "phase": "error", "error": text}


def _unknown(frame: Frame) -> str:
    methods = sorted(method for target, method in MESSAGES if target == frame.target)
    if not methods:
        served = ", ".join(sorted({target for target, _ in MESSAGES}))
        return f"The target {frame.target:.100} is not served here. Served are: {served}"
    return f"The target {frame.target:.100} has no method {frame.method or '(none)':.100}. It has: {', '.join(methods)}"


async def _stopped(*tasks: asyncio.Task[None]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
