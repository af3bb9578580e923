"""The life of a session, and who may have one."""

from __future__ import annotations

import pytest

from agentbay import AgentBayError, AsyncAgentBay, AuthenticationError, CreateSessionParams, NotFoundError
from tests._async.both.conftest import Fresh
from tests._async.both.doors import Door, ended, mocked
from tests.gateway import GONE, SESSION_ID, Answer, ok, refusal

NOT_LOGIN = refusal("NOT_LOGIN", "You are not logged in, or the login token has expired.")
ASLEEP = refusal("InvalidMcpSession.Paused", "The session is PAUSED: its tools cannot be called now. Resume it first.")
AWAKE = refusal("InvalidMcpSession.InvalidStatus", "The session is RUNNING.")


def state(name: str) -> Answer:
    return ok({"SessionId": SESSION_ID, "Status": name})


# --- Pausing ----------------------------------------------------------------------------------------------------------


@mocked(
    PauseSessionAsync=ok(),
    ResumeSessionAsync=ok(),
    GetSession=[state("PAUSING"), state("PAUSED"), state("RESUMING"), state("RUNNING")],
    shell=[ended(), ASLEEP, ended("still here\n")],
)
async def test_a_paused_session_sleeps_and_forgets_nothing(fresh: Fresh) -> None:
    session = await fresh()
    await session.command.run("echo still here > /tmp/kept")
    paused = await session.pause(poll_interval=0.01)
    assert (True, "PAUSED", "") == (paused.success, paused.status, paused.error_message)
    asleep = await session.command.run("cat /tmp/kept")
    assert (False, True) == (asleep.success, "PAUSED" in asleep.error_message)
    resumed = await session.resume(poll_interval=0.01)
    assert (True, "RUNNING", "") == (resumed.success, resumed.status, resumed.error_message)
    assert "still here\n" == (await session.command.run("cat /tmp/kept")).stdout


@mocked(
    PauseSessionAsync=ok(),
    ResumeSessionAsync=ok(),
    GetSession=[state("PAUSED"), state("RUNNING")],
    shell=[ended(), ended(), ended()],
)
async def test_programs_stand_still_in_a_pause(fresh: Fresh) -> None:
    session = await fresh()
    count = "while :; do echo x >> /tmp/count; sleep 0.01; done"
    await session.command.run(f"({count}) >/dev/null 2>&1 & until [ -s /tmp/count ]; do sleep 0.01; done")
    await session.pause(poll_interval=0.01)
    await session.resume(poll_interval=0.01)
    more = "size() { stat -c %s /tmp/count; }; a=$(size); until [ $(size) -gt $a ]; do sleep 0.01; done"
    assert (await session.command.run(more)).success


@mocked(
    PauseSessionAsync=ok(),
    ResumeSessionAsync=ok(),
    GetSession=[state("PAUSING"), state("PAUSED"), state("RUNNING")],
)
async def test_the_client_pauses_and_resumes_too(client: AsyncAgentBay, fresh: Fresh) -> None:
    session = await fresh()
    assert "PAUSED" == (await client.pause(session, poll_interval=0.01)).status
    assert "RUNNING" == (await client.resume(session, poll_interval=0.01)).status


@mocked(PauseSessionAsync=ok(), ResumeSessionAsync=ok(), GetSession=[state("PAUSED"), state("RUNNING")])
async def test_old_names_of_pause_and_resume_work(fresh: Fresh) -> None:
    session = await fresh()
    assert ((await session.beta_pause()).status, (await session.beta_resume()).status) == ("PAUSED", "RUNNING")


@mocked(PauseSessionAsync=ok(), ResumeSessionAsync=ok())
async def test_a_pause_can_be_begun_without_waiting(fresh: Fresh) -> None:
    session = await fresh()
    begun = await session.pause_async()
    assert (True, "PAUSING") == (begun.success, begun.status)
    woken = await session.resume_async()
    assert (True, "RESUMING") == (woken.success, woken.status)


@mocked(ResumeSessionAsync=AWAKE)
async def test_a_running_session_cannot_be_resumed(fresh: Fresh) -> None:
    result = await (await fresh()).resume()
    assert (False, "InvalidMcpSession.InvalidStatus", 400) == (result.success, result.code, result.http_status_code)
    assert "RUNNING" in result.error_message


# --- The end ----------------------------------------------------------------------------------------------------------


@mocked(
    DeleteSessionAsync=[ok(), GONE], GetSessionDetail=[state("DELETING"), state("FINISH")], GetSession=GONE, shell=GONE
)
async def test_a_deleted_session_is_gone(client: AsyncAgentBay, fresh: Fresh) -> None:
    session = await fresh()
    deleted = await session.delete()
    assert (True, "") == (deleted.success, deleted.error_message)
    again, command = await session.delete(), await session.command.run("true")
    found = await client.get(session.session_id)
    assert [False] * 3 == [again.success, command.success, found.success]
    assert [NotFoundError] * 3 == [type(one.error) for one in (again, command, found)]


@mocked(GetSessionDetail=[state("DELETING"), GONE], GetSession=GONE)
async def test_the_client_deletes_too(client: AsyncAgentBay, fresh: Fresh) -> None:
    session = await fresh()
    assert (await client.delete(session)).success
    assert not (await client.get(session.session_id)).success


@mocked(GetSession=GONE, shell=ended("inside\n"))
async def test_leaving_the_block_deletes_the_session(client: AsyncAgentBay) -> None:
    async with (await client.create()).unwrap().session as session:
        assert "inside\n" == (await session.command.run("echo inside")).stdout
    assert isinstance((await client.get(session.session_id)).error, NotFoundError)


@mocked(GetSession=GONE)
async def test_an_exception_in_the_block_passes_and_the_session_is_deleted(client: AsyncAgentBay) -> None:
    session = (await client.create()).unwrap().session
    with pytest.raises(ZeroDivisionError) as caught:
        async with session:
            raise ZeroDivisionError
    assert [] == getattr(caught.value, "__notes__", [])
    assert isinstance((await client.get(session.session_id)).error, NotFoundError)


@mocked(DeleteSessionAsync=[ok(), GONE])
async def test_a_block_may_delete_its_session_itself(client: AsyncAgentBay) -> None:
    async with (await client.create()).unwrap().session as session:
        assert (await session.delete()).success


# --- Who may ----------------------------------------------------------------------------------------------------------


@mocked(CreateMcpSession=NOT_LOGIN, GetSession=NOT_LOGIN, ListSession=NOT_LOGIN)
async def test_a_wrong_key_opens_nothing(door: Door) -> None:
    async with AsyncAgentBay("akm-of-nobody", endpoint=door.endpoint) as stranger:
        results = [await stranger.create(), await stranger.get(SESSION_ID), await stranger.list()]
    assert [(False, AuthenticationError)] * 3 == [(one.success, type(one.error)) for one in results]
    assert [True] * 3 == [one.error_message.startswith("[NOT_LOGIN] ") for one in results]


@mocked(
    CreateMcpSession=refusal("InvalidImage.NotFound", "no authorized app: the image no_such_image is not offered."),
)
async def test_an_image_that_is_not_there_opens_nothing(client: AsyncAgentBay) -> None:
    result = await client.create(CreateSessionParams(image_id="no_such_image"))
    assert (False, None, True) == (result.success, result.session, "no authorized app" in result.error_message)
    with pytest.raises(AgentBayError, match="no_such_image"):
        result.unwrap()
