"""Four ledgers against a model: what clients were told, what is in the tables, what arrived.

    client's ledger ──▶ the log ──▶ firings ──▶ actions ──▶ runs ──▶ lines they left
                            │                      └──────▶ requests that arrived
                            └── what each event should have led to: `model.py`

Nothing here does I/O: given the same ledgers it finds the same faults.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TypeVar

from tests.chaos import model
from tests.chaos.books import Action, Books, Firing, FlowRun, LogEvent
from tests.chaos.ledger import Ledger
from tests.chaos.plan import SOURCE
from tests.chaos.verdict import Verdict

_K = TypeVar("_K")
_V = TypeVar("_V")

FIRED = "ensue.automation.fired"
SLOTS = 8
"""Calls under way to one receiver: what one kill can leave sent and not noted."""


@dataclass(frozen=True, slots=True)
class Arrival:
    """A request that the receiver got and answered with success."""

    key: str
    """Its idempotency key."""
    body: object


@dataclass(frozen=True, slots=True)
class Line:
    """What a flow left behind: which run, at which attempt, for which event."""

    run: str
    attempt: int
    event: str


@dataclass(frozen=True)
class World:
    """All ledgers of one trial."""

    ledger: Ledger
    books: Books
    arrivals: Sequence[Arrival] = ()
    lines: Sequence[Line] = ()
    kills: int = 0

    @cached_property
    def by_id(self) -> Mapping[str, list[LogEvent]]:
        return _grouped((event.id, event) for event in self.books.events)

    @cached_property
    def expected(self) -> Mapping[tuple[str, int, str], model.Fires]:
        """What should have fired: by rule, trigger and event."""
        return {
            (fires.automation, fires.trigger, event.id): fires
            for event in self.books.events
            for fires in model.fires(event.type, event.id, event.subject, event.data)
        }

    @cached_property
    def fired(self) -> Mapping[tuple[str, int, str], list[Firing]]:
        return _grouped(((f.automation, f.trigger, f.event), f) for f in self.books.firings)

    @cached_property
    def actions(self) -> Mapping[str, list[Action]]:
        """By the firing they belong to."""
        return _grouped((action.firing, action) for action in self.books.actions)

    def deeds(self) -> Iterable[tuple[Firing, int, model.Deed]]:
        """All that recorded firings should have done: which firing, which action, what."""
        for key, fires in self.expected.items():
            for firing in self.fired.get(key, ())[:1]:
                for number, deed in enumerate(fires.deeds):
                    yield firing, number, deed


def reconcile(world: World) -> list[Verdict]:
    """One verdict for each promise that the kill test looks after."""
    return [
        stored(world),
        evaluated(world),
        consequences(world),
        ordered(world),
        runs(world),
        calls(world),
        resent(world),
    ]


def stored(world: World) -> Verdict:
    verdict = Verdict("P1", "2xx means stored", "events acknowledged")
    sent = world.ledger.sent
    for id_, entry in sent.items():
        found = [event for event in world.by_id.get(id_, ()) if event.source == SOURCE]
        if entry.acked:
            verdict.expect(bool(found), f"{id_} was acknowledged and is not in the log")
        if len(found) > 1:
            verdict.problems.append(f"{id_} is in the log {len(found)} times")
        for event in found:
            if (event.type, event.data) != (entry.event.type, entry.event.data):
                verdict.problems.append(f"{id_} is in the log as something else: {event}")
            if (event.depth, event.correlationid, event.causationid) != (0, id_, None):
                verdict.problems.append(f"{id_} does not begin its own chain: {event}")
    strangers = [e.id for e in world.books.events if e.source == SOURCE and e.id not in sent]
    verdict.problems += [f"{id_} is in the log and nobody sent it" for id_ in strangers]
    verdict.problems += world.ledger.wrong
    return verdict


def evaluated(world: World) -> Verdict:
    verdict = Verdict("P2", "each event is evaluated exactly once", "firings")
    for key in world.expected:
        automation, trigger, event = key
        found = world.fired.get(key, ())
        told = f"{automation}[{trigger}] fired {len(found)} times on {event}, not once"
        verdict.expect(len(found) == 1, told)
        verdict.problems += [
            f"{automation} did not act on {event}: {firing.outcome}"
            for firing in found
            if firing.outcome != "acted"
        ]
    verdict.problems += [
        f"{automation}[{trigger}] fired on {event}, and nothing matched"
        for automation, trigger, event in world.fired.keys() - world.expected.keys()
    ]
    return verdict


def consequences(world: World) -> Verdict:
    """What a firing leads to in its own commit: events, actions, and its notice."""
    verdict = Verdict("P2", "what ensues is in the same commit, once", "consequences")
    notices = _grouped((_data(e).get("firing"), e) for e in world.books.events if e.type == FIRED)
    ours = [e for e in world.books.events if e.source.startswith("/automations/")]
    emitted = _grouped(((e.causationid, e.type), e) for e in ours if e.type != FIRED)
    for firing in world.books.firings:
        count = len(notices.get(firing.id, ()))
        verdict.expect(count == 1, f"{count} events tell of the firing {firing.id}, not one")
    wanted: Counter[tuple[str, str]] = Counter()
    for firing, number, deed in world.deeds():
        rows = [a for a in world.actions.get(firing.id, ()) if a.n == number]
        verdict.expect(
            len(rows) == 1 and rows[0].status == "done",
            f"action {number} of {firing.automation} on {firing.event} is not done once: {rows}",
        )
        if isinstance(deed, model.Emit):
            wanted[firing.event, deed.type] += 1
            _check_emitted(world, verdict, firing, deed, emitted.get((firing.event, deed.type), ()))
    for key, events in emitted.items():
        if events[0].type.startswith("chaos.") and len(events) != wanted[key[0] or "", key[1]]:
            verdict.problems.append(
                f"{len(events)} × {key[1]} came of {key[0]}, not {wanted[key[0] or '', key[1]]}"
            )
    return verdict


def _check_emitted(
    world: World, verdict: Verdict, firing: Firing, deed: model.Emit, found: Iterable[LogEvent]
) -> None:
    """One event, of this content, one deeper than its cause and in the same chain."""
    events = [
        e for e in found if e.data == deed.data and e.source == f"/automations/{firing.automation}"
    ]
    what = f"{deed.type} of {firing.automation} on {firing.event}"
    verdict.expect(len(events) == 1, f"{what} is in the log {len(events)} times, not once")
    cause = world.by_id[firing.event][0]
    for event in events:
        if (event.depth, event.correlationid) != (cause.depth + 1, cause.correlationid):
            verdict.problems.append(f"{what} is not one link further in its chain: {event}")
        if event.position <= cause.position:
            verdict.problems.append(f"{what} stands before its cause in the log")


def ordered(world: World) -> Verdict:
    """Firings tell of themselves in the order of evaluation: it has to be that of the log."""
    verdict = Verdict("P2", "evaluated in the order of the log", "firings in order")
    positions = {event.id: event.position for event in world.books.events}
    last = 0
    for event in world.books.events:
        if event.type != FIRED:
            continue
        position = positions.get(event.causationid or "", 0)
        verdict.expect(
            position >= last, f"{event.causationid} ({position}) was evaluated after {last}"
        )
        last = max(last, position)
    return verdict


def runs(world: World) -> Verdict:
    verdict = Verdict("P3", "one run for each `run` action", "runs")
    by_action = _grouped((run.action, run) for run in world.books.runs)
    told = _grouped((e.subject, e) for e in world.books.events if e.type.startswith("ensue.run."))
    lines = _grouped((line.run, line) for line in world.lines)
    asked = {f"{f.id}.{n}": deed for f, n, deed in world.deeds() if isinstance(deed, model.Run)}
    for action, deed in asked.items():
        found = by_action.get(action, ())
        verdict.expect(len(found) == 1, f"{len(found)} runs of the action {action}, not one")
        for run in found:
            if (run.flow, run.parameters) != (deed.flow, deed.parameters):
                verdict.problems.append(f"run {run.id} is not what was asked for: {run}")
            verdict.problems += _life(run, told.get(run.id, ()))
            verdict.problems += _left(run, told.get(run.id, ()), lines.get(run.id, ()))
    known = {run.id for run in world.books.runs}
    verdict.problems += [
        f"nobody asked for run {r.id}" for r in world.books.runs if r.action not in asked
    ]
    verdict.problems += [
        f"a line of run {line.run}, which there is not"
        for line in world.lines
        if line.run not in known
    ]
    ends = Counter(run.state for run in world.books.runs)
    verdict.note = ", ".join(f"{count} {state}" for state, count in sorted(ends.items()))
    return verdict


_ENDS = frozenset(("completed", "crashed"))


def _life(run: FlowRun, events: Sequence[LogEvent]) -> Iterable[str]:
    """Its events are one unbroken line of states that ends in the run's own, and only once."""
    state = None
    for event in events:
        data = _data(event)
        if data.get("previous") != state:
            yield f"run {run.id} went from {state} to {data.get('state')}, it says from {data.get('previous')}"
        if state in _ENDS:
            yield f"run {run.id} went on after it was {state}"
        state = data.get("state")
    if state != run.state or state not in _ENDS:
        yield f"run {run.id} is {run.state}, and was last told to be {state}"


