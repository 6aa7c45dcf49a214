"""Triggers that remember against models that know all events and look at all of them each time.

A schedule is events that arrive in order, at times of their own: late, early or at one
instant. Timers ring when they are due, after the events of their instant, or are held up by
one more event. What fires, when, on which events, and what does not count must be the same.
"""

import math
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise, product

from hypothesis import given, settings
from hypothesis import strategies as st

from triggers.absence import AFTER, MATCH, Absence
from triggers.aggregate import Aggregate
from triggers.combination import Combination
from triggers.count import Count
from triggers.figure import FUNCTIONS, Bound
from triggers.key import Key
from triggers.listening import Listening
from triggers.selector import Selector
from triggers.sequence import Sequence
from triggers.window import FRESH, Occurrence, Tick, WindowState, difference

HEARD = Listening(Selector.parse("*"), Key())
NOTHING = st.none()
OFTEN = settings(max_examples=250)
START = 1_000


@dataclass(frozen=True)
class Told:
    """One event: when it arrives, when it happened, and what it is to the trigger."""

    now: int
    time: int
    position: int
    parts: tuple[int, ...]
    value: object
    holds_timers: bool


def schedules(parts, values=NOTHING, most=14):
    def laid_out(rows):
        now, told = START, []
        for position, (gap, delay, filled, value, held) in enumerate(rows, 1):
            now += gap
            told.append(Told(now, now - delay, position, filled, value, held))
        return told

    delay = st.just(0) | st.integers(0, 12)
    row = st.tuples(
        st.sampled_from([0, 1, 1, 2, 3, 6]),
        delay,
        parts,
        values,
        st.sampled_from([False, False, True]),
    )
    return st.lists(row, max_size=most).map(laid_out)


def one_of(count):
    return st.integers(0, count - 1).map(lambda part: (part,))


def some_of(count):
    return st.sets(st.integers(0, count - 1), min_size=1, max_size=2).map(sorted).map(tuple)


class Live:
    """The function under test, as the service calls it: its state goes through rows each time."""

    def __init__(self, node, state=FRESH):
        self.node, self.state = node, state

    @property
    def due(self):
        return self.state.due

    def event(self, told):
        return self._step(
            [Occurrence(told.time, told.position, part, told.value) for part in told.parts],
            told.now,
        )

    def tick(self, due, now):
        return self._step(Tick(due, 0), now)

    def _step(self, told, now):
        step = self.node.advance(self.state, told, now)
        change = difference(self.state, step.state)
        rows = (set(self.state.members) - set(change.removed)) | set(change.added)
        self.state = WindowState.read(step.state.newest, step.state.content(), list(rows))
        assert self.state == step.state
        said = []
        if step.resolved:
            event = step.resolved.event
            said.append(("resolved", step.resolved.time, event and event.position))
        if step.fired:
            assert list(step.fired.events) == sorted(step.fired.events)
            told_of = tuple(ref.position for ref in step.fired.events)
            said.append(("fired", step.fired.time, told_of))
        return said + [note.code for note in step.notes]


class Kept(Live):
    """Its state stays in memory, with all that was worked out of it."""

    def _step(self, told, now):
        read, kept = Live(self.node, self.state), self.node.advance(self.state, told, now).state
        said = read._step(told, now)
        assert kept == read.state
        self.state = kept
        return said


def heard(machine, schedule):
    """All that it says: on events, and on its timers, which come after events of their instant."""
    said, now = [], START

    def ring(until):
        nonlocal now
        while machine.due is not None and machine.due < until:
            due = machine.due
            now = max(now, due)
            said.extend((now, one) for one in machine.tick(due, now))

    for told in schedule:
        if not told.holds_timers:
            ring(told.now)
        now = told.now
        said.extend((now, one) for one in machine.event(told))
    ring(now + 1_000)
    return said


class Model:
    """Keeps every event that counts since it last fired, and the newest time there was."""

    due = None

    def __init__(self, lateness):
        self.lateness, self.newest, self.events = lateness, None, []

    def event(self, told):
        late = self.newest is not None and told.time < self.newest - self.lateness
        self.newest = max(told.time, self.newest or told.time)
        return ["too_late"] if late else self.counted(told)


def fired(chosen):
    chosen = sorted({(told.time, told.position) for told in chosen})
    return [("fired", chosen[-1][0], tuple(position for _, position in chosen))]


def by_time(told):
    return told.time, told.position


