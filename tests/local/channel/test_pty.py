"""Terminals frame by frame: what is answered, what is pushed and when, what is refused."""

from __future__ import annotations

import asyncio
import base64
from typing import Any

import pytest

from agentbay import AsyncAgentBay
from agentbay_local.channel.screen import output, whole
from agentbay_local.channel.shells import in_known_language, is_known
from tests.local.channel.wire import Json, Proxy, Wire, connect
from tests.local.service.api import Api

PTY = "PTY_SERVER"
QUIET = "sh -c 'stty -echo; exec sh'"
STANDARD = {"TERM": "xterm-256color", "LANG": "en_US.UTF-8"}


async def ask(wire: Wire, method: str, **params: Any) -> Json:
    """Sends a message, and gives the frame that answers it; pushes before it are passed over."""
    identity = await wire.send(PTY, {"method": method, "params": params})
    while (frame := await wire.next())["invocationId"] != identity:
        pass
    return frame


async def tell(wire: Wire, method: str, **params: Any) -> None:
    await wire.send(PTY, {"method": method, "params": params})


async def create(wire: Wire, **params: Any) -> str:
    """A terminal's id."""
    answer = await ask(wire, "pty.create", **{"cols": 80, "rows": 24, "envs": STANDARD} | params)
    name: str = answer["data"]["result"]["ptySessionId"]
    return name


async def push(wire: Wire, name: str) -> Json:
    """What is pushed next about a terminal."""
    while (data := (await wire.next())["data"]).get("ptySessionId") != name:
        pass
    return data


async def type_in(wire: Wire, name: str, text: str) -> None:
    await tell(wire, "pty.input", ptySessionId=name, encoding="utf8", data=text)


async def everything(wire: Wire, name: str) -> tuple[bytes, Any]:
    """All that comes until the end, and the exit code."""
    seen = []
    while (event := await push(wire, name))["eventType"] == "pty.output":
        text = event["data"]
        seen.append(text.encode() if event["encoding"] == "utf8" else base64.b64decode(text))
    return b"".join(seen), event["exitCode"]


# --- Frames -----------------------------------------------------------------------------------------------------------


async def test_output_comes_after_the_id_and_the_exit_code_last(wire: Wire) -> None:
    params = {"cols": 80, "rows": 24, "envs": STANDARD, "shell": "sh -c 'echo hello; exit 3'"}
    identity = await wire.send(PTY, {"method": "pty.create", "params": params})
    reply, printed, ended = [await wire.next() for _ in range(3)]
    name = reply["data"]["result"]["ptySessionId"]
    assert reply == {
        "invocationId": identity,
        "source": PTY,
        "target": "SDK",
        "data": {"result": {"ptySessionId": name}},
    }
    assert [(frame["source"], frame["target"]) for frame in (printed, ended)] == [(PTY, "SDK")] * 2
    assert identity not in {printed["invocationId"], ended["invocationId"]}
    about = {"ptySessionId": name}
    assert printed["data"] == {"eventType": "pty.output", "encoding": "utf8", "data": "hello\r\n"} | about
    assert ended["data"] == {"eventType": "pty.exit", "exitCode": 3} | about


async def test_terminals_are_listed_connected_to_and_killed(wire: Wire) -> None:
    names = [await create(wire, shell="sleep 300") for _ in range(2)]
    assert (await ask(wire, "pty.list"))["data"] == {"result": {"ptySessionIds": names}}
    assert (await ask(wire, "pty.connect", ptySessionId=names[0]))["data"] == {"result": {"ptySessionId": names[0]}}
    assert (await ask(wire, "pty.kill", ptySessionId=names[0]))["data"] == {"result": {}}
    assert (await push(wire, names[0]))["exitCode"] == 137
    assert (await ask(wire, "pty.list"))["data"] == {"result": {"ptySessionIds": names[1:]}}
    await ask(wire, "pty.kill", ptySessionId=names[1])


async def test_input_comes_as_text_or_as_base64_and_in_its_order(wire: Wire) -> None:
    name = await create(wire, shell="sh -c 'stty raw -echo; echo on; head -c 2000 | tail -c 12'")
    while (await push(wire, name))["data"] != "on\n":
        pass
    for number in range(498):
        await type_in(wire, name, f"{number:04}")
    await type_in(wire, name, "größe")
    await tell(wire, "pty.input", ptySessionId=name, encoding="base64", data=base64.b64encode(b"\xff").decode())
    seen, code = await everything(wire, name)
    assert (seen, code) == ("0497größe".encode() + b"\xff", 0)


