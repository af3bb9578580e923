"""The thread that tells a callback of changes in a directory; the same for both colours."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import Any

from agentbay.errors import AgentBayError, NotFoundError
from agentbay.types.filesystem import FileChangeEvent, FileChangeResult, read_events

__all__ = ["Events", "StopEvent", "Watcher", "pushed_events", "session_ended"]

logger = logging.getLogger("agentbay")

Events = list[FileChangeEvent]
StopEvent = threading.Event


def session_ended(result: FileChangeResult) -> bool:
    """Whether a failed look means that there will never be another one."""
    text = result.error_message.lower()
    return isinstance(result.error, NotFoundError) or ("session" in text and ("expired" in text or "invalid" in text))


def pushed_events(data: dict[str, Any], path: str) -> Events:
    """The changes that a push tells of a directory; none when it is about something else."""
    place = data.get("path")
    if data.get("eventType") != "file_change" or not isinstance(place, str) or place.rstrip("/") != path.rstrip("/"):
        return []
    return read_events(data.get("events"))


class Watcher(threading.Thread):
    """Looks for changes until `stop_event` is set; `ready_event` is set once changes are noticed."""

    def __init__(
        self,
        begin: Callable[[], object],
        following: Callable[[], Events | None],
        end: Callable[[], object],
        callback: Callable[[Events], None],
        stop_event: StopEvent,
    ) -> None:
        super().__init__(name="agentbay-watch", daemon=True)
        self.stop_event = stop_event
        self.ready_event = threading.Event()
        self._begin = begin
        self._following = following
        self._end = end
        self._callback = callback

    def run(self) -> None:
        """Take the baseline, then hand on each list of changes."""
        try:
            self._begin()
            self.ready_event.set()
            while (events := self._following()) is not None:
                self._callback(events)
        except AgentBayError as error:
            logger.info("the watch of a directory ended: %s", type(error).__name__)
        finally:
            self.ready_event.set()
            self._end()
