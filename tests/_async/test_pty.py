"""Terminals: their messages on the wire, their output, their ends."""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any

import pytest

from agentbay import (
    AgentBayError,
    AsyncPtyHandle,
    AsyncSession,
    PtyError,
    PtyNotConnectedError,
    PtySession,
    PtySessionNotFoundError,
    PtySizeError,
    PtyTimeoutError,
    SessionError,
    WsConnectionClosedError,
)
from agentbay._async import pty as module
from tests.catalogue import WS
from tests.channel import Channel, Frame, Peer
from tests.waiting import async_until

STANDARD = {"TERM": "xterm-256color", "LANG": "en_US.UTF-8"}
NOT_CONNECTED = "PTY handle is not connected"


@pytest.fixture(autouse=True)
def answers(channel: Channel) -> None:
    for method in ("pty.create", "pty.list", "pty.connect", "pty.kill"):
        channel.on(method, WS[method]["reply"])


def output(text: str, encoding: str = "utf8", identity: str = "p1") -> dict[str, Any]:
    return {"eventType": "pty.output", "ptySessionId": identity, "encoding": encoding, "data": text}


def ended(code: Any = 0, identity: str = "p1") -> dict[str, Any]:
    return {"eventType": "pty.exit", "ptySessionId": identity, "exitCode": code}


def then(*pushes: dict[str, Any]) -> Callable[[Peer, Frame], None]:
    """Answers with the catalogue's reply, and pushes."""

    def answer(peer: Peer, frame: Frame) -> None:
        peer.reply(frame, WS[frame["data"]["method"]]["reply"])
        for push in pushes:
            peer.push("PTY_SERVER", push)

    return answer


async def everything(handle: AsyncPtyHandle) -> bytes:
    return b"".join([piece async for piece in handle])


async def sent(channel: Channel, method: str) -> dict[str, Any]:
    """The data of a method's frame, which goes to the terminals' server."""
    await async_until(lambda: channel.of(method))
    frame = channel.of(method)[-1]
    assert ("SDK", "PTY_SERVER") == (frame["source"], frame["target"])
    data: dict[str, Any] = frame["data"]
    return data


# The wire


async def test_create_sends_the_catalogues_message(wired: AsyncSession, channel: Channel) -> None:
    handle = await wired.pty.create()
    assert WS["pty.create"]["data"] == await sent(channel, "pty.create")
    assert ("p1", True, None) == (handle.pty_session_id, handle.is_connected, handle.exit_code)


async def test_create_sends_what_is_given(wired: AsyncSession, channel: Channel) -> None:
    await wired.pty.create(1, 500, "/w", {"LANG": "C", "A": "b"}, "/bin/sh")
    envs = STANDARD | {"LANG": "C", "A": "b"}
    assert {"cols": 1, "rows": 500, "cwd": "/w", "envs": envs, "shell": "/bin/sh"} == (
        await sent(channel, "pty.create")
    )["params"]


async def test_connect_list_and_kill_send_the_catalogues_messages(wired: AsyncSession, channel: Channel) -> None:
    handle = await wired.pty.connect("p1")
    assert [PtySession("p1", 0, 0, "running")] == await wired.pty.list()
    await wired.pty.kill("p1")
    await handle.kill()
    for method in ("pty.connect", "pty.list", "pty.kill"):
        assert WS[method]["data"] == await sent(channel, method)


async def test_input_and_size_send_the_catalogues_messages(wired: AsyncSession, channel: Channel) -> None:
    handle = await wired.pty.connect("p1")
    await handle.send_input(b"ls\n")
    await handle.resize(100, 30)
    for method in ("pty.input", "pty.resize"):
        assert WS[method]["data"] == await sent(channel, method)


async def test_input_that_is_no_text_travels_as_base64(wired: AsyncSession, channel: Channel) -> None:
    handle = await wired.pty.connect("p1")
    await handle.send_input(b"a\xff")
    params = (await sent(channel, "pty.input"))["params"]
    assert ("base64", b"a\xff") == (params["encoding"], base64.b64decode(params["data"]))


async def test_input_must_be_bytes(wired: AsyncSession) -> None:
    handle = await wired.pty.connect("p1")
    with pytest.raises(TypeError, match="data must be bytes, not a str"):
        await handle.send_input("ls")  # type: ignore[arg-type]


async def test_connect_without_an_id_in_the_answer_means_the_one_asked_for(
    wired: AsyncSession, channel: Channel
) -> None:
    channel.on("pty.connect", {"result": {}})
    assert "p7" == (await wired.pty.connect("p7")).pty_session_id


