"""A server that shares its database, and has another time."""

from __future__ import annotations

import pytest

from base.time import SECOND, now
from server.skew import ClockSkew


@pytest.fixture
def database(database):
    if database.address.dialect == "sqlite":
        pytest.skip("a SQLite database has one server")
    return database


@pytest.mark.parametrize(
    ("off", "told"),
    [
        (0, None),
        (2, None),
        (-2, None),
        (3_600, "ahead of the database's"),
        (-3_600, "behind the database's"),
    ],
)
async def test_a_clock_that_is_wrong_is_told(database, off, told):
    skew = ClockSkew(database, clock=lambda: now() + off * SECOND)
    await skew.look()
    if told is None:
        assert skew.problem is None
    else:
        assert skew.problem
        assert skew.problem.endswith(told)


async def test_a_clock_that_was_put_right_is_no_problem_any_more(database):
    off = 60
    skew = ClockSkew(database, clock=lambda: now() + off * SECOND)
    async with skew:
        assert skew.problem
        off = 0
        await skew.look()
        assert skew.problem is None


async def test_a_server_whose_clock_is_wrong_is_not_ready(served, address):
    if address.dialect == "sqlite":
        pytest.skip("a SQLite database has one server")
    async with served() as client:
        assert client.app.floors.skew
        client.app.floors.skew.problem = "1h ahead of the database's"
        told = await client.get("/readyz", status=503)
        assert told["waiting"]["clock"] == "1h ahead of the database's"
