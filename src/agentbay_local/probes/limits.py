"""What is tried in a sandbox of small limits: that they hold, and that a pause stops what runs."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable
from typing import Final

from agentbay_local.probes.inside import RUN_S, Room, started
from agentbay_local.probes.trial import Finding, Trial, bad, good
from agentbay_local.sandbox.contract import Limits

__all__ = ["LIMITS", "SMALL"]

SMALL: Final = Limits(processes=24, memory=128 << 20, file_size=1 << 20, workspace=8 << 20)
STILL_S: Final = 0.15
SETTLED_S: Final = 0.05

OVER: Final = """
import errno, json, os, signal, sys
processes, memory, size, room = map(int, sys.argv[1:])
held = {}
try:
    bytearray(2 * memory)
except MemoryError:
    held["memory"] = True
with open("large", "wb") as file:
    try:
        file.truncate(size + 1)
    except OSError as error:
        held["file size"] = error.errno == errno.EFBIG
try:
    for number in range(2 * room // size):
        with open(f"part{number}", "wb") as file:
            os.posix_fallocate(file.fileno(), 0, size)
except OSError as error:
    held["disk"] = error.errno == errno.ENOSPC
children = []
try:
    for _ in range(2 * processes):
        child = os.fork()
        if child == 0:
            signal.pause()
        children.append(child)
except BlockingIOError:
    held["processes"] = True
for child in children:
    os.kill(child, signal.SIGKILL)
print(json.dumps(held))
"""
BEATING: Final = """
import time
while True:
    print(flush=True)
    time.sleep(0.005)
"""
WANTED: Final = ("memory", "file size", "disk", "processes")


async def limits(room: Room) -> Finding:
    numbers = (SMALL.processes, SMALL.memory, SMALL.file_size, SMALL.workspace)
    held = json.loads(await room.python(OVER, *numbers))
    if broken := [name for name in WANTED if not held.get(name)]:
        return bad(f"not held: {', '.join(broken)}", "use Linux 5.14 or newer")
    return good(f"held: {', '.join(WANTED)}")


async def pause(room: Room) -> Finding:
    """A program that prints all the time must fall silent, and go on."""
    async with started(room.box, BEATING) as reader:
        await reader.readline()
        await room.box.pause()
        while await _heard(reader, SETTLED_S):
            pass
        moved = await _heard(reader, STILL_S)
        await room.box.resume()
        goes_on = await _heard(reader, RUN_S)
    if moved or not goes_on:
        return bad("a paused program ran on" if moved else "a paused program did not go on afterwards")
    return good("stops every process, and lets it go on")


async def _heard(reader: asyncio.StreamReader, seconds: float) -> bool:
    """Whether anything comes within some seconds."""
    try:
        async with asyncio.timeout(seconds):
            return bool(await reader.read(1 << 16))
    except TimeoutError:
        return False


LIMITS: Final[tuple[Trial[Room, Awaitable[Finding]], ...]] = (
    Trial("limits", limits),
    Trial("pause", pause),
)
"""One after the other, for the first leaves no process to any other."""
