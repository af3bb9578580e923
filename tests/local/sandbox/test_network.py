"""The sandbox's network: nothing but itself, and what the host is handed."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import textwrap
from collections.abc import Awaitable, Callable

import pytest

from agentbay_local.sandbox import bwrap
from agentbay_local.sandbox.box import Box
from agentbay_local.sandbox.contract import Completed
from agentbay_local.sandbox.pool import BwrapEngine

Run = Callable[..., Awaitable[Completed]]

ECHO = """
    import socket, sys
    server = socket.create_server((sys.argv[1], 5000), family=socket.AF_INET6 if ":" in sys.argv[1] else socket.AF_INET)
    print("ready", flush=True)
    while True:
        link, _ = server.accept()
        link.sendall(b"got " + link.recv(100))
        link.close()
"""


async def echo_server(box: Box, address: str) -> None:
    process = await box.spawn([str(bwrap.interpreter()), "-I", "-S", "-c", textwrap.dedent(ECHO), address])
    assert b"ready\n" == await process.reader.readline()


@pytest.mark.parametrize("address", ["127.0.0.1", "::1", "0.0.0.0"])
async def test_a_port_inside_is_reached_from_outside(box: Box, address: str) -> None:
    await echo_server(box, address)
    with contextlib.closing(await box.dial(5000)) as link:
        loop = asyncio.get_running_loop()
        await loop.sock_sendall(link, b"hello")
        assert (False, b"got hello") == (link.getblocking(), await loop.sock_recv(link, 100))


UNIX_ECHO = """
    import socket
    server = socket.socket(socket.AF_UNIX)
    server.bind("/tmp/door")
    server.listen()
    print("ready", flush=True)
    link, _ = server.accept()
    link.sendall(b"got " + link.recv(100))
"""


async def test_a_unix_socket_inside_is_reached_from_outside(box: Box) -> None:
    process = await box.spawn([str(bwrap.interpreter()), "-I", "-S", "-c", textwrap.dedent(UNIX_ECHO)])
    assert b"ready\n" == await process.reader.readline()
    with contextlib.closing(await box.dial_path("/tmp/door")) as link:
        loop = asyncio.get_running_loop()
        await loop.sock_sendall(link, b"hello")
        assert (False, b"got hello") == (link.getblocking(), await loop.sock_recv(link, 100))
    process.writer.close()


@pytest.mark.parametrize(
    ("path", "error"),
    [("/tmp/none", FileNotFoundError), ("/etc/passwd", OSError), ("/" + "x" * 200, OSError)],
)
async def test_a_path_without_a_listening_socket_refuses(box: Box, path: str, error: type[OSError]) -> None:
    with pytest.raises(error):
        await box.dial_path(path)


async def test_a_port_where_nobody_listens_refuses(box: Box) -> None:
    with pytest.raises(ConnectionRefusedError):
        await box.dial(5001)


@pytest.mark.parametrize("port", [0, -1, 65536])
async def test_what_is_no_port_is_refused(box: Box, port: int) -> None:
    with pytest.raises(ValueError, match="port"):
        await box.dial(port)


async def test_a_program_inside_reaches_a_listener_of_the_host(box: Box, python: Run) -> None:
    with contextlib.closing(await box.listen(6000)) as listener:
        asked = asyncio.create_task(
            python("import socket; print(socket.create_connection(('127.0.0.1', 6000)).recv(9))")
        )
        loop = asyncio.get_running_loop()
        link, _ = await loop.sock_accept(listener)
        with link:
            await loop.sock_sendall(link, b"from host")
        assert b"b'from host'\n" == (await asked).stdout


async def test_two_listeners_on_one_port_are_refused(box: Box) -> None:
    with contextlib.closing(await box.listen(6000)), pytest.raises(OSError, match="in use"):
        await box.listen(6000)


async def test_two_sandboxes_do_not_share_ports(engine: BwrapEngine) -> None:
    first, second = await engine.create(), await engine.create()
    await echo_server(first, "127.0.0.1")
    with pytest.raises(ConnectionRefusedError):
        await second.dial(5000)


async def test_the_loopback_of_the_host_is_another_one(python: Run) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        done = await python(f"import socket; print(socket.socket().connect_ex(('127.0.0.1', {port})))")
    assert b"111\n" == done.stdout


async def test_abstract_sockets_of_the_host_are_out_of_reach(python: Run) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("\0agentbay-test")
        server.listen()
        done = await python("import socket; print(socket.socket(socket.AF_UNIX).connect_ex('\\0agentbay-test'))")
    assert b"111\n" == done.stdout


async def test_there_is_no_interface_but_loopback_and_no_route(python: Run) -> None:
    done = await python("""
        import socket
        print([name for _, name in socket.if_nameindex()], socket.socket().connect_ex(("192.0.2.1", 80)))
    """)
    assert b"['lo'] 101\n" == done.stdout


@pytest.mark.parametrize("family", ["AF_PACKET", "AF_VSOCK", "AF_ALG", "AF_CAN"])
async def test_sockets_of_other_families_are_refused(python: Run, family: str) -> None:
    done = await python(f"""
        import socket
        try: socket.socket(socket.{family}, socket.SOCK_DGRAM)
        except OSError as error: print(error.errno)
    """)
    assert b"97\n" == done.stdout


async def through_door(box: Box, request: bytes) -> bytes:
    loop = asyncio.get_running_loop()
    with contextlib.closing(await box.dial(3128)) as link:
        await loop.sock_sendall(link, request)
        answer = b""
        while data := await loop.sock_recv(link, 4096):
            answer += data
        return answer


@pytest.mark.parametrize(
    "request_head",
    [b"CONNECT example.com:443 HTTP/1.1\r\nHost: example.com\r\n\r\n", b"GET http://127.0.0.1/ HTTP/1.0\r\n\r\n"],
)
async def test_the_egress_door_denies_and_says_why(box: Box, request_head: bytes) -> None:
    head, _, body = (await through_door(box, request_head)).partition(b"\r\n\r\n")
    assert (True, True, True) == (
        head.startswith(b"HTTP/1.1 403 Forbidden: no egress to "),
        b"denied by default" in body,
        b"policy set" in body,
    )


@pytest.mark.parametrize("garbage", [b"\r\n\r\n", b"\0\xff\r\n\r\n", b"A" * 15_000 + b"\r\n\r\n"])
async def test_the_egress_door_refuses_what_is_no_request(box: Box, garbage: bytes) -> None:
    assert (await through_door(box, garbage)).startswith(b"HTTP/1.1 400 ")


async def test_the_egress_door_survives_a_header_without_end(box: Box, python: Run) -> None:
    done = await python("""
        import socket
        link = socket.create_connection(("127.0.0.1", 3128))
        try:
            for _ in range(1000): link.sendall(b"x" * 100000)
        except OSError: pass
    """)
    assert (0, True) == (done.returncode if hasattr(done, "returncode") else done.code, not box.closed.is_set())
    assert (await through_door(box, b"GET http://a/ HTTP/1.0\r\n\r\n")).startswith(b"HTTP/1.1 403 ")


async def test_silent_connections_do_not_use_up_the_host(box: Box, python: Run) -> None:
    await python("""
        import os, socket, time
        if os.fork() == 0:
            os.setsid(); os.close(0); os.close(1); os.close(2)
            links = [socket.create_connection(("127.0.0.1", 3128)) for _ in range(60)]
            time.sleep(300)
    """)
    assert 0 == (await box.run(["true"])).code
