"""The contexts of a session, by their actions."""

from __future__ import annotations

import asyncio
import io
import json
import re
import time
import uuid
from typing import Any

import pytest

from agentbay.types.context import ContextStatusData, read_context_status
from tests.local.conftest import Served, serve
from tests.local.service.api import Answer, Api

NOT_FOUND = (400, "Context.NotFound")
OK = (200, "ok")
PLACE = "/tmp/data"


async def made(api: Api) -> str:
    answer = await api.call("GetContext", Name=f"test {uuid.uuid4()}", AllowCreate="True")
    return str(answer.data["Id"])


def entry(context: str, path: str = PLACE, **policy: Any) -> dict[str, Any]:
    return {"ContextId": context, "Path": path} | ({"Policy": json.dumps(policy)} if policy else {})


def listed(*entries: dict[str, Any]) -> dict[str, str]:
    return {"PersistenceDataList": json.dumps(entries)}


async def tasks(api: Api, session: str, **filters: str) -> list[ContextStatusData]:
    answer = await api.call("GetContextInfo", SessionId=session, **filters)
    return read_context_status(answer.data["ContextStatus"])


async def settled(api: Api, session: str, **filters: str) -> list[ContextStatusData]:
    for _ in range(1000):
        found = await tasks(api, session, **filters)
        if all(task.ended for task in found):
            return found
        await asyncio.sleep(0.02)
    pytest.fail("the tasks never ended")


async def synced(api: Api, session: str, **params: str) -> list[ContextStatusData]:
    answer = await api.call("SyncContext", SessionId=session, **params)
    assert answer.verdict == OK, answer.body
    return await settled(api, session, **{name: params[name] for name in ("ContextId", "Path") if name in params})


async def files(api: Api, context: str, path: str = PLACE) -> list[str]:
    answer = await api.call("DescribeContextFiles", ContextId=context, ParentFolderPath=path)
    return [item["FileName"] for item in answer.data]


async def put(api: Api, context: str, path: str, data: bytes) -> None:
    answer = await api.call("GetContextFileUploadUrl", ContextId=context, FilePath=path)
    async with api.http.put(answer.data["Url"], data=io.BytesIO(data)) as response:
        assert response.status == 200, await response.text()


async def get(api: Api, context: str, path: str) -> bytes:
    answer = await api.call("GetContextFileDownloadUrl", ContextId=context, FilePath=path)
    async with api.http.get(answer.data["Url"]) as response:
        return await response.read()


async def deleted(api: Api, session: str) -> None:
    assert (await api.call("DeleteSessionAsync", SessionId=session)).verdict == OK
    assert await api.becomes(session, "FINISH")


# --- Create -----------------------------------------------------------------------------------------------------------


async def test_a_new_session_has_a_task_for_each_context(api: Api) -> None:
    first, second = await made(api), await made(api)
    await put(api, first, f"{PLACE}/a", b"hello")
    off = entry(second, "/tmp/other/", downloadPolicy={"autoDownload": False})
    session = (await api.create(**listed(entry(first), off)))["SessionId"]
    found = {(task.context_id, task.path): task.status for task in await tasks(api, session)}
    assert {(first, PLACE), (second, "/tmp/other/")} == set(found)
    await settled(api, session)
    assert (await api.shell(session, f"cat {PLACE}/a"))["stdout"] == "hello"


async def test_files_outlive_the_session(api: Api) -> None:
    context = await made(api)
    session = (await api.create(**listed(entry(context))))["SessionId"]
    await settled(api, session)
    await api.shell(session, f"printf kept > {PLACE}/a")
    await deleted(api, session)
    assert await get(api, context, f"{PLACE}/a") == b"kept"
    again = (await api.create(**listed(entry(context))))["SessionId"]
    await settled(api, again)
    assert (await api.shell(again, f"cat {PLACE}/a"))["stdout"] == "kept"


