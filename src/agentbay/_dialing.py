"""Opening a WebSocket in both colours. The only file that imports `websockets`; imported when it is first needed."""

from __future__ import annotations

import logging
import select
import ssl
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import websockets.asyncio.client as of_asyncio
import websockets.sync.client as of_threads
from websockets.exceptions import ConnectionClosed, InvalidStatus, InvalidURI, WebSocketException
from websockets.protocol import State

from agentbay._engine import shared_ssl_context
from agentbay._socket_address import Address, Unsent
from agentbay.errors import WsConnectionClosedError, WsHandshakeRejectedError

__all__ = ["AsyncLine", "Line", "async_dialled", "dialled", "translated"]

# Its debug messages hold whole frames.
_silent = logging.getLogger("agentbay.websockets")
_silent.setLevel(logging.CRITICAL)
_silent.propagate = False

OPEN_TIMEOUT = 10.0
CLOSE_TIMEOUT = 1.0
HEARTBEAT = 20.0
LARGEST_FRAME = 64 * 1024 * 1024


class _Rejected(Exception):
    """The server did not switch protocols. Not an InvalidStatus, so that no redirect is followed with our token."""

    def __init__(self, status: int) -> None:
        super().__init__(f"HTTP {status}")
        self.status = status


class _Over(Exception):
    """The connection ended before a frame was sent."""


def _is_over(state: State, number: int) -> bool:
    """Whether a connection has ended, even if nobody has read that yet: what is written to it now would be lost."""
    return state is not State.OPEN or number < 0 or _hung_up(number)


def _hung_up(number: int) -> bool:
    if not hasattr(select, "POLLRDHUP"):  # pragma: no cover  (Linux has it)
        return False
    poller = select.poll()
    poller.register(number, select.POLLRDHUP)
    return bool(poller.poll(0))


class AsyncLine(of_asyncio.ClientConnection):
    """An open WebSocket of an event loop."""

    async def handshake(self, *args: Any, **kwargs: Any) -> None:
        """Open it; raises for any answer but 101."""
        try:
            await super().handshake(*args, **kwargs)
        except InvalidStatus as refused:
            raise _Rejected(refused.response.status_code) from None

    async def deliver(self, frame: str) -> None:
        """Send a frame, unless the connection has ended already."""
        if _is_over(self.state, self.transport.get_extra_info("socket").fileno()):
            raise _Over
        await self.send(frame)


class Line(of_threads.ClientConnection):
    """An open WebSocket for threads."""

    def handshake(self, *args: Any, **kwargs: Any) -> None:
        """Open it; raises for any answer but 101."""
        try:
            super().handshake(*args, **kwargs)
        except InvalidStatus as refused:
            raise _Rejected(refused.response.status_code) from None

    def deliver(self, frame: str) -> None:
        """Send a frame, unless the connection has ended already."""
        if _is_over(self.state, self.socket.fileno()):
            raise _Over
        self.send(frame)


@contextmanager
def translated(address: Address) -> Iterator[None]:
    """Turn what the network and the library raise into exceptions of ours."""
    try:
        yield
    except _Rejected as no:
        text = f"WS connection rejected: HTTP {no.status}; url={address.shown}"
        raise WsHandshakeRejectedError(text, no.status, session_id=address.session_id) from no
    except _Over as over:
        raise Unsent("connection closed: it had ended already", session_id=address.session_id) from over
    except ConnectionClosed as over:
        text = f"connection closed: {_reason(over)}"
        raise WsConnectionClosedError(text, session_id=address.session_id) from over
    except (OSError, EOFError, ImportError, ValueError, WebSocketException) as broken:
        # What is no URI is quoted by its error, with all that is secret in it.
        why = "it is no WebSocket URL" if isinstance(broken, InvalidURI | ValueError) else str(broken)
        text = f"The WebSocket at {address.shown} cannot be used: {why or type(broken).__name__}"
        raise WsConnectionClosedError(text, session_id=address.session_id) from broken


def _reason(over: ConnectionClosed) -> str:
    return f"code {over.rcvd.code}" if over.rcvd is not None else "the connection broke"


def _options(address: Address) -> dict[str, Any]:
    context: ssl.SSLContext | None = shared_ssl_context(address.verify) if address.secure else None
    return {
        "additional_headers": {"X-Access-Token": address.token},
        "ssl": context,
        "proxy": address.proxy,
        "open_timeout": OPEN_TIMEOUT,
        "ping_interval": HEARTBEAT,
        "ping_timeout": HEARTBEAT,
        "close_timeout": CLOSE_TIMEOUT,
        "max_size": LARGEST_FRAME,
        "logger": _silent,
    }


@asynccontextmanager
async def async_dialled(address: Address) -> AsyncIterator[AsyncLine]:
    """Keep a WebSocket open for as long as the block lasts; what breaks it is raised as one of our exceptions."""
    with translated(address):
        async with of_asyncio.connect(address.url, create_connection=AsyncLine, **_options(address)) as opened:
            yield opened  # type: ignore[misc]


@contextmanager
def dialled(address: Address) -> Iterator[Line]:
    """Keep a WebSocket open for as long as the block lasts; what breaks it is raised as one of our exceptions."""
    with translated(address), of_threads.connect(address.url, create_connection=Line, **_options(address)) as opened:
        yield opened
