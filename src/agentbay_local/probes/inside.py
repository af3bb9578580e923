"""What is tried in a real sandbox: its walls, its ways in and out, and the programs that sessions use."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import time
from collections.abc import AsyncIterator, Awaitable, Sequence
from typing import Final

from attrs import frozen

from agentbay_local.code import Kernels
from agentbay_local.egress import Policy, Reach, Streams
from agentbay_local.egress.policy import read_rule
from agentbay_local.probes.machine import LOCAL
from agentbay_local.probes.trial import Finding, Trial, bad, good
from agentbay_local.sandbox import bwrap
from agentbay_local.sandbox.contract import Sandbox

__all__ = ["INSIDE", "Room", "word_server"]

WORD: Final = b"agentbay-doctor"
ELSEWHERE: Final = "93.184.216.34"
"""A public address that is never really dialled."""
RUN_S: Final = 15.0
LANGUAGES: Final = {
    "python": LOCAL,
    "javascript": "sudo apt install nodejs",
    "bash": "sudo apt install bash",
    "java": "sudo apt install default-jdk-headless",
    "r": "sudo apt install r-cran-irkernel",
}
"""What makes each language run, by its name."""
APART_S: Final = 1.0

SYSTEM_CALLS: Final = """
import ctypes
libc = ctypes.CDLL(None, use_errno=True)
said = []
for call in (lambda: libc.unshare(0x10000000), lambda: libc.ptrace(0, 0, 0, 0), lambda: libc.syscall(425, 1, 0)):
    said.append(ctypes.get_errno() if call() == -1 else 0)
print(*said)
"""
"""A name space, tracing, and io_uring."""
NETWORK: Final = """
import socket, sys
try:
    socket.create_connection(("127.0.0.1", int(sys.argv[1])), 2).close()
    print("reached")
except OSError as error:
    print(error.errno, *(name for _, name in socket.if_nameindex()))
"""
PROXIED: Final = """
import socket, sys
for host in sys.argv[2:]:
    with socket.create_connection(("127.0.0.1", int(sys.argv[1])), 5) as way:
        way.sendall(b"GET http://%s/ HTTP/1.1\\r\\nHost: %s\\r\\n\\r\\n" % (host.encode(), host.encode()))
        print(way.makefile("rb").read().partition(b"\\r\\n")[0].split()[1].decode())
"""
LISTENING: Final = """
import socket, sys
with socket.create_server(("127.0.0.1", 0)) as server:
    print(server.getsockname()[1], flush=True)
    server.accept()[0].sendall(sys.argv[1].encode())
"""
NOTICES: Final = """
import ctypes, os, select
libc = ctypes.CDLL(None, use_errno=True)
watch = libc.inotify_init1(0)
if watch < 0 or libc.inotify_add_watch(watch, b"/tmp", 0x100) < 0:
    raise SystemExit(os.strerror(ctypes.get_errno()))
