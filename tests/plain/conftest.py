"""What the tests without colour share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings
from pytest_httpserver import HTTPServer

# The machine may be busy: no time limit for a single example, and nothing is written beside the tests.
settings.register_profile(
    "agentbay", deadline=None, max_examples=60, database=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("agentbay")


@pytest.fixture(scope="session")
def make_httpserver() -> Iterator[HTTPServer]:
    """The server behind `httpserver`, with a thread for each call: one that it keeps waiting delays no other."""
    with HTTPServer(host="127.0.0.1", threaded=True) as server:
        yield server