async def test_output_that_is_no_text_is_base64(wire: Wire) -> None:
    name = await create(wire, shell="sh -c \"printf '\\377\\376'; sleep 0.2; printf 'gr\\303'; printf '\\274n'\"")
    first, second = await push(wire, name), await push(wire, name)
    assert (first["encoding"], base64.b64decode(first["data"])) == ("base64", b"\xff\xfe")
    seen = second["data"] + (await push(wire, name)).get("data", "") * (second["data"] != "grün")
    assert (second["encoding"], seen) == ("utf8", "grün")


async def test_a_new_size_is_taken_without_an_answer(wire: Wire) -> None:
    name = await create(wire, shell=QUIET)
    await tell(wire, "pty.resize", ptySessionId=name, cols=101, rows=29)
    await type_in(wire, name, "stty size; exit\n")
    assert b"29 101\r\n" in (await everything(wire, name))[0]


async def test_without_a_shell_a_login_shell_is_started_where_the_images_commands_start(wire: Wire) -> None:
    name = await create(wire)
    await type_in(wire, name, "shopt -q login_shell && echo lo''gin in $PWD; exit\n")
    assert b"login in /workspace\r\n" in (await everything(wire, name))[0]


# --- Who sees what ----------------------------------------------------------------------------------------------------


async def test_a_terminal_outlives_its_connection_and_keeps_its_latest_output(api: Api, made: Json) -> None:
    first = await connect(api, made)
    name = await create(first, shell="sh -c 'read line; seq 60000; exit 6'")
    await type_in(first, name, "go\n")
    await first.socket.close()
    expected = "".join(f"{number}\r\n" for number in range(1, 60001)).encode()[-(256 << 10) :]
    session = made["SessionId"]
    await api.tool(session, "shell", command="while pgrep -f 'seq 6000[0]'; do sleep 0.02; done", timeout_ms=10_000)
    await asyncio.sleep(0.2)
    second = await connect(api, made)
    identity = await second.send(PTY, {"method": "pty.connect", "params": {"ptySessionId": name}})
    assert (await second.next())["invocationId"] == identity
    assert await everything(second, name) == (expected, 6)
    assert (await ask(second, "pty.list"))["data"] == {"result": {"ptySessionIds": []}}
    await second.socket.close()


async def test_all_connections_of_a_terminal_see_its_output_and_its_end(api: Api, made: Json, wire: Wire) -> None:
    other = await connect(api, made)
    name = await create(wire, shell=QUIET)
    await ask(other, "pty.connect", ptySessionId=name)
    await type_in(other, name, "echo both; exit 4\n")
    seen = [await everything(one, name) for one in (wire, other)]
    assert [(text[-6:], code) for text, code in seen] == [(b"both\r\n", 4)] * 2
    await other.socket.close()


async def test_connecting_twice_shows_output_once(wire: Wire) -> None:
    name = await create(wire, shell=QUIET)
    for _ in range(2):
        await ask(wire, "pty.connect", ptySessionId=name)
    await type_in(wire, name, "echo once; exit\n")
    assert (await everything(wire, name))[0].endswith(b"once\r\n")


async def test_terminals_of_other_sessions_are_unknown(api: Api, wire: Wire) -> None:
    name = await create(wire, shell="sleep 300")
    other = await connect(api, await api.create())
    answer = await ask(other, "pty.connect", ptySessionId=name)
    assert answer["data"]["error"] == f"PTY session not found: {name}"
    assert (await ask(other, "pty.list"))["data"] == {"result": {"ptySessionIds": []}}
    await other.socket.close()


async def test_the_sdk_misses_nothing_when_its_connection_is_cut(here: Api) -> None:
    async with AsyncAgentBay("akm-here", endpoint=here.endpoint) as client:
        session = (await client.create()).unwrap().session
        proxy = await Proxy.before(session.ws_url)
        session.ws_url = proxy.url
        script = "echo on; until [ -e /tmp/go ]; do sleep 0.02; done; seq 5; read line; echo $line; exit 7"
        seen = b""
        async with await session.pty.create(shell=f"sh -c 'stty -echo; {script}'") as terminal:
            async for piece in terminal:
                seen += piece
                if seen == b"on\r\n":
                    proxy.cut()
                    await session.command.run("touch /tmp/go; sleep 0.2")
                elif piece.endswith(b"5\r\n"):
                    await terminal.send_input(b"back\n")
            assert (seen, await terminal.wait(10)) == (b"on\r\n1\r\n2\r\n3\r\n4\r\n5\r\nback\r\n", 7)
        await session.delete()
        await proxy.close()


