"""`agentbay serve`: the process around a runtime. It says where it is, serves until told to stop, and cleans up."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
from collections.abc import Sequence

from agentbay_local.app import CannotServe, Runtime
from agentbay_local.logs import set_up
from agentbay_local.page.front import front_urls
from agentbay_local.sandbox.contract import CannotIsolate
from agentbay_local.settings import Settings, read_settings

__all__ = ["main"]

log = logging.getLogger("agentbay_local")


def main(arguments: Sequence[str]) -> int:
    """Serves until SIGTERM, SIGINT, or the end of the parent that was named. Gives the exit code."""
    settings = read_settings(arguments)
    set_up(settings.log_format, quiet=settings.quiet)
    try:
        asyncio.run(_serve(settings))
    except (CannotServe, CannotIsolate) as error:
        print(f"agentbay serve: {error}", file=sys.stderr)
        return 1
    except BrokenPipeError:
        # Whoever started the server was gone before it could say where it is; nor can anything more be said at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    return 0


async def _serve(settings: Settings) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    watch = _watch_parent(settings.parent, stop)
    try:
        await _until(stop, settings)
    finally:
        if watch is not None:
            loop.remove_reader(watch)
            os.close(watch)


def _watch_parent(parent: int | None, stop: asyncio.Event) -> int | None:
    """Sets `stop` when the parent ends. Gives the descriptor that tells."""
    if parent is None:
        return None
    try:
        watch = os.pidfd_open(parent)
    except OSError as error:
        raise CannotServe(f"process {parent} (--parent) cannot be watched: {error.strerror}") from error
    # Had it ended before, its number might be another process's by now; but then this one has a new parent, too.
    if os.getppid() != parent:
        os.close(watch)
        raise CannotServe(f"process {parent} (--parent) is not the one that started this server, or has ended")
    asyncio.get_running_loop().add_reader(watch, stop.set)
    return watch


async def _until(stop: asyncio.Event, settings: Settings) -> None:
    """Runs a server until `stop` is set, which may also be while it starts."""
    stopped = asyncio.ensure_future(stop.wait())
    serving = asyncio.ensure_future(_run(settings, stop))
    await asyncio.wait([stopped, serving], return_when=asyncio.FIRST_COMPLETED)
    stopped.cancel()
    await serving


async def _run(settings: Settings, stop: asyncio.Event) -> None:
    async with Runtime(settings) as runtime:
        _warn(settings)
        print(f"AGENTBAY_ENDPOINT={runtime.endpoint}", f"AGENTBAY_API_KEY={runtime.keys[0]}", sep="\n", flush=True)
        log.info("serving on %s", runtime.endpoint)
        _show(settings, front_urls(runtime.endpoint, runtime.keys))
        await stop.wait()
        log.info("stopping")


def _show(settings: Settings, addresses: Sequence[str]) -> None:
    """Tells people where to look at the sessions. It is not for the log: whoever has the address may do as they may."""
    if not settings.quiet and settings.log_format == "text" and settings.parent is None:
        for address in addresses:
            print(f"sessions to look at: {address}", file=sys.stderr, flush=True)


def _warn(settings: Settings) -> None:
    if settings.host not in {"127.0.0.1", "::1", "localhost"}:
        text = "listening on %s: other machines can reach this server, and keys travel to it without encryption"
        log.warning(text, settings.host)