class CountModel(Model):
    def __init__(self, at_least, within, lateness):
        super().__init__(lateness)
        self.at_least, self.within = at_least, within

    def counted(self, told):
        self.events.append(told)
        for last in sorted(self.events, key=by_time, reverse=True):
            span = [one for one in self.events if last.time - self.within <= one.time]
            span = sorted((one for one in span if by_time(one) <= by_time(last)), key=by_time)
            if len(span) >= self.at_least:
                self.events = []
                return fired(span[-self.at_least :])
        return []


spans = st.sampled_from([1, 2, 4, 8, 40])
latenesses = st.sampled_from([0, 4, 12, 100])


@OFTEN
@given(schedules(st.just((0,))), st.integers(1, 4), spans, latenesses)
def test_a_count_is_that_of_the_model(schedule, at_least, within, lateness):
    node = Count(HEARD, at_least, within, Key(), lateness)
    assert heard(Live(node), schedule) == heard(CountModel(at_least, within, lateness), schedule)


class SequenceModel(Model):
    def __init__(self, steps, within, lateness):
        super().__init__(lateness)
        self.steps, self.within = steps, within

    def counted(self, told):
        self.events.append(told)
        fitting = [[one for one in self.events if step in one.parts] for step in range(self.steps)]
        chains = [
            tuple(map(by_time, chain))
            for chain in product(*fitting)
            if all(by_time(a) < by_time(b) for a, b in pairwise(chain))
            and chain[-1].time - chain[0].time <= self.within
        ]
        if not chains:
            return []
        self.events = []
        latest = max(chains, key=lambda chain: chain[::-1])
        return [("fired", latest[-1][0], tuple(position for _, position in latest))]


@OFTEN
@given(schedules(some_of(3), most=12), st.integers(2, 3), spans, latenesses)
def test_a_sequence_is_that_of_the_model(schedule, steps, within, lateness):
    for told in schedule:
        object.__setattr__(told, "parts", tuple(part for part in told.parts if part < steps))
    schedule = [told for told in schedule if told.parts]
    node = Sequence((HEARD,) * steps, within, Key(), lateness)
    assert heard(Live(node), schedule) == heard(SequenceModel(steps, within, lateness), schedule)


class CombinationModel(Model):
    """Says that it fires, and checks what the other says took part, for there may be a choice."""

    def __init__(self, at_least, within, lateness):
        super().__init__(lateness)
        self.at_least, self.within, self.choices = at_least, within, []

    def counted(self, told):
        self.events.append(told)
        sets = [
            span
            for start in {one.time for one in self.events}
            if told in (span := self.span(start))
            and len({part for one in span for part in one.parts}) >= self.at_least
        ]
        if not sets:
            return []
        self.choices.append([{one.position for one in span} for span in sets])
        self.events = []
        return ["fired"]

    def span(self, start):
        return [one for one in self.events if start <= one.time <= start + self.within]


@OFTEN
@given(schedules(some_of(4)), st.integers(1, 4), spans, latenesses)
def test_a_combination_is_that_of_the_model(schedule, at_least, within, lateness):
    model = CombinationModel(at_least, within, lateness)
    wanted = heard(model, schedule)
    node = Combination((HEARD,) * 4, at_least, within, Key(), lateness)
    actual = heard(Live(node), schedule)
    assert [(now, one if one == "too_late" else "fired") for now, one in actual] == wanted
    parts = {told.position: set(told.parts) for told in schedule}
    took = [set(one[2]) for _, one in actual if one[0] == "fired"]
    for positions, spans_then in zip(took, model.choices, strict=True):
        assert any(positions <= span for span in spans_then)
        assert len(set().union(*(parts[position] for position in positions))) >= at_least


class AbsenceModel(Model):
    """Keeps what waits counted from; `silent` is whether it fired since."""

    def __init__(self, span, lateness, enabled=None):
        super().__init__(lateness)
        self.span, self.silent = span, False
        self.events = [] if enabled is None else [(enabled, 0)]

    @property
    def due(self):
        return None if self.silent or not self.events else max(self.events)[0] + self.span

    def counted(self, told):
        past = told.time + self.span < told.now
        before = self.events and by_time(told) < max(self.events)
        if before or (self.silent and past):
            return []
        said = [("resolved", told.time, told.position)] if self.silent else []
        self.events.append(by_time(told))
        self.silent = False
        return said

    def tick(self, due, now):
        self.silent = True
        position = max(self.events)[1]
        return [("fired", due, (position,) if position else ())]


