"""How a person's answer is asked for, side by side: only asynchronous programs may wait for it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from inspect import isawaitable

from agentbay.types.agent import AgentEvent

__all__ = ["AsyncOnCall", "OnCall", "answer", "async_answer"]

AsyncOnCall = Callable[[AgentEvent], Awaitable[str] | str]
OnCall = Callable[[AgentEvent], str]


async def async_answer(ask: AsyncOnCall | None, event: AgentEvent) -> str:
    """The person's answer; empty when there is nobody to ask."""
    told = ask(event) if ask is not None else ""
    return str(await told if isawaitable(told) else told)


def answer(ask: OnCall | None, event: AgentEvent) -> str:
    """The person's answer; empty when there is nobody to ask."""
    return str(ask(event)) if ask is not None else ""