# --- Floods -----------------------------------------------------------------------------------------------------------


async def test_a_client_that_does_not_read_slows_the_program_down(api: Api, made: Json, wire: Wire) -> None:
    name = await create(wire, shell="sh -c 'seq 3000000; touch /tmp/printed'")
    await asyncio.sleep(1)
    found = await api.tool(made["SessionId"], "shell", command="ls /tmp", timeout_ms=5000)
    assert "printed" not in found.said[0]
    seen, code = await everything(wire, name)
    assert (len(seen), seen[-9:], code) == (25_888_896, b"3000000\r\n", 0)


async def test_a_program_that_floods_holds_up_no_other_answer(wire: Wire) -> None:
    name = await create(wire, shell="yes")
    for _ in range(20):
        assert (await ask(wire, "pty.list"))["data"] == {"result": {"ptySessionIds": [name]}}
    await ask(wire, "pty.kill", ptySessionId=name)
    assert (await everything(wire, name))[1] == 137


async def test_input_that_nobody_reads_ends_at_a_limit_and_is_told(wire: Wire) -> None:
    name = await create(wire, shell="sleep 300")
    for _ in range(9):
        await type_in(wire, name, "x" * (1 << 20))
    while (event := await push(wire, name))["eventType"] != "pty.error":
        pass
    assert event["error"] == "The program does not read: 8 MiB of input may wait, and no more"
    await ask(wire, "pty.kill", ptySessionId=name)
    assert (await everything(wire, name))[1] == 137


# --- Refusals ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "params", "complaint"),
    [
        ("pty.connect", {"ptySessionId": "p9"}, "PTY session not found: p9"),
        ("pty.kill", {"ptySessionId": "p9"}, "PTY session not found: p9"),
        ("pty.input", {"ptySessionId": "p9", "data": "x"}, "PTY session not found: p9"),
        ("pty.resize", {"ptySessionId": "p9", "cols": 80, "rows": 24}, "PTY session not found: p9"),
        ("pty.connect", {}, "pty.connect: the parameter ptySessionId is missing"),
        ("pty.create", {"cols": 0}, "Invalid terminal size: cols=0, rows=24 (must be 1-500)"),
        ("pty.create", {"rows": 501}, "Invalid terminal size: cols=80, rows=501 (must be 1-500)"),
        ("pty.create", {"cols": "80"}, "pty.create: the parameter cols must be a whole number"),
        ("pty.create", {"envs": ["A"]}, "pty.create: the parameter envs must be an object"),
        ("pty.create", {"envs": {"A": 1}}, "pty.create: the values of envs must be text"),
        ("pty.create", {"envs": {"A=B": "x"}}, "pty.create: Invalid environment variable name: 'A=B'"),
        ("pty.create", {"shell": "sh 'x"}, "pty.create: the shell is no command: No closing quotation"),
        ("pty.create", {"shell": "''"}, "pty.create: the shell is no command"),
        ("pty.create", {"shell": "/etc"}, "pty.create: the shell /etc cannot be used: Permission denied"),
        ("pty.create", {"shell": "\0"}, "pty.create: the shell is no command"),
        ("pty.create", {"cwd": "no/such"}, "pty.create: the working directory /home/wuying/no/such cannot be used: No"),
        ("pty.create", {"cwd": "/\0"}, "pty.create: cwd must not hold a NUL character"),
        ("pty.nothing", {}, "The target PTY_SERVER has no method pty.nothing. It has: pty.connect, pty.create"),
    ],
)
async def test_what_cannot_be_done_is_refused_in_words(wire: Wire, method: str, params: Json, complaint: str) -> None:
    assert (await ask(wire, method, **params))["data"]["error"].startswith(complaint)