@pytest.mark.parametrize("end", ["ReleaseMcpSession", "DeleteSessionAsync"])
async def test_every_way_to_end_a_session_uploads(api: Api, end: str) -> None:
    context = await made(api)
    session = (await api.create(**listed(entry(context))))["SessionId"]
    await settled(api, session)
    await api.shell(session, f"touch {PLACE}/a")
    assert (await api.call(end, SessionId=session)).verdict == OK
    assert await api.becomes(session, "FINISH")
    assert await files(api, context) == ["a"]


async def test_a_session_that_ends_by_itself_uploads(api: Api) -> None:
    context = await made(api)
    session = (await api.create(Timeout="1", **listed(entry(context))))["SessionId"]
    await api.shell(session, f"mkdir -p {PLACE}; touch {PLACE}/a")
    assert await api.becomes(session, "FINISH")
    assert await files(api, context) == ["a"]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ('{"a": 1}', "PersistenceDataList"),
        ('[{"Path": "/tmp/a"}]', "PersistenceDataList[0].ContextId: is missing"),
        ('[{"ContextId": "c", "Path": "a"}]', "PersistenceDataList[0].Path: must be an absolute path"),
        ('[{"ContextId": "c", "Path": "/a", "Policy": "{"}]', "PersistenceDataList[0].Policy: must be JSON"),
        ('[{"ContextId": "c", "Path": "/a", "Type": "x"}]', "PersistenceDataList[0].Type: must be one of sync, mount"),
    ],
)
async def test_an_entry_that_cannot_be_met_is_refused(api: Api, session: str, given: str, said: str) -> None:
    for answer in (
        await api.call("CreateMcpSession", PersistenceDataList=given),
        await api.call("BindContexts", SessionId=session, PersistenceDataList=given),
    ):
        assert (answer.verdict, said in answer.body["Message"]) == ((400, "InvalidParameter"), True), answer.body


async def test_a_context_of_another_key_is_unknown(api: Api, stranger: Api, session: str) -> None:
    theirs = await made(stranger)
    for answer in (
        await api.call("CreateMcpSession", **listed(entry(theirs))),
        await api.call("BindContexts", SessionId=session, **listed(entry(theirs))),
        await api.call("SyncContext", SessionId=session, ContextId=theirs, Path=PLACE),
    ):
        assert answer.verdict == NOT_FOUND
    assert await tasks(api, session, ContextId=theirs) == []


async def test_a_create_that_fails_leaves_no_session(runtime_alone: Api) -> None:
    context = await made(runtime_alone)
    twice = listed(entry(context), entry(context))
    assert (await runtime_alone.call("CreateMcpSession", **twice)).verdict == (200, "PathAlreadyBound")
    assert (await runtime_alone.call("ListSession")).data == []
    state = await runtime_alone.call("GetContext", ContextId=context, AllowCreate="False")
    assert state.data["State"] == "available"


# --- Bind -------------------------------------------------------------------------------------------------------------


async def test_a_context_is_bound_to_a_running_session(api: Api, session: str) -> None:
    context = await made(api)
    await put(api, context, f"{PLACE}/a", b"hello")
    bound = entry(context, PLACE, deletePolicy={"syncLocalFile": False})
    answer = await api.call("BindContexts", SessionId=session, **listed(bound))
    assert (answer.verdict, answer.body["Success"], "Data" in answer.body) == (OK, True, False)
    [found] = (await api.call("DescribeSessionContexts", SessionId=session)).data
    moment = found.pop("BindTime")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", moment)
    name = (await api.call("GetContext", ContextId=context, AllowCreate="False")).data["Name"]
    assert found == {"ContextId": context, "ContextName": name, "Path": PLACE, "Policy": bound["Policy"]}
    [task] = await settled(api, session, ContextId=context, Path=PLACE)
    assert (task.task_type, task.status) == ("download", "Success")
    assert (await api.shell(session, f"cat {PLACE}/a"))["stdout"] == "hello"
    shown = await api.call("ListContexts", SessionId=session)
    assert [item["Id"] for item in shown.data] == [context]
    assert (await api.call("GetSession", SessionId=session)).data["contexts"] == [{"id": context, "name": name}]


