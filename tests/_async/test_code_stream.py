"""Code that streams what it does: the message, the events, and what they add up to."""

from __future__ import annotations

from typing import Any

import pytest

from agentbay import (
    APITimeoutError,
    AsyncSession,
    CodeError,
    CodeEvent,
    CodeExecutionResult,
    EnhancedCodeExecutionResult,
    ExecutionError,
    ExecutionLogs,
    SessionError,
    WsConnectionClosedError,
    WsProtocolError,
    WsRemoteError,
)
from agentbay._async import code as module
from tests.catalogue import WS
from tests.channel import Channel, Frame, Peer
from tests.gateway import Gateway, Said

CODE = "print('hello')\n42"
END = WS["run_code"]["end"]


def event(kind: str, **members: Any) -> dict[str, Any]:
    return {"method": "run_code", "mode": "stream", "phase": "event", "eventType": kind} | members


HELLO = event("stdout", seq=1, chunk="hello\n")
OOPS = event("stderr", seq=2, chunk="oops\n")
ANSWER = event("result", seq=3, result={"isMainResult": True, "mime": {"text/plain": "42", "image/png": "iVBO"}})
RAISED = event("error", seq=4, error={"code": "NameError", "message": "x is not defined", "traceId": "t1"})
SHOWN = CodeExecutionResult(text="42", png="iVBO", is_main_result=True)


class Heard:
    """The three callbacks of `run_code`, and what they got."""

    def __init__(self) -> None:
        self.out: list[str] = []
        self.err: list[str] = []
        self.errors: list[Any] = []

    @property
    def options(self) -> dict[str, Any]:
        takers = {"on_stdout": self.out.append, "on_stderr": self.err.append, "on_error": self.errors.append}
        return {"stream_beta": True} | takers


async def test_the_message_is_the_catalogues(wired: AsyncSession, channel: Channel) -> None:
    channel.on("run_code", END)
    await wired.code.run_code(CODE, "py", stream_beta=True)
    frame = channel.frames[0]
    wanted = WS["run_code"]["data"]
    assert ("wuying_codespace", "SDK") == (frame["target"], frame["source"])
    assert wanted | {"params": wanted["params"] | {"code": CODE}} == frame["data"]


async def test_a_session_without_a_tool_list_uses_the_usual_server(wired: AsyncSession, channel: Channel) -> None:
    wired.tool_servers.clear()
    channel.on("run_code", END)
    await wired.code.run_code(CODE, "r", 5, stream_beta=True)
    assert ("wuying_codespace", 5) == (channel.frames[0]["target"], channel.frames[0]["data"]["params"]["timeoutS"])


async def test_callbacks_get_each_piece_and_the_result_has_all(
    wired: AsyncSession, channel: Channel, gateway: Gateway
) -> None:
    channel.on("run_code", HELLO, OOPS, ANSWER, END)
    heard = Heard()
    result = await wired.code.run_code(CODE, "python", **heard.options)
    logs = ExecutionLogs(["hello\n"], ["oops\n"])
    expected = EnhancedCodeExecutionResult(
        channel.frames[0]["invocationId"],
        success=True,
        execution_count=1,
        execution_time=0.1,
        logs=logs,
        results=[SHOWN],
    )
    assert (expected, "42") == (result, result.result)
    assert (["hello\n"], ["oops\n"], []) == (heard.out, heard.err, heard.errors)
    assert [] == gateway.requests


async def test_the_stream_is_an_iterator_of_events(wired: AsyncSession, channel: Channel) -> None:
    channel.on("run_code", HELLO, event("unheard of"), ANSWER, RAISED, END | {"status": "failed"})
    async with wired.code.stream(CODE, "python") as running:
        events = [event async for event in running]
        assert [] == [event async for event in running]
    assert [CodeEvent("stdout", "hello\n"), CodeEvent("result", "42", result=SHOWN)] == events[:2]
    assert ["error"] == [event.type for event in events[2:]]
    assert running.result is not None
    assert (False, running.request_id) == (running.result.success, running.result.request_id)


async def test_the_stream_can_be_iterated_over_without_a_block(wired: AsyncSession, channel: Channel) -> None:
    channel.on("run_code", HELLO, END)
    assert [CodeEvent("stdout", "hello\n")] == [event async for event in wired.code.stream(CODE, "python")]


async def test_an_error_of_the_code_is_told_and_kept(wired: AsyncSession, channel: Channel) -> None:
    channel.on("run_code", RAISED, END | {"status": "failed", "executionError": "NameError"})
    heard = Heard()
    result = await wired.code.run_code(CODE, "python", **heard.options)
    error = heard.errors[0]
    assert ("NameError", "x is not defined", "traceId=t1") == (error.name, error.value, error.traceback)
    assert (False, error, 1) == (result.success, result.error, len(heard.errors))


