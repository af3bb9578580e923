"""A person who looks at a session's page, as the page's own script asks the doors."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Self
from urllib.parse import parse_qs, urlencode, urlsplit

import aiohttp
from attrs import define

from tests.local.service.api import Answer, Api

HEADER = "X-Access-Page"


@define
class Looker:
    """Asks the doors of one session's page with a code, by default the right one."""

    api: Api
    session: str
    url: str
    code: str

    @classmethod
    async def of(cls, api: Api, session: str) -> Self:
        url = (await api.call("GetMcpResource", SessionId=session)).data["ResourceUrl"]
        return cls(api, session, url, parse_qs(urlsplit(url).query)["authcode"][0])

    def address(self, where: str, /, **query: str) -> str:
        asked = f"?{urlencode(query)}" if query else ""
        return f"{self.api.endpoint}/session/{self.session}{where}{asked}"

    async def ask(self, where: str, method: str = "GET", body: Any = None, /, **query: str) -> Answer:
        options = {"headers": {HEADER: self.code}, "json": body}
        async with self.api.http.request(method, self.address(where, **query), **options) as response:
            return Answer(response.status, await response.json(content_type=None))

    async def get(self, where: str, /, **query: str) -> Any:
        answer = await self.ask(where, **query)
        assert 200 == answer.status, answer.body
        return answer.body

    async def change(self, **wish: str) -> Answer:
        return await self.ask("/files", "POST", wish)

    async def upload(self, path: str, data: Any, **options: Any) -> Answer:
        where = self.address("/file", path=json.dumps(path))
        async with self.api.http.put(where, data=data, headers={HEADER: self.code}, **options) as response:
            return Answer(response.status, await response.json(content_type=None))

    @asynccontextmanager
    async def socket(self, **query: str) -> AsyncIterator[aiohttp.ClientWebSocketResponse]:
        where = self.address("/terminal", **query)
        async with self.api.http.ws_connect(where, protocols=[f"agentbay.{self.code}"]) as socket:
            yield socket


async def until(socket: aiohttp.ClientWebSocketResponse, text: str) -> str:
    """What a terminal prints until some text has come."""
    printed = b""
    while text not in printed.decode(errors="replace"):
        message = await socket.receive(20)
        assert aiohttp.WSMsgType.BINARY is message.type, message
        printed += message.data
    return printed.decode(errors="replace")
