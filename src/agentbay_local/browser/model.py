"""The language model that the user has configured: any endpoint that speaks `/chat/completions`."""

from __future__ import annotations

import asyncio
import base64
import json
import re
from typing import Any, Final

import aiohttp
from attrs import field, frozen

from agentbay_local.browser.faults import BrowserFault

__all__ = ["KEY", "NAME", "NOT_CONFIGURED", "URL", "Model", "ModelFault"]

URL: Final = "AGENTBAY_MODEL_URL"
NAME: Final = "AGENTBAY_MODEL"
KEY: Final = "AGENTBAY_MODEL_KEY"
NOT_CONFIGURED: Final = (
    "No model is configured: the page operator thinks with one of yours. Start the server with --model-url and "
    f"--model, or set {URL} and {NAME} (and {KEY}) for it; any OpenAI-compatible endpoint will do"
)
PATIENCE: Final = 120.0
"""Seconds for an answer, with all that is tried again."""
BUSY: Final = frozenset({408, 409, 429, 500, 502, 503, 504, 529})
PAUSES: Final = (1.0, 3.0)
"""Seconds until a busy server is asked again, if it does not say when itself."""
LONGEST_PAUSE: Final = 30.0
LARGEST: Final = 4 << 20
FENCE: Final = re.compile(r"```(?:json)?\s*(.*?)```", re.DOTALL)


class ModelFault(BrowserFault):
    """The model gave no usable answer."""


@frozen
class Model:
    """Where it is, and what it is called there."""

    url: str
    name: str
    key: str = field(default="", repr=False)

    async def think(self, system: str, user: str, picture: bytes = b"") -> Any:
        """Asks for one JSON value; a first answer that is none is sent back once. Raises ModelFault."""
        messages = [{"role": "system", "content": system}, {"role": "user", "content": _content(user, picture)}]
        said = await self._ask(messages)
        try:
            return _json(said)
        except ValueError as error:
            complaint = f"That was not one JSON value ({error}). Answer again, with nothing but the JSON."
        said = await self._ask(
            [*messages, {"role": "assistant", "content": said}, {"role": "user", "content": complaint}]
        )
        try:
            return _json(said)
        except ValueError as error:
            raise ModelFault(f"the model {self.name} did not answer with JSON") from error

    async def _ask(self, messages: list[dict[str, Any]]) -> str:
        body: dict[str, Any] = {"model": self.name, "messages": messages, "temperature": 0}
        try:
            async with asyncio.timeout(PATIENCE):
                answer = await self._post(body)
                for pause in PAUSES:
                    if answer.status == 400 and "temperature" in body and "temperature" in answer.text:
                        del body["temperature"]  # some models know but their own
                    elif answer.status in BUSY:
                        await asyncio.sleep(answer.wait(pause))
                    else:
                        break
                    answer = await self._post(body)
        except (TimeoutError, aiohttp.ClientError, OSError, ValueError) as error:
            why = f"no answer within {PATIENCE:g} s" if isinstance(error, TimeoutError) else str(error)
            raise ModelFault(f"the model at {self.url} does not answer: {why or type(error).__name__}") from error
        return _said(answer)

    async def _post(self, body: dict[str, Any]) -> Answer:
        headers = {"Authorization": f"Bearer {self.key}"} if self.key else {}
        url = f"{self.url.rstrip('/')}/chat/completions"
        unbounded = aiohttp.ClientTimeout(total=None)
        async with (
            aiohttp.ClientSession(timeout=unbounded, headers=headers, trust_env=True) as client,
            client.post(url, json=body, allow_redirects=False) as answer,
        ):
            read, size = list[bytes](), 0
            async for chunk in answer.content.iter_any():
                read.append(chunk)
                if (size := size + len(chunk)) > LARGEST:
                    raise ModelFault(f"the model's server answered with more than {LARGEST >> 20} MiB")
            text = b"".join(read).decode(errors="replace")
            return Answer(answer.status, text, answer.headers.get("Retry-After", ""), answer.content_type)


@frozen
class Answer:
    """What the model's server said."""

    status: int
    text: str
    retry_after: str
    kind: str

    def wait(self, otherwise: float) -> float:
        """Seconds until it may be asked again."""
        return min(float(self.retry_after), LONGEST_PAUSE) if self.retry_after.isdecimal() else otherwise


def _said(answer: Answer) -> str:
    """The words of the model. Raises ModelFault."""
    text = answer.text
    try:
        if answer.status == 200:
            choice = _streamed(text) if answer.kind == "text/event-stream" else json.loads(text)["choices"][0]
            return _words(choice)
        told = json.loads(text)
        why = told.get("error", told)
        why = why.get("message", why) if isinstance(why, dict) else why
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        why = text
    raise ModelFault(f"the model's server answered with status {answer.status}: {str(why)[:300]}")


def _words(choice: dict[str, Any]) -> str:
    said = choice["message"]
    content = said.get("content")
    if isinstance(content, list):  # some give parts
        content = "".join(part.get("text", "") for part in content)
    if content:
        return str(content)
    if refusal := said.get("refusal"):
        raise ModelFault(f"the model refuses: {str(refusal)[:300]}")
    if choice.get("finish_reason") == "length":
        raise ModelFault("the model came to the end of its tokens before it said anything")
    raise ModelFault("the model said nothing")


def _streamed(text: str) -> dict[str, Any]:
    """One choice from the events of a server that streams though nobody has asked for that."""
    words, last = list[str](), None
    for line in text.splitlines():
        data = line.removeprefix("data:").strip() if line.startswith("data:") else ""
        if not data or data == "[DONE]":
            continue
        told = json.loads(data)
        if error := told.get("error"):
            raise ModelFault(f"the model's server broke off: {str(error)[:300]}")
        for choice in told.get("choices", [])[:1]:
            words.append(choice["delta"].get("content") or "")
            last = choice.get("finish_reason") or last
    return {"message": {"content": "".join(words)}, "finish_reason": last}


def _content(text: str, picture: bytes) -> Any:
    if not picture:
        return text
    url = f"data:image/jpeg;base64,{base64.b64encode(picture).decode()}"
    return [{"type": "text", "text": text}, {"type": "image_url", "image_url": {"url": url}}]


def _json(text: str) -> Any:
    """The JSON of an answer, which models like to wrap. Raises ValueError."""
    if fenced := FENCE.search(text):
        text = fenced[1]
    start = min((at for at in (text.find("{"), text.find("[")) if at >= 0), default=0)
    try:
        return json.JSONDecoder().raw_decode(text[start:])[0]
    except RecursionError as error:
        raise ValueError("nested too deeply") from error
