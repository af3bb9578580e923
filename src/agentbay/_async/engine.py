"""Chooses the engine that carries the requests of a client."""

from __future__ import annotations

import ssl
from importlib.util import find_spec
from typing import TYPE_CHECKING, Protocol

from agentbay._engine import (
    DEFAULT_MAX_CONNECTIONS,
    Answer,
    EngineChoice,
    Limits,
    Origin,
    RequestHeaders,
    environment_proxies,
    proxied,
)
from agentbay._pool_pairs import async_suits_fast

if TYPE_CHECKING:
    import httpx


class AsyncEngine(Protocol):
    """Carries one POST at a time per call, any number of calls at once."""

    async def post(self, origin: Origin, target: bytes, headers: RequestHeaders, body: bytes, limits: Limits) -> Answer:
        """Sends one request and returns the answer whatever its status. Host and length are added to the headers.

        Raises EngineError when no complete answer came.
        """
        ...

    async def aclose(self) -> None:
        """Closes all connections; calls under way fail. Closing twice does nothing."""


class AsyncProxyEngine:
    """Sends what the environment wants to go through a proxy by the ordinary road, the rest by the direct one."""

    def __init__(self, direct: AsyncEngine, through: AsyncEngine) -> None:
        self._direct = direct
        self._through = through
        self._roads: dict[Origin, AsyncEngine] = {}

    async def post(self, origin: Origin, target: bytes, headers: RequestHeaders, body: bytes, limits: Limits) -> Answer:
        """Sends one request by the road of its origin. Raises EngineError."""
        road = self._roads.get(origin)
        if road is None:
            road = self._roads[origin] = self._through if proxied(origin) else self._direct
        return await road.post(origin, target, headers, body, limits)

    async def aclose(self) -> None:
        """Closes both roads."""
        await self._direct.aclose()
        await self._through.aclose()


def make_engine(
    engine: EngineChoice = "auto",
    *,
    http_client: httpx.AsyncClient | None = None,
    verify: bool | str | ssl.SSLContext = True,
    proxy: str | None = None,
    trust_env: bool = True,
    max_connections: int = DEFAULT_MAX_CONNECTIONS,
) -> AsyncEngine:
    """Makes the engine for these settings; opens nothing yet.

    `engine`: "pool", "fast" (needs pyreqwest), or "auto": fast where it is installed and suits the colour.
    `http_client`: carries everything and is never closed by us. `proxy`: the URL of a proxy for everything; without it,
    and with `trust_env`, the proxy variables of the environment decide for each origin. `verify`: as for
    `shared_ssl_context`.
    """
    if http_client is None and proxy is None and not (trust_env and environment_proxies()):
        return _direct(engine, verify, max_connections)
    # Only now: httpx itself takes longer to import than all the rest.
    from agentbay._async.plain import AsyncPlainEngine, make_client  # noqa: PLC0415

    if http_client is not None:
        return AsyncPlainEngine(http_client, owned=False)
    if proxy is not None:
        return AsyncPlainEngine(make_client(verify, max_connections, proxy=proxy), owned=True)
    through = AsyncPlainEngine(make_client(verify, max_connections), owned=True)
    return AsyncProxyEngine(_direct(engine, verify, max_connections), through)


def _direct(engine: EngineChoice, verify: bool | str | ssl.SSLContext, max_connections: int) -> AsyncEngine:
    # A trust store of the caller's own replaces the usual one exactly; the fast engine can only add to its own.
    suits = async_suits_fast and isinstance(verify, bool)
    from agentbay._async.pool import AsyncPoolEngine  # noqa: PLC0415  (with the first client, not with the package)

    if engine == "pool" or (engine == "auto" and not (suits and find_spec("pyreqwest"))):
        return AsyncPoolEngine(verify=verify, max_connections=max_connections)
    if engine not in ("auto", "fast"):
        raise ValueError(f'engine must be "auto", "pool" or "fast", not {engine!r}')
    if not find_spec("pyreqwest"):
        raise ValueError("engine=\"fast\" needs another package: pip install 'agentbay-sdk[fast]'")
    # Only now: it costs time to import.
    from agentbay._async.fast import AsyncFastEngine  # noqa: PLC0415

    return AsyncFastEngine(verify=verify, max_connections=max_connections)
