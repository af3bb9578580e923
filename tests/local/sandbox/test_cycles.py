"""Two hundred pauses under load: not a byte is lost, doubled or out of order, and nothing runs in between."""

from __future__ import annotations

import asyncio
import hashlib
import json
import random
from collections.abc import Awaitable, Callable, Iterator
from itertools import count

import pytest

from agentbay_local.code import Kernels
from agentbay_local.sandbox import bwrap, pids
from agentbay_local.sandbox.box import Box
from agentbay_local.sandbox.contract import Completed, Terminal

Run = Callable[..., Awaitable[Completed]]
Until = Callable[[Callable[[], bool]], Awaitable[None]]

CYCLES = 200
BLOCK = 1 << 14

# Blocks that anybody can make again, by a pipe, a TCP connection, and a pair of sockets; a digest of what came.
WORK = """
import hashlib, os, socket, sys, threading, time

def blocks():
    number = 0
    while not os.path.exists("/tmp/stop"):
        yield hashlib.sha256(b"%d" % number).digest() * (16384 // 32)
        number += 1
        time.sleep(0.0005)

def digest(read, name):
    found, size = hashlib.sha256(), 0
    while data := read(1 << 16):
        found.update(data)
        size += len(data)
        with open(f"/tmp/{name}.now", "w") as file: file.write(str(size))
    with open(f"/tmp/{name}.part", "w") as file: file.write(f"{size} {found.hexdigest()}")
    os.rename(f"/tmp/{name}.part", f"/tmp/{name}")

def fork(work, *closed):
    if os.fork(): return
    for end in closed: end.close()
    work()
    os._exit(0)

for fd in (0, 1, 2): os.close(fd)
os.open("/dev/null", os.O_RDWR); os.dup(0); os.dup(0)
out, into = os.pipe()
def feed():
    os.close(out)
    for block in blocks():
        while block: block = block[os.write(into, block):]
fork(feed)
os.close(into)
fork(lambda: digest(lambda size: os.read(out, size), "pipe"))
door = socket.create_server(("127.0.0.1", 0))
def call():
    with socket.create_connection(door.getsockname()) as link:
        for block in blocks(): link.sendall(block)
fork(call)
link, _ = door.accept()
fork(lambda: digest(link.recv, "tcp"), door)
ours, theirs = socket.socketpair()
def talk():
    for block in blocks(): ours.sendall(block)
fork(talk, theirs)
ours.close()
digest(theirs.recv, "pair")
"""
# Sleeps that would end early or late, if time inside were to matter; a thread of its own in the interpreter.
CODE = """
import hashlib, threading, time
numbers, running = [], True
def go_on():
    while running:
        numbers.append(len(numbers))
        time.sleep(0.001)
thread = threading.Thread(target=go_on)
thread.start()
"""
CHECK = "running = False; thread.join(); (len(numbers) > 50, numbers == list(range(len(numbers))))"
PRINT = "n=0; while [ ! -e /tmp/stop ]; do n=$((n+1)); echo $n; [ $((n % 50)) -ne 0 ] || sleep 0.005; done; echo end"


def stream(size: int) -> Iterator[bytes]:
    """The first bytes of what the programs inside send."""
    for number in count():
        if size <= 0:
            return
        yield (hashlib.sha256(b"%d" % number).digest() * (BLOCK // 32))[:size]
        size -= BLOCK


def expected(size: int) -> str:
    found = hashlib.sha256()
    for block in stream(size):
        found.update(block)
    return found.hexdigest()


async def printed(terminal: Terminal) -> bytes:
    said = b""
    while data := await terminal.read():
        said += data
    return said


def ticks(box: Box) -> int:
    return sum(each.ticks for each in pids.kin(box.first, pids.everything()))


async def cycle(box: Box, look: bool, chance: random.Random) -> None:
    """One pause and its end; with a look, whether anything runs meanwhile."""
    await box.pause()
    if look:
        before = ticks(box)
        await asyncio.sleep(0.03)
        assert before == ticks(box)
    await box.resume()
    await asyncio.sleep(chance.random() * 0.004)


@pytest.mark.slow
async def test_two_hundred_pauses_under_load_lose_nothing(box: Box, shell: Run, until: Until) -> None:
    chance = random.Random(7)
    kernels = Kernels(box, cwd="/tmp")
    await kernels.execute("python", CODE)
    terminal = await box.terminal(["/bin/sh", "-c", PRINT])
    screen = asyncio.create_task(printed(terminal))
    await box.run([str(bwrap.interpreter()), "-I", "-S", "-c", f"import os\nif os.fork(): os._exit(0)\n{WORK}"])
    await shell("for name in pipe tcp pair; do until [ -s /tmp/$name.now ]; do sleep 0.01; done; done")
    for number in range(CYCLES):
        await cycle(box, number % 20 == 0, chance)
    await shell("touch /tmp/stop; for name in pipe tcp pair; do until [ -e /tmp/$name ]; do sleep 0.01; done; done")
    for name in ("pipe", "tcp", "pair"):
        size, digest = (await shell(f"cat /tmp/{name}")).stdout.decode().split()
        assert (digest, int(size) > CYCLES * 100) == (expected(int(size)), True)
    lines = (await screen).decode().splitlines()
    assert (lines[-1], lines[:-1]) == ("end", [str(number) for number in range(1, len(lines))])
    told = await kernels.execute("python", CHECK)
    assert "(True, True)" in json.dumps(told["results"]), told
    await kernels.close()


@pytest.mark.slow
async def test_storms_of_short_programs_are_paused_again_and_again(box: Box, shell: Run) -> None:
    spawn = "for i in 1 2 3 4 5 6; do true | /bin/true & done; wait; echo x >>/tmp/log"
    storm = f"setsid sh -c 'while [ ! -e /tmp/stop ]; do {spawn}; done'"
    await shell(f"{storm} >/dev/null 2>&1 &")
    chance = random.Random(11)
    for number in range(60):
        await cycle(box, number % 15 == 0, chance)
    await shell("touch /tmp/stop; while pgrep -x sh >/dev/null && pgrep -x true; do sleep 0.02; done")
    assert b"fine\n" == (await shell("test -s /tmp/log && echo fine")).stdout
