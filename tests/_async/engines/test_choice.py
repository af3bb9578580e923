"""Which engine carries the calls, and by which way."""

from __future__ import annotations

import ssl
from typing import Any

import httpx
import pytest

from agentbay._async import engine as chooser
from agentbay._async.engine import make_engine
from agentbay._async.pool import AsyncPoolEngine
from agentbay._engine import EngineUnusable
from agentbay._pool_pairs import async_suits_fast
from tests._async.engines.given import (
    ask,
    closed_port,
    failure,
    make_fast,
)
from tests.scripted import Peer, Server, echo


async def test_a_client_of_the_users_own_is_used_and_left_open() -> None:
    seen: list[str] = []

    async def answer(request: httpx.Request) -> httpx.Response:
        seen.append(str(request.url))
        return httpx.Response(201, headers={"x-kind": "mock"}, content=b"mocked")

    client = httpx.AsyncClient(transport=httpx.MockTransport(answer))
    engine = make_engine(http_client=client)
    answered = await ask(engine, "https://somewhere.example")
    await engine.aclose()

    assert (answered.status, answered.headers.get("X-Kind"), answered.body) == (201, "mock", b"mocked")
    assert seen == ["https://somewhere.example/some/%2Fpath?a=%20b"]
    assert client.is_closed is False
    await client.aclose()


async def test_a_closed_client_of_the_users_own_cannot_be_used() -> None:
    client = httpx.AsyncClient(transport=httpx.MockTransport(lambda _: httpx.Response(200)))
    await client.aclose()

    error = await failure(make_engine(http_client=client), "https://somewhere.example")

    assert (type(error), str(error)) == (EngineUnusable, "the http_client is closed")


async def test_what_a_users_hook_refuses_is_a_failure_after_sending() -> None:
    async def refuse(response: httpx.Response) -> None:
        raise httpx.HTTPStatusError("refused by a hook", request=response.request, response=response)

    with Server(echo) as server:
        client = httpx.AsyncClient(event_hooks={"response": [refuse]}, trust_env=False)
        error = await failure(make_engine(http_client=client), server.url)
        await client.aclose()

    assert (error.sent, str(error)) == (True, f"no complete answer from {server.url}: refused by a hook")


async def test_a_users_client_that_is_closed_during_a_call_says_so() -> None:
    async def close(_: httpx.Request) -> httpx.Response:
        await client.aclose()
        raise httpx.ReadError("closed")

    client = httpx.AsyncClient(transport=httpx.MockTransport(close))
    error = await failure(make_engine(http_client=client), "https://somewhere.example")

    assert (type(error), error.sent, str(error)) == (EngineUnusable, True, "the client was closed during the call")


async def test_a_client_of_another_kind_is_refused() -> None:
    with pytest.raises(TypeError, match="http_client must be a httpx"):
        make_engine(http_client=object())  # type: ignore[arg-type]


@pytest.mark.parametrize(("name", "fast"), [("fast", True), ("auto", async_suits_fast)])
async def test_the_fast_engine_is_chosen_by_name_or_where_it_suits_the_colour(name: Any, fast: bool) -> None:
    pytest.importorskip("pyreqwest")
    engine = make_engine(name, trust_env=False)
    await engine.aclose()

    assert fast == type(engine).__name__.endswith("FastEngine")


@pytest.mark.parametrize(
    "given", [{"engine": "pool"}, {"verify": ssl.create_default_context()}, {"verify": "/roots.pem"}]
)
async def test_the_pool_is_chosen_by_name_or_for_a_trust_store_of_the_users_own(given: dict[str, Any]) -> None:
    engine = make_engine(**given, trust_env=False)
    await engine.aclose()

    assert type(engine) is AsyncPoolEngine


async def test_the_fast_engine_cannot_use_an_ssl_context() -> None:
    pytest.importorskip("pyreqwest")
    with pytest.raises(TypeError, match='needs engine="pool"'):
        make_engine("fast", verify=ssl.create_default_context(), trust_env=False)


async def test_the_fast_engine_that_is_not_installed_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chooser, "find_spec", lambda _: None)

    with pytest.raises(ValueError, match=r"pip install 'agentbay-sdk\[fast\]'"):
        make_engine("fast", trust_env=False)


async def test_an_unknown_engine_is_refused() -> None:
    with pytest.raises(ValueError, match='"auto", "pool" or "fast", not \'slow\''):
        make_engine("slow", trust_env=False)  # type: ignore[arg-type]


async def test_many_different_time_outs_are_all_kept() -> None:
    engine = make_fast()
    with Server(echo) as server:
        bodies = [(await ask(engine, server.url, b"x", read=1 + number / 10)).body for number in range(12)]
        error = await failure(engine, server.url, connect=20, read=20, total=-1)
        await engine.aclose()

    assert bodies == [b"x"] * 12
    assert (error.sent, error.timed_out) == (False, True)


def proxy(peer: Peer) -> None:
    while request := peer.request():
        peer.reply(b"by proxy: " + request.head.split(b" ")[1])


@pytest.mark.usefixtures("no_proxies")
async def test_a_given_proxy_carries_everything() -> None:
    with Server(proxy) as server:
        engine = make_engine(proxy=server.url)
        answer = await ask(engine, "http://somewhere.example")
        await engine.aclose()

    assert answer.body == b"by proxy: http://somewhere.example/some/%2Fpath?a=%20b"


async def test_the_environments_proxy_carries_what_is_not_excepted(no_proxies: pytest.MonkeyPatch) -> None:
    with Server(proxy) as through, Server(echo) as direct:
        no_proxies.setenv("HTTP_PROXY", through.url)
        no_proxies.setenv("NO_PROXY", "127.0.0.1")
        engine = make_engine()
        bodies = [(await ask(engine, url, b"x")).body for url in ("http://one.example", direct.url) * 2]
        await engine.aclose()

    assert bodies == [b"by proxy: http://one.example/some/%2Fpath?a=%20b", b"x"] * 2
    assert (through.opened, direct.opened) == (1, 1)


async def test_the_environments_proxies_may_be_left_alone(no_proxies: pytest.MonkeyPatch) -> None:
    no_proxies.setenv("ALL_PROXY", f"http://127.0.0.1:{closed_port()}")
    engine = make_engine(trust_env=False)
    with Server(echo) as server:
        answer = await ask(engine, server.url)
        await engine.aclose()

    assert answer.body == b"hello"


@pytest.mark.usefixtures("no_proxies")
async def test_a_proxy_that_refuses_has_passed_nothing_on() -> None:
    def script(peer: Peer) -> None:
        peer.sock.recv(65536)
        peer.reply(b"", status=403)

    with Server(script) as server:
        engine = make_engine(proxy=server.url)
        error = await failure(engine, "https://somewhere.example")
        await engine.aclose()

    assert (error.sent, error.timed_out) == (False, False)


@pytest.mark.usefixtures("no_proxies")
async def test_a_closed_plain_engine_of_ours_closes_its_client() -> None:
    engine = make_engine(proxy="http://127.0.0.1:9")
    await engine.aclose()
    error = await failure(engine, "http://somewhere.example")

    assert (type(error), str(error)) == (EngineUnusable, "the client is closed")
