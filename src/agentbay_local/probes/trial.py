"""One thing to try, with an end to it: whatever hangs or breaks is a finding, too."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable
from typing import Any, Final, Generic, TypeVar

from attrs import field, frozen

from agentbay_local.code import DriverGone
from agentbay_local.sandbox.contract import SandboxError

__all__ = ["LONGEST", "Finding", "Probe", "Trial", "attempt", "attempted", "bad", "good"]

LONGEST: Final = 20.0
"""Seconds that anything that is tried may take."""

R = TypeVar("R")
P = TypeVar("P")


@frozen
class Finding:
    """What came of it, for people; `remedy` is the one line that mends it, empty if all is well or none is known."""

    ok: bool
    detail: str
    remedy: str = ""


def good(detail: str) -> Finding:
    return Finding(True, detail)


def bad(detail: str, remedy: str = "") -> Finding:
    return Finding(False, detail, remedy)


@frozen
class Probe:
    """One thing that was tried. What is `needed` is what no sandbox can run without."""

    name: str
    ok: bool
    detail: str
    remedy: str
    needed: bool


@frozen
class Trial(Generic[P, R]):
    """One thing to try. `remedy` is for what `run` raises; what it finds itself comes with one of its own."""

    name: str
    run: Callable[[P], R]
    needed: bool = field(default=False, kw_only=True)
    remedy: str = field(default="", kw_only=True)

    def told(self, found: Finding) -> Probe:
        return Probe(self.name, found.ok, found.detail, found.remedy, self.needed)

    def broke(self, error: BaseException) -> Probe:
        if isinstance(error, TimeoutError):
            return self.told(bad(f"it did not end within {LONGEST:g} s", self.remedy))
        return self.told(bad(str(error) or type(error).__name__, self.remedy))


def attempt(trial: Trial[Any, Finding], given: object) -> Probe:
    """Tries something that blocks, on a thread that nobody waits for longer than it may take."""
    outcome: list[Probe] = []

    def work() -> None:
        try:
            outcome.append(trial.told(trial.run(given)))
        except (OSError, ValueError, ImportError) as error:
            outcome.append(trial.broke(error))

    thread = threading.Thread(target=work, name=f"agentbay-{trial.name}", daemon=True)
    thread.start()
    thread.join(LONGEST)
    return outcome[0] if outcome else trial.broke(TimeoutError())


async def attempted(trial: Trial[P, Awaitable[Finding]], given: P) -> Probe:
    """The same for what is awaited."""
    try:
        async with asyncio.timeout(LONGEST):
            return trial.told(await trial.run(given))
    except (SandboxError, DriverGone, OSError, ValueError) as error:
        return trial.broke(error)
