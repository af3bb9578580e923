"""A browser's calls for a person, over the session's WebSocket."""

from __future__ import annotations

from typing import Any

import pytest

from agentbay import AsyncSession, BrowserNotifyMessage, SessionError, WsHandshakeRejectedError
from agentbay._async import browser as module
from tests.catalogue import WS
from tests.channel import Channel
from tests.waiting import async_until

SERVER = "wuying_cdp_mcp_server"
ASKED = WS["browser notification (push)"]["data"]
DONE = WS["browser takeover done (sent)"]["data"]


async def told(channel: Channel, heard: list[Any], data: Any, route: str = SERVER) -> None:
    """Pushes, and waits until it was heard."""
    count = len(heard)
    await async_until(lambda: channel.peers)
    channel.push(route, data)
    await async_until(lambda: len(heard) > count)


async def test_a_callback_gets_what_the_browser_asks(wired: AsyncSession, channel: Channel) -> None:
    heard: list[BrowserNotifyMessage] = []

    assert await wired.browser.register_callback(heard.append) is True
    assert len(channel.handshakes) == 1
    await told(channel, heard, ASKED)

    assert heard == [
        BrowserNotifyMessage("call-for-user", 1, 101, "captcha request", "takeover", {"max_wait_time": 180})
    ]


async def test_pushes_of_the_server_in_the_tool_list_count_too(wired: AsyncSession, channel: Channel) -> None:
    wired.tool_servers["stopChrome"] = "cdp"
    heard: list[BrowserNotifyMessage] = []
    await wired.browser.register_callback(heard.append)

    await told(channel, heard, ASKED, "cdp")
    await told(channel, heard, ASKED)

    assert len(heard) == 2


async def test_a_new_callback_replaces_the_old_one(wired: AsyncSession, channel: Channel) -> None:
    old: list[BrowserNotifyMessage] = []
    new: list[BrowserNotifyMessage] = []
    await wired.browser.register_callback(old.append)
    await wired.browser.register_callback(new.append)

    await told(channel, new, ASKED)

    assert old == []


async def test_without_a_callback_nothing_is_heard_and_the_channel_goes_on(
    wired: AsyncSession, channel: Channel
) -> None:
    heard: list[BrowserNotifyMessage] = []
    others: list[Any] = []
    await wired.browser.register_callback(heard.append)
    wired._channel.subscribe("other", others.append)

    await wired.browser.unregister_callback()
    await wired.browser.unregister_callback()
    await async_until(lambda: channel.peers)
    channel.push(SERVER, ASKED)
    await told(channel, others, {}, "other")

    assert (heard, len(channel.peers)) == ([], 1)


async def test_a_cut_connection_is_made_again_and_the_callback_stays(wired: AsyncSession, channel: Channel) -> None:
    heard: list[BrowserNotifyMessage] = []
    await wired.browser.register_callback(heard.append)

    await async_until(lambda: channel.peers)
    channel.cut()
    await async_until(lambda: len(channel.peers) == 2)
    await told(channel, heard, ASKED)

    assert len(heard) == 1


async def test_a_callback_that_fails_hears_the_next_one(wired: AsyncSession, channel: Channel) -> None:
    heard: list[BrowserNotifyMessage] = []

    def callback(message: BrowserNotifyMessage) -> None:
        heard.append(message)
        raise RuntimeError("the user's own")

    await wired.browser.register_callback(callback)
    await told(channel, heard, ASKED)
    await told(channel, heard, {"code": 102})

    assert heard[1] == BrowserNotifyMessage(code=102)


ODD: dict[str, tuple[dict[str, Any], BrowserNotifyMessage]] = {
    "empty": ({}, BrowserNotifyMessage()),
    "other kinds": (
        {"type": 5, "id": "1", "code": True, "message": None, "action": [], "extraParams": "x"},
        BrowserNotifyMessage(),
    ),
    "numbers": ({"id": 2.0, "code": float("inf")}, BrowserNotifyMessage(id=2)),
    "more": (
        {"code": 0, "else": {}, "extraParams": {"a": None}},
        BrowserNotifyMessage(code=0, extra_params={"a": None}),
    ),
}


@pytest.mark.parametrize("row", ODD.values(), ids=list(ODD))
async def test_odd_messages_are_read_as_far_as_they_go(
    wired: AsyncSession, channel: Channel, row: tuple[dict[str, Any], BrowserNotifyMessage]
) -> None:
    heard: list[BrowserNotifyMessage] = []
    await wired.browser.register_callback(heard.append)

    await told(channel, heard, row[0])

    assert heard == [row[1]]


async def sent(channel: Channel, count: int = 1) -> dict[str, Any]:
    await async_until(lambda: len(channel.frames) == count)
    frame = channel.frames[-1]
    assert (frame["source"], frame["target"]) == ("SDK", SERVER)
    data: dict[str, Any] = frame["data"]
    return data


async def test_the_end_of_a_takeover_is_told_as_the_catalogue_says(wired: AsyncSession, channel: Channel) -> None:
    assert await wired.browser.send_takeover_done(1) is True

    assert await sent(channel) == DONE


async def test_a_message_goes_with_what_is_set(wired: AsyncSession, channel: Channel) -> None:
    assert await wired.browser.send_notify_message(BrowserNotifyMessage(code=0, extra_params={"a": "é"})) is True

    assert await sent(channel) == {"code": 0, "extraParams": {"a": "é"}}


async def test_only_messages_can_be_sent_and_only_callables_called(wired: AsyncSession, channel: Channel) -> None:
    with pytest.raises(TypeError, match="notify_message must be a BrowserNotifyMessage, not a dict"):
        await wired.browser.send_notify_message({})  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="callback must be a function, not 5"):
        await wired.browser.register_callback(5)  # type: ignore[arg-type]
    assert channel.handshakes == []


async def test_a_session_without_a_channel_says_so(session: AsyncSession) -> None:
    for call in (lambda: session.browser.register_callback(print), lambda: session.browser.send_takeover_done(1)):
        with pytest.raises(SessionError, match="ws_url is not available for this session"):
            await call()


async def test_a_channel_that_is_refused_registers_nothing(wired: AsyncSession, channel: Channel) -> None:
    channel.refusals = [403]

    with pytest.raises(WsHandshakeRejectedError):
        await wired.browser.register_callback(print)

    assert wired.browser._subscriptions == []


def test_the_catalogue_and_the_module_name_the_same_server() -> None:
    assert WS["browser notification (push)"]["target"] == WS["browser takeover done (sent)"]["target"] == module.SERVER
