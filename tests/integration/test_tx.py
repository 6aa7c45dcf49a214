"""What a transaction writes in bulk means the same on both databases."""

from __future__ import annotations

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
