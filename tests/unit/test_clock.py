"""The wall clock beside the steady one."""

from __future__ import annotations

import pytest

from base.clock import ClockWatch, Setback
from base.time import SECOND

HOUR = 3_600 * SECOND


class Clocks:
    """A wall clock that can be set, and a steady one."""

    def __init__(self) -> None:
        self.wall = 1_000 * HOUR
        self.steady = 5 * SECOND
        self.held_up = 0
        """For how long the process stands still between the two, once."""

    def pass_(self, span: int, *, slewed: int = 0) -> None:
        self.wall += span + slewed
        self.steady += span

    def read_wall(self) -> int:
        wall = self.wall
        held, self.held_up = self.held_up, 0
        self.pass_(held)
        return wall


@pytest.fixture
def clocks() -> Clocks:
    return Clocks()


@pytest.fixture
def leaps() -> list[int]:
    return []


@pytest.fixture
def watch(clocks: Clocks, leaps: list[int]) -> ClockWatch:
    watch = ClockWatch(wall=clocks.read_wall, steady=lambda: clocks.steady)
    watch.on_set.append(leaps.append)
    return watch


def test_time_that_passes_is_no_leap(watch: ClockWatch, clocks: Clocks, leaps: list[int]) -> None:
    for span in (SECOND, 10 * HOUR, 1):
        clocks.pass_(span)
        watch.look()
    assert leaps == []


@pytest.mark.parametrize("leap", [HOUR, -HOUR, 24 * HOUR, -24 * HOUR, 2 * SECOND])
def test_a_clock_that_is_set_is_told_once(
    watch: ClockWatch, clocks: Clocks, leaps: list[int], leap: int
) -> None:
    clocks.pass_(SECOND, slewed=leap)
    watch.look()
    clocks.pass_(SECOND)
    watch.look()
    assert leaps == [leap]


def test_a_clock_that_is_slewed_is_not_told(
    watch: ClockWatch, clocks: Clocks, leaps: list[int]
) -> None:
    for _ in range(100):
        clocks.pass_(SECOND, slewed=500)
        watch.look()
    assert leaps == []


def test_a_process_that_was_held_up_sees_no_leap(
    watch: ClockWatch, clocks: Clocks, leaps: list[int]
) -> None:
    clocks.held_up = 10 * SECOND
    watch.look()
    watch.look()
    assert leaps == []


def test_a_clock_that_was_set_back_is_to_be_put_right_once(
    watch: ClockWatch, clocks: Clocks
) -> None:
    setback = Setback(watch)
    first = setback.pending
    assert first, "it may have been, while nobody was there"
    setback.done(first)
    clocks.wall += HOUR
    watch.look()
    assert not setback.pending
    clocks.wall -= HOUR
    watch.look()
    second = setback.pending
    assert second
    clocks.wall -= HOUR
    watch.look()
    setback.done(second)
    assert setback.pending, "it was set back again meanwhile"
    setback.done(setback.pending)
    assert not setback.pending
