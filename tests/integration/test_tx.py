"""What a transaction writes in bulk means the same on both databases."""

from __future__ import annotations

import asyncio

import pytest

from events.change import Change
from events.tx import BULK, DeleteSpec, InsertSpec
from triggers.tables import TimerRow

PLAIN = InsertSpec(TimerRow)
ADD = InsertSpec(TimerRow, conflict="nothing")
SET = InsertSpec(TimerRow, conflict="update")
DROP = DeleteSpec(TimerRow, ("automation", "trigger", "path", "key", "due"))
DROP_KEYS = DeleteSpec(TimerRow, ("automation", "trigger", "path", "key"))


def row(key, due):
    return ("a", 0, "", key, due)


async def within(journal, work):
    """What the work returns, done in a transaction of its own."""
    found = []

    async def operation(tx):
        found.append(await work(tx))
        return ()

    await journal.submit(Change(operation=operation))
    return found[-1]


async def rows(tx):
    return await tx.fetch("SELECT key, due FROM timer ORDER BY key")


async def test_a_row_that_is_there_already_becomes_the_new_one(journal):
    async def work(tx):
        await tx.insert(SET, [row("x", 1), row("y", 2)])
        await tx.insert(SET, [row("x", 3), row("z", 4)])
        return await rows(tx)

    assert await within(journal, work) == [("x", 3), ("y", 2), ("z", 4)]


async def test_many_rows_go_in_as_a_few_do(journal):
    def many(first):
        return [row(f"{n:03}", n) for n in range(first, first + 2 * BULK)]

    async def work(tx):
        new = [await tx.insert(ADD, many(first)) for first in (0, 5, 100)]
        changed = await tx.insert(SET, [(*one[:-1], -1) for one in many(0)])
        return new, changed, await rows(tx)

    new, changed, found = await within(journal, work)
    assert (new, changed) == ([2 * BULK, 5, 2 * BULK], 2 * BULK)
    high = [*range(2 * BULK, 2 * BULK + 5), *range(100, 100 + 2 * BULK)]
    assert found == [(f"{n:03}", -1) for n in range(2 * BULK)] + [(f"{n:03}", n) for n in high]

    async def twice(tx):
        await tx.insert(PLAIN, many(500))
        return await tx.insert(PLAIN, many(510))

    with pytest.raises(Exception, match=r"(?i)unique"):
        await within(journal, twice)
    assert await within(journal, rows) == found


async def test_rows_are_deleted_by_all_that_is_given_of_them(journal):
    async def work(tx):
        await tx.insert(SET, [row("x", 1), row("y", 2), row("z", 3)])
        one = await tx.delete(DROP, [row("x", 1), row("y", 9)])
        left = await rows(tx)
        two = await tx.delete(DROP_KEYS, [row("y", 0)[:4], row("z", 0)[:4], row("q", 0)[:4]])
        return one, left, two, await rows(tx), await tx.delete(DROP_KEYS, [])

    assert await within(journal, work) == (1, [("y", 2), ("z", 3)], 2, [], 0)


async def test_however_many_rows_there_are_each_goes_in_once_and_in_order(journal):
    async def work(tx):
        first = await tx.insert(PLAIN, [row(f"{n:03}", n) for n in range(93)])
        known = await tx.insert(ADD, [row(f"{n:03}", -n) for n in range(50, 150)])
        return first, known, await rows(tx)

    given = [(f"{n:03}", n if n < 93 else -n) for n in range(150)]
    assert await within(journal, work) == (93, 57, given)


@pytest.mark.parametrize("place", [3, 40, 75])
async def test_one_row_that_is_there_already_undoes_all_of_its_change(journal, place):
    async def work(tx):
        await tx.insert(PLAIN, [row(f"{n % 80 if n != 80 else place:03}", n) for n in range(81)])

    async def look(tx):
        return await rows(tx)

    with pytest.raises(Exception, match=r"(?i)unique"):
        await within(journal, work)
    assert await within(journal, look) == []


