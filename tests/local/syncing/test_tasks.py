"""The list of tasks that clients look at."""

from __future__ import annotations

import json
from typing import Any

from agentbay.types.context import ContextStatusData, read_context_status
from agentbay_local.syncing.tasks import MOST_FINISHED, Kind, Status, Task, Tasks


def told(text: str) -> list[tuple[str, str, str]]:
    return [(each.context_id, each.path, each.status) for each in read_context_status(text)]


def test_a_task_is_told_in_the_words_of_the_service() -> None:
    tasks = Tasks()
    task = tasks.add("c", "/tmp/ä", Kind.DOWN)
    task.end("no space")
    [group] = json.loads(tasks.report())
    [found] = json.loads(group["data"])
    expected: dict[str, Any] = {
        "contextId": "c",
        "path": "/tmp/ä",
        "errorMessage": "no space",
        "status": "Failed",
        "startTime": int(task.started),
        "finishTime": int(task.finished),
        "taskType": "download",
    }
    assert ("data", expected) == (group["type"], found)
    assert [ContextStatusData.from_dict(expected)] == read_context_status(tasks.report())


def test_no_task_is_an_empty_list() -> None:
    assert "[]" == Tasks().report()


def test_filters_narrow_the_list() -> None:
    tasks = Tasks()
    for context, path, kind in (("c", "/a", Kind.UP), ("c", "/b", Kind.DOWN), ("d", "/a", Kind.UP)):
        tasks.add(context, path, kind)
    assert [("c", "/a", "Pending"), ("c", "/b", "Pending")] == told(tasks.report("c"))
    assert [("c", "/b", "Pending")] == told(tasks.report(kind="download"))
    assert [("d", "/a", "Pending")] == told(tasks.report("d", "/a", "upload"))
    assert "[]" == tasks.report("d", "/b")


def test_a_new_task_takes_the_place_of_finished_ones_of_its_path_alone() -> None:
    tasks = Tasks()
    running = tasks.add("c", "/a", Kind.DOWN)
    running.status = Status.RUNNING
    for context, path in (("c", "/a"), ("c", "/b"), ("d", "/a")):
        tasks.add(context, path, Kind.UP).end("broken")
    tasks.add("c", "/a", Kind.UP)
    expected = [
        ("c", "/a", "Running"),
        ("c", "/b", "Failed"),
        ("d", "/a", "Failed"),
        ("c", "/a", "Pending"),
    ]
    assert expected == told(tasks.report())


def test_only_so_many_finished_tasks_are_remembered() -> None:
    tasks = Tasks()
    kept: list[Task] = [tasks.add("c", "/first", Kind.UP)]
    for number in range(MOST_FINISHED + 10):
        tasks.add("c", f"/{number}", Kind.UP).end()
    found = list(tasks)
    assert kept == found[:1]
    assert MOST_FINISHED + 2 == len(found)
