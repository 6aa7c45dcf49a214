"""The reconciliation of the kill test finds each kind of fault, and none where there is none."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from tests.chaos import model
from tests.chaos.books import Action, Books, Firing, FlowRun, LogEvent
from tests.chaos.ledger import Answer, Ledger, Reply
from tests.chaos.plan import SOURCE, Shipment, shipments
from tests.chaos.reconcile import FIRED, Arrival, Line, World, reconcile


@dataclass
class Ideal:
    """A service in a few lines that keeps every promise; its books can be falsified."""

    events: list[LogEvent] = field(default_factory=list)
    firings: list[Firing] = field(default_factory=list)
    actions: list[Action] = field(default_factory=list)
    runs: list[FlowRun] = field(default_factory=list)
    lines: list[Line] = field(default_factory=list)
    arrivals: list[Arrival] = field(default_factory=list)
    ledger: Ledger = field(default_factory=Ledger)
    kills: int = 0

    def take(self, shipment: Shipment) -> None:
        entries = self.ledger.open(shipment)
        self.ledger.note(entries, Reply(Answer.TAKEN, 0 if shipment.again else len(entries)))
        if not shipment.again:
            self.evaluate(
                [self.append(e.id, SOURCE, e.type, None, e.data) for e in shipment.events]
            )

    def append(
        self, id_: str, source: str, kind: str, cause: LogEvent | None, data: Any, **more: Any
    ) -> LogEvent:
        position, depth = len(self.events) + 1, cause.depth + 1 if cause else 0
        chain = cause.correlationid if cause else id_
        above = cause.id if cause else None
        subject = more.get("subject")
        event = LogEvent(position, id_, source, kind, subject, depth, chain, above, data)
        self.events.append(event)
        return event

    def evaluate(self, events: list[LogEvent]) -> None:
        """Round by round: what these derive comes after all of them."""
        while events:
            events = [derived for event in events for derived in self.fire(event)]

    def fire(self, event: LogEvent) -> list[LogEvent]:
        derived = []
        for fires in model.fires(event.type, event.id, event.subject, event.data):
            count = len(fires.deeds)
            firing = Firing(
                f"{event.id}/{fires.automation}{fires.trigger}",
                fires.automation, fires.trigger, event.id, "acted", count,
            )  # fmt: skip
            self.firings.append(firing)
            source = f"/automations/{fires.automation}"
            self.append(f"{firing.id}!", source, FIRED, event, {"firing": firing.id})
            for n, deed in enumerate(fires.deeds):
                derived += self.do(event, firing, n, deed)
        return derived

    def do(self, event: LogEvent, firing: Firing, n: int, deed: model.Deed) -> list[LogEvent]:
        action = Action(f"{firing.id}.{n}", firing.id, n, "", "done", None, None)
        self.actions.append(action)
        if isinstance(deed, model.Call):
            self.arrivals.append(Arrival(action.id, deed.body))
            return []
        if isinstance(deed, model.Emit):
            source = f"/automations/{firing.automation}"
            return [self.append(f"{action.id}>", source, deed.type, event, deed.data)]
        run = FlowRun(f"r{action.id}", deed.flow, "completed", 1, action.id, deed.parameters)
        self.runs.append(run)
        self.lines.append(Line(run.id, 1, deed.parameters["event"]))
        told, previous = [], None
        for state in ("scheduled", "pending", "running", "completed"):
            data = {"state": state, "previous": previous, "attempt": int(state != "scheduled")}
            kind, previous = f"ensue.run.{state}", state
            told.append(
                self.append(f"{run.id}{state}", "/flows/x", kind, event, data, subject=run.id)
            )
        return told

    def problems(self) -> dict[str, list[str]]:
        """What reconciling it finds, by promise."""
        books = Books(self.events, self.firings, self.actions, self.runs)
        world = World(self.ledger, books, self.arrivals, self.lines, self.kills)
        found: dict[str, list[str]] = {}
        for verdict in reconcile(world):
            assert verdict.checked, f"{verdict.title}: nothing was looked at"
            found.setdefault(verdict.promise, []).extend(verdict.problems)
        return {promise: problems for promise, problems in found.items() if problems}


@pytest.fixture
def ideal() -> Ideal:
    """Two hundred events of every kind, some of them sent again."""
    service = Ideal()
    for number, shipment in enumerate(shipments(seed=3, count=200)):
        service.take(shipment)
        if number % 10 == 0:
            service.take(replace(shipment, again=True))
    assert {event.type for event in service.events} >= {
        "chaos.second", "chaos.told", "chaos.weighty", "chaos.paired", "chaos.ended", FIRED,
    }  # fmt: skip
    return service


def test_a_service_that_keeps_its_promises_is_believed(ideal: Ideal) -> None:
    assert ideal.problems() == {}


def of(ideal: Ideal, kind: str) -> LogEvent:
    return next(event for event in ideal.events if event.type == kind)


def lose_an_event(ideal: Ideal) -> None:
    ideal.events.remove(of(ideal, "chaos.unheard"))


def store_an_event_twice(ideal: Ideal) -> None:
    ideal.events.append(replace(of(ideal, "chaos.unheard"), position=10**6))


def store_another_event(ideal: Ideal) -> None:
    index = ideal.events.index(of(ideal, "chaos.unheard"))
    ideal.events[index] = replace(ideal.events[index], data={"n": -1})


def store_what_nobody_sent(ideal: Ideal) -> None:
    ideal.append("stranger", SOURCE, "chaos.unheard", None, {})


def tear_a_batch(ideal: Ideal) -> None:
    ideal.ledger.note(list(ideal.ledger.sent.values())[:2], Reply(Answer.TAKEN, 1))


def answer_what_is_never_answered(ideal: Ideal) -> None:
    entries = list(ideal.ledger.sent.values())[:1]
    ideal.ledger.note(entries, Reply(Answer.WRONG, text="500 oops"))


def lose_a_firing(ideal: Ideal) -> None:
    ideal.firings.pop()


def fire_twice(ideal: Ideal) -> None:
    ideal.firings.append(replace(ideal.firings[0], id="another"))


def fire_on_nothing(ideal: Ideal) -> None:
    event = of(ideal, "chaos.unheard")
    ideal.firings.append(replace(ideal.firings[0], id="another", event=event.id))


def fire_without_acting(ideal: Ideal) -> None:
    ideal.firings[0] = replace(ideal.firings[0], outcome="suppressed")


def lose_a_derived_event(ideal: Ideal) -> None:
    ideal.events.remove(of(ideal, "chaos.second"))


def derive_an_event_twice(ideal: Ideal) -> None:
    ideal.events.append(replace(of(ideal, "chaos.second"), position=10**6, id="another"))


def derive_another_event(ideal: Ideal) -> None:
    index = ideal.events.index(of(ideal, "chaos.second"))
    ideal.events[index] = replace(ideal.events[index], data={"n": -1})


def break_a_chain(ideal: Ideal) -> None:
    index = ideal.events.index(of(ideal, "chaos.second"))
    ideal.events[index] = replace(ideal.events[index], correlationid="another")


def put_the_effect_before_its_cause(ideal: Ideal) -> None:
    index = ideal.events.index(of(ideal, "chaos.second"))
    ideal.events[index] = replace(ideal.events[index], position=0)


def leave_an_action_undone(ideal: Ideal) -> None:
    ideal.actions[0] = replace(ideal.actions[0], status="failed")


def evaluate_out_of_order(ideal: Ideal) -> None:
    fired = [index for index, event in enumerate(ideal.events) if event.type == FIRED]
    first, last = fired[0], fired[-1]
    ideal.events[first], ideal.events[last] = ideal.events[last], ideal.events[first]


def lose_a_run(ideal: Ideal) -> None:
    ideal.runs.pop(0)


def start_a_second_run(ideal: Ideal) -> None:
    ideal.runs.append(replace(ideal.runs[0], id="another"))


def run_what_nobody_asked_for(ideal: Ideal) -> None:
    ideal.runs.append(replace(ideal.runs[0], id="another", action=None))


def run_with_the_wrong_parameters(ideal: Ideal) -> None:
    ideal.runs[0] = replace(ideal.runs[0], parameters={"event": "x", "milliseconds": 0})


def run_user_code_twice(ideal: Ideal) -> None:
    ideal.lines.append(ideal.lines[0])


def run_user_code_without_a_record(ideal: Ideal) -> None:
    ideal.lines.append(replace(ideal.lines[0], attempt=2))


def complete_without_running(ideal: Ideal) -> None:
    ideal.lines.pop()


def leave_a_run_open(ideal: Ideal) -> None:
    ideal.runs[0] = replace(ideal.runs[0], state="running")


def skip_a_state(ideal: Ideal) -> None:
    ideal.events.remove(of(ideal, "ensue.run.pending"))


def lose_a_call(ideal: Ideal) -> None:
    ideal.arrivals.pop()


def call_under_another_key(ideal: Ideal) -> None:
    ideal.arrivals.append(replace(ideal.arrivals[0], key="another"))


def call_with_another_body(ideal: Ideal) -> None:
    ideal.arrivals[0] = replace(ideal.arrivals[0], body={})


def call_twice_without_a_kill(ideal: Ideal) -> None:
    ideal.arrivals.append(ideal.arrivals[0])


def call_a_resent_event_new(ideal: Ideal) -> None:
    entry = next(entry for entry in ideal.ledger.sent.values() if entry.again)
    ideal.ledger.note([entry], Reply(Answer.TAKEN, 1))


@pytest.mark.parametrize(
    ("falsify", "promise", "told"),
    [
        (lose_an_event, "P1", "was acknowledged and is not in the log"),
        (store_an_event_twice, "P1", "is in the log 2 times"),
        (store_another_event, "P1", "is in the log as something else"),
        (store_what_nobody_sent, "P1", "stranger is in the log and nobody sent it"),
        (tear_a_batch, "P1", "of 2 events sent together 1 were called new"),
        (answer_what_is_never_answered, "P1", "500 oops"),
        (lose_a_firing, "P2", "fired 0 times"),
        (fire_twice, "P2", "fired 2 times"),
        (fire_on_nothing, "P2", "and nothing matched"),
        (fire_without_acting, "P2", "suppressed"),
        (lose_a_derived_event, "P2", "is in the log 0 times, not once"),
        (derive_an_event_twice, "P2", "is in the log 2 times, not once"),
        (derive_another_event, "P2", "is in the log 0 times, not once"),
        (break_a_chain, "P2", "is not one link further in its chain"),
        (put_the_effect_before_its_cause, "P2", "stands before its cause"),
        (leave_an_action_undone, "P2", "is not done once"),
        (evaluate_out_of_order, "P2", "was evaluated after"),
        (lose_a_run, "P3", "0 runs of the action"),
        (start_a_second_run, "P3", "2 runs of the action"),
        (run_what_nobody_asked_for, "P3", "nobody asked for run another"),
        (run_with_the_wrong_parameters, "P3", "is not what was asked for"),
        (run_user_code_twice, "P3", "ran 2 times at attempt 1"),
        (run_user_code_without_a_record, "P3", "ran at attempt 2, and it is not on record"),
        (complete_without_running, "P3", "completed at attempt 1 and left no line"),
        (leave_a_run_open, "P3", "is running, and was last told to be completed"),
        (skip_a_state, "P3", "went from scheduled to running, it says from pending"),
        (lose_a_call, "P4", "never arrived"),
        (call_under_another_key, "P4", "nobody asked for: another"),
        (call_with_another_body, "P4", "arrived with another body"),
        (call_twice_without_a_kill, "P4", "1 calls too many, for 0 kills"),
        (call_a_resent_event_new, "P5", "was called new 2 times"),
    ],
)
def test_a_fault_is_found(
    ideal: Ideal, falsify: Callable[[Ideal], None], promise: str, told: str
) -> None:
    falsify(ideal)
    assert any(told in problem for problem in ideal.problems()[promise])


def test_an_event_with_an_unknown_outcome_may_be_stored_or_not(ideal: Ideal) -> None:
    for seed, kept in ((100, True), (101, False)):
        (shipment,) = shipments(seed, count=1)
        ideal.ledger.note(ideal.ledger.open(shipment), Reply(Answer.UNKNOWN))
        (event,) = shipment.events
        if kept:
            ideal.evaluate([ideal.append(event.id, SOURCE, event.type, None, event.data)])
    assert ideal.problems() == {}


def test_a_run_that_crashed_half_way_may_have_left_its_line_or_not(ideal: Ideal) -> None:
    run = ideal.runs[0]
    index = ideal.events.index(next(e for e in ideal.events if e.id == f"{run.id}completed"))
    ended = ideal.events[index]
    ideal.events[index] = replace(
        ended, type="ensue.run.crashed", data={**ended.data, "state": "crashed"}
    )
    ideal.runs[0] = replace(run, state="crashed")
    assert ideal.problems() == {}
    ideal.lines.remove(next(line for line in ideal.lines if line.run == run.id))
    assert ideal.problems() == {}


def test_a_call_may_come_twice_where_a_kill_came_between(ideal: Ideal) -> None:
    ideal.arrivals.append(ideal.arrivals[0])
    ideal.kills = 1
    assert ideal.problems() == {}