@pytest.mark.parametrize(
    ("params", "complaint"),
    [
        ({"encoding": "utf8"}, "pty.input: the parameter data is missing"),
        ({"encoding": "utf8", "data": "\ud800"}, "pty.input: the data are not utf8"),
        ({"encoding": "base64", "data": "not base64!"}, "pty.input: the data are not base64"),
        ({"encoding": "latin1", "data": "x"}, "pty.input: the encoding must be utf8 or base64, got latin1"),
    ],
)
async def test_input_that_cannot_be_read_is_refused_and_the_terminal_goes_on(
    wire: Wire, params: Json, complaint: str
) -> None:
    name = await create(wire, shell="sh -c 'stty -echo; read line; echo got $line'")
    assert (await ask(wire, "pty.input", ptySessionId=name, **params))["data"]["error"] == complaint
    await type_in(wire, name, "this\n")
    seen, code = await everything(wire, name)
    assert (seen[-10:], code) == (b"got this\r\n", 0)


async def test_there_are_so_many_terminals_and_no_more(wire: Wire) -> None:
    names = [await create(wire, shell="sleep 300") for _ in range(32)]
    refused = await ask(wire, "pty.create", shell="true")
    assert refused["data"]["error"] == "The session has 32 terminals, and cannot have more: end one first"
    await ask(wire, "pty.kill", ptySessionId=names[0])
    assert await everything(wire, await create(wire, shell="true")) == (b"", 0)


async def test_the_limit_holds_for_those_that_are_opened_at_once(wire: Wire) -> None:
    message = {"method": "pty.create", "params": {"shell": "sleep 300"}}
    asked = {await wire.send(PTY, message) for _ in range(40)}
    answers = [frame["data"] for _ in range(40) if (frame := await wire.next())["invocationId"] in asked]
    assert (sum("result" in data for data in answers), sum("error" in data for data in answers)) == (32, 8)


async def test_ends_that_nobody_has_seen_make_room(api: Api, made: Json, wire: Wire) -> None:
    first = await connect(api, made)
    for _ in range(32):
        await create(first, shell="sh -c 'read line'")
    await first.socket.close()
    await api.tool(made["SessionId"], "shell", command="pkill -f 'read lin[e]'", timeout_ms=5000)
    await asyncio.sleep(0.3)
    assert len((await ask(wire, "pty.list"))["data"]["result"]["ptySessionIds"]) == 32
    assert await everything(wire, await create(wire, shell="true")) == (b"", 0)


# --- The end ----------------------------------------------------------------------------------------------------------


def running() -> list[str]:
    return [task.get_name() for task in asyncio.all_tasks() if task.get_name().startswith("agentbay-terminal")]


async def test_nothing_of_terminals_outlives_their_session(here: Api) -> None:
    made = await here.create()
    wire = await connect(here, made)
    names = [await create(wire, shell=shell) for shell in ("yes", "sleep 300", "cat")]
    await type_in(wire, names[1], "x" * 100_000)
    assert running()
    await here.call("ReleaseMcpSession", SessionId=made["SessionId"])
    await wire.closed()
    for _ in range(500):
        if not running():
            break
        await asyncio.sleep(0.01)
    assert running() == []


# --- Without a server -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["aé", "a你", "a🎈"])
def test_a_character_is_never_cut_in_two(text: str) -> None:
    data = text.encode()
    for at in range(2, len(data)):
        assert whole(data[:at]) == (b"a", data[1:at])
    assert whole(data) == (data, b"")


@pytest.mark.parametrize(
    "data", [b"", b"a", b"a\x80\x80\x80\x80", b"a\xff", b"a\xc1", b"\xf5\x80", b"\xe4\xbd\xa0\x80"]
)
def test_what_can_be_no_character_is_not_waited_for(data: bytes) -> None:
    assert whole(data) == (data, b"")


def test_text_is_sent_as_it_is_and_other_bytes_as_base64() -> None:
    assert output("é\0".encode()) == {"encoding": "utf8", "data": "é\0"}
    assert output(b"\xe9") == {"encoding": "base64", "data": "6Q=="}


def test_a_language_that_the_machine_does_not_have_is_replaced() -> None:
    assert (is_known("C.UTF-8"), is_known("xx_XX.UTF-8")) == (True, False)
    assert in_known_language({"LANG": "xx_XX.UTF-8", "A": "b"}) == {"LANG": "C.UTF-8", "A": "b"}
    for kept in ({"LANG": "xx_XX.ISO-8859-1"}, {"LANG": "C"}, {"LANG": "C.UTF-8"}, {}):
        assert in_known_language(kept) == kept
