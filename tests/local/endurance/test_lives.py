"""Random lives of sessions and contexts against a real server, compared with a model step by step."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.local.conftest import Served, serve
from tests.local.endurance.lives import Lives

SLOW = [HealthCheck.too_slow, HealthCheck.data_too_large]
# The same lives in each run by day, told as they were if they fail; others each night, and then the shortest one.
COMMON = settings(deadline=None, database=None, suppress_health_check=SLOW)
DAY = settings(COMMON, max_examples=25, stateful_step_count=40, derandomize=True, phases=[Phase.generate])
NIGHT = settings(COMMON, max_examples=150, stateful_step_count=60, print_blob=True)


@pytest.fixture(scope="module")
def lively(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    served = serve("--data", str(tmp_path_factory.mktemp("data")), "--warm", "1")
    yield served
    assert served.stop() == 0


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_whatever_callers_do_is_what_the_model_says(lively: Served, nightly: bool) -> None:
    run_state_machine_as_test(lambda: Lives(lively), settings=NIGHT if nightly else DAY)
