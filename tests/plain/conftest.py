"""What the tests without colour share."""

from __future__ import annotations

from hypothesis import HealthCheck, settings

# The machine may be busy: no time limit for a single example, and nothing is written beside the tests.
settings.register_profile(
    "agentbay", deadline=None, max_examples=60, database=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("agentbay")
