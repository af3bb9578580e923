"""What a hostile program leaves lying about inside: files without an end, names that are none, survivors."""

from __future__ import annotations

import asyncio
import json
import secrets
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.local.attacks.conftest import Within
from tests.local.channel.wire import connect
from tests.local.service.api import Api

SPECIAL = {
    "a pipe": "mkfifo /tmp/it",
    "a pipe with a writer": "mkfifo /tmp/it; (cat /dev/zero > /tmp/it &)",
    "endless zeros": "ln -s /dev/zero /tmp/it",
    "endless noise": "ln -s /dev/urandom /tmp/it",
    "the full device": "ln -s /dev/full /tmp/it",
    "a new terminal": "ln -s /dev/ptmx /tmp/it",
    "the memory of whoever reads": "ln -s /proc/self/mem /tmp/it",
    "what whoever reads has open": "ln -s /proc/self/fd/0 /tmp/it",
    "the memory of the daemon": "ln -s /proc/1/mem /tmp/it",
    "pages of whoever reads": "ln -s /proc/self/pagemap /tmp/it",
    "events of the kernel": "ln -s /proc/kmsg /tmp/it",
    "a socket": "python3 -c 'import socket; socket.socket(socket.AF_UNIX).bind(\"/tmp/it\")'",
    "a link to itself": "ln -s it /tmp/it",
    "a chain of links": "for i in $(seq 60); do ln -s $((i+1)) /tmp/$i; done; ln -s 1 /tmp/it",
    "a file that grows": "(timeout 4 sh -c 'while :; do echo more; done' > /tmp/it &); sleep 0.1",
    "a file with a hole": "truncate -s 900M /tmp/it",
}
WAYS: dict[str, dict[str, Any]] = {
    "read_file": {"path": "/tmp/it"},
    "read_multiple_files": {"paths": ["/tmp/it", "/tmp/it"]},
    "get_file_info": {"path": "/tmp/it"},
    "edit_file": {"path": "/tmp/it", "edits": [{"oldText": "a", "newText": "b"}]},
    "write_file": {"path": "/tmp/it", "content": "x", "mode": "append"},
    "move_file": {"source": "/tmp/it", "destination": "/tmp/there"},
    "delete_file": {"path": "/tmp/there"},
}
MOST = 128 << 20


@pytest.mark.parametrize("kind", sorted(SPECIAL))
async def test_no_file_holds_up_or_floods_whoever_reads_it(
    api: Api, session: str, within: Within[Any], kind: str
) -> None:
    await api.shell(session, SPECIAL[kind])
    for tool, args in WAYS.items():
        answer = await within(api.tool(session, tool, **args))
        assert answer.status == 200, answer.body
        assert len(answer.data) < MOST, tool
    assert "fine\n" == (await within(api.shell(session, "echo fine")))["stdout"]


async def test_a_sync_of_such_files_ends(api: Api, within: Within[Any]) -> None:
    context = str((await api.call("GetContext", Name="special", AllowCreate="true")).data["Id"])
    bound = json.dumps([{"ContextId": context, "Path": "/tmp/special"}])
    session = str((await api.create(PersistenceDataList=bound))["SessionId"])
    made = " ; ".join(
        f"({command.replace('/tmp/', f'/tmp/special/{n}')})"
        for n, command in enumerate(SPECIAL.values())
        if "900M" not in command
    )
    await api.shell(session, f"mkdir -p /tmp/special; cd /tmp/special; {made}")
    await api.call("SyncContext", SessionId=session)
    await within(api.call("ReleaseMcpSession", SessionId=session))
    await api.call("DeleteContext", Id=context)


