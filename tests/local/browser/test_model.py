"""What models' servers answer with, and what comes of it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import web
from attrs import evolve

from agentbay_local.browser import model as module
from agentbay_local.browser.model import Model, ModelFault

pytestmark = pytest.mark.asyncio(loop_scope="session")

Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]


@asynccontextmanager
async def served(*answers: Answer) -> AsyncIterator[Model]:
    """A model whose server gives these answers in turn, the last one again and again."""
    left = list(answers)

    async def answer(request: web.Request) -> web.StreamResponse:
        return await (left.pop(0) if len(left) > 1 else left[0])(request)

    app = web.Application()
    app.router.add_post("/v1/chat/completions", answer)
    runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield Model(f"http://127.0.0.1:{runner.addresses[0][1]}/v1/", "clever")
    finally:
        await runner.cleanup()


def saying(status: int = 200, headers: dict[str, str] | None = None, **told: Any) -> Answer:
    async def answer(_: web.Request) -> web.StreamResponse:
        return web.json_response(told, status=status, headers=headers)

    return answer


def choice(finish_reason: str = "stop", **message: Any) -> Answer:
    return saying(choices=[{"message": message, "finish_reason": finish_reason}])


def refusing(status: int, text: str) -> Answer:
    return saying(status, {"Retry-After": "0"}, error={"message": text})


def streaming(*events: Any, whole: bool = True) -> Answer:
    async def answer(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        for event in events:
            await response.write(f"data: {json.dumps(event)}\n\n".encode())
        if whole:
            await response.write(b"data: [DONE]\n\n")
        elif request.transport is not None:
            request.transport.abort()
        return response

    return answer


def piece(text: str | None, finish_reason: str | None = None) -> dict[str, Any]:
    return {"choices": [{"delta": {"content": text}, "finish_reason": finish_reason}]}


async def without_temperature(request: web.Request) -> web.StreamResponse:
    told = await request.json()
    if "temperature" in told:
        return web.json_response({"error": {"message": "temperature does not support 0"}}, status=400)
    return await choice(content='{"a": 1}')(request)


@pytest.mark.parametrize(
    "answers",
    [
        [choice(content='{"a": 1}')],
        [choice(content='Here you are:\n```json\n{"a": 1}\n```')],
        [choice(content=[{"type": "text", "text": '{"a":'}, {"type": "text", "text": " 1}"}])],
        [streaming(piece('{"a"'), piece(": 1}"), piece(None, "stop"), {"choices": []})],
        [refusing(429, "slowly"), refusing(503, "busy"), choice(content='{"a": 1}')],
        [without_temperature],
        [choice(content="no JSON"), choice(content='{"a": 1}')],
    ],
)
async def test_servers_say_it_in_many_ways(answers: list[Answer]) -> None:
    async with served(*answers) as model:
        assert await model.think("system", "user") == {"a": 1}


@pytest.mark.parametrize(
    ("answer", "text"),
    [
        (refusing(429, "slowly"), "the model's server answered with status 429: slowly"),
        (refusing(500, "oops"), "status 500: oops"),
        (saying(401, error="bad key"), "status 401: bad key"),
        (saying(200, nothing=1), "status 200"),
        (choice(content=None, refusal="I had better not"), "the model refuses: I had better not"),
        (choice("length", content=""), "came to the end of its tokens"),
        (choice(content=None), "the model said nothing"),
        (streaming(piece("{"), {"error": {"message": "overloaded"}}), "broke off: {'message': 'overloaded'}"),
        (streaming(piece("{"), whole=False), "does not answer"),
        (choice(content="x" * (5 << 20)), "more than 4 MiB"),
        (choice(content="[" * 100_000), "did not answer with JSON"),
    ],
)
async def test_what_is_no_answer_is_named(answer: Answer, text: str) -> None:
    async with served(answer) as model:
        with pytest.raises(ModelFault) as caught:
            await model.think("system", "user")
    assert text in str(caught.value)


async def test_a_server_that_never_answers_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PATIENCE", 0.1)

    async def silent(_: web.Request) -> web.StreamResponse:
        await asyncio.sleep(60)
        raise AssertionError

    async with served(silent) as model:
        with pytest.raises(ModelFault, match=r"does not answer: no answer within 0\.1 s"):
            await model.think("system", "user")


async def test_a_server_that_is_not_there_is_named() -> None:
    async with served(choice(content="1")) as model:
        gone = evolve(model, url="http://127.0.0.1:1/v1")
    with pytest.raises(ModelFault, match=r"the model at http://127\.0\.0\.1:1/v1 does not answer"):
        await gone.think("system", "user")
