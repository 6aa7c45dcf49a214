"""The journal on both databases: one order, duplicates, derived events, and failures."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from base.database import Database
from base.errors import ConflictError, UnavailableError
from base.time import now
from events import epoch, log
from events.change import Change, Lane, Receipt
from events.commit import MAX_DERIVED
from events.evaluation import Matched
from events.event import Event, Stored, derive
from events.journal import Journal
from events.store import open_seen
from events.tx import Head, Tx
from events.writer import Fault


def event(id_: str, type_: str = "a.b", source: str = "/test", data: Any = None) -> Event:
    at = now()
    return Event(id=id_, source=source, type=type_, time=at, received=at, data=data)


async def stored(database: Database, **query: Any) -> list[Stored]:
    async with database.reader() as session:
        return await log.find(session, log.Query(order="asc", limit=1_000, **query))


class Fan:
    """An evaluator that derives, from an event of type `fan`, as many events as its data says."""

    epoch = 0

    def __init__(self) -> None:
        self.order: list[str] = []

    def match(self, event: Event) -> Matched:
        return Matched(event, ("hit",), self.epoch)

    async def follow(self, tx: Tx, epoch: int) -> None:
        pass

    async def advance(self, tx: Tx, matched: Sequence[Matched]) -> list[Event]:
        derived = []
        for m in matched:
            self.order.append(m.event.id)
            derived += [self._leaf(m.event, n, tx.now) for n in range(m.event.data or 0)]
        return derived

    def _leaf(self, cause: Event, n: int, at: int) -> Event:
        id_ = f"{cause.id}.{n}"
        return derive(cause, type="leaf", source="/fan", at=at, id=id_, crossing=True)


async def test_an_acknowledged_event_is_in_the_log(journal: Journal, database: Database) -> None:
    receipt = await journal.submit(Change(events=[event("1", data={"x": [1, "é"]})]))
    [found] = await stored(database)
    assert receipt.positions == [found.position]
    assert found.event.data == {"x": [1, "é"]}
    assert (found.event.id, found.event.correlationid, found.event.depth) == ("1", "1", 0)


async def test_positions_rise_in_the_order_of_submission(
    journal: Journal, database: Database
) -> None:
    futures = [journal.enqueue(Change(events=[event(f"e{n}")])) for n in range(300)]
    receipts = await asyncio.gather(*futures)
    positions = [receipt.positions[0] for receipt in receipts]
    assert positions == sorted(positions, key=lambda p: p or 0)
    assert [s.event.id for s in await stored(database)] == [f"e{n}" for n in range(300)]


async def test_a_duplicate_changes_nothing_within_a_batch_and_across_restarts(
    database: Database, running: Any
) -> None:
    async with running(database) as journal:
        first, second = await asyncio.gather(
            journal.enqueue(Change(events=[event("1"), event("2"), event("1")])),
            journal.enqueue(Change(events=[event("2"), event("1", source="/other")])),
        )
        assert [p is None for p in first.positions] == [False, False, True]
        assert [p is None for p in second.positions] == [True, False]
    async with running(database) as journal:
        again = await journal.submit(Change(events=[event("1"), event("3")]))
    assert [p is None for p in again.positions] == [True, False]
    assert [s.event.id for s in await stored(database)] == ["1", "2", "1", "3"]


async def test_an_id_that_comes_again_with_another_body_is_told_apart(journal: Journal) -> None:
    await journal.submit(Change(events=[event("1", data={"a": 1})]))
    receipt = await journal.submit(Change(events=[event("0"), event("1", data={"a": 2})]))
    assert (receipt.positions[1], receipt.reused) == (None, [1])
    same = await journal.submit(Change(events=[event("1", data={"a": 1})]))
    assert (same.positions, same.reused) == ([None], [])


async def test_an_operation_and_the_events_it_derives_are_committed_together(
    journal: Journal, database: Database
) -> None:
    async def operation(tx: Tx) -> list[Event]:
        await tx.execute("INSERT INTO pending (position) VALUES ($1)", 10**12)
        return [event("derived")]

    async def broken(tx: Tx) -> list[Event]:
        await tx.execute("INSERT INTO pending (position) VALUES ($1)", 10**12 + 1)
        raise ConflictError("not now")

    receipt = await journal.submit(Change(operation=operation, lane=Lane.SERVICE))
    assert receipt.positions == [1]
    with pytest.raises(ConflictError, match="not now"):
        await journal.submit(Change(operation=broken, lane=Lane.SERVICE))
    seen: list[Any] = []

    async def look(tx: Tx) -> list[Event]:
        seen[:] = await tx.fetch("SELECT position FROM pending WHERE position > 1000")
        await tx.execute("DELETE FROM pending")
        return []

    await journal.submit(Change(operation=look))
    assert seen == [(10**12,)]


async def test_a_failing_change_fails_alone_and_the_others_keep_their_order(
    journal: Journal, database: Database
) -> None:
    async def broken(_: Tx) -> list[Event]:
        raise ZeroDivisionError

    futures = []
    for n in range(40):
        futures.append(journal.enqueue(Change(events=[event(f"e{n}")])))
        if n % 13 == 5:
            futures.append(journal.enqueue(Change(operation=broken)))
    results = await asyncio.gather(*futures, return_exceptions=True)
    assert sum(isinstance(r, ZeroDivisionError) for r in results) == 3
    assert [s.event.id for s in await stored(database)] == [f"e{n}" for n in range(40)]


@pytest.mark.parametrize("bad", ["a\0b", "\ud800"])
async def test_an_event_that_cannot_be_stored_fails_alone_among_many(
    database: Database, running: Any, bad: str
) -> None:
    """The one is refused by the server, the other cannot even be sent."""
    if database.address.dialect == "sqlite" and bad == "a\0b":
        return  # it stores any character
    events = [event(f"e{n}") for n in range(40)]
    events[30].subject = bad
    async with running(database) as journal:
        futures = [journal.enqueue(Change(events=[e])) for e in events]
        results = await asyncio.gather(*futures, return_exceptions=True)
        assert [n for n, r in enumerate(results) if isinstance(r, Exception)] == [30]
    assert [s.event.id for s in await stored(database)] == [e.id for e in events if e.id != "e30"]


async def test_servers_of_one_database_go_on_where_the_other_left_off(
    database: Database, running: Any
) -> None:
    if database.address.dialect == "sqlite":
        return  # it has one server
    told: list[tuple[str, int]] = []

    class Following(Fan):
        def __init__(self, name: str) -> None:
            super().__init__()
            self.name = name

        async def follow(self, tx: Tx, epoch: int) -> None:
            told.append((self.name, epoch))

    async def change(tx: Tx) -> list[Event]:
        await epoch.advance(tx)
        return []

    async with (
        running(database, Following("one")) as one,
        running(database, Following("two")) as two,
    ):
        for n, journal in enumerate([one, one, one, two, one, two, two, one], 1):
            assert (await journal.submit(Change(events=[event(f"{n}")]))).positions == [n]
        told.clear()
        await one.submit(Change(operation=change))
        await one.submit(Change(events=[event("a")]))
        await one.submit(Change(events=[event("b")]))
        await two.submit(Change(events=[event("c")]))
        assert told == [("one", 1), ("two", 1)]
        pairs = [(one, two)[n % 2].enqueue(Change(events=[event(f"x{n}")])) for n in range(200)]
        receipts = await asyncio.gather(*pairs)
    positions = [position for receipt in receipts for position in receipt.positions]
    assert sorted(positions) == list(range(12, 212))


async def test_a_settlement_knows_what_was_a_duplicate(journal: Journal) -> None:
    told: list[list[int | None]] = []

    async def settle(_: Tx, receipt: Receipt) -> None:
        told.append([*receipt.positions])

    await journal.submit(Change(events=[event("1")]))
    await journal.submit(Change(events=[event("1"), event("2")], settlement=settle))
    assert told == [[None, 3]]


async def test_submitting_inside_a_transaction_is_refused(journal: Journal) -> None:
    async def nested(_: Tx) -> list[Event]:
        await journal.submit(Change(events=[event("inner")]))
        return []

    with pytest.raises(RuntimeError, match="inside a transaction"):
        await journal.submit(Change(operation=nested))


async def test_derived_events_are_evaluated_in_the_same_commit_and_in_order(
    database: Database, running: Any
) -> None:
    fan = Fan()
    async with running(database, fan) as journal:
        await asyncio.gather(
            journal.enqueue(Change(events=[event("a", "fan", data=2)])),
            journal.enqueue(Change(events=[event("b", "fan", data=1)])),
        )
        assert fan.order == ["a", "b", "a.0", "a.1", "b.0"]
        found = await stored(database)
    assert [s.event.id for s in found] == fan.order
    leaf = found[2].event
    assert (leaf.causationid, leaf.correlationid, leaf.depth) == ("a", "a", 1)


async def test_more_derived_events_than_the_bound_go_on_in_the_next_commits_in_order(
    database: Database, running: Any
) -> None:
    fan = Fan()
    count = MAX_DERIVED * 2 + 10
    async with running(database, fan) as journal:
        await asyncio.gather(
            journal.enqueue(Change(events=[event("a", "fan", data=count)])),
            journal.enqueue(Change(events=[event("b")])),
        )
        await journal.submit(Change(events=[event("c")]))
        while len(fan.order) < count + 3:  # noqa: ASYNC110 - what is pending comes without a signal
            await asyncio.sleep(0)
    found = await stored(database)
    assert [s.event.id for s in found] == fan.order
    assert fan.order[-1] == "c"


async def test_events_left_pending_are_evaluated_after_a_restart(
    database: Database, running: Any
) -> None:
    async def leave(tx: Tx) -> list[Event]:
        await log.mark_pending(tx, [1])
        return []

    async with running(database) as journal:
        await journal.submit(Change(events=[event("left")]))
        await journal.submit(Change(operation=leave, lane=Lane.SERVICE))
    fan = Fan()
    async with running(database, fan) as journal:
        await journal.submit(Change(events=[event("next")]))
    assert fan.order == ["left", "next"]


async def test_intake_beyond_its_bound_is_told_to_come_back(
    database: Database, running: Any
) -> None:
    async with running(database, intake_bytes=3_000) as journal:
        futures = [journal.enqueue(Change(events=[event(f"e{n}")])) for n in range(15)]
        with pytest.raises(UnavailableError) as refused:
            journal.enqueue(Change(events=[event("too much")]))
        assert refused.value.code == "overloaded"
        # Our own work is always admitted.
        own = journal.enqueue(Change(events=[event("own")], lane=Lane.SERVICE))
        await asyncio.gather(*futures, own)
        assert journal.waiting_bytes == 0
        await journal.submit(Change(events=[event("later")]))


async def test_subscribers_hear_of_each_commit_in_order(journal: Journal) -> None:
    heard: list[str] = []
    stop = journal.subscribe(lambda batch: heard.extend(s.event.id for s in batch))
    await journal.submit(Change(events=[event("1"), event("2")]))
    await journal.submit(Change(events=[event("1")]))
    stop()
    await journal.submit(Change(events=[event("3")]))
    assert heard == ["1", "2"]


class Flaky:
    """A writer whose database is away, or breaks during the commit, as often as it is told."""

    def __init__(self, writer: Any, away: int = 0, breaks: int = 0) -> None:
        self._writer, self.away, self.breaks = writer, away, breaks
        self.dialect = writer.dialect

    def __getattr__(self, name: str) -> Any:
        return getattr(self._writer, name)

    async def begin(self, at: int, head: Head | None = None) -> Tx:
        if self.away:
            self.away -= 1
            raise ConnectionRefusedError
        return await self._writer.begin(at, head)  # type: ignore[no-any-return]

    async def commit(self) -> None:
        await self._writer.commit()
        if self.breaks:
            self.breaks -= 1
            raise ConnectionResetError

    def fault(self, error: Exception) -> Fault:
        if isinstance(error, ConnectionRefusedError):
            return Fault.UNAVAILABLE
        if isinstance(error, ConnectionResetError):
            return Fault.UNKNOWN
        return self._writer.fault(error)  # type: ignore[no-any-return]


async def flaky_journal(database: Database, **faults: int) -> tuple[Journal, Flaky, Any]:
    from events.evaluation import NoRules
    from events.store import open_writer

    writer = Flaky(open_writer(database), **faults)
    await writer.open()
    journal = Journal(writer, await open_seen(database), NoRules())
    return journal, writer, asyncio.create_task(journal.run())


async def test_while_the_database_is_away_intake_gets_503_and_our_own_work_waits(
    database: Database,
) -> None:
    journal, writer, task = await flaky_journal(database, away=1)
    own = journal.enqueue(Change(events=[event("own")], lane=Lane.SERVICE))
    outside = journal.enqueue(Change(events=[event("outside")]))
    with pytest.raises(UnavailableError):
        await outside
    assert (await own).positions == [1]
    assert journal.available
    assert (await journal.submit(Change(events=[event("outside")]))).positions == [2]
    journal.drain()
    await task
    await writer.close()


async def test_after_an_unknown_outcome_the_same_ids_find_that_they_were_stored(
    database: Database,
) -> None:
    journal, writer, task = await flaky_journal(database, breaks=1)
    receipt = await journal.submit(Change(events=[event("1"), event("2")]))
    assert receipt.positions == [1, 2]
    assert len(await stored(database)) == 2
    journal.drain()
    await task
    await writer.close()


async def test_an_event_is_found_by_its_id_and_so_is_its_chain(
    database: Database, running: Any
) -> None:
    fan = Fan()
    async with running(database, fan) as journal:
        await journal.submit(Change(events=[event("root", "fan", data=3), event("other")]))
        seen = await open_seen(database)
        async with database.reader() as session:
            found = await log.by_id(session, seen, "root.1")
            assert found is not None
            assert found.event.causationid == "root"
            assert await log.by_id(session, seen, "nobody") is None
            chain = await log.chain(session, seen, "root")
    assert [s.event.id for s in chain] == ["root", "root.0", "root.1", "root.2"]


async def test_a_query_takes_globs_times_and_goes_on_behind_a_position(
    journal: Journal, database: Database
) -> None:
    types = ["shop.order.created", "shop.order.paid", "shop_order", "shop.x", "github.push"]
    await journal.submit(Change(events=[event(str(n), t) for n, t in enumerate(types)]))

    async def ids(**query: Any) -> str:
        return "".join(s.event.id for s in await stored(database, **query))

    assert await ids(type="shop.*") == "013"
    assert await ids(type="shop.order.?a*") == "1"
    assert await ids(type="*o*") == "012 3".replace(" ", "")
    assert await ids(type="shop.x") == "3"
    assert await ids(type="nothing") == ""
    assert await ids(after=3) == "34"
    assert await ids(source="/te*", until=now() + 1) == "01234"
    assert await ids(since=now() + 10**9) == ""
