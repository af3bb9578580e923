"""Contexts beyond their actions: what is refused, pages, clearing, binding, and every wait for files."""

from __future__ import annotations

import json
import logging
import math
from collections.abc import Callable
from typing import Any

import pytest

from agentbay import (
    AgentBayError,
    APIError,
    APIResponseError,
    APITimeoutError,
    AppManagerRule,
    AsyncAgentBay,
    AsyncSession,
    BetaContextMount,
    BrowserContext,
    ClearanceTimeoutError,
    ClearContextResult,
    ContextListParams,
    ContextSync,
    CreateSessionParams,
    ExtraConfigs,
    MobileExtraConfig,
    NotFoundError,
    SessionError,
)
from agentbay._async import context_manager
from agentbay._async.context_manager import patience
from agentbay._deadline import Deadline
from agentbay._pairs import async_sleep
from tests.channel import workers
from tests.gateway import GONE, REQUEST_ID, SESSION_ID, Answer, Gateway, Received, no, ok, raw, refusal

Make = Callable[..., AsyncAgentBay]

ID = "SdkCtx-04bdvpz4zzyyexmpl"


def tasks(*items: tuple[str, str], kind: str = "download", path: str = "/p") -> Answer:
    """What GetContextInfo tells: context and status of each task."""
    inner = [{"contextId": name, "status": status, "taskType": kind, "path": path} for name, status in items]
    return ok({"ContextStatus": json.dumps([{"type": "data", "data": json.dumps(inner)}])})


def state(name: str | None) -> Answer:
    return ok({"Id": ID, "Name": "n"} | ({} if name is None else {"State": name}))


# --- Finding ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({}, "Either name or context_id must be given"),
        ({"name": ""}, "Either name or context_id must be given"),
        ({"context_id": ID, "create": True}, "context_id and create=True cannot be given together"),
    ],
)
async def test_a_lookup_that_makes_no_sense_is_not_sent(
    client: AsyncAgentBay, gateway: Gateway, arguments: dict[str, Any], text: str
) -> None:
    result = await client.context.get(**arguments)

    assert (result.success, result.error_message, gateway.names) == (False, text, [])


async def test_an_unknown_context_is_a_failure(client: AsyncAgentBay, gateway: Gateway) -> None:
    gateway.on("GetContext", refusal("Context.NotFound", "no such thing"))

    result = await client.context.get("x")

    assert (result.success, result.context, type(result.error)) == (False, None, NotFoundError)


@pytest.mark.parametrize("data", [None, {}, {"Name": "x"}])
async def test_an_answer_without_a_context_is_a_failure(client: AsyncAgentBay, gateway: Gateway, data: Any) -> None:
    gateway.on("GetContext", ok(data))

    result = await client.context.get("x")

    assert (result.success, type(result.error), result.request_id) == (False, APIError, REQUEST_ID)


async def test_a_context_without_a_name_has_the_one_it_was_asked_for(client: AsyncAgentBay, gateway: Gateway) -> None:
    gateway.on("GetContext", ok({"Id": ID}))

    context = (await client.context.get("mine")).unwrap().context

    assert context is not None
    assert (context.name, context.created_at, context.state) == ("mine", None, "")


async def test_a_context_is_renamed_by_setting_its_name(client: AsyncAgentBay, gateway: Gateway) -> None:
    gateway.on("GetContext", ok({"Id": ID, "Name": "old"}))
    gateway.on("ModifyContext", ok())
    context = (await client.context.get("old")).unwrap().context
    assert context is not None

    context.name = "new"
    result = await client.context.update(context)

    assert (result.success, gateway.last("ModifyContext").form["Name"]) == (True, "new")


async def test_refusals_of_changes_are_results(client: AsyncAgentBay, gateway: Gateway) -> None:
    gateway.on("DeleteContext", no("Context.InUse", "busy"))

    result = await client.context.delete(context_of())

    assert (result.success, result.data, result.error_message) == (False, False, "[Context.InUse] busy")