open("/tmp/noticed", "w").close()
print(b"noticed" in os.read(watch, 4096) if select.select([watch], [], [], 2)[0] else False)
"""
CLOCK: Final = "import time; print(time.time())"


@frozen
class Room:
    """A sandbox, and a server of this machine that says a word to whoever connects; its policy lists one host."""

    box: Sandbox
    port: int

    async def python(self, script: str, *words: object) -> str:
        """What a script says inside. Raises OSError with its last words if it fails."""
        return await said(self.box, [str(bwrap.interpreter()), "-I", "-S", "-c", script, *map(str, words)])


async def said(box: Sandbox, argv: Sequence[str]) -> str:
    done = await box.run(argv, timeout=RUN_S)
    if done.code:
        words = (done.stderr or done.stdout).decode(errors="replace").strip().splitlines() or ["nothing"]
        raise OSError(f"{argv[0]} ended with exit code {done.code} and said {words[-1]:.200}")
    return done.stdout.decode(errors="replace").strip()


@contextlib.asynccontextmanager
async def started(box: Sandbox, script: str, *words: str) -> AsyncIterator[asyncio.StreamReader]:
    """A script that runs inside until the end of the block; what it prints."""
    program = await box.spawn([str(bwrap.interpreter()), "-I", "-S", "-c", script, *words])
    try:
        yield program.reader
    finally:
        program.writer.close()
        await program.kill()
        await program.wait()
        await program.writer.wait_closed()


@contextlib.asynccontextmanager
async def word_server() -> AsyncIterator[tuple[int, Reach]]:
    """A server on this machine's loopback, and a world in which every name leads to it."""

    async def meet(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%b" % (len(WORD), WORD))
            await writer.drain()
        writer.close()

    async def resolve(_: str) -> list[str]:
        return [ELSEWHERE]

    async def dial(_: str, __: int) -> Streams:
        return await asyncio.open_connection("127.0.0.1", port)

    async with await asyncio.start_server(meet, "127.0.0.1", 0) as server:
        port = int(server.sockets[0].getsockname()[1])
        yield port, Reach(resolve, dial)


async def system_calls(room: Room) -> Finding:
    answers = (await room.python(SYSTEM_CALLS)).split()
    if set(answers) <= {str(errno.EPERM), str(errno.ENOSYS)}:
        return good("the filter refuses name spaces, tracing and io_uring inside")
    return bad(f"the filter let something through: {' '.join(answers)}")


async def network(room: Room) -> Finding:
    answer = await room.python(NETWORK, room.port)
    if answer == f"{errno.ECONNREFUSED} lo":
        return good("inside there is only a loopback of its own; this machine's is out of reach")
    return bad(f"this machine's loopback, or an interface, can be reached from inside: {answer}")


async def egress(room: Room) -> Finding:
    room.box.egress.policy = Policy("doctor", (read_rule("listed.example:80"),))
    answers = (await room.python(PROXIED, bwrap.DOOR, "listed.example", "other.example")).split()
    if answers == ["200", "403"]:
        return good("a listed host is reached by the proxy, another is refused")
    return bad(f"the proxy answered {' and '.join(answers)} instead of 200 and 403")


async def links(room: Room) -> Finding:
    async with started(room.box, LISTENING, WORD.decode()) as reader:
        with await room.box.dial(int(await reader.readline())) as way:
            answer = await asyncio.get_running_loop().sock_recv(way, len(WORD))
    return good("a port inside is reached from here") if answer == WORD else bad(f"a port inside said {answer!r}")


async def terminals(room: Room) -> Finding:
    terminal = await room.box.terminal(["/bin/sh", "-c", "stty size"], cols=91, rows=33)
    try:
        seen = b""
        while b"\n" not in seen and (piece := await terminal.read()):
            seen += piece
    finally:
        terminal.close()
    size = seen.decode(errors="replace").strip()
    return good("one was opened") if size == "33 91" else bad(f"the size of 33 91 arrived as {size!r}")


async def watches(room: Room) -> Finding:
    if await room.python(NOTICES) == "True":
        return good("the kernel tells of changes (inotify)")
    return bad("the kernel tells of no changes; directories are looked at each second instead")


async def runs(room: Room, language: str, code: str) -> Finding:
    begun = time.perf_counter()
    kernels = Kernels(room.box)
    try:
        answer = await kernels.execute(language, code, RUN_S)
    finally:
        await kernels.close()
    if "".join(answer["logs"]["stdout"]).strip() == "2":
        return good(f"1 + 1 is 2, after {time.perf_counter() - begun:.1f} s")
    error = answer["error"] or {"name": "no output", "value": ""}
    said_why = f"{error['name']}: {error['value']:.200}"
    return bad(said_why, LOCAL if "ipykernel" in said_why else LANGUAGES[language])


def python_code(room: Room) -> Awaitable[Finding]:
    return runs(room, "python", "print(1 + 1)")


def javascript_code(room: Room) -> Awaitable[Finding]:
    return runs(room, "javascript", "console.log(1 + 1)")


def bash_code(room: Room) -> Awaitable[Finding]:
    return runs(room, "bash", "echo $((1 + 1))")


def java_code(room: Room) -> Awaitable[Finding]:
    return runs(room, "java", "System.out.println(1 + 1)")


def r_code(room: Room) -> Awaitable[Finding]:
    return runs(room, "r", "cat(1 + 1)")


async def git(room: Room) -> Finding:
    return good(await said(room.box, ["git", "--version"]))


async def curl(room: Room) -> Finding:
    return good(" ".join((await said(room.box, ["curl", "--version"])).split()[:2]))


async def pip(room: Room) -> Finding:
    words = (await said(room.box, ["python3", "-m", "pip", "--version"])).split()
    return good(" ".join(words[:2]))


async def same_time(room: Room) -> Finding:
    before = time.time()
    inside = float(await room.python(CLOCK))
    if before - APART_S < inside < time.time() + APART_S:
        return good("the same inside as out here")
    return bad(f"{abs(inside - before):.0f} s apart inside and out here")


INSIDE: Final[tuple[Trial[Room, Awaitable[Finding]], ...]] = (
    Trial("seccomp", system_calls, needed=True),
    Trial("network", network, needed=True),
    Trial("egress", egress),
    Trial("links", links),
    Trial("terminals", terminals),
    Trial("watches", watches, remedy="sudo sysctl -w fs.inotify.max_user_instances=1024"),
    Trial("python code", python_code, remedy=LANGUAGES["python"]),
    Trial("javascript code", javascript_code, remedy=LANGUAGES["javascript"]),
    Trial("bash code", bash_code, remedy=LANGUAGES["bash"]),
    Trial("java code", java_code, remedy=LANGUAGES["java"]),
    Trial("r code", r_code, remedy=LANGUAGES["r"]),
    Trial("git", git, remedy="sudo apt install git"),
    Trial("curl", curl, remedy="sudo apt install curl"),
    Trial("pip", pip, remedy="sudo apt install python3-pip"),
    Trial("time", same_time),
)
