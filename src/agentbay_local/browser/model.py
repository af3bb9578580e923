"""The language model that the user has configured: any endpoint that speaks `/chat/completions`."""

from __future__ import annotations

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
PATIENCE: Final = aiohttp.ClientTimeout(total=120)
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
        headers = {"Authorization": f"Bearer {self.key}"} if self.key else {}
        url = f"{self.url.rstrip('/')}/chat/completions"
        body = {"model": self.name, "messages": messages, "temperature": 0}
        try:
            async with (
                aiohttp.ClientSession(timeout=PATIENCE, headers=headers, trust_env=True) as client,
                client.post(url, json=body, allow_redirects=False) as answer,
            ):
                text = (await answer.content.read(LARGEST)).decode(errors="replace")
                while not answer.content.at_eof() and len(text) < LARGEST:
                    text += (await answer.content.read(LARGEST)).decode(errors="replace")
                return _said(answer.status, text)
        except (TimeoutError, aiohttp.ClientError, OSError) as error:
            raise ModelFault(
                f"the model at {self.url} does not answer: {str(error) or type(error).__name__}"
            ) from error


def _said(status: int, text: str) -> str:
    try:
        told = json.loads(text)
        if status == 200:
            return str(told["choices"][0]["message"]["content"])
        why = told.get("error", told)
        why = why.get("message", why) if isinstance(why, dict) else why
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        why = text
    raise ModelFault(f"the model's server answered with status {status}: {str(why)[:300]}")


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