@pytest.mark.parametrize("reply", [{}, {"result": None}, {"result": []}, {"result": {"ptySessionId": ""}}])
async def test_a_terminal_without_an_id_is_an_error(wired: AsyncSession, channel: Channel, reply: Any) -> None:
    channel.on("pty.create", reply)
    with pytest.raises(PtyError, match=r"pty\.create did not return ptySessionId: "):
        await wired.pty.create()


@pytest.mark.parametrize("reply", [{"result": None}, {"result": []}, {"result": {"ptySessionIds": "p1"}}])
async def test_a_list_of_another_form_is_empty(wired: AsyncSession, channel: Channel, reply: Any) -> None:
    channel.on("pty.list", reply)
    assert [] == await wired.pty.list()


@pytest.mark.parametrize("size", [(0, 24), (80, 0), (501, 24), (80, 501), (-1, 24)])
async def test_a_size_out_of_range_is_refused_before_anything_is_sent(
    wired: AsyncSession, channel: Channel, size: tuple[int, int]
) -> None:
    text = rf"Invalid terminal size: cols={size[0]}, rows={size[1]} \(must be 1-500\)"
    with pytest.raises(PtySizeError, match=text):
        await wired.pty.create(*size)
    assert [] == channel.handshakes
    with pytest.raises(ValueError, match=text):
        await (await wired.pty.connect("p1")).resize(*size)
    assert [] == channel.of("pty.resize")


async def test_a_session_without_a_channel_has_no_terminals(wired: AsyncSession) -> None:
    wired.ws_url = ""
    with pytest.raises(SessionError, match="ws_url is not available for this session"):
        await wired.pty.create()


REFUSALS = {"PTY session not found: p1": PtySessionNotFoundError, "no memory": PtyError}


@pytest.mark.parametrize(("text", "kind"), REFUSALS.items())
async def test_a_refusal_is_a_typed_error(
    wired: AsyncSession, channel: Channel, text: str, kind: type[AgentBayError]
) -> None:
    channel.on("pty.connect", {"error": text})
    with pytest.raises(PtyError) as caught:
        await wired.pty.connect("p1")
    assert (kind, text) == (type(caught.value), caught.value.message)


async def test_a_folder_that_is_missing_is_no_missing_terminal(wired: AsyncSession, channel: Channel) -> None:
    text = "the working directory /w cannot be used: No such file or directory"
    channel.on("pty.create", {"error": text})
    with pytest.raises(PtyError) as caught:
        await wired.pty.create(cwd="/w")
    assert (PtyError, text) == (type(caught.value), caught.value.message)


# Output and ends


async def test_output_is_an_iterator_that_ends_with_the_program(wired: AsyncSession, channel: Channel) -> None:
    pushes = [output("é"), output(base64.b64encode(b"\xff").decode(), "base64"), output(""), ended(3)]
    channel.on("pty.create", then(*pushes))
    handle = await wired.pty.create()
    assert "é".encode() + b"\xff" == await everything(handle)
    assert (3, 3, False) == (await handle.wait(), handle.exit_code, handle.is_connected)
    assert b"" == await everything(handle)


async def test_output_that_comes_before_the_answer_is_not_lost(wired: AsyncSession, channel: Channel) -> None:
    def answer(peer: Peer, frame: Frame) -> None:
        peer.push("PTY_SERVER", output("early"))
        peer.push("PTY_SERVER", output("other", identity="p2"))
        then(ended())(peer, frame)

    channel.on("pty.create", answer)
    assert b"early" == await everything(await wired.pty.create())
    assert [] == wired.pty._terminals._early


async def test_a_callback_gets_the_output_instead(wired: AsyncSession, channel: Channel) -> None:
    channel.on("pty.create", then(output("a"), output("b"), ended()))
    pieces: list[bytes] = []
    handle = await wired.pty.create(on_data=pieces.append)
    assert (0, [b"a", b"b"], b"") == (await handle.wait(5), pieces, await everything(handle))


async def test_a_callback_that_fails_harms_neither_terminal_nor_channel(wired: AsyncSession, channel: Channel) -> None:
    channel.on("pty.create", then(output("a"), ended(4)))
    handle = await wired.pty.create(on_data=lambda data: data.fails)  # type: ignore[attr-defined]
    assert 4 == await handle.wait(5)


async def test_two_handles_of_one_terminal_both_get_its_output(wired: AsyncSession, channel: Channel) -> None:
    first = await wired.pty.create()
    channel.on("pty.connect", then(output("a"), ended()))
    second = await wired.pty.connect("p1")
    assert (b"a", b"a") == (await everything(first), await everything(second))


async def test_letting_go_of_one_handle_leaves_the_other(wired: AsyncSession, channel: Channel) -> None:
    first, second = await wired.pty.create(), await wired.pty.connect("p1")
    first.disconnect()
    channel.push("PTY_SERVER", output("a"))
    channel.push("PTY_SERVER", ended())
    assert (b"", b"a") == (await everything(first), await everything(second))


