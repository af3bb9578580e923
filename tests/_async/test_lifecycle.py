"""The states of a session: deleting, pausing, resuming, keeping alive, and leaving its block."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest

from agentbay import (
    APIConnectionError,
    APIError,
    APITimeoutError,
    AsyncAgentBay,
    AsyncSession,
    AuthenticationError,
    ConflictError,
    DeleteResult,
    NotFoundError,
    SessionError,
    SessionPauseResult,
    SessionResumeResult,
)
from agentbay._async import lifecycle
from agentbay._async.polling import AsyncTicks
from agentbay._deadline import Deadline
from tests.gateway import GONE, REQUEST_ID, SESSION_ID, Answer, Gateway, no, ok, raw, refusal

YES: dict[str, Any] = {"request_id": REQUEST_ID, "success": True, "code": "ok", "http_status_code": 200}

Make = Callable[..., AsyncAgentBay]


# --- Deleting ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("end", ["FINISH", "DELETED", "GONE"])
async def test_deletion_waits_until_the_session_is_gone(session: AsyncSession, gateway: Gateway, end: str) -> None:
    gateway.on("DeleteSessionAsync", ok())
    gateway.on_life("DELETING", "DELETING", end)

    result = await session.delete()

    assert result == DeleteResult(**YES)
    assert gateway.names == ["DeleteSessionAsync", *["GetSessionDetail"] * 3]


async def test_other_refusals_do_not_end_the_wait(session: AsyncSession, gateway: Gateway) -> None:
    gateway.on("DeleteSessionAsync", ok())
    gateway.on("GetSessionDetail", refusal("InternalError", status=500), no("X", "y"), ok(), GONE)

    assert (await session.delete()).success
    assert len(gateway.of("GetSessionDetail")) == 4


async def test_a_session_that_is_already_gone_cannot_be_deleted(session: AsyncSession, gateway: Gateway) -> None:
    gateway.on("DeleteSessionAsync", GONE)

    result = await session.delete()

    assert (result.success, type(result.error), gateway.names) == (False, NotFoundError, ["DeleteSessionAsync"])


async def test_a_deletion_that_never_ends_is_given_up(
    session: AsyncSession, gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lifecycle, "DELETE_TIMEOUT", 0.05)
    gateway.on("DeleteSessionAsync", ok())
    gateway.on_life("DELETING")

    result = await session.delete()

    assert (result.success, result.error_message) == (False, "The session was not deleted within 0.05 s")
    assert (type(result.error), result.request_id) == (APITimeoutError, REQUEST_ID)


def tasks(*statuses: str, kind: str = "upload") -> Any:
    inner = ",".join(
        f'{{\\"contextId\\":\\"c\\",\\"status\\":\\"{s}\\",\\"taskType\\":\\"{kind}\\"}}' for s in statuses
    )
    return ok({"ContextStatus": f'[{{"type":"data","data":"[{inner}]"}}]'})


async def test_contexts_are_carried_to_their_store_first(session: AsyncSession, gateway: Gateway) -> None:
    gateway.on("SyncContext", ok())
    gateway.on("GetContextInfo", tasks("Running", "Success"), tasks("Pending"), tasks("Success", "Failed"))
    gateway.on("DeleteSessionAsync", ok())
    gateway.on_life("GONE")

    assert (await session.delete(sync_context=True)).success
    assert gateway.names == ["SyncContext", *["GetContextInfo"] * 3, "DeleteSessionAsync", "GetSessionDetail"]


@pytest.mark.parametrize("text", [tasks("Running", kind="other"), tasks(), ok({"ContextStatus": ""}), ok(), GONE])
async def test_without_carrying_tasks_there_is_nothing_to_wait_for(
    session: AsyncSession, gateway: Gateway, text: Any
) -> None:
    gateway.on("SyncContext", ok())
    gateway.on("GetContextInfo", text)
    gateway.on("DeleteSessionAsync", ok())
    gateway.on_life("GONE")

    assert (await session.delete(sync_context=True)).success
    assert len(gateway.of("GetContextInfo")) == 1


async def test_deletion_outlives_contexts_that_cannot_be_carried(session: AsyncSession, gateway: Gateway) -> None:
    gateway.on("SyncContext", no("Busy", "not now"))
    gateway.on("DeleteSessionAsync", ok())
    gateway.on_life("GONE")

    assert (await session.delete(sync_context=True)).success
    assert gateway.names == ["SyncContext", "DeleteSessionAsync", "GetSessionDetail"]


async def test_deletion_outlives_contexts_that_never_arrive(
    session: AsyncSession, gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lifecycle, "SYNC_TIMEOUT", 0.05)
    gateway.on("SyncContext", ok())
    gateway.on("GetContextInfo", tasks("Running"))
    gateway.on("DeleteSessionAsync", ok())
    gateway.on_life("GONE")

    assert (await session.delete(sync_context=True)).success


# --- Pausing and resuming ---------------------------------------------------------------------------------------------

WAYS: dict[str, tuple[str, Callable[..., Any], str, str, Any]] = {
    "pause": ("PauseSessionAsync", AsyncSession.pause, "PAUSING", "PAUSED", SessionPauseResult),
    "resume": ("ResumeSessionAsync", AsyncSession.resume, "RESUMING", "RUNNING", SessionResumeResult),
}
each_way = pytest.mark.parametrize(("action", "call", "on_the_way", "goal", "kind"), WAYS.values(), ids=list(WAYS))


@each_way
async def test_the_wait_ends_in_the_wanted_state(
    session: AsyncSession, gateway: Gateway, action: str, call: Any, on_the_way: str, goal: str, kind: Any
) -> None:
    gateway.on(action, ok())
    gateway.on_life(on_the_way, on_the_way, goal)

    assert await call(session) == kind(**YES, status=goal)
    assert gateway.names == [action, *["GetSession"] * 3]


@each_way
async def test_any_other_state_is_a_failure_at_once(
    session: AsyncSession, gateway: Gateway, action: str, call: Any, on_the_way: str, goal: str, kind: Any
) -> None:
    gateway.on(action, ok())
    gateway.on_life(on_the_way, "DELETING", goal)

    result = await call(session)

    message = f"The session is DELETING instead of {goal}"
    assert result == kind(REQUEST_ID, success=False, error_message=message, status="DELETING")
    assert type(result.error) is ConflictError


@each_way
async def test_a_state_that_is_not_told_is_a_failure(
    session: AsyncSession, gateway: Gateway, action: str, call: Any, on_the_way: str, goal: str, kind: Any
) -> None:
    gateway.on(action, ok())
    gateway.on("GetSession", ok({"SessionId": SESSION_ID}))

    assert (await call(session)).error_message == f"The session is in an unknown state instead of {goal}"


@each_way
async def test_a_session_that_disappears_meanwhile_is_not_found(
    session: AsyncSession, gateway: Gateway, action: str, call: Any, on_the_way: str, goal: str, kind: Any
) -> None:
    gateway.on(action, ok())
    gateway.on_life(on_the_way, "GONE")

    result = await call(session)

    assert (type(result), result.success, type(result.error)) == (kind, False, NotFoundError)


@each_way
async def test_looks_that_fail_are_repeated(
    session: AsyncSession, gateway: Gateway, action: str, call: Any, on_the_way: str, goal: str, kind: Any
) -> None:
    gateway.on(action, ok())
    gateway.on("GetSession", refusal("InternalError", status=500), ok(), ok({"Status": goal}))

    assert await call(session) == kind(**YES, status=goal)


@each_way
async def test_the_wait_has_an_end(
    session: AsyncSession, gateway: Gateway, action: str, call: Any, on_the_way: str, goal: str, kind: Any
) -> None:
    gateway.on(action, ok())
    gateway.on_life(on_the_way)

    result = await call(session, timeout=0.05)

    message = f"The session was not {goal} within 0.05 s"
    assert result == kind(REQUEST_ID, success=False, error_message=message, status=on_the_way)
    assert type(result.error) is APITimeoutError
    assert "get_status()" in result.error.hint


@each_way
async def test_a_refused_beginning_is_not_waited_for(
    session: AsyncSession, gateway: Gateway, action: str, call: Any, on_the_way: str, goal: str, kind: Any
) -> None:
    gateway.on(action, refusal("NotAllowed", "no"))

    result = await call(session)

    assert (result.success, result.status, result.code, gateway.names) == (False, None, "NotAllowed", [action])


@pytest.mark.parametrize("name", ["pause_async", "beta_pause_async"])
async def test_pausing_may_only_begin(session: AsyncSession, gateway: Gateway, name: str) -> None:
    gateway.on("PauseSessionAsync", ok())

    assert await getattr(session, name)() == SessionPauseResult(**YES, status="PAUSING")


@pytest.mark.parametrize("name", ["resume_async", "beta_resume_async"])
async def test_resuming_may_only_begin(session: AsyncSession, gateway: Gateway, name: str) -> None:
    gateway.on("ResumeSessionAsync", ok())

    assert await getattr(session, name)() == SessionResumeResult(**YES, status="RESUMING")


async def test_the_older_names_do_the_same(client: AsyncAgentBay, session: AsyncSession, gateway: Gateway) -> None:
    gateway.on("PauseSessionAsync", ok())
    gateway.on("ResumeSessionAsync", ok())
    gateway.on_life("PAUSED", "RUNNING", "PAUSED", "RUNNING")

    results = [await session.beta_pause(), await session.beta_resume()]
    results += [await client.beta_pause(session), await client.beta_resume(session)]

    assert [result.status for result in results] == ["PAUSED", "RUNNING", "PAUSED", "RUNNING"]


# --- The pace of looking ----------------------------------------------------------------------------------------------


async def test_a_fast_service_is_not_waited_for(session: AsyncSession, gateway: Gateway) -> None:
    """Four looks at the stated interval of two seconds would take six."""
    gateway.on("PauseSessionAsync", ok())
    gateway.on_life("PAUSING", "PAUSING", "PAUSING", "PAUSED")

    began = time.monotonic()
    await session.pause()

    assert time.monotonic() - began < 2.0


async def test_looks_slow_down_to_the_stated_interval() -> None:
    ticks = AsyncTicks(Deadline.after(0.6), 0.05)
    began, moments = time.monotonic(), []
    while await ticks.tick():
        moments.append(time.monotonic() - began)

    assert moments[0] < 0.02
    assert 9 <= len(moments) <= 16
    assert moments[-1] >= 0.6


async def test_there_is_always_one_look() -> None:
    ticks = AsyncTicks(Deadline.after(0), 1.0)

    assert [await ticks.tick(), await ticks.tick()] == [True, False]


# --- Leaving its block ------------------------------------------------------------------------------------------------


async def test_leaving_the_block_deletes_the_session(session: AsyncSession, gateway: Gateway) -> None:
    gateway.on("DeleteSessionAsync", ok())
    gateway.on_life("GONE")

    async with session as entered:
        assert gateway.names == []

    assert (entered, gateway.names) == (session, ["DeleteSessionAsync", "GetSessionDetail"])


@pytest.mark.parametrize(
    ("answer", "note"), [(refusal("NOT_LOGIN", "who"), "[NOT_LOGIN] who"), (raw("no json"), "cannot be read")]
)
async def test_what_the_block_raised_is_not_hidden_by_a_deletion_that_fails(
    session: AsyncSession, gateway: Gateway, answer: Answer, note: str
) -> None:
    gateway.on("DeleteSessionAsync", answer)

    with pytest.raises(KeyError, match="mine") as caught:
        async with session:
            raise KeyError("mine")

    assert gateway.names == ["DeleteSessionAsync"]
    assert [note in text for text in caught.value.__notes__] == [True]


async def test_leaving_the_block_by_an_exception_deletes_the_session_too(
    session: AsyncSession, gateway: Gateway
) -> None:
    gateway.on("DeleteSessionAsync", ok())
    gateway.on_life("GONE")

    with pytest.raises(KeyError, match="mine") as caught:
        async with session:
            raise KeyError("mine")

    assert gateway.names == ["DeleteSessionAsync", "GetSessionDetail"]
    assert not hasattr(caught.value, "__notes__")


async def test_a_session_that_is_already_gone_may_be_left(session: AsyncSession, gateway: Gateway) -> None:
    gateway.on("DeleteSessionAsync", GONE)

    async with session:
        pass

    assert gateway.names == ["DeleteSessionAsync"]


@pytest.mark.parametrize(
    ("answer", "kind"), [(refusal("NOT_LOGIN", "who"), AuthenticationError), (raw("no json"), SessionError)]
)
async def test_a_deletion_that_fails_is_not_silent(
    session: AsyncSession, gateway: Gateway, answer: Answer, kind: type[Exception]
) -> None:
    gateway.on("DeleteSessionAsync", answer)

    with pytest.raises(kind):
        async with session:
            pass


REFUSED = refusal("SessionNotRunning", "The session is paused.")


async def test_a_session_that_is_left_asleep_is_woken_to_be_deleted(session: AsyncSession, gateway: Gateway) -> None:
    """The service deletes no session that is paused."""
    gateway.on("DeleteSessionAsync", REFUSED, ok())
    gateway.on("ResumeSessionAsync", ok())
    gateway.on("GetSessionDetail", ok({"Status": "PAUSED"}), GONE)
    gateway.on("GetSession", ok({"Status": "RUNNING"}))

    async with session:
        pass

    assert gateway.names == [
        "DeleteSessionAsync",
        "GetSessionDetail",
        "ResumeSessionAsync",
        "GetSession",
        "DeleteSessionAsync",
        "GetSessionDetail",
    ]


async def test_a_refusal_for_another_reason_is_told_at_once(session: AsyncSession, gateway: Gateway) -> None:
    gateway.on("DeleteSessionAsync", REFUSED)
    gateway.on_life("RUNNING")

    with pytest.raises(APIError, match="The session is paused"):
        async with session:
            pass

    assert gateway.names == ["DeleteSessionAsync", "GetSessionDetail"]


async def test_keep_alive_starts_the_idle_time_anew(session: AsyncSession, gateway: Gateway) -> None:
    gateway.on("RefreshSessionIdleTime", ok({"any": ["thing"]}))

    result = await session.keep_alive()

    assert (result.success, result.data) == (True, None)


async def test_a_service_that_cannot_be_reached_is_an_exception(make: Make) -> None:
    with pytest.raises(APIConnectionError, match=r"GetSession failed: cannot reach http://127.0.0.1:9") as caught:
        await make(endpoint="http://127.0.0.1:9").get(SESSION_ID)

    assert (caught.value.attempts, caught.value.session_id, caught.value.request_id) == (3, SESSION_ID, "")
