"""Waiting beside the program until the files of a context are carried."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING

from agentbay._socket_pairs import AsyncWorker
from agentbay.errors import SessionError
from agentbay.types.context import ContextSyncResult

if TYPE_CHECKING:
    from .context_manager import AsyncContextManager

__all__ = ["AsyncCarrying"]

logger = logging.getLogger("agentbay")


class AsyncCarrying:
    """Waits for the end of one sync and tells a function, once, whether the files were carried.

    It ends with the session or its client, whichever is over first; the function is then told False.
    """

    def __init__(
        self,
        manager: AsyncContextManager,
        begun: ContextSyncResult,
        place: tuple[str | None, str | None],
        seconds: float,
        callback: Callable[[bool], object],
    ) -> None:
        self._manager = manager
        self._begun = begun
        self._place = place
        self._seconds = seconds
        self._callback = callback
        self._worker = AsyncWorker(self._work)
        self._closed = False

    def start(self) -> None:
        """Begin to wait."""
        self._manager._waits.add(self)
        self._manager.session._transport.channels.add(self)
        self._worker.start()

    async def aclose(self) -> None:
        """Wait no longer; returns when nothing of it is left. Closing twice does nothing."""
        self._closed = True
        await self._worker.stop(None)

    async def _work(self, worker: AsyncWorker) -> None:
        del worker
        success = False
        try:
            success = (await self._manager._finished(self._begun, *self._place, self._seconds, self._pause)).success
        except SessionError as ended:  # pragma: no cover  (threads only; a task is cancelled)
            logger.debug("nobody waits for a sync any longer: %s", type(ended).__name__)
        finally:
            self._manager._waits.discard(self)
            self._manager.session._transport.channels.discard(self)
            self._callback(success)

    async def _pause(self, seconds: float) -> None:
        await self._worker.pause(seconds)
        if self._closed:  # pragma: no cover  (threads only; a task is cancelled)
            raise SessionError("The session ended before the files were carried.")
