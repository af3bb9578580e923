"""Pause and resume: nothing runs in between, and the states show it at once."""

from __future__ import annotations

import asyncio

import pytest

from tests.local.service.api import Api

COUNTER = "nohup sh -c 'n=0; while :; do n=$((n+1)); echo $n >/tmp/n; sleep 0.01; done' >/dev/null 2>&1 &"
PAUSED = (400, "InvalidMcpSession.Paused")


async def test_the_state_has_changed_when_pause_and_resume_answer(api: Api, session: str) -> None:
    assert (await api.call("PauseSessionAsync", SessionId=session)).verdict == (200, "ok")
    shown = [await api.status(session), (await api.call("GetSession", SessionId=session)).data["Status"]]
    assert (await api.call("ResumeSessionAsync", SessionId=session)).verdict == (200, "ok")
    assert [*shown, await api.status(session)] == ["PAUSED", "PAUSED", "RUNNING"]


async def test_programs_stand_still_and_go_on(api: Api, session: str) -> None:
    await api.shell(session, COUNTER)
    await api.call("PauseSessionAsync", SessionId=session)
    await asyncio.sleep(0.5)
    await api.call("ResumeSessionAsync", SessionId=session)
    first = int((await api.shell(session, "sleep 0.05; cat /tmp/n"))["stdout"] or 0)
    later = int((await api.shell(session, "sleep 0.3; cat /tmp/n"))["stdout"])
    assert 0 < first < later
    assert first < 40


async def test_a_paused_session_takes_no_tools_no_links_and_no_deletion(api: Api, session: str) -> None:
    await api.call("PauseSessionAsync", SessionId=session)
    answers = [
        await api.tool(session, "shell", command="true"),
        await api.call("GetLink", SessionId=session, ProtocolType="https", Port="30100"),
        await api.call("DeleteSessionAsync", SessionId=session),
        await api.call("ReleaseMcpSession", SessionId=session),
    ]
    assert {answer.verdict for answer in answers} == {PAUSED}
    assert all("PAUSED" in answer.body["Message"] for answer in answers)


async def test_a_paused_session_is_listed_as_such(api: Api) -> None:
    session = (await api.create(Labels='{"run": "paused"}'))["SessionId"]
    await api.call("PauseSessionAsync", SessionId=session)
    listed = (await api.call("ListSession", Labels='{"run": "paused"}', Status="PAUSED")).data
    assert [(item["SessionId"], item["SessionStatus"]) for item in listed] == [(session, "PAUSED")]


@pytest.mark.parametrize("actions", [["PauseSessionAsync", "PauseSessionAsync"], ["ResumeSessionAsync"]])
async def test_the_wrong_state_for_pause_or_resume_is_a_clear_error(api: Api, session: str, actions: list[str]) -> None:
    answers = [await api.call(action, SessionId=session) for action in actions]
    assert answers[-1].verdict == (400, "InvalidMcpSession.InvalidStatus")
    assert "only a session that is" in answers[-1].body["Message"]


async def test_a_call_in_flight_is_answered_after_the_pause(api: Api, session: str) -> None:
    call = asyncio.create_task(api.shell(session, "touch /tmp/begun; sleep 0.3; echo done"))
    await asyncio.sleep(0.15)
    await api.call("PauseSessionAsync", SessionId=session)
    await asyncio.sleep(0.3)
    assert not call.done()
    await api.call("ResumeSessionAsync", SessionId=session)
    assert (await call)["stdout"] == "done\n"


async def test_fifty_pauses_and_resumes_at_once_leave_one_clear_state(api: Api, session: str) -> None:
    await api.shell(session, COUNTER)
    actions = ["PauseSessionAsync", "ResumeSessionAsync"] * 25
    answers = await asyncio.gather(*(api.call(action, SessionId=session) for action in actions))
    allowed = {(200, "ok"), (400, "InvalidMcpSession.InvalidStatus")}
    assert ({answer.verdict for answer in answers} - allowed, answers[0].verdict) == (set(), (200, "ok"))
    status = await api.status(session)
    assert status in {"RUNNING", "PAUSED"}
    if status == "PAUSED":
        assert (await api.call("ResumeSessionAsync", SessionId=session)).verdict == (200, "ok")
    first = int((await api.shell(session, "sleep 0.05; cat /tmp/n"))["stdout"] or 0)
    assert int((await api.shell(session, "sleep 0.3; cat /tmp/n"))["stdout"]) > first


@pytest.mark.parametrize("before", [[], ["PauseSessionAsync"]])
async def test_a_session_can_be_deleted_while_its_state_changes(api: Api, session: str, before: list[str]) -> None:
    for action in before:
        await api.call(action, SessionId=session)
    changing = "ResumeSessionAsync" if before else "PauseSessionAsync"
    change, deletion = await asyncio.gather(
        api.call(changing, SessionId=session), api.call("DeleteSessionAsync", SessionId=session)
    )
    if deletion.status != 200:
        assert deletion.verdict == PAUSED
        await api.call("ResumeSessionAsync", SessionId=session)
        assert (await api.call("DeleteSessionAsync", SessionId=session)).verdict == (200, "ok")
    assert change.status in {200, 400}
    assert await api.becomes(session, "FINISH")
