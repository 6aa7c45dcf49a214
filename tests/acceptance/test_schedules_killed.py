"""The service is killed in the middle of what rules remember; the long form is `make chaos`."""

from __future__ import annotations

import pytest

from tests.schedules.crash import Killed
from tests.schedules.databases import serving

pytestmark = pytest.mark.slow


@pytest.fixture(params=["sqlite", "postgresql"])
def address(request):
    with serving(request.param) as addresses:
        yield next(addresses)


async def test_rules_do_what_the_model_says_though_the_process_is_killed(address):
    killed = Killed(address, "absent", seed=1, size=10, kills=2)
    found, rules = await killed.differences()
    assert len(killed.struck) == 2
    assert any(rule.rows for rule in rules.values())
    assert not found
