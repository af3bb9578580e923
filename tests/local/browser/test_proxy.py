"""A proxy of the user's own, in a world where only the policy leads to it."""

from __future__ import annotations

import asyncio
import base64
from pathlib import Path

import pytest

from agentbay import AsyncAgentBay, BrowserOption, BrowserProxy, CreateSessionParams
from agentbay_local.app import Runtime
from agentbay_local.sandbox.contract import Limits
from agentbay_local.sandbox.pool import BwrapEngine
from agentbay_local.settings import Settings
from tests.local.egress.world import World, raw_server
from tests.local.programs import need_browser

SECRET = base64.b64encode(b"ada:hunter2")


async def proxied(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """A proxy that lets in who has the password, and tells where they wanted to go."""
    head = await reader.readuntil(b"\r\n\r\n")
    if b"Proxy-Authorization: Basic " + SECRET not in head:
        writer.write(b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n")
        return
    body = b"<title>By proxy</title>" + head.split(b" ", 2)[1]
    start = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: %d\r\nConnection: close\r\n\r\n"
    writer.write(start % len(body) + body)
    await writer.drain()


@pytest.mark.slow
async def test_pages_come_by_the_users_own_proxy_with_its_password(tmp_path: Path) -> None:
    need_browser()
    world = World()
    engine = BwrapEngine(Limits(), warm=0, reach=world.reach)
    async with raw_server(proxied) as port, Runtime(Settings(data=tmp_path, warm=0), engine) as runtime:
        world.place("proxy.example", 8080, port)
        runtime.service.policies.set("web", ["proxy.example:8080"])
        async with AsyncAgentBay(api_key=runtime.keys[0], endpoint=runtime.endpoint) as client:
            params = CreateSessionParams(image_id="browser_latest", policy_id="web")
            session = (await client.create(params)).unwrap().session
            proxy = BrowserProxy("custom", server="http://proxy.example:8080", username="ada", password="hunter2")
            assert await session.browser.initialize(BrowserOption(proxies=[proxy])), session.browser.error
            said = await session.browser.operator.navigate("http://shop.example/fruit?q=1")
            assert said == "Navigated to http://shop.example/fruit?q=1 (By proxy)"
            seen = (await session.call_mcp_tool("browser_snapshot", {})).data
            assert "http://shop.example/fruit?q=1" in seen
            await session.delete()
        assert world.looked_up.count("shop.example") == 0
