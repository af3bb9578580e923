"""The tasks that carry files, and the list of them that clients look at."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from enum import StrEnum
from typing import Any, Final

from attrs import define, field

__all__ = ["Kind", "Status", "Task", "Tasks"]

MOST_FINISHED: Final = 1000
"""Finished tasks that are remembered; the oldest are forgotten first."""
LONGEST_ERROR: Final = 2000


class Kind(StrEnum):
    """Which way files are carried, by the wire names: up is from the session to the store."""

    UP = "upload"
    DOWN = "download"


class Status(StrEnum):
    """How far a task is, by the wire names."""

    PENDING = "Pending"
    RUNNING = "Running"
    SUCCESS = "Success"
    FAILED = "Failed"


@define(eq=False)
class Task:
    """Carrying one path of one context, one way. `path` is as the client wrote it; times are seconds since 1970."""

    context_id: str
    path: str
    kind: Kind
    status: Status = Status.PENDING
    error: str = ""
    started: float = field(factory=time.time)
    finished: float = 0.0

    @property
    def over(self) -> bool:
        return self.status in {Status.SUCCESS, Status.FAILED}

    def end(self, error: str = "") -> None:
        """Ends it: with an error as failed."""
        self.error = error[:LONGEST_ERROR]
        self.finished = time.time()
        self.status = Status.FAILED if error else Status.SUCCESS

    def told(self) -> dict[str, Any]:
        """The task as clients see it."""
        return {
            "contextId": self.context_id,
            "path": self.path,
            "errorMessage": self.error,
            "status": str(self.status),
            "startTime": int(self.started),
            "finishTime": int(self.finished),
            "taskType": str(self.kind),
        }


@define
class Tasks:
    """The tasks of one session, oldest first."""

    _tasks: list[Task] = field(factory=list)

    def __iter__(self) -> Iterator[Task]:
        return iter(list(self._tasks))

    def add(self, context_id: str, path: str, kind: Kind) -> Task:
        """Makes a task; what is over of the same context and path gives way, so that nobody takes it for this one."""
        task = Task(context_id, path, kind)
        kept = [each for each in self._tasks if not (each.over and _same(each, task))]
        over = [each for each in kept if each.over]
        forgotten = set(map(id, over[: max(0, len(over) - MOST_FINISHED)]))
        self._tasks = [each for each in kept if id(each) not in forgotten] + [task]
        return task

    def report(self, context_id: str = "", path: str = "", kind: str = "") -> str:
        """The tasks as JSON text within JSON text; empty filters let everything through."""
        told = [each.told() for each in self._tasks if _fits(each, context_id, path, kind)]
        if not told:
            return "[]"
        return json.dumps([{"type": "data", "data": json.dumps(told, ensure_ascii=False)}], ensure_ascii=False)


def _same(one: Task, other: Task) -> bool:
    return (one.context_id, one.path) == (other.context_id, other.path)


def _fits(task: Task, context_id: str, path: str, kind: str) -> bool:
    return context_id in {"", task.context_id} and path in {"", task.path} and kind in {"", task.kind}
