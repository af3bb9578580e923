"""Changes of directories by push: two methods of the target that serves files."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Final

from agentbay_local.channel.call import Call
from agentbay_local.channel.connection import Connection, ConnectionOver
from agentbay_local.channel.registry import Json, Refused, message
from agentbay_local.sandbox.contract import Change, Following, LimitReached, SandboxError
from agentbay_local.service.session import Session
from agentbay_local.tools.arguments import Unfit, named
from agentbay_local.tools.arguments import path as a_path
from agentbay_local.tools.box import TEMPORARY
from agentbay_local.tools.changes import Event, differences
from agentbay_local.tools.faults import reason
from agentbay_local.tools.files import SERVER

__all__ = ["MOST_WATCHES", "Watches"]

log = logging.getLogger("agentbay_local")

MOST_WATCHES: Final = 16
"""In a session; each has a process of its own inside."""
TASK: Final = "agentbay-directory-watch"

Key = tuple[Connection, str]


class Watch:
    """Tells a connection what changes below a directory, until `close`, or either of them ends."""

    def __init__(self, connection: Connection, path: str, following: Following, forget: Callable[[], None]) -> None:
        self._connection = connection
        self._path = path
        self._following = following
        self._forget = forget
        self._task = asyncio.create_task(self._tell(), name=TASK)
        self._task.add_done_callback(lambda _: following.close())  # also when nobody waits any more for `close`

    @property
    def over(self) -> bool:
        """Whether it can tell nothing any more."""
        return self._task.done()

    async def _tell(self) -> None:
        try:
            while True:
                if found := events(await self._following.changes()):
                    push = {"eventType": "file_change", "path": self._path, "events": found}
                    await self._connection.push(SERVER, push)
        except ConnectionOver:
            return
        except (SandboxError, OSError) as error:
            log.info("session=%s the watch of a directory ended: %s", self._connection.session.id, error)

    async def close(self) -> None:
        """Ends it."""
        self._forget()
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)


class Watches:
    """The watches of a session, each of one connection and one path as the connection names it."""

    def __init__(self, session: Session) -> None:
        self._box = session.box
        self._watches: dict[Key, Watch] = {}
        self._turn = asyncio.Lock()

    async def begin(self, connection: Connection, path: str) -> None:
        """Begins to watch, unless that is done already. Raises Refused."""
        async with self._turn:
            await self._sweep()
            if (connection, path) in self._watches:
                return
            if len(self._watches) >= MOST_WATCHES:
                text = f"The session watches {MOST_WATCHES} directories, and cannot watch more: end a watch first"
                raise Refused(text)
            following = await self._follow(path)
            forget = connection.on_close(lambda: self.end(connection, path))
            self._watches[connection, path] = Watch(connection, path, following, forget)

    async def _sweep(self) -> None:
        """Forgets watches that have ended by themselves: of what could not be watched any more."""
        for key in [key for key, watch in self._watches.items() if watch.over]:
            await self._watches.pop(key).close()

    async def _follow(self, path: str) -> Following:
        box = self._box
        try:
            return await box.sandbox.follow(box.path(named("path", a_path, path)), skip=TEMPORARY)
        except Unfit as wrong:
            raise Refused(f"subscribe_file_change: {wrong}") from None
        except OSError as error:
            raise Refused(f"Failed to watch: {path}, error: {reason(error, box.limits)}") from error
        except LimitReached as error:
            raise Refused(f"Failed to watch: {path}, error: {error}") from error

    async def end(self, connection: Connection, path: str) -> None:
        """Ends a watch, if there is one."""
        async with self._turn:
            if watch := self._watches.pop((connection, path), None):
                await watch.close()

    async def close(self) -> None:
        """Ends what is left; the session has ended."""
        for key in list(self._watches):
            await self.end(*key)


def events(changes: list[Change]) -> list[Event]:
    """The changes in the form of `get_file_change`."""
    before = {change.path: change.before for change in changes if change.before}
    after = {change.path: change.after for change in changes if change.after}
    return list(differences(before, after))


@message(SERVER, "subscribe_file_change")
async def subscribe(call: Call) -> Json:
    """Pushes what changes below a directory, from the answer on until the connection ends, or `unsubscribe`."""
    await call.connection.kept(Watches).begin(call.connection, call.param("path", str))
    return call.end({"method": call.method})


@message(SERVER, "unsubscribe_file_change")
async def unsubscribe(call: Call) -> None:
    """Ends that. Nobody waits for an answer."""
    await call.connection.kept(Watches).end(call.connection, call.param("path", str))
