"""Servers that share a database, and bring it the same directory."""

from __future__ import annotations

import pytest

from automations.proposal import Proposal
from automations.rule import Rule
from automations.rulebook import Rulebook
from automations.ruleset import Ruleset
from base.database import Database
from events.journal import Journal
from triggers.windows import Windows

RULE = {"name": "greet", "trigger": {"event": "person.came"}, "actions": [{"run": "greet"}]}


@pytest.fixture
def database(database: Database) -> Database:
    if database.address.dialect == "sqlite":
        pytest.skip("a SQLite database has one server")
    return database


async def test_what_another_server_applied_first_is_in_force_here_too(
    database: Database, journal: Journal
) -> None:
    """Both started at once: neither found a rule, and only one of them could apply."""
    first, second = Ruleset(), Ruleset()
    books = [Rulebook(database, journal, rules, Windows()) for rules in (first, second)]
    for book in books:
        await book.load()
    proposal = Proposal("directory", [(Rule.parse(RULE), None)], prune=True)
    outcomes = [
        await book.apply(proposal, instance=str(n), digest="same") for n, book in enumerate(books)
    ]
    assert [outcome.skipped for outcome in outcomes] == [False, True]
    assert first.get("greet")
    assert second.get("greet") == first.get("greet")
