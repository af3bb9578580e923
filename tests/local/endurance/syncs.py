"""Sessions with contexts, and their syncs, by the protocol alone."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from tests.local.service.api import Api


async def bound(api: Api, context: str, path: str, **params: str) -> str:
    """Opens a session that has a context at a path, and gives its id once the files are there."""
    entry = {"ContextId": context, "Path": path}
    session = str((await api.create(PersistenceDataList=json.dumps([entry]), **params))["SessionId"])
    await finished(api, session, context)
    return session


async def synced(api: Api, session: str, context: str) -> list[dict[str, Any]]:
    """Has the files of a session brought to its context, and gives the tasks once they are over."""
    answer = await api.call("SyncContext", SessionId=session, ContextId=context, Mode="upload")
    assert answer.verdict == (200, "ok"), answer.body
    return await finished(api, session, context, TaskType="upload")


async def finished(api: Api, session: str, context: str, **params: str) -> list[dict[str, Any]]:
    """Waits until no file of a context is being carried, for at most 30 seconds."""
    tasks: list[dict[str, Any]] = []
    for _ in range(1500):
        answer = await api.call("GetContextInfo", SessionId=session, ContextId=context, **params)
        text = answer.data["ContextStatus"]
        tasks = [task for each in json.loads(text) for task in json.loads(each["data"])]
        if all(task["status"] in {"Success", "Failed"} for task in tasks):
            return tasks
        await asyncio.sleep(0.02)
    raise TimeoutError(tasks)
