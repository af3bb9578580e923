"""Programs, metrics and the log of tool calls, as the page shows them."""

from __future__ import annotations

import asyncio
import json

import pytest

from agentbay_local.service.journal import LONGEST, MOST, Journal
from agentbay_local.service.refusals import bad
from tests.local.channel.wire import connect
from tests.local.page.looking import Looker
from tests.local.service.api import Api

STUBBORN = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(flush=True); time.sleep(100)"


async def program(looker: Looker, name: str) -> dict[str, object]:
    """One that was started, once it is what it is to be: until then it is a copy of the shell."""
    for _ in range(200):
        there = await programs(looker)
        if name in there:
            return there[name]
        await asyncio.sleep(0.02)
    raise AssertionError(there)


async def programs(looker: Looker) -> dict[str, dict[str, object]]:
    return {each["command"].partition(" ")[2]: each for each in (await looker.get("/use"))["programs"]}


async def test_programs_are_shown_with_the_ids_that_they_have_inside(looker: Looker) -> None:
    said = await looker.api.shell(looker.session, "sleep 77 >/dev/null 2>&1 & echo $!")
    shown = await program(looker, "77")
    assert (int(said["stdout"]), "sleep", False) == (shown["pid"], shown["name"], shown["stopped"])
    assert shown["memory"] > 0
    assert 0 <= shown["age"] < 30


async def test_use_is_told_beside_its_limits_and_also_of_a_paused_session(looker: Looker) -> None:
    await looker.api.shell(looker.session, "head -c 5000000 /dev/zero > file; sleep 78 >/dev/null 2>&1 &")
    await program(looker, "78")
    await looker.api.call("GetLink", SessionId=looker.session, Port="8000", ProtocolType="https")
    await looker.api.call("PauseSessionAsync", SessionId=looker.session)
    use = await looker.get("/use")
    assert (True, True) == (use["workspace_used"] >= 5_000_000, 0 < use["memory"] < use["memory_limit"])
    assert (512, [8000]) == (use["processes_limit"], [each["port"] for each in use["links"]])
    assert [True] == [each["stopped"] for each in use["programs"] if each["command"] == "sleep 78"]


@pytest.mark.slow
async def test_a_program_is_ended_and_also_one_that_does_not_want_to(looker: Looker) -> None:
    script = f"nohup sleep 79 >/dev/null 2>&1 & mkfifo p; nohup python3 -c '{STUBBORN}' >p 2>/dev/null & read < p"
    await looker.api.shell(looker.session, script)
    for name in ("79", f"-c {STUBBORN}"):
        shown = await program(looker, name)
        answer = await looker.ask("/end", "POST", {"pid": shown["pid"], "started": shown["started"]})
        assert (200, {"ended": True}) == (answer.status, answer.body)
    assert {"79", f"-c {STUBBORN}"}.isdisjoint(await programs(looker))


async def test_a_program_that_has_another_ones_id_is_left_alone(looker: Looker) -> None:
    await looker.api.shell(looker.session, "sleep 80 >/dev/null 2>&1 &")
    shown = await program(looker, "80")
    answer = await looker.ask("/end", "POST", {"pid": shown["pid"], "started": 1.0})
    assert (200, {"ended": True}) == (answer.status, answer.body)  # the one that was meant is not there
    assert "80" in await programs(looker)


@pytest.mark.parametrize("wish", [{}, {"pid": "1", "started": 1}, {"pid": 1}, {"pid": True, "started": 1}, []])
async def test_a_wish_to_end_no_program_is_refused(looker: Looker, wish: object) -> None:
    assert (400, "InvalidParameter") == (await looker.ask("/end", "POST", wish)).verdict


# --- Tool calls -------------------------------------------------------------------------------------------------------