def context_of() -> Any:
    from agentbay import Context

    return Context(ID, "n")


@pytest.mark.parametrize("data", [None, {}, {"Url": ""}])
async def test_an_answer_without_a_url_is_a_failure(client: AsyncAgentBay, gateway: Gateway, data: Any) -> None:
    gateway.on("GetContextFileUploadUrl", ok(data))
    gateway.on("GetContextFileDownloadUrl", no("X", "y"))

    up = await client.context.get_file_upload_url(ID, "/x")
    down = await client.context.get_file_download_url(ID, "/x")

    assert (up.success, up.error_message) == (False, "The service gave no URL")
    assert (down.success, down.error_message) == (False, "[X] y")


async def test_a_presigned_url_is_not_shown(client: AsyncAgentBay, gateway: Gateway) -> None:
    gateway.on("GetContextFileUploadUrl", ok({"Url": "https://x/y?Signature=secret"}))

    assert "secret" not in repr(await client.context.get_file_upload_url(ID, "/x"))


@pytest.mark.parametrize("data", [[1], {"Id": 1}, "x", [{"Id": {"a": 1}}, 2]])
async def test_answers_of_another_form_raise_our_error(client: AsyncAgentBay, gateway: Gateway, data: Any) -> None:
    gateway.on("ListContexts", ok(data))

    with pytest.raises(APIResponseError):
        await client.context.list()


# --- Pages ------------------------------------------------------------------------------------------------------------


def pages(name: str) -> Callable[[Received], Answer]:
    """Three pages, the last without a token."""

    def answer(request: Received) -> Answer:
        token = {**request.form, **request.query}.get("NextToken", "0")
        further = {"0": "1", "1": "2"}.get(token, "")
        return ok([{name: token}], NextToken=further)

    return answer


async def test_all_contexts_are_iterated_over_page_by_page(client: AsyncAgentBay, gateway: Gateway) -> None:
    gateway.on("ListContexts", pages("Id"))

    found = [context.id async for context in client.context.list_all(ContextListParams(max_results=1))]

    assert found == ["0", "1", "2"]
    assert [request.form.get("NextToken") for request in gateway.requests] == [None, "1", "2"]


async def test_all_files_are_iterated_over_page_by_page(client: AsyncAgentBay, gateway: Gateway) -> None:
    gateway.on("DescribeContextFiles", pages("FileName"))

    found = [entry.file_name async for entry in client.context.list_all_files(ID, "/", 7)]

    assert found == ["0", "1", "2"]
    assert [request.query["MaxResults"] for request in gateway.requests] == ["7"] * 3


async def test_an_iteration_that_is_refused_raises(client: AsyncAgentBay, gateway: Gateway) -> None:
    gateway.on("ListContexts", no("X", "y"))
    gateway.on("DescribeContextFiles", no("X", "y"))

    with pytest.raises(APIError):
        [context async for context in client.context.list_all()]
    with pytest.raises(APIError):
        [entry async for entry in client.context.list_all_files(ID, "/")]


# --- Clearing ---------------------------------------------------------------------------------------------------------


async def test_clearing_waits_until_the_context_is_available(client: AsyncAgentBay, gateway: Gateway) -> None:
    gateway.on("ClearContext", ok())
    gateway.on("GetContext", *map(state, ("clearing", None, "in-use", "pre-available", "available")))

    result = await client.context.clear(ID)

    facts = {"request_id": REQUEST_ID, "code": "ok", "http_status_code": 200}
    assert result == ClearContextResult(success=True, status="available", context_id=ID, **facts)
    assert gateway.names == ["ClearContext", *["GetContext"] * 5]


async def test_clearing_that_never_ends_raises(client: AsyncAgentBay, gateway: Gateway) -> None:
    gateway.on("ClearContext", ok())
    gateway.on("GetContext", state("in-use"))

    with pytest.raises(ClearanceTimeoutError) as caught:
        await client.context.clear(ID, timeout=0)
    assert caught.value.message == "The context was not cleared within 0 s; its state is in-use"
    assert caught.value.request_id == REQUEST_ID