async def test_a_path_is_bound_once(api: Api, session: str) -> None:
    context = await made(api)
    await api.call("BindContexts", SessionId=session, **listed(entry(context)))
    answer = await api.call("BindContexts", SessionId=session, **listed(entry(context, f"{PLACE}/")))
    assert answer.verdict == (200, "PathAlreadyBound")
    assert (answer.body["Success"], answer.body["Message"]) == (False, f"Path {PLACE} is already bound.")


async def test_nothing_to_bind_is_refused(api: Api, session: str) -> None:
    answer = await api.call("BindContexts", SessionId=session, PersistenceDataList="[]")
    assert answer.verdict == (400, "MissingParameter")


async def test_a_session_without_contexts_has_none(api: Api, session: str) -> None:
    assert (await api.call("DescribeSessionContexts", SessionId=session)).data == []
    assert (await api.call("SyncContext", SessionId=session)).verdict == OK
    assert (await api.call("GetContextInfo", SessionId=session)).data == {"ContextStatus": "[]"}


async def test_a_paused_session_tells_its_contexts_and_carries_nothing(api: Api) -> None:
    context = await made(api)
    session = (await api.create(**listed(entry(context))))["SessionId"]
    await settled(api, session)
    await api.shell(session, f"touch {PLACE}/a")
    await api.call("PauseSessionAsync", SessionId=session)
    refused = await api.call("SyncContext", SessionId=session)
    assert refused.verdict == (400, "InvalidMcpSession.Paused")
    assert len((await api.call("DescribeSessionContexts", SessionId=session)).data) == 1
    assert len(await tasks(api, session)) == 1


# --- Sync -------------------------------------------------------------------------------------------------------------


async def test_a_sync_is_seen_before_it_is_answered(api: Api) -> None:
    context = await made(api)
    session = (await api.create(**listed(entry(context))))["SessionId"]
    await settled(api, session)
    await api.shell(session, f"printf hello > {PLACE}/a")
    before = time.time()
    [task] = await synced(api, session, ContextId=context, Path=PLACE)
    assert (task.task_type, task.status, task.error_message) == ("upload", "Success", "")
    assert before - 2 <= task.start_time <= task.finish_time <= time.time() + 1
    assert await get(api, context, f"{PLACE}/a") == b"hello"


async def test_a_sync_without_a_context_carries_all(api: Api) -> None:
    contexts = [await made(api), await made(api)]
    session = (await api.create(**listed(*(entry(each, f"/tmp/{n}") for n, each in enumerate(contexts)))))["SessionId"]
    await settled(api, session)
    await api.shell(session, "touch /tmp/0/a /tmp/1/b")
    assert [task.task_type for task in await synced(api, session)] == ["upload", "upload"]
    assert [await files(api, each, f"/tmp/{n}") for n, each in enumerate(contexts)] == [["a"], ["b"]]


async def test_a_sync_down_brings_what_came_into_the_context(api: Api) -> None:
    context = await made(api)
    session = (await api.create(**listed(entry(context))))["SessionId"]
    await settled(api, session)
    await put(api, context, f"{PLACE}/new", b"new")
    [task] = await synced(api, session, ContextId=context, Path=PLACE, Mode="download")
    assert (task.task_type, task.status) == ("download", "Success")
    assert (await api.shell(session, f"cat {PLACE}/new"))["stdout"] == "new"
    assert await tasks(api, session, TaskType="upload") == []


async def test_a_sync_that_fails_says_why(api: Api) -> None:
    context = await made(api)
    session = (await api.create(**listed(entry(context))))["SessionId"]
    [task] = await synced(api, session, ContextId=context, Path=f"{PLACE}/no")
    assert (task.status, task.error_message) == ("Failed", f"{PLACE}/no: No such file or directory")


@pytest.mark.parametrize(("name", "value"), [("Mode", "both"), ("Path", "/elsewhere"), ("Path", "relative")])
async def test_a_sync_that_cannot_be_is_refused(api: Api, session: str, name: str, value: str) -> None:
    answer = await api.call("SyncContext", SessionId=session, **{name: value})
    assert (answer.verdict, name in answer.body["Message"]) == ((400, "InvalidParameter"), True)


