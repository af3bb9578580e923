"""A client of the protocol that knows nothing: raw requests out, raw answers back."""

from __future__ import annotations

import asyncio
import json
from typing import Any, Self
from urllib.parse import urlencode

import aiohttp
from attrs import frozen

FORM = {"Content-Type": "application/x-www-form-urlencoded"}


@frozen
class Answer:
    """One HTTP answer; `body` is its JSON."""

    status: int
    body: dict[str, Any]

    @property
    def data(self) -> Any:
        return self.body["Data"]

    @property
    def verdict(self) -> tuple[int, str]:
        return self.status, self.body["Code"]

    @property
    def said(self) -> tuple[str, bool]:
        """What a tool said, and whether it says that it failed."""
        told = json.loads(self.data)
        return told["content"][0]["text"], told["isError"]


class Api:
    """Calls a server; a context manager that deletes the sessions it has made."""

    def __init__(self, endpoint: str, key: str) -> None:
        self.endpoint = endpoint
        self.key = key
        self.http = aiohttp.ClientSession()
        self._made: list[str] = []

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        for session_id in self._made:
            await self.call("ResumeSessionAsync", SessionId=session_id)
            await self.call("ReleaseMcpSession", SessionId=session_id)
        await self.http.close()

    async def call(self, action: str, /, **params: str) -> Answer:
        """Sends an action with its parameters in the form body."""
        query = {"Action": action, "Format": "json", "Version": "2025-05-06"}
        body = {"Authorization": f"Bearer {self.key}"} | params
        return await self.post("/", params=query, data=urlencode(body), headers=FORM)

    async def post(self, path: str, **options: Any) -> Answer:
        async with self.http.post(self.endpoint + path, **options) as response:
            return Answer(response.status, await response.json(content_type=None))

    async def create(self, **params: str) -> dict[str, Any]:
        """Opens a session, and gives its data."""
        answer = await self.call("CreateMcpSession", **params)
        assert answer.verdict == (200, "ok"), answer.body
        self._made.append(answer.data["SessionId"])
        return answer.data

    def adopt(self, session_id: str) -> None:
        """Has a session deleted in the end that was made in another way."""
        self._made.append(session_id)

    async def tool(self, session_id: str, name: str, **args: Any) -> Answer:
        params = {
            "SessionId": session_id,
            "Name": name,
            "Args": json.dumps(args),
            "Server": "",
            "AutoGenSession": "False",
        }
        return await self.call("CallMcpTool", **params)

    async def shell(self, session_id: str, command: str, timeout_ms: int = 20_000) -> dict[str, Any]:
        """Runs a command, and gives what the shell tool says about it."""
        text, failed = (await self.tool(session_id, "shell", command=command, timeout_ms=timeout_ms)).said
        assert not failed, text
        return json.loads(text)

    async def status(self, session_id: str) -> str:
        """The state that GetSessionDetail shows, or its error code."""
        answer = await self.call("GetSessionDetail", SessionId=session_id)
        return answer.data["Status"] if answer.status == 200 else answer.body["Code"]

    async def becomes(self, session_id: str, status: str) -> bool:
        """Waits for a state, for at most 20 seconds."""
        for _ in range(400):
            if await self.status(session_id) == status:
                return True
            await asyncio.sleep(0.05)
        return False