async def test_a_refusal_ends_clearing(client: AsyncAgentBay, gateway: Gateway) -> None:
    gateway.on("ClearContext", no("X", "y"), ok())
    gateway.on("GetContext", state("clearing"), no("Z", "w"))

    first = await client.context.clear(ID)
    second = await client.context.clear_async(ID)
    third = await client.context.clear(ID)

    assert [first.error_message, second.status, third.error_message] == ["[X] y", "clearing", "[Z] w"]
    assert (first.status, third.status, third.context_id) == (None, None, ID)


# --- Syncing ----------------------------------------------------------------------------------------------------------


async def test_a_sync_waits_until_nothing_is_under_way(session: AsyncSession, gateway: Gateway) -> None:
    gateway.on("SyncContext", ok())
    gateway.on("GetContextInfo", tasks(("c", "Running")), no("X", "y"), raw("no json"), tasks(("c", "Success")))

    assert (await session.context.sync("c", "/p")).success
    assert gateway.names == ["SyncContext", *["GetContextInfo"] * 4]
    assert gateway.requests[1].form.keys() == {"Authorization", "SessionId", "ContextId", "Path"}


@pytest.mark.parametrize("answer", [tasks(), tasks(("c", "Running"), kind="other"), ok(), ok({"ContextStatus": "x"})])
async def test_without_tasks_a_sync_is_over_at_once(session: AsyncSession, gateway: Gateway, answer: Answer) -> None:
    gateway.on("SyncContext", ok())
    gateway.on("GetContextInfo", answer)

    assert (await session.context.sync()).success
    assert len(gateway.requests) == 2


async def test_a_sync_can_be_left_alone(session: AsyncSession, gateway: Gateway) -> None:
    gateway.on("SyncContext", ok())

    assert (await session.context.sync(wait=False)).success
    assert gateway.names == ["SyncContext"]


async def test_a_refused_sync_is_not_waited_for(session: AsyncSession, gateway: Gateway) -> None:
    gateway.on("SyncContext", GONE)

    result = await session.context.sync()

    assert (type(result.error), gateway.names) == (NotFoundError, ["SyncContext"])


async def test_a_sync_of_which_a_part_failed_has_failed(session: AsyncSession, gateway: Gateway) -> None:
    gateway.on("SyncContext", ok())
    gateway.on("GetContextInfo", tasks(("c", "Success"), ("c", "Failed")))

    result = await session.context.sync()

    assert (result.success, type(result.error), result.request_id) == (False, APIError, REQUEST_ID)
    assert result.error_message == "The files of /p were not carried: no reason was given"


async def test_a_sync_that_never_ends_is_given_up(session: AsyncSession, gateway: Gateway) -> None:
    gateway.on("SyncContext", ok())
    gateway.on("GetContextInfo", tasks(("c", "Pending")))

    result = await session.context.sync(max_retries=2, retry_interval=10)

    assert (result.success, type(result.error)) == (False, APITimeoutError)
    assert result.error_message == "The files were not carried in time"


def test_tries_and_their_first_delay_make_a_time() -> None:
    assert [patience(0, 500), patience(1, 500), patience(2, 500), patience(3, 7000)] == [0, 0.5, 1.05, 21]
    assert math.isclose(patience(150, 500), 675, abs_tol=3)


async def test_a_refused_look_is_a_result(session: AsyncSession, gateway: Gateway) -> None:
    gateway.on("GetContextInfo", GONE)

    result = await session.context.info()

    assert (result.success, result.context_status_data, type(result.error)) == (False, [], NotFoundError)


# --- Binding ----------------------------------------------------------------------------------------------------------


def bound(*names: str) -> Answer:
    return ok([{"ContextId": name} for name in names])


