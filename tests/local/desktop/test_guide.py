"""The programs of the guide to desktops are run as they stand there."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.local.programs import need_browser

GUIDE = Path(__file__).parents[3] / "docs" / "guides" / "desktop.md"
PROGRAMS = [part.partition("\n```")[0] for part in GUIDE.read_text("utf-8").split("```python no-run\n")[1:]]


def test_the_guide_has_each_program_in_both_colours() -> None:
    assert [False, True] * 2 == ["asyncio.run(main())" in each for each in PROGRAMS]


@pytest.mark.slow
@pytest.mark.parametrize("number", range(len(PROGRAMS)))
def test_a_program_of_the_guide_runs(programs: None, number: int, run_snippet: Callable[[str, str], None]) -> None:
    need_browser()
    run_snippet(PROGRAMS[number], f"program {number}")