ERRORS: list[tuple[list[dict[str, Any]], tuple[str, str, str]]] = [
    ([event("error", error={"error": "e"}), END], ("ExecutionError", "e", "")),
    ([event("error", error=None), END], ("ExecutionError", "", "")),
    ([event("error", error={"code": "E", "message": "m", "traceback": "at 1"}), END], ("E", "m", "at 1")),
    ([END | {"executionError": "too slow"}], ("ExecutionError", "too slow", "")),
]


@pytest.mark.parametrize(("datas", "expected"), ERRORS)
async def test_an_error_of_any_form_has_name_value_and_trace(
    wired: AsyncSession, channel: Channel, datas: list[Any], expected: tuple[str, str, str]
) -> None:
    channel.on("run_code", *datas)
    heard = Heard()
    error = (await wired.code.run_code(CODE, "python", **heard.options)).error
    assert isinstance(error, ExecutionError)
    assert (expected, [error]) == ((error.name, error.value, error.traceback), heard.errors)


async def test_a_failed_status_alone_is_a_failure(wired: AsyncSession, channel: Channel) -> None:
    channel.on("run_code", END | {"status": "failed", "executionCount": "x", "executionTime": None})
    result = await wired.code.run_code(CODE, "python", stream_beta=True)
    assert (False, CodeError, None, 0.0) == (
        result.success,
        type(result.error),
        result.execution_count,
        result.execution_time,
    )


HOSTILE = [
    event("stdout", chunk=None),
    event("stderr", chunk=7),
    event("result", result=[]),
    event("result", result={"mime": 5}),
]


async def test_events_of_odd_forms_do_no_harm(wired: AsyncSession, channel: Channel) -> None:
    channel.on("run_code", *HOSTILE, END)
    result = await wired.code.run_code(CODE, "python", stream_beta=True)
    empty = CodeExecutionResult()
    assert (True, ExecutionLogs([""], ["7"]), [empty, empty]) == (result.success, result.logs, result.results)


async def test_a_refusal_is_a_failed_result(wired: AsyncSession, channel: Channel) -> None:
    channel.on("run_code", HELLO, {"phase": "error", "error": {"message": "no kernel"}})
    heard = Heard()
    result = await wired.code.run_code(CODE, "python", **heard.options)
    assert (False, WsRemoteError, "no kernel") == (result.success, type(result.error), result.error_message)
    assert (["hello\n"], [result.error]) == (heard.out, heard.errors)


def cut_after(*datas: dict[str, Any]) -> Any:
    def answer(peer: Peer, frame: Frame) -> None:
        peer.reply(frame, *datas)
        peer.cut()

    return answer


@pytest.mark.parametrize("datas", [(), (HELLO,), (HELLO, OOPS, ANSWER)])
async def test_a_cut_at_any_point_is_raised(wired: AsyncSession, channel: Channel, datas: Any) -> None:
    channel.on("run_code", cut_after(*datas))
    with pytest.raises(WsConnectionClosedError):
        await wired.code.run_code(CODE, "python", stream_beta=True)
    assert 1 == len(channel.of("run_code"))


async def test_a_frame_without_a_phase_is_raised(wired: AsyncSession, channel: Channel) -> None:
    channel.on("run_code", {"eventType": "stdout", "chunk": "x"})
    with pytest.raises(WsProtocolError):
        await wired.code.run_code(CODE, "python", stream_beta=True)


async def test_code_that_never_ends_is_a_time_out(
    wired: AsyncSession, channel: Channel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "GRACE", 0.1)
    channel.on("run_code", HELLO)
    with pytest.raises(APITimeoutError):
        await wired.code.run_code(CODE, "python", 0, stream_beta=True)


async def test_each_event_counts_once_even_if_it_comes_twice(wired: AsyncSession, channel: Channel) -> None:
    channel.on("run_code", HELLO, HELLO, OOPS, OOPS, END, END)
    result = await wired.code.run_code(CODE, "python", stream_beta=True)
    assert ExecutionLogs(["hello\n"], ["oops\n"]) == result.logs


async def test_without_a_channel_callbacks_are_called_after_the_end(session: AsyncSession, gateway: Gateway) -> None:
    gateway.on("run_code", Said('{"logs": {"stdout": ["a"], "stderr": ["b"]}, "results": []}'))
    heard = Heard()
    await session.code.run_code(CODE, "python", **heard.options)
    assert (["a"], ["b"]) == (heard.out, heard.err)


async def test_without_a_channel_there_is_no_stream(session: AsyncSession) -> None:
    with pytest.raises(SessionError, match="ws_url is not available for this session"):
        session.code.stream(CODE, "python")


async def test_a_language_that_is_not_offered_is_refused_before_anything_is_sent(
    wired: AsyncSession, channel: Channel
) -> None:
    result = await wired.code.run_code(CODE, "cobol", stream_beta=True)
    assert "Unsupported language: cobol" in result.error_message
    with pytest.raises(CodeError, match="Unsupported language: cobol"):
        wired.code.stream(CODE, "cobol")
    assert [] == channel.handshakes
