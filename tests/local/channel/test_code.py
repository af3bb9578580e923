"""Streams of code, frame by frame, in all languages; what they do to one another and to a slow client."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Any

import pytest

from tests.local.channel.wire import Closed, Json, Wire, connect
from tests.local.code.languages import need
from tests.local.conftest import Served, serve
from tests.local.service.api import Api

HEAD = {"method": "run_code", "mode": "stream"}
MIB = 1 << 20


def event(seq: int, kind: str, **members: Any) -> Json:
    return HEAD | {"phase": "event", "seq": seq, "eventType": kind} | members


def end(seq: int, status: str, count: int) -> Json:
    """The last frame, but for its time."""
    return HEAD | {"phase": "end", "seq": seq, "status": status, "executionError": None, "executionCount": count}


def timed(data: Json) -> Json:
    """The last frame without its time, which has to make sense."""
    assert 0 <= data["executionTime"] < 20
    return {name: value for name, value in data.items() if name != "executionTime"}


# --- Frames -----------------------------------------------------------------------------------------------------------


async def test_the_frames_of_a_stream_are_those_of_the_protocol(wire: Wire) -> None:
    write = "sys.stdout.write('hello\\n'); time.sleep(0.5); sys.stderr.write('oops\\n'); time.sleep(0.3)"
    code = f"import sys, time\n{write}\n42"
    identity = await wire.code(code, timeoutS=60)
    frames = [await wire.next() for _ in range(4)]
    assert [{**frame, "data": None} for frame in frames] == 4 * [
        {"invocationId": identity, "source": "wuying_codespace", "target": "SDK", "data": None}
    ]
    said = [frame["data"] for frame in frames]
    assert said[:3] == [
        event(1, "stdout", chunk="hello\n"),
        event(2, "stderr", chunk="oops\n"),
        event(3, "result", result={"isMainResult": True, "mime": {"text/plain": "42"}}),
    ]
    assert timed(said[3]) == end(4, "finished", 1)


async def test_an_error_is_an_event_and_the_end_says_failed(wire: Wire) -> None:
    raised, last = await wire.rest(await wire.code("1/0"))
    trace = raised["error"].pop("traceback")
    assert raised == event(1, "error", error={"code": "ZeroDivisionError", "message": "division by zero"})
    assert "1/0" in trace
    assert "\x1b" not in trace
    assert timed(last) == end(2, "failed", 1)


async def test_javascript_streams_as_well(wire: Wire) -> None:
    code = "console.log('a'); await new Promise(done => setTimeout(done, 300)); console.error('b'); 6 * 7"
    found = await wire.rest(await wire.code(code, "javascript"))
    assert found[:3] == [
        event(1, "stdout", chunk="a\n"),
        event(2, "stderr", chunk="b\n"),
        event(3, "result", result={"isMainResult": True, "mime": found[2]["result"]["mime"]}),
    ]
    assert found[2]["result"]["mime"]["text/plain"] == "42"
    assert timed(found[3]) == end(4, "finished", 1)


@pytest.mark.parametrize(
    ("language", "code"),
    [
        ("python", "import time\nfor n in range(3): print(n, flush=True); time.sleep(0.4)"),
        ("js", "for (let n = 0; n < 3; n++) { console.log(n); await new Promise(done => setTimeout(done, 400)); }"),
        ("bash", "for n in 0 1 2; do echo $n; sleep 0.4; done"),
        ("java", "for (int n = 0; n < 3; n++) { System.out.println(n); Thread.sleep(400); }"),
        ("r", "for (n in 0:2) { cat(n, '\\n'); flush.console(); Sys.sleep(0.4) }"),
    ],
)
async def test_output_comes_while_the_code_runs(wire: Wire, language: str, code: str) -> None:
    need({"js": "javascript"}.get(language, language))
    await wire.rest(await wire.code("" if language == "bash" else "0", language))
    started = time.monotonic()
    await wire.code(code, language)
    assert (await wire.next())["data"]["chunk"].strip() == "0"
    first = time.monotonic() - started
    assert first < 1.0, "it came only with the end, after 1.2 s"


async def test_streams_and_single_calls_share_one_interpreter(api: Api, made: Json, wire: Wire) -> None:
    await wire.printed(await wire.code("shared = 'from the stream'"))
    text, failed = (
        await api.tool(made["SessionId"], "run_code", code="print(shared); back = 'and back'", language="python")
    ).said
    assert ("from the stream" in text, failed) == (True, False)
    assert await wire.printed(await wire.code("print(back)")) == "and back\n"


async def test_text_of_every_script_arrives_whole(wire: Wire) -> None:
    text = "äöü 中文 🙂 \u2028"
    assert await wire.printed(await wire.code(f"print({text!r} * 20000)")) == text * 20000 + "\n"


@pytest.mark.parametrize(
    ("params", "said"),
    [
        ({"code": None}, "run_code: the parameter code is missing"),
        ({"code": 7}, "run_code: the parameter code must be text"),
        ({"language": None}, "run_code: the parameter language is missing"),
        (
            {"language": "cobol"},
            "Unsupported language: cobol. This runtime runs 'python', 'javascript', 'bash', 'java' and 'r'.",
        ),
        ({"timeoutS": "5"}, "run_code: the parameter timeoutS must be a whole number"),
        ({"timeoutS": True}, "run_code: the parameter timeoutS must be a whole number"),
        ({"timeoutS": 0}, "run_code: timeoutS must be from 1 to 86400, got 0"),
        ({"timeoutS": 86401}, "run_code: timeoutS must be from 1 to 86400, got 86401"),
    ],
    ids=str,
)
async def test_a_wrong_parameter_is_an_error_that_names_it(wire: Wire, params: Json, said: str) -> None:
    usual = {"language": "python", "code": "1"}
    identity = await wire.send("wuying_codespace", HEAD | {"params": usual | params})
    assert await wire.rest(identity) == [{"method": "run_code", "phase": "error", "error": said}]


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ({"params": []}, "run_code: params must be an object"),
        ({"mode": "call"}, "run_code: the mode must be stream; for one answer at the end, call the tool of this name"),
    ],
    ids=str,
)
async def test_a_message_of_another_form_is_an_error(wire: Wire, data: Json, said: str) -> None:
    identity = await wire.send("wuying_codespace", {"method": "run_code"} | data)
    assert await wire.rest(identity) == [{"method": "run_code", "phase": "error", "error": said}]


async def test_an_image_without_interpreters_says_so(api: Api) -> None:
    wire = await connect(api, await api.create())
    (said,) = await wire.rest(await wire.code("1"))
    assert said["error"] == "Tool run_code is not offered by image linux_latest"


async def test_an_interpreter_that_the_system_refuses_to_start_is_told_as_the_tool_tells_it(
    api: Api, made: Json, wire: Wire
) -> None:
    await api.tool(made["SessionId"], "shell", command="chmod 0 /workspace")
    text, _ = (await api.tool(made["SessionId"], "run_code", code="1", language="bash")).said
    (said,) = await wire.rest(await wire.code("1", "bash"))
    assert said["error"] == "Failed to run code: /workspace, error: Permission denied"
    assert said["error"] in text


async def test_a_message_that_came_twice_runs_once(wire: Wire) -> None:
    identity = await wire.code("import time; n = globals().get('n', 0) + 1; time.sleep(0.2)")
    data = HEAD | {"params": {"language": "python", "code": "n = 'again'"}}
    await wire.send("wuying_codespace", data, identity)
    await wire.rest(identity)
    await wire.send("wuying_codespace", data, identity)
    assert await wire.printed(await wire.code("print(n)")) == "1\n"


# --- Ends -------------------------------------------------------------------------------------------------------------


async def test_code_is_stopped_at_its_limit_and_its_variables_stay(wire: Wire) -> None:
    raised, last = await wire.rest(await wire.code("kept = 1\nwhile True: pass", timeoutS=1))
    assert raised["error"]["code"] == "TimeoutError"
    assert raised["error"]["message"] == "the code was stopped after its limit of 1 s; its variables were kept"
    assert last["status"] == "failed"
    assert await wire.printed(await wire.code("print(kept)")) == "1\n"


@pytest.mark.parametrize("how", ["close", "cut"])
async def test_code_is_interrupted_when_its_client_goes(api: Api, made: Json, how: str) -> None:
    gone = await connect(api, made)
    await gone.code("import time\nreached = 1\nprint('on', flush=True)\ntime.sleep(60)\nreached = 2")
    assert (await gone.next())["data"]["chunk"].strip() == "on"
    if how == "close":
        await gone.socket.close()
    else:
        gone.socket._response.connection.transport.abort()  # type: ignore[union-attr]
    wire = await connect(api, made)
    assert await wire.printed(await wire.code("print(reached)")) == "1\n"


async def test_code_that_waits_for_its_turn_never_begins_when_its_client_goes(api: Api, made: Json, wire: Wire) -> None:
    running = await wire.code("import time; ran = 0; print('on', flush=True); time.sleep(0.6)")
    assert (await wire.next())["data"]["chunk"].strip() == "on"
    gone = await connect(api, made)
    await gone.code("ran = 1")
    await gone.socket.close()
    await wire.rest(running)
    assert await wire.printed(await wire.code("print(ran)")) == "0\n"


async def test_an_interpreter_that_dies_is_told_and_the_next_stream_has_a_new_one(wire: Wire) -> None:
    raised, last = await wire.rest(await wire.code("import os; os._exit(3)"))
    assert (raised["error"]["code"], last["status"]) == ("KernelDied", "failed")
    assert raised["error"]["message"].startswith("the python kernel exited with code 3; its variables are gone")
    assert await wire.printed(await wire.code("print(1)")) == "1\n"


async def test_the_end_of_the_session_ends_its_streams(api: Api, made: Json, wire: Wire) -> None:
    await wire.code("print('on', flush=True)\nimport time; time.sleep(60)")
    assert (await wire.next())["data"]["chunk"].strip() == "on"
    await api.call("ReleaseMcpSession", SessionId=made["SessionId"])
    assert await wire.closed() == Closed(1001, "the session has ended: Released")


async def test_a_stream_outlasts_a_pause(api: Api, made: Json, wire: Wire) -> None:
    code = "import time\nprint('on', flush=True)\nfor n in range(8): time.sleep(0.1)\nprint('done')"
    identity = await wire.code(code)
    await wire.next()
    await api.call("PauseSessionAsync", SessionId=made["SessionId"])
    await asyncio.sleep(1)
    await api.call("ResumeSessionAsync", SessionId=made["SessionId"])
    assert (await wire.printed(identity)).strip() == "done"


async def test_a_stream_keeps_its_session_from_being_idle() -> None:
    served = serve("--idle", "1", "--warm", "0")
    try:
        async with Api(served.endpoint, served.key) as api:
            wire = await connect(api, await api.create(ImageId="code_latest"))
            assert await wire.printed(await wire.code("import time; time.sleep(2.5); print('still here')")) == (
                "still here\n"
            )
    finally:
        assert served.stop() == 0


# --- Many, and slow ---------------------------------------------------------------------------------------------------


async def test_streams_of_one_language_run_one_after_the_other_in_their_order(wire: Wire) -> None:
    steps = "order.append(({0}, 'in')); time.sleep(0.02); order.append(({0}, 'out'))"
    code = f"import time; order = globals().get('order', []); {steps}"
    asked = [await wire.code(code.format(number)) for number in range(5)]
    await wire.rest(asked[-1])
    expected = [(number, step) for number in range(5) for step in ("in", "out")]
    assert await wire.printed(await wire.code("print(order)")) == f"{expected}\n"


async def test_languages_do_not_wait_for_each_other(wire: Wire) -> None:
    await wire.code("import time; time.sleep(60)")
    assert await wire.printed(await wire.code("console.log(1)", "javascript")) == "1\n"


async def test_two_hundred_streams_on_one_connection_keep_apart(wire: Wire) -> None:
    asked = [await wire.code(f"print({number})\n{number}") for number in range(200)]
    found: dict[str, list[Json]] = {identity: [] for identity in asked}
    ends = 0
    while ends < len(asked):
        frame = await wire.next()
        found[frame["invocationId"]].append(frame["data"])
        ends += frame["data"]["phase"] == "end"
    assert [
        ["".join(data.get("chunk", "") for data in said), said[-1]["executionCount"]] for said in found.values()
    ] == [[f"{number}\n", number + 1] for number in range(200)]
    for said in found.values():
        assert [data["seq"] for data in said] == list(range(1, len(said) + 1))


async def test_sessions_do_not_hear_each_other(api: Api) -> None:
    wires = [await connect(api, await api.create(ImageId="code_latest")) for _ in range(2)]
    await asyncio.gather(*[wire.rest(await wire.code(f"mine = {n}")) for n, wire in enumerate(wires)])
    printed = await asyncio.gather(*[wire.printed(await wire.code("print(mine)")) for wire in wires])
    assert printed == ["0\n", "1\n"]


def held(served: Served) -> int:
    """Bytes of memory that the server holds for itself."""
    for line in Path(f"/proc/{served.process.pid}/status").read_text().splitlines():
        if line.startswith("RssAnon"):
            return int(line.split()[1]) << 10
    raise AssertionError("the kernel does not tell")


async def test_ten_mebibytes_reach_a_slow_reader_whole(wire: Wire) -> None:
    await wire.code("for n in range(10240): print(f'{n:1023}')")
    await asyncio.sleep(0.5)
    expected = "".join(f"{n:1023}\n" for n in range(10240))
    found: list[Json] = []
    while not found or found[-1]["phase"] == "event":
        found.append((await wire.next())["data"])
        if len(found) % 20 == 0:
            await asyncio.sleep(0.05)
    text = "".join(data["chunk"] for data in found[:-1])
    assert (len(text), text == expected, found[-1]["status"]) == (10 * MIB, True, "finished")


async def test_a_flood_waits_for_its_reader_and_takes_no_memory(runtime: Served, api: Api, made: Json) -> None:
    flooded = await connect(api, made)
    await flooded.code("n = 0\nwhile True: n += print('x' * 1023) is None")
    await flooded.next()
    before = held(runtime)
    await asyncio.sleep(1.5)
    other = await connect(api, made)
    assert await other.printed(await other.code("console.log('passes')", "js")) == "passes\n"
    assert held(runtime) - before < 16 * MIB
    await flooded.socket.close()
    told = int(await other.printed(await other.code("print(n)")))
    assert told < 400_000, "the code went on without its reader"


async def test_a_flood_that_is_read_loses_nothing(wire: Wire) -> None:
    identity = await wire.code("for n in range(65536): print(f'{n:1023}')")
    printed = await wire.printed(identity)
    assert (len(printed), printed.split()) == (64 * MIB, [str(n) for n in range(65536)])


async def test_time_runs_out_for_code_whose_reader_waits(api: Api, made: Json) -> None:
    flooded = await connect(api, made)
    identity = await flooded.code("while True: print('x' * 1023)", timeoutS=1)
    await asyncio.sleep(1.5)
    found = await flooded.rest(identity)
    assert (found[-2]["error"]["code"], found[-1]["status"]) == ("TimeoutError", "failed")