MORE = "UPDATE timer SET due = timer.due + $1 WHERE timer.key = $2"


async def test_what_is_put_off_is_there_for_whoever_looks(journal):
    async def work(tx):
        await tx.insert_soon(PLAIN, [row("a", 1), row("b", 2)])
        await tx.insert_soon(PLAIN, [row("c", 3)])
        found = [await rows(tx)]
        await tx.execute_soon(MORE, 10, "a")
        assert await tx.delete(DROP_KEYS, [row("b", 0)[:4]]) == 1
        found.append(await rows(tx))
        await tx.insert_soon(PLAIN, [row("d", 4)])
        assert await tx.insert(ADD, [row("d", 5), row("e", 6)]) == 1
        await tx.execute_soon(MORE, 10, "e")
        return found

    before, after = await within(journal, work)
    assert before == [("a", 1), ("b", 2), ("c", 3)]
    assert after == [("a", 11), ("c", 3)]
    assert await within(journal, rows) == [("a", 11), ("c", 3), ("d", 4), ("e", 16)]


@pytest.mark.parametrize("count", [3, 2 * BULK])
async def test_rows_that_are_put_off_are_those_that_were_given(journal, count):
    async def work(tx):
        given = [row(f"{n:03}", n) for n in range(count)]
        await tx.insert_soon(PLAIN, given)
        given.clear()

    await within(journal, work)
    assert len(await within(journal, rows)) == count


async def test_the_same_is_put_off_twice_and_counts_twice(journal):
    async def work(tx):
        await tx.insert(PLAIN, [row("a", 1)])
        await tx.execute_soon(MORE, 10, "a")
        await tx.execute_soon(MORE, 100, "a")

    await within(journal, work)
    assert await within(journal, rows) == [("a", 111)]


async def test_what_is_put_off_goes_with_a_statement_that_joins_it(journal):
    joined = (
        "INSERT INTO timer (automation, trigger, path, key, due)"
        " SELECT 'a', 0, '', CAST($2 AS TEXT), CAST($1 AS BIGINT)"
    )

    async def work(tx):
        await tx.insert_soon(PLAIN, [row("a", 1), row("b", 2)])
        await tx.insert_soon(ADD, [row("c", 3)])
        changed = await tx.execute(joined, 9, "z", joins=True)
        return changed, await rows(tx)

    assert await within(journal, work) == (1, [("a", 1), ("b", 2), ("c", 3), ("z", 9)])


async def test_what_is_put_off_and_cannot_be_done_fails_its_own_change(journal):
    async def one(tx):
        await tx.insert_soon(PLAIN, [row("a", 1)])
        return ()

    async def other(tx):
        await tx.insert_soon(PLAIN, [row("b", 1)])
        return ()

    await journal.submit(Change(operation=one))
    futures = [journal.enqueue(Change(operation=o)) for o in (other, one, other)]
    told = await asyncio.gather(*futures, return_exceptions=True)
    assert [isinstance(answer, Exception) for answer in told] == [False, True, True]
    assert await within(journal, rows) == [("a", 1), ("b", 1)]


@pytest.mark.parametrize("before", [False, True])
async def test_rows_that_are_there_undo_nothing_that_was_done_before_them(journal, before):
    """As first thing in a transaction, after one that began so too, and as second."""

    def many(first):
        return [row(f"{n:03}", n) for n in range(first, first + 2 * BULK)]

    async def work(tx):
        if before:
            await tx.insert(PLAIN, [row("x", 1)])
        return await tx.insert(ADD, many(5)), await rows(tx)

    for first in (0, 500):
        await within(journal, lambda tx, first=first: tx.insert(ADD, many(first)))
    added, found = await within(journal, work)
    assert added == 5
    assert (("x", 1) in found) == before
    assert len(found) == 4 * BULK + 5 + before
