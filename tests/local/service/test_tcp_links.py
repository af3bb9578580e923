"""Raw TCP links: whatever a program speaks, from a port of a session to this machine."""

from __future__ import annotations

import asyncio
import hashlib
import os
import resource
import socket
import struct
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from agentbay_local import tcp_links
from agentbay_local.app import Runtime
from agentbay_local.peers import owner_of_peer
from agentbay_local.settings import Settings
from tests.local.service.api import Api

PORT = "30123"
SERVER = Path(__file__).with_name("socket_server.py").read_text("utf-8")
RESET = struct.pack("ii", 1, 0)

Ends = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def started(api: Api, session: str) -> str:
    await api.tool(session, "write_file", path="/tmp/server.py", content=SERVER)
    await api.shell(session, f"python3 -I /tmp/server.py {PORT} >/tmp/log 2>&1 &")
    wait = f"for _ in $(seq 200); do (echo >/dev/tcp/127.0.0.1/{PORT}) 2>/dev/null && exit 0; sleep 0.02; done; exit 1"
    assert (await api.shell(session, wait))["exit_code"] == 0, await api.shell(session, "cat /tmp/log")
    return session


@pytest.fixture
async def serving(api: Api, session: str) -> str:
    """The id of a session in which a server of plain sockets runs."""
    return await started(api, session)


async def address(api: Api, session: str, port: str = PORT) -> tuple[str, int]:
    answer = await api.call("GetLink", SessionId=session, ProtocolType="tcp", Port=port)
    url = urlsplit(answer.data["Url"])
    assert url.scheme == "tcp"
    return str(url.hostname), int(url.port or 0)


async def said(ends: Ends, *words: bytes) -> bytes:
    """Says something, ends, and gives all that comes back."""
    reader, writer = ends
    for word in words:
        writer.write(word)
    await writer.drain()
    writer.write_eof()
    told = await reader.read()
    writer.close()
    return told


async def is_refused(where: tuple[str, int]) -> None:
    """A connection is reset: while it is made, or once it is there."""
    with pytest.raises(ConnectionResetError):
        await read_all(where)


async def read_all(where: tuple[str, int]) -> None:
    reader, writer = await asyncio.open_connection(*where)
    try:
        await reader.read()
    finally:
        writer.close()


async def test_bytes_go_both_ways_and_each_side_ends_for_itself(api: Api, serving: str) -> None:
    ends = await asyncio.open_connection(*await address(api, serving))
    ends[1].write(b"echo\nhello")
    assert await ends[0].readexactly(5) == b"hello"
    assert await said(ends, b"\x00\xff") == b"\x00\xff"
    late = await asyncio.open_connection(*await address(api, serving))
    assert await said(late, b"digest\n", b"abc") == hashlib.sha256(b"abc").hexdigest().encode()


async def test_large_streams_arrive_whole_at_the_pace_of_the_reader(api: Api, serving: str) -> None:
    data = os.urandom(1 << 20) * 64
    reader, writer = await asyncio.open_connection(*await address(api, serving))
    writer.write(b"echo\n")
    sending = asyncio.create_task(said_all(writer, data))
    await asyncio.sleep(0.1)
    assert not sending.done()  # nobody reads, so nobody takes more
    digest = hashlib.sha256()
    while piece := await reader.read(1 << 16):
        digest.update(piece)
    await sending
    writer.close()
    assert digest.digest() == hashlib.sha256(data).digest()


async def said_all(writer: asyncio.StreamWriter, data: bytes) -> None:
    writer.write(data)
    await writer.drain()
    writer.write_eof()


async def test_asking_again_gives_the_same_address_and_each_link_has_its_own(api: Api, serving: str) -> None:
    first, other = await address(api, serving), await address(api, serving, "30124")
    assert first == await address(api, serving)
    assert first[0] != other[0]
    assert first[0].startswith("127.")


async def test_a_reset_is_passed_on_in_both_directions(api: Api, serving: str) -> None:
    reader, writer = await asyncio.open_connection(*await address(api, serving))
    writer.write(b"reset\n")
    with pytest.raises(ConnectionResetError):
        await reader.read()
    writer.close()
    reader, writer = await asyncio.open_connection(*await address(api, serving))
    writer.write(b"wait\n")
    assert await reader.readexactly(2) == b"ok"
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
    writer.transport.abort()
    seen = "for _ in $(seq 200); do grep -q ConnectionReset /tmp/log && exit 0; sleep 0.02; done; exit 1"
    assert (await api.shell(serving, seen))["exit_code"] == 0


async def test_where_nobody_listens_the_connection_is_reset(api: Api, session: str) -> None:
    await is_refused(await address(api, session, "30199"))


async def test_the_end_of_the_session_ends_its_listeners_and_their_connections(api: Api, serving: str) -> None:
    where = await address(api, serving)
    reader, writer = await asyncio.open_connection(*where)
    writer.write(b"wait\n")
    assert await reader.readexactly(2) == b"ok"
    await api.call("ReleaseMcpSession", SessionId=serving)
    with pytest.raises(ConnectionResetError):
        await reader.read()
    writer.close()
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection(*where)


async def test_a_paused_session_takes_no_new_connection_and_keeps_the_open_ones(api: Api, serving: str) -> None:
    where = await address(api, serving)
    reader, writer = await asyncio.open_connection(*where)
    writer.write(b"echo\n1")
    assert await reader.readexactly(1) == b"1"
    await api.call("PauseSessionAsync", SessionId=serving)
    refused = await api.call("GetLink", SessionId=serving, ProtocolType="tcp", Port="30124")
    assert refused.verdict == (400, "InvalidMcpSession.Paused")
    await is_refused(where)
    writer.write(b"2")
    await api.call("ResumeSessionAsync", SessionId=serving)
    assert await said((reader, writer), b"3") == b"23"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