async def test_output_of_an_unknown_kind_is_dropped(wired: AsyncSession, channel: Channel) -> None:
    bad: list[Any] = [
        output("x", "utf7"),
        output("*", "base64"),
        output("x") | {"data": 5},
        {"eventType": "pty.output"},
    ]
    bad += [{"ptySessionId": 5}, {"ptySessionId": "p1"}, {"ptySessionId": "p1", "eventType": "other"}]
    channel.on("pty.create", then(*bad, output("good"), ended()))
    assert b"good" == await everything(await wired.pty.create())


async def test_output_that_nobody_reads_is_kept_up_to_a_limit(
    wired: AsyncSession, channel: Channel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MOST_KEPT", 10)
    channel.on("pty.create", then(*(output(f"{number:04}") for number in range(9)), ended()))
    handle = await wired.pty.create()
    await handle.wait(5)
    assert b"00070008" == await everything(handle)


@pytest.mark.parametrize("code", [None, "7", True])
async def test_an_exit_without_a_code_is_minus_one(wired: AsyncSession, channel: Channel, code: Any) -> None:
    channel.on("pty.create", then(ended(code)))
    assert -1 == await (await wired.pty.create()).wait(5)


@pytest.mark.parametrize(("push", "text"), [({"error": "it broke"}, "it broke"), ({}, "Unknown PTY error")])
async def test_an_error_of_the_terminal_is_raised(
    wired: AsyncSession, channel: Channel, push: dict[str, Any], text: str
) -> None:
    channel.on("pty.create", then(output("a"), {"eventType": "pty.error", "ptySessionId": "p1"} | push))
    handle = await wired.pty.create()
    for wait in (handle.wait, lambda: everything(handle)):
        with pytest.raises(PtyError, match=text):
            await wait()


async def test_after_the_end_nothing_can_be_sent(wired: AsyncSession, channel: Channel) -> None:
    channel.on("pty.create", then(ended()))
    handle = await wired.pty.create()
    await handle.wait(5)
    for act in (lambda: handle.send_input(b"x"), lambda: handle.resize(9, 9), handle.kill):
        with pytest.raises(PtyNotConnectedError, match=NOT_CONNECTED):
            await act()
    assert [PtySession("p1", 0, 0, "exited", 0)] == await wired.pty.list()


async def test_a_wait_has_an_end_in_time(wired: AsyncSession) -> None:
    handle = await wired.pty.create()
    with pytest.raises(PtyTimeoutError, match=r"PTY wait timed out after 0\.05s"):
        await handle.wait(0.05)
    assert handle.is_connected


async def test_a_handle_can_be_let_go_and_taken_up_again(wired: AsyncSession, channel: Channel) -> None:
    async with await wired.pty.create() as handle:
        pass
    handle.disconnect()
    with pytest.raises(PtyNotConnectedError):
        await handle.wait()
    assert [] == channel.of("pty.kill")
    channel.on("pty.connect", then(output("again"), ended()))
    assert b"again" == await everything(await wired.pty.connect("p1"))


# A line that breaks


async def test_after_a_cut_a_terminal_is_connected_again(wired: AsyncSession, channel: Channel) -> None:
    handle = await wired.pty.create()
    channel.on("pty.connect", then(output("back"), ended(5)))
    channel.cut()
    assert (b"back", 5) == (await everything(handle), await handle.wait())


async def test_after_two_cuts_too(wired: AsyncSession, channel: Channel) -> None:
    handle = await wired.pty.create()
    channel.on("pty.connect", lambda peer, _: peer.cut())
    channel.cut()
    await async_until(lambda: channel.of("pty.connect"))
    channel.on("pty.connect", then(ended(5)))
    assert 5 == await handle.wait(20)


async def test_a_terminal_that_is_gone_after_a_cut_ends_with_an_error(wired: AsyncSession, channel: Channel) -> None:
    handle = await wired.pty.create()
    channel.on("pty.connect", {"error": "PTY session not found"})
    channel.cut()
    with pytest.raises(PtySessionNotFoundError):
        await handle.wait()


async def test_the_end_of_the_channel_is_the_end_of_its_terminals(wired: AsyncSession) -> None:
    handle = await wired.pty.create()
    await wired._channel.aclose()
    with pytest.raises(WsConnectionClosedError):
        await handle.wait()
    with pytest.raises(WsConnectionClosedError):
        await wired.pty.create()


async def test_terminals_can_be_had_again_after_the_service_refused_the_channel(
    wired: AsyncSession, channel: Channel
) -> None:
    handle = await wired.pty.create()
    channel.refusals = [403]
    channel.cut()
    with pytest.raises(SessionError):
        await handle.wait()
    channel.on("pty.create", then(ended()))
    assert 0 == await (await wired.pty.create()).wait(5)
