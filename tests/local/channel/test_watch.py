"""Directory watches frame by frame: what is answered, what is pushed, what is refused, what ends them."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.local.channel.wire import Json, Wire, connect
from tests.local.service.api import Api

FILES = "wuying_filesystem"


async def subscribe(wire: Wire, path: Any) -> Json:
    """Sends the message, and gives the frame that answers it."""
    params = {} if path is None else {"path": path}
    identity = await wire.send(FILES, {"method": "subscribe_file_change", "params": params})
    while (frame := await wire.next())["invocationId"] != identity:
        pass
    return frame


async def push(wire: Wire) -> Json:
    """The next push of changes."""
    while (frame := await wire.next())["data"].get("eventType") != "file_change":
        pass
    return frame


async def run(api: Api, made: Json, command: str) -> None:
    text, failed = (await api.tool(made["SessionId"], "shell", command=command, timeout_ms=10_000)).said
    assert not failed, text


async def test_changes_are_pushed_after_the_answer(api: Api, made: Json, wire: Wire) -> None:
    await run(api, made, "mkdir /tmp/w")
    identity = await wire.send(FILES, {"method": "subscribe_file_change", "params": {"path": "/tmp/w/"}})
    reply = await wire.next()
    assert (reply["invocationId"], reply["source"], reply["target"]) == (identity, FILES, "SDK")
    assert reply["data"] == {"method": "subscribe_file_change", "phase": "end", "seq": 1}
    await run(api, made, "echo x > /tmp/w/new.txt")
    pushed = await push(wire)
    assert (pushed["source"], pushed["target"], pushed["invocationId"] == identity) == (FILES, "SDK", False)
    events = [{"eventType": kind, "path": "/tmp/w/new.txt", "pathType": "file"} for kind in ("create", "modify")]
    assert pushed["data"] == {"eventType": "file_change", "path": "/tmp/w/", "events": events}


async def test_a_path_may_start_at_the_home_folder(api: Api, made: Json, wire: Wire) -> None:
    await run(api, made, "mkdir ~/w")
    for path in ("~/w", "w"):
        assert (await subscribe(wire, path))["data"]["phase"] == "end"
    await run(api, made, "mkdir ~/w/d")
    pushes = [(await push(wire))["data"] for _ in range(2)]
    assert {data["path"] for data in pushes} == {"~/w", "w"}
    event = {"eventType": "create", "path": "/home/wuying/w/d", "pathType": "directory"}
    assert [data["events"] for data in pushes] == [[event]] * 2


async def test_subscribing_twice_pushes_once_and_one_unsubscription_ends_it(api: Api, made: Json, wire: Wire) -> None:
    await run(api, made, "mkdir /tmp/w /tmp/other")
    for path in ("/tmp/w", "/tmp/w", "/tmp/other"):
        assert (await subscribe(wire, path))["data"]["phase"] == "end"
    await run(api, made, "mkdir /tmp/w/one")
    assert [event["path"] for event in (await push(wire))["data"]["events"]] == ["/tmp/w/one"]
    await wire.send(FILES, {"method": "unsubscribe_file_change", "params": {"path": "/tmp/w"}})
    await run(api, made, "mkdir /tmp/w/two; sleep 0.2; mkdir /tmp/other/three")
    assert [event["path"] for event in (await push(wire))["data"]["events"]] == ["/tmp/other/three"]


async def test_unsubscribing_from_nothing_does_nothing(wire: Wire) -> None:
    await wire.send(FILES, {"method": "unsubscribe_file_change", "params": {"path": "/tmp/never"}})
    assert await wire.answered()


async def test_each_connection_is_told_of_its_own_watches(api: Api, made: Json, wire: Wire) -> None:
    other = await connect(api, made)
    await run(api, made, "mkdir /tmp/w")
    for one in (wire, other):
        await subscribe(one, "/tmp/w")
    await other.socket.close()
    await run(api, made, "mkdir /tmp/w/d")
    assert [event["path"] for event in (await push(wire))["data"]["events"]] == ["/tmp/w/d"]


async def test_what_tools_write_is_told_by_its_own_name(api: Api, made: Json, wire: Wire) -> None:
    await run(api, made, "mkdir /tmp/w")
    await subscribe(wire, "/tmp/w")
    await api.tool(made["SessionId"], "write_file", path="/tmp/w/file", content="x", mode="overwrite")
    assert {event["path"] for event in (await push(wire))["data"]["events"]} == {"/tmp/w/file"}


@pytest.mark.parametrize(
    ("path", "complaint"),
    [
        ("/no/such", "Failed to watch: /no/such, error: No such file or directory"),
        ("/etc/passwd", "Failed to watch: /etc/passwd, error: Not a directory"),
        ("", "subscribe_file_change: path must not be empty"),
        ("/tmp/\0", "subscribe_file_change: path must not hold a NUL character"),
        (7, "subscribe_file_change: the parameter path must be text"),
        (None, "subscribe_file_change: the parameter path is missing"),
    ],
)
async def test_what_cannot_be_watched_is_refused_in_words(wire: Wire, path: Any, complaint: str) -> None:
    data = (await subscribe(wire, path))["data"]
    assert (data["phase"], data["error"]) == ("error", complaint)


async def test_there_are_so_many_watches_until_some_end_with_their_connection(api: Api, made: Json, wire: Wire) -> None:
    await run(api, made, "mkdir -p $(seq -f /tmp/w/%g 17)")
    other = await connect(api, made)
    for number in range(1, 17):
        assert (await subscribe(other, f"/tmp/w/{number}"))["data"]["phase"] == "end"
    refused = (await subscribe(wire, "/tmp/w/17"))["data"]
    assert refused["error"] == "The session watches 16 directories, and cannot watch more: end a watch first"
    await other.socket.close()
    for _ in range(500):
        if (await subscribe(wire, "/tmp/w/17"))["data"]["phase"] == "end":
            break
        await asyncio.sleep(0.01)
    await run(api, made, "mkdir /tmp/w/17/d")
    assert (await push(wire))["data"]["path"] == "/tmp/w/17"
    await run(api, made, "until [ $(pgrep -fc '[b]oxd.pyc') = 2 ]; do sleep 0.02; done")


async def test_a_watch_that_could_not_go_on_can_be_begun_again(api: Api, made: Json, wire: Wire) -> None:
    await run(api, made, "mkdir /tmp/w")
    await subscribe(wire, "/tmp/w")
    await run(api, made, "rmdir /tmp/w; pkill -9 -f '[b]oxd.pyc'; sleep 1.5; mkdir /tmp/w")
    assert (await subscribe(wire, "/tmp/w"))["data"]["phase"] == "end"
    await run(api, made, "mkdir /tmp/w/d")
    assert [event["path"] for event in (await push(wire))["data"]["events"]] == ["/tmp/w/d"]


async def test_a_client_that_does_not_read_is_told_later(api: Api, made: Json, wire: Wire) -> None:
    await run(api, made, "mkdir /tmp/w")
    await subscribe(wire, "/tmp/w")
    await run(api, made, "cd /tmp/w; seq 20000 | xargs touch")
    seen: set[str] = set()
    while len(seen) < 20_000:
        seen |= {event["path"] for event in (await push(wire))["data"]["events"]}
    assert len(seen) == 20_000


async def test_nothing_of_watches_outlives_their_session(here: Api) -> None:
    made = await here.create()
    wire = await connect(here, made)
    await subscribe(wire, "/tmp")
    await here.call("ReleaseMcpSession", SessionId=made["SessionId"])
    await wire.closed()
    for _ in range(500):
        if "agentbay-directory-watch" not in {task.get_name() for task in asyncio.all_tasks()}:
            break
        await asyncio.sleep(0.01)
    assert "agentbay-directory-watch" not in {task.get_name() for task in asyncio.all_tasks()}
