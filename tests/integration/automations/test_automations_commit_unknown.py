"""The connection breaks during a commit that did happen: everything is done once all the same."""

from __future__ import annotations

import pytest

from events.change import Change
from events.writer import Fault


class BrokenOffError(Exception):
    pass


@pytest.fixture
def break_off(world, monkeypatch):
    """The next commit reaches the disk, and nobody hears of it."""

    def arm():
        writer = world.journal._writer
        commit, fault = writer.commit, writer.fault

        async def broken():
            monkeypatch.setattr(writer, "commit", commit)
            await commit()
            raise BrokenOffError

        monkeypatch.setattr(writer, "commit", broken)
        monkeypatch.setattr(
            writer,
            "fault",
            lambda error: Fault.UNKNOWN if isinstance(error, BrokenOffError) else fault(error),
        )

    return arm


def definition(name="seen", emits="order.seen", **fields):
    return {
        "name": name,
        "trigger": {"event": "order.created"},
        "actions": [{"emit": emits}, {"run": "flow"}],
        **fields,
    }


async def recorded(world):
    rows = await world.rows(
        "SELECT (SELECT count(*) FROM firing), (SELECT count(*) FROM action),"
        " (SELECT count(*) FROM event WHERE type = 'order.seen')"
    )
    return rows[0]


async def test_an_event_fires_once(world, event, break_off):
    await world.apply(definition())
    break_off()
    order = event()
    receipt = await world.journal.submit(Change([order]))
    assert receipt.positions[0] is not None
    assert await recorded(world) == (1, 2, 1)


async def test_rules_are_in_force(world, event, break_off):
    break_off()
    await world.apply(definition())
    await world.send(event())
    assert await recorded(world) == (1, 2, 1)
    break_off()
    await world.apply(definition(emits="other"))
    assert world.rules.get("seen").revision == 2
    assert await world.rows("SELECT revision FROM automation") == [(2,)]


async def test_a_paused_rule_is_quiet(world, event, break_off):
    await world.apply(definition())
    break_off()
    await world.book.pause("seen")
    await world.send(event())
    assert await recorded(world) == (0, 0, 0)


async def test_a_replay_acts_once(world, event, break_off):
    await world.apply(definition())
    await world.send(event())
    stored = next(one for one in world.stored if one.event.type == "order.created")
    break_off()
    asked = await world.occasions.replay(stored)
    assert len(asked.firings) == 1
    assert await recorded(world) == (2, 4, 2)


async def test_a_firing_by_hand_acts_once(world, break_off):
    await world.apply(definition())
    break_off()
    await world.occasions.fire("seen")
    assert await recorded(world) == (1, 2, 1)
    manual = await world.rows("SELECT count(*) FROM event WHERE type = 'ensue.automation.manual'")
    assert manual == [(1,)]


async def test_the_breaker_counts_a_transaction_that_is_run_again_once(world, event, monkeypatch):
    await world.apply(definition(breaker=2))
    writer = world.journal._writer
    commit, fault = writer.commit, writer.fault

    async def once_more():
        monkeypatch.setattr(writer, "commit", commit)
        raise BrokenOffError

    monkeypatch.setattr(writer, "commit", once_more)
    monkeypatch.setattr(
        writer,
        "fault",
        lambda error: Fault.AGAIN if isinstance(error, BrokenOffError) else fault(error),
    )
    await world.send(event())
    await world.send(event())
    assert not world.told("ensue.automation.paused")
    await world.send(event())
    assert world.told("ensue.automation.paused")
