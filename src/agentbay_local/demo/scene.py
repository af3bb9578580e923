"""What the steps of the demo share."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from importlib.resources import files
from pathlib import Path
from urllib.error import URLError
from urllib.request import ProxyHandler, build_opener

from attrs import define, field, frozen

from agentbay import AgentBay, Session

__all__ = ["CheckFailed", "Scene", "Step", "check", "fetch", "inside", "shipped", "until"]

DATA = "day_length.csv"


class CheckFailed(Exception):
    """A step did not show what it should; the message is for the user."""


@define
class Scene:
    """The client, the session that most steps work in, and what one step leaves for a later one."""

    client: AgentBay
    folder: Path
    session: Session = field(init=False)
    link: str = ""
    table: list[list[str]] = field(factory=list)

    @property
    def has_session(self) -> bool:
        """Whether the session was opened."""
        return hasattr(self, "session")

    def shell(self, command: str, timeout_ms: int = 10_000) -> str:
        """Runs a command that must succeed; gives what it printed."""
        return self.session.command.execute_command(command, timeout_ms).unwrap().stdout.strip()


@frozen
class Step:
    """A title, and a function that does the step and says what was seen; it raises when its check does not hold."""

    title: str
    run: Callable[[Scene], str]


def check(held: object, failure: str) -> None:
    """Ends the step with a failure unless the condition held."""
    if not held:
        raise CheckFailed(failure)


def shipped() -> str:
    """The data file that comes with the package."""
    return (files("agentbay_local.demo") / DATA).read_text("utf-8")


def inside(name: str) -> str:
    """The text of a program for the sandbox."""
    return (files("agentbay_local.demo") / "inside" / name).read_text("utf-8")


def fetch(url: str) -> str:
    """Gets a page from this machine; proxy settings of the environment are not for it."""
    with build_opener(ProxyHandler({})).open(url, timeout=5) as answer:
        return str(answer.read().decode("utf-8", "replace"))


def until(seconds: float, pause: float = 0.05) -> Iterator[None]:
    """Yields at once and then again and again, for so many seconds."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        yield
        time.sleep(pause)


def answers(url: str) -> bool:
    """Whether anything answers at this address."""
    try:
        fetch(url)
    except URLError:
        return False
    return True
