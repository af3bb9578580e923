"""The doors for those who watch over a server: is it well, and what has it done."""

from __future__ import annotations

import asyncio
import ipaddress
import os
import resource
import shutil
import time
from collections import Counter
from collections.abc import Iterator
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Final

from aiohttp import web

from agentbay_local.answers import json_response
from agentbay_local.contexts.census import Census, census
from agentbay_local.contexts.place import data_folder
from agentbay_local.metrics import page, samples
from agentbay_local.service.core import Service
from agentbay_local.service.session import State
from agentbay_local.settings import Settings

__all__ = ["HealthDoors"]

FULL: Final = 0.9
"""The part of what there is that may be in use before that is worth a word."""
LITTLE_ROOM: Final = 256 << 20
FRESH: Final = 15.0
"""Seconds for which a count of the contexts is good enough."""
TEXT: Final = "text/plain; version=0.0.4; charset=utf-8"
STARTED: Final = "process_start_time_seconds"


class HealthDoors:
    """Neither names a session. `/metrics` is for this machine, and from elsewhere for those who have a key."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._started = time.time()
        self._counted = Counted()

    def routes(self) -> list[web.RouteDef]:
        return [web.get("/healthz", self.health), web.get("/metrics", self.metrics)]

    async def health(self, _: web.Request) -> web.Response:
        """Whether the server is well: `ok`, or `degraded` with what is near its end; it serves all the same."""
        reasons = list(shortages(self._service))
        return json_response({"status": "degraded", "reasons": reasons} if reasons else {"status": "ok"})

    async def metrics(self, request: web.Request) -> web.Response:
        """All counters, and what there is at the moment, in the text format of Prometheus."""
        if not _near(request.remote):
            self._service.owner(request.headers.get("Authorization", ""))
        counted = (family.lines() for family in self._service.metrics.families())
        kept = await self._counted.of(data_folder(self._service.settings.data))
        now = (sessions(self._service), sandboxes(self._service), store(kept, self._service), process(self._started))
        text = page(*counted, about(), *now)
        return web.Response(body=text.encode(), headers={"Content-Type": TEXT, "Cache-Control": "no-store"})


class Counted:
    """What was counted of the contexts last; they may be many, so it is not done for everybody who asks."""

    def __init__(self) -> None:
        self._until = float("-inf")
        self._lock = asyncio.Lock()
        self._last: Census | None = None

    async def of(self, folder: Path) -> Census | None:
        async with self._lock:
            if time.monotonic() >= self._until:
                self._last = await asyncio.to_thread(census, folder)
                self._until = time.monotonic() + FRESH
            return self._last


def _near(remote: str | None) -> bool:
    """Whether somebody asks from this machine."""
    try:
        return ipaddress.ip_address(remote or "").is_loopback
    except ValueError:
        return False


def shortages(service: Service) -> Iterator[str]:
    """What is nearly used up, each with what to do about it."""
    opened, most = descriptors(), resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    if opened > FULL * most:
        yield f"{opened} of {most} file descriptors are in use: delete sessions, or raise the limit (ulimit -n)"
    live = sum(session.state is not State.FINISH for session in service.store)
    if live >= service.settings.max_sessions:
        yield f"all {live} sessions are in use: delete some, or raise --max-sessions"
    room = free_room(service.settings)
    if room is not None and room < LITTLE_ROOM:
        yield f"the data folder has {room >> 20} MiB left: free some room there"


def descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


def free_room(settings: Settings) -> int | None:
    """Bytes left where contexts are kept, or will be; None if nobody can tell."""
    folder: Path = data_folder(settings.data)
    try:
        there = next(path for path in (folder, *folder.parents) if path.exists())
        return shutil.disk_usage(there).free
    except (OSError, StopIteration):
        return None


def sessions(service: Service) -> Iterator[str]:
    counts = Counter(session.state for session in service.store)
    values: dict[tuple[str, ...], float] = {(state.value,): float(counts[state]) for state in State}
    yield from samples("agentbay_sessions", "gauge", "Sessions by state.", ("state",), values)
    asleep = sum(session.asleep is not None for session in service.store)
    yield from gauge("agentbay_sessions_hibernated", "Paused sessions whose files are on the disk.", float(asleep))


def gauge(name: str, meaning: str, value: float) -> Iterator[str]:
    return samples(name, "gauge", meaning, (), {(): value})


def about() -> Iterator[str]:
    """The version, in the way that is usual: a label of something that is always 1."""
    return samples("agentbay_build_info", "gauge", "The version of the server.", ("version",), {(number(),): 1.0})


@cache
def number() -> str:
    try:
        return version("agentbay-sdk")
    except PackageNotFoundError:
        return "unknown"


def sandboxes(service: Service) -> Iterator[str]:
    return gauge("agentbay_sandboxes_ready", "Sandboxes that wait for a session.", service.engine.ready)


def store(kept: Census | None, service: Service) -> Iterator[str]:
    """The contexts, once there are any, and the room that is left for them."""
    if kept is not None:
        yield from gauge("agentbay_contexts", "Contexts in the data folder, of all keys.", kept.contexts)
        yield from gauge("agentbay_context_files", "Files in contexts.", kept.files)
        yield from gauge("agentbay_context_file_bytes", "Sizes of the files in contexts.", kept.file_bytes)
        yield from gauge("agentbay_catalogue_bytes", "Size of the catalogue of contexts.", kept.catalogue_bytes)
    room = free_room(service.settings)
    if room is not None:
        yield from gauge("agentbay_data_free_bytes", "Room that is left where contexts are kept.", room)


def process(started: float) -> Iterator[str]:
    """What every process tells about itself, by the names that are usual for it."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    for name, kind, meaning, value in (
        ("process_open_fds", "gauge", "File descriptors in use.", float(descriptors())),
        ("process_max_fds", "gauge", "File descriptors that may be in use.", float(limit)),
        (
            "process_resident_memory_bytes",
            "gauge",
            "Memory of the server itself.",
            float(pages * resource.getpagesize()),
        ),
        ("process_cpu_seconds_total", "counter", "Processor time of the server itself.", used.ru_utime + used.ru_stime),
        (STARTED, "gauge", "When the server started, in seconds since 1970.", started),
    ):
        yield from samples(name, kind, meaning, (), {(): value})
    yield from gauge("agentbay_tasks", "Tasks of the event loop.", len(asyncio.all_tasks()))
