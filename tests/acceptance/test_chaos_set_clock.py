"""A real service whose clock leaps by hours and days, over a change to summer time.

What it does in the same leaps with a clock of our own is in `test_timers_set_clock`.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.chaos import set_clock

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(240),
    pytest.mark.skipif(set_clock.library() is None, reason=set_clock.MISSING),
]


async def test_no_leap_of_the_clock_makes_anything_be_missed_or_come_twice(tmp_path: Path) -> None:
    outcome = await set_clock.run(tmp_path, set_clock.SHORT)
    assert outcome.kept, [problem for v in outcome.verdicts for problem in v.problems]
