"""Something that runs while its events come in, and what it came to in the end."""

from __future__ import annotations

from types import TracebackType
from typing import Any, Generic, Protocol, Self, TypeVar

from agentbay._checked import Checked
from agentbay.errors import AgentBayError, WsRemoteError

from .socket_stream import AsyncSocketStream

__all__ = ["AsyncRunStream"]

Event_co = TypeVar("Event_co", covariant=True)
Result_co = TypeVar("Result_co", covariant=True)
Event = TypeVar("Event")
Result = TypeVar("Result")


class Run(Protocol[Event_co, Result_co]):
    """Adds the events up. No I/O."""

    request_id: str
    session_id: str

    def take(self, data: dict[str, Any]) -> Event_co | None:
        """Read an event; None when it is of no known kind."""
        ...

    def end(self, data: dict[str, Any]) -> Result_co:
        """Make the result from the last frame and all that came before."""
        ...

    def broken(self, error: AgentBayError) -> Result_co:
        """Make the result of what the other side gave up."""
        ...


class AsyncRunStream(Checked, Generic[Event, Result]):
    """The base of such streams. Use it in a `with` block and iterate over its events; `result` is what it came to.

    Iterating outside a block starts it, too.
    """

    def __init__(self, stream: AsyncSocketStream, run: Run[Event, Result]) -> None:
        self.result: Result | None = None
        self._stream = stream
        self._run = run
        self._opened = False

    @property
    def request_id(self) -> str:
        """The id of this run."""
        return self._stream.id

    async def __aenter__(self) -> Self:
        self._opened = True
        await self._stream.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._stream.__aexit__(kind, error, traceback)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Event:
        if not self._opened:
            await self.__aenter__()
        while True:
            data = await self._following()
            if data is None:
                raise StopAsyncIteration
            event = self._run.take(data)
            if event is not None:
                return event

    async def _following(self) -> dict[str, Any] | None:
        """The next event's data; None at the end, when `result` is complete."""
        if self.result is not None:
            return None
        try:
            return await self._stream.__anext__()
        except StopAsyncIteration:
            self.result = self._run.end(self._stream.end or {})
        except WsRemoteError as refused:
            self.result = self._run.broken(refused)
        return None