async def test_binding_waits_until_the_files_are_there(session: AsyncSession, gateway: Gateway) -> None:
    gateway.on("BindContexts", ok())
    gateway.on("DescribeSessionContexts", ok(), bound("a"), raw("no json"), bound("a", "b"))
    gateway.on("GetContextInfo", tasks(("a", "Running")), tasks(("a", "Success")), tasks(("b", "Success")))

    result = await session.context.bind(ContextSync("a", "/a"), ContextSync("b", "/b"), BetaContextMount("c", "/c"))

    assert result.success
    assert gateway.names == ["BindContexts", *["DescribeSessionContexts"] * 4, *["GetContextInfo"] * 3]
    assert [request.form["Path"] for request in gateway.of("GetContextInfo")] == ["/a", "/a", "/b"]


async def test_nothing_is_waited_for_after_mounts(session: AsyncSession, gateway: Gateway) -> None:
    gateway.on("BindContexts", ok())

    assert (await session.context.bind(BetaContextMount("c", "/c"))).success
    assert gateway.names == ["BindContexts"]


async def test_the_waits_do_not_change_the_result_of_binding(
    session: AsyncSession, gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(context_manager, "BIND_TIMEOUT", 0.01)
    monkeypatch.setattr(context_manager, "BIND_QUIET", 0.01)
    monkeypatch.setattr(context_manager, "SYNC_TIMEOUT", 0.05)
    gateway.on("BindContexts", ok())
    gateway.on("DescribeSessionContexts", bound())
    for answer in (tasks(), tasks(("a", "Failed")), tasks(("a", "Running"))):
        gateway.on("GetContextInfo", answer)
        assert (await session.context.bind(ContextSync("a", "/a"))).success


async def test_what_cannot_be_bound_is_not_sent(session: AsyncSession, gateway: Gateway) -> None:
    result = await session.context.bind()
    with pytest.raises(TypeError, match="must be a ContextSync or a BetaContextMount, not str"):
        await session.context.bind("x")  # type: ignore[arg-type]

    assert (result.success, type(result.error), gateway.names) == (False, AgentBayError, [])


async def test_a_path_that_is_taken_is_told(session: AsyncSession, gateway: Gateway) -> None:
    gateway.on("BindContexts", no("PathAlreadyBound", "Path /a is already bound"))

    result = await session.context.bind(ContextSync("a", "/a"))

    assert (result.success, result.code) == (False, "PathAlreadyBound")


# --- Waiting after creation -------------------------------------------------------------------------------------------


async def create(client: AsyncAgentBay, gateway: Gateway, *looks: Any, **params: Any) -> AsyncSession:
    gateway.on("CreateMcpSession", ok(gateway.session_data()))
    gateway.on("GetContextInfo", *looks)
    return (await client.create(CreateSessionParams(**params))).unwrap().session


async def test_creation_waits_for_the_files_of_all_contexts(client: AsyncAgentBay, gateway: Gateway) -> None:
    looks = [
        raw("no json"),
        GONE,
        tasks(("other", "Success")),
        tasks(("a", "Success"), ("b", "Running")),
        tasks(("b", "Success"), ("a", "Running"), ("a", "Success"), ("b", "Failed")),
    ]

    session = await create(
        client, gateway, *looks, context_syncs=[ContextSync("a", "/a")], browser_context=BrowserContext("b")
    )

    assert session.session_id == SESSION_ID
    assert gateway.names == ["CreateMcpSession", *["GetContextInfo"] * 5]
    assert gateway.requests[1].form.keys() == {"Authorization", "SessionId"}


async def test_creation_does_not_wait_for_what_it_need_not(client: AsyncAgentBay, gateway: Gateway) -> None:
    syncs = [ContextSync("a", "/a", beta_wait_for_completion=False)]

    await create(client, gateway, GONE, context_syncs=syncs, beta_context_mounts=[BetaContextMount("m", "/m")])

    assert gateway.names == ["CreateMcpSession"]


async def test_files_that_never_arrive_do_not_spoil_a_session(
    client: AsyncAgentBay, gateway: Gateway, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(context_manager, "CREATE_TIMEOUT", 0.05)

    with caplog.at_level(logging.WARNING, "agentbay"):
        session = await create(client, gateway, tasks(), context_syncs=[ContextSync("a", "/a")])

    assert session.session_id == SESSION_ID
    assert [record.message for record in caplog.records if record.name == "agentbay"] == [
        f"the files of some contexts are not in session {SESSION_ID} yet"
    ]


async def test_files_that_could_not_be_loaded_are_logged(
    client: AsyncAgentBay, gateway: Gateway, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING, "agentbay"):
        await create(client, gateway, tasks(("a", "Failed")), context_syncs=[ContextSync("a", "/a")])

    assert "context a could not be loaded at /p" in caplog.messages


async def test_a_client_that_is_closed_ends_the_wait(client: AsyncAgentBay, gateway: Gateway) -> None:
    session = AsyncSession(client, SESSION_ID)
    await client.aclose()

    with pytest.raises(SessionError):
        await session.context._await_created({ID})
    assert gateway.names == []


async def test_settings_that_are_refused_are_not_sent(client: AsyncAgentBay, gateway: Gateway) -> None:
    extra = ExtraConfigs(MobileExtraConfig(app_manager_rule=AppManagerRule("Grey")))

    with pytest.raises(ValueError, match="rule_type must be 'White' or 'Black', not 'Grey'"):
        await client.create(CreateSessionParams(extra_configs=extra))
    with pytest.raises(TypeError, match="a list of ContextSync or None, but item 0 is a str"):
        await client.create(CreateSessionParams(context_syncs=["x"]))  # type: ignore[list-item]
    assert gateway.names == []


# --- Waiting beside the program ---------------------------------------------------------------------------------------


async def told(calls: list[bool]) -> bool:
    """Waits until the function was called, and gives what it was told."""
    deadline = Deadline.after(5)
    while not calls and not deadline.passed:
        await async_sleep(0.005)
    return calls[0]


@pytest.mark.parametrize(("status", "outcome"), [("Success", True), ("Failed", False)])
async def test_a_function_is_told_how_a_sync_ended(
    session: AsyncSession, gateway: Gateway, status: str, outcome: bool
) -> None:
    gateway.on("SyncContext", ok())
    gateway.on("GetContextInfo", tasks((ID, "Running"), kind="upload"), tasks((ID, status), kind="upload"))
    calls: list[bool] = []

    begun = await session.context.sync(ID, "/p", callback=calls.append)

    assert begun.success
    assert await told(calls) is outcome
    assert workers() == 0


async def test_a_sync_that_is_refused_calls_no_function(session: AsyncSession, gateway: Gateway) -> None:
    gateway.on("SyncContext", no("Busy", "later"))
    calls: list[bool] = []

    result = await session.context.sync(callback=calls.append)

    assert (result.success, calls, workers()) == (False, [], 0)


async def test_a_deleted_session_leaves_nobody_waiting(session: AsyncSession, gateway: Gateway) -> None:
    gateway.on("SyncContext", ok())
    gateway.on("GetContextInfo", tasks((ID, "Running"), kind="upload"))
    gateway.on("DeleteSessionAsync", ok())
    gateway.on("GetSessionDetail", GONE)
    calls: list[bool] = []
    await session.context.sync(callback=calls.append)
    await async_sleep(0.03)

    await session.delete()

    assert (calls, workers()) == ([False], 0)


async def test_a_closed_client_leaves_nobody_waiting(
    client: AsyncAgentBay, session: AsyncSession, gateway: Gateway
) -> None:
    gateway.on("SyncContext", ok())
    gateway.on("GetContextInfo", tasks((ID, "Running"), kind="upload"))
    calls: list[bool] = []
    await session.context.sync(callback=calls.append)
    await async_sleep(0.03)

    await client.aclose()

    assert (calls, workers()) == ([False], 0)
