"""The WebSocket channel of a session: calls, streams and pushes over one connection, opened when first needed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from agentbay._deadline import Deadline, stopwatch
from agentbay._frames import Outcome, Push, Resend, Router, Shielded, Subscription, new_id, write_frame
from agentbay._pool_pairs import AsyncGuard
from agentbay._socket_address import Address, Backoff, ChannelState, Unsent
from agentbay._socket_pairs import AsyncInbox, AsyncWorker, tell_when_forked
from agentbay.errors import (
    AgentBayError,
    APITimeoutError,
    SessionError,
    WsConnectionClosedError,
    WsHandshakeRejectedError,
)

from .socket_stream import CALL_TIMEOUT, AsyncSocketStream

if TYPE_CHECKING:
    from agentbay._dialing import AsyncLine

    from .session import AsyncSession

__all__ = ["AsyncSocket"]

Listener = Callable[[ChannelState], None]


class AsyncSocket:
    """A session's channel. One task reads what comes, and connects anew after a drop, until `close`.

    `watched` counts the watches of each directory. Callbacks run where frames are read: they must be quick, and cannot
    wait for the channel.
    """

    def __init__(self, session: AsyncSession) -> None:
        self._session = session
        self._router = Router()
        self._guard = AsyncGuard()
        self._worker: AsyncWorker | None = None
        self._line: AsyncLine | None = None
        self._openers: list[AsyncInbox[AgentBayError | None]] = []
        self._trouble: AgentBayError | None = None
        self._listeners: list[Listener] = []
        self._held = False
        self._closed = False
        self._inherited: list[tuple[Router, AsyncLine | None]] = []
        self._disowned: list[AsyncLine | None] = []
        self.state = ChannelState.CLOSED
        self.watched: Counter[str] = Counter()
        tell_when_forked(self)

    @property
    def available(self) -> bool:
        """Whether the service offers a channel for this session."""
        return bool(self._session.ws_url and self._session.token)

    def check_available(self) -> None:
        """Raise the error that says why there is no channel.

        Raises:
            SessionError: the service gave the session no WebSocket.
        """
        if not self._session.ws_url:
            raise SessionError("ws_url is not available for this session", **self._facts)
        if not self._session.token:
            raise SessionError("token is not available for WS connection", **self._facts)

    # --- What modules do with it --------------------------------------------------------------------------------------

    async def open(self, timeout: float = CALL_TIMEOUT) -> None:
        """Connect, unless there is a connection.

        Raises:
            SessionError: there is no channel, it is closed, or no connection came in `timeout` seconds.
        """
        await self._opened(Deadline.after(timeout), "open")

    async def call(self, target: str, data: dict[str, Any], timeout: float = CALL_TIMEOUT) -> dict[str, Any]:
        """Send a message and wait for its one answer, at most `timeout` seconds.

        Raises:
            WsRemoteError: the other side answered with an error.
            SessionError: no usable answer came.
        """
        deadline, identity = Deadline.after(timeout), new_id()
        what = str(data.get("method") or target)
        inbox: AsyncInbox[Outcome] = AsyncInbox()

        def expect() -> None:
            inbox.take()
            self._router.expect(identity, inbox.put, stream=False)

        try:
            await self._post(write_frame(identity, target, data), deadline, what, expect)
            outcome = await self._next(inbox, deadline, what)
        finally:
            self._router.forget(identity)
        if outcome.error is not None:
            raise outcome.error
        answer: dict[str, Any] = outcome.data
        return answer

    async def send(self, target: str, data: dict[str, Any], identity: str = "") -> None:
        """Send a message that has no answer; with an `identity`, as more of that call or stream.

        Raises:
            SessionError: it could not be sent.
        """
        frame, what = write_frame(identity or new_id(), target, data), str(data.get("method") or target)
        await self._post(frame, Deadline.after(CALL_TIMEOUT), what)

    def stream(self, target: str, data: dict[str, Any], timeout: float | None = None) -> AsyncSocketStream:
        """Send a message that has many answers: a `with` block to iterate in, for at most `timeout` seconds."""
        return AsyncSocketStream(self, target, data, timeout)

    def subscribe(
        self,
        route: str,
        on_push: Push,
        restore: Callable[[], list[Resend]] | None = None,
        ended: Callable[[AgentBayError], None] | None = None,
    ) -> Subscription:
        """Have the pushes of a route, a server's name, from now on; this alone opens no connection.

        Args:
            route: where the pushes come from.
            on_push: gets the data of each.
            restore: tells what to send each time the connection is opened.
            ended: told once, when the channel is over for good.
        """
        subscription = Subscription(route, on_push, ended=ended)
        self.disown()
        if restore is not None:
            subscription.restore = restore
        return self._router.subscribe(subscription)

    def unsubscribe(self, subscription: Subscription) -> None:
        """Have no more pushes; the channel stays open."""
        self._router.unsubscribe(subscription)

    def on_state(self, listener: Listener) -> Callable[[], None]:
        """Be told each new state; the function that comes back ends that."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    async def aclose(self) -> None:
        """End the channel for good: everybody who waits is told. Closing twice does nothing."""
        self.disown()
        with self._guard:
            if self._closed:
                return
            self._closed = True
            worker, line = self._worker, self._line
        if worker is not None:
            await worker.stop(line)
        self._over(self._gone())

    # --- After a fork -------------------------------------------------------------------------------------------------

    def forked(self) -> None:
        """A child was forked, and this is the child: the connection is its parent's, who goes on with it.

        Any lock may be held by a thread that there is not here, so that nothing is waited for, or called.
        """
        self._inherited.append((self._router, self._line))
        self._guard, self._router = AsyncGuard(), Router()
        self._line = self._worker = None
        self._openers = []
        self._held = False
        self.state = ChannelState.CLOSED
        self.watched.clear()

    def disown(self) -> None:
        """In a forked child, tell everybody who still waits for the parent's connection that nothing will come here."""
        if not self._inherited:
            return
        with self._guard:
            inherited, self._inherited = self._inherited, []
        error = WsConnectionClosedError("It belongs to the process that this one was forked from", **self._facts)
        for router, line in inherited:
            # Kept, since a socket that is forgotten is closed, which is only the parent's to do.
            self._disowned.append(line)
            router.forked()
            router.end(error)

    # --- Inside -------------------------------------------------------------------------------------------------------

    @property
    def _facts(self) -> dict[str, Any]:
        return {"session_id": self._session.session_id}

    def _gone(self) -> WsConnectionClosedError:
        return WsConnectionClosedError("WS client is closed", **self._facts)

    async def _opened(self, deadline: Deadline, what: str) -> AsyncLine:
        """The connection; one is made, or waited for, when there is none."""
        self._session._transport.check_usable()
        self.disown()
        inbox: AsyncInbox[AgentBayError | None] = AsyncInbox()
        while True:
            with self._guard:
                if self._closed:
                    raise self._gone()
                if self._worker is not None and self._worker.inside():  # pragma: no cover  (threads only)
                    raise SessionError("A callback of the channel cannot wait for the channel: use another thread")
                if self._line is not None:
                    return self._line
                self.check_available()
                self._openers.append(inbox)
                if self._worker is None:
                    self._worker = AsyncWorker(self._work)
                    self._worker.start()
                    self._session._transport.channels.add(self)
            error = await self._next(inbox, deadline, what)
            if error is not None:
                raise error

    async def _next(self, inbox: AsyncInbox[Any], deadline: Deadline, what: str) -> Any:
        self.disown()
        try:
            return await inbox.get(deadline.patience())
        except TimeoutError:
            text = f"No answer to {what} came in time by the WebSocket"
            raise APITimeoutError(text, action=what, session_id=self._session.session_id) from self._trouble

    async def _post(self, frame: str, deadline: Deadline, what: str, expect: Callable[[], None] | None = None) -> None:
        """Send a frame by an open connection. Where one turns out to have ended before, the next one is waited for.

        `expect` is called before each try: the end of a connection is told to all who expect something then.
        """
        while True:
            line = await self._opened(deadline, what)
            if expect is not None:
                expect()
            try:
                return await self._transmit(line, frame)
            except Unsent:
                self._give_up(line)

    def _give_up(self, line: AsyncLine) -> None:
        """Let nobody use a connection any more; who reads from it is about to notice its end."""
        with self._guard:
            self._line = None if self._line is line else self._line

    async def _transmit(self, line: AsyncLine, frame: str) -> None:
        from agentbay._dialing import translated  # noqa: PLC0415  (only those who use the channel pay for it)

        with translated(self._address()):
            await line.deliver(frame)

    def _address(self) -> Address:
        session = self._session
        way = session._transport.dialling
        return Address(session.session_id, session.ws_url, session.token, way.verify, way.proxy)

    async def _work(self, worker: AsyncWorker) -> None:
        """Connect and read until the channel is closed, or is not to be had. Whatever ends it, everybody is told."""
        try:
            await self._keep_connected(worker)
        finally:
            if not self._closed:  # pragma: no branch  (a task is cancelled, which is no branch)
                self._over(self._trouble or self._gone())

    async def _keep_connected(self, worker: AsyncWorker) -> None:
        backoff = Backoff()
        while not self._closed:  # pragma: no branch  (a thread sees it, a task is cancelled)
            self._become(ChannelState.RECONNECTING)
            elapsed = stopwatch()
            self._trouble, was_open = await self._serve()
            # Where nobody listens any more, a local runtime may be why; then no session comes back.
            ended = None if was_open else await self._session._transport.end_of_runtime(self._facts)
            self._trouble = ended or self._trouble
            if ended or not self._worth_retrying(self._trouble, was_open):
                return
            self._become(ChannelState.ERROR)
            await worker.pause(backoff.wait(elapsed()))

    def _worth_retrying(self, error: AgentBayError, was_open: bool) -> bool:
        """A first connection that fails is the caller's to know; a session that is refused will not come back."""
        if isinstance(error, WsHandshakeRejectedError) and error.status_code in (400, 401, 403, 404, 410):
            return False
        self._held = self._held or was_open
        return self._held

    async def _serve(self) -> tuple[AgentBayError, bool]:
        """One connection, from its opening to its end: why it ended, and whether it ever was open."""
        from agentbay._dialing import async_dialled  # noqa: PLC0415  (only those who use the channel pay for it)

        opened = False
        try:
            async with async_dialled(self._address()) as line:
                await self._take(line)
                opened = True
                while True:
                    self._router.receive(await line.recv())
        except SessionError as error:
            with self._guard:
                self._line = None
            self._router.drop(error)
            return error, opened

    async def _take(self, line: AsyncLine) -> None:
        """A connection is open: restore what hangs on it, then let the others have it."""
        for resend in self._router.restores():
            identity = new_id()
            self._router.expect(identity, resend.deliver, stream=resend.stream)
            await self._transmit(line, write_frame(identity, resend.target, resend.data))
        with self._guard:
            if self._closed:  # pragma: no cover  (threads only: a task is cancelled)
                raise self._gone()
            self._line = line
            openers, self._openers = self._openers, []
        self._become(ChannelState.OPEN)
        for opener in openers:
            opener.put(None)

    def _over(self, error: AgentBayError) -> None:
        """The channel ended; unless it was closed, the next use may open it again."""
        with self._guard:
            self._line = self._worker = None
            self._held = False
            openers, self._openers = self._openers, []
        self._session._transport.channels.discard(self)
        for opener in openers:
            opener.put(error)
        self._router.end(error)
        self._become(ChannelState.CLOSED)

    def _become(self, state: ChannelState) -> None:
        self.state = state
        for listener in list(self._listeners):
            with Shielded():
                listener(state)