def _left(run: FlowRun, events: Sequence[LogEvent], lines: Sequence[Line]) -> Iterable[str]:
    """User code ran at most once for each time the run was said to be running."""
    begun = {_data(e)["attempt"] for e in events if e.type == "ensue.run.running"}
    attempts = [line.attempt for line in lines]
    for attempt, count in Counter(attempts).items():
        if count > 1:
            yield f"run {run.id} ran {count} times at attempt {attempt}"
        if attempt not in begun:
            yield f"run {run.id} ran at attempt {attempt}, and it is not on record"
    if run.state == "completed" and run.attempt not in attempts:
        yield f"run {run.id} completed at attempt {run.attempt} and left no line"
    if any(line.event != run.parameters["event"] for line in lines):
        yield f"run {run.id} ran with the parameters of another: {lines}"


def calls(world: World) -> Verdict:
    verdict = Verdict("P4", "other actions at least once, one key each", "calls")
    arrived = _grouped((arrival.key, arrival) for arrival in world.arrivals)
    asked = {f"{f.id}.{n}": deed for f, n, deed in world.deeds() if isinstance(deed, model.Call)}
    for action, deed in asked.items():
        found = arrived.get(action, ())
        verdict.expect(bool(found), f"the call {action} never arrived")
        if any(arrival.body != deed.body for arrival in found):
            verdict.problems.append(f"the call {action} arrived with another body: {found}")
    verdict.problems += [f"a call that nobody asked for: {key}" for key in arrived.keys() - asked]
    twice = len(world.arrivals) - len(arrived)
    verdict.note = f"{twice} came twice over {world.kills} kills"
    if twice > world.kills * SLOTS:
        verdict.problems.append(f"{twice} calls too many, for {world.kills} kills")
    verdict.problems += [
        f"the call {key} arrived {len(found)} times over {world.kills} kills"
        for key, found in arrived.items()
        if len(found) > 1 + world.kills
    ]
    return verdict


def resent(world: World) -> Verdict:
    """What was acknowledged and sent once more was not called new again, nor stored again."""
    verdict = Verdict("P5", "a duplicate delivery changes nothing", "events sent again")
    firings = Counter(firing.event for firing in world.books.firings)
    expected = Counter(event for _, _, event in world.expected)
    for id_, entry in world.ledger.sent.items():
        if entry.fresh > 1:
            verdict.problems.append(f"{id_} was called new {entry.fresh} times")
        if entry.again:
            count = firings[id_]
            told = f"{id_} was sent again and fired {count} times, not {expected[id_]}"
            verdict.expect(count == expected[id_], told)
    return verdict


def _data(event: LogEvent) -> Mapping[str, object]:
    return event.data if isinstance(event.data, dict) else {}


def _grouped(pairs: Iterable[tuple[_K, _V]]) -> dict[_K, list[_V]]:
    groups: dict[_K, list[_V]] = defaultdict(list)
    for key, value in pairs:
        groups[key].append(value)
    return dict(groups)