@OFTEN
@given(schedules(st.just((MATCH,))), spans, latenesses, st.booleans())
def test_an_absence_is_that_of_the_model(schedule, span, lateness, enabled):
    node = Absence(HEARD, span, None, (), Key(), lateness)
    live = Live(node, node.armed(START) if enabled else FRESH)
    model = AbsenceModel(span, lateness, START if enabled else None)
    assert heard(live, schedule) == heard(model, schedule)


class AfterModel(Model):
    """Keeps all matches, and the one event that a wait counts from."""

    def __init__(self, span, lateness):
        super().__init__(lateness)
        self.span, self.wait, self.waits, self.silent = span, None, False, False

    @property
    def due(self):
        return self.wait[0] + self.span if self.waits else None

    def counted(self, told):
        said, at = [], by_time(told)
        if MATCH in told.parts:
            self.events.append(at)
            if self.wait is not None and at >= self.wait:
                self.waits = False
                if self.silent and told.time + self.span >= told.now:
                    said, self.silent = [("resolved", told.time, told.position)], False
                if not self.silent:
                    self.wait = None
        if AFTER in told.parts and not self.waits and not any(one > at for one in self.events):
            self.wait, self.waits = at, True
        return said

    def tick(self, due, now):
        self.waits, self.silent = False, True
        return [("fired", due, (self.wait[1],))]


@OFTEN
@given(schedules(some_of(2)), spans, latenesses)
def test_an_absence_after_something_is_that_of_the_model(schedule, span, lateness):
    node = Absence(HEARD, span, HEARD, (), Key(), lateness)
    assert heard(Live(node), schedule) == heard(AfterModel(span, lateness), schedule)


class AggregateModel(Model):
    """Judges all values anew at each event, and at each instant at which one leaves."""

    def __init__(self, node):
        super().__init__(node.lateness)
        self.node, self.holds, self.end, self.left = node, False, -math.inf, -math.inf

    @property
    def due(self):
        instants = [one.time + self.node.over for one in self.within(self.end)]
        return min((at for at in instants if at > self.left), default=None)

    def within(self, end):
        return [one for one in self.events if one.time >= end - self.node.over]

    def counted(self, told):
        wrong = not isinstance(told.value, bool if self.node.function == "ratio" else (int, float))
        if told.value is None or wrong:
            note = ["value_missing" if told.value is None else "value_not_a_number"]
        else:
            note = []
            self.events.append(told)
        self.end, self.left = max(self.end, self.newest), -math.inf
        said = self.turned(self.within(self.end))
        if said == ["resolved"]:
            said = [("resolved", told.time, told.position)]
        return said + note

    def tick(self, due, now):
        self.left = due
        said = self.turned(self.within(due + 1))
        if said:
            self.end = max(self.end, due + 1)
        if said == ["resolved"]:
            return [("resolved", due, None)]
        return [("fired", due, one[2]) for one in said]

    def turned(self, kept):
        holds = len(kept) >= self.node.at_least and self.beyond([one.value for one in kept])
        if holds == self.holds:
            return []
        self.holds = holds
        return fired(kept) if holds else ["resolved"]

    def beyond(self, values):
        number, bound = model_figure(self.node.function, values), self.node.bound
        return number > bound.limit if bound.side == "above" else number < bound.limit


def model_figure(function, values):
    exact = sorted(map(Fraction, values))
    if function == "p95":
        rank = Fraction(95, 100) * (len(exact) - 1)
        low = exact[math.floor(rank)]
        return low + (exact[math.ceil(rank)] - low) * (rank - math.floor(rank))
    whole = {"sum": sum(exact), "min": exact[0], "max": exact[-1]}
    return whole.get(function, sum(exact) / len(exact))


numbers = st.integers(-4, 8) | st.sampled_from([0.5, 1.25, None, "5"])
truths = st.sampled_from([True, True, False, None, 1])


@OFTEN
@given(st.data(), st.sampled_from(FUNCTIONS), spans, latenesses, st.integers(1, 3))
def test_an_aggregate_is_that_of_the_model(data, function, over, lateness, at_least):
    values, limits = (truths, [0, 0.5, 1]) if function == "ratio" else (numbers, [-1, 0, 2.5, 4])
    bound = Bound(
        data.draw(st.sampled_from(["above", "below"])), data.draw(st.sampled_from(limits))
    )
    schedule = data.draw(schedules(st.just((0,)), values))
    node = Aggregate(HEARD, function, over, bound, at_least, Key(), lateness)
    wanted = heard(AggregateModel(node), schedule)
    assert heard(Live(node), schedule) == wanted
    assert heard(Kept(node), schedule) == wanted