async def test_tool_calls_are_told_with_their_outcome_and_each_look_brings_what_is_new(looker: Looker) -> None:
    await looker.api.shell(looker.session, "echo '<b>'")
    first = await looker.get("/calls")
    await looker.api.tool(looker.session, "read_file", path="/nope")
    await looker.api.tool(looker.session, "no_such_tool")
    second = await looker.get("/calls", after=str(first["change"]))
    assert ["shell"] == [each["tool"] for each in first["calls"]]
    assert "echo '<b>'" in first["calls"][0]["arguments"]
    assert [("read_file", "error"), ("no_such_tool", "error")] == [
        (each["tool"], each["outcome"]) for each in second["calls"]
    ]
    assert "No such file" in second["calls"][0]["error"]
    assert [] == (await looker.get("/calls", after=str(second["change"])))["calls"]


async def test_a_call_is_seen_while_it_runs(looker: Looker) -> None:
    running = asyncio.create_task(looker.api.shell(looker.session, "sleep 1"))
    for _ in range(100):
        if calls := (await looker.get("/calls"))["calls"]:
            break
        await asyncio.sleep(0.02)
    assert [("running", None)] == [(each["outcome"], each["ms"]) for each in calls]
    await running
    [call] = (await looker.get("/calls"))["calls"]
    assert ("ok", True) == (call["outcome"], call["ms"] >= 1000)


async def test_code_that_streams_is_in_the_log_too(api: Api) -> None:
    made = await api.create(ImageId="code_latest")
    wire = await connect(api, made)
    assert "4\n" == await wire.printed(await wire.code("print(2+2)"))
    await wire.socket.close()
    [call] = (await (await Looker.of(api, made["SessionId"])).get("/calls"))["calls"]
    assert ("run_code", "ok", True) == (call["tool"], call["outcome"], "print(2+2)" in call["arguments"])


@pytest.mark.parametrize("after", ["x", "-1", "9" * 20])
async def test_a_look_after_no_number_is_refused(looker: Looker, after: str) -> None:
    assert (400, "InvalidParameter") == (await looker.ask("/calls", after=after)).verdict


def test_a_journal_keeps_the_latest_calls_in_short() -> None:
    journal = Journal()
    for number in range(MOST + 7):
        with journal.noting("tool", {"text": "x" * 10_000_000 if number == MOST else "", "list": list(range(1000))}):
            pass
    shown = [each.shown() for each in journal.since(0)]
    assert (MOST, 8, MOST + 7) == (len(shown), shown[0]["number"], shown[-1]["number"])
    assert {True} == {len(each["arguments"]) <= LONGEST for each in shown}


def test_a_journal_leaves_secrets_out_and_takes_whatever_is_given() -> None:
    journal = Journal()
    deep: dict[str, object] = {}
    deep["self"] = deep
    args = {"password": "p1", "env": {"ACCESS_KEY_SECRET": "p2", "a": [{"Token": "p3"}]}, "x": deep, "y": {1, 2}}
    with journal.noting("tool", args) as entry:
        pass
    assert not any(secret in entry.arguments for secret in ("p1", "p2", "p3"))
    assert "***" == json.loads(entry.arguments.partition(', "x"')[0] + "}")["password"]


@pytest.mark.parametrize(
    "args",
    [
        {"login_config": '{"username": "u", "password": "p1"}'},
        {"variables": {"card": "p1"}},
        {"headers": {"Authorization": "Bearer p1", "Cookie": "p1"}},
        {"options": {"sslPassphrase": "p1", "private-key": "p1", "Access-Key": "p1", "loginPasswort": "p1"}},
    ],
)
def test_what_signs_in_is_no_matter_for_the_log(args: dict[str, object]) -> None:
    with Journal().noting("tool", args) as entry:
        pass
    assert (True, False) == ("***" in entry.arguments, "p1" in entry.arguments)


def test_a_journal_tells_refusals_and_calls_that_broke_off() -> None:
    journal = Journal()
    with pytest.raises(KeyError), journal.noting("one", {}):
        raise KeyError
    refusal = bad("x", "is wrong")
    with pytest.raises(type(refusal)), journal.noting("two", {}):
        raise refusal
    journal.add("three", {}, "ok", 2.0)
    told = [(each.tool, each.outcome, each.error) for each in journal.since(0)]
    expected = [("one", "broken off", ""), ("two", "refused", "The parameter x is wrong."), ("three", "ok", "")]
    assert expected == told
    assert journal.since(0)[-1].ms > 2000
