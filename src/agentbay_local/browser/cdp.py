"""A connection to a browser by its own protocol (Chrome DevTools Protocol), from outside the sandbox.

What comes back was written by programs inside, so it is bounded and never trusted: what does not fit is passed over.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
from collections.abc import Callable
from typing import Any, Final

import aiohttp

from agentbay_local.browser.faults import BrowserGone, PageFault
from agentbay_local.dialling import InsideConnector
from agentbay_local.sandbox.contract import Sandbox, SandboxError

__all__ = ["Cdp", "Json", "Listener"]

Json = dict[str, Any]
Listener = Callable[[str, Json, str], None]
"""Told of each event: its method, its parameters, and the session of the target that it is about."""

PATIENCE: Final = 30.0
"""Seconds for an answer, unless the call says otherwise."""
LARGEST: Final = 96 << 20
"""Bytes of one message: a long page's picture is the largest."""
NOBODY: Final = (None, "")
GOODBYE: Final = aiohttp.ClientWSTimeout(ws_close=0.2)  # pyright: ignore[reportCallIssue]
"""Seconds for the last word of a browser that is left running; it may be stopped."""
GONE: Final = "the browser has closed the connection"
UNLIKE: Final = (ArithmeticError, AttributeError, KeyError, RecursionError, TypeError, ValueError)
"""What reading an event raises that is not as browsers send it."""


class Cdp:
    """One connection. Calls may overlap."""

    def __init__(self, client: aiohttp.ClientSession, socket: aiohttp.ClientWebSocketResponse) -> None:
        self.listeners: list[Listener] = []
        self._client, self._socket = client, socket
        self._numbers = itertools.count(1)
        self._waiting: dict[int, tuple[asyncio.Future[Json], str]] = {}
        self._reader = asyncio.create_task(self._read())

    @classmethod
    async def open(cls, sandbox: Sandbox, port: int, path: str) -> Cdp:
        """Connects to a browser inside. Raises BrowserGone."""
        client = aiohttp.ClientSession(connector=InsideConnector(lambda: sandbox.dial(port)))
        try:
            url = f"http://localhost:{port}{path}"
            return cls(client, await client.ws_connect(url, max_msg_size=LARGEST, autoping=True, timeout=GOODBYE))
        except (aiohttp.ClientError, OSError, SandboxError) as error:
            await client.close()
            raise BrowserGone(f"the browser does not answer: {error}") from error
        except asyncio.CancelledError:
            await client.close()
            raise

    @property
    def closed(self) -> bool:
        return self._reader.done()

    async def call(
        self, method: str, params: Json | None = None, *, session: str = "", timeout: float = PATIENCE
    ) -> Json:
        """Asks for something, and waits for the answer.

        Raises:
            PageFault: the answer is no, or did not come in time.
            BrowserGone: the connection has ended.
        """
        if self.closed:
            raise BrowserGone(GONE)
        number = next(self._numbers)
        answer: asyncio.Future[Json] = asyncio.get_running_loop().create_future()
        self._waiting[number] = answer, session
        asked = {"id": number, "method": method, "params": params or {}} | ({"sessionId": session} if session else {})
        try:
            async with asyncio.timeout(timeout):
                await self._socket.send_str(json.dumps(asked))
                return await answer
        except TimeoutError as error:
            raise PageFault(f"the browser did not answer {method} within {timeout:g} s") from error
        except (ConnectionError, aiohttp.ClientError) as error:
            raise BrowserGone(GONE) from error
        finally:
            self._waiting.pop(number, None)

    def give_up(self, session: str, why: str) -> None:
        """Ends the calls about a target that will not answer any more: with a PageFault."""
        for answer, whose in self._waiting.values():
            if whose == session and not answer.done():
                answer.set_exception(PageFault(why))

    async def _read(self) -> None:
        try:
            async for message in self._socket:
                if message.type is aiohttp.WSMsgType.TEXT:
                    self._take(message.data)
        finally:
            for answer, _ in self._waiting.values():
                if not answer.done():
                    answer.set_exception(BrowserGone(GONE))

    def _take(self, text: str) -> None:
        try:
            told = json.loads(text)
        except (ValueError, RecursionError):
            return
        if not isinstance(told, dict):
            return
        if "id" in told:
            self._answered(told)
        elif isinstance(told.get("method"), str):
            params, session = told.get("params"), told.get("sessionId", "")
            self._tell(told["method"], params if isinstance(params, dict) else {}, str(session))

    def _tell(self, method: str, params: Json, session: str) -> None:
        for listener in list(self.listeners):
            with contextlib.suppress(*UNLIKE):
                listener(method, params, session)

    def _answered(self, told: Json) -> None:
        answer, _ = self._waiting.get(told["id"], NOBODY) if isinstance(told["id"], int) else NOBODY
        if answer is None or answer.done():
            return
        if isinstance(error := told.get("error"), dict):
            answer.set_exception(PageFault(str(error.get("message", "the browser refused"))[:500]))
            return
        result = told.get("result")
        answer.set_result(result if isinstance(result, dict) else {})

    async def close(self) -> None:
        """Ends the connection. May be repeated."""
        self._reader.cancel()
        await asyncio.gather(self._reader, return_exceptions=True)
        await self._socket.close()
        await self._client.close()
