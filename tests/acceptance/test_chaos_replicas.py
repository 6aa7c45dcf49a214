"""Two servers on one PostgreSQL, of which whoever takes a timer is killed; `make chaos` does it 200 times."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.chaos import replicas

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]


async def test_timers_come_once_though_whoever_takes_them_is_killed(tmp_path: Path) -> None:
    outcome = await replicas.run(tmp_path, servers=2, kills=6)
    assert outcome.kept, [problem for v in outcome.verdicts for problem in v.problems]
