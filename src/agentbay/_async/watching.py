"""Watching directories in a session: by the pushes of its WebSocket, else by looking again and again."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from typing import Any, Literal, overload

from agentbay._frames import Backlog, Outcome, Resend, Subscription
from agentbay._pairs import AsyncCaller
from agentbay._socket_address import ChannelState
from agentbay._socket_pairs import AsyncInbox, async_wait_for
from agentbay._watch import Events, StopEvent, Watcher, pushed_events, session_ended
from agentbay.errors import (
    AgentBayError,
    APITimeoutError,
    ClientClosedError,
    EventLoopError,
    LocalRuntimeError,
    SessionError,
    WsCancelledError,
    WsConnectionClosedError,
    WsRemoteError,
)
from agentbay.types.filesystem import FileChangeResult

from .module import AsyncModule

__all__ = ["AsyncWatching"]

SUBSCRIBE_TIMEOUT = 15.0
TICK = 0.2
MOST_WAITING = 100_000


class AsyncChanges:
    """The changes below one directory, from `begin` on, until `stopped` is set."""

    def __init__(self, module: AsyncWatching, path: str, interval: float, stopped: StopEvent) -> None:
        self._module = module
        self._channel = module.session._channel
        self._path = path
        self._interval = interval
        self._stopped = stopped
        self._inbox: AsyncInbox[Events | Literal["look", "poll"] | AgentBayError] = AsyncInbox()
        self._backlog = Backlog()
        self._subscription: Subscription | None = None
        self._asking = self._live = False
        self._begun = False

    async def begin(self) -> None:
        """Take the baseline: what is there now is no change."""
        await self._look()

    async def next(self) -> Events | None:
        """The next changes; None when the watch was stopped.

        Raises:
            AgentBayError: there will never be another one, for the session or the client is gone, or because too many
                changes were not read.
        """
        if not self._begun:
            self._begun = True
            if await self._subscribe():
                self._inbox.put("look")
        while not self._stopped.is_set():
            events = await (self._take() if self._live else self._poll())
            if events:
                return events
        return None

    async def aclose(self) -> None:
        """End the subscription, if there is one; the channel stays open."""
        self._stopped.set()
        if self._subscription is None:
            return
        self._channel.unsubscribe(self._subscription)
        self._channel.watched[self._path] -= 1
        subscribed = self._live or self._asking  # its answer may be on its way
        if subscribed and not self._channel.watched[self._path] and self._channel.state == ChannelState.OPEN:
            with suppress(SessionError):  # a line that broke just now took the subscription with it
                await self._channel.send(self._server, self._message("unsubscribe_file_change"))
        self._subscription = None

    # --- By looking ---------------------------------------------------------------------------------------------------

    async def _poll(self) -> Events:
        if await async_wait_for(self._stopped, self._interval):
            return []
        return await self._look()

    async def _look(self) -> Events:
        """What has changed since the last look; a look that fails for now finds nothing."""
        try:
            result = await self._module.get_file_change(self._path)
        except (ClientClosedError, EventLoopError, LocalRuntimeError):
            raise
        except SessionError:
            return []
        if session_ended(result):
            result.unwrap()
        return result.events

    # --- By pushes ----------------------------------------------------------------------------------------------------

    @property
    def _server(self) -> str:
        return self._module.session.tool_servers.get("get_file_change", "")

    def _message(self, method: str) -> dict[str, Any]:
        return {"method": method, "params": {"path": self._path}}

    async def _subscribe(self) -> bool:
        """Ask for pushes. Whatever goes wrong with that, looking is left."""
        if not self._channel.available or not self._server:
            return False
        self._subscription = self._channel.subscribe(self._server, self._on_push, self._restore, self._ended)
        self._channel.watched[self._path] += 1
        message = self._message("subscribe_file_change")
        self._asking = True
        try:
            async with self._channel.stream(self._server, message, SUBSCRIBE_TIMEOUT) as stream:
                async for _ in stream:
                    pass  # only the end counts
        except (SessionError, WsRemoteError) as error:
            self._asking = isinstance(error, APITimeoutError)
            return False
        self._asking, self._live = False, True
        return True

    async def _take(self) -> Events:
        """What was pushed; after a reconnect what a look finds, which no push told."""
        self._channel.disown()
        try:
            thing = await self._inbox.get(TICK)
        except TimeoutError:
            return []
        if isinstance(thing, list):
            self._backlog.remove(len(thing))
            return thing
        if isinstance(thing, AgentBayError):
            raise thing
        self._live = thing == "look"
        return await self._look()

    def _on_push(self, data: dict[str, Any]) -> None:
        events = pushed_events(data, self._path)
        if events and self._backlog.add(len(events), MOST_WAITING):
            self._inbox.put(events)
        elif events and self._subscription is not None:
            self._channel.unsubscribe(self._subscription)
            text = f"The watch of {self._path} was given up: more than {MOST_WAITING} changes were not read"
            self._inbox.put(WsCancelledError(text, session_id=self._module.session.session_id))

    def _restore(self) -> list[Resend]:
        if not self._live:
            return []
        self._inbox.put("look")
        message = self._message("subscribe_file_change")
        return [Resend(self._server, message, self._resubscribed, stream=True)]

    def _resubscribed(self, outcome: Outcome) -> None:
        if outcome.last and not isinstance(outcome.error, WsConnectionClosedError):
            self._inbox.put("look" if outcome.error is None else "poll")

    def _ended(self, _: AgentBayError) -> None:
        self._inbox.put("poll")


class AsyncWatching(AsyncModule):
    """What a file system has to do with changes."""

    async def get_file_change(self, path: str) -> FileChangeResult:
        """Get what changed in a directory since the last look at it; the first look finds nothing.

        Source: tool `get_file_change`.
        """
        return await self._call("get_file_change", FileChangeResult, path=path)

    @overload
    def watch_directory(
        self,
        path: str,
        callback: Callable[[Events], None],
        interval: float = 0.5,
        stop_event: StopEvent | None = None,
    ) -> Watcher: ...
    @overload
    def watch_directory(
        self, path: str, callback: None = None, interval: float = 0.5, stop_event: StopEvent | None = None
    ) -> AsyncIterator[Events]: ...

    def watch_directory(
        self,
        path: str,
        callback: Callable[[Events], None] | None = None,
        interval: float = 0.5,
        stop_event: StopEvent | None = None,
    ) -> Watcher | AsyncIterator[Events]:
        """Watch a directory and all below it: by pushes where the session has a WebSocket, else by looking.

        After a cut of the network, what changed meanwhile is told once the connection is back. Up to 100,000 changes
        that nobody reads are kept; when there are more, the watch is given up with a `WsCancelledError`.

        Args:
            path: the directory.
            callback: gets each list of changes, in a thread of its own. Without it, iterate over the changes.
            interval: seconds between two looks.
            stop_event: ends the watch when it is set; None makes a new one.

        Returns:
            Without a callback, an iterator over lists of changes. With one, a daemon thread that is not started yet,
            with the attributes `stop_event` and `ready_event`.

        Source: tool `get_file_change`, WebSocket message `subscribe_file_change`.
        """
        stopped = stop_event or StopEvent()
        changes = AsyncChanges(self, path, interval, stopped)
        if callback is None:
            return self._iterate(changes)
        caller = AsyncCaller()
        return Watcher(
            lambda: caller.call(changes.begin, stopped),
            lambda: caller.call(changes.next, stopped),
            lambda: caller.call(changes.aclose, StopEvent()),
            callback,
            stopped,
        )

    async def _iterate(self, changes: AsyncChanges) -> AsyncIterator[Events]:
        try:
            await changes.begin()
            while (events := await changes.next()) is not None:
                yield events
        finally:
            await changes.aclose()
