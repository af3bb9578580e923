"""The runtime as a whole: a socket, an engine, the service, and its doors (aiohttp)."""

from __future__ import annotations

import asyncio
import errno
import socket
from pathlib import Path
from typing import Self
from urllib.parse import urlsplit

from aiohttp import web
from aiohttp.typedefs import Middleware

from agentbay_local.answers import in_service_form
from agentbay_local.channel.door import ChannelDoor
from agentbay_local.doors import Doors
from agentbay_local.entrance import Entrance
from agentbay_local.guard import Guard
from agentbay_local.health import HealthDoors
from agentbay_local.image_door import ImageDoor
from agentbay_local.links import LinkDoors
from agentbay_local.page.doors import PageDoors
from agentbay_local.page.front import FrontDoors
from agentbay_local.page.view import ViewDoor
from agentbay_local.picture_door import PictureDoor
from agentbay_local.sandbox.contract import CannotIsolate, Engine, SandboxError
from agentbay_local.sandbox.engine import default_engine
from agentbay_local.service.core import Service
from agentbay_local.service.sleeping import find_again, keep_looking
from agentbay_local.service.timekeeping import keep_time
from agentbay_local.settings import Settings
from agentbay_local.shortage import shortage
from agentbay_local.store import kept_key, new_key
from agentbay_local.store_door import StoreDoor
from agentbay_local.undo import closing_on_failure

__all__ = ["CannotServe", "Runtime"]

# Clients keep connections; one that the server closes just as a request arrives costs them a failed call.
_KEEP_ALIVE = 3600.0
_LAST_WORDS = 2.0
_BACKLOG = 1024
_ANY = {"0.0.0.0", "::"}


class CannotServe(Exception):
    """The server cannot start; the message is for users."""


class Runtime:
    """One running server; a context manager. `endpoint` and `keys` are what clients need.

    Raises:
        CannotServe: the address is taken or not there, or the data folder cannot be used.
        CannotIsolate: this machine cannot run sandboxes.
    """

    def __init__(self, settings: Settings, engine: Engine | None = None) -> None:
        self._settings = settings
        self.keys = settings.keys or (_key(settings.data),)
        self._socket = _bound(settings.host, settings.port)
        self._engine = engine or default_engine(settings.limits, warm=settings.warm)
        self.endpoint = settings.url.rstrip("/") or _endpoint(settings.host, self.port)
        self.service = Service(self._engine, settings, self.endpoint, self.keys)
        self._runner = web.AppRunner(
            self._app(), access_log=None, keepalive_timeout=_KEEP_ALIVE, shutdown_timeout=_LAST_WORDS
        )
        self._entrance: Entrance | None = None
        self._clock: asyncio.Task[None] | None = None

    @property
    def port(self) -> int:
        return int(self._socket.getsockname()[1])

    def _app(self) -> web.Application:
        app = web.Application(client_max_size=self._settings.body_limit, middlewares=[in_service_form, self._guard()])
        channel, health = ChannelDoor(self.service), HealthDoors(self.service)
        files = StoreDoor(self.service), PictureDoor(self.service), ImageDoor(self.service)
        page, view = PageDoors(self.service), ViewDoor(self.service)
        front = FrontDoors(self.service, self.keys)
        for doors in (Doors(self.service), LinkDoors(self.service), *files, health, channel, page, view, front):
            app.add_routes(doors.routes())
        app.on_cleanup.extend([page.close, channel.close])
        return app

    def _guard(self) -> Middleware:
        host = self._settings.host
        names = frozenset({host.lower(), urlsplit(self.endpoint).hostname or ""})
        return Guard(names, self.port, any_address=host in _ANY).middleware

    async def __aenter__(self) -> Self:
        """Starts to serve."""
        async with closing_on_failure(self._stop):
            await self._start_engine()
            await self._runner.setup()
            await find_again(self.service)
            assert self._runner.server is not None
            self._entrance = Entrance(self._socket, self._runner.server)
            self._clock = asyncio.create_task(keep_time(self.service))
            self.service.spawn(keep_looking(self.service))
            self.service.spawn(self.service.warm.keep())
        return self

    async def _start_engine(self) -> None:
        try:
            await self._engine.start()
        except CannotIsolate:
            raise
        except (SandboxError, OSError, RuntimeError, MemoryError) as error:
            if not (why := shortage(error)) and not isinstance(error, SandboxError):
                raise
            raise CannotServe(f"no sandbox can be started: {why or error}") from error

    async def __aexit__(self, *_: object) -> None:
        """Ends every session, then the server."""
        await self._stop()

    async def _stop(self) -> None:
        if self._entrance is not None:
            await self._entrance.close()
        if self._clock is not None:
            self._clock.cancel()
        await self.service.close()
        await self._runner.cleanup()
        # After the last request, which may have been an upload.
        await self.service.contexts.close()
        self._socket.close()


def _bound(host: str, port: int) -> socket.socket:
    """Takes the address, before anything costly is begun."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        made = socket.socket(family, kind, protocol)
    except OSError as error:
        raise CannotServe(f"{host} is not an address of this machine: {error.strerror or error}") from error
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        made.bind(address)
        # Listening now shows at once whether another server has the port.
        made.listen(_BACKLOG)
    except OSError as error:
        made.close()
        raise CannotServe(_why_not(host, port, error)) from error
    return made


def _why_not(host: str, port: int, error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"port {port} on {host} is taken: choose another with --port, or leave it out to get a free one"
    return f"cannot listen on {host} port {port}: {error.strerror}"


def _endpoint(host: str, port: int) -> str:
    reachable = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
    return f"http://[{reachable}]:{port}" if ":" in reachable else f"http://{reachable}:{port}"


def _key(folder: Path | None) -> str:
    if folder is None:
        return new_key()
    try:
        return kept_key(folder)
    except (OSError, ValueError) as error:
        raise CannotServe(f"the data folder {folder} cannot be used: {error}") from error
