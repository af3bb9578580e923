"""What the tests of the engines share: engines, calls, authorities, and servers that misbehave."""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import trustme

from agentbay._async.engine import AsyncEngine
from agentbay._async.plain import AsyncPlainEngine
from agentbay._async.pool import AsyncPoolEngine
from agentbay._engine import Answer, EngineError, Limits, Origin
from tests.scripted import Peer

HEADERS = [(b"content-type", b"text/plain"), (b"x-mark", b"one")]


def limits(connect: float = 5, read: float = 5, total: float = 10) -> Limits:
    return Limits(connect, read, time.monotonic() + total)


def make_plain(**options: Any) -> AsyncEngine:
    max_answer = {key: options.pop(key) for key in ("max_answer",) if key in options}
    if verify := options.get("verify"):
        options["verify"] = ssl.create_default_context(cafile=verify)
    return AsyncPlainEngine(httpx.AsyncClient(trust_env=False, **options), owned=True, **max_answer)


def make_fast(**options: Any) -> AsyncEngine:
    pytest.importorskip("pyreqwest")
    from agentbay._async.fast import AsyncFastEngine

    return AsyncFastEngine(**options)


MAKERS: dict[str, Callable[..., AsyncEngine]] = {"pool": AsyncPoolEngine, "fast": make_fast, "plain": make_plain}


@asynccontextmanager
async def opened(maker: Callable[..., AsyncEngine], **options: Any) -> AsyncIterator[AsyncEngine]:
    engine = maker(**options)
    try:
        yield engine
    finally:
        await engine.aclose()


async def ask(engine: AsyncEngine, url: str, body: bytes = b"hello", **given: Any) -> Answer:
    return await engine.post(Origin.parse(url), b"/some/%2Fpath?a=%20b", HEADERS, body, limits(**given))


async def failure(engine: AsyncEngine, url: str, body: bytes = b"hello", **given: Any) -> EngineError:
    with pytest.raises(EngineError) as caught:
        await ask(engine, url, body, **given)
    return caught.value


def closed_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
    return port


class Trust:
    """An authority, and servers' contexts made by it."""

    def __init__(self, folder: Path) -> None:
        self._authority = trustme.CA()
        self.path = str(folder / "ca.pem")
        self._authority.cert_pem.write_to_path(self.path)

    def server(self, *names: str) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._authority.issue_cert(*names).configure_cert(context)
        return context


def hang_up(peer: Peer) -> None:
    peer.request()


def cut_body(peer: Peer) -> None:
    peer.request()
    peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")


def reset_body(peer: Peer) -> None:
    cut_body(peer)
    peer.reset()


def garbage(peer: Peer) -> None:
    peer.request()
    peer.send(b"\x00\x01 this is not HTTP \xff\r\n\r\n")


def never(peer: Peer) -> None:
    peer.request()
    peer.sock.recv(1)