NAMES = {
    "line ends": "touch $'/tmp/n/a\\nb' $'/tmp/n/\\r'",
    "no characters": "touch $'/tmp/n/\\xff\\xfe' $'/tmp/n/\\xed\\xa0\\x80'",
    "orders to a terminal": "touch $'/tmp/n/\\x1b[31mred\\x07'",
    "markup": "touch '/tmp/n/<script>alert(1)<!--'",
    "very long": "touch /tmp/n/$(head -c 255 /dev/zero | tr '\\0' n)",
    "quotes and braces": "touch '/tmp/n/\"}]' \"/tmp/n/'\" '/tmp/n/$(id)' '/tmp/n/`id`' '/tmp/n/%s%n' '/tmp/n/..\\'",
    "options": "touch /tmp/n/-rf '/tmp/n/--help' '/tmp/n/ '",
    "very many": "cd /tmp/n && seq 20000 | xargs touch",
    "very deep": "python3 -c \"import os; os.chdir('/tmp/n'); [(os.mkdir('d'), os.chdir('d')) for _ in range(5000)]\"",
}


@pytest.mark.parametrize("kind", sorted(NAMES))
async def test_no_name_breaks_a_list(api: Api, session: str, within: Within[Any], kind: str) -> None:
    await api.shell(session, f"bash -c {quoted('mkdir /tmp/n; ' + NAMES[kind])}")
    for tool, args in (
        ("list_directory", {"path": "/tmp/n"}),
        ("search_files", {"path": "/tmp/n", "pattern": "*"}),
        ("get_file_change", {"path": "/tmp/n"}),
        ("get_file_info", {"path": "/tmp/n"}),
    ):
        answer = await within(api.tool(session, tool, **args))
        assert answer.status == 200, answer.body
        assert isinstance(answer.said[0], str)
    assert "fine\n" == (await within(api.shell(session, "rm -rf /tmp/n; echo fine")))["stdout"]