async def test_an_unknown_task_type_is_refused(api: Api, session: str) -> None:
    answer = await api.call("GetContextInfo", SessionId=session, TaskType="both")
    assert (answer.verdict, "TaskType" in answer.body["Message"]) == ((400, "InvalidParameter"), True)


# --- The hidden context -----------------------------------------------------------------------------------------------


async def transfer(api: Api, session: str) -> Answer:
    return await api.call("GetAndLoadInternalContext", SessionId=session, **{"ContextTypes.1": "file_transfer"})


async def test_a_file_goes_into_a_session_and_out_again(api: Api, session: str) -> None:
    [found] = (await transfer(api, session)).data
    context, path = found["ContextId"], found["ContextPath"] + "a.txt"
    assert (found["ContextPath"], found["ContextType"]) == ("/tmp/file-transfer/", "file_transfer")
    await put(api, context, path, b"in")
    [task] = await synced(api, session, ContextId=context, Path=path, Mode="download")
    assert (task.path, task.task_type, task.status) == (path, "download", "Success")
    assert (await api.shell(session, f"cat {path}; printf out > {path}"))["stdout"] == "in"
    [task] = await synced(api, session, ContextId=context, Path=path, Mode="upload")
    assert (task.path, task.task_type, task.status) == (path, "upload", "Success")
    assert await get(api, context, path) == b"out"


async def test_an_archive_goes_through_as_it_is(api: Api, session: str) -> None:
    [found] = (await transfer(api, session)).data
    await put(api, found["ContextId"], "/tmp/file-transfer/a.zip", b"PK")
    await synced(api, session, ContextId=found["ContextId"], Path="/tmp/file-transfer/a.zip", Mode="download")
    assert (await api.shell(session, "cat /tmp/file-transfer/a.zip"))["stdout"] == "PK"


async def test_the_hidden_context_is_one_for_each_session_and_shown_nowhere(api: Api, session: str) -> None:
    first, second = (await transfer(api, session)).data, (await transfer(api, session)).data
    assert first == second
    assert (await api.call("DescribeSessionContexts", SessionId=session)).data == []
    assert (await api.call("GetContext", ContextId=first[0]["ContextId"])).verdict == NOT_FOUND
    other = (await api.create())["SessionId"]
    assert (await transfer(api, other)).data != first
    taken = await api.call("SyncContext", SessionId=other, ContextId=first[0]["ContextId"], Path="/tmp/file-transfer/a")
    assert taken.verdict == NOT_FOUND


async def test_the_hidden_context_goes_with_its_session(api: Api) -> None:
    session = (await api.create())["SessionId"]
    [found] = (await transfer(api, session)).data
    await deleted(api, session)
    answer = await api.call("DescribeContextFiles", ContextId=found["ContextId"], ParentFolderPath="/")
    assert answer.verdict == NOT_FOUND


@pytest.mark.parametrize(
    ("types", "code"), [({}, "MissingParameter"), ({"ContextTypes.1": "other"}, "InvalidParameter")]
)
async def test_other_hidden_contexts_are_refused(api: Api, session: str, types: dict[str, str], code: str) -> None:
    answer = await api.call("GetAndLoadInternalContext", SessionId=session, **types)
    assert answer.verdict == (400, code)


# --- The end of the server --------------------------------------------------------------------------------------------


async def test_a_server_that_is_stopped_uploads_first(tmp_path: Any) -> None:
    served = serve("--data", str(tmp_path / "data"), "--warm", "0")
    context = await _with_a_file(served)
    assert await asyncio.to_thread(served.stop) == 0
    again = serve("--data", str(tmp_path / "data"), "--warm", "0")
    try:
        async with Api(again.endpoint, again.key) as api:
            assert await get(api, context, f"{PLACE}/a") == b"kept"
    finally:
        await asyncio.to_thread(again.stop)


async def _with_a_file(served: Served) -> str:
    """A running session of which a context does not have the file yet."""
    api = Api(served.endpoint, served.key)
    context = await made(api)
    answer = await api.call("CreateMcpSession", **listed(entry(context)))
    session = answer.data["SessionId"]
    await settled(api, session)
    await api.shell(session, f"printf kept > {PLACE}/a")
    await api.http.close()
    return context
