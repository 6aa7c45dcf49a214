"""A rule as it should be: what a schedule has to come to, told its steps one after another."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import orjson

from base.time import SECOND, Micros
from tests.schedules.model_clock import Clock, Firing, Flow, Gathered
from tests.schedules.model_node import Heard, Node, Notes, Said, key_of
from tests.schedules.model_windows import is_enough_alone, node

MINUTE = 60 * SECOND
CLOCKS = ("every", "cron")


class Row(NamedTuple):
    """What became of a firing, or that a condition cleared, as the service records it."""

    at: Micros
    outcome: str
    trigger: int
    key: Any
    events: tuple[int, ...]
    count: int
    acted: bool
    of: Micros | None = None
    """Of a condition that cleared: when its firing was."""
    spans: tuple[frozenset[int], ...] = ()
    """Of a combination: it may name any events that fill it within one of these."""

    def allows(self, found: Row) -> bool:
        if not self.spans or self.events == found.events:
            return self._replace(spans=()) == found
        if not any(span.issuperset(found.events) for span in self.spans):
            return False
        return self._replace(spans=(), events=found.events, count=found.count) == found


@dataclass
class Rule:
    """Call these with what happens, in order; `rows` is what has to be found."""

    start: Micros = 0
    punctual: bool = False
    """Timers ring at their very instant, and not just after it."""
    definition: Mapping[str, Any] = field(default_factory=dict)
    paused: bool = False
    rows: list[Row] = field(default_factory=list)
    notes: Notes = field(default_factory=Notes)
    heard: list[Heard] = field(default_factory=list)
    trees: dict[tuple[int, Any], Node] = field(default_factory=dict)
    clocks: dict[int, Clock] = field(default_factory=dict)
    told_of: dict[tuple[int, Any], tuple[Row, Gathered | None]] = field(default_factory=dict)
    """The firing that told of a condition, for as long as that holds, and what it waits with."""
    flow: Flow = field(default_factory=lambda: Flow({}))
    log: int = 0

    @property
    def listens(self) -> bool:
        return bool(self.definition) and self.definition.get("enabled", True) and not self.paused

    def restarted(self, now: Micros) -> None:
        """Nothing is forgotten; only what came due meanwhile waits for a while."""
        self.start = now

    def defined(self, rule: Mapping[str, Any], now: Micros) -> None:
        listened, before = self.listens, self.definition
        self.definition = rule
        self.flow.rule = rule
        anew = _meaning(rule) != _meaning(before)
        if anew:
            self.trees, self.told_of = {}, {}
            self.clocks = {n: Clock(f) for n, f in enumerate(_triggers(rule)) if _is_clock(f)}
            self.flow = Flow(rule)
        for number, clock in self.clocks.items():
            clock.form = _triggers(rule)[number]  # what is made up for is no part of its meaning
        if self.listens and (anew or not listened):
            self.begins(now)

    def pause(self, *, paused: bool, now: Micros) -> None:
        if self.paused != paused:
            self.paused = paused
            if self.listens:
                self.begins(now)

    def begins(self, now: Micros) -> None:
        for clock in self.clocks.values():
            clock.begins(now)
        for number, form in enumerate(_triggers(self.definition)):
            for key in form.get("expected", []):
                self.tree(number, key)
            if not form.get("per") and _remembers(form):
                self.tree(number, None)
            for (n, key), tree in self.trees.items():
                if n == number:
                    expected = not form.get("per") or key in form.get("expected", [])
                    tree.begins(now, expected=expected)

    def tree(self, number: int, key: Any) -> Node:
        if (number, key) not in self.trees:
            self.trees[number, key] = node(_triggers(self.definition)[number], self.notes)
        return self.trees[number, key]

    def heard_of(self, events: Sequence[Heard], now: Micros) -> None:
        """Events of this rule; of those with one number only the first counts."""
        for event in events:
            if any(event.n == other.n for other in self.heard):
                continue
            event.time = min(event.time, now)
            self.log += 1
            event.position = self.log
            self.heard.append(event)
            if self.listens:
                for number, form in enumerate(_triggers(self.definition)):
                    self._hear(number, form, event, now)

    def _hear(self, number: int, form: Mapping[str, Any], event: Heard, now: Micros) -> None:
        if form.get("event") == event.type:
            ref = (event.time, event.position)
            self._fire(Firing(number, None, (ref,), 1), now)
        elif _remembers(form):
            key = key_of(form["per"], event) if form.get("per") else None
            if not self.tree(number, key).hears(event.type):
                return
            if form.get("per") and key is None:
                self.notes.left_out += 1
                return
            self._said(number, key, self.tree(number, key).hear(event, now), now)

    def rung(self, now: Micros) -> None:
        """All timers that ring now do so once, the earliest first."""
        if not self.listens:
            return
        due: list[tuple[Micros, int, str, str, Any]] = []
        for (number, key), tree in self.trees.items():
            for at, path, one in tree.timers():
                if self._rings(at, one.span, now):
                    due.append((at, number, path, _text(key), key))
        for number, clock in self.clocks.items():
            if clock.due is not None and self._rings(clock.due, 0, now):
                due.append((clock.due, number, "", "", None))
        for at, key in self.flow.timers():
            if self._rings(at, 0, now):
                due.append((at, 0, "#gather", _text(key), key))
        now -= self.punctual
        for at, number, path, _, key in sorted(due, key=lambda one: one[:4]):
            self.log += 1
            if path == "#gather":
                if (merged := self.flow.ring(key, at)) is not None:
                    self._pass(merged, now)
            elif number in self.clocks:
                if self.clocks[number].ring(at, now):
                    self._fire(Firing(number, None, (), 0), now)
            else:
                said = self.trees[number, key].ring(path, at, now, self.log)
                self._said(number, key, said, now)

    def _rings(self, due: Micros, span: Micros, now: Micros) -> bool:
        """What came due before the start waits a little, for what is still on its way."""
        return due < now and (due >= self.start or now > self.start + min(span, MINUTE))

    def _said(self, number: int, key: Any, said: list[Said], now: Micros) -> None:
        for one in said:
            if one.events is None:
                self._resolve(number, key, one, now)
            else:
                firing = Firing(number, key, one.events, one.count, one.spans)
                holds = self.trees[number, key].is_condition
                told = self._fire(firing, now, holds=holds)
                if holds and told:
                    self.told_of[number, key] = told

    def _fire(
        self, one: Firing, now: Micros, *, holds: bool = False
    ) -> tuple[Row, Gathered | None] | None:
        self._addressed(one)
        row = None
        group, passing = self.flow.gathers(one, now)
        if group is not None and holds:
            row = self._record(one, "gathered", now)
        if passing is not None:
            passed = self._pass(passing, now)
            row = row or passed
        return None if row is None else (row, group)

    def _pass(self, one: Firing, now: Micros) -> Row:
        self._addressed(one)
        shadow = self.definition.get("shadow", False)
        passes = self.flow.passes(one, now)
        row = self._record(
            one, "suppressed" if not passes else "shadow" if shadow else "acted", now
        )
        if one.group is not None:
            one.group.acted = row.acted
            for number in one.group.cleared:
                if row.acted:  # what it told of had cleared: that is told now
                    self.rows[number] = self.rows[number]._replace(acted=True)
        return row

    def _record(self, one: Firing, outcome: str, now: Micros) -> Row:
        events = tuple(event.n for event in self._events(one.events))
        spans = tuple(frozenset(e.n for e in self._events(span)) for span in one.spans)
        acted = outcome == "acted"
        row = Row(now, outcome, one.trigger, one.key, events, one.count, acted, None, spans)
        self.rows.append(row)
        return row

    def _addressed(self, one: Firing) -> None:
        last = self._events(one.events)[-1:]
        one.subject = key_of("subject", last[0]) if last else None

    def _resolve(self, number: int, key: Any, one: Said, now: Micros) -> None:
        of, group = self.told_of.pop((number, key), (None, None))
        acted = group.acted if group else of is not None and of.acted
        if group and group.acted is None:
            group.cleared.append(len(self.rows))
        # Time itself cleared it, where no event has just come.
        events = (self.heard[-1].n,) if self.heard[-1].position == self.log else ()
        row = Row(
            now,
            "resolved",
            number,
            key,
            events,
            len(events),
            bool(acted) and not self.definition.get("shadow", False),
            of.at if of else None,
        )
        self.rows.append(row)

    def _events(self, refs: Sequence[tuple[Micros, int]]) -> list[Heard]:
        there = {event.position: event for event in self.heard}
        return [there[position] for _, position in refs]


def _triggers(rule: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    trigger = rule.get("trigger", [])
    return trigger if isinstance(trigger, list) else [trigger]


def _is_clock(form: Mapping[str, Any]) -> bool:
    return any(name in form for name in CLOCKS)


def _remembers(form: Mapping[str, Any]) -> bool:
    return "event" not in form and not _is_clock(form)


def _meaning(rule: Mapping[str, Any]) -> Any:
    """The order of keys means nothing, nor does what a clock makes up for, nor a span for one."""
    return [
        {
            name: value
            for name, value in form.items()
            if name != "catch_up" and not (name == "within" and is_enough_alone(form))
        }
        for form in _triggers(rule)
    ]


def _text(key: Any) -> str:
    return "" if key is None else orjson.dumps(key).decode()
