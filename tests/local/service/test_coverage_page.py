"""The page of what the runtime serves says what the runtime does."""

from __future__ import annotations

import pytest

from agentbay_local import unserved
from agentbay_local.doors import HANDLER_MODULES
from agentbay_local.service.core import ACTIONS, HANDLERS
from agentbay_local.tools.registry import TOOLS
from tests.local.service.api import Api
from tools import served


def test_the_page_is_up_to_date() -> None:
    assert served.TARGET.read_text("utf-8") == served.page(), "run `python tools/served.py`"


def test_nothing_is_both_served_and_not() -> None:
    assert (set(HANDLERS) & set(unserved.ACTIONS), set(TOOLS) & set(unserved.TOOLS)) == (set(), set())


def test_every_action_of_the_sdk_is_served_or_refused_with_a_reason() -> None:
    assert HANDLER_MODULES
    assert set(ACTIONS) - set(HANDLERS) - set(unserved.ACTIONS) == set()


@pytest.mark.parametrize("action", sorted(unserved.ACTIONS))
async def test_an_action_that_is_not_served_is_refused_with_the_reason(api: Api, action: str) -> None:
    answer = await api.call(action)
    assert (answer.verdict, answer.body["Message"]) == (
        (404, "InvalidAction.NotFound"),
        f"This endpoint does not offer the action: this server has {unserved.ACTIONS[action]}.",
    )


async def test_tools_that_are_not_served_are_refused_with_the_reason(api: Api, session: str) -> None:
    for name, reason in unserved.TOOLS.items():
        text, failed = (await api.tool(session, name)).said
        assert (
            failed,
            text.endswith(f"Tool {name} is not offered by image linux_latest: this server has {reason}"),
        ) == (
            True,
            True,
        )
