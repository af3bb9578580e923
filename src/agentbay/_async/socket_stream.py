"""A stream of a session's WebSocket channel: the many answers to one message."""

from __future__ import annotations

from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from agentbay._deadline import Deadline
from agentbay._frames import Backlog, Outcome, new_id, write_frame
from agentbay._socket_pairs import AsyncInbox
from agentbay.errors import AgentBayError, WsCancelledError

if TYPE_CHECKING:
    from .socket import AsyncSocket

__all__ = ["CALL_TIMEOUT", "AsyncSocketStream"]

CALL_TIMEOUT = 30.0
MOST_WAITING = 64 * 1024 * 1024


class AsyncSocketStream:
    """The many answers to one message. Use it in a `with` block, and iterate over the data of its events.

    `end` is the data of the last frame, once it came. Leaving the block early only stops listening.

    What nobody reads is kept up to 64 MiB, so that a slow reader never holds up the others on the channel. When there
    is more, the stream is given up: after what was kept a `WsCancelledError` is raised.
    """

    def __init__(self, socket: AsyncSocket, target: str, data: dict[str, Any], timeout: float | None) -> None:
        self.id = new_id()
        self.end: dict[str, Any] | None = None
        self._socket = socket
        self._target = target
        self._data = data
        self._timeout = timeout
        self._inbox: AsyncInbox[Outcome] = AsyncInbox()
        self._backlog = Backlog()
        self._error: AgentBayError | None = None

    async def __aenter__(self) -> Self:
        self._deadline = Deadline.after(self._timeout)
        what = str(self._data.get("method") or self._target)
        frame = write_frame(self.id, self._target, self._data)
        sent = False
        try:
            await self._socket._post(frame, self._deadline.sooner(CALL_TIMEOUT), what, self._expect)
            sent = True
        finally:
            if not sent:
                self._socket._router.forget(self.id)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._socket._router.forget(self.id)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> dict[str, Any]:
        if self._error is not None:
            raise self._error
        if self.end is not None:
            raise StopAsyncIteration
        outcome = await self._socket._next(self._inbox, self._deadline, str(self._data.get("method")))
        self._backlog.remove(outcome.size)
        if outcome.error is not None:
            self._error = outcome.error
            raise outcome.error
        if outcome.last:
            self.end = outcome.data
            raise StopAsyncIteration
        data: dict[str, Any] = outcome.data
        return data

    def _expect(self) -> None:
        self._inbox.take()
        self._socket._router.expect(self.id, self._put, stream=True)

    def _put(self, outcome: Outcome) -> None:
        """Keep what came until it is read. The channel calls this."""
        if not self._backlog.add(outcome.size, MOST_WAITING):
            self._socket._router.forget(self.id)
            what, most = self._data.get("method") or self._target, MOST_WAITING // 1024**2
            text = f"Stream {self.id} ({what}) was given up: more than {most} MiB of it were not read; read it faster"
            outcome = Outcome(error=WsCancelledError(text, request_id=self.id))
        self._inbox.put(outcome)

    async def send(self, data: dict[str, Any]) -> None:
        """Send more on this stream.

        Raises:
            SessionError: it could not be sent.
        """
        await self._socket.send(self._target, data, self.id)

    def cancel(self) -> None:
        """Stop listening from anywhere; who iterates gets a `WsCancelledError`. Nothing is sent."""
        self._socket._router.forget(self.id)
        self._inbox.put(Outcome(error=WsCancelledError(f"Stream {self.id} was cancelled by caller")))
