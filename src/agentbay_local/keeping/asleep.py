"""What stands for the sandbox of a session that has none, because it is hibernated."""

from __future__ import annotations

import asyncio
from typing import Any, NoReturn

from agentbay_local.egress import Permit
from agentbay_local.sandbox.contract import SandboxGone

__all__ = ["Asleep"]


class Asleep:
    """A sandbox that has ended, as far as anybody can tell; see `contract.Sandbox`."""

    def __init__(self) -> None:
        self.closed = asyncio.Event()
        self.closed.set()
        self.egress = Permit()

    def __getattr__(self, _: str) -> Any:
        return self._gone

    def _gone(self, *_: object, **__: object) -> NoReturn:
        raise SandboxGone("the session is hibernated: resume it first")

    async def close(self) -> None:
        """Nothing is left to be ended."""