def quoted(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"


# --- Survivors --------------------------------------------------------------------------------------------------------

SURVIVOR = """
import ctypes, os, signal, sys, time
for number in range(1, 65):
    try: signal.signal(number, signal.SIG_IGN)
    except (OSError, ValueError): pass
for _ in range(3):
    if os.fork(): os._exit(0)
    os.setsid()
ctypes.CDLL(None).prctl(15, b"innocent", 0, 0, 0)
os.chdir("/"); os.closerange(0, 64)
while True:
    time.sleep(0.05)
    if os.fork() == 0 and os.fork() == 0: os._exit(0)
    try: os.waitpid(-1, os.WNOHANG)
    except OSError: pass
"""


def running(mark: str) -> list[str]:
    """The processes of this machine that have a word in their command line."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if mark.encode() in path.read_bytes():
                found.append(path.parent.name)
        except OSError:
            continue
    return found


@pytest.mark.parametrize("end", ["ReleaseMcpSession", "DeleteSessionAsync"])
@pytest.mark.parametrize("paused", [False, True])
async def test_nothing_survives_the_end_of_its_session(api: Api, end: str, paused: bool) -> None:
    mark = secrets.token_hex(12)
    session = str((await api.create())["SessionId"])
    await api.shell(session, f"python3 -I -S -c {quoted(SURVIVOR)} {mark}; sleep 0.2")
    assert running(mark)
    if paused:
        await api.call("PauseSessionAsync", SessionId=session)
        assert await api.becomes(session, "PAUSED")
        await api.call("ResumeSessionAsync", SessionId=session)
        assert await api.becomes(session, "RUNNING")
    assert (200, "ok") == (await api.call(end, SessionId=session)).verdict
    for _ in range(200):
        if not running(mark):
            break
        await asyncio.sleep(0.05)
    assert [] == running(mark)


# --- What comes with a program ----------------------------------------------------------------------------------------

OPENED = """
import json, os
names = [f"/proc/self/fd/{name}" for name in os.listdir("/proc/self/fd")]
print(json.dumps([os.readlink(name) for name in names if os.path.lexists(name)]))
"""
HARMLESS = (
    "pipe:[",
    "socket:[",
    "anon_inode:",
    "/dev/null",
    "/dev/pts/",
    "/proc/",
    "/home/wuying/",
    "/tmp/",
    "/dev/urandom",
)


async def test_no_door_hands_in_a_descriptor_of_the_host(api: Api) -> None:
    made = await api.create(ImageId="code_latest")
    session = str(made["SessionId"])
    shell = (await api.shell(session, f"python3 -I -S -c {quoted(OPENED)}"))["stdout"]
    wire = await connect(api, made)
    code = await wire.printed(await wire.code(OPENED))
    await wire.socket.close()
    for text in (shell, code):
        names = json.loads(text.strip().splitlines()[-1])
        assert [] == [name for name in names if not name.startswith(HARMLESS)]
    assert 3 == len(json.loads(shell))


async def test_a_terminal_hands_in_nothing_but_itself(api: Api) -> None:
    made = await api.create(ImageId="linux_latest")
    await api.tool(made["SessionId"], "write_file", path="/tmp/opened.py", content=OPENED)
    wire = await connect(api, made)
    params = {"cols": 500, "rows": 24, "shell": "python3 -I -S /tmp/opened.py"}
    await wire.send("PTY_SERVER", {"method": "pty.create", "params": params})
    printed = ""
    while (data := (await wire.next())["data"]).get("eventType") != "pty.exit":
        printed += data.get("data", "")
    await wire.socket.close()
    assert ["/dev/pts/0"] * 3 == json.loads(printed)


# --- The host's own servers -------------------------------------------------------------------------------------------


@pytest.fixture
def listening() -> Iterator[tuple[str, int]]:
    """A socket of the host in the abstract, and one on its loopback."""
    name = f"agentbay-test-{secrets.token_hex(8)}"
    with socket.socket(socket.AF_UNIX) as abstract, socket.create_server(("127.0.0.1", 0)) as door:
        abstract.bind("\0" + name)
        abstract.listen()
        yield name, door.getsockname()[1]


async def test_no_server_of_the_host_can_be_reached(api: Api, session: str, listening: tuple[str, int]) -> None:
    name, port = listening
    own = urlsplit(api.endpoint).port
    script = f"""
        import errno, socket
        def tried(family, place):
            try: socket.socket(family).connect(place)
            except OSError as error: return errno.errorcode[error.errno]
            return "connected"
        print(tried(socket.AF_UNIX, "\\0{name}"))
        for port in ({port}, {own}):
            for host in ("127.0.0.1", "127.0.0.2", "0.0.0.0", "10.0.2.2", "169.254.169.254", "172.17.0.1"):
                print(tried(socket.AF_INET, (host, port)))
            print(tried(socket.AF_INET6, ("::ffff:127.0.0.1", port)))
    """
    source = "\n".join(line[8:] for line in script.splitlines())
    said = (await api.shell(session, f"python3 -I -S -c {quoted(source)}"))["stdout"].split()
    assert (15, set()) == (len(said), set(said) - {"ECONNREFUSED", "ENETUNREACH", "EHOSTUNREACH"})


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "localhost", "0.0.0.0", "[::1]", "[::ffff:127.0.0.1]", "2130706433", "0x7f.1", "127.1"]
)
async def test_nor_by_way_of_the_proxy(api: Api, session: str, host: str) -> None:
    port = urlsplit(api.endpoint).port
    script = f"""
        import socket
        for head in ("GET http://{host}:{port}/healthz", "CONNECT {host}:{port}"):
            with socket.create_connection(("127.0.0.1", 3128)) as link:
                link.sendall((head + " HTTP/1.1\\r\\nHost: x\\r\\nConnection: close\\r\\n\\r\\n").encode())
                print(link.recv(100).split()[1].decode())
    """
    source = "\n".join(line[8:] for line in script.splitlines())
    said = await api.shell(session, f"python3 -I -S -c {quoted(source)}")
    assert {"403"} == set(said["stdout"].split()), said
