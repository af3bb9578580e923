"""The proof that nothing is missing: every name of today's client, and every action and tool of the service."""

from __future__ import annotations

import importlib
import re
from collections.abc import Iterator
from fnmatch import fnmatchcase
from pathlib import Path

import pytest

import agentbay
from agentbay import AgentBay, AsyncAgentBay, AsyncSession, Session
from tests.catalogue import ACTIONS, TOOLS
from tests.surface import REACHABLE, SURFACE, found, gaps

PAGE = Path(__file__).resolve().parent.parent / "docs" / "compatibility.md"
HEADING = "## Names that are left out or differ"


def listed() -> list[str]:
    """The names in the table of the page; `*` stands for anything."""
    section = PAGE.read_text("utf-8").partition(f"{HEADING}\n")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| (`.*?) \|", section, re.MULTILINE)
    return [name for row in rows for name in re.findall("`([^`]+)`", row)]


LISTED = listed()


def unlisted(name: str) -> list[str]:
    return [gap for gap in gaps(name) if not any(fnmatchcase(gap, pattern) for pattern in LISTED)]


@pytest.mark.parametrize("name", list(SURFACE))
def test_a_name_is_as_programs_know_it_or_the_page_says_why_not(name: str) -> None:
    assert [] == unlisted(name)


def test_the_page_lists_nothing_that_is_there() -> None:
    known = [gap for name in SURFACE for gap in gaps(name)]
    assert [] == [pattern for pattern in LISTED if not any(fnmatchcase(gap, pattern) for gap in known)]


@pytest.fixture
def roots() -> Iterator[dict[str, object]]:
    """Clients and sessions of both colours; nothing is sent."""
    plain = AgentBay("key", endpoint="http://127.0.0.1:9")
    coloured = AsyncAgentBay("key", endpoint="http://127.0.0.1:9")
    yield {
        "AgentBay": plain,
        "AsyncAgentBay": coloured,
        "Session": Session(plain, "s"),
        "AsyncSession": AsyncSession(coloured, "s"),
    }
    plain.close()


@pytest.mark.parametrize(("path", "kind"), REACHABLE.items())
def test_each_part_is_reached_by_the_way_programs_know(roots: dict[str, object], path: str, kind: str) -> None:
    root, _, rest = path.partition(".")
    thing = roots[root]
    for name in filter(None, rest.split(".")):
        thing = getattr(thing, name)
    assert found(kind) is type(thing)


# --- The wire ---------------------------------------------------------------------------------------------------------

# Offered by the service and used by no client, as the notes say.
UNUSED_ACTIONS = {"GetVolume", "ListVolumes", "DeleteVolume", "ApplyMqttToken", "HandleAIEngineMessage"}
# Kept by the service for older clients.
OLD_ACTIONS = {"ReleaseMcpSession"}
# The address of the session's page comes with the session.
UNUSED_TOOLS = {"get_resource"}


def covered(*modules: str) -> list[set[str]]:
    """What some test modules say that they test, by colour."""
    return [
        {name for module in modules for name in importlib.import_module(f"tests.{colour}.{module}").covered()}
        for colour in ("_async", "_sync")
    ]


def test_every_action_has_a_test_of_its_request_and_its_answer() -> None:
    used = ACTIONS.keys() - UNUSED_ACTIONS - OLD_ACTIONS
    assert [used, used] == covered("test_actions")


def test_every_tool_has_a_test_of_its_request_and_its_answer() -> None:
    left_out = {name for name, tool in TOOLS.items() if tool.get("unused_by_sdk") or tool.get("legacy")}
    used = TOOLS.keys() - left_out - UNUSED_TOOLS
    assert [used, used] == covered("test_tools", "test_browser_operator", "test_browser")


def test_every_error_is_one_of_ours() -> None:
    errors = [getattr(agentbay, name) for name in agentbay.__all__ if name.endswith("Error")]
    assert [] == [error for error in errors if not issubclass(error, agentbay.AgentBayError)]