async def test_programs_of_other_users_are_refused_and_those_of_root_are_not(api: Api, serving: str) -> None:
    host, port = await address(api, serving)
    ask = f"import socket; s = socket.create_connection(({host!r}, {port})); s.sendall(b'echo\\nhi'); print(s.recv(2))"

    async def by(user: int) -> tuple[int, bytes]:
        done = await asyncio.to_thread(
            subprocess.run, ["/usr/bin/python3", "-c", ask], capture_output=True, user=user, cwd="/"
        )
        return done.returncode, done.stdout or done.stderr.splitlines()[-1]

    assert await by(0) == (0, b"b'hi'\n")
    code, told = await by(65534)
    assert (code, b"Error" in told) == (1, True)


async def test_whose_a_connection_is_is_known_only_while_its_program_has_it() -> None:
    for family, host in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")):
        if host == "::1" and not socket.has_dualstack_ipv6():
            continue
        with socket.create_server((host, 0), family=family) as server:
            client = socket.create_connection(server.getsockname()[:2])
            with server.accept()[0] as connection:
                owner = owner_of_peer(connection)
                assert owner is not None
                assert (owner.user, owner.inode) == (os.geteuid(), os.fstat(client.fileno()).st_ino)
                client.close()
                assert owner_of_peer(connection) is None


async def test_a_mapped_address_has_an_owner_too() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, socket.socket(socket.AF_INET6) as client:
        client.connect(("::ffff:127.0.0.1", server.getsockname()[1]))
        with server.accept()[0] as connection:
            owner = owner_of_peer(connection)
            assert owner is not None
            assert owner.inode == os.fstat(client.fileno()).st_ino


async def test_a_program_in_a_session_does_not_reach_the_links_of_others(api: Api, serving: str) -> None:
    host, port = await address(api, serving)
    other = str((await api.create())["SessionId"])
    done = await api.shell(other, f"(echo >/dev/tcp/{host}/{port}) 2>&1 || echo refused")
    assert "refused" in done["stdout"]


async def test_links_and_connections_have_a_limit_that_is_told(
    runtime_alone: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    api = runtime_alone
    monkeypatch.setattr(tcp_links, "MOST_LINKS", 2)
    monkeypatch.setattr(tcp_links, "MOST_CONNECTIONS", 2)
    session = await started(api, str((await api.create())["SessionId"]))
    where = await address(api, session)
    await address(api, session, "30124")
    refused = await api.call("GetLink", SessionId=session, ProtocolType="tcp", Port="30125")
    assert refused.verdict == (429, "QuotaExceeded.Link")
    opened = [await asyncio.open_connection(*where) for _ in range(2)]
    for _, writer in opened:
        writer.write(b"echo\n")
    await is_refused(where)
    assert [await said(ends, b"x") for ends in opened] == [b"x", b"x"]
    again = await asyncio.open_connection(*where)
    assert await said(again, b"echo\ny") == b"y"


async def test_what_goes_by_is_counted_and_is_use(runtime_alone: Api) -> None:
    api = runtime_alone
    session = await started(api, str((await api.create())["SessionId"]))
    ends = await asyncio.open_connection(*await address(api, session))
    assert await said(ends, b"echo\n12345") == b"12345"
    async with api.http.get(f"{api.endpoint}/metrics") as response:
        text = await response.text()
    assert 'agentbay_link_bytes_total{direction="in"} 10\n' in text
    assert 'agentbay_link_bytes_total{direction="out"} 5\n' in text


async def test_what_one_side_has_ended_and_nobody_uses_is_closed(
    runtime_alone: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    api = runtime_alone
    monkeypatch.setattr(tcp_links, "QUIET", 0.2)
    session = await started(api, str((await api.create())["SessionId"]))
    reader, writer = await asyncio.open_connection(*await address(api, session))
    writer.write(b"deaf\n")
    assert await reader.readexactly(2) == b"ok"
    writer.write_eof()
    with pytest.raises(ConnectionResetError):
        await reader.read()
    writer.close()


@pytest.mark.parametrize(("host", "url"), [("0.0.0.0", ""), ("127.0.0.1", "https://bay.example")], ids=["host", "url"])
async def test_a_server_for_other_machines_has_no_raw_links(tmp_path: Path, host: str, url: str) -> None:
    settings = Settings(data=tmp_path / "data", warm=0, host=host, url=url)
    async with Runtime(settings) as runtime, Api(f"http://127.0.0.1:{runtime.port}", runtime.keys[0]) as api:
        session = str((await api.create())["SessionId"])
        answer = await api.call("GetLink", SessionId=session, ProtocolType="tcp", Port=PORT)
    assert answer.verdict == (400, "InvalidParameter")
    assert "reached from its own machine alone" in answer.body["Message"]


async def test_without_descriptors_a_link_waits_and_goes_on_by_itself(
    runtime_alone: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The test's own process is the server's, so its limit is what the server meets."""
    api = runtime_alone
    monkeypatch.setattr(tcp_links, "PAUSE", 0.05)
    session = await started(api, str((await api.create())["SessionId"]))
    where = await address(api, session)
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    code = f"import socket; s = socket.create_connection({where!r}); s.sendall(b'echo\\nhi'); print(s.recv(2))"
    client = await asyncio.create_subprocess_exec(sys.executable, "-c", code, stdout=subprocess.PIPE)
    with socket.socket() as lowest:
        resource.setrlimit(resource.RLIMIT_NOFILE, (lowest.fileno(), limits[1]))
        await asyncio.sleep(0.3)
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
    assert (await client.communicate())[0] == b"b'hi'\n"
